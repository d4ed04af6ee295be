//! [`Metrics`]: numbers for Prometheus.

mod ingest;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use turnpike_ingest::IngestMetrics;

use crate::ServiceStatus;
use ingest::Sources;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    job: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: String,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the derive writes names as they are")]
enum Outcome {
    accepted,
    duplicate,
    conflict,
    dead,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    status: Outcome,
}

type Histograms = Family<RouteLabels, Histogram, fn() -> Histogram>;

/// The registry behind `/metrics`. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<RequestLabels, Counter>,
    durations: Histograms,
    sources: Arc<Mutex<Vec<Source>>>,
}

/// A source of the process under its name.
type Source = (&'static str, Arc<IngestMetrics>);

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        let durations: Histograms = Family::new_with_constructor(request_histogram);
        let mut registry = Registry::with_prefix("turnpike");
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from request to response",
            Unit::Seconds,
            durations.clone(),
        );
        let sources = Arc::default();
        Self { registry: Arc::new(Mutex::new(registry)), requests, durations, sources }
    }
}

/// What the tables hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LakeNumbers {
    pub commits: i64,
    pub uncompacted_commits: i64,
    pub uncompacted_rows: i64,
    pub uncompacted_bytes: i64,
    pub dead_letters: i64,
    pub conflicts: i64,
}

impl LakeNumbers {
    fn register(&self, registry: &mut Registry) {
        for (name, help, value) in [
            ("lake_commits", "Commits of usage_events", self.commits),
            (
                "lake_uncompacted_commits",
                "Commits of usage_events that no compaction has taken yet",
                self.uncompacted_commits,
            ),
            ("lake_uncompacted_rows", "Rows of these commits", self.uncompacted_rows),
            ("lake_uncompacted_bytes", "Bytes of these commits", self.uncompacted_bytes),
            ("lake_dead_letters", "Dead letters neither replayed nor given up", self.dead_letters),
            ("lake_conflicts", "Events that contradict an earlier one, in all", self.conflicts),
        ] {
            let gauge = Gauge::<i64>::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        }
    }
}

/// 1 ms to 8 s.
fn request_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 14))
}

impl Metrics {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds metrics of the root's own. What [`crate::Status`] reports is there already.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds the sources of the process: `kafka`, `http`.
    pub fn ingest(&self, sources: Vec<Source>) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&sources);
        self.register(|registry| registry.register_collector(Box::new(Sources(sources))));
    }

    /// The sources that can commit nothing for now.
    pub(crate) fn stalled(&self) -> Vec<&'static str> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let stalled = sources.iter().filter(|(_, metrics)| metrics.is_stalled());
        stalled.map(|(name, _)| *name).collect()
    }

    pub(crate) fn request(&self, method: &'static str, route: &str, status: u16, seconds: f64) {
        let route = route.to_owned();
        self.durations.get_or_create(&RouteLabels { route: route.clone() }).observe(seconds);
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
    }

    /// The text of `/metrics`: the registry, then what the process says of itself.
    pub(crate) fn text(
        &self,
        status: &ServiceStatus,
        lake: Option<&LakeNumbers>,
    ) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry)?;
        drop(registry);
        // Each encoding ends with this line, and only the last one may stay.
        text.truncate(text.strip_suffix("# EOF\n").map_or(text.len(), str::len));
        let mut status_text = String::new();
        let mut registry = status_registry(status);
        if let Some(lake) = lake {
            lake.register(&mut registry);
        }
        encode(&mut status_text, &registry)?;
        Ok(text + &status_text)
    }
}

fn status_registry(status: &ServiceStatus) -> Registry {
    let mut registry = Registry::with_prefix("turnpike");
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge(&mut registry, "draining", "1 while the process stops", i64::from(status.draining));
    if let Some(as_of) = status.rated_as_of {
        let help = "What the newest rating looked at, in UTC seconds";
        gauge(&mut registry, "rating_as_of_seconds", help, as_of.floor_seconds());
    }
    if let Some(watermark) = status.watermark() {
        let help = "Event time that every source has reached, in UTC seconds";
        gauge(&mut registry, "watermark_seconds", help, watermark.floor_seconds());
    }
    register_ingest(&mut registry, status);
    let (lags, positions) =
        (Family::<SourceLabels, Gauge>::default(), Family::<SourceLabels, Gauge>::default());
    for source in &status.sources {
        let labels = SourceLabels { source: source.name.clone() };
        positions.get_or_create(&labels).set(source.position);
        if let Some(lag) = source.lag {
            lags.get_or_create(&labels).set(lag);
        }
    }
    registry.register("source_lag", "Positions a source is ahead", lags);
    registry.register("source_position", "Next position to read", positions);
    let (runs, failures) =
        (Family::<JobLabels, Counter>::default(), Family::<JobLabels, Counter>::default());
    let durations = Family::<JobLabels, Gauge>::default();
    for job in &status.jobs {
        let labels = JobLabels { job: job.name };
        runs.get_or_create(&labels).inc_by(job.runs);
        failures.get_or_create(&labels).inc_by(job.failures);
        if let Some(milliseconds) = job.last_duration_ms {
            durations.get_or_create(&labels).set(signed(milliseconds));
        }
    }
    registry.register("job_runs", "Runs of a background job", runs);
    registry.register("job_failures", "Failed runs of a background job", failures);
    registry.register("job_last_duration_milliseconds", "How long the last run took", durations);
    registry
}

fn register_ingest(registry: &mut Registry, status: &ServiceStatus) {
    let ingest = &status.ingest;
    let counter = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    };
    counter(registry, "ingest_read", "Events read since the process started", ingest.read);
    counter(registry, "ingest_commits", "Commits to the lake", ingest.commits);
    counter(registry, "ingest_bytes", "Bytes read from sources", ingest.bytes);
    let events = Family::<OutcomeLabels, Counter>::default();
    for (status, count) in [
        (Outcome::accepted, ingest.accepted),
        (Outcome::duplicate, ingest.duplicate),
        (Outcome::conflict, ingest.conflict),
        (Outcome::dead, ingest.dead),
    ] {
        events.get_or_create(&OutcomeLabels { status }).inc_by(count);
    }
    registry.register("ingest_events", "Events read, by what became of them", events);
}
