//! Dead letters end once: read after all, or given up.

use turnpike_lake::{Append, EventFilter, OffsetAdvance};
use turnpike_schemas::arrow::status;

use super::store::{Store, event, now, store};
use crate::batch::Batcher;
use crate::decode::DEAD_BYTES_MAX;
use crate::replay::{DeadLetter, Fate, discard, ends, is_cut, replay};
use crate::{IngestSettings, Record, reason};

const ORIGIN: &str = "file:0a1b2c3d4e5f60718293";

/// Commits lines as records 1, 2, 3 of one file.
async fn commit(store: &Store, lines: &[&str]) {
    let mut batcher = Batcher::new(&IngestSettings::default(), store.lake.buckets(), now());
    let origin = ORIGIN.into();
    batcher.open(std::sync::Arc::clone(&origin), None);
    for (position, line) in (1..).zip(lines) {
        batcher.push(&origin, position, &Record::of(line.as_bytes()));
    }
    let batch = batcher.take(now()).expect("builds").expect("rows");
    let advances: Vec<OffsetAdvance> = batch.advances;
    let done = store.lake.append_events(batch.rows, &advances).await.expect("appends");
    assert!(matches!(done, Append::Committed { .. }));
}

fn letter(position: i64, code: &str, payload: &str) -> DeadLetter {
    DeadLetter {
        origin: ORIGIN.to_owned(),
        position,
        part: 0,
        reason: Some(code.to_owned()),
        system: None,
        payload: payload.as_bytes().to_vec(),
        is_fixed: false,
        route: None,
    }
}

async fn counts(store: &Store) -> [i64; 6] {
    let counts = store.counts().await;
    let ended = counts.by_reason.get(reason::JSON_INVALID).copied().unwrap_or_default();
    assert_eq!(ended, counts.dead, "{counts:?}");
    [counts.read, counts.accepted, counts.duplicate, counts.conflict, counts.dead, counts.discarded]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_counts_as_what_it_became() {
    let store = store().await;
    commit(&store, &[&event("a", 1), "{", "{]", "{}}", "nothing {"]).await;
    assert_eq!(counts(&store).await, [5, 1, 0, 0, 4, 0]);
    let settings = IngestSettings::default();
    let fixed = |position, payload: &str| DeadLetter {
        is_fixed: true,
        ..letter(position, reason::JSON_INVALID, payload)
    };
    let letters = vec![
        fixed(2, &event("b", 2)),
        // The same as an accepted one, and another with its key.
        fixed(3, &event("a", 1)),
        fixed(4, &event("a", 9)),
        letter(5, reason::JSON_INVALID, "nothing {"),
    ];
    let report = replay(&store.lake, letters.clone(), &settings, now()).await.expect("replays");
    assert_eq!((report.replayed, report.ended, report.still_dead.len()), (3, 0, 1));
    assert_eq!(report.still_dead[0].position, 5);
    assert_eq!(counts(&store).await, [5, 2, 1, 1, 1, 0]);
    let again = replay(&store.lake, letters, &settings, now()).await.expect("replays");
    assert_eq!((again.replayed, again.ended, again.still_dead.len()), (0, 3, 1));
    assert_eq!(counts(&store).await, [5, 2, 1, 1, 1, 0]);

    let given_up =
        || vec![letter(5, reason::JSON_INVALID, ""), letter(2, reason::JSON_INVALID, "")];
    assert_eq!(discard(&store.lake, given_up(), "a test", now()).await.expect("discards"), 1);
    assert_eq!(discard(&store.lake, given_up(), "a test", now()).await.expect("discards"), 0);
    let report = replay(&store.lake, vec![fixed(5, &event("c", 3))], &settings, now()).await;
    assert_eq!(report.expect("replays").ended, 1);
    let settled = [5, 2, 1, 1, 0, 1];
    assert_eq!(counts(&store).await, settled);
    store.lake.compact(&Default::default(), &|_| {}).await.expect("compacts");
    assert_eq!(counts(&store).await, settled);
    let ends = ends(&store.lake).await.expect("reads");
    let fates: Vec<(i64, Fate)> = ends.iter().map(|((_, at, _), fate)| (*at, *fate)).collect();
    assert_eq!(
        fates,
        [(2, Fate::Replayed), (3, Fate::Replayed), (4, Fate::Replayed), (5, Fate::Discarded)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replays_at_once_one_counts() {
    let store = store().await;
    commit(&store, &["{", "{]"]).await;
    let settings = IngestSettings::default();
    let letters = |id: &str| {
        let fixed = |position, id: String| DeadLetter {
            is_fixed: true,
            ..letter(position, reason::JSON_INVALID, &event(&id, 1))
        };
        vec![fixed(1, format!("{id}1")), fixed(2, format!("{id}2"))]
    };
    let parts = ["a", "b", "c", "d"].map(|id| {
        let (lake, settings, letters) = (store.lake.clone(), settings.clone(), letters(id));
        tokio::spawn(async move { replay(&lake, letters, &settings, now()).await })
    });
    let mut replayed = 0;
    for part in parts {
        replayed += part.await.expect("ends").expect("replays").replayed;
    }
    assert_eq!(replayed, 2);
    assert_eq!(counts(&store).await, [2, 2, 0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_is_not_replayed() {
    let store = store().await;
    let long = format!("{{ {}", "x".repeat(2 * DEAD_BYTES_MAX));
    commit(&store, &[&long]).await;
    let filter = EventFilter {
        status: Some(status::DEAD.to_owned()),
        origin: Some(ORIGIN.to_owned()),
        position: Some(1),
        ..EventFilter::default()
    };
    let snapshot = store.lake.snapshot().await.expect("snapshot");
    let found = snapshot.events(&filter, Some(&["raw"]), 10).await.expect("reads");
    let raw = arrow::array::AsArray::as_binary::<i32>(found[0].column(0)).value(0).to_vec();
    let stored = DeadLetter { payload: raw, ..letter(1, reason::JSON_INVALID, "") };
    assert!(is_cut(&stored));
    let settings = IngestSettings::default();
    let report = replay(&store.lake, vec![stored.clone()], &settings, now()).await.expect("ends");
    assert_eq!((report.replayed, report.still_dead.len()), (0, 1));
    assert!(report.still_dead[0].message.contains("--payload"), "{report:?}");
    let fixed = DeadLetter { payload: event("a", 1).into_bytes(), is_fixed: true, ..stored };
    let report = replay(&store.lake, vec![fixed], &settings, now()).await.expect("ends");
    assert_eq!((report.replayed, report.rows.accepted), (1, 1));
}
