//! Durable tables on Delta.
//!
//! Owns: the tables `usage_events`, `usage`, `usage_state` and `rated_lines`, their commits, what a
//! power cut may leave of them, and the verdict which of several events with one key counts.
//!
//! Does not own: how events are decoded, how usage is metered or priced.
//!
//! Invariants:
//! - One commit holds an append's rows and the progress of its source partitions, and happens only
//!   where the version just before it says that the progress starts there. An error of a write
//!   means that the outcome is unknown; the log is read again and tells it.
//! - What is acknowledged is on disk: data files, their folders, the commit, its folder.
//! - The first committed event of a key counts, for all time and over all buckets; a scan and a
//!   compaction agree on it. Keys are compared by 128 bits of their SHA-256, contents by
//!   `content_hash`. What ingest flagged as duplicate, conflict or dead takes no part.
//! - Compaction is a pure function of `usage_events`: its runs, key index and counts change in one
//!   commit. Beside the runs, `usage/_keys/` holds that index; a copy of the table needs it.
//! - An action that is told twice in two forms counts in the form that was committed first. What a
//!   correction amends or retracts is left out of every scan, whichever came first.
//! - The log of `usage_events` and the files that it names are never cleaned. A vacuum deletes files
//!   that no commit names, and of the other tables files that commits removed, after a retention, and
//!   never what a view of a living process may read or what one may be about to commit: each process
//!   says so in a lease.
//!
//! The tables are local; the object store behind them is where other storage would go.

mod append;
mod checkpoint;
mod checksum;
mod choice;
mod commit;
mod compact;
mod corrections;
mod counts;
mod data_file;
mod disk;
mod encoding;
mod error;
mod event_files;
mod events;
mod explode;
mod keys;
mod lake;
mod lease;
mod log;
mod manifest;
mod merge;
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
mod vacuum;
mod verdict;

pub use error::{Fault, LakeError};
pub use event_files::{EncodedEvents, EventsEncoder};
pub use events::EventStream;
pub use lake::Lake;
pub use model::{
    AppId, Append, Backlog, CompactProgress, CompactReport, CompactSettings, EventFilter,
    FinalCounts, LakeSettings, MergeReport, OffsetAdvance, Recovered, RunFile, SystemCounts,
    VacuumReport,
};
pub use rated::{RatedLinesPart, RatedLinesWriter};
pub use snapshot::LakeSnapshot;
