//! The Kafka source against librdkafka's in-process cluster.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tokio::task::JoinHandle;
use turnpike_lake::{AppId, Append, OffsetAdvance};

use super::store::{Store, event, now, store};
use crate::batch::Batcher;
use crate::kafka::{Clock, KafkaSettings, ProduceSettings, StartAt, produce, run};
use crate::{IngestError, IngestMetrics, IngestReport, IngestSettings, Record, StopSignal};

const TOPIC: &str = "usage";

struct Kafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

fn kafka(partitions: i32) -> Kafka {
    let cluster = MockCluster::new(1).expect("a cluster");
    cluster.create_topic(TOPIC, partitions, 1).expect("a topic");
    Kafka { cluster }
}

impl Kafka {
    fn brokers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    async fn send(&self, lines: Vec<String>) {
        let settings = ProduceSettings::new(self.brokers(), TOPIC);
        let count = lines.len() as u64;
        let mut lines = lines.into_iter().map(String::into_bytes);
        let sent = tokio::task::spawn_blocking(move || produce(&settings, &mut lines, &|_| {}));
        assert_eq!(sent.await.expect("runs").expect("sends").sent, count);
    }

    fn settings(&self) -> KafkaSettings {
        let mut settings = KafkaSettings::new(self.brokers(), vec![TOPIC.to_owned()], "turnpike");
        settings.flush_interval = Duration::from_millis(200);
        settings.client.insert("session.timeout.ms".to_owned(), "6000".to_owned());
        settings.client.insert("heartbeat.interval.ms".to_owned(), "500".to_owned());
        settings
    }
}

fn clock() -> Clock {
    Arc::new(now)
}

async fn to_the_end(
    store: &Store,
    mut settings: KafkaSettings,
    start: Option<StartAt>,
) -> Result<IngestReport, IngestError> {
    settings.start = start;
    settings.until_end = true;
    let metrics = Arc::new(IngestMetrics::default());
    run(store.lake.clone(), settings, clock(), metrics, StopSignal::new()).await
}

struct Service {
    task: JoinHandle<Result<IngestReport, IngestError>>,
    stop: StopSignal,
    metrics: Arc<IngestMetrics>,
}

fn serve(store: &Store, mut settings: KafkaSettings, start: StartAt, clock: Clock) -> Service {
    settings.start = Some(start);
    let (stop, metrics) = (StopSignal::new(), Arc::new(IngestMetrics::default()));
    let running = run(store.lake.clone(), settings, clock, Arc::clone(&metrics), stop.clone());
    Service { task: tokio::spawn(running), stop, metrics }
}

impl Service {
    async fn end(self) -> IngestReport {
        self.stop.stop();
        self.task.await.expect("runs").expect("drains")
    }
}

/// Looks again and again until `done`, for as long as a busy machine may take.
async fn wait(mut done: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    while !done().await {
        assert!(began.elapsed() < Duration::from_secs(120), "waited in vain");
        looks.tick().await;
    }
}

async fn until(store: &Store, read: i64) {
    wait(async || store.counts().await.read >= read).await;
}

fn events(ids: std::ops::Range<u32>) -> Vec<String> {
    ids.map(|id| event(&id.to_string(), 1)).collect()
}

/// Nothing is lost and no record has two rows.
async fn all_once(store: &Store, events: i64) {
    let counts = store.counts().await;
    assert_eq!((counts.read, counts.accepted), (events, events), "{counts:?}");
    let rows = store.rows().await;
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_where_the_table_says() {
    let (store, kafka) = (store().await, kafka(3));
    kafka.send(events(0..100)).await;
    let unsaid = to_the_end(&store, kafka.settings(), None).await.expect_err("no start is named");
    assert!(matches!(unsaid, IngestError::StartUnknown { .. }), "{unsaid}");
    let start = Some(StartAt::Earliest);
    let report = to_the_end(&store, kafka.settings(), start).await.expect("reads");
    assert_eq!((report.read, report.accepted), (100, 100));
    kafka.send(events(100..150)).await;
    // Another group, which has no offsets: the table's count.
    let mut settings = kafka.settings();
    settings.group = "another".to_owned();
    let report = to_the_end(&store, settings, None).await.expect("reads");
    assert_eq!(report.read, 50);
    all_once(&store, 150).await;
    let apps = store.lake.apps_with_prefix("kafka:").await.expect("apps");
    assert_eq!(apps.iter().map(|(_, next)| next).sum::<i64>(), 150);
    assert!(apps.iter().all(|(app, _)| app.as_str().contains(&format!(":{TOPIC}:0:"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_records_are_dead_letters_and_the_rest_goes_on() {
    let (store, kafka) = (store().await, kafka(1));
    let mut lines = events(0..3);
    lines.insert(1, "{broken".to_owned());
    lines.insert(2, String::new());
    lines.push(format!("{{\"pad\":\"{}\"}}", "x".repeat(2 << 20)));
    lines.extend(events(2..5));
    kafka.send(lines).await;
    let report =
        to_the_end(&store, kafka.settings(), Some(StartAt::Earliest)).await.expect("reads");
    assert_eq!((report.read, report.accepted, report.duplicate, report.dead), (9, 5, 1, 3));
    let reasons: Vec<&str> = report.dead_by_reason.keys().map(String::as_str).collect();
    assert_eq!(reasons, ["empty", "json_invalid", "too_large"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_come_and_go_lose_and_double_nothing() {
    let (store, kafka) = (store().await, kafka(4));
    let first = serve(&store, kafka.settings(), StartAt::Earliest, clock());
    kafka.send(events(0..300)).await;
    until(&store, 300).await;
    let second = serve(&store, kafka.settings(), StartAt::Earliest, clock());
    for round in 1..=10 {
        kafka.send(events(250 + round * 50..300 + round * 50)).await;
        until(&store, i64::from(300 + round * 50)).await;
    }
    // Both take part before one of them leaves.
    let metrics = Arc::clone(&second.metrics);
    wait(async || metrics.snapshot().rebalances > 0).await;
    first.end().await;
    kafka.send(events(800..1_000)).await;
    until(&store, 1_000).await;
    let metrics = second.metrics.snapshot();
    assert!(metrics.rebalances > 0 && metrics.watermark_micros > 0, "{metrics:?}");
    let report = second.end().await;
    assert!(report.read >= 200, "{report:?}");
    all_once(&store, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_was_overtaken_reads_on_from_the_table() {
    let (store, kafka) = (store().await, kafka(1));
    let armed = Arc::new(AtomicBool::new(false));
    // The clock is asked before each commit: there another consumer commits half of the batch.
    let (lake, runtime) = (store.lake.clone(), tokio::runtime::Handle::current());
    let strike = Arc::clone(&armed);
    let clock: Clock = Arc::new(move || {
        if strike.swap(false, Ordering::SeqCst) {
            let apps = runtime.block_on(lake.apps_with_prefix("kafka:")).expect("apps");
            let (app, next) = apps.first().expect("one").clone();
            let origin: Arc<str> = app.as_str().into();
            let mut batcher = Batcher::new(&IngestSettings::default(), lake.buckets(), now());
            batcher.open(Arc::clone(&origin), Some(next));
            for position in next..next + 5 {
                let line = event(&position.to_string(), 1);
                batcher.push(&origin, position, &Record::of(line.as_bytes()));
            }
            let batch = batcher.take(now()).expect("builds").expect("a batch");
            let append = runtime.block_on(lake.append_events(batch.rows, &batch.advances));
            assert!(matches!(append.expect("appends"), Append::Committed { .. }));
        }
        now()
    });
    let service = serve(&store, kafka.settings(), StartAt::Earliest, clock);
    kafka.send(events(0..10)).await;
    until(&store, 10).await;
    armed.store(true, Ordering::SeqCst);
    kafka.send(events(10..20)).await;
    until(&store, 20).await;
    let metrics = Arc::clone(&service.metrics);
    let report = service.end().await;
    assert_eq!((metrics.snapshot().fenced, report.read), (1, 15));
    all_once(&store, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_at_the_latest_record_is_fixed_before_the_first_record() {
    let (store, kafka) = (store().await, kafka(2));
    kafka.send(events(0..20)).await;
    let service = serve(&store, kafka.settings(), StartAt::Latest, clock());
    let apps = async || store.lake.apps_with_prefix("kafka:").await.expect("apps").len();
    wait(async || apps().await == 2).await;
    service.end().await;
    kafka.send(events(20..30)).await;
    let report = to_the_end(&store, kafka.settings(), None).await.expect("reads");
    assert_eq!(report.read, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_is_gone_and_a_broker_that_is_not_there_are_named() {
    let (store, kafka) = (store().await, kafka(1));
    kafka.send(events(0..3)).await;
    to_the_end(&store, kafka.settings(), Some(StartAt::Earliest)).await.expect("reads");
    let apps = store.lake.apps_with_prefix("kafka:").await.expect("apps");
    let (app, next) = apps[0].clone();
    let empty = {
        let mut batcher = Batcher::new(&IngestSettings::default(), 4, now());
        batcher.open(app.as_str().into(), Some(next));
        batcher.advance(&app.as_str().into(), 1_000);
        batcher.take(now()).expect("builds").expect("progress")
    };
    let ahead = OffsetAdvance { app: AppId::new(app.as_str()), start: Some(next), end: 1_000 };
    assert_eq!(empty.advances, [ahead]);
    let _ = store.lake.append_events(empty.rows, &empty.advances).await.expect("appends");
    let lost = to_the_end(&store, kafka.settings(), None).await.expect_err("is gone");
    let expect = matches!(
        &lost,
        IngestError::OffsetLost { wanted: 1_000, low: 0, high: 3, partition: 0, .. }
    );
    assert!(expect, "{lost}");
    // A new epoch is another topic.
    let mut settings = kafka.settings();
    settings.epoch = 1;
    let report = to_the_end(&store, settings, Some(StartAt::Earliest)).await.expect("reads");
    assert_eq!(report.read, 3);

    let mut nowhere = kafka.settings();
    nowhere.brokers = "127.0.0.1:1".to_owned();
    nowhere.connect_timeout = Duration::from_secs(1);
    let error = to_the_end(&store, nowhere, None).await.expect_err("nobody answers");
    assert!(error.is_unreachable(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_written_stalls_the_source_until_it_can() {
    let (store, kafka) = (store().await, kafka(2));
    let service = serve(&store, kafka.settings(), StartAt::Earliest, clock());
    kafka.send(events(0..50)).await;
    until(&store, 50).await;
    let table = store.folder.path().join("lake").join("usage_events");
    let away = store.folder.path().join("away");
    std::fs::rename(&table, &away).expect("moves");
    kafka.send(events(50..100)).await;
    let metrics = Arc::clone(&service.metrics);
    wait(async || metrics.snapshot().commit_failures >= 2).await;
    let stalled = metrics.snapshot();
    assert!(stalled.stalled.is_some(), "{stalled:?}");
    assert!(stalled.oldest_micros > 0, "the batch that cannot be committed waits: {stalled:?}");
    kafka.send(events(100..150)).await;
    std::fs::rename(&away, &table).expect("moves back");
    until(&store, 150).await;
    wait(async || metrics.snapshot().stalled.is_none()).await;
    wait(async || metrics.snapshot().oldest_micros == 0).await;
    let durations = metrics.snapshot().commit_seconds;
    assert_eq!(durations.counts.iter().sum::<u64>(), metrics.snapshot().commits);
    // It kept its place in the group all the time.
    assert_eq!(metrics.snapshot().rebalances, stalled.rebalances);
    assert_eq!(service.end().await.read, 150);
    all_once(&store, 150).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_an_end_gives_up_on_a_disk_that_stays_broken() {
    let (store, kafka) = (store().await, kafka(1));
    kafka.send(events(0..5)).await;
    let start = Some(StartAt::Earliest);
    to_the_end(&store, kafka.settings(), start).await.expect("reads");
    kafka.send(events(5..10)).await;
    let data = store.folder.path().join("lake").join("usage_events");
    let running = to_the_end(&store, kafka.settings(), start);
    let broken = async {
        // The table is read before the folder goes: only the commit fails.
        std::fs::rename(&data, store.folder.path().join("away")).expect("moves");
        running.await
    };
    let error = broken.await.expect_err("cannot commit");
    assert!(matches!(error, IngestError::Lake { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_and_comes_back_costs_nothing() {
    let (store, kafka) = (store().await, kafka(2));
    let service = serve(&store, kafka.settings(), StartAt::Earliest, clock());
    kafka.send(events(0..50)).await;
    until(&store, 50).await;
    kafka.cluster.broker_down(1).expect("goes");
    let metrics = Arc::clone(&service.metrics);
    wait(async || metrics.snapshot().broker_errors > 0).await;
    kafka.cluster.broker_up(1).expect("comes back");
    kafka.send(events(50..100)).await;
    until(&store, 100).await;
    assert_eq!(service.end().await.read, 100);
    all_once(&store, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_topics_are_read_to_their_ends() {
    let (store, kafka) = (store().await, kafka(2));
    kafka.cluster.create_topic("other", 3, 1).expect("a topic");
    kafka.send(events(0..30)).await;
    let settings = ProduceSettings::new(kafka.brokers(), "other");
    let mut lines = events(30..70).into_iter().map(String::into_bytes);
    tokio::task::spawn_blocking(move || produce(&settings, &mut lines, &|_| {}))
        .await
        .expect("runs")
        .expect("sends");
    let mut settings = kafka.settings();
    settings.topics.push("other".to_owned());
    let report = to_the_end(&store, settings, Some(StartAt::Earliest)).await.expect("reads");
    assert_eq!(report.read, 70);
    let apps = store.lake.apps_with_prefix("kafka:").await.expect("apps");
    assert_eq!(apps.iter().map(|(_, next)| next).sum::<i64>(), 70);
}
