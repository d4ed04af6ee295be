//! Rows F33 to F37 and F39: input that is meant to hurt. Each becomes a dead letter with its reason,
//! and its neighbours are billed.

use super::events::{PERIOD, events, traffic};
use super::kafka::{consumer, end, install, wait_for_records};
use super::oracle::{self, Journal};
use super::row::{Proof, row, scaled};
use super::tools::peak_memory_kib;
use crate::pipeline::ingest;
use crate::support::cli::Turnpike;
use crate::support::kafka::{self, Record};

/// Sends the records among healthy ones and has all of it counted.
fn among_healthy(poisoned: Vec<Record>) -> (Turnpike, String) {
    let topic = kafka::unique_topic("poison");
    kafka::create_topic(&topic, 2);
    let turnpike = install();
    let mut journal = Journal::default();
    let mut records = events(0..40);
    for (at, record) in poisoned.into_iter().enumerate() {
        records.insert((at * 2 + 1).min(records.len()), record);
    }
    journal.produce(&topic, &records);
    ingest(&turnpike, &topic);
    let report = oracle::check(&turnpike, &journal);
    (turnpike, oracle::words(&report))
}

/// An event of ours with one value, as the wire has it, for the quantity.
fn quantity(number: u64, value: &str) -> String {
    traffic(1_000 + number, "1").replace("\"quantity\":\"1\"", &format!("\"quantity\":{value}"))
}

#[test]
fn f33_numbers_that_are_none() {
    row("F33", "negative, not a number, infinite, too long, too precise", || {
        let dead = [
            ("-1", "quantity_negative"),
            ("\"-0.000000001\"", "quantity_negative"),
            ("NaN", "json_invalid"),
            ("\"NaN\"", "quantity_invalid"),
            ("Infinity", "json_invalid"),
            ("\"Infinity\"", "quantity_invalid"),
            ("1e400", "any"),
            ("\"0x10\"", "quantity_invalid"),
            ("\"\"", "quantity_invalid"),
            ("\"1,5\"", "quantity_invalid"),
            ("123456789012345678901234567890", "any"),
            ("\"0.0000000001\"", "quantity_precision"),
            ("\"0.00000000000000000000000000001\"", "any"),
            ("null", "any"),
            ("true", "any"),
        ];
        let mut records: Vec<Record> = (0..)
            .zip(dead)
            .map(|(number, (value, reason))| Record::new(quantity(number, value)).dead(reason))
            .collect();
        // What looks odd and is a number.
        records.extend(
            ["0", "\"0.1\"", "\"000.5\"", "0.000000001"]
                .iter()
                .zip(100..)
                .map(|(value, number)| Record::new(quantity(number, value))),
        );
        Proof::Pass(among_healthy(records).1)
    });
}

#[test]
fn f34_the_largest_quantities() {
    row("F34", "quantities at the bound, their exact sum, and one over it", || {
        let count = scaled(5_000, 200);
        let at_bound = |number: u64| {
            let value = "\"9223372036854775807\"";
            Record::new(quantity(number, value).replace("\"unit\":\"GB\"", "\"unit\":\"byte\""))
        };
        let mut records: Vec<Record> = (0..count).map(at_bound).collect();
        for (number, (value, unit)) in (count..).zip([
            ("\"9223372036854775808\"", "byte"),
            ("\"18446744073709551615\"", "byte"),
            ("\"9223372036.854775808\"", "GB"),
            ("\"340282366920938463463374607431768211456\"", "byte"),
        ]) {
            let text = quantity(number, value).replace("\"GB\"", &format!("\"{unit}\""));
            records.push(Record::new(text).dead("quantity_range"));
        }
        Proof::Pass(among_healthy(records).1)
    });
}

#[test]
fn f35_messages_of_ten_megabytes() {
    row("F35", "messages of 10 MB: hash and start are kept, memory is flat", || {
        let topic = kafka::unique_topic("large");
        kafka::create_topic(&topic, 1);
        let turnpike = install();
        let group = kafka::unique_topic("group");
        let running = consumer(&turnpike, kafka::bootstrap(), &topic, &group);
        let mut journal = Journal::default();
        let mut peaks = Vec::new();
        for round in 0..scaled(6, 2) {
            let large = |number: u64| {
                let text = traffic(number, &"1".repeat(10_000_000));
                Record::new(text).dead("too_large")
            };
            let mut records: Vec<Record> = (0..4).map(|at| large(round * 10 + at)).collect();
            records.extend(events(round * 20..round * 20 + 20));
            journal.produce(&topic, &records);
            wait_for_records(&turnpike, journal.records.len());
            peaks.push(peak_memory_kib(running.id()) / 1_024);
        }
        end(running);
        let most = *peaks.last().unwrap();
        assert!(most < 400, "memory in MiB: {peaks:?}");
        let listed = turnpike.json(&["dead-letters", "list", "--reason", "too_large"]);
        let id = listed[0]["id"].as_str().unwrap();
        let shown = turnpike.ok(&["dead-letters", "show", id]);
        assert!(shown.len() < 8_192, "{} bytes are shown", shown.len());
        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(format!("peak {most} MiB; {}", oracle::words(&report)))
    });
}

#[test]
fn f36_shapes_that_break_parsers() {
    row("F36", "deep nesting, a key twice, ten thousand keys", || {
        let keys: Vec<String> = (0..10_000).map(|key| format!("\"k{key}\":{key}")).collect();
        let wide = traffic(500, "1")
            .replace("\"owner\"", &format!("\"attributes\":{{{}}},\"owner\"", keys.join(",")));
        let twice = traffic(501, "1").replace("\"owner\":", "\"owner\":\"t-9\",\"owner\":");
        let deep = traffic(502, "1").replace(
            "\"owner\":",
            &format!("\"x\":{}{},\"owner\":", "[".repeat(10_000), "]".repeat(10_000)),
        );
        let records = vec![
            Record::new("[".repeat(10_000)).dead("any"),
            Record::new("{\"a\":".repeat(10_000)).dead("any"),
            Record::new(deep).dead("json_too_deep"),
            Record::new(twice).dead("any"),
            Record::new(wide).dead("any"),
            Record::new(format!("{{{}}}", keys.join(","))).dead("unrecognised"),
            Record::new(format!("\"{}", "\\u0000".repeat(20_000))).dead("any"),
            Record::new(traffic(503, "1").replace("\"used\":", "\"used\":[],\"used\":"))
                .dead("any"),
        ];
        Proof::Pass(among_healthy(records).1)
    });
}

#[test]
fn f37_text_that_plays_tricks() {
    row("F37", "not UTF-8, NUL, right-to-left marks, long ids, ANSI and CRLF", || {
        let with_id = |number: u64, id: &str| {
            traffic(number, "1").replace(&format!("\"e-{number}\""), &format!("\"{id}\""))
        };
        let mut broken = traffic(600, "1").into_bytes();
        broken[20] = 0xc3;
        broken[21] = 0x28;
        let records = vec![
            Record::new(broken).dead("not_utf8"),
            Record::new(with_id(601, "a\\u0000b")).dead("invalid_id"),
            Record::new(with_id(602, "a\\r\\nSet-Cookie: x")).dead("invalid_id"),
            Record::new(with_id(603, "\\u001b[31mred")).dead("invalid_id"),
            Record::new(with_id(604, &"x".repeat(65_536))).dead("invalid_id"),
            Record::new(with_id(605, "")).dead("invalid_id"),
            Record::new("\u{1b}[2J\u{7}{not json").dead("any"),
            // Odd, and an id all the same: it is kept as it was given.
            Record::new(with_id(606, "gpj\\u202eexe")),
            Record::new(with_id(607, "=1+1|cmd")),
            Record::new(with_id(608, "<script>alert(1)</script>")),
        ];
        let (turnpike, words) = among_healthy(records);
        for format in ["table", "csv", "json"] {
            let listed = turnpike.ok(&["dead-letters", "list", "--format", format]);
            let control = |c: char| c.is_control() && c != '\n' && c != '\r';
            assert!(!listed.contains(control), "{format} has control characters");
        }
        Proof::Pass(words)
    });
}

#[test]
fn f39_nothing_to_read() {
    row("F39", "tombstones, empty values, white space, no key", || {
        let records = vec![
            Record::tombstone().dead("empty"),
            Record::tombstone().key("vm-1").dead("empty"),
            Record::new("").dead("empty"),
            Record::new(" \n\t ").key("vm-1").dead("empty"),
        ];
        let (turnpike, words) = among_healthy(records);
        let run = turnpike.json(&["rate", "--period", PERIOD]);
        assert!(run["lines"].as_i64().unwrap() > 0, "{run}");
        Proof::Pass(words)
    });
}
