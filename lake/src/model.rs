//! The values that go into and come out of the lake.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use turnpike_schemas::Instant;

/// Where the tables are and how they are kept.
#[derive(Debug, Clone)]
pub struct LakeSettings {
    /// The folder that holds one folder per table.
    pub root: PathBuf,
    /// Parts that usage is split into by resource; fixed when the tables are created.
    pub buckets: u32,
    /// Whether a commit waits until the disk holds it. Without it a power cut loses or tears what
    /// was acknowledged.
    pub fsync: bool,
    /// Commits of a table between two checkpoints.
    pub checkpoint_commits: i64,
}

impl LakeSettings {
    /// Commits after the newest checkpoint are read one by one when a table is opened.
    pub const CHECKPOINT_COMMITS: i64 = 100;
    /// Enough that buckets can be metered in parallel on a big machine, few enough that a month
    /// of a small installation is not scattered over tiny files.
    pub const BUCKETS: u32 = 64;

    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            buckets: Self::BUCKETS,
            fsync: true,
            checkpoint_commits: Self::CHECKPOINT_COMMITS,
        }
    }
}

/// Names the source partition whose progress a commit records: `kafka:<cluster>:<topic>:<epoch>:<n>`
/// or `file:<sha256>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(String);

impl AppId {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far one commit moves a source partition. Offsets are *next offset to read*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetAdvance {
    pub app: AppId,
    /// What the table must say for the commit to happen; `None`: nothing yet.
    pub start: Option<i64>,
    pub end: i64,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Append {
    /// On disk, once.
    Committed { version: i64 },
    /// Nothing was written: somebody else moved `app`. Drop the buffer and seek to `found`.
    Fenced { app: AppId, expected: Option<i64>, found: Option<i64> },
}

/// A torn newest commit that start-up moved away; what it held will be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    pub table: &'static str,
    pub version: i64,
    pub moved_to: PathBuf,
    pub reason: String,
}

/// One compacted file of `usage`, sorted by `USAGE_ORDER`, without the partition columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFile {
    /// Absolute.
    pub path: PathBuf,
    pub bucket: u32,
    pub month: i32,
    pub rows: i64,
    pub bytes: i64,
    /// The newest commit of `usage_events` that a row of it came from.
    pub raw_to: i64,
}

/// Which rows of `usage_events` to read; all given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub status: Option<String>,
    pub reason: Option<String>,
    pub system: Option<String>,
    pub resource: Option<String>,
    /// Source, U+001F, id.
    pub key: Option<String>,
    pub origin: Option<String>,
    pub position: Option<i64>,
    /// Ingested at this instant or later.
    pub since: Option<Instant>,
}

/// Limits of one compaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactSettings {
    /// Rows of `usage_events` taken into one commit; bounds memory. A single commit of
    /// `usage_events` that holds more is taken whole.
    pub chunk_rows: usize,
    /// Runs per (bucket, month) before some are merged.
    pub runs_max: usize,
    /// Files encoded and written at once.
    pub writers: usize,
}

impl Default for CompactSettings {
    fn default() -> Self {
        // 500,000 rows of OpenStack events take some 400 MB while they are sorted.
        Self { chunk_rows: 500_000, runs_max: 8, writers: 2 }
    }
}

/// Reported after each commit of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactProgress {
    /// The next commit of `usage_events` to compact, and where this compaction ends.
    pub compacted_to: i64,
    pub target: i64,
    /// Rows of `usage_events` read so far.
    pub rows: u64,
}

/// What a compaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactReport {
    pub commits: u64,
    /// Rows of `usage_events` read.
    pub rows: u64,
    /// Accepted events that meter something and came first.
    pub events: u64,
    pub usage_rows: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub runs_written: u64,
    pub runs_merged: u64,
    /// Time that was spent on looking keys up and on keeping their index.
    pub key_time: Duration,
    /// The next commit of `usage_events` to compact.
    pub compacted_to: i64,
    /// Another compactor was faster; what it did stands.
    pub fenced: bool,
}

/// What merging runs did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MergeReport {
    /// Runs that were replaced, and those that replaced them.
    pub runs_merged: u64,
    pub runs_written: u64,
    pub rows: u64,
}

/// What a vacuum did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VacuumReport {
    /// Files deleted, and their bytes.
    pub files: u64,
    pub bytes: u64,
    /// Files that the newest versions do not name and that were kept: too young, removed too
    /// lately, or a reader or a writer may hold them.
    pub kept: u64,
}

/// What waits for compaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The first commit of `usage_events` that is not compacted.
    pub from: i64,
    pub commits: u64,
    pub rows: u64,
    pub bytes: u64,
    /// When the oldest of these commits was written, as the file system says.
    pub oldest: Option<Instant>,
}

/// Rows by what became of them, the same whatever has been compacted:
/// `read = accepted + duplicate + conflict + dead + discarded`. A dead letter that was replayed
/// counts as what it became.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FinalCounts {
    pub read: i64,
    /// Includes `unmetered`.
    pub accepted: i64,
    pub unmetered: i64,
    pub duplicate: i64,
    pub conflict: i64,
    pub dead: i64,
    /// Dead letters that an operator gave up.
    pub discarded: i64,
    /// Dead letters by their reason, and `unmetered`.
    pub by_reason: BTreeMap<String, i64>,
    /// By adapter; a record that none recognised stands under `unknown`.
    pub by_system: BTreeMap<String, SystemCounts>,
}

/// [`FinalCounts`] of one adapter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SystemCounts {
    pub accepted: i64,
    pub unmetered: i64,
    pub duplicate: i64,
    pub conflict: i64,
    pub dead: i64,
    pub discarded: i64,
}
