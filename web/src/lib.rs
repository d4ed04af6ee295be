//! turnpike web.
