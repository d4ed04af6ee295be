//! What the sources count, written anew on every look: no second copy can be behind.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use turnpike_ingest::{IngestMetrics, MetricsSnapshot, SECONDS_BOUNDS_MS, SecondsSnapshot};

/// The sources of the process, each under the label `source`.
#[derive(Debug)]
pub struct Sources(pub Vec<(&'static str, Arc<IngestMetrics>)>);

type Snapshots = Vec<(&'static str, MetricsSnapshot)>;
type Read<T> = fn(&MetricsSnapshot) -> T;

const COUNTERS: [(&str, &str, Read<u64>); 10] = [
    ("source_records", "Records committed", |of| of.records),
    ("source_bytes", "Bytes of payload committed", |of| of.bytes),
    ("source_commits", "Commits to the lake", |of| of.commits),
    ("source_fenced", "Commits that another writer came before", |of| of.fenced),
    ("source_rebalances", "Times that partitions were given or taken", |of| of.rebalances),
    ("source_broker_errors", "Errors that brokers reported", |of| of.broker_errors),
    ("source_commit_failures", "Commits that failed and are tried again", |of| of.commit_failures),
    ("source_gaps", "Times that records were gone before they were read", |of| of.gaps),
    ("source_gap_records", "Records that were gone before they were read", |of| of.gap_records),
    ("source_refused", "Submissions refused because the queue was full", |of| of.refused),
];

const GAUGES: [(&str, &str, Read<i64>); 5] = [
    ("source_watermark_seconds", "Newest event time that was committed, in UTC seconds", |of| {
        of.watermark_micros.div_euclid(MICROS)
    }),
    ("source_last_commit_seconds", "When the last commit was, in UTC seconds", |of| {
        of.last_commit_micros.div_euclid(MICROS)
    }),
    (
        "source_oldest_uncommitted_seconds",
        "When the oldest event came that is not committed yet, in UTC seconds; 0: there is none",
        |of| of.oldest_micros.div_euclid(MICROS),
    ),
    ("source_stalled", "1 while nothing can be committed", |of| i64::from(of.stalled.is_some())),
    ("source_queue_depth", "Submissions that wait for the writer", |of| of.queued),
];

const MICROS: i64 = 1_000_000;

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let snapshots: Snapshots =
            self.0.iter().map(|(name, metrics)| (*name, metrics.snapshot())).collect();
        for (name, help, read) in COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (source, snapshot) in &snapshots {
                let value = ConstCounter::new(read(snapshot));
                value.encode(metric.encode_family(&[("source", *source)])?)?;
            }
        }
        for (name, help, read) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (source, snapshot) in &snapshots {
                let value = ConstGauge::new(read(snapshot));
                value.encode(metric.encode_family(&[("source", *source)])?)?;
            }
        }
        rows(&mut encoder, &snapshots)?;
        lag(&mut encoder, &snapshots)?;
        let help = "Commits that a full or read-only disk refused";
        let mut metric =
            encoder.encode_descriptor("source_disk_refusals", help, None, MetricType::Counter)?;
        for (source, snapshot) in &snapshots {
            let value = ConstCounter::new(snapshot.disk_refusals);
            value.encode(metric.encode_family(&[("source", *source)])?)?;
        }
        let (name, help) = ("source_commit_duration_seconds", "How long commits took");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (source, snapshot) in &snapshots {
            histogram(metric.encode_family(&[("source", *source)])?, &snapshot.commit_seconds)?;
        }
        Ok(())
    }
}

/// Rows by what became of them.
fn rows(encoder: &mut DescriptorEncoder<'_>, snapshots: &Snapshots) -> fmt::Result {
    let help = "Rows committed, by the system that sent them and what became of them";
    let mut metric = encoder.encode_descriptor("source_rows", help, None, MetricType::Counter)?;
    for (source, snapshot) in snapshots {
        for (labels, count) in &snapshot.rows {
            let labels = [
                ("source", *source),
                ("system", labels.system.as_str()),
                ("status", labels.status),
                ("reason", labels.reason),
            ];
            ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// How far each Kafka partition is behind.
fn lag(encoder: &mut DescriptorEncoder<'_>, snapshots: &Snapshots) -> fmt::Result {
    let help = "Records between what was read of a partition and its end";
    let mut metric = encoder.encode_descriptor("kafka_lag", help, None, MetricType::Gauge)?;
    for (_, snapshot) in snapshots {
        for ((topic, partition), lag) in &snapshot.lag {
            let partition = partition.to_string();
            let labels = [("topic", topic.as_str()), ("partition", partition.as_str())];
            ConstGauge::new(*lag).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn histogram(mut metric: MetricEncoder<'_>, seconds: &SecondsSnapshot) -> fmt::Result {
    let bounds = SECONDS_BOUNDS_MS.map(|bound| Duration::from_millis(bound).as_secs_f64());
    let bounds = bounds.into_iter().chain([f64::INFINITY]);
    let classes: Vec<(f64, u64)> = bounds.zip(seconds.counts.iter().copied()).collect();
    let sum = Duration::from_micros(seconds.micros).as_secs_f64();
    metric.encode_histogram::<NoLabelSet>(sum, seconds.counts.iter().sum(), &classes, None)
}
