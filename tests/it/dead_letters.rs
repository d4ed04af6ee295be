//! Dead letters through the binary: listed, replayed, given up, and counted as what they became.

use serde_json::Value;

use crate::support::cli::Turnpike;
use crate::support::counts;

const BEFORE: &str = "2026-10-01T00:00:00Z";
const AFTER: &str = "2026-10-20T00:00:00Z";

fn event(id: &str, time: &str, quantity: &str) -> String {
    format!(
        r#"{{"specversion": "1.0", "id": "{id}", "source": "/test", "type": "dev.turnpike.usage.transition.v1", "time": "{time}", "data": {{"resource": {{"kind": "volume", "id": "v"}}, "owner": "t-1", "held": [{{"meter": "volume", {quantity}}}]}}}}"#
    )
}

fn found(turnpike: &Turnpike) -> [i64; 6] {
    let found = counts::of(turnpike);
    ["read", "accepted", "duplicate", "conflict", "dead", "discarded"]
        .map(|name| found[name].as_i64().unwrap())
}

fn id_of(turnpike: &Turnpike, reason: &str) -> String {
    let listed = turnpike.json(&["dead-letters", "list", "--reason", reason]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    listed[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn dead_letters_are_replayed_once_and_given_up_with_a_reason() {
    let turnpike = Turnpike::new();
    let good = event("a", "2026-09-30T00:00:00Z", r#""quantity": "1", "unit": "GiB""#);
    let early = event("b", "2026-10-02T00:00:00Z", r#""quantity": "2", "unit": "GiB""#);
    let unit = event("c", "2026-09-30T00:00:00Z", r#""quantity": "3", "unit": "parsec""#);
    turnpike.file("events.jsonl", [good.as_str(), &early, &unit, "{", "[]"].join("\n"));
    turnpike.ok(&["--now", BEFORE, "ingest", "--from", "file:events.jsonl"]);
    assert_eq!(found(&turnpike), [5, 1, 0, 0, 4, 0]);
    let system = turnpike.json(&["dead-letters", "list", "--system", "native"]);
    assert_eq!(system.as_array().unwrap().len(), 2, "{system}");
    let since = turnpike.json(&["dead-letters", "list", "--since", AFTER]);
    assert_eq!(since, Value::Array(Vec::new()));

    // Its time has come; nothing else is touched.
    let replay = ["--now", AFTER, "dead-letters", "replay", "--reason", "future_time"];
    let early = id_of(&turnpike, "future_time");
    let report = turnpike.json(&replay);
    assert_eq!((&report["replayed"], &report["accepted"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(found(&turnpike), [5, 2, 0, 0, 3, 0]);
    assert_eq!(turnpike.json(&replay)["replayed"], 0);
    let report = turnpike.json(&["--now", AFTER, "dead-letters", "replay", &early]);
    assert_eq!((&report["replayed"], &report["ended_before"]), (&0.into(), &1.into()), "{report}");

    // As it is it cannot be read; the fixed one is the same as an accepted event.
    let broken = id_of(&turnpike, "json_invalid");
    let ran = turnpike.fails(4, &["dead-letters", "replay", &broken]);
    assert!(ran.stderr.contains("still dead: "), "{ran}");
    turnpike.file("fixed.json", &good);
    turnpike.ok(&["dead-letters", "replay", &broken, "--payload", "fixed.json"]);
    assert_eq!(found(&turnpike), [5, 2, 1, 0, 2, 0]);
    assert_eq!(turnpike.json(&["dead-letters", "show", &broken])["status"], "replayed");

    let list = id_of(&turnpike, "not_an_object");
    turnpike.fails(2, &["dead-letters", "discard", &list]);
    turnpike.ok(&["dead-letters", "discard", &list, "--why", "sent by a test"]);
    assert_eq!(found(&turnpike), [5, 2, 1, 0, 1, 1]);
    let shown = turnpike.json(&["dead-letters", "show", &list]);
    assert_eq!((&shown["status"], &shown["payload"]), (&"discarded".into(), &"[]".into()));
    turnpike.fails(4, &["dead-letters", "show", "file:000000000000:1"]);
    turnpike.fails(2, &["dead-letters", "replay"]);

    turnpike.ok(&["compact"]);
    assert_eq!(found(&turnpike), [5, 2, 1, 0, 1, 1]);
    let listed = turnpike.json(&["dead-letters", "list"]);
    assert_eq!(listed[0]["reason"], "unknown_unit", "{listed}");
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    turnpike.ok(&["verify"]);
}

#[test]
fn one_record_of_a_list_is_shown_replayed_and_given_up_alone() {
    let turnpike = Turnpike::new();
    let list = include_str!("../../ingest/fixtures/cloudstack_usage.json");
    let list = list.replace("\"24\"", "\"bad\"").replace("\"1610612736\"", "\"-1\"");
    turnpike.file("list.json", &list);
    turnpike.ok(&["ingest", "--from", "file:list.json"]);
    assert_eq!(found(&turnpike), [3, 1, 0, 0, 2, 0]);
    let (second, third) =
        (id_of(&turnpike, "quantity_invalid"), id_of(&turnpike, "quantity_negative"));
    assert!(second.ends_with(":1.1") && third.ends_with(":1.2"), "{second} {third}");
    let shown = turnpike.json(&["dead-letters", "show", &third]);
    let payload = shown["payload"].as_str().unwrap();
    assert!(payload.contains("\"-1\"") && !payload.contains("bad"), "{payload}");
    turnpike.file("fixed.json", payload.replace("\"-1\"", "\"1610612736\""));
    turnpike.ok(&["dead-letters", "replay", &third, "--payload", "fixed.json"]);
    assert_eq!(found(&turnpike), [3, 2, 0, 0, 1, 0]);
    turnpike.ok(&["dead-letters", "discard", &second, "--why", "sent by a test"]);
    assert_eq!(found(&turnpike), [3, 2, 0, 0, 0, 1]);
    assert_eq!(turnpike.json(&["dead-letters", "show", &third])["status"], "replayed");
    assert_eq!(turnpike.json(&["dead-letters", "show", &second])["status"], "discarded");
    // A part that does not exist is no dead letter, and the first is none either.
    for part in ["1.3", "1"] {
        let other = second.replace(":1.1", &format!(":{part}"));
        turnpike.fails(4, &["dead-letters", "show", &other]);
    }
}

#[test]
fn what_was_said_of_a_file_is_said_again_as_it_is_replayed() {
    let turnpike = Turnpike::new();
    let report = |memory: &str| {
        format!(
            r#"{{"VMId": "3a2f", "MeteringDuration": "01:00:00", "AverageProcessorUsage": 1, "AverageMemoryUsage": {memory}}}"#
        )
    };
    turnpike.file("report.json", report("\"many\""));
    turnpike.file("fixed.json", report("2048"));
    for host in ["hv-a", "hv-b"] {
        let from = ["--from", "file:report.json", "--at", AFTER, "--installation", host];
        turnpike.ok(&[&["--now", AFTER, "ingest"], &from[..]].concat());
    }
    assert_eq!(found(&turnpike), [2, 0, 0, 0, 2, 0]);
    let listed = turnpike.json(&["dead-letters", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let bytes = std::fs::read(turnpike.folder().join("report.json")).unwrap();
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes));
    for host in ["hv-a", "hv-b"] {
        let id = format!("file:{hash}@{AFTER}+{host}:1");
        turnpike.ok(&["--now", AFTER, "dead-letters", "replay", &id, "--payload", "fixed.json"]);
    }
    // One machine of each host, neither a duplicate nor a conflict of the other.
    assert_eq!(found(&turnpike), [2, 2, 0, 0, 0, 0]);
    let other =
        turnpike.fails(3, &["ingest", "--from", "file:report.json", "--installation", "a/b"]);
    assert!(other.stderr.contains("ingest.installation"), "{other}");
}
