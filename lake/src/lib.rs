//! turnpike lake.
