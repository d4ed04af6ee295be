//! What an ingest run did, counted in rows that were committed.

use std::collections::BTreeMap;

/// Rows committed by one run: `read = accepted + duplicate + conflict + dead`. The lake's own
/// counts are final; these leave out duplicates that only a compaction can see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestReport {
    pub read: u64,
    /// Includes `unmetered`.
    pub accepted: u64,
    pub unmetered: u64,
    pub duplicate: u64,
    pub conflict: u64,
    pub dead: u64,
    pub dead_by_reason: BTreeMap<String, u64>,
    pub commits: u64,
    /// Files whose content had been read to its end before.
    pub skipped_files: u64,
    /// Bytes of payload read.
    pub bytes: u64,
}

impl IngestReport {
    pub fn add(&mut self, other: &IngestReport) {
        self.read += other.read;
        self.accepted += other.accepted;
        self.unmetered += other.unmetered;
        self.duplicate += other.duplicate;
        self.conflict += other.conflict;
        self.dead += other.dead;
        for (reason, count) in &other.dead_by_reason {
            *self.dead_by_reason.entry(reason.clone()).or_default() += count;
        }
        self.commits += other.commits;
        self.skipped_files += other.skipped_files;
        self.bytes += other.bytes;
    }
}

/// How far a run over files has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestProgress {
    /// Bytes of the files on disk, read so far and in all.
    pub bytes: u64,
    pub bytes_total: u64,
    pub files: u64,
    pub files_total: u64,
    /// Rows committed so far.
    pub rows: u64,
}
