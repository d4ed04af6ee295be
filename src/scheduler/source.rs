//! Kafka as a source of a running server: started, watched, started again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use turnpike_ingest::kafka::{self, KafkaSettings};
use turnpike_ingest::{IngestMetrics, MetricsSnapshot, StopSignal};
use turnpike_lake::Lake;
use turnpike_schemas::Instant;
use turnpike_web::{IngestCounts, SourceStatus, StatusBoard};

use crate::app::App;
use crate::fault::Kind;

use super::Stop;

/// Waits between two starts after failures: doubling from one second to a minute.
const PAUSES_SECONDS: [u64; 7] = [1, 2, 4, 8, 16, 32, 60];

/// What each source counts.
pub type Sources = Vec<(&'static str, Arc<IngestMetrics>)>;

/// Reads topics until the stop.
pub fn spawn(
    app: &App,
    lake: &Lake,
    settings: KafkaSettings,
    metrics: Arc<IngestMetrics>,
    board: &Arc<StatusBoard>,
    stop: &Stop,
) -> JoinHandle<()> {
    let (app, lake, board, stop) = (app.clone(), lake.clone(), Arc::clone(board), stop.clone());
    tokio::spawn(async move { read(&app, &lake, &settings, &metrics, &board, stop).await })
}

/// Reports on the board what the sources count, every second until the stop.
pub fn watch(
    lake: &Lake,
    sources: Sources,
    board: &Arc<StatusBoard>,
    stop: &Stop,
) -> JoinHandle<()> {
    let (lake, board, mut stop) = (lake.clone(), Arc::clone(board), stop.clone());
    tokio::spawn(async move {
        let mut positions = Positions::new();
        let mut commits = None;
        while !stop.is_stopped() {
            let snapshots: Vec<(&str, MetricsSnapshot)> =
                sources.iter().map(|(name, metrics)| (*name, metrics.snapshot())).collect();
            let counted: u64 = snapshots.iter().map(|(_, snapshot)| snapshot.commits).sum();
            if commits != Some(counted) {
                commits = Some(counted);
                // Shown to people only: an old number is better than none.
                positions = read_positions(&lake).await.unwrap_or(positions);
            }
            report(&board, &snapshots, &positions);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = stop.stopped() => {}
            }
        }
    })
}

async fn read(
    app: &App,
    lake: &Lake,
    settings: &KafkaSettings,
    metrics: &Arc<IngestMetrics>,
    board: &StatusBoard,
    mut stop: Stop,
) {
    let signal = StopSignal::new();
    let asked = signal.clone();
    let mut watched = stop.clone();
    tokio::spawn(async move {
        watched.stopped().await;
        asked.stop();
    });
    let mut failures = 0;
    while !stop.is_stopped() {
        let started = app.clock.now();
        let clock = std::time::Instant::now();
        let (metrics, signal) = (Arc::clone(metrics), signal.clone());
        let run = kafka::run(lake.clone(), settings.clone(), app.clock.to_fn(), metrics, signal);
        let result = run.await;
        if let Err(error) = &result
            && error.is_lost()
        {
            // No part of this process may go on with a disk that forgets.
            tracing::error!(job = "ingest", "{error}; the process ends");
            std::process::exit(i32::from(Kind::General.code()));
        }
        let error = result.as_ref().err().map(|error| {
            crate::fault::describe(&anyhow::Error::msg(error.to_string()).context("ingest"))
        });
        let millis = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        board.job_done("ingest", started, millis, error.clone());
        let Some(error) = error else { return };
        tracing::error!(job = "ingest", "{error}");
        // A source that ran for long before it failed starts again at once.
        failures = if millis > 60_000 { 0 } else { failures + 1 };
        let pause = PAUSES_SECONDS[failures.min(PAUSES_SECONDS.len() - 1)];
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(pause)) => {}
            () = stop.stopped() => {}
        }
    }
}

/// The next offset of each topic and partition, as the table has it.
type Positions = BTreeMap<(String, i32), i64>;

async fn read_positions(lake: &Lake) -> Option<Positions> {
    let apps = lake.apps_with_prefix("kafka:").await.ok()?;
    Some(apps.iter().filter_map(|(app, next)| Some((place_of(app.as_str())?, *next))).collect())
}

/// The topic and partition of `kafka:CLUSTER:TOPIC:EPOCH:PARTITION`; a topic's name holds no colon.
fn place_of(origin: &str) -> Option<(String, i32)> {
    let parts: Vec<&str> = origin.split(':').collect();
    let [_, _, topic, _, partition] = parts.as_slice() else { return None };
    Some(((*topic).to_owned(), partition.parse().ok()?))
}

fn report(board: &StatusBoard, snapshots: &[(&str, MetricsSnapshot)], positions: &Positions) {
    let mut counts = IngestCounts::default();
    let mut reported = Vec::new();
    for (_, snapshot) in snapshots {
        counts.commits += snapshot.commits;
        counts.bytes += snapshot.bytes;
        for (labels, count) in &snapshot.rows {
            counts.read += count;
            match labels.status {
                "accepted" => counts.accepted += count,
                "duplicate" => counts.duplicate += count,
                "conflict" => counts.conflict += count,
                _ => counts.dead += count,
            }
        }
        let reached: BTreeMap<(String, i32), Instant> = snapshot
            .reached
            .iter()
            .filter_map(|(origin, time)| Some((place_of(origin)?, *time)))
            .collect();
        reported.extend(snapshot.lag.iter().map(|((topic, partition), lag)| SourceStatus {
            name: format!("kafka:{topic}/{partition}"),
            position: positions.get(&(topic.clone(), *partition)).copied().unwrap_or_default(),
            lag: Some(*lag),
            watermark: reached.get(&(topic.clone(), *partition)).copied(),
        }));
    }
    board.update(|status| {
        status.ingest = counts;
        status.sources = reported;
    });
}
