//! Compaction: raw commits into sorted runs, each event key once.
//!
//! A chunk of raw commits becomes one commit of `usage`, which holds its runs, the merges they
//! call for, and how far it got. A process killed before that commit leaves files that nobody
//! names; a second compactor finds the `txn` moved and drops its work.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use deltalake_core::kernel::Action;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::commit::{Outcome, Plan};
use crate::corrections::StoredCorrection;
use crate::data_file::DataFile;
use crate::explode::explode;
use crate::keys::{self, KeyEntry, KeyHash};
use crate::log::{LogState, Table};
use crate::manifest::{COMPACT_APP, KeyFile, Manifest, new_correction_file, new_key_file};
use crate::parquet_file::{self, NewFile};
use crate::raw::{self, RawCommit};
use crate::run::{Run, new_run, runs_of, without_partition};
use crate::tier::merge_from;
use crate::verdict::{Verdict, decide};
use crate::{CompactProgress, CompactReport, CompactSettings, LakeError, corrections, order};

/// Files of the key index before some are merged. A look-up reads each.
const KEY_FILES_MAX: usize = 8;
/// Files of corrections before they are merged into one.
const CORRECTION_FILES_MAX: usize = 8;

pub(crate) type Progress<'a> = &'a (dyn Fn(CompactProgress) + Send + Sync);

/// Compacts all that `usage_events` holds now.
pub(crate) async fn compact(
    events: &Table,
    usage: &Arc<Table>,
    settings: &CompactSettings,
    progress: Progress<'_>,
) -> Result<CompactReport, LakeError> {
    let mut report = CompactReport::default();
    let target = events.refreshed().await?.version + 1;
    loop {
        let view = View::load(usage).await?;
        report.compacted_to = view.manifest.compacted_to;
        events.forget_added(report.compacted_to).await;
        if report.compacted_to >= target || report.fenced {
            return Ok(report);
        }
        let commits = next_chunk(events, report.compacted_to..target, settings.chunk_rows).await?;
        report.fenced = !compact_chunk(events, usage, view, commits, settings, &mut report).await?;
        progress(CompactProgress {
            compacted_to: usage.known().await.txn(COMPACT_APP).unwrap_or(0),
            target,
            rows: report.rows,
        });
    }
}

/// What a chunk is compacted onto.
struct View {
    manifest: Manifest,
    runs: BTreeMap<(i32, i32), Vec<Run>>,
}

impl View {
    async fn load(usage: &Table) -> Result<Self, LakeError> {
        let state = usage.refreshed().await?;
        let mut runs: BTreeMap<_, Vec<Run>> = BTreeMap::new();
        for run in runs_of(&state)? {
            runs.entry((run.bucket, run.month)).or_default().push(run);
        }
        Ok(Self { manifest: Manifest::load(usage, &state)?, runs })
    }
}

async fn next_chunk(
    events: &Table,
    versions: std::ops::Range<i64>,
    rows_max: usize,
) -> Result<Vec<RawCommit>, LakeError> {
    let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
    let (mut chunk, mut rows) = (Vec::new(), 0_i64);
    for version in versions {
        let commit = raw::commit(events, version).await?;
        if !chunk.is_empty() && rows.saturating_add(commit.rows()) > rows_max {
            break;
        }
        rows = rows.saturating_add(commit.rows());
        chunk.push(commit);
    }
    Ok(chunk)
}

/// Compacts one chunk; `false` where another compactor was faster.
async fn compact_chunk(
    events: &Table,
    usage: &Arc<Table>,
    view: View,
    commits: Vec<RawCommit>,
    settings: &CompactSettings,
    report: &mut CompactReport,
) -> Result<bool, LakeError> {
    let from = view.manifest.compacted_to;
    let to = commits.last().map_or(from, |commit| commit.version + 1);
    let raw = raw::read(events, commits).await?;
    let rows = raw.num_rows() as u64;
    let (verdict, sorted, decided) = decide_and_sort(raw, view.manifest.key_paths(usage)).await?;
    let files = write_runs(usage, &view.runs, &sorted, settings).await?;
    let switch = write_manifest(usage, view.manifest, to, &verdict).await?;

    let outcome = usage.commit(|state| {
        let stands_at = state.txn(COMPACT_APP).unwrap_or(0);
        // Runs may be merged without any progress.
        Ok(match stands_at == from && files.are_current(state) {
            false => Plan::Refuse(()),
            true => Plan::Commit { actions: files.actions(), txns: switch.txns.clone() },
        })
    });
    if let Outcome::Refused(()) = outcome.await? {
        let runs = files.written().map(|file| usage.path_of(file));
        for path in runs.chain(switch.written) {
            // A file that stays costs space and is named by no commit.
            let _ = tokio::fs::remove_file(path).await;
        }
        return Ok(false);
    }
    report.commits += 1;
    report.rows += rows;
    report.events += verdict.metered.len() as u64;
    report.usage_rows += sorted.num_rows() as u64;
    report.duplicates += verdict.duplicates;
    report.conflicts += verdict.conflicts;
    report.key_time += decided + switch.key_time;
    report.runs_written += files.new.len() as u64;
    report.runs_merged += files.merged.iter().map(|(old, _)| old.len() as u64).sum::<u64>();
    Ok(true)
}

async fn decide_and_sort(
    raw: RecordBatch,
    key_paths: Vec<PathBuf>,
) -> Result<(Verdict, RecordBatch, Duration), LakeError> {
    blocking(move || {
        let began = std::time::Instant::now();
        let verdict = decide(&raw, |wanted| look_up(&key_paths, wanted))?;
        let decided = began.elapsed();
        let rows = explode(&raw, &verdict.metered).map_err(rows_failed)?;
        let sorted = order::sort(&rows, &["bucket", "month"]).map_err(rows_failed)?;
        Ok((verdict, sorted, decided))
    })
    .await
}

/// What the files of the key index say of some keys.
pub(crate) fn look_up(
    paths: &[PathBuf],
    wanted: &[KeyHash],
) -> Result<HashMap<KeyHash, i64>, LakeError> {
    let mut found = HashMap::new();
    for path in paths {
        keys::find(path, wanted, &mut found)
            .map_err(|error| key_index(format!("{}: {error}", path.display())))?;
    }
    Ok(found)
}

/// The files of one commit.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) new: Vec<DataFile>,
    /// Runs and the one that replaces them.
    pub(crate) merged: Vec<(Vec<Run>, DataFile)>,
}

impl Files {
    pub(crate) fn written(&self) -> impl Iterator<Item = &DataFile> {
        self.new.iter().chain(self.merged.iter().map(|(_, file)| file))
    }

    /// Whether the runs that are replaced are still there.
    pub(crate) fn are_current(&self, state: &LogState) -> bool {
        let there = |run: &Run| state.files.contains_key(&run.file.path);
        self.merged.iter().all(|(old, _)| old.iter().all(there))
    }

    pub(crate) fn actions(&self) -> Vec<Action> {
        let mut actions: Vec<_> =
            self.new.iter().map(|file| Action::Add(file.to_add(true))).collect();
        for (old, new) in &self.merged {
            let deleted = new.modified;
            actions
                .extend(old.iter().map(|run| Action::Remove(run.file.to_remove(false, deleted))));
            actions.push(Action::Add(new.to_add(false)));
        }
        actions
    }
}

/// What to write for one bucket and month.
pub(crate) enum Job {
    New(NewFile),
    Merge { bucket: i32, month: i32, runs: Vec<Run> },
}

impl Job {
    /// Of runs of one bucket and month.
    pub(crate) fn merge(runs: Vec<Run>) -> Self {
        let (bucket, month) = runs.first().map_or((0, 0), |run| (run.bucket, run.month));
        Self::Merge { bucket, month, runs }
    }
}

async fn write_runs(
    usage: &Arc<Table>,
    runs: &BTreeMap<(i32, i32), Vec<Run>>,
    sorted: &RecordBatch,
    settings: &CompactSettings,
) -> Result<Files, LakeError> {
    let jobs = plan_jobs(runs, sorted, settings.runs_max).map_err(rows_failed)?;
    let done = stream::iter(jobs)
        .map(|job| run_job(usage, job))
        .buffer_unordered(settings.writers.max(1))
        .try_collect::<Vec<_>>()
        .await?;
    let mut files = Files::default();
    for (old, file) in done {
        match old.is_empty() {
            true => files.new.push(file),
            false => files.merged.push((old, file)),
        }
    }
    Ok(files)
}

fn plan_jobs(
    runs: &BTreeMap<(i32, i32), Vec<Run>>,
    sorted: &RecordBatch,
    runs_max: usize,
) -> Result<Vec<Job>, ArrowError> {
    let mut jobs = Vec::new();
    for (bucket, rows) in order::stretches(sorted, "bucket", 0..sorted.num_rows()) {
        for (month, rows) in order::stretches(sorted, "month", rows) {
            let part = without_partition(&sorted.slice(rows.start, rows.len()))?;
            jobs.push(Job::New(new_run(bucket, month, vec![part])?));
            let old = runs.get(&(bucket, month)).map(Vec::as_slice).unwrap_or_default();
            let sizes: Vec<u64> = old.iter().map(|run| run.file.rows.unsigned_abs()).collect();
            // One place is for the new run.
            if let Some(start) = merge_from(&sizes, runs_max.saturating_sub(1).max(1)) {
                jobs.push(Job::merge(old[start..].to_vec()));
            }
        }
    }
    Ok(jobs)
}

pub(crate) async fn run_job(
    usage: &Arc<Table>,
    job: Job,
) -> Result<(Vec<Run>, DataFile), LakeError> {
    match job {
        Job::New(file) => Ok((Vec::new(), parquet_file::write(usage, file).await?)),
        Job::Merge { bucket, month, runs } => {
            let files = runs.iter().map(|run| run.file.clone()).collect();
            let parts = parquet_file::read_all(usage, files).await?;
            let file = blocking(move || {
                let merged = order::merge(&parts.concat()).map_err(rows_failed)?;
                new_run(bucket, month, merged).map_err(rows_failed)
            });
            let file = parquet_file::write(usage, file.await?).await?;
            let rows: i64 = runs.iter().map(|run| run.file.rows).sum();
            assert_eq!(rows, file.rows, "a merge keeps every row");
            Ok((runs, file))
        }
    }
}

/// The switch to a new manifest, and the files that were written for it.
struct Switch {
    txns: Vec<(String, i64)>,
    written: Vec<PathBuf>,
    key_time: Duration,
}

async fn write_manifest(
    usage: &Arc<Table>,
    mut manifest: Manifest,
    to: i64,
    verdict: &Verdict,
) -> Result<Switch, LakeError> {
    let (usage, new_keys) = (usage.clone(), verdict.new_keys.clone());
    let new_corrections = verdict.corrections.clone();
    manifest.compacted_to = to;
    manifest.add_counts(verdict.counts.clone());
    blocking(move || {
        let failed = |error: std::io::Error| key_index(error.to_string());
        let began = std::time::Instant::now();
        let mut written = add_keys(&usage, &mut manifest, &new_keys).map_err(failed)?;
        let key_time = began.elapsed();
        written.extend(add_corrections(&usage, &mut manifest, new_corrections)?);
        let (txns, path) = manifest.write(&usage).map_err(failed)?;
        written.push(path);
        Ok(Switch { txns, written, key_time })
    })
    .await
}

/// Adds keys to the index in a commit of their own.
pub(crate) async fn seed(usage: &Arc<Table>, keys: &[(String, String)]) -> Result<(), LakeError> {
    let entry = |(source, id): &(String, String)| KeyEntry {
        key: KeyHash::new(source, id),
        content_hash: 0,
    };
    let mut new_keys: Vec<KeyEntry> = keys.iter().map(entry).collect();
    new_keys.sort_unstable();
    let verdict = Verdict { new_keys, ..Verdict::default() };
    let manifest = View::load(usage).await?.manifest;
    let to = manifest.compacted_to;
    let switch = write_manifest(usage, manifest, to, &verdict).await?;
    let outcome =
        usage.commit(|_| Ok(Plan::<()>::Commit { actions: Vec::new(), txns: switch.txns.clone() }));
    outcome.await.map(|_| ())
}

fn add_keys(
    usage: &Table,
    manifest: &mut Manifest,
    new: &[KeyEntry],
) -> std::io::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    if !new.is_empty() {
        let (name, path) = new_key_file(usage);
        keys::write(&usage.disk, &path, new)?;
        manifest.keys.push(KeyFile { name, entries: new.len() as u64 });
        written.push(path);
    }
    let sizes: Vec<u64> = manifest.keys.iter().map(|file| file.entries).collect();
    if let Some(start) = merge_from(&sizes, KEY_FILES_MAX) {
        let parts = manifest.key_paths(usage).split_off(start);
        let (name, path) = new_key_file(usage);
        let entries = keys::merge(&usage.disk, &path, &parts)?;
        manifest.keys.truncate(start);
        manifest.keys.push(KeyFile { name, entries });
        // The new file is among the merged and was never named.
        for path in written.drain(..) {
            std::fs::remove_file(path)?;
        }
        written.push(path);
    }
    Ok(written)
}

fn add_corrections(
    usage: &Table,
    manifest: &mut Manifest,
    mut new: Vec<StoredCorrection>,
) -> Result<Option<PathBuf>, LakeError> {
    if new.is_empty() {
        return Ok(None);
    }
    if manifest.corrections.len() >= CORRECTION_FILES_MAX {
        let mut all = corrections::read(&manifest.correction_paths(usage))?;
        all.append(&mut new);
        new = all;
        manifest.corrections.clear();
    }
    let (name, path) = new_correction_file(usage);
    corrections::write(&usage.disk, &path, &new).map_err(|error| key_index(error.to_string()))?;
    manifest.corrections.push(KeyFile { name, entries: new.len() as u64 });
    Ok(Some(path))
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, LakeError> + Send + 'static,
) -> Result<T, LakeError> {
    tokio::task::spawn_blocking(run)
        .await
        .map_err(|source| LakeError::Task { operation: "compact", source: source.into() })?
}

fn key_index(reason: String) -> LakeError {
    LakeError::KeyIndex { reason }
}

fn rows_failed(source: ArrowError) -> LakeError {
    LakeError::Rows { operation: "compact", table: "usage", source: source.into() }
}
