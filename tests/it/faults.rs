//! What must hold whatever breaks: processes that die between any two steps, disks that fill up,
//! brokers that go away, input that is meant to hurt. No event lost, none counted twice, the same
//! bill.
//!
//! The rows of the fault matrix carry its numbers (F01, F02, ...). Each ends with the oracle of
//! `tests/oracle`, which recomputes from the producer's journal what the tables and the invoices
//! have to say. Rows that take longer than a minute run in `make faults` only.

mod brokers;
mod compaction;
mod consumers;
mod crash;
mod disk;
mod events;
mod file;
mod http;
mod kafka;
mod oracle;
mod order;
mod points;
mod poison;
mod poll;
mod rated;
mod row;
mod served;
mod soak;
mod sums;
mod sweep;
mod time;
mod tools;
mod topics;
mod trace;
mod unknown;
mod wire;

pub use points::KILL_AT;

/// `make soak` runs this one by its name, with many cycles.
#[test]
fn kill_cycles() {
    soak::run();
}
