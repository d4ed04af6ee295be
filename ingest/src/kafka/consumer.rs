//! The polling thread: poll, decode, commit, and back to the poll.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;
use turnpike_lake::{Append, Lake};

use super::context::{Context, State, WATERMARK_TIMEOUT, check};
use super::{Clock, KafkaSettings, connect};
use crate::batch::{Batch, Batcher};
use crate::decode::Record;
use crate::{IngestError, IngestMetrics, IngestReport, StopSignal, kill};

/// The longest that a stop has to wait for the poll.
const POLL: Duration = Duration::from_millis(100);
const SEEK_TIMEOUT: Duration = Duration::from_secs(10);
/// Commits that fail are tried again after this long, doubled each time, up to the maximum: a full
/// disk is emptied sooner or later, and until then nothing is lost by waiting.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A run that has an end gives up after as many attempts.
const ATTEMPTS_MAX: u32 = 5;

pub(super) fn run(
    lake: Lake,
    runtime: Handle,
    settings: KafkaSettings,
    clock: Clock,
    metrics: Arc<IngestMetrics>,
    stop: StopSignal,
) -> Result<IngestReport, IngestError> {
    let batcher = Batcher::new(&settings.ingest, lake.buckets(), clock());
    let config = connect::config(&settings);
    let context = Context::new(lake, runtime, settings.clone(), metrics, batcher);
    let failed = |operation, source| IngestError::Kafka {
        operation,
        brokers: settings.brokers.clone(),
        source,
    };
    let consumer: BaseConsumer<Context> = config
        .create_with_context(context)
        .map_err(|source| failed("set up a consumer", source))?;
    let Some(cluster) = connect::cluster_id(&consumer, &settings, &stop)? else {
        return Ok(IngestReport::default());
    };
    consumer.context().cluster.get_or_init(|| cluster);
    if settings.until_end {
        // A run with an end reads every partition itself: in a group, a member that was killed keeps
        // its partitions for a while, and the run would end without them.
        assign_all(&consumer, &settings)?;
    } else {
        let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|source| failed("subscribe to topics", source))?;
    }
    let mut reading = Reading {
        consumer: &consumer,
        settings: &settings,
        clock,
        stop,
        report: IngestReport::default(),
        buffered_since: None,
        last_record: Instant::now(),
    };
    let result = reading.until_stopped();
    let report = reading.report;
    // Leaves the group at once, rather than after its session times out.
    consumer.unsubscribe();
    result.map(|()| report)
}

/// Takes all partitions of the topics, each from where the table says.
fn assign_all(
    consumer: &BaseConsumer<Context>,
    settings: &KafkaSettings,
) -> Result<(), IngestError> {
    let failed = |operation, source| IngestError::Kafka {
        operation,
        brokers: settings.brokers.clone(),
        source,
    };
    let mut all: Vec<(String, i32)> = Vec::new();
    for topic in &settings.topics {
        let metadata = consumer
            .fetch_metadata(Some(topic), WATERMARK_TIMEOUT)
            .map_err(|source| failed("list the partitions of a topic", source))?;
        let found = metadata.topics().iter().filter(|found| found.error().is_none());
        let before = all.len();
        for found in found {
            all.extend(found.partitions().iter().map(|part| (topic.clone(), part.id())));
        }
        if all.len() == before {
            let (topic, brokers) = (topic.clone(), settings.brokers.clone());
            return Err(IngestError::NoTopic { topic, brokers });
        }
    }
    let seeks = consumer.context().open(consumer, &all)?;
    let mut list = TopicPartitionList::new();
    for ((topic, number), seek) in all.iter().zip(seeks) {
        list.add_partition_offset(topic, *number, seek)
            .map_err(|source| failed("set the start of a partition", source))?;
    }
    consumer.assign(&list).map_err(|source| failed("take the partitions", source))?;
    consumer.context().state().assigned = true;
    Ok(())
}

struct Reading<'a> {
    consumer: &'a BaseConsumer<Context>,
    settings: &'a KafkaSettings,
    clock: Clock,
    stop: StopSignal,
    report: IngestReport,
    /// When the first record of the buffer came.
    buffered_since: Option<Instant>,
    last_record: Instant,
}

impl Reading<'_> {
    fn context(&self) -> &Context {
        self.consumer.context()
    }

    fn until_stopped(&mut self) -> Result<(), IngestError> {
        while !self.stop.is_stopped() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => self.take(&message),
                Some(Err(error)) => self.poll_error(error)?,
                // Progress without a record: where a start at the latest record is.
                None if self.context().state().batcher.has_progress() => {
                    self.buffered_since.get_or_insert_with(Instant::now);
                }
                None => {}
            }
            if let Some(error) = self.context().state().error.take() {
                return Err(error);
            }
            let due = self
                .buffered_since
                .is_some_and(|since| since.elapsed() >= self.settings.flush_interval);
            if due || self.context().state().batcher.is_full() {
                self.flush()?;
            }
            if self.is_finished() {
                break;
            }
        }
        self.flush()
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        kill::at("after_poll");
        self.last_record = Instant::now();
        let context = self.consumer.context();
        let mut state = context.state();
        let State { batcher, partitions, .. } = &mut *state;
        let (topic, offset) = (message.topic(), message.offset());
        // A record of a partition that was revoked while it stood in the queue is not ours.
        let Some(partition) = partitions.get_mut(topic, message.partition()) else { return };
        if partition.next.is_some_and(|next| offset < next) {
            return;
        }
        partition.next = Some(offset + 1);
        let headers = headers(message);
        let record = Record {
            headers: &headers,
            key: message.key(),
            value: message.payload(),
            topic: Some(topic),
        };
        batcher.context.now = (self.clock)();
        batcher.push(&partition.origin, offset, &record);
        self.buffered_since.get_or_insert_with(Instant::now);
    }

    fn poll_error(&mut self, error: KafkaError) -> Result<(), IngestError> {
        let context = self.context();
        let code = match &error {
            KafkaError::PartitionEOF(number) => {
                context.state().partitions.at_end(*number);
                return Ok(());
            }
            KafkaError::MessageConsumption(code) => *code,
            _ => return Err(self.kafka("read records", error)),
        };
        context.metrics.broker_errors.fetch_add(1, Ordering::Relaxed);
        match code {
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
                Err(self.lost_offset(error))
            }
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic
                if self.settings.until_end || self.settings.until_idle.is_some() =>
            {
                Err(IngestError::NoTopic {
                    topic: self.settings.topics.join(","),
                    brokers: self.settings.brokers.clone(),
                })
            }
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::Fatal => Err(self.kafka("read records", error)),
            // A broker that is down comes back; librdkafka tries with bounded pauses.
            _ => {
                tracing::warn!(%error, "Kafka cannot be read for now");
                Ok(())
            }
        }
    }

    /// Finds the partition whose offset is gone, to name it.
    fn lost_offset(&self, error: KafkaError) -> IngestError {
        let context = self.context();
        let held: Vec<(String, i32, Option<i64>)> = context
            .state()
            .partitions
            .iter()
            .map(|(topic, number, partition)| (topic.to_owned(), number, partition.next))
            .collect();
        for (topic, number, next) in held {
            let Some(next) = next else { continue };
            let marks = self.consumer.fetch_watermarks(&topic, number, WATERMARK_TIMEOUT).ok();
            if let Err(lost) = check(&topic, number, next, marks) {
                return lost;
            }
        }
        self.kafka("read records at the offsets that the table says", error)
    }

    fn is_finished(&self) -> bool {
        if self.settings.until_idle.is_some_and(|idle| self.last_record.elapsed() >= idle) {
            return true;
        }
        let state = self.context().state();
        self.settings.until_end
            && state.assigned
            && state.partitions.iter().all(|(_, _, partition)| partition.is_done())
    }

    /// Commits what is buffered, however long it takes, or begins again at what the table says.
    fn flush(&mut self) -> Result<(), IngestError> {
        kill::at("after_decode");
        self.buffered_since = None;
        let now = (self.clock)();
        let batch = self.context().state().batcher.take(now)?;
        let Some(batch) = batch else { return Ok(()) };
        kill::at("before_parquet");
        match self.append(&batch)? {
            Append::Committed { .. } => {
                kill::at("after_commit");
                self.committed(&batch, now);
                Ok(())
            }
            Append::Fenced { app, expected, found } => {
                tracing::warn!(%app, ?expected, ?found, "another consumer was here; reading on from the table");
                self.context().metrics.fenced.fetch_add(1, Ordering::Relaxed);
                self.begin_again(batch.sequence)
            }
        }
    }

    fn append(&self, batch: &Batch) -> Result<Append, IngestError> {
        let context = self.context();
        let ends = self.settings.until_end || self.settings.until_idle.is_some();
        let mut pause = RETRY_PAUSE;
        for attempt in 1_u32.. {
            let append = context.lake.append_events(batch.rows.clone(), &batch.advances);
            let source = match context.runtime.block_on(append) {
                Ok(append) => return Ok(append),
                Err(source) => source,
            };
            let give_up = self.stop.is_stopped() || ends && attempt >= ATTEMPTS_MAX;
            if give_up || !source.is_retryable() {
                return Err(IngestError::Lake { operation: "append events of a topic", source });
            }
            tracing::error!(error = %source, attempt, "cannot commit events; trying again");
            self.sleep(pause);
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
        Err(IngestError::Task { operation: "commits events" })
    }

    fn sleep(&self, pause: Duration) {
        let began = Instant::now();
        while began.elapsed() < pause && !self.stop.is_stopped() {
            std::thread::sleep(POLL);
        }
    }

    fn committed(&mut self, batch: &Batch, now: turnpike_schemas::Instant) {
        self.report.add(&batch.counts.report());
        let metrics = &self.context().metrics;
        metrics.records.fetch_add(batch.counts.records, Ordering::Relaxed);
        metrics.bytes.fetch_add(batch.counts.bytes, Ordering::Relaxed);
        metrics.commits.fetch_add(1, Ordering::Relaxed);
        metrics.last_commit_micros.store(now.micros(), Ordering::Relaxed);
        if let Some(newest) = batch.counts.newest {
            metrics.watermark_micros.fetch_max(newest.micros(), Ordering::Relaxed);
        }
        metrics.add_rows(&batch.counts.rows);
        kill::at("before_offset_commit");
        // For lag tools only: a failure changes nothing.
        if let Err(error) = self.consumer.commit(&self.offsets(batch), CommitMode::Async) {
            tracing::debug!(%error, "cannot tell the group its offsets");
        }
    }

    /// The offsets of a batch in Kafka's terms.
    fn offsets(&self, batch: &Batch) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        let state = self.context().state();
        for (topic, number, partition) in state.partitions.iter() {
            let same = |advance: &&turnpike_lake::OffsetAdvance| {
                advance.app.as_str() == partition.origin.as_ref()
            };
            if let Some(advance) = batch.advances.iter().find(|advance| same(advance)) {
                // Only an offset below zero could be refused.
                let _ = list.add_partition_offset(topic, number, Offset::Offset(advance.end));
            }
        }
        list
    }

    /// Drops everything read and not committed and seeks to what the table says.
    fn begin_again(&mut self, sequence: u64) -> Result<(), IngestError> {
        let context = self.context();
        let held: Vec<(String, i32)> = {
            let mut state = context.state();
            state.batcher.rollback(sequence);
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

    fn kafka(&self, operation: &'static str, source: KafkaError) -> IngestError {
        IngestError::Kafka { operation, brokers: self.settings.brokers.clone(), source }
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Vec<u8>)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    headers
        .iter()
        .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
        .collect()
}
