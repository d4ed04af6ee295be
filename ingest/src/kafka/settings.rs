//! Settings of the Kafka source and producer.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::settings::IngestSettings;

/// Where a topic that was never read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    Earliest,
    Latest,
}

/// What happens where retention has removed records before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnGap {
    /// An error: somebody has to decide.
    #[default]
    Stop,
    /// The gap is declared in a row and reading goes on after it.
    Record,
}

/// What to read from Kafka, and how.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated.
    pub brokers: String,
    pub topics: Vec<String>,
    pub group: String,
    /// Required the first time that a topic is read; ignored once the table knows the topic.
    pub start: Option<StartAt>,
    /// Raised by the operator when a topic was deleted and created anew under its old name, since
    /// its offsets then begin again.
    pub epoch: u32,
    pub on_gap: OnGap,
    /// `group.instance.id`: a member that comes back within the session timeout under its old name
    /// gets its partitions back without a rebalance.
    pub instance: Option<String>,
    /// Ends when every partition has been read to the end that it had when it was assigned.
    pub until_end: bool,
    /// Ends after this long without a record.
    pub until_idle: Option<Duration>,
    /// With `until_end` or `until_idle`: gives up when no broker answered for this long. A service
    /// goes on trying.
    pub connect_timeout: Duration,
    /// A batch is committed at the latest this long after its first record.
    pub flush_interval: Duration,
    pub ingest: IngestSettings,
    /// Further librdkafka properties, such as `security.protocol`. Those that the protocol with the
    /// lake depends on cannot be overridden.
    pub client: BTreeMap<String, String>,
}

impl KafkaSettings {
    pub const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

    pub fn new(brokers: impl Into<String>, topics: Vec<String>, group: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topics,
            group: group.into(),
            start: None,
            epoch: 0,
            on_gap: OnGap::Stop,
            instance: None,
            until_end: false,
            until_idle: None,
            connect_timeout: Self::CONNECT_TIMEOUT,
            flush_interval: Self::FLUSH_INTERVAL,
            ingest: IngestSettings::default(),
            client: BTreeMap::new(),
        }
    }
}

/// Where and how [`super::produce`] writes.
#[derive(Debug, Clone)]
pub struct ProduceSettings {
    pub brokers: String,
    pub topic: String,
    /// How long to wait for the acknowledgement of all records.
    pub timeout: Duration,
    pub client: BTreeMap<String, String>,
}

impl ProduceSettings {
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topic: topic.into(),
            timeout: Duration::from_secs(120),
            client: BTreeMap::new(),
        }
    }
}
