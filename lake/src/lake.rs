//! [`Lake`]: a handle to the four tables.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::sync::Mutex;
use turnpike_schemas::{Instant, RunId};
use uuid::Uuid;

use crate::disk::{Disk, NoProbe, Probe};
use crate::event_files::{EncodedEvents, EventsEncoder};
use crate::lease::{self, Lease, Pin};
use crate::log::Table;
use crate::manifest::COMPACT_APP;
use crate::rated::RatedLinesWriter;
use crate::snapshot::Tables;
use crate::spec::{RATED_LINES, TableSpec, USAGE, USAGE_EVENTS, USAGE_STATE};
use crate::{
    AppId, Append, Backlog, CompactProgress, CompactReport, CompactSettings, LakeError,
    LakeSettings, LakeSnapshot, MergeReport, OffsetAdvance, Recovered, VacuumReport, append,
    compact, merge, quarantine, rated, raw, state, vacuum,
};

/// What a commit of a few events takes, with its data file.
const PROBE_BYTES: usize = 32 << 10;

/// A cheap handle to the tables; clones share it. Several processes may hold one each.
#[derive(Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

struct Inner {
    tables: Arc<Tables>,
    recovered: Vec<Recovered>,
    /// One compaction at a time in this process; others are fenced by their commits.
    compacting: Mutex<()>,
    root: PathBuf,
    checkpoint_commits: i64,
    lease: Arc<Lease>,
    /// The newest view taken, without a pin: while nothing is committed it serves everybody.
    last: Mutex<Option<LakeSnapshot>>,
}

impl Lake {
    /// Opens the tables, creates those that are missing, and moves torn newest commits away first
    /// (see [`Lake::recovered`]).
    pub async fn open(settings: LakeSettings, now: Instant) -> Result<Lake, LakeError> {
        Self::open_with(settings, now, Arc::new(NoProbe)).await
    }

    pub(crate) async fn open_with(
        settings: LakeSettings,
        now: Instant,
        probe: Arc<dyn Probe>,
    ) -> Result<Lake, LakeError> {
        let LakeSettings { root, buckets, fsync, checkpoint_commits } = settings;
        if !(1..=i32::MAX.unsigned_abs()).contains(&buckets) {
            let reason = format!("{buckets} buckets");
            return Err(LakeError::Batch { operation: "open", table: "usage", reason });
        }
        let disk = Disk::new(fsync, probe);
        let root = tokio::task::spawn_blocking({
            let disk = disk.clone();
            move || create_root(&disk, &root)
        })
        .await
        .map_err(|source| LakeError::Task { operation: "open", source: source.into() })??;

        let lease = Lease::create(&root).map_err(|source| lease_failed(&root, source))?;
        // Everything, until it is known what there is.
        let opening = lease.pin([0; 3]).map_err(|source| lease_failed(&root, source))?;
        let mut recovered = Vec::new();
        let mut opened = Vec::new();
        for spec in [&USAGE_EVENTS, &USAGE, &USAGE_STATE, &RATED_LINES] {
            let table = open_table(spec, &root, &disk, buckets, now, &mut recovered).await?;
            opened.push(table);
        }
        let [events, usage, states, rated] =
            <[Table; 4]>::try_from(opened).unwrap_or_else(|_| unreachable!("four were opened"));
        let tables =
            Tables { events, usage: Arc::new(usage), states, rated: Arc::new(rated), buckets };
        check_not_ahead(&tables).await?;
        let inner = Inner {
            tables: Arc::new(tables),
            recovered,
            compacting: Mutex::new(()),
            root,
            checkpoint_commits,
            lease,
            last: Mutex::new(None),
        };
        drop(opening);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What start-up moved away.
    pub fn recovered(&self) -> &[Recovered] {
        &self.inner.recovered
    }

    pub fn buckets(&self) -> u32 {
        self.inner.tables.buckets
    }

    /// The next offset to read of each source partition, as the newest commit says.
    pub async fn offsets(&self, apps: &[AppId]) -> Result<Vec<Option<i64>>, LakeError> {
        let state = self.inner.tables.events.refreshed().await?;
        Ok(apps.iter().map(|app| state.txn(app.as_str())).collect())
    }

    /// All source partitions whose name starts so, with their next offset to read.
    pub async fn apps_with_prefix(&self, prefix: &str) -> Result<Vec<(AppId, i64)>, LakeError> {
        let state = self.inner.tables.events.refreshed().await?;
        let from = state.txns.range(prefix.to_owned()..);
        let found = from.take_while(|(app, _)| app.starts_with(prefix));
        Ok(found.map(|(app, offset)| (AppId::new(app), *offset)).collect())
    }

    /// Commits rows of `usage_events` together with the progress of their sources, if each stands
    /// where its advance starts. All or nothing; durable when it returns.
    ///
    /// An error means that the outcome is unknown: reading the offsets again tells it.
    pub async fn append_events(
        &self,
        rows: RecordBatch,
        advances: &[OffsetAdvance],
    ) -> Result<Append, LakeError> {
        self.append_events_marked(rows, advances, &[]).await
    }

    /// The same with numbers that are to be remembered under names of their own, whatever they were
    /// before; [`Lake::offsets`] tells them.
    pub async fn append_events_marked(
        &self,
        rows: RecordBatch,
        advances: &[OffsetAdvance],
        marks: &[(AppId, i64)],
    ) -> Result<Append, LakeError> {
        let writing = self.inner.lease.begin_write();
        let _until_done = writing.map_err(|source| lease_failed(&self.inner.root, source))?;
        let table = &self.inner.tables.events;
        append::append(table, self.buckets(), rows, advances, marks).await
    }

    /// Checks and encodes rows of `usage_events` as [`Lake::append_encoded`] takes them.
    pub fn events_encoder(&self) -> EventsEncoder {
        EventsEncoder::new(self.inner.tables.events.spec, self.buckets())
    }

    /// As [`Lake::append_events_marked`], of rows that are encoded already.
    pub async fn append_encoded(
        &self,
        events: &EncodedEvents,
        advances: &[OffsetAdvance],
        marks: &[(AppId, i64)],
    ) -> Result<Append, LakeError> {
        let writing = self.inner.lease.begin_write();
        let _until_done = writing.map_err(|source| lease_failed(&self.inner.root, source))?;
        append::append_encoded(&self.inner.tables.events, events, advances, marks).await
    }

    /// The newest consistent view.
    pub async fn snapshot(&self) -> Result<LakeSnapshot, LakeError> {
        let mut last = self.inner.last.lock().await;
        let _known = self.pin_known().await?;
        let snapshot = LakeSnapshot::take(&self.inner.tables, last.as_ref()).await?;
        let rated = self.inner.tables.rated.known().await.version;
        let [_, usage, states] = snapshot.versions();
        *last = Some(snapshot.clone());
        Ok(snapshot.pinned(self.pin([usage, states, rated])?))
    }

    /// Fails where a small commit would: on a disk that is full or read-only.
    pub async fn check_writable(&self) -> Result<(), LakeError> {
        let path = self.inner.root.join(format!(".writable-{}", Uuid::now_v7()));
        tokio::task::spawn_blocking(move || {
            let written = std::fs::write(&path, [0; PROBE_BYTES]);
            // Half of it may be there.
            let removed = std::fs::remove_file(&path);
            let failed = |source: std::io::Error| LakeError::File {
                operation: "write",
                path: path.clone(),
                source: source.into(),
            };
            written.and(removed).map_err(failed)
        })
        .await
        .map_err(|source| LakeError::Task { operation: "write", source: source.into() })?
    }

    /// Pins what this handle knows: whatever it reads next is at least as new.
    async fn pin_known(&self) -> Result<Pin, LakeError> {
        let tables = &self.inner.tables;
        let usage = tables.usage.known().await.version;
        let states = tables.states.known().await.version;
        let rated = tables.rated.known().await.version;
        self.pin([usage, states, rated])
    }

    fn pin(&self, versions: lease::Versions) -> Result<Pin, LakeError> {
        self.inner.lease.pin(versions).map_err(|source| lease_failed(&self.inner.root, source))
    }

    /// What waits for compaction.
    pub async fn backlog(&self) -> Result<Backlog, LakeError> {
        let tables = &self.inner.tables;
        let from = tables.usage.refreshed().await?.txn(COMPACT_APP).unwrap_or(0);
        let to = tables.events.refreshed().await?.version;
        let mut backlog = Backlog { from, ..Backlog::default() };
        for version in from..=to {
            let commit = raw::commit(&tables.events, version).await?;
            if commit.files.is_empty() {
                continue;
            }
            backlog.commits += 1;
            backlog.rows += commit.rows().unsigned_abs();
            backlog.bytes += commit.files.iter().map(|file| file.bytes.unsigned_abs()).sum::<u64>();
            let written = commit.files.iter().map(|file| file.modified).min();
            let written = written.and_then(|millis| Instant::from_micros(millis * 1_000).ok());
            backlog.oldest = backlog.oldest.or(written);
        }
        Ok(backlog)
    }

    /// Deletes files that the newest versions do not name: what commits removed longer ago than the
    /// retention (of at least an hour), and what no commit names and is older than a day, in
    /// `usage_events` also than the retention. Never what a view of a living process may read or what
    /// one may be about to commit.
    pub async fn vacuum(&self, retention: Duration) -> Result<VacuumReport, LakeError> {
        vacuum::vacuum(&self.inner.tables, &self.inner.root, retention).await
    }

    /// Compacts all that `usage_events` holds now, and writes checkpoints where they are due: the
    /// one place that does.
    pub async fn compact(
        &self,
        settings: &CompactSettings,
        progress: &(dyn Fn(CompactProgress) + Send + Sync),
    ) -> Result<CompactReport, LakeError> {
        let tables = &self.inner.tables;
        let _one = self.inner.compacting.lock().await;
        let _pin = self.pin_known().await?;
        let report = compact::compact(&tables.events, &tables.usage, settings, progress).await?;
        for table in [&tables.events, &*tables.usage, &tables.states, &*tables.rated] {
            table.checkpoint_if_due(self.inner.checkpoint_commits).await?;
        }
        Ok(report)
    }

    /// Merges the runs of each bucket into one, of months up to `through` (such as 202610): rating
    /// reads one run about twice as fast as several. Changes nothing that anybody sees.
    pub async fn merge(
        &self,
        settings: &CompactSettings,
        through: i32,
        progress: &(dyn Fn(MergeReport) + Send + Sync),
    ) -> Result<MergeReport, LakeError> {
        let tables = &self.inner.tables;
        let _one = self.inner.compacting.lock().await;
        let _pin = self.pin_known().await?;
        let report = merge::merge_all(&tables.usage, settings, through, progress).await?;
        tables.usage.checkpoint_if_due(self.inner.checkpoint_commits).await?;
        Ok(report)
    }

    /// Adds keys to the index as a compaction of events with these sources and ids would, for
    /// measurements: without the events.
    #[doc(hidden)]
    pub async fn seed_keys(&self, keys: &[(String, String)]) -> Result<(), LakeError> {
        compact::seed(&self.inner.tables.usage, keys).await
    }

    /// Replaces the states of (bucket, month) for the given buckets. `raw_version` is that of the
    /// snapshot they were computed from.
    pub async fn put_states(
        &self,
        month: i32,
        states: Vec<(u32, RecordBatch)>,
        raw_version: i64,
        fold: &str,
    ) -> Result<(), LakeError> {
        let tables = &self.inner.tables;
        state::put(&tables.states, tables.buckets, month, states, raw_version, fold).await
    }

    /// Stores the lines of a rating run in one commit; a repeat changes nothing.
    pub async fn put_rated_lines(&self, run: &RunId, lines: RecordBatch) -> Result<(), LakeError> {
        rated::put(&self.inner.tables, run, lines).await
    }

    /// Stores the lines of a rating run in parts, and in one commit.
    pub fn rated_lines_writer(&self, run: &RunId) -> RatedLinesWriter {
        RatedLinesWriter::new(self.inner.tables.clone(), run.clone())
    }

    /// The lines of a rating run; none where it is not known.
    pub async fn rated_lines(&self, run: &RunId) -> Result<Vec<RecordBatch>, LakeError> {
        let _pin = self.pin_known().await?;
        rated::read(&self.inner.tables.rated, run).await
    }
}

fn lease_failed(root: &Path, source: std::io::Error) -> LakeError {
    let path = root.join(lease::FOLDER);
    LakeError::File { operation: "hold a lease in", path, source: source.into() }
}

fn create_root(disk: &Disk, root: &Path) -> Result<std::path::PathBuf, LakeError> {
    let failed = |source: std::io::Error| LakeError::File {
        operation: "create",
        path: root.to_path_buf(),
        source: source.into(),
    };
    let absolute = std::path::absolute(root).map_err(failed)?;
    disk.create_root(&absolute).map_err(failed)?;
    // One name per folder: links in the path would make two.
    let root = absolute.canonicalize().map_err(failed)?;
    disk.create_root(&root).map_err(failed)?;
    Ok(root)
}

async fn open_table(
    spec: &'static TableSpec,
    root: &Path,
    disk: &Disk,
    buckets: u32,
    now: Instant,
    recovered: &mut Vec<Recovered>,
) -> Result<Table, LakeError> {
    let table = Table::new(spec, root, disk.clone(), buckets)?;
    recovered.extend(quarantine::recover(&table, now)?);
    table.open(now).await?;
    Ok(table)
}

/// Runs made from a raw commit that is gone would count events that are read again, and states
/// from it would hide them: the former stops us, the latter are only a cache and go.
async fn check_not_ahead(tables: &Tables) -> Result<(), LakeError> {
    let compacted_to = tables.usage.known().await.txn(COMPACT_APP).unwrap_or(0);
    // Read again, last: another process may have moved all of them while they were opened.
    let raw = tables.events.refreshed().await?.version;
    if compacted_to > raw + 1 {
        return Err(LakeError::Diverged { compacted: compacted_to - 1, raw });
    }
    state::drop_after(&tables.states, raw).await
}
