//! turnpike schemas.
