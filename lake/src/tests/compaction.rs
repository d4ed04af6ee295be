//! Compaction and scans: each event key once, the first for all time, whatever was compacted.

use std::sync::Arc;

use turnpike_schemas::arrow::status;
use turnpike_schemas::canonical::bucket_of;

use super::fixture::*;
use crate::disk::Step;
use crate::{CompactSettings, FinalCounts, Lake};

const OCT: &str = "2026-10-05T00:00:00Z";
const NOV: &str = "2026-11-05T00:00:00.25Z";

async fn counts(lake: &Lake) -> FinalCounts {
    lake.snapshot().await.unwrap().final_counts().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_become_rows_of_usage_in_order() {
    let fixture = Fixture::new().await;
    let two = Event {
        meters: vec![("vcpu".into(), 4_000_000), ("memory".into(), 8)],
        ..event("b", "r", NOV, 0)
    };
    let none = Event { meters: Vec::new(), ..event("c", "r", OCT, 0) };
    append(&fixture.lake, &[two, none, event("a", "s", OCT, 7)]).await;
    let check = async |snapshot: crate::LakeSnapshot| {
        assert_eq!(snapshot.months(), [202_610, 202_611]);
        let lines = usage(&snapshot).await;
        let without_bucket = |line: &String| line.split_once(' ').unwrap().1.to_owned();
        assert_eq!(
            lines.iter().map(without_bucket).collect::<Vec<_>>(),
            [
                "202610 r 2026-10-05T00:00:00Z /test|c - 0 1.0",
                "202611 r 2026-11-05T00:00:00.250Z /test|b memory 8 1.1",
                "202611 r 2026-11-05T00:00:00.250Z /test|b vcpu 4000000 1.1",
                "202610 s 2026-10-05T00:00:00Z /test|a vcpu 7 1.2",
            ]
        );
    };
    check(fixture.lake.snapshot().await.unwrap()).await;
    let report = compact(&fixture.lake).await;
    assert_eq!((report.events, report.usage_rows, report.compacted_to), (3, 4, 2));
    check(fixture.lake.snapshot().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_committed_counts_whatever_is_compacted() {
    // (events of each commit, expected ids with quantity)
    let commits = [
        vec![event("1", "r", OCT, 1), event("2", "r", OCT, 2)],
        // A duplicate, a conflict in another month, a conflict on another resource, a new one.
        vec![
            event("1", "r", OCT, 1),
            event("2", "r", NOV, 22),
            event("1", "another-bucket", OCT, 11),
            event("3", "r", NOV, 3),
        ],
        // Both in one commit: the one that comes first in it.
        vec![event("4", "r", OCT, 4), event("4", "r", NOV, 44)],
        vec![event("3", "r", NOV, 3), event("5", "s", NOV, 5)],
    ];
    let mut seen = Vec::new();
    // A bit per commit: compact after it or not.
    for pattern in 0..16_u32 {
        let fixture = Fixture::new().await;
        for (at, events) in commits.iter().enumerate() {
            append(&fixture.lake, events).await;
            if pattern >> at & 1 == 1 {
                compact(&fixture.lake).await;
            }
        }
        let snapshot = fixture.lake.snapshot().await.unwrap();
        let lines = usage(&snapshot).await;
        let counted = snapshot.final_counts().await.unwrap();
        assert_eq!((counted.read, counted.accepted), (10, 5));
        assert_eq!((counted.duplicate, counted.conflict), (2, 3));
        seen.push((lines, counted));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
    let id_and_quantity = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        format!("{}={}", words[4].trim_start_matches("/test|"), words[6])
    };
    let mut ids: Vec<_> = seen[0].0.iter().map(id_and_quantity).collect();
    ids.sort();
    assert_eq!(ids, ["1=1", "2=2", "3=3", "4=4", "5=5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn final_counts_add_up_and_do_not_depend_on_compaction() {
    let fixture = Fixture::new().await;
    let unmetered =
        |id: &str| Event { resource: None, reason: Some("unmetered"), ..event(id, "", OCT, 5) };
    let flagged = Event { status: status::DUPLICATE, ..event("1", "r", OCT, 1) };
    let first = [event("1", "r", OCT, 1), unmetered("u"), dead("no-json"), flagged];
    append(&fixture.lake, &first).await;
    append(&fixture.lake, &[unmetered("u"), event("u", "r", OCT, 6), dead("no-time")]).await;
    let before = counts(&fixture.lake).await;
    assert_eq!((before.read, before.accepted, before.unmetered), (7, 2, 1));
    assert_eq!((before.duplicate, before.conflict, before.dead), (2, 1, 2));
    let reasons: Vec<_> = before.by_reason.iter().map(|(k, n)| (k.as_str(), *n)).collect();
    assert_eq!(reasons, [("no-json", 1), ("no-time", 1), ("unmetered", 1)]);
    assert_eq!((before.by_system["test"].accepted, before.by_system["unknown"].dead), (2, 2));
    compact(&fixture.lake).await;
    assert_eq!(counts(&fixture.lake).await, before);
    assert_eq!(counts(&fixture.another().await).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_stay_few_and_keep_every_row() {
    let fixture = Fixture::new().await;
    for round in 0..40 {
        append(&fixture.lake, &[event(&round.to_string(), "r", OCT, 1)]).await;
        let report = compact(&fixture.lake).await;
        assert_eq!(report.commits, 1);
        let snapshot = fixture.lake.snapshot().await.unwrap();
        for bucket in 0..BUCKETS {
            let runs = snapshot.runs(bucket, 0, i32::MAX);
            assert!(runs.len() <= 8, "round {round}: {} runs", runs.len());
            for run in &runs {
                assert!(run.path.is_absolute() && run.path.is_file());
                assert_eq!((run.bucket, run.month), (bucket, 202_610));
                let bytes = std::fs::metadata(&run.path).unwrap().len();
                assert_eq!(bytes as i64, run.bytes);
            }
            let newest = runs.iter().map(|run| run.raw_to).max();
            assert!(newest.is_none_or(|newest| newest == round + 1));
        }
        assert_eq!(usage(&snapshot).await.len() as i64, round + 1);
    }
    // The key index is merged too and still knows them all.
    append(&fixture.lake, &(0..40).map(|n| event(&n.to_string(), "r", OCT, 1)).collect::<Vec<_>>())
        .await;
    assert_eq!(compact(&fixture.lake).await.duplicates, 40);
    let url = url::Url::from_directory_path(fixture.table("usage")).unwrap();
    let mut table = deltalake_core::DeltaTableBuilder::from_url(url).unwrap().build().unwrap();
    table.load().await.unwrap();
    let snapshot = fixture.lake.snapshot().await.unwrap();
    let ours: usize = (0..BUCKETS).map(|bucket| snapshot.runs(bucket, 0, i32::MAX).len()).sum();
    assert_eq!(table.get_file_uris().unwrap().count(), ours, "delta-rs sees the same runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_committed_one_by_one() {
    let fixture = Fixture::new().await;
    for round in 0..5 {
        let events: Vec<_> =
            (0..10).map(|n| event(&format!("{round}.{n}"), &format!("r{n}"), OCT, 1)).collect();
        append(&fixture.lake, &events).await;
    }
    let whole = usage(&fixture.lake.snapshot().await.unwrap()).await;
    let settings = CompactSettings { chunk_rows: 20, ..CompactSettings::default() };
    let seen = std::sync::Mutex::new(Vec::new());
    let progress = |at: crate::CompactProgress| seen.lock().unwrap().push(at.compacted_to);
    let report = fixture.lake.compact(&settings, &progress).await.unwrap();
    assert_eq!((report.commits, report.rows, report.events), (3, 50, 50));
    assert_eq!(*seen.lock().unwrap(), [3, 5, 6]);
    assert_eq!(usage(&fixture.lake.snapshot().await.unwrap()).await, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_compactors_fence_each_other() {
    let fixture = Fixture::new().await;
    let other = fixture.another().await;
    for round in 0..6 {
        let events: Vec<_> =
            (0..20).map(|n| event(&format!("{round}.{n}"), &format!("r{n}"), OCT, 1)).collect();
        append(&fixture.lake, &events).await;
        let whole = usage(&fixture.lake.snapshot().await.unwrap()).await;
        let race = |lake: Lake| tokio::spawn(async move { compact(&lake).await });
        let (a, b) = (race(fixture.lake.clone()), race(other.clone()));
        let (a, b) = (a.await.unwrap(), b.await.unwrap());
        assert_eq!(a.commits + b.commits, 1, "{a:?} {b:?}");
        assert_eq!(usage(&other.snapshot().await.unwrap()).await, whole);
    }
    assert_eq!(counts(&other).await.accepted, 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_that_dies_anywhere_shows_nothing() {
    let stops = [
        (Step::Write, false, ".parquet"),
        (Step::Publish, true, ".parquet"),
        (Step::Publish, true, ".bin"),
        (Step::SyncFolder, false, "_keys"),
        (Step::Write, true, "1.json"),
        (Step::Publish, false, "1.json"),
    ];
    for (step, after, name) in stops {
        let probe = Arc::new(TestProbe::default());
        let fixture = Fixture::with_probe(probe.clone()).await;
        append(&fixture.lake, &[event("1", "r", OCT, 1), event("2", "s", NOV, 1)]).await;
        let before = usage(&fixture.lake.snapshot().await.unwrap()).await;
        probe.fail(step, after, name, u32::MAX);
        let died = fixture.lake.compact(&CompactSettings::default(), &|_| {}).await;
        assert!(died.is_err(), "{step:?} {name}");
        let lake = fixture.another().await;
        let snapshot = lake.snapshot().await.unwrap();
        assert_eq!((snapshot.compacted_to(), snapshot.usage_version()), (0, 0), "{step:?} {name}");
        assert_eq!(usage(&snapshot).await, before);
        compact(&lake).await;
        assert_eq!(usage(&lake.snapshot().await.unwrap()).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_stays_as_it_was() {
    let fixture = Fixture::new().await;
    append(&fixture.lake, &[event("1", "r", OCT, 1)]).await;
    let old = fixture.lake.snapshot().await.unwrap();
    append(&fixture.lake, &[event("2", "r", OCT, 1)]).await;
    for _ in 0..12 {
        compact(&fixture.lake).await;
        append(&fixture.lake, &[event(&uuid::Uuid::now_v7().to_string(), "r", OCT, 1)]).await;
    }
    assert_eq!(usage(&old).await.len(), 1);
    assert_eq!(old.final_counts().await.unwrap().read, 1);
    assert_eq!(usage(&fixture.lake.snapshot().await.unwrap()).await.len(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_runs_hold_the_same_rows() {
    let fixture = Fixture::new().await;
    let lake = &fixture.lake;
    for (at, month) in [OCT, NOV, OCT, NOV, OCT].into_iter().enumerate() {
        let [a, b] = ["a", "b"].map(|name| format!("{name}{at}"));
        append(lake, &[event(&a, "r", month, 1), event(&b, "s", month, 2)]).await;
        compact(lake).await;
    }
    let before = lake.snapshot().await.unwrap();
    let rows = usage(&before).await;
    let months = |snapshot: &crate::LakeSnapshot| -> Vec<i32> {
        let all = (0..BUCKETS).flat_map(|bucket| snapshot.runs(bucket, 0, i32::MAX));
        all.map(|run| run.month).collect()
    };
    let settings = CompactSettings::default();
    let one = lake.merge(&settings, 202_610, &|_| {}).await.unwrap();
    let buckets = if bucket_of("r", BUCKETS) == bucket_of("s", BUCKETS) { 1 } else { 2 };
    assert_eq!((one.runs_merged, one.runs_written, one.rows), (3 * buckets, buckets, 6));
    let after = lake.snapshot().await.unwrap();
    assert_eq!(months(&after).iter().filter(|month| **month == 202_610).count() as u64, buckets);
    assert_eq!(
        months(&after).iter().filter(|month| **month == 202_611).count() as u64,
        2 * buckets
    );
    assert_eq!(usage(&after).await, rows);
    // A view from before still has its files.
    assert_eq!(usage(&before).await, rows);
    let rest = lake.merge(&settings, i32::MAX, &|_| {}).await.unwrap();
    assert_eq!((rest.runs_merged, rest.runs_written), (2 * buckets, buckets));
    let none = lake.merge(&settings, i32::MAX, &|_| {}).await.unwrap();
    assert_eq!(none, crate::MergeReport::default());
    // Compaction goes on from what was merged.
    append(lake, &[event("late", "r", OCT, 9), event("a0", "r", OCT, 1)]).await;
    compact(lake).await;
    assert_eq!(usage(&lake.snapshot().await.unwrap()).await.len(), rows.len() + 1);
}
