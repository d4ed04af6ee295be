//! [`IngestMetrics`]: live counters of a source, for the metrics page.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    tables: Mutex<Tables>,
}

#[derive(Debug, Default, Clone)]
struct Tables {
    rows: BTreeMap<RowLabels, u64>,
    lag: BTreeMap<(String, i32), i64>,
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
    pub rows: BTreeMap<RowLabels, u64>,
    /// Records between what was read and the end, by topic and partition.
    pub lag: BTreeMap<(String, i32), i64>,
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
            rows: tables.rows,
            lag: tables.lag,
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

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // A panic while counting leaves numbers that are at worst one commit old.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
