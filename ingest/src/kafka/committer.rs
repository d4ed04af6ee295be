//! [`Committer`]: a thread that commits one batch at a time while the next are read and built.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use turnpike_lake::{AppId, Append, Lake, LakeError};

use super::builders::Ticket;
use super::incarnation;
use crate::batch::Encoded;
use crate::{IngestError, kill};

/// A batch that is to be committed.
#[derive(Debug)]
pub(super) struct Attempt {
    pub batch: Encoded,
    /// What tells the last record of each partition from any other.
    marks: Vec<(AppId, i64)>,
    /// How often it failed before.
    pub failures: u32,
    /// How long the last try of committing it took.
    pub took: Duration,
}

enum Work {
    /// As soon as it is built.
    First(Ticket),
    Again(Box<Attempt>),
}

/// How one attempt ended.
pub(super) type Done = Result<(Box<Attempt>, Result<Append, LakeError>), IngestError>;

pub(super) struct Committer {
    work: Sender<Work>,
    done: Receiver<Done>,
    /// The number of the batch that is being committed.
    in_flight: Option<u64>,
    /// A result that was waited for by somebody who cannot handle it.
    kept: Option<Done>,
}

impl Committer {
    /// A thread that ends when this is dropped.
    pub fn start(lake: Lake, runtime: Handle) -> Result<Self, IngestError> {
        let (work, given) = channel::<Work>();
        let (finished, done) = channel();
        let commit = move || {
            while let Ok(work) = given.recv() {
                if finished.send(attempt(&lake, &runtime, work)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("commit".to_owned()).spawn(commit);
        thread.map_err(|_| ended())?;
        Ok(Self { work, done, in_flight: None, kept: None })
    }

    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// The batch that is not known to be committed yet.
    pub fn in_flight(&self) -> Option<u64> {
        self.in_flight
    }

    /// The attempt in flight did not commit, or it is not known whether it did.
    pub fn has_failed(&self) -> bool {
        match &self.kept {
            Some(Ok((_, append))) => !matches!(append, Ok(Append::Committed { .. })),
            Some(Err(_)) => true,
            None => self.in_flight.is_some(),
        }
    }

    pub fn begin(&mut self, ticket: Ticket) -> Result<(), IngestError> {
        self.in_flight = Some(ticket.sequence);
        self.work.send(Work::First(ticket)).map_err(|_| ended())
    }

    pub fn again(&mut self, attempt: Box<Attempt>) -> Result<(), IngestError> {
        self.in_flight = Some(attempt.batch.sequence);
        self.work.send(Work::Again(attempt)).map_err(|_| ended())
    }

    /// How the attempt ended, if it did within `timeout`.
    pub fn result(&mut self, timeout: Duration) -> Result<Option<Done>, IngestError> {
        self.settle(timeout)?;
        let done = self.kept.take();
        if done.is_some() {
            self.in_flight = None;
        }
        Ok(done)
    }

    /// Waits for the attempt in flight and keeps how it ended.
    pub fn settle(&mut self, timeout: Duration) -> Result<(), IngestError> {
        if self.in_flight.is_none() || self.kept.is_some() {
            return Ok(());
        }
        match self.done.recv_timeout(timeout) {
            Ok(done) => self.kept = Some(done),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(ended()),
        }
        Ok(())
    }
}

fn attempt(lake: &Lake, runtime: &Handle, work: Work) -> Done {
    let mut attempt = match work {
        Work::First(ticket) => {
            let known = ticket.marks.clone();
            let batch = ticket.wait()?;
            let marks = incarnation::marks_of(&batch.advances, &known);
            Box::new(Attempt { batch, marks, failures: 0, took: Duration::ZERO })
        }
        Work::Again(attempt) => attempt,
    };
    kill::at("before_parquet");
    let batch = &attempt.batch;
    let began = std::time::Instant::now();
    let append = lake.append_encoded(&batch.events, &batch.advances, &attempt.marks);
    let append = runtime.block_on(append);
    attempt.took = began.elapsed();
    if matches!(append, Ok(Append::Committed { .. })) {
        kill::at("after_commit");
    }
    Ok((attempt, append))
}

fn ended() -> IngestError {
    IngestError::Task { operation: "commits events" }
}
