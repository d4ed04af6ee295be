//! What producers send by HTTP, as a source: [`Submitter`].
//!
//! A body becomes items ([`Body`]), items become events ([`Submitter::read`]), and one writer puts
//! the events of many requests into one commit ([`Submitter::submit`]): at once while nothing else
//! goes on, else as often as the flush interval allows. Whoever submitted is told what became of
//! each event when the commit is durable, and not before.
//!
//! Invariants:
//! - What waits is bounded in bytes, bodies that are still being read included; what does not fit
//!   is refused before it is read on.
//! - A commit whose outcome is unknown is looked up in the table. What is refused was not committed,
//!   or is said to be of unknown outcome: sending it again gives duplicates at worst.
//! - One process writes under one app id at a time ([`Slot`]).

mod body;
mod inflate;
mod producer;
mod refusal;
mod result;
mod slot;
mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use turnpike_lake::Lake;
use turnpike_schemas::Instant;

use crate::block::Prepared;
use crate::decode::{self, DecodeContext, Record};
use crate::{IngestMetrics, IngestSettings};

pub use body::{Body, BodyError, Item, MediaType};
pub use inflate::{Encoding, Inflate, InflateError};
pub use producer::{NotAllowed, Producer};
pub use refusal::Refusal;
pub use result::{EventResult, Verdict};
pub use slot::{Slot, SlotError};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// How submissions are queued and committed.
#[derive(Debug, Clone)]
pub struct SubmitSettings {
    pub ingest: IngestSettings,
    /// Bytes that may wait for a commit or be on their way in, in all.
    pub queue_bytes_max: usize,
    /// The least time from one commit to the next, unless a batch is full.
    pub flush_interval: Duration,
}

impl SubmitSettings {
    /// Two bodies of the largest size with their rows, or thousands of small ones.
    pub const QUEUE_BYTES_MAX: usize = 64 << 20;
    /// Twenty commits a second: each costs a few writes to the disk and one file to compact.
    pub const FLUSH_INTERVAL: Duration = Duration::from_millis(50);

    pub fn new(ingest: IngestSettings) -> Self {
        Self {
            ingest,
            queue_bytes_max: Self::QUEUE_BYTES_MAX,
            flush_interval: Self::FLUSH_INTERVAL,
        }
    }
}

/// Items that were read and can be submitted.
#[derive(Debug)]
pub struct Submission {
    items: Vec<Prepared>,
    /// Length of all items.
    bytes: usize,
    events: usize,
}

/// A part of the queue, held until the events in it are committed or refused.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    kib_max: u32,
}

impl Reservation {
    /// Holds at least so many bytes, or nothing more than before.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX).min(self.kib_max);
        let more = wanted.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX));
        if more == 0 {
            return Ok(());
        }
        let more = Arc::clone(&self.budget).try_acquire_many_owned(more);
        let more = more.map_err(|_| Refusal::Busy)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * 1_024
    }
}

/// A submission on its way to the writer.
struct Job {
    submission: Submission,
    since: Instant,
    answer: oneshot::Sender<Result<Vec<EventResult>, Refusal>>,
    /// Given back when the job is dropped.
    _reservation: Reservation,
}

/// Where requests hand over their events; cheap to clone.
#[derive(Clone)]
pub struct Submitter {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

struct Shared {
    budget: Arc<Semaphore>,
    kib_max: u32,
    origin: Arc<str>,
    ingest: IngestSettings,
    clock: Clock,
    metrics: Arc<IngestMetrics>,
}

/// The task that commits; it ends when it is told to, with nothing left in the queue.
#[derive(Debug)]
pub struct SubmitWriter {
    task: tokio::task::JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl SubmitWriter {
    /// Commits what is queued and ends. Later submissions are refused.
    pub async fn finish(self) {
        self.stop.send_replace(true);
        // A panic of the task was reported where it happened, and everybody waiting was refused.
        let _ = self.task.await;
    }
}

/// What a request's items may add to the queue besides their bytes: the event and its columns.
const EVENT_BYTES: usize = 1_024;
/// Jobs between the requests and the writer; bytes are what bounds the queue.
const JOBS_MAX: usize = 4_096;

impl Submitter {
    /// Starts the writer of a slot.
    pub fn start(
        lake: Lake,
        slot: Slot,
        settings: &SubmitSettings,
        clock: Clock,
        metrics: Arc<IngestMetrics>,
    ) -> (Submitter, SubmitWriter) {
        let kib_max = u32::try_from(settings.queue_bytes_max / 1_024).unwrap_or(u32::MAX);
        let kib_max = kib_max.clamp(1, u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let shared = Shared {
            budget: Arc::new(Semaphore::new(usize::try_from(kib_max).unwrap_or(usize::MAX))),
            kib_max,
            origin: Arc::clone(slot.origin()),
            ingest: settings.ingest.clone(),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        };
        let (jobs, queue) = mpsc::channel(JOBS_MAX);
        let (stop, stopped) = watch::channel(false);
        let writer = writer::Writer::new(lake, slot, settings, clock, metrics, queue, stopped);
        let task = tokio::spawn(writer.run());
        (Submitter { shared: Arc::new(shared), jobs }, SubmitWriter { task, stop })
    }

    /// One that takes nothing, for a process without requests: whoever asks is told that it stops.
    pub fn closed(ingest: IngestSettings, clock: Clock) -> Submitter {
        let shared = Shared {
            budget: Arc::new(Semaphore::new(0)),
            kib_max: 1,
            origin: Arc::from(""),
            ingest,
            clock,
            metrics: Arc::default(),
        };
        // The queue's other end is dropped here.
        let (jobs, _) = mpsc::channel(1);
        Submitter { shared: Arc::new(shared), jobs }
    }

    /// A place in the queue that holds nothing yet.
    pub fn reserve(&self) -> Reservation {
        let shared = &self.shared;
        Reservation { budget: Arc::clone(&shared.budget), permit: None, kib_max: shared.kib_max }
    }

    /// Submissions that wait for the writer.
    pub fn waiting(&self) -> i64 {
        self.shared.metrics.queued.load(Ordering::Relaxed)
    }

    /// The app id of what is submitted here; no other process has it meanwhile.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Decodes items. What cannot be decoded will be a dead letter; what the producer may not send,
    /// and what is too long to be read, refuses all.
    pub fn read(&self, items: &[Item<'_>], producer: &Producer) -> Result<Submission, NotAllowed> {
        let shared = &self.shared;
        let mut context = DecodeContext::new(&shared.ingest, (shared.clock)());
        producer.pin(&mut context);
        let route: Option<Arc<str>> = producer.to_column().map(Arc::from);
        let mut submission =
            Submission { items: Vec::with_capacity(items.len()), bytes: 0, events: 0 };
        for (index, item) in items.iter().enumerate() {
            let record = Record {
                headers: &item.headers,
                key: None,
                value: Some(item.value.as_ref()),
                topic: None,
            };
            let mut outcome = decode::read(&record, &context);
            // Whoever sends it can send less at a time; nobody could replay its start.
            if outcome.is_too_large() {
                let (bytes, bytes_max) = (item.value.len(), context.bytes_max);
                return Err(NotAllowed::TooLarge { index, bytes, bytes_max });
            }
            for decoded in &mut outcome.decoded {
                producer.allow(index, decoded)?;
            }
            submission.bytes += item.value.len();
            submission.events += outcome.decoded.len();
            let prepared = Prepared::new(outcome, item.value.len()).sent_by(route.clone());
            submission.items.push(prepared);
        }
        Ok(submission)
    }

    /// Queues events and waits for their commit. `Ok` means that they are on disk.
    pub async fn submit(
        &self,
        submission: Submission,
        mut reservation: Reservation,
    ) -> Result<Vec<EventResult>, Refusal> {
        let bytes = submission.bytes + EVENT_BYTES * submission.events;
        let metrics = &self.shared.metrics;
        let full = |refusal: Refusal| {
            metrics.refused.fetch_add(1, Ordering::Relaxed);
            refusal
        };
        reservation.hold(bytes).map_err(full)?;
        let (answer, outcome) = oneshot::channel();
        let since = (self.shared.clock)();
        let job = Job { submission, since, answer, _reservation: reservation };
        metrics.queued.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|error| {
            metrics.queued.fetch_sub(1, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => full(Refusal::Busy),
                mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
            }
        })?;
        outcome.await.unwrap_or(Err(Refusal::Stopping))
    }
}
