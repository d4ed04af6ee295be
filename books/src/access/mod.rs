//! Keys of programs, and the answers that they were given.

mod idempotency;
mod key;
#[cfg(test)]
mod tests;

pub use idempotency::{Begun, StoredAnswer};
pub use key::{ApiKey, NewApiKey, Right};
