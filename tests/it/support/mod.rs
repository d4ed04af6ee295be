//! What tests share: servers they talk to and ways to wait for something.

pub mod case;
pub mod cli;
pub mod counts;
pub mod figures;
pub mod kafka;
pub mod log;
pub mod skip;
pub mod wait;
