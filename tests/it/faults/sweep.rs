//! Commands killed a little later each time, until one is faster than its end: wherever it died, the
//! next one makes it good.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use crate::support::case;
use crate::support::cli::{Running, Turnpike};

/// What a command gets more of at each attempt.
const STEP: Duration = Duration::from_millis(6);
const ACCOUNTS: usize = 12;
const EVENTS: usize = 6;

/// Starts a command again and again, each time killing it a step later, until it ends by itself.
/// How often it was killed.
fn until_it_survives(turnpike: &Turnpike, arguments: &[&str]) -> u32 {
    for attempt in 0.. {
        let mut running = Running::start(turnpike.command(arguments.iter().copied()));
        match running.wait(STEP * attempt) {
            None => running.kill(),
            Some(ran) => {
                assert!(ran.status.success(), "turnpike {}: {ran}", arguments.join(" "));
                return attempt;
            }
        };
    }
    unreachable!("a command that ends is survived at last")
}

/// A book of many accounts, made of one with a single account.
fn book() -> String {
    let path = case::folder("golden/16-counter-reset/book.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, account) = text.split_at(text.find("[[account]]").unwrap());
    let accounts = (1..=ACCOUNTS).map(|number| {
        account
            .replace("\"a1\"", &format!("\"a{number}\""))
            .replace("t-1\"", &format!("t-{number}\""))
    });
    accounts.fold(head.to_owned(), |book, account| book + &account)
}

fn events() -> String {
    let mut lines = String::new();
    for (account, number) in (1..=ACCOUNTS).flat_map(|a| (1..=EVENTS).map(move |n| (a, n))) {
        writeln!(
            lines,
            r#"{{"specversion":"1.0","id":"e-{account}-{number}","source":"/sweep","type":"dev.turnpike.usage.delta.v1","time":"2026-10-{number:02}T12:00:00Z","data":{{"resource":{{"kind":"instance","id":"i-{account}"}},"owner":"t-{account}","used":[{{"meter":"egress","quantity":"{number}","unit":"GB"}}]}}}}"#
        )
        .unwrap();
    }
    lines
}

fn install() -> Turnpike {
    let turnpike = Turnpike::new().with("TURNPIKE__INGEST__FLUSH_ROWS", "9");
    let path = turnpike.file("book.toml", book());
    turnpike.ok(&["book", "import", &path.to_string_lossy()]);
    turnpike.file("events.jsonl", events());
    turnpike
}

const RATE: [&str; 5] = ["rate", "--period", "2026-10", "--format", "json"];

fn hash(turnpike: &Turnpike) -> Value {
    turnpike.json(&["rate", "--period", "2026-10"])["hash"].clone()
}

#[test]
fn commands_killed_anywhere_are_made_good_by_the_next() {
    let undisturbed = install();
    undisturbed.ok(&["ingest", "--from", "file:events.jsonl"]);
    let expected = hash(&undisturbed);

    let turnpike = install();
    let mut kills = until_it_survives(&turnpike, &["ingest", "--from", "file:events.jsonl"]);
    assert_eq!(hash(&turnpike), expected, "after ingest");
    kills += until_it_survives(&turnpike, &["compact"]);
    assert_eq!(hash(&turnpike), expected, "after compact");
    kills += until_it_survives(&turnpike, &RATE);
    assert_eq!(hash(&turnpike), expected, "after rate");
    kills += until_it_survives(&turnpike, &["invoice", "draft", "--period", "2026-10"]);
    kills += until_it_survives(&turnpike, &["invoice", "finalize", "--period", "2026-10"]);
    turnpike.ok(&["verify"]);
    eprintln!("{kills} commands were killed");

    // One invoice for each account, none without a number, none skipped.
    let listed = turnpike.json(&["invoice", "list", "--period", "2026-10"]);
    let listed = listed.as_array().unwrap();
    let accounts: BTreeSet<&str> =
        listed.iter().map(|row| row["account"].as_str().unwrap()).collect();
    assert_eq!((listed.len(), accounts.len()), (ACCOUNTS, ACCOUNTS), "{listed:#?}");
    let numbers: BTreeSet<u32> = listed
        .iter()
        .map(|row| row["number"].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap())
        .collect();
    let gapless: BTreeSet<u32> = (1..=ACCOUNTS as u32).collect();
    assert_eq!(numbers, gapless);
    // 1 + 2 + ... + 6 GB at 0.05: 1.05 for everybody.
    assert!(listed.iter().all(|row| row["net"] == "1.05"), "{listed:#?}");
}
