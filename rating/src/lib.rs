//! turnpike rating.
