//! turnpike books.
