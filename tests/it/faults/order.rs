//! Row F42: events in any order, within a partition and across them, give one bill.

use std::collections::BTreeSet;

use serde_json::Value;

use super::events::{PERIOD, Random, events};
use super::oracle::{self, Journal};
use super::row::{Proof, row, scaled};
use crate::pipeline::ingest;
use crate::support::cli::Turnpike;
use crate::support::kafka::{self, Record};

fn hash(turnpike: &Turnpike) -> Value {
    turnpike.json(&["rate", "--period", PERIOD])["hash"].clone()
}

/// Lives that overlap, end before they begin, or never end.
fn lives() -> Vec<Record> {
    let mut records = events(0..120);
    // The ends of the last lives are lost: they are held until the period ends.
    records.retain(|record| {
        !record.text().contains("\"e-111\"") && !record.text().contains("\"e-101\"")
    });
    records
}

#[test]
fn f42_events_in_any_order() {
    row("F42", "random orders within and across partitions: one hash", || {
        let permutations = scaled(100, 5);
        let mut random = Random(42);
        let mut hashes = BTreeSet::new();
        let mut words = String::new();
        for round in 0..permutations {
            let mut records = lives();
            if round > 0 {
                random.shuffle(&mut records);
            }
            let turnpike = oracle::install(u32::try_from(7 + random.below(90)).unwrap());
            let mut journal = Journal::default();
            let path = journal.file(&turnpike, "events.jsonl", &records);
            turnpike.ok(&["ingest", "--from", &format!("file:{}", path.display())]);
            if round % 2 == 1 {
                turnpike.ok(&["compact"]);
            }
            hashes.insert(hash(&turnpike).to_string());
            if round + 1 == permutations {
                words = oracle::words(&oracle::check(&turnpike, &journal));
            }
        }
        for _ in 0..scaled(5, 1) {
            hashes.insert(across_partitions(&mut random));
        }
        assert_eq!(hashes.len(), 1, "{hashes:?}");
        Proof::Pass(format!("{permutations} orders; {words}"))
    });
}

/// The same events over four partitions, a consumer that ends after each of several pieces.
fn across_partitions(random: &mut Random) -> String {
    let topic = kafka::unique_topic("order");
    kafka::create_topic(&topic, 4);
    let turnpike = oracle::install(16);
    let mut records = lives();
    random.shuffle(&mut records);
    let mut journal = Journal::default();
    for piece in records.chunks(40) {
        let scattered: Vec<Record> = piece
            .iter()
            .map(|record| record.clone().partition(i32::try_from(random.below(4)).unwrap()))
            .collect();
        journal.produce(&topic, &scattered);
        ingest(&turnpike, &topic);
    }
    oracle::check(&turnpike, &journal);
    hash(&turnpike).to_string()
}
