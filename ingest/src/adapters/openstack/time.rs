//! Times of notifications are read like those of all other systems.

pub use crate::adapters::time::parse;
