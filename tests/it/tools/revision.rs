//! Revisions: exact differences against earlier runs, and months after a late event.

use serde_json::Value;

use super::book::{ingest, install, machine, requests};

fn difference(run: &Value) -> (&str, &Value, Vec<&str>) {
    let difference = &run["difference"];
    let amounts = difference["accounts"].as_array().unwrap().iter();
    let amounts = amounts.map(|one| one["difference"]["amount"].as_str().unwrap()).collect();
    (difference["period"].as_str().unwrap(), &difference["corrects_run"], amounts)
}

#[test]
fn a_late_unit_is_a_correction_of_its_own_period() {
    let turnpike = install();
    let first = [requests("e-1", "t-1", "2026-08-10T00:00:00Z", 3)];
    ingest(&turnpike, "first.jsonl", &first);
    let august = turnpike.json(&["rate", "--period", "2026-08", "--against", "latest"]);
    assert_eq!(difference(&august), ("2026-08", &Value::Null, vec!["30"]));
    ingest(&turnpike, "second.jsonl", &[requests("e-2", "t-1", "2026-09-10T00:00:00Z", 2)]);
    let september = turnpike.json(&["rate", "--period", "2026-09", "--against", "latest"]);
    assert_eq!(difference(&september), ("2026-09", &Value::Null, vec!["20"]));

    let late = [
        requests("e-3", "t-1", "2026-08-20T00:00:00Z", 1),
        requests("e-4", "t-1", "2026-10-10T00:00:00Z", 3),
    ];
    ingest(&turnpike, "late.jsonl", &late);
    let arguments = ["rate", "--period", "2026-08", "--through", "2026-10", "--against", "latest"];
    let runs = turnpike.json(&arguments);
    let found: Vec<_> = runs.as_array().unwrap().iter().map(difference).collect();
    assert_eq!(
        found,
        [
            ("2026-08", &august["run"], vec!["10"]),
            ("2026-09", &september["run"], vec!["0"]),
            ("2026-10", &Value::Null, vec!["30"]),
        ]
    );
    let line = &runs[0]["difference"]["accounts"][0]["lines"][0];
    assert_eq!((&line["change"], &line["old"]["quantity"]), (&"changed".into(), &"3".into()));
    assert_eq!(line["new"]["quantity"], "4");

    // The same from what is stored, in both directions.
    let (old, new) = (august["run"].as_str().unwrap(), runs[0]["run"].as_str().unwrap());
    let stored = turnpike.json(&["compare", "--runs", old, new]);
    assert_eq!(stored["accounts"], runs[0]["difference"]["accounts"]);
    let back = turnpike.json(&["compare", "--runs", new, old]);
    assert_eq!(back["accounts"][0]["difference"]["amount"], "-10");
    let other = september["run"].as_str().unwrap();
    turnpike.fails(4, &["compare", "--runs", old, other]);
    turnpike.fails(4, &["rate", "--period", "2026-10", "--against", old]);
}

#[test]
fn a_late_event_changes_the_months_after_it() {
    let turnpike = install();
    ingest(&turnpike, "first.jsonl", &[machine("e-1", "t-1", "2026-08-01T00:00:00Z", 2)]);
    let months = ["rate", "--period", "2026-08", "--through", "2026-10", "--against", "latest"];
    turnpike.ok(&months);
    turnpike.ok(&["compact"]);
    // Which run is the latest is told by the clock.
    let turnpike = turnpike.at(Some("2026-11-20T00:00:01Z"));
    // States are stored at each month's start; a resize of August that comes now ends them.
    ingest(&turnpike, "late.jsonl", &[machine("e-2", "t-1", "2026-08-31T12:00:00Z", 5)]);
    let runs = turnpike.json(&months);
    let found: Vec<_> = runs.as_array().unwrap().iter().flat_map(|run| difference(run).2).collect();
    // Three more vCPU for 12 hours, 30 days and 31 days at 0.0416 an hour.
    assert_eq!(found, ["1.4976", "89.856", "92.8512"]);
    // Nothing is left to correct, also after the late event was compacted.
    turnpike.ok(&["compact"]);
    let turnpike = turnpike.at(Some("2026-11-20T00:00:02Z"));
    let again = turnpike.json(&months);
    let same = again.as_array().unwrap().iter().zip(runs.as_array().unwrap());
    for (again, run) in same {
        assert_eq!(again["hash"], run["hash"]);
        assert_eq!(difference(again).2, ["0"]);
    }
    let turnpike = turnpike.at(Some("2026-11-20T00:00:03Z"));
    let table = turnpike.ok(&["rate", "--period", "2026-08", "--against", "latest"]);
    assert!(table.contains("Difference of 2026-08, against run "), "{table}");
}
