//! The consumer's librdkafka properties, and the first answer of a broker.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::KafkaSettings;
use super::context::Context;
use crate::{IngestError, StopSignal};

/// What a broker is asked for of one partition, and in all. It sends a record that is longer all the
/// same, as the only one of its fetch, so that it can be a dead letter. Compressed bytes: in memory
/// they are ten times as many, and each record adds some hundred bytes of the client's own, so these
/// bound the memory.
const FETCH_BYTES: &str = "262144";
const FETCH_BYTES_ALL: &str = "8388608";
/// Fetched and not yet polled, in all, and the records of a partition of which no more are fetched
/// ahead. What lies longer has left the processor's cache when it is polled, and takes memory that the
/// system clears: with 100,000 records of each of four partitions it was 150 MiB.
const QUEUED_KBYTES: &str = "16384";
const QUEUED_RECORDS: &str = "10000";
/// How soon a full queue is looked at again. The default of a second would be waited out by a
/// consumer that empties it in less.
const QUEUE_BACKOFF_MILLIS: &str = "10";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// What the protocol with the lake depends on, whatever the operator sets.
const FIXED: [(&str, &str); 8] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // An offset that is gone is lost usage: an error, never a silent jump.
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
];

pub(super) fn config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    // The default is what another logging crate lets through, which is nothing but errors.
    config.set_log_level(RDKafkaLogLevel::Warning);
    config
        .set("client.id", "turnpike")
        .set("fetch.message.max.bytes", FETCH_BYTES)
        .set("fetch.max.bytes", FETCH_BYTES_ALL)
        .set("queued.max.messages.kbytes", QUEUED_KBYTES)
        .set("queued.min.messages", QUEUED_RECORDS)
        .set("fetch.queue.backoff.ms", QUEUE_BACKOFF_MILLIS)
        .set("reconnect.backoff.max.ms", BACKOFF_MAX.as_millis().to_string())
        // A topic that is created after the start is found within this.
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("statistics.interval.ms", "5000");
    for (name, value) in &settings.client {
        config.set(name, value);
    }
    config.set("bootstrap.servers", &settings.brokers).set("group.id", &settings.group);
    if let Some(instance) = &settings.instance {
        config.set("group.instance.id", instance);
    }
    for (name, value) in FIXED {
        config.set(name, value);
    }
    config
}

/// The id of the cluster, as soon as a broker tells it. `None`: stopped before one did.
pub(super) fn cluster_id(
    consumer: &BaseConsumer<Context>,
    settings: &KafkaSettings,
    stop: &StopSignal,
) -> Result<Option<String>, IngestError> {
    let began = Instant::now();
    let ends = settings.until_end || settings.until_idle.is_some();
    let mut pause = Duration::from_millis(50);
    while !stop.is_stopped() {
        // Serves logs and errors; nothing is subscribed yet.
        let _ = consumer.poll(Duration::ZERO);
        if let Some(id) = consumer.client().fetch_cluster_id(ANSWER_TIMEOUT) {
            return Ok(Some(id));
        }
        // Another try does not mend a certificate or a password. Who reads on for ever tries all the
        // same: somebody may mend it meanwhile, and every attempt is logged with its reason.
        let refusal = consumer.context().take_refusal();
        if let (true, Some(reason)) = (ends, refusal) {
            return Err(IngestError::Refused { brokers: settings.brokers.clone(), reason });
        }
        if ends && began.elapsed() >= settings.connect_timeout {
            return Err(IngestError::Unreachable {
                brokers: settings.brokers.clone(),
                seconds: settings.connect_timeout.as_secs(),
            });
        }
        tracing::warn!(brokers = settings.brokers, "no answer from Kafka yet");
        std::thread::sleep(pause);
        pause = (pause * 2).min(BACKOFF_MAX);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_protocol_depends_on_cannot_be_overridden() {
        let mut settings = KafkaSettings::new("b:1", vec!["t".to_owned()], "g");
        settings.instance = Some("host-1".to_owned());
        for (name, value) in [
            ("auto.offset.reset", "earliest"),
            ("max.poll.interval.ms", "6000"),
            ("group.instance.id", "other"),
        ] {
            settings.client.insert(name.to_owned(), value.to_owned());
        }
        let config = config(&settings);
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
        assert_eq!(config.get("max.poll.interval.ms"), Some("6000"));
        assert_eq!(config.get("group.instance.id"), Some("host-1"));
        settings.instance = None;
        settings.client.remove("group.instance.id");
        assert_eq!(super::config(&settings).get("group.instance.id"), None);
    }
}
