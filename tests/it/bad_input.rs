//! Bad input: each gets its own clear answer, and the rest goes on.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pipeline::ingest;
use crate::support::case;
use crate::support::cli::Turnpike;
use crate::support::counts;
use crate::support::kafka::{self, Record};

fn path(name: &str) -> String {
    case::folder("bad_input").join(name).to_string_lossy().into_owned()
}

fn install() -> Turnpike {
    let turnpike = Turnpike::new();
    turnpike.ok(&["book", "import", &path("book.toml")]);
    turnpike
}

/// Reason and error of all dead letters, by reason.
fn dead_letters(turnpike: &Turnpike) -> BTreeMap<String, String> {
    let listed = turnpike.json(&["dead-letters", "list"]);
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(|row| (text(row, "reason"), text(row, "error"))).collect()
}

/// Account to code and text of all that a run parked.
fn parked(run: &Value) -> BTreeMap<String, (String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    run["parked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(row, "account"), (text(row, "code"), text(row, "reason"))))
        .collect()
}

fn nets(turnpike: &Turnpike) -> BTreeMap<String, String> {
    case::invoices(turnpike, "2026-10")
        .into_iter()
        .map(|(account, invoice)| (account, invoice.net.to_decimal_text()))
        .collect()
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

#[test]
fn each_bad_event_has_its_reason_and_the_others_are_billed() {
    let turnpike = install();
    turnpike.ok(&["ingest", "--from", &format!("file:{}", path("events.jsonl"))]);
    let found = counts::of(&turnpike);
    let counted = ["read", "accepted", "duplicate", "conflict", "dead"].map(|name| &found[name]);
    assert_eq!(counted, [21, 14, 0, 0, 7], "{found}");

    let dead = dead_letters(&turnpike);
    let check = |reason: &str, words: &str| {
        let error = dead.get(reason).unwrap_or_else(|| panic!("no {reason} in {dead:#?}"));
        assert!(error.contains(words), "{reason} does not say {words:?}: {error}");
    };
    check("json_invalid", "");
    check("unrecognised", "");
    check("not_an_object", "");
    check("quantity_range", "123456789012345678901234567890");
    check("future_time", "2126-10-05");
    check("quantity_negative", "-4");
    check("unknown_unit", "parsec");
    assert_eq!(dead.len(), 7, "{dead:#?}");

    let ran = turnpike.fails(4, &["rate", "--period", "2026-10", "--strict", "--format", "json"]);
    let run: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(run["unassigned"], 1, "{run}");
    assert!(ran.stderr.contains("native/instance/stray"), "{ran}");
    assert!(ran.stderr.contains("native/stray"), "{ran}");
    let parked = parked(&run);
    let check = |account: &str, code: &str, words: &str| {
        let (found, text) = parked.get(account).unwrap_or_else(|| panic!("{account}: {parked:#?}"));
        assert_eq!(found, code, "{account}: {text}");
        assert!(text.contains(words), "{account}: {text:?} does not say {words:?}");
    };
    check("gap", "tariff_gap", "no version in force at 2026-10-05T01:00:00Z");
    check("penniless", "missing_currency", "`penniless` has no currency");
    check("odd", "unknown_meter", "`qubit`");
    check("torn-1", "owner_overlap", "torn-1 and torn-2");
    check("torn-2", "owner_overlap", "torn-1 and torn-2");
    assert_eq!(parked.len(), 5, "{parked:#?}");

    turnpike.ok(&["invoice", "draft", "--period", "2026-10"]);
    assert_eq!(nets(&turnpike), texts([("good", "0.80")]));

    // A book that mends all of it: nothing was lost, and everybody is billed.
    turnpike.ok(&["book", "import", &path("mended.toml")]);
    let run = turnpike.json(&["rate", "--period", "2026-10"]);
    assert_eq!(run["parked"], Value::Array(Vec::new()), "{run}");
    turnpike.ok(&["invoice", "draft", "--period", "2026-10"]);
    turnpike.ok(&["invoice", "finalize", "--period", "2026-10"]);
    let expected = texts([
        ("good", "0.80"),
        ("gap", "0.40"),
        ("odd", "6.00"),
        ("penniless", "0.40"),
        ("torn-1", "0.40"),
    ]);
    assert_eq!(nets(&turnpike), expected);
    turnpike.ok(&["verify"]);
}

#[test]
fn a_book_is_warned_of_what_will_be_parked() {
    let turnpike = Turnpike::new();
    let ran = turnpike.run(&["book", "import", &path("book.toml")]);
    assert!(ran.status.success(), "{ran}");
    let line = |text: &str| {
        let book = std::fs::read_to_string(path("book.toml")).unwrap();
        1 + book.lines().position(|line| line == text).unwrap()
    };
    let warned = |line: usize, words: &str| {
        let line = line.to_string();
        let names = |said: &str| said.contains("book.toml") && said.contains(&line);
        let found = ran.stderr.lines().any(|said| names(said) && said.contains(words));
        assert!(found, "no warning of {words:?} on line {line}: {ran}");
    };
    warned(line("currency = \"none\""), "bills of the account will be parked");
    let last = std::fs::read_to_string(path("book.toml")).unwrap().lines().count() - 1;
    warned(last, "owner `native/torn`");
}

#[test]
fn every_mistake_of_a_book_is_reported_with_its_line() {
    let turnpike = Turnpike::new();
    let ran = turnpike.fails(4, &["book", "import", &path("broken.toml")]);
    let check = |line: usize, words: &str| {
        let place = format!("broken.toml:{line}: ");
        let found = ran.stderr.lines().any(|said| said.contains(&place) && said.contains(words));
        assert!(found, "nothing about {words:?} on line {line}: {ran}");
    };
    check(6, "`colour`");
    check(26, "EURO");
    check(33, "9 decimals");
    check(38, "overlaps");
    check(44, "per");
    check(45, "parsec");
    check(53, "133.333%");
    check(62, "overlaps");
    check(72, "marseille");
    check(74, "Europe/Lyon");
    check(75, "gold");
    check(79, "a1");
    // All or nothing.
    assert!(turnpike.fails(4, &["book", "show"]).stderr.contains("no book"));
}

#[test]
fn a_message_of_ten_megabytes_is_a_dead_letter_from_kafka_and_from_a_file() {
    let big = format!(
        r#"{{"specversion":"1.0","id":"big","source":"/s","data":"{}"}}"#,
        "x".repeat(10_000_000)
    );
    let good = std::fs::read_to_string(path("events.jsonl")).unwrap();
    let good: Vec<&str> = good.lines().filter(|line| line.contains("instance/good")).collect();
    let [create, delete] = good[..] else { panic!("{} events of the good instance", good.len()) };

    let from_kafka = install();
    let topic = kafka::unique_topic("big");
    kafka::create_topic(&topic, 1);
    let records = [create, &big, delete].map(Record::new);
    kafka::produce_with_python(&topic, &records);
    ingest(&from_kafka, &topic);

    let from_file = install();
    let file = from_file.file("events.jsonl", format!("{create}\n{big}\n{delete}\n"));
    from_file.ok(&["ingest", "--from", &format!("file:{}", file.display())]);

    for turnpike in [from_kafka, from_file] {
        let dead = dead_letters(&turnpike);
        assert_eq!(dead.keys().collect::<Vec<_>>(), ["too_large"]);
        assert!(dead["too_large"].contains("10000"), "the length is not named: {dead:?}");
        turnpike.ok(&["rate", "--period", "2026-10"]);
        turnpike.ok(&["invoice", "draft", "--period", "2026-10"]);
        assert_eq!(nets(&turnpike), texts([("good", "0.40")]));
    }
}
