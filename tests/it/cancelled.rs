//! A rating run that is given up half-way leaves nothing that anybody sees.

use std::sync::Mutex;

use tempfile::TempDir;
use turnpike_ingest::{IngestSettings, file};
use turnpike_lake::{CompactSettings, Lake, LakeSettings};
use turnpike_rating::{RatingRequest, Window, rate, rate_staged};
use turnpike_schemas::{Instant, RunId};

use crate::support::case;

fn now() -> Instant {
    Instant::parse("2026-11-10T00:00:00Z").unwrap()
}

/// Some thousand lives of a machine, each with an owner that the book knows.
fn events() -> String {
    let line = |number: u32, what: &str, day: u32| {
        format!(
            r#"{{"specversion":"1.0","id":"{number}-{day}","source":"/agent","type":"dev.turnpike.usage.transition.v1","time":"2026-10-{day:02}T0{}:00:00Z","data":{{"resource":{{"kind":"instance","id":"i-{number}"}},"owner":"t-1",{what}}}}}"#,
            number % 10,
        )
    };
    let life = |number: u32| {
        let held = r#""state":"active","held":[{"meter":"vcpu","quantity":2}]"#;
        [line(number, held, 1 + number % 20), line(number, r#""terminal":true"#, 25)]
    };
    (0..2_000).flat_map(life).collect::<Vec<_>>().join("\n")
}

async fn filled(folder: &TempDir) -> Lake {
    let settings =
        LakeSettings { buckets: 16, fsync: false, ..LakeSettings::new(folder.path().join("lake")) };
    let lake = Lake::open(settings, now()).await.unwrap();
    let path = folder.path().join("events.jsonl");
    std::fs::write(&path, events()).unwrap();
    file::ingest(&lake, &path, &IngestSettings::default(), now(), &|_| {}).await.unwrap();
    lake.compact(&CompactSettings::default(), &|_| {}).await.unwrap();
    lake
}

#[test]
fn a_cancelled_run_leaves_nothing_and_the_next_one_is_whole() {
    let folder = TempDir::new().unwrap();
    let text = std::fs::read_to_string(case::folder("properties/book.toml")).unwrap();
    let book = turnpike_books::parse_book(&text).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let lake = filled(&folder).await;
        let snapshot = lake.snapshot().await.unwrap();
        let run = RunId::new("run-1").unwrap();
        let request =
            RatingRequest::new(run.clone(), Window::Month { year: 2026, month: 10 }, now());
        let whole = rate(&snapshot, &book, &request, &|_| {}).await.unwrap();
        assert_eq!(whole.totals.lines, whole.lines.len() as u64);
        assert!(whole.lines.len() >= 2_000, "{}", whole.lines.len());

        let (sender, first_bucket) = tokio::sync::oneshot::channel();
        let sender = Mutex::new(Some(sender));
        let progress = |_| {
            let _ = sender.lock().unwrap().take().map(|sender| sender.send(()));
        };
        tokio::select! {
            // Even if it got to its end: nothing was published.
            staged = rate_staged(&lake, &snapshot, &book, &request, &progress, false) => {
                drop(staged.unwrap());
            }
            done = first_bucket => done.unwrap(),
        }
        assert!(lake.rated_lines(&run).await.unwrap().is_empty());

        let staged = rate_staged(&lake, &snapshot, &book, &request, &|_| {}, false).await.unwrap();
        assert!(lake.rated_lines(&run).await.unwrap().is_empty(), "not before it is published");
        let outcome = staged.publish(&lake).await.unwrap();
        assert_eq!((&outcome.hash, &outcome.totals), (&whole.hash, &whole.totals));
        let stored = lake.rated_lines(&run).await.unwrap();
        let lines = turnpike_rating::convert::lines_from_batches(&stored).unwrap();
        assert_eq!(lines, whole.lines);
    });
}
