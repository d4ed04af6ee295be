//! [`IngestMetrics`]: live counters of a source, for the metrics page.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use turnpike_schemas::Instant;

use crate::counts::Counts;

/// Live counters. Totals are atomics; the tables by label are updated once per commit.
#[derive(Debug, Default)]
pub struct IngestMetrics {
    pub records: AtomicU64,
    pub bytes: AtomicU64,
    pub commits: AtomicU64,
    pub fenced: AtomicU64,
    pub rebalances: AtomicU64,
    pub broker_errors: AtomicU64,
    /// Times that records were gone before they were read, and how many those were.
    pub gaps: AtomicU64,
    pub gap_records: AtomicU64,
    /// Commits that failed and are tried again.
    pub commit_failures: AtomicU64,
    /// Microseconds of the newest event time that was committed; 0: none yet.
    pub watermark_micros: AtomicI64,
    /// Microseconds of the last commit; 0: none yet.
    pub last_commit_micros: AtomicI64,
    /// When the oldest event came that is not committed yet, in microseconds; 0: there is none.
    pub oldest_micros: AtomicI64,
    /// Submissions that wait for the writer.
    pub queued: AtomicI64,
    /// Submissions refused because the queue was full.
    pub refused: AtomicU64,
    /// Commits that a full or read-only disk refused.
    pub disk_refusals: AtomicU64,
    /// How long commits took.
    pub commit_seconds: Seconds,
    tables: Mutex<Tables>,
}

/// Upper bounds of the classes in which [`Seconds`] counts, in milliseconds: a commit to a quick
/// disk takes 10 ms, one of 64 MB to a slow one seconds.
pub const SECONDS_BOUNDS_MS: [u64; 12] =
    [5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000];

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Seconds {
    /// By class; the last is what is longer than all bounds.
    counts: [AtomicU64; SECONDS_BOUNDS_MS.len() + 1],
    micros: AtomicU64,
}

/// [`Seconds`] at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecondsSnapshot {
    /// By class, not added up; one more than there are bounds.
    pub counts: Vec<u64>,
    /// All durations together, in microseconds.
    pub micros: u64,
}

impl Seconds {
    pub fn observe(&self, duration: Duration) {
        let class = SECONDS_BOUNDS_MS
            .iter()
            .position(|bound| duration.as_millis() <= u128::from(*bound))
            .unwrap_or(SECONDS_BOUNDS_MS.len());
        self.counts[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn snapshot(&self) -> SecondsSnapshot {
        SecondsSnapshot {
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            micros: self.micros.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug, Default, Clone)]
struct Tables {
    rows: BTreeMap<RowLabels, u64>,
    lag: BTreeMap<(String, i32), i64>,
    reached: BTreeMap<Arc<str>, Instant>,
    stalled: Option<String>,
}

/// How committed rows are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowLabels {
    /// The adapter, or `unknown`.
    pub system: String,
    /// `accepted`, `duplicate`, `conflict` or `dead`.
    pub status: &'static str,
    /// Of a dead letter its code, of an accepted event that meters nothing `unmetered`, else empty.
    pub reason: &'static str,
}

/// The counters at one moment.
#[derive(Debug, Clone, Default)]
pub struct MetricsSnapshot {
    pub records: u64,
    pub bytes: u64,
    pub commits: u64,
    pub fenced: u64,
    pub rebalances: u64,
    pub broker_errors: u64,
    pub gaps: u64,
    pub gap_records: u64,
    pub commit_failures: u64,
    /// Why nothing can be committed for now: not ready.
    pub stalled: Option<String>,
    pub watermark_micros: i64,
    pub last_commit_micros: i64,
    pub oldest_micros: i64,
    pub queued: i64,
    pub refused: u64,
    pub disk_refusals: u64,
    pub commit_seconds: SecondsSnapshot,
    pub rows: BTreeMap<RowLabels, u64>,
    /// Records between what was read and the end, by topic and partition.
    pub lag: BTreeMap<(String, i32), i64>,
    /// The newest event time that was committed of each source partition.
    pub reached: BTreeMap<Arc<str>, Instant>,
}

impl IngestMetrics {
    pub fn snapshot(&self) -> MetricsSnapshot {
        let tables = self.tables().clone();
        MetricsSnapshot {
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            fenced: self.fenced.load(Ordering::Relaxed),
            rebalances: self.rebalances.load(Ordering::Relaxed),
            broker_errors: self.broker_errors.load(Ordering::Relaxed),
            gaps: self.gaps.load(Ordering::Relaxed),
            gap_records: self.gap_records.load(Ordering::Relaxed),
            commit_failures: self.commit_failures.load(Ordering::Relaxed),
            stalled: tables.stalled,
            watermark_micros: self.watermark_micros.load(Ordering::Relaxed),
            last_commit_micros: self.last_commit_micros.load(Ordering::Relaxed),
            oldest_micros: self.oldest_micros.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            disk_refusals: self.disk_refusals.load(Ordering::Relaxed),
            commit_seconds: self.commit_seconds.snapshot(),
            rows: tables.rows,
            lag: tables.lag,
            reached: tables.reached,
        }
    }

    /// Counts one commit.
    pub(crate) fn committed(&self, counts: &Counts, now: Instant) {
        self.records.fetch_add(counts.records, Ordering::Relaxed);
        self.bytes.fetch_add(counts.bytes, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.last_commit_micros.store(now.micros(), Ordering::Relaxed);
        self.reached(&counts.newest);
        self.add_rows(&counts.rows);
    }

    /// Notes the newest event times of one commit, by source partition.
    pub(crate) fn reached(&self, newest: &BTreeMap<Arc<str>, Instant>) {
        let mut tables = self.tables();
        for (origin, time) in newest {
            self.watermark_micros.fetch_max(time.micros(), Ordering::Relaxed);
            let before = tables.reached.entry(Arc::clone(origin)).or_insert(*time);
            *before = (*before).max(*time);
        }
    }

    /// Counts the rows of one commit.
    pub fn add_rows(&self, counts: &BTreeMap<RowLabels, u64>) {
        let mut tables = self.tables();
        for (labels, count) in counts {
            *tables.rows.entry(labels.clone()).or_default() += count;
        }
    }

    /// Says why nothing can be committed for now, or that it can again.
    pub fn set_stalled(&self, reason: Option<String>) {
        self.tables().stalled = reason;
    }

    /// Nothing can be committed for now.
    pub fn is_stalled(&self) -> bool {
        self.tables().stalled.is_some()
    }

    pub fn set_lag(&self, topic: &str, partition: i32, lag: i64) {
        self.tables().lag.insert((topic.to_owned(), partition), lag);
    }

    /// Forgets a partition that now belongs to somebody else.
    pub fn drop_lag(&self, topic: &str, partition: i32) {
        self.tables().lag.remove(&(topic.to_owned(), partition));
    }

    /// The same of what it has reached: what its new owner reads we do not know.
    pub(crate) fn drop_reached(&self, origin: &str) {
        self.tables().reached.remove(origin);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // A panic while counting leaves numbers that are at worst one commit old.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
