//! The integration tests: one binary, one module per subject.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic, in its helpers too")]

mod bad_input;
mod cancelled;
mod clients;
mod corrections;
mod dead_letters;
mod exact;
mod faults;
mod fuzz;
mod golden;
mod http;
mod inventory;
mod lifecycle;
mod pipeline;
mod properties;
mod support;
mod tidy;
mod tls;
mod tools;
