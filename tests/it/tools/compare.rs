//! `turnpike compare` beside rating runs under the terms that it asks about.

use serde_json::Value;

use super::book::{BOOK, ingest, install, machine, requests};
use crate::support::cli::Turnpike;

fn total<'a>(compared: &'a Value, side: &str) -> &'a str {
    compared["total"][0][side]["amount"].as_str().unwrap()
}

fn filled() -> Turnpike {
    let turnpike = install();
    let events = [
        machine("e-1", "t-1", "2026-09-20T00:00:00Z", 2),
        machine("e-2", "t-2", "2026-10-03T10:20:30Z", 3),
        requests("e-3", "t-1", "2026-10-04T00:00:00Z", 5),
        requests("e-4", "t-2", "2026-10-31T23:30:00Z", 7),
    ];
    ingest(&turnpike, "events.jsonl", &events);
    turnpike
}

#[test]
fn another_tariff_is_what_a_run_under_it_bills() {
    let turnpike = filled();
    let october = ["--period", "2026-10"];
    let old = turnpike.json(&[&["rate"], &october[..]].concat());
    let compared =
        turnpike.json(&[&["compare", "--tariff", "standard=cheap"], &october[..]].concat());
    assert_eq!(total(&compared, "old"), old["totals"][0]["amount"]);

    let cheap = BOOK.replace("tariff = \"standard\"", "tariff = \"cheap\"");
    let other = turnpike.file("cheap.toml", &cheap);
    let other = other.to_string_lossy();
    let by_book = turnpike.json(&[&["compare", "--book", &other], &october[..]].concat());
    assert_eq!(by_book["total"], compared["total"]);
    assert_eq!(by_book["rows"], compared["rows"]);
    turnpike.ok(&["book", "import", &other]);
    let new = turnpike.json(&[&["rate"], &october[..]].concat());
    assert_eq!(total(&compared, "new"), new["totals"][0]["amount"]);
    // By meter, and per account and meter, each with its sign.
    let meters: Vec<(&str, &str)> = compared["meter"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let amount = row["difference"]["amount"].as_str().unwrap();
            (row["meter"].as_str().unwrap(), amount)
        })
        .collect();
    // 2.5 off each of 5 requests of a1; those of a2 lie in November, in Paris.
    assert_eq!(meters[0], ("requests", "-12.5"));
    assert_eq!(meters[1].0, "vcpu");
    assert!(!meters[1].1.starts_with('-'), "{meters:?}");
    assert_eq!(compared["rows"].as_array().unwrap().len(), 3);
    let csv =
        turnpike
            .ok(&[&["compare", "--tariff", "cheap=standard", "--format", "csv"], &october[..]]
                .concat());
    assert!(csv.contains("a1,requests,lyon-1,EUR,37.5,50,12.5,12.50 EUR"), "{csv}");
}

#[test]
fn usage_moves_to_another_site() {
    let turnpike = filled();
    let arguments =
        ["compare", "--period", "2026-10", "--site", "lyon-1=milano-1", "--account", "a1"];
    let compared = turnpike.json(&arguments);
    assert_eq!(compared["total"][0]["difference"]["amount"], "0");
    let sites: Vec<(&str, bool)> = compared["site"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["site"].as_str().unwrap(), row["new"]["amount"] == "0"))
        .collect();
    assert_eq!(sites, [("lyon-1", true), ("milano-1", false)]);
    let accounts = compared["account"].as_array().unwrap();
    assert_eq!((accounts.len(), &accounts[0]["account"]), (1, &"a1".into()));
}

#[test]
fn an_account_that_one_side_cannot_price_is_in_neither_sum() {
    let turnpike = filled();
    let bare = ["compare", "--period", "2026-10", "--tariff", "standard=bare"];
    let compared = turnpike.json(&bare);
    assert_eq!(compared["rows"].as_array().unwrap().len(), 0, "{compared}");
    assert_eq!(compared["parked_new"].as_array().unwrap().len(), 2);
    assert_eq!(compared["parked_new"][0]["reason"]["code"], "unpriced_meter");
    let ran = turnpike.fails(4, &[&bare[..], &["--account", "a2"]].concat());
    assert!(ran.stderr.contains("`a2`"), "{ran}");
    turnpike.fails(4, &["compare", "--period", "2026-10", "--tariff", "standard=none"]);
    turnpike.fails(4, &["compare", "--period", "2026-10", "--site", "lyon-1=paris-9"]);
    turnpike.fails(2, &["compare", "--period", "2026-10"]);
}
