//! Corrections that come after a period was rated, and what the commands say of them.

use crate::support::case::{self, Case};
use crate::support::cli::Turnpike;

/// The lines of a golden case that are corrections, or those that are not.
fn lines(case: &Case, corrections: bool) -> String {
    let text = std::fs::read_to_string(case.path("events.jsonl")).unwrap();
    let wanted = |line: &&str| line.contains("\"correction\"") == corrections;
    text.lines().filter(wanted).collect::<Vec<_>>().join("\n")
}

fn ingest(turnpike: &Turnpike, name: &str, text: &str) {
    turnpike.file(name, text);
    turnpike.ok(&["ingest", "--from", &format!("file:{name}")]);
}

fn rate(turnpike: &Turnpike, period: &str) -> String {
    turnpike.json(&["rate", "--period", period])["hash"].as_str().unwrap().to_owned()
}

#[test]
fn late_corrections_give_what_timely_ones_would_have() {
    for name in ["60-corrections-amend-retract", "61-corrections-backfill-revert"] {
        let case = Case::read(case::folder("golden").join(name));
        let turnpike = case.install();
        ingest(&turnpike, "events.jsonl", &lines(&case, false));
        // States are stored at the starts of months, from before the corrections.
        let before = rate(&turnpike, "2026-10");
        rate(&turnpike, "2026-11");
        turnpike.ok(&["compact"]);
        ingest(&turnpike, "corrections.jsonl", &lines(&case, true));
        let november = rate(&turnpike, "2026-11");
        let billed = case.bill(&turnpike);
        assert_ne!(billed.run["hash"], before, "{name}");
        case.check(&turnpike, &billed);
        turnpike.ok(&["verify"]);
        turnpike.ok(&["compact"]);
        assert_eq!(rate(&turnpike, "2026-11"), november, "{name}");
        assert_eq!(billed.run["hash"], rate(&turnpike, "2026-10"), "{name}");
    }
}

#[test]
fn an_explanation_names_the_events_that_count() {
    let case = Case::read(case::folder("golden").join("60-corrections-amend-retract"));
    let turnpike = case.install();
    turnpike.ok(&["ingest", "--from", &format!("file:{}", case.path("events.jsonl"))]);
    let billed = case.bill(&turnpike);
    let invoice = billed.invoices.values().next().unwrap();
    let charge = invoice.charges.iter().find(|charge| charge.meter.as_str() == "vcpu").unwrap();
    let number = invoice.number.as_deref().unwrap();
    let line = charge.line.to_string();
    let explained = turnpike.json(&["explain", number, &line]);
    let intervals: Vec<[String; 4]> = explained["intervals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|interval| {
            ["start", "end", "began_with", "ended_with"].map(|name| {
                interval[name].as_str().unwrap().replace("/site/lyon-1/agent\u{1f}", "")
            })
        })
        .collect();
    let day = |time: &str| format!("2026-10-10T{time}Z");
    assert_eq!(
        intervals,
        [
            [day("08:00:00"), day("12:30:30"), "e-01".to_owned(), "c-02".to_owned()],
            [day("12:30:30"), day("18:00:00"), "c-02".to_owned(), "e-03".to_owned()],
        ]
    );
}
