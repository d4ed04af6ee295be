//! Writes lines to a topic: what `turnpike simulate --to kafka:TOPIC` does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::ProduceSettings;
use crate::IngestError;
use crate::cloudevents::looks_structured;
use crate::json::Json;

/// The longest record that is sent; brokers refuse what their own limit does not allow.
const RECORD_BYTES_MAX: &str = "16777216";
/// Lines between two calls of `progress`.
const PROGRESS_LINES: u64 = 1_000;

/// What [`produce`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProduceReport {
    pub sent: u64,
    pub bytes: u64,
}

#[derive(Default)]
struct Deliveries {
    failed: AtomicU64,
    first: Mutex<Option<String>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            if let Ok(mut first) = self.first.lock() {
                first.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// Writes lines to a topic, keyed by their `partitionkey` or `subject`. Blocks the calling thread
/// until all are acknowledged. `progress` is told how many lines were handed over so far.
pub fn produce(
    settings: &ProduceSettings,
    lines: &mut dyn Iterator<Item = Vec<u8>>,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<ProduceReport, IngestError> {
    let producer = connect(settings)?;
    let mut report = ProduceReport::default();
    for line in lines {
        send(&producer, settings, &line)?;
        report.sent += 1;
        report.bytes += line.len() as u64;
        if report.sent % PROGRESS_LINES == 0 {
            producer.poll(Duration::ZERO);
            progress(report.sent);
        }
    }
    let flushed = producer.flush(settings.timeout);
    progress(report.sent);
    let deliveries = producer.context();
    let failed = deliveries.failed.load(Ordering::Relaxed);
    let waiting = u64::try_from(producer.in_flight_count()).unwrap_or(0);
    if failed == 0 && waiting == 0 && flushed.is_ok() {
        return Ok(report);
    }
    if report.sent == failed + waiting {
        let seconds = settings.timeout.as_secs();
        return Err(IngestError::Unreachable { brokers: settings.brokers.clone(), seconds });
    }
    let first = deliveries.first.lock().ok().and_then(|first| first.clone());
    Err(IngestError::NotDelivered {
        topic: settings.topic.clone(),
        failed: failed + waiting,
        sent: report.sent,
        first: first.unwrap_or_else(|| "not acknowledged in time".to_owned()),
    })
}

fn connect(settings: &ProduceSettings) -> Result<BaseProducer<Deliveries>, IngestError> {
    let mut config = ClientConfig::new();
    config.set("client.id", "turnpike").set("linger.ms", "20").set("compression.type", "zstd");
    for (name, value) in &settings.client {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("message.max.bytes", RECORD_BYTES_MAX)
        .set("message.timeout.ms", settings.timeout.as_millis().to_string())
        .set("enable.idempotence", "true");
    config
        .create_with_context(Deliveries::default())
        .map_err(|source| failed(settings, "set up a producer", source))
}

fn send(
    producer: &BaseProducer<Deliveries>,
    settings: &ProduceSettings,
    line: &[u8],
) -> Result<(), IngestError> {
    let (key, structured) = described(line);
    let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&settings.topic).payload(line);
    if let Some(key) = &key {
        record = record.key(key);
    }
    if structured {
        let value = Some("application/cloudevents+json");
        record = record.headers(OwnedHeaders::new().insert(Header { key: "content-type", value }));
    }
    let began = Instant::now();
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused))
                if began.elapsed() < settings.timeout =>
            {
                producer.poll(Duration::from_millis(50));
                record = refused;
            }
            Err((source, _)) => return Err(failed(settings, "send a record", source)),
        }
    }
}

/// The key of a line, and whether it is a CloudEvent in structured mode. OpenStack's own driver
/// sends no key, so its notifications have none here either.
fn described(line: &[u8]) -> (Option<String>, bool) {
    let Some(json) = std::str::from_utf8(line).ok().and_then(|text| Json::parse(text).ok()) else {
        return (None, false);
    };
    let key = json.text_of("partitionkey").or_else(|| json.text_of("subject"));
    (key.map(str::to_owned), looks_structured(&json))
}

fn failed(settings: &ProduceSettings, operation: &'static str, source: KafkaError) -> IngestError {
    IngestError::Kafka { operation, brokers: settings.brokers.clone(), source }
}
