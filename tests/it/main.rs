//! The integration tests: one binary, one module per subject.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic, in its helpers too")]

mod bad_input;
mod faults;
mod golden;
mod inventory;
mod pipeline;
mod properties;
mod support;
mod tidy;
