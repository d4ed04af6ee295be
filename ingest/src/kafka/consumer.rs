//! The polling thread: polls records into chunks, which go on to the decoders.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message};
use tokio::runtime::Handle;
use turnpike_lake::Lake;

use super::builders::Builders;
use super::commit::Held;
use super::committer::Committer;
use super::context::{Context, WATERMARK_TIMEOUT, check};
use super::decoders::{Chunk, Decoders, Given, Polled};
use super::{Clock, KafkaSettings, OnGap, connect};
use crate::batch::Batcher;
use crate::cloudevents::is_structured;
use crate::{IngestError, IngestMetrics, IngestReport, StopSignal, kill};

/// The longest that a stop has to wait for the poll.
pub(super) const POLL: Duration = Duration::from_millis(100);
/// The same while a decoder or a commit is at work, whose end is to be seen soon.
const POLL_BUSY: Duration = Duration::from_millis(5);
/// How often other things than records are looked at while records keep coming.
const TURN: Duration = Duration::from_millis(20);
/// Records between two looks at the clock.
const RECORDS_PER_LOOK: usize = 64;

pub(super) fn run(
    lake: Lake,
    runtime: Handle,
    settings: KafkaSettings,
    clock: Clock,
    metrics: Arc<IngestMetrics>,
    stop: StopSignal,
) -> Result<IngestReport, IngestError> {
    let batcher = Batcher::new(&settings.ingest, lake.buckets(), clock());
    let decoders = Decoders::start(&batcher.context, || batcher.builder())?;
    let builders = Builders::start(&lake)?;
    let committer = Committer::start(lake.clone(), runtime.clone())?;
    let config = connect::config(&settings);
    let (settings_kept, parts) = (settings.clone(), (batcher, builders, committer));
    let context = Context::new(lake, runtime, settings_kept, metrics, parts);
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
    let now = Instant::now();
    let mut reading = Reading {
        consumer: &consumer,
        settings: &settings,
        clock,
        stop,
        report: IngestReport::default(),
        decoders,
        chunk: Chunk::default(),
        held: None,
        valid_from: 0,
        is_paused: false,
        buffered_since: None,
        committing_since: None,
        last_record: now,
        last_turn: now,
    };
    let result = reading.until_stopped();
    reading.metrics().set_stalled(None);
    reading.metrics().oldest_micros.store(0, Ordering::Relaxed);
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

pub(super) struct Reading<'a> {
    pub consumer: &'a BaseConsumer<Context>,
    pub settings: &'a KafkaSettings,
    pub clock: Clock,
    pub stop: StopSignal,
    pub report: IngestReport,
    pub decoders: Decoders,
    /// Polled and not yet with a decoder.
    pub chunk: Chunk,
    /// The batch that could not be committed and is to be tried again.
    pub held: Option<Held>,
    /// Batches before this one were dropped: how they end says nothing any more.
    pub valid_from: u64,
    pub is_paused: bool,
    /// When the first record came that no commit has taken.
    pub buffered_since: Option<Instant>,
    /// The same of the batch that is being committed.
    pub committing_since: Option<Instant>,
    last_record: Instant,
    last_turn: Instant,
}

impl Reading<'_> {
    pub fn context(&self) -> &Context {
        self.consumer.context()
    }

    pub fn metrics(&self) -> &IngestMetrics {
        &self.context().metrics
    }

    /// The source has an end, so it must not wait for ever.
    pub fn ends(&self) -> bool {
        self.settings.until_end || self.settings.until_idle.is_some()
    }

    fn until_stopped(&mut self) -> Result<(), IngestError> {
        loop {
            while !self.stop.is_stopped() && !self.is_finished() {
                self.poll()?;
            }
            self.drain()?;
            // A fenced batch is read again, also at the end.
            if self.stop.is_stopped() || self.is_finished() {
                return Ok(());
            }
        }
    }

    /// Polls until there is something else to do.
    fn poll(&mut self) -> Result<(), IngestError> {
        let mut is_idle = false;
        // Looking at the clock for each record would cost as much as taking it; a poll that may wait
        // looks at it too.
        for count in 1_usize.. {
            let ready = self.consumer.poll(Duration::ZERO);
            match ready.or_else(|| self.consumer.poll(self.patience())) {
                Some(Ok(message)) => self.take(&message),
                Some(Err(error)) => {
                    self.poll_error(error)?;
                    break;
                }
                None => {
                    is_idle = count == 1;
                    break;
                }
            }
            if self.chunk.is_full(self.settings.ingest.flush_rows.max(1))
                || count % RECORDS_PER_LOOK == 0 && self.last_turn.elapsed() >= TURN
            {
                break;
            }
        }
        self.last_turn = Instant::now();
        if !self.chunk.is_empty() {
            self.last_record = self.last_turn;
        }
        if let Some(error) = self.context().state().error.take() {
            return Err(error);
        }
        // Progress without a record: where a start at the latest record is.
        if is_idle && self.context().state().batcher.has_progress() {
            self.buffered_since.get_or_insert_with(Instant::now);
        }
        self.turn()
    }

    /// How long a poll may wait for a record.
    fn patience(&self) -> Duration {
        if !self.chunk.is_empty() {
            return POLL_BUSY;
        }
        if self.held.is_some() {
            return POLL;
        }
        if !self.decoders.is_idle() || self.context().state().committer.is_busy() {
            return POLL_BUSY;
        }
        self.buffered_since.map_or(POLL, |since| {
            self.settings.flush_interval.saturating_sub(since.elapsed()).clamp(POLL_BUSY, POLL)
        })
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        kill::at("after_poll");
        let context = self.consumer.context();
        let mut state = context.state();
        let (topic, offset) = (message.topic_ptr().addr(), message.offset());
        let found = state.partitions.of_record(topic, || message.topic(), message.partition());
        // A record of a partition that was revoked while it stood in the queue is not ours.
        let Some(partition) = found else { return };
        if partition.next.is_some_and(|next| offset < next) {
            return;
        }
        partition.next = Some(offset + 1);
        partition.marks.take(message);
        let polled = Polled {
            offset,
            key: message.key(),
            value: message.payload(),
            headers: headers(message),
        };
        self.chunk.push(&partition.origin, partition.opening, &partition.topic, polled);
        self.buffered_since.get_or_insert_with(Instant::now);
    }

    fn poll_error(&mut self, error: KafkaError) -> Result<(), IngestError> {
        let context = self.consumer.context();
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
                if self.settings.on_gap == OnGap::Record {
                    // Opening the partitions again finds the gap and declares it.
                    return self.begin_again();
                }
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
        if !self.settings.until_end {
            return false;
        }
        let state = self.context().state();
        state.assigned && state.partitions.iter().all(|(_, _, partition)| partition.is_done())
    }

    pub fn kafka(&self, operation: &'static str, source: KafkaError) -> IngestError {
        IngestError::Kafka { operation, brokers: self.settings.brokers.clone(), source }
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Given {
    let Some(headers) = message.headers() else { return Given::None };
    // The first of a name counts.
    let content_type =
        headers.iter().find(|header| header.key.eq_ignore_ascii_case("content-type"));
    let value = content_type.and_then(|header| header.value).unwrap_or_default();
    if is_structured("content-type", value) {
        return Given::Structured;
    }
    let owned = |header: Header<'_, &[u8]>| {
        (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
    };
    Given::Other(headers.iter().map(owned).collect())
}
