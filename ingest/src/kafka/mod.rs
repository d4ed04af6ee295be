//! Apache Kafka as a source, and as a target of simulated events.

mod settings;

use std::sync::Arc;

use turnpike_lake::Lake;
use turnpike_schemas::Instant;

use crate::{IngestError, IngestMetrics, IngestReport, StopSignal};

pub use settings::{KafkaSettings, ProduceSettings, StartAt};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// What [`produce`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProduceReport {
    pub sent: u64,
    pub bytes: u64,
}

/// Reads topics into the lake until `stop`, or until their end where the settings say so.
pub async fn run(
    lake: Lake,
    settings: KafkaSettings,
    clock: Clock,
    metrics: Arc<IngestMetrics>,
    stop: StopSignal,
) -> Result<IngestReport, IngestError> {
    let _ = (lake, settings, clock, metrics, stop);
    unimplemented!()
}

/// Writes lines to a topic, keyed by their `partitionkey` or `subject`. Blocks the calling thread
/// until all are acknowledged. `progress` is told how many lines were handed over so far.
pub fn produce(
    settings: &ProduceSettings,
    lines: &mut dyn Iterator<Item = Vec<u8>>,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<ProduceReport, IngestError> {
    let _ = (settings, lines, progress);
    unimplemented!()
}
