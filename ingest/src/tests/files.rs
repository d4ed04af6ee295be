use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use turnpike_lake::{AppId, OffsetAdvance};

use super::store::{Store, event, now, store};
use crate::batch::Batcher;
use crate::{IngestError, IngestReport, IngestSettings, Record, file};

fn settings() -> IngestSettings {
    IngestSettings { flush_rows: 2, bytes_max: 4_000, ..IngestSettings::default() }
}

async fn ingest(store: &Store, path: &Path) -> Result<IngestReport, IngestError> {
    file::ingest(&store.lake, path, &settings(), now(), &|_| {}).await
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_stop_nothing_and_nothing_is_read_twice() {
    let store = store().await;
    let path = store.folder.path().join("a.jsonl");
    let lines = [
        event("1", 1),
        "{broken".to_owned(),
        String::new(),
        event("1", 1),
        event("1", 2),
        format!("{{\"pad\":\"{}\"}}", "x".repeat(10_000)),
        event("2", 1).replace("\"vcpu\"", "\"gpu\""),
        r#"{"event_type":"identity.login","payload":{},"timestamp":"2026-10-01 00:00:00"}"#
            .to_owned(),
        event("3", 1),
    ];
    std::fs::write(&path, text(&lines)).expect("writes");
    let told = Mutex::new(Vec::new());
    let report = file::ingest(&store.lake, &path, &settings(), now(), &|progress| {
        told.lock().expect("lock").push(progress);
    })
    .await
    .expect("ingests");
    assert_eq!(
        (
            report.read,
            report.accepted,
            report.unmetered,
            report.duplicate,
            report.conflict,
            report.dead
        ),
        (8, 4, 1, 1, 1, 2)
    );
    assert_eq!(report.dead_by_reason["json_invalid"], 1);
    assert_eq!(report.dead_by_reason["too_large"], 1);
    assert_eq!(report.commits, 4);
    let last = *told.lock().expect("lock").last().expect("told");
    assert_eq!((last.rows, last.files, last.bytes), (8, 1, last.bytes_total));
    let hash = &store.rows().await[0][..4].to_owned();
    let expect = [
        "1 accepted",
        "2 dead json_invalid",
        "4 duplicate",
        "5 conflict",
        "6 dead too_large",
        "7 accepted",
        "8 accepted unmetered",
        "9 accepted",
    ];
    let expect: Vec<String> = expect.iter().map(|row| format!("{hash} {row}")).collect();
    assert_eq!(store.rows().await, expect);
    let counts = store.counts().await;
    assert_eq!(
        (counts.read, counts.accepted, counts.duplicate, counts.conflict, counts.dead),
        (8, 4, 1, 1, 2)
    );

    // Under another name it is the same file.
    let renamed = store.folder.path().join("b.jsonl");
    std::fs::rename(&path, &renamed).expect("renames");
    let report = ingest(&store, &renamed).await.expect("ingests");
    assert_eq!((report.read, report.skipped_files, report.commits), (0, 1, 0));
    assert_eq!(store.counts().await.read, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_packed_files_is_read_in_order() {
    let store = store().await;
    let folder = store.folder.path().join("in");
    std::fs::create_dir(&folder).expect("creates");
    let plain = text(&[event("1", 1), event("2", 1), event("3", 1)]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain.as_bytes()).expect("packs");
    std::fs::write(folder.join("a.jsonl.gz"), gzip.finish().expect("packs")).expect("writes");
    let other = text(&[event("3", 1), event("4", 1)]);
    let zstd = zstd::encode_all(other.as_bytes(), 1).expect("packs");
    std::fs::write(folder.join("b.jsonl.zst"), zstd).expect("writes");
    std::fs::write(folder.join("c.json"), format!("[\n{},\n{}]", event("5", 1), event("6", 1)))
        .expect("writes");
    let report = ingest(&store, &folder).await.expect("ingests");
    assert_eq!((report.read, report.accepted, report.duplicate), (7, 6, 1));
    let report = ingest(&store, &folder).await.expect("ingests");
    assert_eq!((report.read, report.skipped_files), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_after_the_last_committed_line() {
    let store = store().await;
    let path = store.folder.path().join("a.jsonl");
    let lines: Vec<String> = (1..=5).map(|id| event(&id.to_string(), 1)).collect();
    std::fs::write(&path, text(&lines)).expect("writes");
    // Another process has committed two lines and died.
    let hash = turnpike_schemas::canonical::sha256_hex(text(&lines));
    let origin: std::sync::Arc<str> = format!("file:{hash}").into();
    let mut batcher = Batcher::new(&settings(), store.lake.buckets(), now());
    batcher.open(std::sync::Arc::clone(&origin), None);
    for (line, position) in lines.iter().zip(1..=2) {
        batcher.push(&origin, position, &Record::of(line.as_bytes()));
    }
    let batch = batcher.take(now()).expect("builds").expect("a batch");
    let advance = OffsetAdvance { app: AppId::new(origin.as_ref()), start: None, end: 3 };
    assert_eq!(batch.advances, [advance]);
    let _ = store.lake.append_events(batch.rows, &batch.advances).await.expect("appends");
    let report = ingest(&store, &path).await.expect("ingests");
    assert_eq!(report.read, 3);
    let counts = store.counts().await;
    assert_eq!((counts.read, counts.accepted), (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_archive_is_named_and_what_precedes_the_damage_is_kept() {
    let store = store().await;
    let path = store.folder.path().join("a.jsonl.gz");
    let lines: Vec<String> = (1..=2_000).map(|id| event(&id.to_string(), 1)).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text(&lines).as_bytes()).expect("packs");
    let mut packed = gzip.finish().expect("packs");
    packed.truncate(packed.len() * 2 / 3);
    std::fs::write(&path, packed).expect("writes");
    let settings = IngestSettings::default();
    let error =
        file::ingest(&store.lake, &path, &settings, now(), &|_| {}).await.expect_err("torn");
    assert!(error.to_string().contains("a.jsonl.gz"), "{error}");
    let counts = store.counts().await;
    assert!(counts.accepted > 100 && counts.dead == 0, "{counts:?}");
}

/// The text as gzip, cut after so many thirds of it.
fn gzip(text: &str, thirds: usize) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("packs");
    let mut packed = gzip.finish().expect("packs");
    packed.truncate(packed.len() * thirds / 3);
    packed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_came_in_part_is_read_on_when_it_is_whole() {
    let store = store().await;
    let path = store.folder.path().join("a.jsonl.gz");
    // Smaller than what is looked at before the first line is read.
    let all = text(&(1..=60).map(|id| event(&id.to_string(), id)).collect::<Vec<_>>());
    std::fs::write(&path, gzip(&all, 2)).expect("writes");
    ingest(&store, &path).await.expect_err("torn");
    let torn = store.counts().await;
    assert!(torn.accepted > 10 && torn.accepted < 60 && torn.dead == 0, "{torn:?}");
    std::fs::write(&path, gzip(&all, 3)).expect("writes");
    ingest(&store, &path).await.expect("whole");
    let whole = store.counts().await;
    assert_eq!((whole.accepted, whole.duplicate, whole.dead), (60, torn.accepted, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_grow_move_or_are_empty_count_once() {
    let store = store().await;
    let folder = store.folder.path().join("in");
    std::fs::create_dir(&folder).expect("creates");
    let path = folder.join("a.jsonl");
    let two = text(&[event("1", 1), event("2", 1)]);
    std::fs::write(&path, &two).expect("writes");
    std::fs::write(folder.join("b.jsonl.part"), event("9", 1)).expect("writes");
    std::fs::write(folder.join(".c.jsonl"), event("9", 1)).expect("writes");
    std::fs::write(folder.join("d.csv.tmp"), event("9", 1)).expect("writes");
    std::fs::write(folder.join("e.jsonl"), "").expect("writes");
    let report = ingest(&store, &folder).await.expect("ingests");
    assert_eq!((report.read, report.accepted, report.skipped_files), (2, 2, 1));
    // Appended to after it was read: a new file, of which two lines are known.
    std::fs::write(&path, format!("{two}{}\n", event("3", 1))).expect("writes");
    let report = ingest(&store, &folder).await.expect("ingests");
    assert_eq!((report.read, report.skipped_files), (3, 1));
    let counts = store.counts().await;
    assert_eq!((counts.accepted, counts.duplicate), (3, 2));
    // Dropped again under another name, and another file put in its place.
    std::fs::rename(&path, folder.join("z.jsonl")).expect("renames");
    std::fs::write(&path, text(&[event("4", 1)])).expect("writes");
    let report = ingest(&store, &folder).await.expect("ingests");
    assert_eq!((report.read, report.accepted, report.skipped_files), (1, 1, 2));
    let counts = store.counts().await;
    assert_eq!((counts.accepted, counts.duplicate, counts.dead), (4, 2, 0));
}

const HEADING: &str = "NAME STATE CPU(sec) MEM(k) VCPUS NETTX(k) NETRX(k)";

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_may_hold_tables_and_xml() {
    let store = store().await;
    let folder = store.folder.path().join("in");
    std::fs::create_dir(&folder).expect("creates");
    let table = format!(
        "2026-10-01T00:00:00Z\n{HEADING}\n a --b--- 1 1024 1 5 6\n b -----r 2 2048 2 7 8\n\
         2026-10-01T01:00:00Z\n{HEADING}\n a --b--- 2 1024 1 6 7\n"
    );
    std::fs::write(folder.join("xentop.txt"), table).expect("writes");
    let history = |id: u32| {
        format!(
            "<HISTORY><OID>{id}</OID><SEQ>0</SEQ><STIME>1767225600</STIME><ETIME>0</ETIME>\
             <RSTIME>0</RSTIME><RETIME>0</RETIME><VM><UID>2</UID><TEMPLATE><CPU>1</CPU>\
             <MEMORY>512</MEMORY></TEMPLATE></VM></HISTORY>"
        )
    };
    let xml = format!("<HISTORY_RECORDS>{}\n{}</HISTORY_RECORDS>", history(1), history(2));
    std::fs::write(folder.join("acct.xml.gz"), gzip(&xml, 3)).expect("writes");
    let csv = "command,system,time,pre_comp_gib,post_comp_gib\n\
         filesys show compression,dd01,2026-10-01T00:00:00Z,1.5,1\n";
    std::fs::write(folder.join("dd.csv"), csv).expect("writes");
    let report = ingest(&store, &folder).await.expect("ingests");
    assert_eq!((report.read, report.accepted, report.dead), (6, 6, 0), "{report:?}");
    let report = ingest(&store, &folder).await.expect("ingests");
    assert_eq!((report.read, report.skipped_files), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_table_of_another_time_is_another_one() {
    let store = store().await;
    let path = store.folder.path().join("xentop.txt");
    std::fs::write(&path, format!("{HEADING}\n a --b--- 1 1024 1 5 6\n")).expect("writes");
    for (at, read) in [("00", 1), ("01", 1), ("00", 0)] {
        let at = turnpike_schemas::Instant::parse(&format!("2026-10-01T{at}:00:00Z")).ok();
        let settings = IngestSettings { at, ..settings() };
        let report = file::ingest(&store.lake, &path, &settings, now(), &|_| {}).await;
        let report = report.expect("ingests");
        assert_eq!((report.read, report.accepted), (read, read));
    }
}
