//! The interface for programs: `/v1/...`, with an API key and answers in JSON.
//!
//! Every failure has a stable code, a message for people and the id of the request. An address of a
//! page never takes an API key, and one of these never a cookie, so a foreign page cannot use them.

mod answer;
mod body;
pub mod events;
mod failure;
mod idempotency;

pub use failure::ApiFailure;
pub use idempotency::Purge;
