//! Vacuum: what nobody needs goes, what a view reads stays, and dying in between harms nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::fixture::*;
use crate::disk::Step;
use crate::{CompactSettings, Lake, LakeError, lease};

const OCT: &str = "2026-10-05T00:00:00Z";
const WEEK: Duration = Duration::from_secs(168 * 3_600);

/// Commits a few events and compacts them, merging early.
async fn round(lake: &Lake, number: usize) {
    let events: Vec<Event> =
        (0..4).map(|n| event(&format!("{number}-{n}"), &format!("r{n}"), OCT, 1)).collect();
    append(lake, &events).await;
    let settings = CompactSettings { runs_max: 2, ..CompactSettings::default() };
    lake.compact(&settings, &|_| {}).await.unwrap();
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => _ = found.insert(path),
        }
    }
    found
}

/// Makes all files of the tables this old.
fn age(root: &Path, hours: u64) {
    let then = lease::disk_time(root).unwrap() - Duration::from_secs(hours * 3_600);
    for path in files(root).iter().filter(|path| !path.starts_with(root.join(lease::FOLDER))) {
        File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
    }
}

fn root(fixture: &Fixture) -> PathBuf {
    fixture.folder.path().join("lake")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_view_reads_stays_until_it_is_gone() {
    let fixture = Fixture::new().await;
    let lake = &fixture.lake;
    let reader = fixture.another().await;
    // A process that reads nothing holds nothing up.
    let _idle = fixture.another().await;
    for number in 0..12 {
        round(lake, number).await;
    }
    // Not yet read: files, and the tail's key index, are opened later.
    let old = reader.snapshot().await.unwrap();
    append(lake, &[event("0-0", "r0", OCT, 1), event("0-1", "r1", OCT, 9)]).await;
    let tailed = reader.snapshot().await.unwrap();
    for number in 12..40 {
        round(lake, number).await;
    }
    let now = usage(&lake.snapshot().await.unwrap()).await;
    age(&root(&fixture), 200);
    let events = files(&fixture.table("usage_events"));
    let first = lake.vacuum(WEEK).await.unwrap();
    assert!(first.files > 0 && first.bytes > 0 && first.kept > 0, "{first:?}");
    assert_eq!(usage(&old).await.len(), 48);
    assert_eq!(old.final_counts().await.unwrap().read, 48);
    let counts = tailed.final_counts().await.unwrap();
    assert_eq!((counts.read, counts.duplicate, counts.conflict), (50, 1, 1));
    assert_eq!(lake.vacuum(WEEK).await.unwrap().files, 0);

    drop((old, tailed));
    let second = lake.vacuum(WEEK).await.unwrap();
    assert!(second.files > 0, "{second:?}");
    assert_eq!(lake.vacuum(WEEK).await.unwrap().files, 0);
    // Nothing is left but what the newest version names.
    assert_eq!(lake.vacuum(WEEK).await.unwrap().kept, 0);
    assert_eq!(files(&fixture.table("usage_events")), events);
    for lake in [lake.clone(), fixture.another().await] {
        assert_eq!(usage(&lake.snapshot().await.unwrap()).await, now);
    }
    append(lake, &[event("0-0", "r0", OCT, 1)]).await;
    assert_eq!(compact(lake).await.duplicates, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_young_stays_and_left_overs_go() {
    let fixture = Fixture::new().await;
    for number in 0..12 {
        round(&fixture.lake, number).await;
    }
    let root = root(&fixture);
    let left = [
        "usage/bucket=0/month=202610/run-1-1-left.parquet",
        "usage/bucket=0/month=202610/run-1-1-left.parquet#1",
        "usage/_keys/keys-left.bin",
        "usage/_keys/manifest-1.json",
        "usage_state/bucket=0/month=202610/state-left.parquet",
    ];
    let events = "usage_events/ingest_day=2026-11-21/part-left.parquet";
    for name in left.iter().chain([&events]) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "left").unwrap();
    }
    let all = files(&root);
    let report = fixture.lake.vacuum(Duration::ZERO).await.unwrap();
    assert_eq!(report.files, 0, "{report:?}");
    // Older than a day, and removed within the week: so is what nobody committed of the raw events.
    age(&root, 100);
    let report = fixture.lake.vacuum(WEEK).await.unwrap();
    assert_eq!(report.files, left.len() as u64, "{report:?}");
    let gone: BTreeSet<PathBuf> = left.iter().map(|name| root.join(name)).collect();
    assert_eq!(files(&root), all.difference(&gone).cloned().collect());
    assert!(root.join(events).exists());
    let counts = fixture.lake.snapshot().await.unwrap().final_counts().await.unwrap();
    let named = files(&fixture.table("usage_events"));
    let report = fixture.lake.vacuum(Duration::from_secs(50 * 3_600)).await.unwrap();
    assert!(report.files > 0, "{report:?}");
    let now = files(&fixture.table("usage_events"));
    let gone: Vec<&PathBuf> = named.difference(&now).collect();
    assert_eq!(gone, [&root.join(events)]);
    let after = fixture.another().await.snapshot().await.unwrap().final_counts().await.unwrap();
    assert_eq!(after, counts);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_suspended_writer_may_yet_commit_stays() {
    let fixture = Fixture::new().await;
    append(&fixture.lake, &[event("a", "r", OCT, 1)]).await;
    let root = root(&fixture);
    let folder = root.join("usage_events/ingest_day=2026-11-21");
    let orphan = |name: &str| {
        let path = folder.join(format!("part-{name}.parquet"));
        fs::write(&path, "left").unwrap();
        path
    };
    let (before, during) = (orphan("before"), orphan("during"));
    age(&root, 500);
    // Another process began to write, made its file, and stands still for three weeks since.
    let writer = lease::Lease::create(&root).unwrap();
    let writing = writer.begin_write().unwrap();
    let since = fs::metadata(&during).unwrap().modified().unwrap();
    writing.set_since(since).unwrap();
    let older = since - Duration::from_secs(1);
    File::options().append(true).open(&before).unwrap().set_modified(older).unwrap();
    let report = fixture.lake.vacuum(WEEK).await.unwrap();
    assert_eq!((report.files, before.exists(), during.exists()), (1, false, true), "{report:?}");
    assert_eq!(report.kept, 1);
    drop(writing);
    fixture.lake.vacuum(WEEK).await.unwrap();
    assert!(!during.exists());
    // Whatever is written, nothing that was committed goes.
    let counts = fixture.another().await.snapshot().await.unwrap().final_counts().await.unwrap();
    assert_eq!(counts.accepted, 1);
    append(&fixture.lake, &[event("b", "r", OCT, 1)]).await;
    assert_eq!(lease::live(&root).unwrap().writing, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_that_dies_anywhere_is_done_again() {
    let probe = Arc::new(TestProbe::default());
    let fixture = Fixture::with_probe(probe.clone()).await;
    for number in 0..20 {
        round(&fixture.lake, number).await;
    }
    let expected = usage(&fixture.lake.snapshot().await.unwrap()).await;
    age(&root(&fixture), 200);
    let mut deaths = 0;
    for (name_ends, after) in
        [(".parquet", false), (".parquet", true), (".bin", true), (".json", false)].repeat(4)
    {
        probe.fail(Step::Remove, after, name_ends, 1);
        match fixture.lake.vacuum(WEEK).await {
            Err(LakeError::File { operation: "vacuum", .. }) => deaths += 1,
            Err(other) => panic!("{other:?}"),
            Ok(_) => {}
        }
        let lake = fixture.reopen().await.unwrap();
        assert_eq!(usage(&lake.snapshot().await.unwrap()).await, expected);
    }
    assert!(deaths >= 4, "{deaths}");
    fixture.lake.vacuum(WEEK).await.unwrap();
    assert_eq!(fixture.lake.vacuum(WEEK).await.unwrap().kept, 0);
    assert_eq!(usage(&fixture.another().await.snapshot().await.unwrap()).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backlog_is_what_waits() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.lake.backlog().await.unwrap().commits, 0);
    append(&fixture.lake, &[event("a", "r", OCT, 1), event("b", "r", OCT, 1)]).await;
    append(&fixture.lake, &[event("a", "r", OCT, 1)]).await;
    for lake in [fixture.lake.clone(), fixture.another().await] {
        let backlog = lake.backlog().await.unwrap();
        assert_eq!((backlog.commits, backlog.rows), (2, 3));
        assert!(backlog.bytes > 1_000 && backlog.oldest.is_some(), "{backlog:?}");
    }
    compact(&fixture.lake).await;
    let backlog = fixture.lake.backlog().await.unwrap();
    assert_eq!((backlog.from, backlog.commits, backlog.oldest), (3, 0, None));
}
