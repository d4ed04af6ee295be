//! Durable tables on Delta.
//!
//! Owns: the tables `usage_events`, `usage`, `usage_state` and `rated_lines`, their commits, what a
//! power cut may leave of them, and the verdict which of several events with one key counts.
//!
//! Does not own: how events are decoded, how usage is metered or priced.
//!
//! Invariants:
//! - One commit holds an append's rows and the progress of its source partitions, and happens only
//!   where the version before it says that the progress starts there.
//! - What is acknowledged is on disk: file, folder, commit, folder of the commit.
//! - The first committed event of a key counts, for all time; a scan and a compaction agree on it.

mod append;
mod checkpoint;
mod commit;
mod compact;
mod counts;
mod data_file;
mod disk;
mod error;
mod events;
mod explode;
mod keys;
mod lake;
mod log;
mod manifest;
mod model;
mod order;
mod parquet_file;
mod quarantine;
mod rated;
mod raw;
mod run;
mod snapshot;
mod spec;
mod state;
mod store;
mod tail;
#[cfg(test)]
mod tests;
mod tier;
mod verdict;

pub use error::{Fault, LakeError};
pub use lake::Lake;
pub use model::{
    AppId, Append, CompactProgress, CompactReport, CompactSettings, EventFilter, FinalCounts,
    LakeSettings, OffsetAdvance, Recovered, RunFile, SystemCounts,
};
pub use snapshot::LakeSnapshot;
