//! Appending: exactly once, whoever else writes and whatever the disk answers.

use std::sync::Arc;

use super::fixture::*;
use crate::disk::Step;
use crate::{AppId, Append, EventFilter, Fault, Lake, LakeError, LakeSettings};

const T: &str = "2026-10-01T00:00:00Z";

fn one(id: &str) -> arrow::array::RecordBatch {
    batch(&[event(id, "r", T, 1)], BUCKETS)
}

async fn ids(lake: &Lake) -> Vec<String> {
    let rows = lake.snapshot().await.unwrap();
    let rows = rows.events(&EventFilter::default(), Some(&["event_id"]), usize::MAX).await.unwrap();
    let mut ids: Vec<String> = rows
        .iter()
        .flat_map(|batch| arrow::array::AsArray::as_string::<i32>(batch.column(0)).iter())
        .map(|id| id.unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_needs_the_offset_it_starts_at() {
    let fixture = Fixture::new().await;
    let lake = &fixture.lake;
    let append = async |id: &str, start, end| {
        lake.append_events(one(id), &[advance("a", start, end)]).await.unwrap()
    };
    let fenced = |expected, found| Append::Fenced { app: AppId::new("a"), expected, found };

    assert_eq!(append("0", Some(3), 5).await, fenced(Some(3), None));
    assert_eq!(append("1", None, 5).await, Append::Committed { version: 1 });
    // The zombie: it has seen the newest version, and still holds what was committed before.
    assert_eq!(append("2", None, 5).await, fenced(None, Some(5)));
    assert_eq!(append("3", Some(2), 3).await, fenced(Some(2), Some(5)));
    assert_eq!(append("4", Some(6), 9).await, fenced(Some(6), Some(5)));
    assert_eq!(append("5", Some(5), 9).await, Append::Committed { version: 2 });
    assert_eq!(ids(lake).await, ["1", "5"]);
    let folder = fixture.table("usage_events/ingest_day=2026-11-21");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2, "fenced files are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sources_of_a_commit_are_compared() {
    let fixture = Fixture::new().await;
    let lake = &fixture.lake;
    let both = [advance("a", None, 1), advance("b", None, 7)];
    assert_eq!(
        lake.append_events(one("1"), &both).await.unwrap(),
        Append::Committed { version: 1 }
    );
    let second = [advance("a", Some(1), 2), advance("b", Some(6), 8)];
    let fenced = Append::Fenced { app: AppId::new("b"), expected: Some(6), found: Some(7) };
    assert_eq!(lake.append_events(one("2"), &second).await.unwrap(), fenced);
    let apps = ["a", "b", "c"].map(AppId::new);
    assert_eq!(lake.offsets(&apps).await.unwrap(), [Some(1), Some(7), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_take_turns_and_fence_each_other() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.lake.clone(), fixture.another().await);
    for turn in 0..6_i64 {
        let lake = if turn % 2 == 0 { &first } else { &second };
        let start = (turn > 0).then_some(turn);
        let rows = one(&turn.to_string());
        let done = lake.append_events(rows, &[advance("a", start, turn + 1)]).await.unwrap();
        assert_eq!(done, Append::Committed { version: turn + 1 });
    }
    let late = second.append_events(one("x"), &[advance("a", Some(5), 9)]).await.unwrap();
    assert!(matches!(late, Append::Fenced { found: Some(6), .. }), "{late:?}");
    assert_eq!(ids(&first).await, ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_race_for_one_offset_have_one_winner() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.lake.clone(), fixture.another().await);
    for turn in 0..10_i64 {
        let start = (turn > 0).then_some(turn);
        let race = |lake: Lake| {
            let advances = [advance("a", start, turn + 1)];
            tokio::spawn(async move { lake.append_events(one(&turn.to_string()), &advances).await })
        };
        let (a, b) = (race(first.clone()), race(second.clone()));
        let outcomes = [a.await.unwrap().unwrap(), b.await.unwrap().unwrap()];
        let won = outcomes.iter().filter(|one| matches!(one, Append::Committed { .. })).count();
        assert_eq!(won, 1, "{outcomes:?}");
    }
    assert_eq!(ids(&second).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_different_sources_all_commit() {
    let fixture = Fixture::new().await;
    let other = fixture.another().await;
    let mut writers = Vec::new();
    for writer in 0..4 {
        let lake = if writer % 2 == 0 { fixture.lake.clone() } else { other.clone() };
        writers.push(tokio::spawn(async move {
            for turn in 0..8_i64 {
                let start = (turn > 0).then_some(turn);
                let advances = [advance(&format!("app-{writer}"), start, turn + 1)];
                let rows = one(&format!("{writer}.{turn}"));
                let done = lake.append_events(rows, &advances).await.unwrap();
                assert!(matches!(done, Append::Committed { .. }), "{done:?}");
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(ids(&fixture.lake).await.len(), 32);
    let apps = other.apps_with_prefix("app-").await.unwrap();
    let expected: Vec<_> = (0..4).map(|n| (AppId::new(format!("app-{n}")), 8)).collect();
    assert_eq!(apps, expected);
    assert_eq!(other.apps_with_prefix("app-3").await.unwrap().len(), 1);
    assert_eq!(other.apps_with_prefix("b").await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_outlive_the_process() {
    let fixture = Fixture::new().await;
    append(&fixture.lake, &[event("1", "r", T, 1)]).await;
    let again = fixture.another().await;
    assert_eq!(again.offsets(&[AppId::new("a")]).await.unwrap(), [Some(1)]);
    assert!(again.recovered().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_write_is_not_tried_again() {
    for (step, name) in
        [(Step::SyncFile, ".parquet"), (Step::SyncFile, "1.json"), (Step::SyncFolder, "_delta_log")]
    {
        let probe = Arc::new(TestProbe::default());
        let fixture = Fixture::with_probe(probe.clone()).await;
        probe.lose(step, name);
        let done = fixture.lake.append_events(one("1"), &[advance("a", None, 1)]).await;
        let error = done.expect_err("the disk lost it");
        assert!(error.is_lost_write(), "{step:?} {name}: {error:?}");
        // A new process finds out what is there and reads the source from there.
        let again = fixture.another().await;
        let done = again.append_events(one("1"), &[advance("a", None, 1)]).await.unwrap();
        let is_there = matches!(done, Append::Fenced { found: Some(1), .. });
        assert_eq!(is_there, step == Step::SyncFolder, "{step:?} {name}: {done:?}");
        assert_eq!(ids(&again).await, ["1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_resolved() {
    let check = async |step: Step, after: bool, times: u32, expected: Result<i64, ()>| {
        let probe = Arc::new(TestProbe::default());
        let fixture = Fixture::with_probe(probe.clone()).await;
        let name = if step == Step::SyncFolder { "_delta_log" } else { "1.json" };
        probe.fail(step, after, name, times);
        let done = fixture.lake.append_events(one("1"), &[advance("a", None, 1)]).await;
        let case = format!("{step:?} after={after} times={times}: {done:?}");
        match (done, expected) {
            (Ok(Append::Committed { version }), Ok(wanted)) => {
                assert_eq!(version, wanted, "{case}")
            }
            (Err(error), Err(())) => assert!(error.is_retryable(), "{case}"),
            _ => panic!("{case}"),
        }
        // A later attempt of the same batch must never store it twice.
        let again = fixture.lake.append_events(one("1"), &[advance("a", None, 1)]).await.unwrap();
        match expected {
            Ok(_) => assert!(matches!(again, Append::Fenced { found: Some(1), .. }), "{case}"),
            Err(()) => assert!(
                matches!(again, Append::Committed { .. } | Append::Fenced { found: Some(1), .. }),
                "{case}"
            ),
        }
        assert_eq!(ids(&fixture.lake).await, ["1"], "{case}");
        assert_eq!(ids(&fixture.another().await).await, ["1"], "{case}");
    };
    // Before the commit has its name it is written again.
    check(Step::Write, true, 1, Ok(1)).await;
    check(Step::SyncFile, false, 1, Ok(1)).await;
    check(Step::Publish, false, 2, Ok(1)).await;
    check(Step::Publish, false, 3, Err(())).await;
    // Afterwards it is found, made durable and kept.
    check(Step::Publish, true, 1, Ok(1)).await;
    check(Step::SyncFolder, false, 1, Ok(1)).await;
    // Visible, but the disk refuses to promise that it stays.
    check(Step::SyncFolder, false, 2, Err(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_table_may_hold_is_refused() {
    let fixture = Fixture::new().await;
    let check = async |events: &[Event], advances: &[crate::OffsetAdvance], expected: &str| {
        let error = fixture.lake.append_events(batch(events, 64), advances).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Caller);
        assert!(!error.is_retryable());
        assert!(error.to_string().contains(expected), "{error}");
    };
    let good = event("1", "r", T, 1);
    let next = [advance("a", None, 1)];
    check(std::slice::from_ref(&good), &[], "advances no source").await;
    check(std::slice::from_ref(&good), &[next.clone(), next.clone()].concat(), "twice").await;
    check(std::slice::from_ref(&good), &[advance("a", Some(2), 1)], "goes back").await;
    // 64 buckets, where the tables have 4.
    check(&[event("1", "openstack/instance/i-1", T, 1)], &next, "bucket 15 of 4").await;
    let nameless = Event { status: "odd", ..good.clone() };
    check(&[nameless], &next, "status Some(\"odd\")").await;
    let columns = batch(&[good], BUCKETS).project(&[0, 1]).unwrap();
    let error = fixture.lake.append_events(columns, &next).await.unwrap_err();
    assert!(error.to_string().contains("columns"), "{error}");
    assert_eq!(fixture.lake.offsets(&[AppId::new("a")]).await.unwrap(), [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_may_only_move_offsets() {
    let fixture = Fixture::new().await;
    let rows = batch(&[], BUCKETS);
    let done = fixture.lake.append_events(rows, &[advance("a", None, 9)]).await.unwrap();
    assert_eq!(done, Append::Committed { version: 1 });
    assert_eq!(fixture.another().await.offsets(&[AppId::new("a")]).await.unwrap(), [Some(9)]);
    assert_eq!(compact(&fixture.lake).await.compacted_to, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_buckets_is_fixed_at_creation() {
    let fixture = Fixture::new().await;
    let other = LakeSettings { buckets: 8, ..settings(fixture.folder.path()) };
    let error = Lake::open(other, now()).await.err().unwrap();
    assert!(matches!(error, LakeError::Buckets { stored: 4, configured: 8, .. }), "{error:?}");
    assert!(error.to_string().contains('4') && error.to_string().contains('8'), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_filtered() {
    let fixture = Fixture::new().await;
    append(&fixture.lake, &[event("1", "r", T, 1), event("2", "s", T, 1), dead("no-json")]).await;
    append(&fixture.lake, &[event("3", "r", T, 2), dead("no-time")]).await;
    let snapshot = fixture.lake.snapshot().await.unwrap();
    let check = async |filter: EventFilter, limit: usize, expected: usize| {
        let rows = snapshot.events(&filter, None, limit).await.unwrap();
        let found: usize = rows.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(found, expected, "{filter:?}");
        assert!(rows.iter().all(|rows| rows.schema() == turnpike_schemas::arrow::usage_events()));
    };
    let some = |text: &str| Some(text.to_owned());
    check(EventFilter::default(), usize::MAX, 5).await;
    check(EventFilter::default(), 4, 4).await;
    check(EventFilter { status: some("dead"), ..Default::default() }, usize::MAX, 2).await;
    check(EventFilter { reason: some("no-time"), ..Default::default() }, usize::MAX, 1).await;
    check(EventFilter { resource: some("r"), ..Default::default() }, usize::MAX, 2).await;
    check(EventFilter { key: some("/test\u{1f}2"), ..Default::default() }, usize::MAX, 1).await;
    check(EventFilter { key: some("2"), ..Default::default() }, usize::MAX, 0).await;
    let both = EventFilter { status: some("dead"), resource: some("r"), ..Default::default() };
    check(both, usize::MAX, 0).await;
    let error = snapshot.events(&EventFilter::default(), Some(&["odd"]), 1).await.unwrap_err();
    assert!(error.to_string().contains("odd"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_found_without_opening_files_that_hold_none() {
    let fixture = Fixture::new().await;
    append(&fixture.lake, &[event("a", "r", "2026-10-01T00:00:00Z", 1)]).await;
    append(&fixture.lake, &[event("b", "r", "2026-10-01T00:00:00Z", 1), dead("json")]).await;
    append(&fixture.lake, &[event("c", "r", "2026-10-01T00:00:00Z", 1)]).await;
    let snapshot = fixture.lake.snapshot().await.unwrap();
    let dead = EventFilter { status: Some("dead".to_owned()), ..EventFilter::default() };
    let rows = async |filter: &EventFilter| {
        let found = snapshot.events(filter, Some(&["position"]), usize::MAX).await?;
        Ok::<usize, crate::LakeError>(found.iter().map(|batch| batch.num_rows()).sum())
    };
    let all = EventFilter::default();
    assert_eq!((rows(&all).await.unwrap(), rows(&dead).await.unwrap()), (4, 1));
    // The row of the dead letter comes first in its batch: a null bucket sorts so.
    for (position, since, expected) in [
        (Some(0), None, 1),
        (Some(1), None, 0),
        (None, Some("2026-11-21T00:00:00Z"), 0),
        (None, Some("2026-11-22T00:00:00Z"), 0),
    ] {
        let filter = EventFilter { position, since: since.map(instant), ..dead.clone() };
        assert_eq!(rows(&filter).await.unwrap(), expected, "{filter:?}");
    }
    for commit in [1, 3] {
        let text = std::fs::read_to_string(fixture.commit_path("usage_events", commit)).unwrap();
        let path = text.split("\"path\":\"").nth(1).unwrap().split('"').next().unwrap();
        std::fs::write(fixture.table("usage_events").join(path), "not Parquet").unwrap();
    }
    assert!(rows(&all).await.is_err());
    assert_eq!(rows(&dead).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_batch_by_batch_in_the_order_of_commits() {
    let fixture = Fixture::new().await;
    let mut expected = Vec::new();
    for number in 0..6_i64 {
        let ids = [format!("{number}-a"), format!("{number}-b")];
        let events = [event(&ids[1], "r", T, 1), event(&ids[0], "r", T, 1)];
        append(&fixture.lake, &events).await;
        expected.extend(ids);
    }
    let snapshot = fixture.lake.snapshot().await.unwrap();
    let filter = EventFilter::default();
    let mut stream = snapshot.events_as_committed(&filter, Some(&["event_id"])).await.unwrap();
    let (mut found, mut batches) = (Vec::new(), 0);
    while let Some(batch) = stream.next().await.unwrap() {
        let ids = arrow::array::AsArray::as_string::<i32>(batch.column(0));
        let mut ids: Vec<String> = ids.iter().map(|id| id.unwrap().to_owned()).collect();
        ids.sort();
        found.extend(ids);
        batches += 1;
    }
    assert_eq!((found, batches), (expected, 6));
    assert!(stream.next().await.unwrap().is_none());
    // A file that cannot be read is an error after those before it, and never an end.
    let named = fixture.table("usage_events/ingest_day=2026-11-21");
    let mut paths: Vec<_> =
        std::fs::read_dir(named).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    std::fs::write(paths.last().unwrap(), "damaged").unwrap();
    let mut stream = snapshot.events_as_committed(&filter, Some(&["event_id"])).await.unwrap();
    for _ in 0..5 {
        assert!(stream.next().await.unwrap().is_some());
    }
    let error = loop {
        match stream.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("damage is an error, not an end"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("usage_events"), "{error}");
}
