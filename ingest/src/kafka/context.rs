//! What librdkafka calls back: rebalances, logs, statistics.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;
use turnpike_lake::Lake;

use super::builders::Builders;
use super::committer::Committer;
use super::incarnation::{self, Known, Marks};
use super::partitions::{self, Partition, Partitions};
use super::{KafkaSettings, OnGap};
use crate::batch::Batcher;
use crate::block::Prepared;
use crate::{IngestError, IngestMetrics, gap};

/// How long a broker may take to say where a partition begins and ends.
pub(super) const WATERMARK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a revocation waits for the commit in flight, so that the next owner finds it in the
/// table. One that takes longer is fenced or fences, as any other.
const REVOKE_WAIT: Duration = Duration::from_secs(20);

/// How librdkafka words that a certificate was not accepted, by us or by the broker.
const HANDSHAKE_FAILED: &str = "SSL handshake failed";

/// Shared by the polling thread and the callbacks, which run on the same thread within its poll.
pub(super) struct Context {
    pub lake: Lake,
    pub runtime: Handle,
    pub settings: KafkaSettings,
    pub metrics: Arc<IngestMetrics>,
    pub cluster: OnceLock<String>,
    state: Mutex<State>,
    /// Why a broker that can be reached lets nobody in: a certificate, a password. By itself, since
    /// librdkafka logs from threads of its own.
    refusal: Mutex<Option<String>>,
}

pub(super) struct State {
    pub batcher: Batcher,
    pub builders: Builders,
    pub committer: Committer,
    pub partitions: Partitions,
    /// A batch waits to be tried again.
    pub is_held: bool,
    /// Partitions were taken away of which an uncommitted batch has rows: all that is not
    /// committed is to be dropped and read again.
    pub restart: bool,
    /// Partitions were assigned: what is paused has to be paused again.
    pub reassigned: bool,
    /// A rebalance has happened, so an empty assignment means that others have everything.
    pub assigned: bool,
    /// What went wrong in a callback, for the polling thread to end with.
    pub error: Option<IngestError>,
}

impl State {
    /// A batch was taken that is not known to be committed.
    pub fn has_uncommitted(&self) -> bool {
        self.committer.is_busy() || !self.builders.is_idle()
    }
}

impl Context {
    pub fn new(
        lake: Lake,
        runtime: Handle,
        settings: KafkaSettings,
        metrics: Arc<IngestMetrics>,
        (batcher, builders, committer): (Batcher, Builders, Committer),
    ) -> Self {
        let state = State {
            batcher,
            builders,
            committer,
            partitions: Partitions::default(),
            is_held: false,
            restart: false,
            reassigned: false,
            assigned: false,
            error: None,
        };
        Self {
            lake,
            runtime,
            settings,
            metrics,
            cluster: OnceLock::new(),
            state: Mutex::new(state),
            refusal: Mutex::default(),
        }
    }

    /// Why a broker last let nobody in, once.
    pub fn take_refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refused(&self, reason: &str) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        // After a panic the thread that owns the state is gone, and nothing is committed any more.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn origin(&self, topic: &str, number: i32) -> Arc<str> {
        format!("{}{number}", self.prefix(topic)).into()
    }

    fn prefix(&self, topic: &str) -> String {
        let cluster = self.cluster.get().map_or("", String::as_str);
        partitions::prefix(cluster, topic, self.settings.epoch)
    }

    /// Sets the offsets of newly assigned partitions to what the table says.
    fn assign(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &mut TopicPartitionList,
    ) -> Result<(), IngestError> {
        let given = list.elements();
        let given: Vec<(String, i32)> =
            given.iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        for ((topic, number), seek) in given.iter().zip(self.open(consumer, &given)?) {
            list.set_partition_offset(topic, *number, seek)
                .map_err(|source| self.kafka("set the start of a partition", source))?;
        }
        Ok(())
    }

    /// Begins partitions at what the table says; the offsets to read them from, in their order.
    pub fn open(
        &self,
        consumer: &BaseConsumer<Self>,
        given: &[(String, i32)],
    ) -> Result<Vec<Offset>, IngestError> {
        let origins: Vec<Arc<str>> =
            given.iter().map(|(topic, number)| self.origin(topic, *number)).collect();
        let table = self.runtime.block_on(partitions::table_offsets(&self.lake, &origins))?;
        // A broker that does not answer is asked once, not once for each partition.
        let mut answers = true;
        let mut starts = Vec::with_capacity(given.len());
        for ((topic, number), table) in given.iter().zip(&table) {
            let marks = if answers { self.watermarks(consumer, topic, *number) } else { None };
            answers = marks.is_some();
            starts.push((self.start(topic, *number, *table, marks)?, marks));
        }
        self.check_incarnations(given, &origins, &starts)?;
        let mut seeks = Vec::with_capacity(given.len());
        for (at, ((topic, number), ((seek, gap), marks))) in given.iter().zip(starts).enumerate() {
            let (origin, table) = (Arc::clone(&origins[at]), table[at]);
            let (low, high) = marks.unzip();
            let next = match seek {
                Offset::Offset(offset) => Some(offset),
                _ => low,
            };
            let mut state = self.state();
            let opening = state.batcher.open(Arc::clone(&origin), table);
            if let (None, Offset::Offset(pinned)) = (table, seek) {
                // A start at the latest record is fixed by the next commit, even one without rows.
                state.batcher.advance(&origin, pinned);
            }
            if let Some((from, to)) = gap {
                self.record_gap(&mut state, topic, *number, &origin, from, to);
            }
            let partition = Partition {
                origin,
                topic: topic.as_str().into(),
                opening,
                next,
                end: high,
                at_end: false,
                marks: Marks::default(),
            };
            state.partitions.insert(topic, *number, partition);
            seeks.push(seek);
        }
        Ok(seeks)
    }

    /// Refuses topics that are not those that were read, of the partitions that are new to us.
    fn check_incarnations(
        &self,
        given: &[(String, i32)],
        origins: &[Arc<str>],
        starts: &[(Start, Option<(i64, i64)>)],
    ) -> Result<(), IngestError> {
        let marks = self.runtime.block_on(partitions::table_marks(&self.lake, origins))?;
        let places = given.iter().zip(starts).zip(marks);
        let known = places.filter_map(|(((topic, number), (start, watermarks)), mark)| {
            let ((Offset::Offset(next), None), (low, _)) = (*start, (*watermarks)?) else {
                return None;
            };
            let is_there = next > low && !self.state().partitions.holds(topic, *number);
            let (topic, number, offset) = (topic.clone(), *number, next - 1);
            is_there.then_some(Known { topic, number, offset, mark: mark? })
        });
        incarnation::check(&self.settings, known.collect())
    }

    fn watermarks(
        &self,
        consumer: &BaseConsumer<Self>,
        topic: &str,
        number: i32,
    ) -> Option<(i64, i64)> {
        consumer
            .fetch_watermarks(topic, number, WATERMARK_TIMEOUT)
            // Not needed to go on; an offset that is lost comes up at the first fetch too.
            .inspect_err(|error| {
                tracing::warn!(topic, partition = number, %error, "cannot ask where a partition ends");
            })
            .ok()
    }

    fn start(
        &self,
        topic: &str,
        number: i32,
        table: Option<i64>,
        marks: Option<(i64, i64)>,
    ) -> Result<Start, IngestError> {
        if let Some(wanted) = table {
            return resume(topic, number, wanted, marks, self.settings.on_gap);
        }
        let prefix = self.prefix(topic);
        let first = partitions::first_offset(&self.lake, &self.settings, &prefix, topic, number);
        Ok(match (self.runtime.block_on(first)?, marks) {
            (Offset::End, Some((_, high))) => (Offset::Offset(high), None),
            (seek, _) => (seek, None),
        })
    }

    /// Declares records lost: a row that is committed with the progress past them.
    fn record_gap(
        &self,
        state: &mut State,
        topic: &str,
        number: i32,
        origin: &Arc<str>,
        from: i64,
        to: i64,
    ) {
        use std::sync::atomic::Ordering;
        tracing::error!(
            topic,
            partition = number,
            from,
            to,
            "retention removed records before they were read; what they told is not billed"
        );
        self.metrics.gaps.fetch_add(1, Ordering::Relaxed);
        self.metrics.gap_records.fetch_add(from.abs_diff(to), Ordering::Relaxed);
        let message = format!(
            "{topic}/{number}: the offsets {from} to {to} (not included) were gone before they were read"
        );
        let since = self.runtime.block_on(gap::newest_event(&self.lake, origin));
        let prepared = Prepared::gap(message, gap::note(from, to, since));
        state.batcher.push_prepared(origin, from, prepared);
        state.batcher.advance(origin, to);
    }

    fn revoke(&self, list: &TopicPartitionList) {
        let mut state = self.state();
        if let Err(error) = state.committer.settle(REVOKE_WAIT) {
            state.error = Some(error);
        }
        // What waits behind the commit in flight is of a full batch, and soon read again.
        state.restart |= state.is_held || state.committer.has_failed() || !state.builders.is_idle();
        for element in list.elements() {
            let (topic, number) = (element.topic(), element.partition());
            if let Some(partition) = state.partitions.remove(topic, number) {
                state.batcher.close(&partition.origin);
                self.metrics.drop_reached(&partition.origin);
            }
            self.metrics.drop_lag(topic, number);
        }
    }

    fn kafka(&self, operation: &'static str, source: KafkaError) -> IngestError {
        IngestError::Kafka { operation, brokers: self.settings.brokers.clone(), source }
    }
}

/// Where to read a partition from, and the records before that which are gone: from, and up to.
pub(super) type Start = (Offset, Option<(i64, i64)>);

/// Where to read from what the table wants.
fn resume(
    topic: &str,
    number: i32,
    wanted: i64,
    marks: Option<(i64, i64)>,
    on_gap: OnGap,
) -> Result<Start, IngestError> {
    let lost = check(topic, number, wanted, marks);
    match (lost, marks) {
        (Ok(()), _) => Ok((Offset::Offset(wanted), None)),
        // An offset past the end is no gap: the topic is another one.
        (Err(_), Some((low, _))) if wanted < low && on_gap == OnGap::Record => {
            Ok((Offset::Offset(low), Some((wanted, low))))
        }
        (Err(error), _) => Err(error),
    }
}

/// Refuses an offset that the topic does not hold.
pub(super) fn check(
    topic: &str,
    number: i32,
    wanted: i64,
    marks: Option<(i64, i64)>,
) -> Result<(), IngestError> {
    let Some((low, high)) = marks else { return Ok(()) };
    if (low..=high).contains(&wanted) {
        return Ok(());
    }
    Err(IngestError::OffsetLost { topic: topic.to_owned(), partition: number, wanted, low, high })
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Of a handshake that fails, librdkafka tells its log alone.
        if message.contains(HANDSHAKE_FAILED) {
            self.refused(message);
        }
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(facility, "{message}")
            }
            RDKafkaLogLevel::Debug => tracing::debug!(facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        tracing::warn!(%error, reason, "Kafka reports an error");
        if let Some(RDKafkaErrorCode::SSL | RDKafkaErrorCode::Authentication) =
            error.rdkafka_error_code()
        {
            self.refused(reason);
        }
    }

    fn stats(&self, statistics: Statistics) {
        for (name, topic) in &statistics.topics {
            for (number, partition) in &topic.partitions {
                // -1 is the unassigned partition, and a lag that is not known yet.
                if *number >= 0 && partition.consumer_lag >= 0 {
                    self.metrics.set_lag(name, *number, partition.consumer_lag);
                }
            }
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        use std::sync::atomic::Ordering;
        self.metrics.rebalances.fetch_add(1, Ordering::Relaxed);
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let result = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            {
                let mut state = self.state();
                state.assigned = true;
                state.reassigned = true;
            }
            match self.assign(consumer, list) {
                Ok(()) if cooperative => consumer.incremental_assign(list),
                Ok(()) => consumer.assign(list),
                Err(error) => {
                    self.state().error = Some(error);
                    return;
                }
            }
        } else {
            self.revoke(list);
            if cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() }
        };
        if let Err(source) = result {
            self.state().error = Some(self.kafka("take part in a rebalance", source));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_declared_where_the_operator_says_so_and_a_new_topic_never_is() {
        let check = |wanted, marks, on_gap| {
            resume("t", 0, wanted, marks, on_gap).map_err(|error| error.to_string())
        };
        for on_gap in [OnGap::Stop, OnGap::Record] {
            for wanted in [10, 20] {
                let start = Ok((Offset::Offset(wanted), None));
                assert_eq!(check(wanted, Some((10, 20)), on_gap), start);
            }
            assert_eq!(check(5, None, on_gap), Ok((Offset::Offset(5), None)));
            let renewed = check(21, Some((10, 20)), on_gap).expect_err("another topic");
            assert!(renewed.contains("kafka.epoch"), "{renewed}");
        }
        let lost = check(9, Some((10, 20)), OnGap::Stop).expect_err("is gone");
        assert!(lost.contains("kafka.on_gap") && !lost.contains("epoch"), "{lost}");
        let gap = Ok((Offset::Offset(10), Some((3, 10))));
        assert_eq!(check(3, Some((10, 20)), OnGap::Record), gap);
    }
}
