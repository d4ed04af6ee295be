//! Submissions: shared commits, other writers, full queues, a disk that fails for a while.

use std::sync::Arc;
use std::time::Duration;

use turnpike_lake::{AppId, Append, OffsetAdvance};

use super::store::{Store, event, now, store};
use crate::http::{
    Clock, Item, Producer, Refusal, Slot, SubmitSettings, SubmitWriter, Submitter, Verdict,
};
use crate::{IngestMetrics, IngestSettings};

fn start(store: &Store, change: impl FnOnce(&mut SubmitSettings)) -> (Submitter, SubmitWriter) {
    let slot = Slot::take(store.folder.path(), "test").expect("a slot");
    let mut settings = SubmitSettings::new(IngestSettings::default());
    change(&mut settings);
    let clock: Clock = Arc::new(now);
    Submitter::start(store.lake.clone(), slot, &settings, clock, Arc::new(IngestMetrics::default()))
}

async fn send(submitter: &Submitter, texts: &[String]) -> Result<Vec<Verdict>, Refusal> {
    let item =
        |text: &String| Item { headers: Vec::new(), value: text.clone().into_bytes().into() };
    let items: Vec<Item<'static>> = texts.iter().map(item).collect();
    let submission = submitter.read(&items, &Producer::default()).expect("is allowed");
    let results = submitter.submit(submission, submitter.reserve()).await?;
    Ok(results.into_iter().map(|result| result.status).collect())
}

#[tokio::test]
async fn what_is_answered_is_in_the_table_under_positions_of_its_own() {
    let store = store().await;
    let (submitter, writer) = start(&store, |_| {});
    let one = send(&submitter, &[event("a", 1), "{broken".to_owned()]).await.expect("is taken");
    assert_eq!(one, [Verdict::Accepted, Verdict::Dead]);
    let two = send(&submitter, &[event("a", 1), event("a", 2)]).await.expect("is taken");
    assert_eq!(two, [Verdict::Duplicate, Verdict::Conflict]);
    writer.finish().await;
    let rows = store.rows().await;
    assert_eq!(rows, ["0 0 accepted", "0 1 dead json_invalid", "0 2 duplicate", "0 3 conflict"]);
    assert!(matches!(send(&submitter, &[event("b", 1)]).await, Err(Refusal::Stopping)));
    // The next process goes on where this one ended.
    let (submitter, writer) = start(&store, |_| {});
    send(&submitter, &[event("b", 1)]).await.expect("is taken");
    writer.finish().await;
    assert!(store.rows().await.contains(&"0 4 accepted".to_owned()));
}

#[tokio::test]
async fn submissions_at_once_share_a_commit_and_all_are_committed_at_the_end() {
    let store = store().await;
    let (submitter, writer) =
        start(&store, |settings| settings.flush_interval = Duration::from_secs(3_600));
    send(&submitter, &[event("first", 1)]).await.expect("goes at once");
    let events: Vec<[String; 1]> =
        (0..50).map(|number| [event(&format!("e{number}"), 1)]).collect();
    let all = futures::future::join_all(events.iter().map(|event| send(&submitter, event)));
    let ((), all) = tokio::join!(
        async {
            // All fifty wait for an hour to pass, or for the end.
            while submitter.waiting() < 50 {
                tokio::task::yield_now().await;
            }
            writer.finish().await;
        },
        all
    );
    assert!(all.iter().all(|one| one.as_deref().ok() == Some(&[Verdict::Accepted][..])));
    let snapshot = store.lake.snapshot().await.expect("a snapshot");
    assert_eq!((store.counts().await.accepted, snapshot.raw_version()), (51, 2));
}

#[tokio::test]
async fn another_writer_moves_us_and_costs_nothing() {
    let store = store().await;
    let (submitter, writer) = start(&store, |_| {});
    send(&submitter, &[event("a", 1)]).await.expect("is taken");
    let app = AppId::new("http:test:0");
    let rows = arrow::array::RecordBatch::new_empty(turnpike_schemas::arrow::usage_events());
    let advance = OffsetAdvance { app, start: Some(1), end: 10 };
    let moved = store.lake.append_events(rows, &[advance]).await.expect("appends");
    assert!(matches!(moved, Append::Committed { .. }));
    let sent = send(&submitter, &[event("b", 1), event("c", 1)]).await;
    assert_eq!(sent.expect("is taken"), [Verdict::Accepted; 2]);
    send(&submitter, &[event("d", 1)]).await.expect("is taken");
    writer.finish().await;
    let rows = store.rows().await;
    assert_eq!(rows, ["0 0 accepted", "0 10 accepted", "0 11 accepted", "0 12 accepted"]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_has_room_again() {
    let store = store().await;
    let (submitter, writer) = start(&store, |settings| settings.queue_bytes_max = 1 << 20);
    let mut first = submitter.reserve();
    first.hold(900 << 10).expect("fits");
    first.hold(800 << 10).expect("is held already");
    let mut second = submitter.reserve();
    assert!(matches!(second.hold(200 << 10), Err(Refusal::Busy)));
    second.hold(100 << 10).expect("fits");
    assert!(matches!(second.hold(200 << 10), Err(Refusal::Busy)), "and keeps what it has");
    drop(first);
    second.hold(200 << 10).expect("fits");
    drop(second);
    // A body that is larger than all of the queue is alone in it.
    submitter.reserve().hold(5 << 20).expect("fits alone");
    send(&submitter, &[event("a", 1)]).await.expect("is taken");
    writer.finish().await;
}

#[tokio::test]
async fn what_was_refused_is_new_when_it_comes_again() {
    let store = store().await;
    let (submitter, writer) = start(&store, |_| {});
    send(&submitter, &[event("a", 1)]).await.expect("is taken");
    let (here, away) = (store.folder.path().join("lake"), store.folder.path().join("away"));
    std::fs::rename(&here, &away).expect("moves");
    // Nothing can be created where a file is.
    std::fs::write(&here, "").expect("writes");
    let refused = send(&submitter, &[event("b", 1)]).await.expect_err("is refused");
    assert!(refused.retry_after().is_some(), "{refused}");
    std::fs::remove_file(&here).expect("removes");
    std::fs::rename(&away, &here).expect("moves");
    let taken = send(&submitter, &[event("a", 1), event("b", 1)]).await.expect("is taken");
    assert_eq!(taken[1], Verdict::Accepted);
    writer.finish().await;
    let counts = store.counts().await;
    assert_eq!((counts.accepted, counts.duplicate), (2, 1));
}
