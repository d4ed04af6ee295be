//! The one task that commits what requests have submitted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant as Stopwatch, timeout_at};
use turnpike_lake::{AppId, Append, Lake, LakeError};

use super::refusal::disk_trouble;
use super::result::results;
use super::{Clock, EventResult, Job, Refusal, Slot, Submission, SubmitSettings};
use crate::batch::{Batch, Batcher};
use crate::{IngestError, IngestMetrics, kill};

/// Attempts of one commit. Who waits for the answer can try again, so a disk that does not heal at
/// once is theirs to wait for.
const ATTEMPTS_MAX: u32 = 4;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Writer {
    lake: Lake,
    batcher: Batcher,
    slot: Slot,
    app: AppId,
    /// The position of the next item; `None`: the table is asked first.
    next: Option<i64>,
    flush_interval: Duration,
    flush_bytes: usize,
    last_flush: Option<Stopwatch>,
    clock: Clock,
    metrics: Arc<IngestMetrics>,
    queue: mpsc::Receiver<Job>,
    stopped: watch::Receiver<bool>,
}

/// Somebody who waits, and their part of the queue.
struct Waiting {
    answer: oneshot::Sender<Result<Vec<EventResult>, Refusal>>,
    _reservation: super::Reservation,
}

impl Writer {
    pub fn new(
        lake: Lake,
        slot: Slot,
        settings: &SubmitSettings,
        clock: Clock,
        metrics: Arc<IngestMetrics>,
        queue: mpsc::Receiver<Job>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let batcher = Batcher::new(&settings.ingest, lake.buckets(), clock());
        let app = AppId::new(slot.origin().as_ref());
        let (flush_interval, flush_bytes) = (settings.flush_interval, settings.ingest.flush_bytes);
        Self {
            lake,
            batcher,
            slot,
            app,
            next: None,
            flush_interval,
            flush_bytes,
            last_flush: None,
            clock,
            metrics,
            queue,
            stopped,
        }
    }

    /// Commits until nobody can submit any more.
    pub async fn run(mut self) {
        while let Some(first) = self.receive().await {
            let jobs = self.gather(first).await;
            let taken = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
            self.metrics.queued.fetch_sub(taken, Ordering::Relaxed);
            self.last_flush = Some(Stopwatch::now());
            self.write(jobs).await;
        }
    }

    /// The next job. After a stop the queue takes no more, and what is in it comes out.
    async fn receive(&mut self) -> Option<Job> {
        if !*self.stopped.borrow() {
            tokio::select! {
                biased;
                job = self.queue.recv() => return job,
                _ = self.stopped.wait_for(|stopped| *stopped) => {}
            }
        }
        self.queue.close();
        self.queue.recv().await
    }

    /// The job and those that came meanwhile; while commits follow each other closely, also those
    /// that come until the next one is due.
    async fn gather(&mut self, first: Job) -> Vec<Job> {
        let due = self.last_flush.map(|last| last + self.flush_interval);
        let mut bytes = first.submission.bytes;
        let mut jobs = vec![first];
        while bytes < self.flush_bytes {
            let job = match self.queue.try_recv() {
                Ok(job) => Some(job),
                Err(_) if *self.stopped.borrow() => None,
                Err(_) => match due {
                    Some(due) => self.receive_until(due).await,
                    None => None,
                },
            };
            let Some(job) = job else { break };
            bytes += job.submission.bytes;
            jobs.push(job);
        }
        jobs
    }

    async fn receive_until(&mut self, due: Stopwatch) -> Option<Job> {
        tokio::select! {
            job = timeout_at(due, self.queue.recv()) => job.ok().flatten(),
            _ = self.stopped.wait_for(|stopped| *stopped) => None,
        }
    }

    async fn write(&mut self, jobs: Vec<Job>) {
        let oldest = jobs.iter().map(|job| job.since.micros()).min().unwrap_or_default();
        self.metrics.oldest_micros.store(oldest, Ordering::Relaxed);
        let began = Stopwatch::now();
        let (waiting, submissions): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .map(|Job { submission, answer, _reservation, .. }| {
                (Waiting { answer, _reservation }, submission)
            })
            .unzip();
        let committed = self.commit(submissions).await;
        self.metrics.oldest_micros.store(0, Ordering::Relaxed);
        match committed {
            Ok(results) => {
                self.metrics.commit_seconds.observe(began.elapsed());
                for (Waiting { answer, .. }, results) in waiting.into_iter().zip(results) {
                    // A request that is gone asks again, and is told of duplicates.
                    let _ = answer.send(Ok(results));
                }
            }
            Err(error) => {
                let refusal = Refusal::of(error);
                tracing::error!(cause = %chain(&refusal), "submissions were not committed");
                if refusal.is_disk() {
                    self.metrics.disk_refusals.fetch_add(1, Ordering::Relaxed);
                }
                for Waiting { answer, .. } in waiting {
                    let _ = answer.send(Err(refusal.clone()));
                }
            }
        }
    }

    /// Where the table says that our items go on.
    async fn open(&mut self) -> Result<i64, IngestError> {
        if let Some(next) = self.next {
            return Ok(next);
        }
        let start = self.offset().await?;
        self.batcher.open(Arc::clone(self.slot.origin()), start);
        let next = start.unwrap_or(0);
        self.next = Some(next);
        Ok(next)
    }

    async fn offset(&self) -> Result<Option<i64>, IngestError> {
        let known = self.lake.offsets(std::slice::from_ref(&self.app)).await;
        let known = known.map_err(|source| IngestError::Lake {
            operation: "read the progress of the HTTP source",
            source,
        })?;
        Ok(known.into_iter().next().flatten())
    }

    /// Commits submissions; what became of each event. After an error the table is asked again
    /// where we are, and what was buffered is forgotten.
    async fn commit(
        &mut self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Vec<EventResult>>, IngestError> {
        let mut next = self.open().await?;
        let origin = Arc::clone(self.slot.origin());
        let mut ranges = Vec::with_capacity(submissions.len());
        for submission in submissions {
            let start = next;
            for item in submission.items {
                self.batcher.push_prepared(&origin, next, item);
                next += 1;
            }
            ranges.push(start..next);
        }
        let now = (self.clock)();
        let batch = match self.batcher.take(now) {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(Vec::new()),
            Err(error) => {
                // Nobody knows which events the filter took for committed: it forgets them all.
                self.batcher.rollback(0);
                self.next = None;
                return Err(error);
            }
        };
        let (sequence, counts) = (batch.sequence, batch.counts.clone());
        let committed = match results(&batch.rows, &ranges) {
            Ok(results) => self.append(batch).await.map(|end| (end, results)),
            Err(error) => Err(IngestError::Batch(error)),
        };
        match committed {
            Ok((end, results)) => {
                self.next = Some(end);
                self.batcher.open(origin, Some(end));
                self.metrics.committed(&counts, now);
                Ok(results)
            }
            Err(error) => {
                self.batcher.rollback(sequence);
                self.next = None;
                Err(error)
            }
        }
    }

    /// Appends a batch, moved to where the table says if that is elsewhere; where it ended.
    async fn append(&self, mut batch: Batch) -> Result<i64, IngestError> {
        let mut attempt = 1;
        loop {
            kill::at("before_parquet");
            let [advance] = batch.advances.as_slice() else {
                return Err(IngestError::Task { operation: "commits submissions" });
            };
            let (start, end) = (advance.start, advance.end);
            let append = self.lake.append_events(batch.rows.clone(), &batch.advances).await;
            let (error, found) = match append {
                Ok(Append::Committed { .. }) => {
                    kill::at("after_commit");
                    return Ok(end);
                }
                Ok(Append::Fenced { app, expected, found }) => {
                    tracing::warn!(%app, ?expected, ?found, "another writer was here; moving on");
                    self.metrics.fenced.fetch_add(1, Ordering::Relaxed);
                    let error = IngestError::Contended { app: app.to_string(), attempts: attempt };
                    (error, found)
                }
                Err(source) => {
                    let durable = !matches!(source, LakeError::NotDurable { .. });
                    let error = IngestError::Lake { operation: "append submissions", source };
                    if !durable {
                        return Err(error);
                    }
                    let found = self.offset().await?;
                    // Nobody else moves this app id: it is ours that got there.
                    if found == Some(end) {
                        return Ok(end);
                    }
                    (error, found)
                }
            };
            if attempt >= ATTEMPTS_MAX || disk_trouble(&error).is_some() || !error.is_retryable() {
                return Err(error);
            }
            attempt += 1;
            tokio::time::sleep(ATTEMPT_PAUSE).await;
            if found != start {
                batch = moved(batch, found).map_err(IngestError::Batch)?;
            }
        }
    }
}

/// The same rows at other positions.
fn moved(mut batch: Batch, start: Option<i64>) -> Result<Batch, ArrowError> {
    let missing = || ArrowError::SchemaError("there is no column position".to_owned());
    for advance in &mut batch.advances {
        let by = start.unwrap_or(0) - advance.start.unwrap_or(0);
        let at = batch.rows.schema().index_of("position")?;
        let positions =
            batch.rows.column(at).as_primitive_opt::<Int64Type>().ok_or_else(missing)?;
        let positions: Int64Array = positions.unary(|position| position + by);
        let mut columns: Vec<ArrayRef> = batch.rows.columns().to_vec();
        columns[at] = Arc::new(positions);
        batch.rows = RecordBatch::try_new(batch.rows.schema(), columns)?;
        advance.start = start;
        advance.end += by;
    }
    Ok(batch)
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
