//! Row F59: files that are cut, replaced, grown, empty or dropped a second time.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::events::{self, events};
use super::oracle::{self, Journal};
use super::row::{Proof, row};
use crate::support::cli::Turnpike;
use crate::support::kafka::Record;
use crate::support::log;

fn ingest(turnpike: &Turnpike, name: &str) -> Value {
    turnpike.json(&["ingest", "--from", &format!("file:{name}")])
}

/// Writes a file and what it holds into the journal.
fn drop_in(turnpike: &Turnpike, journal: &mut Journal, name: &str, records: &[Record]) {
    journal.file(turnpike, name, records);
}

/// Bytes that end in the middle, and the lines that can be had from them.
fn cut_archive(records: &[Record]) -> (Vec<u8>, usize) {
    let mut packer = GzEncoder::new(Vec::new(), Compression::none());
    packer.write_all(events::lines(records).as_bytes()).unwrap();
    let mut packed = packer.finish().unwrap();
    packed.truncate(packed.len() / 2);
    let mut unpacked = Vec::new();
    assert!(MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).is_err());
    let lines = unpacked.iter().filter(|byte| **byte == b'\n').count();
    (packed, lines)
}

/// Lines of the only file there is so far; they count from one.
fn kept_of(turnpike: &Turnpike) -> usize {
    let offsets = log::offsets(&turnpike.data().join("lake/usage_events"));
    let next = offsets.values().next().copied().unwrap_or(1);
    usize::try_from(next - 1).unwrap()
}

#[test]
fn f59_files_that_are_not_what_they_were() {
    row("F59", "files cut, replaced, grown, dropped again, empty", || {
        let turnpike = oracle::install(16);
        let mut journal = Journal::default();

        // An archive that was cut: what precedes the damage counts, and the damage is said.
        let records = events(0..1_000);
        let (packed, lines) = cut_archive(&records);
        turnpike.file("a.jsonl.gz", &packed);
        let ran = turnpike.run(&["ingest", "--from", "file:a.jsonl.gz"]);
        assert!(!ran.status.success() && ran.stderr.contains("a.jsonl.gz"), "{ran}");
        let kept = kept_of(&turnpike);
        assert!(kept <= lines, "{kept} of {lines} lines");
        journal.add_file(&packed, &records[..kept]);
        // The whole of it comes later, under its name: other content, so all of it is read.
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(events::lines(&records).as_bytes()).unwrap();
        let whole = packer.finish().unwrap();
        turnpike.file("a.jsonl.gz", &whole);
        assert_eq!(ingest(&turnpike, "a.jsonl.gz")["read"], 1_000);
        journal.add_file(&whole, &records);

        // A file that was read and then grew, and one that another replaced.
        drop_in(&turnpike, &mut journal, "b.jsonl", &events(1_000..1_040));
        ingest(&turnpike, "b.jsonl");
        drop_in(&turnpike, &mut journal, "b.jsonl", &events(1_000..1_060));
        assert_eq!(ingest(&turnpike, "b.jsonl")["read"], 60);
        drop_in(&turnpike, &mut journal, "b.jsonl", &events(1_060..1_080));
        assert_eq!(ingest(&turnpike, "b.jsonl")["read"], 20);

        // The same content under another name is known.
        let text = events::lines(&events(1_060..1_080));
        turnpike.file("c.jsonl", &text);
        let again = ingest(&turnpike, "c.jsonl");
        assert_eq!((&again["read"], &again["skipped_files"]), (&0.into(), &1.into()), "{again}");

        // Nothing in it, or white space.
        turnpike.file("empty.jsonl", "");
        turnpike.file("blank.jsonl", "\n\n \n");
        assert_eq!(ingest(&turnpike, "empty.jsonl")["read"], 0);
        assert_eq!(ingest(&turnpike, "blank.jsonl")["read"], 0);

        // Of a folder, what is still being written under a hidden name is left alone.
        let folder = turnpike.folder().join("drop");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(".d.jsonl"), &text[..text.len() / 2]).unwrap();
        std::fs::write(folder.join("e.jsonl"), events::lines(&events(1_080..1_100))).unwrap();
        journal.add_file(events::lines(&events(1_080..1_100)).as_bytes(), &events(1_080..1_100));
        assert_eq!(ingest(&turnpike, "drop")["read"], 20);

        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(oracle::words(&report))
    });
}
