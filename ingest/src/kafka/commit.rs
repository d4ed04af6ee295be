//! Committing beside the polling: when a batch is taken, what its end means, and waiting for a disk.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use turnpike_lake::{Append, LakeError, OffsetAdvance};

use super::committer::{Attempt, Done};
use super::consumer::{POLL, Reading};
use super::decoders::Chunk;
use crate::batch::Encoded;
use crate::{IngestError, kill};

const OPERATION: &str = "append events of a topic";
const SEEK_TIMEOUT: Duration = Duration::from_secs(10);
/// Commits that fail are tried again after this long, doubled each time, up to the maximum: a full
/// disk is emptied sooner or later, and until then nothing is lost by waiting.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// A run that has an end gives up after as many attempts.
const ATTEMPTS_MAX: u32 = 5;
/// A commit that takes longer than this while the next batch is full pauses the partitions, so that
/// the polling, and with it the place in the group, goes on.
const SLOW_COMMIT: Duration = Duration::from_secs(2);

/// A batch that waits to be tried again.
pub(super) struct Held {
    attempt: Box<Attempt>,
    again_at: Instant,
}

impl Reading<'_> {
    /// All there is to do between two polls.
    pub fn turn(&mut self) -> Result<(), IngestError> {
        self.hand_over()?;
        while let Some(block) = self.decoders.try_take()? {
            self.context().state().batcher.push_block(block);
        }
        self.look_at_commit(Duration::ZERO)?;
        if std::mem::take(&mut self.context().state().restart) {
            self.begin_again()?;
        }
        if self.held.as_ref().is_some_and(|held| Instant::now() >= held.again_at) {
            self.try_again()?;
        }
        self.go_forward()?;
        self.tell_oldest();
        self.hold_back()
    }

    /// Says since when the oldest record waits for its commit.
    fn tell_oldest(&self) {
        let since = match (self.committing_since, self.buffered_since) {
            (Some(committing), Some(buffered)) => Some(committing.min(buffered)),
            (committing, buffered) => committing.or(buffered),
        };
        let micros = since.map_or(0, |since| {
            let age = i64::try_from(since.elapsed().as_micros()).unwrap_or(i64::MAX);
            (self.clock)().micros().saturating_sub(age)
        });
        self.metrics().oldest_micros.store(micros, Ordering::Relaxed);
    }

    /// Gives the chunk to a decoder. Waits for one where all are busy.
    fn hand_over(&mut self) -> Result<(), IngestError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        if !self.decoders.has_room()
            && let Some(block) = self.decoders.take()?
        {
            self.context().state().batcher.push_block(block);
        }
        let buffer = {
            let mut state = self.context().state();
            state.partitions.seal();
            state.batcher.buffer()
        };
        let next = Chunk::new(buffer, self.decoders.entries());
        let chunk = std::mem::replace(&mut self.chunk, next);
        self.decoders.give(chunk, (self.clock)())
    }

    /// Waits for all that is with the decoders.
    fn collect(&mut self) -> Result<(), IngestError> {
        self.hand_over()?;
        while let Some(block) = self.decoders.take()? {
            self.context().state().batcher.push_block(block);
        }
        Ok(())
    }

    /// Takes the next batch where it is time, and begins the next commit where none is under way.
    fn go_forward(&mut self) -> Result<(), IngestError> {
        self.begin_commit()?;
        let since = self.buffered_since;
        let is_due = since.is_some_and(|since| since.elapsed() >= self.settings.flush_interval);
        let state = self.context().state();
        // What is not full waits for the commits before it, and is larger then.
        let is_time = match state.batcher.is_full() {
            true => state.builders.has_room(),
            false => is_due && self.held.is_none() && !state.has_uncommitted(),
        };
        drop(state);
        if is_time {
            self.take_batch(is_due)?;
        }
        self.begin_commit()
    }

    /// Gives what is buffered to a builder; with all that is being decoded where it is to be `whole`.
    fn take_batch(&mut self, whole: bool) -> Result<(), IngestError> {
        if whole {
            self.collect()?;
        }
        kill::at("after_decode");
        let now = (self.clock)();
        let since = self.buffered_since.unwrap_or_else(Instant::now);
        let mut state = self.context().state();
        let unbuilt = state.batcher.take_unbuilt();
        let given = match unbuilt {
            Some(unbuilt) => {
                let marks = state.partitions.marks();
                state.builders.give((unbuilt, marks), since, now)
            }
            None => Ok(()),
        };
        drop(state);
        let waiting = !self.chunk.is_empty() || !self.decoders.is_idle();
        self.buffered_since = waiting.then(Instant::now);
        given
    }

    /// Begins to commit the oldest batch that was taken, unless one is under way.
    fn begin_commit(&mut self) -> Result<(), IngestError> {
        let mut state = self.context().state();
        if self.held.is_some() || state.committer.is_busy() {
            return Ok(());
        }
        let Some(ticket) = state.builders.take() else { return Ok(()) };
        let since = ticket.since;
        state.committer.begin(ticket)?;
        drop(state);
        self.committing_since = Some(since);
        Ok(())
    }

    /// Waits up to `timeout` for the commit under way, and acts on its end.
    fn look_at_commit(&mut self, timeout: Duration) -> Result<(), IngestError> {
        let done = self.context().state().committer.result(timeout)?;
        done.map_or(Ok(()), |done| self.ended(done))
    }

    fn ended(&mut self, done: Done) -> Result<(), IngestError> {
        let (attempt, append) = done?;
        let sequence = attempt.batch.sequence;
        match append {
            Ok(Append::Committed { .. }) => {
                self.committing_since = None;
                self.go_on();
                self.committed(&attempt);
                Ok(())
            }
            Err(source) if source.is_lost_write() => {
                Err(IngestError::Lost { operation: OPERATION, source })
            }
            // It was dropped meanwhile.
            _ if sequence < self.valid_from => Ok(()),
            Ok(Append::Fenced { app, expected, found }) => {
                tracing::warn!(%app, ?expected, ?found, "another consumer was here; reading on from the table");
                self.metrics().fenced.fetch_add(1, Ordering::Relaxed);
                self.go_on();
                self.rollback(sequence)
            }
            Err(source) => self.failed(attempt, source),
        }
    }

    fn failed(&mut self, mut attempt: Box<Attempt>, source: LakeError) -> Result<(), IngestError> {
        attempt.failures += 1;
        self.metrics().commit_failures.fetch_add(1, Ordering::Relaxed);
        let give_up = self.stop.is_stopped() || self.ends() && attempt.failures >= ATTEMPTS_MAX;
        if give_up || !source.is_retryable() {
            return Err(IngestError::Lake { operation: OPERATION, source });
        }
        let reason = chain(&source);
        if attempt.failures == 1 {
            tracing::error!(error = reason, "cannot commit events; reading pauses until it can");
        }
        self.metrics().set_stalled(Some(reason));
        let doublings = (attempt.failures - 1).min(8);
        let pause = RETRY_PAUSE.saturating_mul(1 << doublings).min(RETRY_PAUSE_MAX);
        self.held = Some(Held { attempt, again_at: Instant::now() + pause });
        self.context().state().is_held = true;
        self.pause()
    }

    fn try_again(&mut self) -> Result<(), IngestError> {
        let Some(held) = self.held.take() else { return Ok(()) };
        self.context().state().is_held = false;
        self.context().state().committer.again(held.attempt)
    }

    /// Commits work again.
    fn go_on(&mut self) {
        if self.metrics().is_stalled() {
            tracing::info!("events can be committed again; reading goes on");
            self.metrics().set_stalled(None);
        }
    }

    /// Keeps the buffer bounded: waits for the commit under way, and pauses the partitions where
    /// that takes long, so that the polling can go on without records.
    fn hold_back(&mut self) -> Result<(), IngestError> {
        let began = Instant::now();
        while self.is_stuck() && !self.is_paused {
            if began.elapsed() >= SLOW_COMMIT {
                return self.pause();
            }
            self.look_at_commit(POLL)?;
            self.go_forward()?;
            if self.stop.is_stopped() {
                return Ok(());
            }
        }
        if self.is_paused {
            if !self.is_stuck() && !self.metrics().is_stalled() {
                return self.resume();
            }
            if std::mem::take(&mut self.context().state().reassigned) {
                return self.pause();
            }
        }
        Ok(())
    }

    fn is_stuck(&self) -> bool {
        let state = self.context().state();
        state.batcher.is_full() && !state.builders.has_room()
    }

    fn pause(&mut self) -> Result<(), IngestError> {
        self.is_paused = true;
        let held = self.held_partitions();
        self.consumer.pause(&held).map_err(|source| self.kafka("pause the partitions", source))
    }

    fn resume(&mut self) -> Result<(), IngestError> {
        self.is_paused = false;
        let held = self.held_partitions();
        self.consumer.resume(&held).map_err(|source| self.kafka("resume the partitions", source))
    }

    fn held_partitions(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (topic, number, _) in self.context().state().partitions.iter() {
            list.add_partition(topic, number);
        }
        list
    }

    /// Commits all that was read, however long it takes.
    pub fn drain(&mut self) -> Result<(), IngestError> {
        loop {
            self.collect()?;
            while self.held.is_some() || self.context().state().has_uncommitted() {
                self.begin_commit()?;
                if self
                    .held
                    .as_ref()
                    .is_some_and(|held| self.stop.is_stopped() || Instant::now() >= held.again_at)
                {
                    self.try_again()?;
                }
                if self.held.is_some() {
                    std::thread::sleep(POLL);
                }
                self.look_at_commit(POLL)?;
            }
            if std::mem::take(&mut self.context().state().restart) {
                return self.begin_again();
            }
            let has_progress = self.context().state().batcher.has_progress();
            if !has_progress {
                return Ok(());
            }
            self.take_batch(true)?;
        }
    }

    fn committed(&mut self, attempt: &Attempt) {
        let batch = &attempt.batch;
        self.context().state().partitions.committed(&batch.advances);
        self.report.add(&batch.counts.report());
        let metrics = self.metrics();
        metrics.records.fetch_add(batch.counts.records, Ordering::Relaxed);
        metrics.bytes.fetch_add(batch.counts.bytes, Ordering::Relaxed);
        metrics.commits.fetch_add(1, Ordering::Relaxed);
        metrics.commit_seconds.observe(attempt.took);
        metrics.last_commit_micros.store(batch.now.micros(), Ordering::Relaxed);
        metrics.reached(&batch.counts.newest);
        metrics.add_rows(&batch.counts.rows);
        kill::at("before_offset_commit");
        // For lag tools only: a failure changes nothing.
        if let Err(error) = self.consumer.commit(&self.offsets(batch), CommitMode::Async) {
            tracing::debug!(%error, "cannot tell the group its offsets");
        }
    }

    /// The offsets of a batch in Kafka's terms.
    fn offsets(&self, batch: &Encoded) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        let state = self.context().state();
        for (topic, number, partition) in state.partitions.iter() {
            let same = |advance: &&OffsetAdvance| advance.app.as_str() == partition.origin.as_ref();
            if let Some(advance) = batch.advances.iter().find(|advance| same(advance)) {
                // Only an offset below zero could be refused.
                let _ = list.add_partition_offset(topic, number, Offset::Offset(advance.end));
            }
        }
        list
    }

    /// Drops all that is not known to be committed and reads it again from where the table says.
    pub fn begin_again(&mut self) -> Result<(), IngestError> {
        let held = self.held.as_ref().map(|held| held.attempt.batch.sequence);
        let state = self.context().state();
        let uncommitted = held.or(state.committer.in_flight()).or(state.builders.first());
        let sequence = uncommitted.unwrap_or_else(|| state.batcher.sequence());
        drop(state);
        self.rollback(sequence)
    }

    /// Drops the batch `sequence` and all after it, and seeks to what the table says.
    fn rollback(&mut self, sequence: u64) -> Result<(), IngestError> {
        self.chunk = Chunk::default();
        if self.held.take().is_some() {
            // Whether the disk works again shows itself at the next commit.
            self.metrics().set_stalled(None);
        }
        self.buffered_since = None;
        self.committing_since = None;
        let context = self.consumer.context();
        let held: Vec<(String, i32)> = {
            let mut state = context.state();
            state.is_held = false;
            state.builders.forget();
            state.batcher.rollback(sequence);
            self.valid_from = state.batcher.sequence();
            let held = state.partitions.iter();
            held.map(|(topic, number, _)| (topic.to_owned(), number)).collect()
        };
        let seeks = context.open(self.consumer, &held)?;
        for ((topic, number), seek) in held.iter().zip(seeks) {
            self.consumer
                .seek(topic, *number, seek, SEEK_TIMEOUT)
                .map_err(|source| self.kafka("seek to what the table says", source))?;
        }
        Ok(())
    }
}

/// An error with its causes, for the log and the status page.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some wrap their cause and say the same again.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
