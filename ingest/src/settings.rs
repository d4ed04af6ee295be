//! Settings that all sources share.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::Instant;
use turnpike_schemas::meter::MeterCatalogue;

use crate::installation::Installation;

/// How records are decoded and batched.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Units and scales of the meters: the built-in ones and those that the book declares.
    pub meters: MeterCatalogue,
    /// A longer record is a dead letter.
    pub bytes_max: usize,
    /// Bytes of payload after which a batch is committed.
    pub flush_bytes: usize,
    /// Rows after which a batch is committed.
    pub flush_rows: usize,
    /// Events that the duplicate filter remembers.
    pub filter_events_max: usize,
    pub pins: Arc<Pins>,
    /// When records that carry no time were true: the tables and reports of some systems.
    pub at: Option<Instant>,
}

/// Where the operator, not the content, says which adapter reads (names are those of
/// [`crate::adapters::find`]) and which of several installations a record comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// For every record without a pinned topic.
    pub all: Option<String>,
    /// By Kafka topic.
    pub topics: BTreeMap<String, String>,
    /// The installation of every record without a topic that has one of its own.
    pub installation: Option<Installation>,
    /// By Kafka topic.
    pub installations: BTreeMap<String, Installation>,
}

impl Pins {
    pub fn of(&self, topic: Option<&str>) -> Option<&str> {
        topic.and_then(|topic| self.topics.get(topic)).or(self.all.as_ref()).map(String::as_str)
    }

    /// Which installation a record comes from, where the operator says so.
    pub fn installation_of(&self, topic: Option<&str>) -> Option<&Installation> {
        topic.and_then(|topic| self.installations.get(topic)).or(self.installation.as_ref())
    }
}

impl IngestSettings {
    /// OpenStack notifications are some 4 KiB; one with a hundred attached volumes is 60 KiB.
    pub const BYTES_MAX: usize = 1 << 20;
    /// A commit of this size is written in well under a second and keeps the files few.
    pub const FLUSH_BYTES: usize = 64 << 20;
    /// Bounds the memory of a batch of very small events.
    pub const FLUSH_ROWS: usize = 65_536;
    /// At 32 bytes an entry, and with half of the places free, some 32 MiB.
    pub const FILTER_EVENTS_MAX: usize = 500_000;
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            meters: MeterCatalogue::builtin(),
            bytes_max: Self::BYTES_MAX,
            flush_bytes: Self::FLUSH_BYTES,
            flush_rows: Self::FLUSH_ROWS,
            filter_events_max: Self::FILTER_EVENTS_MAX,
            pins: Arc::default(),
            at: None,
        }
    }
}
