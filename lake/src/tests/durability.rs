//! What is on the disk when a commit counts, and what start-up makes of what a power cut left.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deltalake_core::DeltaTable;

use super::fixture::*;
use crate::disk::Step;
use crate::{AppId, Lake, LakeError};

const T: &str = "2026-10-01T00:00:00Z";

fn position(steps: &[(Step, PathBuf)], step: Step, path: &Path) -> usize {
    let found = steps.iter().position(|(at, of)| *at == step && of == path);
    found.unwrap_or_else(|| panic!("no {step:?} of {} in {steps:#?}", path.display()))
}

/// Each file in the order written, synced, named, name synced; returns where the last step stands.
fn assert_durable(steps: &[(Step, PathBuf)], path: &Path) -> usize {
    let of_file = [Step::Write, Step::SyncFile, Step::Publish];
    let mut places: Vec<_> = of_file.iter().map(|step| position(steps, *step, path)).collect();
    let folder = path.parent().unwrap();
    let published = places[2];
    let synced = position(&steps[published..], Step::SyncFolder, folder) + published;
    places.push(synced);
    assert!(places.is_sorted(), "{}: {places:?}", path.display());
    synced
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_durable_before_the_commit_has_its_name() {
    let probe = Arc::new(TestProbe::default());
    let fixture = Fixture::with_probe(probe.clone()).await;
    probe.steps.lock().unwrap().clear();
    append(&fixture.lake, &[event("1", "r", T, 1)]).await;
    let steps = std::mem::take(&mut *probe.steps.lock().unwrap());

    let commit = fixture.commit_path("usage_events", 1).canonicalize().unwrap();
    let data = steps.iter().find(|(_, path)| path.extension().is_some_and(|e| e == "parquet"));
    let data = data.unwrap().1.clone();
    let data_synced = assert_durable(&steps, &data);
    let commit_synced = assert_durable(&steps, &commit);
    assert!(data_synced < position(&steps, Step::Publish, &commit));
    // The folder of the day is new: its own name is synced before anything is in it.
    let day = data.parent().unwrap();
    let created = position(&steps, Step::CreateFolder, day);
    assert!(created < position(&steps, Step::SyncFolder, day.parent().unwrap()));
    assert!(position(&steps, Step::SyncFolder, day.parent().unwrap()) < data_synced);
    assert_eq!(commit_synced, steps.len() - 1, "nothing is left to do when it is acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_a_compaction_names_is_durable_before_its_commit() {
    let probe = Arc::new(TestProbe::default());
    let fixture = Fixture::with_probe(probe.clone()).await;
    append(&fixture.lake, &[event("1", "r", T, 1), event("2", "s", T, 1)]).await;
    probe.steps.lock().unwrap().clear();
    compact(&fixture.lake).await;
    let steps = std::mem::take(&mut *probe.steps.lock().unwrap());
    let commit = fixture.commit_path("usage", 1).canonicalize().unwrap();
    let named = position(&steps, Step::Publish, &commit);
    assert_durable(&steps, &commit);
    let written = |(step, path): &&(Step, PathBuf)| *step == Step::Write && *path != commit;
    let written: Vec<_> = steps.iter().filter(written).collect();
    assert!(written.len() >= 4, "two runs, keys and a manifest: {written:?}");
    for (_, path) in written {
        assert!(assert_durable(&steps, path) < named, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_checkpoints_are_durable_too() {
    let probe = Arc::new(TestProbe::default());
    let fixture = Fixture::with_probe(probe.clone()).await;
    let steps = probe.steps.lock().unwrap().clone();
    for table in ["usage_events", "usage", "usage_state", "rated_lines"] {
        let first = fixture.commit_path(table, 0).canonicalize().unwrap();
        assert_durable(&steps, &first);
        let log = first.parent().unwrap();
        let named = position(&steps, Step::Publish, &first);
        assert!(position(&steps, Step::CreateFolder, log) < named);
        assert!(position(&steps, Step::SyncFolder, log.parent().unwrap()) < named);
    }
    for round in 0..500 {
        let start = (round > 0).then_some(round);
        let advances = [advance("a", start, round + 1)];
        let rows = batch(&[], BUCKETS);
        assert!(matches!(
            fixture.lake.append_events(rows, &advances).await.unwrap(),
            crate::Append::Committed { .. }
        ));
    }
    append(&fixture.lake, &[event("1", "r", T, 1)]).await;
    compact(&fixture.lake).await;
    let log = fixture.table("usage_events").canonicalize().unwrap().join("_delta_log");
    let checkpoint = log.join("00000000000000000501.checkpoint.parquet");
    assert!(checkpoint.is_file());
    let steps = probe.steps.lock().unwrap().clone();
    assert_durable(&steps, &checkpoint);
    assert_durable(&steps, &log.join("_last_checkpoint"));

    // What the checkpoint says is what the commits said.
    let again = fixture.another().await;
    assert_eq!(again.offsets(&[AppId::new("a")]).await.unwrap(), [Some(501)]);
    let snapshot = again.snapshot().await.unwrap();
    assert_eq!(snapshot.events(&Default::default(), None, 9).await.unwrap().len(), 1);
    // An unreadable one costs time only.
    fs::write(&checkpoint, b"torn").unwrap();
    fs::remove_file(log.join("_last_checkpoint")).unwrap();
    let again = fixture.reopen().await;
    // delta-rs reads it too and may refuse; nothing may be lost in silence.
    if let Ok(again) = again {
        assert_eq!(again.offsets(&[AppId::new("a")]).await.unwrap(), [Some(501)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_readers_of_delta_see_the_same() {
    let fixture = Fixture::new().await;
    append(&fixture.lake, &[event("1", "r", T, 1)]).await;
    append(&fixture.lake, &[event("2", "r", T, 1)]).await;
    compact(&fixture.lake).await;
    for (name, version, files) in [("usage_events", 2, 2), ("usage", 1, 1), ("rated_lines", 0, 0)] {
        let url = url::Url::from_directory_path(fixture.table(name)).unwrap();
        let mut table: DeltaTable =
            deltalake_core::DeltaTableBuilder::from_url(url).unwrap().build().unwrap();
        table.load().await.unwrap();
        assert_eq!(table.version(), Some(version), "{name}");
        assert_eq!(table.get_file_uris().unwrap().count(), files, "{name}");
    }
}

/// Tears the newest commit, opens, and says what was recovered and which offset is left.
async fn reopen_torn(fixture: &Fixture, tear: impl FnOnce(&Path)) -> (Lake, Option<i64>) {
    let newest = fixture.commit_path("usage_events", 2);
    tear(&newest);
    let lake = fixture.reopen().await.unwrap();
    let recovered = lake.recovered();
    assert_eq!(recovered.len(), 1, "{recovered:?}");
    assert_eq!((recovered[0].table, recovered[0].version), ("usage_events", 2));
    assert!(recovered[0].moved_to.is_file());
    assert!(recovered[0].moved_to.with_extension("txt").is_file());
    assert!(!newest.exists());
    let offset = lake.offsets(&[AppId::new("a")]).await.unwrap()[0];
    (lake, offset)
}

async fn two_commits() -> Fixture {
    let fixture = Fixture::new().await;
    append(&fixture.lake, &[event("1", "r", T, 1)]).await;
    append(&fixture.lake, &[event("2", "r", T, 1)]).await;
    fixture
}

fn cut(path: &Path, bytes: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_newest_commit_is_moved_away_and_read_again() {
    let length = |path: &Path| fs::metadata(path).unwrap().len();
    let line = |path: &Path| fs::read_to_string(path).unwrap().rfind('\n').unwrap() as u64;
    type Tear = Box<dyn Fn(&Path)>;
    let data = |path: &Path| {
        let day = path.parent().unwrap().parent().unwrap().join("ingest_day=2026-11-21");
        let files = fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path());
        files.max().unwrap()
    };
    let tears: [(&str, Tear); 7] = [
        ("empty", Box::new(|path| cut(path, 0))),
        ("half", Box::new(move |path| cut(path, length(path) / 2))),
        ("last line gone", Box::new(move |path| cut(path, line(path)))),
        (
            "zeros",
            Box::new(|path| {
                let zeros = vec![0; fs::metadata(path).unwrap().len() as usize];
                fs::write(path, zeros).unwrap();
            }),
        ),
        ("data gone", Box::new(move |path| fs::remove_file(data(path)).unwrap())),
        ("data empty", Box::new(move |path| cut(&data(path), 0))),
        (
            "data torn",
            Box::new(move |path| {
                let data = data(path);
                let mut bytes = fs::read(&data).unwrap();
                let footer = bytes.len() - 4;
                bytes[footer..].fill(0);
                fs::write(&data, bytes).unwrap();
            }),
        ),
    ];
    for (name, tear) in tears {
        let fixture = two_commits().await;
        let (lake, offset) = reopen_torn(&fixture, tear).await;
        assert_eq!(offset, Some(1), "{name}: the offset went with the rows");
        append(&lake, &[event("2", "r", T, 1)]).await;
        compact(&lake).await;
        let lines = usage(&lake.snapshot().await.unwrap()).await;
        assert_eq!(lines.len(), 2, "{name}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_torn_commit_at_the_end_goes() {
    let fixture = two_commits().await;
    cut(&fixture.commit_path("usage_events", 2), 0);
    cut(&fixture.commit_path("usage_events", 1), 10);
    let lake = fixture.another().await;
    let versions: Vec<_> = lake.recovered().iter().map(|one| one.version).collect();
    assert_eq!(versions, [2, 1]);
    assert_eq!(lake.offsets(&[AppId::new("a")]).await.unwrap(), [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_damaged_commit_is_an_error() {
    let fixture = two_commits().await;
    cut(&fixture.commit_path("usage_events", 1), 0);
    let error = fixture.reopen().await.err().unwrap();
    assert!(fixture.commit_path("usage_events", 2).exists(), "nothing was moved");
    assert!(!error.to_string().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_torn_at_birth_is_made_again() {
    let fixture = Fixture::new().await;
    cut(&fixture.commit_path("usage_events", 0), 40);
    let lake = fixture.another().await;
    assert_eq!(lake.recovered().len(), 1);
    append(&lake, &[event("1", "r", T, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_a_lost_raw_commit_is_an_error() {
    let fixture = two_commits().await;
    compact(&fixture.lake).await;
    cut(&fixture.commit_path("usage_events", 2), 0);
    let error = fixture.reopen().await.err().unwrap();
    assert!(matches!(error, LakeError::Diverged { compacted: 2, raw: 1 }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_compaction_is_done_again() {
    let fixture = two_commits().await;
    let before = usage(&fixture.lake.snapshot().await.unwrap()).await;
    compact(&fixture.lake).await;
    cut(&fixture.commit_path("usage", 1), 300);
    let lake = fixture.another().await;
    assert_eq!(lake.recovered()[0].table, "usage");
    assert_eq!(lake.snapshot().await.unwrap().compacted_to(), 0);
    compact(&lake).await;
    let snapshot = lake.snapshot().await.unwrap();
    assert_eq!(snapshot.compacted_to(), 3);
    assert_eq!(usage(&snapshot).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_a_lost_raw_commit_goes() {
    let fixture = two_commits().await;
    super::states::put(&fixture.lake, 1, 202_612, "v1").await;
    cut(&fixture.commit_path("usage_events", 2), 0);
    let lake = fixture.another().await;
    append(&lake, &[event("2", "r", T, 1)]).await;
    let snapshot = lake.snapshot().await.unwrap();
    assert_eq!(snapshot.raw_version(), 2);
    assert!(snapshot.state(1, 202_612, "v1").await.unwrap().is_none());
}

#[tokio::test]
async fn one_thread_is_enough() {
    let fixture = two_commits().await;
    compact(&fixture.lake).await;
    assert_eq!(usage(&fixture.another().await.snapshot().await.unwrap()).await.len(), 2);
}
