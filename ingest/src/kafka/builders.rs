//! [`Builders`]: threads that sort and encode batches while an earlier one is being committed.
//!
//! What goes in comes out in the same order. Batches need the processor and no disk until they are
//! committed, one after another, so the next ones are made ready meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant as Moment;

use turnpike_lake::Lake;
use turnpike_schemas::Instant;

use crate::IngestError;
use crate::batch::{Encoded, Unbuilt};

/// Each takes a core; polling, decoding and librdkafka want some too.
const THREADS: usize = 2;
/// Batches that were taken and are not being committed: each is as large as a flush.
const AHEAD_MAX: usize = 2;

type Order = (Unbuilt, Instant, Sender<Result<Encoded, IngestError>>);

/// A batch that is being built.
pub(super) struct Ticket {
    pub sequence: u64,
    /// When its first record came.
    pub since: Moment,
    /// What was known of the records that chunks end with.
    pub marks: KnownMarks,
    built: Receiver<Result<Encoded, IngestError>>,
}

/// By source partition and offset.
pub(super) type KnownMarks = Vec<(Arc<str>, BTreeMap<i64, i64>)>;

impl Ticket {
    pub fn wait(self) -> Result<Encoded, IngestError> {
        self.built.recv().map_err(|_| ended())?
    }
}

pub(super) struct Builders {
    workers: Vec<Sender<Order>>,
    /// How many were given so far: they go round the workers in turn.
    given: usize,
    waiting: VecDeque<Ticket>,
}

impl Builders {
    /// Threads that end when this is dropped.
    pub fn start(lake: &Lake) -> Result<Self, IngestError> {
        let mut workers = Vec::new();
        for _ in 0..THREADS {
            let (orders, given) = channel::<Order>();
            let lake = lake.clone();
            let build = move || {
                while let Ok((unbuilt, now, done)) = given.recv() {
                    // Nobody waits for it any more where it was dropped meanwhile.
                    let _ = done.send(unbuilt.encode(now, lake.events_encoder()));
                }
            };
            let thread = thread::Builder::new().name("build".to_owned()).spawn(build);
            thread.map_err(|_| ended())?;
            workers.push(orders);
        }
        Ok(Self { workers, given: 0, waiting: VecDeque::new() })
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn has_room(&self) -> bool {
        self.waiting.len() < AHEAD_MAX
    }

    /// The number of the oldest batch that nobody has taken yet.
    pub fn first(&self) -> Option<u64> {
        self.waiting.front().map(|ticket| ticket.sequence)
    }

    pub fn give(
        &mut self,
        (unbuilt, marks): (Unbuilt, KnownMarks),
        since: Moment,
        now: Instant,
    ) -> Result<(), IngestError> {
        let (done, built) = channel();
        let sequence = unbuilt.sequence;
        let worker = &self.workers[self.given % self.workers.len()];
        self.given += 1;
        worker.send((unbuilt, now, done)).map_err(|_| ended())?;
        self.waiting.push_back(Ticket { sequence, since, marks, built });
        Ok(())
    }

    /// The oldest batch, whether it is built yet or not.
    pub fn take(&mut self) -> Option<Ticket> {
        self.waiting.pop_front()
    }

    /// Drops all that was given and not taken.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }
}

fn ended() -> IngestError {
    IngestError::Task { operation: "builds batches" }
}
