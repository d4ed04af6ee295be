//! Files and folders as a source: JSON lines, a JSON list or object, CSV, XML, logs and tables.
//!
//! A file is known by the SHA-256 of what is in it, and its lines count from one. What a table has
//! of a file is never read again, whatever the file is called now.

mod lines;
mod open;
mod preview;
mod reader;
mod records;
mod table;
mod xml;

pub(crate) use preview::raw_records;
pub use preview::{Preview, preview, preview_text};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use turnpike_lake::{AppId, Append, Lake};
use turnpike_schemas::Instant;

use crate::batch::{Batch, Batcher};
use crate::{IngestError, IngestProgress, IngestReport, IngestSettings, Installation, kill};
use open::Opened;
use reader::Reader;

pub use records::{FileRecord, FileRecords, records};
pub(crate) use xml::items as elements;

/// How often another writer of the same file may be faster before giving up.
const ATTEMPTS_MAX: u32 = 5;
/// How often progress is told while a long batch is read.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Reads a file, or the files of a folder in the order of their names, into the lake. Content that
/// was read before is skipped, whatever the file is called now.
pub async fn ingest(
    lake: &Lake,
    path: &Path,
    settings: &IngestSettings,
    now: Instant,
    progress: &(dyn Fn(IngestProgress) + Send + Sync),
) -> Result<IngestReport, IngestError> {
    let files = open::list(path)?;
    let mut told = IngestProgress {
        bytes_total: files.iter().map(|file| file.bytes).sum(),
        files_total: files.len() as u64,
        ..Default::default()
    };
    progress(told);
    let mut report = IngestReport::default();
    let mut batcher = Batcher::new(settings, lake.buckets(), now);
    let mut bytes_before = 0;
    for file in files {
        let bytes = file.bytes;
        let read = Arc::new(AtomicU64::new(0));
        let tell = |rows: u64| {
            let bytes = bytes_before + read.load(Ordering::Relaxed).min(bytes);
            progress(IngestProgress { bytes, rows, ..told });
        };
        let installation = settings.pins.installation.as_ref();
        let read = Arc::clone(&read);
        let job = Job { lake, now, at: settings.at, installation, read, tell: &tell };
        batcher = Box::pin(job.file(file.path, batcher, &mut report)).await?;
        bytes_before += bytes;
        told.files += 1;
        progress(IngestProgress { bytes: bytes_before, rows: report.read, ..told });
    }
    Ok(report)
}

/// What the reading of one file needs.
struct Job<'a> {
    lake: &'a Lake,
    now: Instant,
    /// The time of records that carry none.
    at: Option<Instant>,
    /// Which of several systems of one kind the files are of.
    installation: Option<&'a Installation>,
    /// Bytes of the file read so far.
    read: Arc<AtomicU64>,
    tell: &'a (dyn Fn(u64) + Send + Sync),
}

/// How an attempt to read a file ended.
enum End {
    Done { records: u64 },
    Fenced,
}

impl Job<'_> {
    async fn file(
        &self,
        path: PathBuf,
        mut batcher: Batcher,
        report: &mut IngestReport,
    ) -> Result<Batcher, IngestError> {
        let hashed = path.clone();
        let opened = blocking("hashes a file", move || Opened::open(&hashed)).await??;
        let opened = Arc::new(opened);
        let origin: Arc<str> = origin(&opened.id, self.at, self.installation).into();
        let app = AppId::new(origin.as_ref());
        for _ in 0..ATTEMPTS_MAX {
            let known = self.lake.offsets(std::slice::from_ref(&app)).await.map_err(|source| {
                IngestError::Lake { operation: "read the progress of a file", source }
            })?;
            let start = known.into_iter().next().flatten();
            batcher.open(Arc::clone(&origin), start);
            self.read.store(0, Ordering::Relaxed);
            let (back, end) = self
                .attempt((&path, &opened), &origin, start.unwrap_or(1), batcher, report)
                .await?;
            batcher = back;
            if let End::Done { records } = end {
                batcher.close(&origin);
                if records == 0 {
                    report.skipped_files += 1;
                }
                if opened.is_changed() {
                    tracing::warn!(path = %path.display(), "the file was written to while it was \
                        read; run again for what is new in it");
                }
                return Ok(batcher);
            }
        }
        Err(IngestError::Contended { app: app.to_string(), attempts: ATTEMPTS_MAX })
    }

    /// Decodes on a thread of its own while the batch before is being committed.
    async fn attempt(
        &self,
        (path, opened): (&Path, &Arc<Opened>),
        origin: &Arc<str>,
        start: i64,
        batcher: Batcher,
        report: &mut IngestReport,
    ) -> Result<(Batcher, End), IngestError> {
        let (send, mut receive) = mpsc::channel(1);
        let reader = Reader {
            path: path.to_owned(),
            opened: Arc::clone(opened),
            origin: Arc::clone(origin),
            start,
            now: self.now,
            read: Arc::clone(&self.read),
            batcher,
            send,
        };
        let reading = tokio::task::spawn_blocking(move || reader.run());
        let mut fenced = None;
        let mut failed = None;
        loop {
            let batch = tokio::select! {
                batch = receive.recv() => batch,
                () = tokio::time::sleep(PROGRESS_INTERVAL) => {
                    (self.tell)(report.read);
                    continue;
                }
            };
            let Some(batch) = batch else { break };
            match commit(self.lake, &batch).await {
                Ok(true) => report.add(&batch.counts.report()),
                Ok(false) => fenced = Some(batch.sequence),
                Err(error) => failed = Some(error),
            }
            (self.tell)(report.read);
            if fenced.is_some() || failed.is_some() {
                // The reader ends at its next batch; what it has read is read again.
                break;
            }
        }
        drop(receive);
        let (mut batcher, result) =
            reading.await.map_err(|_| IngestError::Task { operation: "reads a file" })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some(sequence) = fenced {
            batcher.rollback(sequence);
            return Ok((batcher, End::Fenced));
        }
        result.map(|records| (batcher, End::Done { records }))
    }
}

/// The app id of a file. The same bytes say something else where they are said to be of another time
/// or of another installation.
fn origin(id: &str, at: Option<Instant>, installation: Option<&Installation>) -> String {
    let at = at.map(|at| format!("@{at}")).unwrap_or_default();
    let installation = installation.map(|name| format!("+{}", name.as_str()));
    format!("{id}{at}{}", installation.unwrap_or_default())
}

/// What the app id of a file says of all of its records.
pub(crate) fn said_of(origin: &str) -> (Option<Instant>, Option<Installation>) {
    let (front, installation) = match origin.split_once('+') {
        Some((front, name)) => (front, Installation::new(name).ok()),
        None => (origin, None),
    };
    let at = front.split_once('@').and_then(|(_, at)| Instant::parse(at).ok());
    (at, installation)
}

/// Whether a batch was committed; if not, it was fenced.
async fn commit(lake: &Lake, batch: &Batch) -> Result<bool, IngestError> {
    kill::at("before_parquet");
    let append = lake
        .append_events(batch.rows.clone(), &batch.advances)
        .await
        .map_err(|source| IngestError::Lake { operation: "append events of a file", source })?;
    match append {
        Append::Committed { .. } => {
            kill::at("after_commit");
            Ok(true)
        }
        Append::Fenced { app, expected, found } => {
            tracing::warn!(%app, ?expected, ?found, "another writer reads this file; reading on");
            Ok(false)
        }
    }
}

async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, IngestError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| IngestError::Task { operation })
}
