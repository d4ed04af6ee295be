//! A larger load with the default number of buckets; prints how long it takes.

use std::time::Instant as Timer;

use super::fixture::*;
use crate::{CompactSettings, Lake, LakeSettings};

/// Enough to fill all buckets and two months, small enough for every test run.
const EVENTS: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_buckets() {
    let events = std::env::var("LAKE_TEST_EVENTS").ok().and_then(|text| text.parse().ok());
    let events: usize = events.unwrap_or(EVENTS);
    let folder = tempfile::tempdir().unwrap();
    let settings = LakeSettings::new(folder.path().join("lake"));
    assert_eq!((settings.buckets, settings.fsync), (64, true));
    let lake = Lake::open(settings, now()).await.unwrap();
    let make = |n: usize| {
        let time = format!("2026-{:02}-{:02}T{:02}:00:00Z", 9 + n % 2, 1 + n % 28, n % 24);
        let resource = format!("openstack/instance/0a1b2c3d-{:04}-4e5f", n % (events / 20 + 1));
        let mut event = event(&format!("5f0c-{n}"), &resource, &time, 4);
        event.meters.push(("memory".to_owned(), 8_192));
        event
    };
    let all: Vec<Event> = (0..events).map(make).collect();
    let batches: Vec<_> = all.chunks(events.div_ceil(4)).map(|part| batch(part, 64)).collect();
    let timer = Timer::now();
    let mut offset = None;
    for rows in batches {
        let end = offset.unwrap_or(0) + rows.num_rows() as i64;
        let done = lake.append_events(rows, &[advance("a", offset, end)]).await.unwrap();
        assert!(matches!(done, crate::Append::Committed { .. }));
        offset = Some(end);
    }
    let appended = timer.elapsed();
    let timer = Timer::now();
    let report = lake.compact(&CompactSettings::default(), &|_| {}).await.unwrap();
    let compacted = timer.elapsed();
    assert_eq!(report.events as usize, events);
    assert_eq!(report.runs_written, 128);
    let timer = Timer::now();
    let snapshot = lake.snapshot().await.unwrap();
    let mut rows = 0;
    for bucket in 0..64 {
        let part = snapshot.scan(bucket, 0, i32::MAX).await.unwrap();
        rows += part.iter().map(|batch| batch.num_rows()).sum::<usize>();
    }
    assert_eq!(rows, 2 * events);
    println!(
        "{events} events: append {appended:?}, compact {compacted:?}, scan {:?}",
        timer.elapsed()
    );
}
