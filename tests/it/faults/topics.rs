//! Rows F27 and F28: topics that were created anew under their old names, and topics that lost their
//! records before they were read.

use serde_json::json;

use super::events::{PERIOD, events};
use super::kafka::{RECOVERY_MAX, install, records_read};
use super::oracle::{self, Journal, Known};
use super::row::{Proof, row};
use crate::pipeline::{ingest, ingest_arguments};
use crate::support::cli::Turnpike;
use crate::support::kafka::{self, Record};
use crate::support::wait;

#[test]
fn f27_a_topic_that_was_created_anew() {
    row("F27", "a topic is deleted and created anew: refused until it is named", || {
        let topic = kafka::unique_topic("anew");
        kafka::create_topic(&topic, 2);
        let turnpike = install();
        let mut journal = Journal::default();
        journal.produce(&topic, &events(0..200));
        ingest(&turnpike, &topic);
        kafka::admin(&["delete", kafka::bootstrap(), &topic]);
        kafka::create_topic(&topic, 2);
        let mut second = Journal::default();
        second.produce(&topic, &events(1_000..1_010));
        let group = kafka::unique_topic("group");
        let ran = turnpike.fails(4, &ingest_arguments(&topic, &group));
        for words in [topic.as_str(), "created anew", "epoch"] {
            assert!(ran.stderr.contains(words), "nothing about {words}: {ran}");
        }
        assert_eq!(records_read(&turnpike), 200, "something was read of the new topic");
        let turnpike = turnpike.with("TURNPIKE__KAFKA__EPOCH", "1");
        ingest(&turnpike, &topic);
        for record in &mut second.records {
            record["epoch"] = json!(1);
        }
        journal.records.append(&mut second.records);
        Proof::Pass(oracle::words(&oracle::check(&turnpike, &journal)))
    });
}

#[test]
fn f27_a_topic_that_was_created_anew_and_has_grown() {
    row("F27", "the same, grown past the old offsets: nothing but the records tells it", || {
        let topic = kafka::unique_topic("grown");
        kafka::create_topic(&topic, 2);
        let turnpike = install();
        let mut journal = Journal::default();
        journal.produce(&topic, &events(0..200));
        ingest(&turnpike, &topic);
        // Nothing has changed: it goes on.
        journal.produce(&topic, &events(200..300));
        assert_eq!(ingest(&turnpike, &topic)["read"], 100);
        kafka::admin(&["delete", kafka::bootstrap(), &topic]);
        kafka::create_topic(&topic, 2);
        let mut second = Journal::default();
        // Evenly, so that both partitions grow past the old offsets.
        let records: Vec<Record> = (0..)
            .zip(events(1_000..2_000))
            .map(|(number, record)| record.partition(number % 2))
            .collect();
        second.produce(&topic, &records);
        let marks = kafka::admin(&["marks", kafka::bootstrap(), &topic]);
        let marks: Vec<[i64; 2]> = serde_json::from_str(&marks).unwrap();
        assert!(marks.iter().all(|mark| mark[1] > 300), "it has not grown enough: {marks:?}");
        let group = kafka::unique_topic("group");
        let until_end = ingest_arguments(&topic, &group).to_vec();
        let ran = turnpike.fails(4, &until_end);
        for words in [topic.as_str(), "created anew", "kafka.epoch"] {
            assert!(ran.stderr.contains(words), "nothing about {words}: {ran}");
        }
        // Nor does a member of a group read on.
        let ran = turnpike.fails(4, &until_end[..until_end.len() - 1]);
        assert!(ran.stderr.contains("created anew"), "{ran}");
        assert_eq!(records_read(&turnpike), 300, "something was read of the new topic");
        let turnpike = turnpike.with("TURNPIKE__KAFKA__EPOCH", "1");
        assert_eq!(ingest(&turnpike, &topic)["read"], 1_000);
        for record in &mut second.records {
            record["epoch"] = json!(1);
        }
        journal.records.append(&mut second.records);
        Proof::Pass(oracle::words(&oracle::check(&turnpike, &journal)))
    });
}

#[test]
fn f28_records_that_aged_out_unread() {
    row("F28", "retention passed the wanted offset: refused, or declared", || {
        let topic = kafka::unique_topic("aged");
        kafka::create_topic(&topic, 1);
        let turnpike = install();
        let mut journal = Journal::default();
        journal.produce(&topic, &events(0..100));
        ingest(&turnpike, &topic);
        let mut unread = Journal::default();
        unread.produce(&topic, &events(100..200));
        kafka::admin(&["retain", kafka::bootstrap(), &topic, "1000"]);
        // Whatever is written now begins a new segment, and the old ones age out.
        let mut kept = Journal::default();
        wait::until("records to age out", RECOVERY_MAX, || {
            let number = 200 + kept.records.len() as u64;
            kept.produce(&topic, &events(number..number + 1));
            let marks = kafka::admin(&["marks", kafka::bootstrap(), &topic]);
            let marks: Vec<[i64; 2]> = serde_json::from_str(&marks).unwrap();
            (marks[0][0] > 150).then_some(())
        });
        let group = kafka::unique_topic("group");
        let ran = turnpike.fails(4, &ingest_arguments(&topic, &group));
        for words in [topic.as_str(), "offset 100", "retention"] {
            assert!(ran.stderr.contains(words), "nothing about {words}: {ran}");
        }
        assert_eq!(records_read(&turnpike), 100);
        // What was read is whole, and what is lost is known.
        let known = Known { refused: true, ..Known::default() };
        oracle::check_knowing(&turnpike, &journal, &known);
        // An operator declares the gap: it has its row, and everything after it is read.
        kafka::admin(&["retain", kafka::bootstrap(), &topic, "-1"]);
        let marks = kafka::admin(&["marks", kafka::bootstrap(), &topic]);
        let marks: Vec<[i64; 2]> = serde_json::from_str(&marks).unwrap();
        let turnpike = turnpike.with("TURNPIKE__KAFKA__ON_GAP", "record");
        ingest(&turnpike, &topic);
        journal.records.append(&mut unread.records);
        journal.records.append(&mut kept.records);
        let gaps = [format!("{topic}:0:100:{}", marks[0][0])];
        let known = Known { gaps: &gaps, ..Known::default() };
        let report = oracle::check_knowing(&turnpike, &journal, &known);
        incomplete(&turnpike, &topic);
        Proof::Pass(format!("gap of 100 to {}; {}", marks[0][0], oracle::words(&report)))
    });
}

/// The period that the gap touches says so wherever it is billed, and is billed only where somebody
/// says that it shall be; an earlier one knows of nothing.
fn incomplete(turnpike: &Turnpike, topic: &str) {
    let rate = ["rate", "--period", PERIOD, "--format", "json"];
    let ran = turnpike.run(&rate);
    assert!(ran.status.success() && ran.stderr.contains("incomplete"), "{ran}");
    let run: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let gaps = run["gaps"].as_array().unwrap();
    assert_eq!((gaps.len(), &gaps[0]["from"]), (1, &json!(100)), "{run}");
    assert!(gaps[0]["since"].as_str().unwrap().starts_with("2025-10"), "{run}");
    let before = turnpike.json(&["rate", "--period", "2025-08"]);
    assert_eq!(before["gaps"], json!([]), "{before}");
    let ran = turnpike.run(&["invoice", "draft", "--period", PERIOD]);
    assert!(ran.status.success() && ran.stderr.contains("incomplete"), "{ran}");
    let drafts = turnpike.json(&["invoice", "list", "--period", PERIOD]);
    let draft = drafts[0]["id"].as_str().unwrap();
    assert!(turnpike.ok(&["invoice", "show", draft]).contains("Incomplete"));
    let finalize = ["invoice", "finalize", draft];
    let ran = turnpike.fails(4, &finalize);
    for words in [topic, "--accept-incomplete", "discard"] {
        assert!(ran.stderr.contains(words), "nothing about {words}: {ran}");
    }
    turnpike.ok(&["invoice", "finalize", draft, "--accept-incomplete"]);
    // Or the gap is given up for good, and every draft is as complete as it will ever be.
    turnpike.ok(&[
        "dead-letters",
        "discard",
        "--reason",
        "gap",
        "--why",
        "retention was too short",
    ]);
    let run = turnpike.json(&["rate", "--period", PERIOD]);
    assert_eq!(run["gaps"], json!([]), "{run}");
    turnpike.ok(&["invoice", "finalize", "--period", PERIOD]);
}
