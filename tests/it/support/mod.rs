//! What tests share: servers they talk to and ways to wait for something.

pub mod kafka;
pub mod wait;
