//! Twins and corrections: what counts follows from the events, whatever is compacted when.

use turnpike_schemas::canonical::bucket_of;
use turnpike_schemas::event::CorrectionAction::{Backfill, Retract, Revert};

use super::fixture::*;
use super::states::put;
use crate::LakeSnapshot;

const OCT: &str = "2026-10-05T00:00:00Z";
const NOV: &str = "2026-11-05T00:00:00Z";

fn twin(form: &str, key: &str, event: Event) -> Event {
    Event { twin: Some((key.to_owned(), form.to_owned())), ..event }
}

/// Ids of the events that count, with their quantities.
async fn ids(snapshot: &LakeSnapshot) -> Vec<String> {
    let line = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        format!("{}={}", words[4].trim_start_matches("/test|"), words[6])
    };
    let mut ids: Vec<String> = usage(snapshot).await.iter().map(line).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_form_of_a_twin_counts_for_all_time() {
    let commits = [
        vec![twin("new", "start-1", event("a", "r", OCT, 1)), event("x", "r", OCT, 9)],
        // The other form, a duplicate of the first by its key, one of the same form.
        vec![
            twin("old", "start-1", event("b", "r", OCT, 1)),
            twin("new", "start-1", event("a", "r", OCT, 1)),
            twin("new", "start-1", event("c", "r", OCT, 3)),
        ],
        // What was a duplicate by its twin stays known by its key. The next action comes in the
        // other form first, both in one commit.
        vec![
            twin("old", "start-1", event("b", "r", OCT, 1)),
            twin("old", "start-1", event("b", "r", NOV, 11)),
            twin("old", "start-2", event("d", "r", NOV, 4)),
            twin("new", "start-2", event("e", "r", NOV, 4)),
        ],
        vec![twin("new", "start-2", event("f", "s", NOV, 6))],
    ];
    let mut seen = Vec::new();
    for pattern in 0..16_u32 {
        let fixture = Fixture::new().await;
        for (at, events) in commits.iter().enumerate() {
            append(&fixture.lake, events).await;
            if pattern >> at & 1 == 1 {
                compact(&fixture.lake).await;
            }
        }
        let snapshot = fixture.lake.snapshot().await.unwrap();
        let counted = snapshot.final_counts().await.unwrap();
        assert_eq!((counted.read, counted.accepted), (10, 4));
        assert_eq!((counted.duplicate, counted.conflict), (5, 1));
        seen.push((usage(&snapshot).await, counted));
        assert_eq!(ids(&snapshot).await, ["a=1", "c=3", "d=4", "x=9"]);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
}

/// Every order of some commits, each compacted at every place or not, gives the same.
async fn check(events: &[Event], expected: &[&str]) {
    for turn in 0..events.len() {
        for backwards in [false, true] {
            let mut events = events.to_vec();
            events.rotate_left(turn);
            if backwards {
                events.reverse();
            }
            for pattern in [0_u32, 0b1010_1010, u32::MAX] {
                let fixture = Fixture::new().await;
                for (at, event) in events.iter().enumerate() {
                    append(&fixture.lake, std::slice::from_ref(event)).await;
                    if pattern >> (at % 32) & 1 == 1 {
                        compact(&fixture.lake).await;
                    }
                }
                let snapshot = fixture.lake.snapshot().await.unwrap();
                assert_eq!(ids(&snapshot).await, expected, "{pattern:b} {events:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_do_not_depend_on_order_or_compaction() {
    let backfill = Event {
        correction: Some((Backfill, None)),
        ..event("late", "r", "2026-10-01T00:00:00Z", 5)
    };
    check(
        &[
            event("t", "r", OCT, 1),
            amend("t", event("a", "r", NOV, 2)),
            takes("rev", Revert, "a", "2026-11-06T00:00:00Z"),
            takes("un", Revert, "rev", "2026-11-07T00:00:00Z"),
        ],
        &["a=2"],
    )
    .await;
    check(
        &[
            event("t", "r", OCT, 1),
            takes("x", Retract, "t", NOV),
            backfill,
            takes("y", Retract, "nobody", NOV),
        ],
        &["late=5"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_are_kept_when_their_files_are_merged() {
    let fixture = Fixture::new().await;
    for round in 0..20 {
        let (target, id) = (format!("t{round}"), format!("x{round}"));
        append(&fixture.lake, &[event(&target, "r", OCT, 1)]).await;
        append(&fixture.lake, &[takes(&id, Retract, &target, NOV)]).await;
        compact(&fixture.lake).await;
        let snapshot = fixture.lake.snapshot().await.unwrap();
        assert!(usage(&snapshot).await.is_empty());
        assert_eq!(snapshot.masked().await.unwrap().len(), round + 1);
    }
    // A duplicate of a correction, and one that conflicts with it, change nothing.
    let again = takes("x0", Retract, "t0", NOV);
    let other = Event { content: 7, ..takes("x1", Revert, "x2", NOV) };
    append(&fixture.lake, &[again, other]).await;
    for _ in 0..2 {
        let snapshot = fixture.another().await.snapshot().await.unwrap();
        assert!(usage(&snapshot).await.is_empty());
        compact(&fixture.lake).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_from_before_a_correction_is_not_used() {
    let fixture = Fixture::new().await;
    let lake = &fixture.lake;
    let bucket = bucket_of("r", BUCKETS);
    let found = async || {
        let state = lake.snapshot().await.unwrap().state(bucket, 202_612, "v1").await.unwrap();
        state.map(|(month, _)| month)
    };
    append(lake, &[event("t", "r", OCT, 1)]).await;
    put(lake, bucket, 202_611, "v1").await;
    assert_eq!(found().await, Some(202_611));
    // The correction is of a later time than the state, and of no bucket.
    append(lake, &[takes("x", Retract, "t", NOV)]).await;
    assert_eq!(found().await, None);
    compact(lake).await;
    assert_eq!(found().await, None);
    put(lake, bucket, 202_611, "v1").await;
    assert_eq!(found().await, Some(202_611));
}
