//! Apache Kafka as a source, and as a target of simulated events.
//!
//! The protocol (docs/adr/0004): the table says from where a partition is read; rows and the next
//! offset are one commit, which only happens while the table still says where the rows begin. The
//! group's own offsets are written after it, for lag tools, and never read.
//!
//! One thread polls and owns the partitions, some decode, some build batches, one commits them in
//! order; the queues between them are bounded, so a slow disk slows the fetching and nothing else. Rebalance callbacks run within the poll and wait for the commit in flight, so that the
//! next owner of a partition finds it in the table.
//!
//! A disk that is full or read-only stalls the source: it keeps its place in the group with its
//! partitions paused, tries again with growing pauses, and goes on by itself. A disk that lost a
//! write ends it ([`IngestError::is_lost`]): only reading the source again can tell what is there.

mod builders;
mod commit;
mod committer;
mod connect;
mod consumer;
mod context;
mod decoders;
mod incarnation;
mod partitions;
mod produce;
mod settings;

use std::sync::Arc;

use turnpike_lake::Lake;
use turnpike_schemas::Instant;

use crate::{IngestError, IngestMetrics, IngestReport, StopSignal};

pub use produce::{ProduceReport, produce};
pub use settings::{KafkaSettings, OnGap, ProduceSettings, StartAt};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Reads topics into the lake until `stop`, or until their end where the settings say so. On
/// `stop` it commits what it has and leaves the group.
pub async fn run(
    lake: Lake,
    settings: KafkaSettings,
    clock: Clock,
    metrics: Arc<IngestMetrics>,
    stop: StopSignal,
) -> Result<IngestReport, IngestError> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    // The caller's own signal outlives this run: it may start another.
    let stop = stop.child();
    let _stop_on_drop = StopOnDrop(stop.clone());
    let thread = std::thread::Builder::new().name("kafka".to_owned()).spawn(move || {
        let result = consumer::run(lake, runtime, settings, clock, metrics, stop);
        // Nobody listens any more where the caller was cancelled.
        let _ = done.send(result);
    });
    thread.map_err(|_| IngestError::Task { operation: "reads Kafka" })?;
    outcome.await.map_err(|_| IngestError::Task { operation: "reads Kafka" })?
}

/// A caller that is cancelled takes its thread with it.
struct StopOnDrop(StopSignal);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
