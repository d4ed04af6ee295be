//! [`LakeSnapshot`]: one consistent view of the tables.

use std::collections::{BTreeSet, HashSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use tokio::sync::OnceCell;

use crate::choice::RowChoice;
use crate::corrections::{self, Corrections};
use crate::event_files::MONTHS_TAG;
use crate::events::{EventStream, read_events, stream_events_as_committed};
use crate::lease::Pin;
use crate::log::Table;
use crate::manifest::Manifest;
use crate::raw::{self, RawCommit};
use crate::run::{Run, runs_of, with_partition};
use crate::state::{StateFile, states_of};
use crate::tail::Tail;
use crate::{EventFilter, FinalCounts, LakeError, RunFile, checksum, order};

/// One consistent view of the tables; clones share it, and what it has read of the tail. While one
/// lives, no process deletes what it may read.
#[derive(Clone)]
pub struct LakeSnapshot {
    inner: Arc<Inner>,
    _pin: Option<Arc<Pin>>,
}

struct Inner {
    tables: Arc<Tables>,
    /// Of `usage_events`, `usage` and `usage_state`.
    versions: [i64; 3],
    manifest: Manifest,
    /// By bucket, month and age.
    runs: Vec<Run>,
    states: Vec<StateFile>,
    tail_commits: Vec<RawCommit>,
    tail: OnceCell<Tail>,
    corrections: OnceCell<Corrections>,
}

/// The four tables.
pub(crate) struct Tables {
    pub(crate) events: Table,
    pub(crate) usage: Arc<Table>,
    pub(crate) states: Table,
    pub(crate) rated: Arc<Table>,
    pub(crate) buckets: u32,
}

impl LakeSnapshot {
    /// Reads the tables in the order opposite to that in which they follow each other, so that
    /// nothing here knows more than the raw events do. Where nothing was committed since `last`,
    /// that is returned, with what it has read of the tail.
    pub(crate) async fn take(
        tables: &Arc<Tables>,
        last: Option<&LakeSnapshot>,
    ) -> Result<Self, LakeError> {
        let (state_version, states) = {
            let states = tables.states.refreshed().await?;
            (states.version, states_of(&states)?)
        };
        let (usage_version, runs, manifest) = {
            let usage = tables.usage.refreshed().await?;
            (usage.version, runs_of(&usage)?, Manifest::load(&tables.usage, &usage)?)
        };
        let raw_version = tables.events.refreshed().await?.version;
        let versions = [raw_version, usage_version, state_version];
        if let Some(last) = last.filter(|last| last.inner.versions == versions) {
            return Ok(last.clone());
        }
        let compacted_to = manifest.compacted_to;
        if compacted_to > raw_version + 1 {
            return Err(LakeError::Diverged { compacted: compacted_to - 1, raw: raw_version });
        }
        tables.events.forget_added(compacted_to).await;
        let mut tail_commits = Vec::new();
        for version in compacted_to..=raw_version {
            tail_commits.push(raw::commit(&tables.events, version).await?);
        }
        Ok(Self {
            _pin: None,
            inner: Arc::new(Inner {
                tables: tables.clone(),
                versions,
                manifest,
                runs,
                states,
                tail_commits,
                tail: OnceCell::new(),
                corrections: OnceCell::new(),
            }),
        })
    }

    /// Of `usage_events`, `usage` and `usage_state`.
    pub(crate) fn versions(&self) -> [i64; 3] {
        self.inner.versions
    }

    /// The same view, kept from being deleted.
    pub(crate) fn pinned(self, pin: Pin) -> Self {
        Self { _pin: Some(Arc::new(pin)), ..self }
    }

    /// The newest commit of `usage_events` that this view holds.
    pub fn raw_version(&self) -> i64 {
        self.inner.versions[0]
    }

    pub fn usage_version(&self) -> i64 {
        self.inner.versions[1]
    }

    /// The first commit of `usage_events` that no run holds.
    pub fn compacted_to(&self) -> i64 {
        self.inner.manifest.compacted_to
    }

    pub fn buckets(&self) -> u32 {
        self.inner.tables.buckets
    }

    /// Months with usage, ascending. A month that only got conflicts since the last compaction is
    /// among them.
    pub fn months(&self) -> Vec<i32> {
        let runs = self.inner.runs.iter().map(|run| run.month);
        let tags = self.inner.tail_commits.iter().flat_map(|commit| &commit.files);
        let tags = tags.filter_map(|file| file.tag(MONTHS_TAG));
        let tail = tags.flat_map(|months| months.split(',').filter_map(|text| text.parse().ok()));
        runs.chain(tail).collect::<BTreeSet<i32>>().into_iter().collect()
    }

    /// [`Self::runs`], of which every one is what was written: what is billed must not come from a
    /// damaged file. Waits for the disk on the thread that calls.
    pub fn checked_runs(&self, bucket: u32, from: i32, to: i32) -> Result<Vec<RunFile>, LakeError> {
        let folder = &self.inner.tables.usage.folder;
        let check = |run: &Run| {
            let found = run.to_run_file(folder);
            checksum::check("usage", &found.path, &run.file)?;
            Ok(found)
        };
        self.runs_in(bucket, from, to).map(check).collect()
    }

    /// Compacted files of a bucket, for months `from..=to`.
    pub fn runs(&self, bucket: u32, from: i32, to: i32) -> Vec<RunFile> {
        let folder = &self.inner.tables.usage.folder;
        self.runs_in(bucket, from, to).map(|run| run.to_run_file(folder)).collect()
    }

    /// Raw rows past the compaction as rows of `usage`, decided against the runs and among
    /// themselves, in order, for months `from..=to`. The first call reads all buckets. Rows of
    /// [`LakeSnapshot::masked`] events are left out.
    pub async fn tail(
        &self,
        bucket: u32,
        from: i32,
        to: i32,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        let Some(rows) = self.load_tail().await?.rows(number(bucket), from, to)? else {
            return Ok(Vec::new());
        };
        let rows = self.corrections().await?.keep(rows).map_err(failed)?;
        Ok(if rows.num_rows() > 0 { vec![rows] } else { Vec::new() })
    }

    /// The keys of the events that a correction took back or replaced: whoever reads the files of
    /// [`LakeSnapshot::runs`] leaves their rows out, as `scan` and `tail` do.
    pub async fn masked(&self) -> Result<Arc<HashSet<String>>, LakeError> {
        Ok(self.corrections().await?.masked.clone())
    }

    /// Runs and tail of one bucket merged into one order, for months `from..=to`, without the rows
    /// of [`LakeSnapshot::masked`] events.
    pub async fn scan(
        &self,
        bucket: u32,
        from: i32,
        to: i32,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        self.scan_rows(bucket, from..=to, RowChoice::All).await
    }

    /// [`LakeSnapshot::scan`] of the rows that came with commits after `raw_version`.
    pub async fn scan_after(
        &self,
        bucket: u32,
        from: i32,
        to: i32,
        raw_version: i64,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        self.scan_rows(bucket, from..=to, RowChoice::After(raw_version)).await
    }

    /// [`LakeSnapshot::scan`] of the rows of some resources.
    pub async fn scan_resources(
        &self,
        bucket: u32,
        from: i32,
        to: i32,
        resources: HashSet<String>,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        self.scan_rows(bucket, from..=to, RowChoice::Of(Arc::new(resources))).await
    }

    async fn scan_rows(
        &self,
        bucket: u32,
        months: RangeInclusive<i32>,
        choice: RowChoice,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        let (from, to) = (*months.start(), *months.end());
        let tail = self.tail(bucket, from, to).await?;
        let folder = self.inner.tables.usage.folder.clone();
        let runs: Vec<Run> = self.runs_in(bucket, from, to).cloned().collect();
        let task = tokio::task::spawn_blocking(move || {
            let mut parts = Vec::new();
            for rows in &tail {
                parts.push(choice.of_batch(rows).map_err(failed)?);
            }
            for run in runs.iter().filter(|run| choice.may_be_in(run)) {
                let path = folder.join(&run.file.path);
                checksum::check("usage", &path, &run.file)?;
                for batch in choice.read(&path)? {
                    parts.push(with_partition(run, &batch).map_err(failed)?);
                }
            }
            parts.retain(|part| part.num_rows() > 0);
            order::merge(&parts).map_err(failed)
        });
        let merged = task
            .await
            .map_err(|source| LakeError::Task { operation: "scan", source: source.into() })??;
        let corrections = self.corrections().await?;
        let keep = |batch| corrections.keep(batch).map_err(failed);
        merged.into_iter().map(keep).collect()
    }

    /// The state of a bucket at the newest month start up to `month` that still holds: computed by
    /// this fold from a view that had all events of earlier months which this one has, and every
    /// correction. `None`: start from nothing.
    pub async fn state(
        &self,
        bucket: u32,
        month: i32,
        fold: &str,
    ) -> Result<Option<(i32, Vec<RecordBatch>)>, LakeError> {
        let mut candidates: Vec<&StateFile> = self.inner.states.iter().collect();
        candidates.retain(|state| state.bucket == number(bucket) && state.month <= month);
        candidates.sort_unstable_by_key(|state| std::cmp::Reverse(state.month));
        for state in candidates {
            if state.is_of_fold(fold) && self.holds(state).await? {
                let rows = state.read(&self.inner.tables.states).await?;
                return Ok(Some((state.month, rows)));
            }
        }
        Ok(None)
    }

    /// Raw events, newest file first, for explanations, dead letters and checks. Their status is
    /// what ingest found; compaction may know better.
    pub async fn events(
        &self,
        filter: &EventFilter,
        columns: Option<&[&str]>,
        limit: usize,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        let events = &self.inner.tables.events;
        read_events(events, self.raw_version(), filter, columns, limit).await
    }

    /// All raw events that match, in the order in which they were committed: the one that decides
    /// which of several counts. Reads the log from its first commit, for checks.
    pub async fn events_as_committed(
        &self,
        filter: &EventFilter,
        columns: Option<&[&str]>,
    ) -> Result<EventStream, LakeError> {
        let events = &self.inner.tables.events;
        stream_events_as_committed(events, self.raw_version(), filter, columns).await
    }

    /// Rows of `usage_events` by what became of them, however far compaction got.
    pub async fn final_counts(&self) -> Result<FinalCounts, LakeError> {
        let mut counts = FinalCounts::default();
        for count in &self.inner.manifest.counts {
            counts.add(&count.key, count.rows);
        }
        counts.add_all(&self.load_tail().await?.counts);
        assert_eq!(
            counts.read,
            counts.accepted + counts.duplicate + counts.conflict + counts.dead + counts.discarded,
            "every row read has one fate"
        );
        Ok(counts.settled())
    }

    async fn holds(&self, state: &StateFile) -> Result<bool, LakeError> {
        if state.raw_version > self.raw_version() {
            return Ok(false);
        }
        // What a correction changed may lie in any month and bucket: its target need not be known.
        if self.corrections().await?.last_version.is_some_and(|last| last > state.raw_version) {
            return Ok(false);
        }
        let runs = &self.inner.runs[self.bucket_range(state.bucket)];
        let late = |run: &Run| run.month < state.month && run.raw_to > state.raw_version;
        if runs.iter().any(late) {
            return Ok(false);
        }
        let tail = self.load_tail().await?;
        Ok(!tail.changes_before(state.bucket, state.month, state.raw_version))
    }

    fn runs_in(&self, bucket: u32, from: i32, to: i32) -> impl Iterator<Item = &Run> {
        let runs = &self.inner.runs[self.bucket_range(number(bucket))];
        runs.iter().filter(move |run| (from..=to).contains(&run.month))
    }

    fn bucket_range(&self, bucket: i32) -> Range<usize> {
        let runs = &self.inner.runs;
        let start = runs.partition_point(|run| run.bucket < bucket);
        start..runs.partition_point(|run| run.bucket <= bucket)
    }

    async fn corrections(&self) -> Result<&Corrections, LakeError> {
        let inner = &self.inner;
        let load = || async {
            let tail = self.load_tail().await?.corrections.clone();
            let paths = inner.manifest.correction_paths(&inner.tables.usage);
            let task = tokio::task::spawn_blocking(move || {
                let mut all = corrections::read(&paths)?;
                all.extend(tail);
                Ok(Corrections::of(&all))
            });
            task.await.map_err(|source| LakeError::Task {
                operation: "reading corrections",
                source: source.into(),
            })?
        };
        inner.corrections.get_or_try_init(load).await
    }

    async fn load_tail(&self) -> Result<&Tail, LakeError> {
        let inner = &self.inner;
        let load = || {
            let key_paths = inner.manifest.key_paths(&inner.tables.usage);
            Tail::load(&inner.tables.events, inner.tail_commits.clone(), key_paths)
        };
        inner.tail.get_or_try_init(load).await
    }
}

/// Buckets fit: their number was checked when the tables were opened.
fn number(bucket: u32) -> i32 {
    i32::try_from(bucket).unwrap_or(i32::MAX)
}

fn failed(source: ArrowError) -> LakeError {
    LakeError::Rows { operation: "scan", table: "usage", source: source.into() }
}
