//! `turnpike quote` beside rating runs.

use serde_json::Value;

use crate::support::case::{self, Case};

/// Cases of one account whose events are all its own.
const CASES: [&str; 12] = [
    "01-stop-and-start-inside-an-hour",
    "02-resize-mid-interval",
    "03-price-change-at-an-odd-second",
    "05-clocks-go-back-in-paris",
    "09-fee-of-a-third",
    "10-duplicates",
    "12-lost-delete-healed-by-audit",
    "16-counter-reset",
    "23-lost-create-healed",
    "26-pre-aggregated-intervals",
    "60-corrections-amend-retract",
    "61-corrections-backfill-revert",
];

fn fraction(amount: &Value) -> (String, String) {
    let part = |name: &str| amount[name].as_str().unwrap().to_owned();
    (part("numerator"), part("denominator"))
}

#[test]
fn a_quote_of_events_is_what_a_run_bills() {
    for name in CASES {
        let case = Case::read(case::folder("golden").join(name));
        let turnpike = case.install();
        for path in case.events() {
            turnpike.ok(&["ingest", "--from", &format!("file:{}", path.display())]);
        }
        let (run, _) = case.rate(&turnpike);
        let events = case.path("events.jsonl");
        let arguments = ["quote", "--account", "a1", "--events", &events, "--period", &case.period];
        let quote = turnpike.json(&arguments);
        assert_eq!(quote["lines"].as_array().unwrap().len(), run["lines"], "{name}");
        assert_eq!(fraction(&quote["total"]), fraction(&run["totals"][0]), "{name}");
        // The same from a book that nobody has imported.
        let fresh = crate::support::cli::Turnpike::new().at(case.now.as_deref());
        let book = case.path("book.toml");
        let again = fresh.json(&[&arguments[..], &["--book", &book]].concat());
        assert_eq!(again["total"], quote["total"], "{name}");
        assert!(!fresh.data().exists(), "{name}: a quote left something behind");
    }
}

#[test]
fn told_usage_is_quoted_in_each_format() {
    let case = Case::read(case::folder("golden").join("01-stop-and-start-inside-an-hour"));
    let turnpike = case.install();
    let account = ["quote", "--account", "a1", "--period", "2026-10"];
    let told = turnpike.json(&[&account[..], &["--use", "vcpu=2,for=10d"]].concat());
    let line = &told["lines"][0];
    assert_eq!((&line["units"], &line["unit_name"]), (&"480".into(), &"vCPU·hour".into()));
    let exact = told["total"]["amount"].as_str().unwrap();
    let table = turnpike.ok(&[&account[..], &["--use", "vcpu=2,for=10d"]].concat());
    assert!(table.contains(&format!("exact           {exact} EUR")), "{table}");

    turnpike.file("usage.csv", "meter,quantity,for\nvcpu,2,10d\n");
    let from_file = [&account[..], &["--usage-file", "usage.csv"]].concat();
    assert_eq!(turnpike.json(&from_file)["total"], told["total"]);
    let csv = turnpike.ok(&[&from_file[..], &["--format", "csv"]].concat());
    assert!(csv.lines().nth(1).unwrap().ends_with(&format!("{exact},EUR")), "{csv}");

    let unpriced = [&account[..], &["--use", "ingress=1GiB"]].concat();
    let ran = turnpike.fails(4, &unpriced);
    assert!(ran.stderr.contains("unpriced_meter"), "{ran}");
    turnpike.fails(2, &[&account[..], &["--use", "vcpu"]].concat());
    turnpike.fails(4, &["quote", "--tariff", "nowhere", "--use", "vcpu=1"]);
}
