//! Sizes from an inventory, and what a file or a pasted event would become, through the binary.

use serde_json::json;

use crate::support::cli::Turnpike;
use crate::support::{case, figures};

/// An event of a system that tells no size.
fn event(id: &str, time: &str, state: &str) -> String {
    let data = match state {
        "deleted" => json!({"terminal": true}),
        state => json!({"state": state}),
    };
    let mut data = data;
    data["namespace"] = "cloudstack".into();
    data["owner"] = "t-1".into();
    data["resource"] = json!({"kind": "instance", "id": "a"});
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/cloudstack", "time": time,
        "type": "dev.turnpike.usage.transition.v1", "data": data,
    });
    format!("{event}\n")
}

const ROWS: &str = "kind,id,owner,created,vcpu,memory[MiB]\n\
    instance,a,t-1,2026-10-10T08:00:00Z,2,2048\ninstance,b,t-1,2026-10-10T08:00:00Z,1,512\n";

fn installation() -> Turnpike {
    let turnpike = Turnpike::new();
    let book = case::folder("golden").join("54-inventory/book.toml");
    turnpike.ok(&["book", "import", &book.to_string_lossy()]);
    turnpike
}

/// Meter and net amount of each charge of the month, sorted.
fn billed(turnpike: &Turnpike) -> Vec<(String, String)> {
    turnpike.ok(&["rate", "--period", "2026-10"]);
    turnpike.ok(&["invoice", "draft", "--period", "2026-10"]);
    let mut billed = Vec::new();
    for invoice in case::invoices(turnpike, "2026-10").values() {
        for charge in figures::of(invoice)["charges"].as_array().unwrap() {
            let text = |name: &str| charge[name].as_str().unwrap().to_owned();
            billed.push((text("meter"), text("net")));
        }
    }
    billed.sort();
    billed
}

#[test]
fn an_inventory_tells_sizes_whether_it_comes_before_the_events_or_after() {
    let events = format!(
        "{}{}",
        event("e-1", "2026-10-10T10:00:00Z", "active"),
        event("e-2", "2026-10-10T20:00:00Z", "deleted")
    );
    let import = ["inventory", "import", "rows.csv", "--system", "cloudstack", "--at"];
    let import: Vec<&str> = import.into_iter().chain(["2026-10-10T12:00:00Z"]).collect();
    let ingest = ["ingest", "--from", "file:events.jsonl"];
    let mut bills = Vec::new();
    for inventory_first in [true, false] {
        let turnpike = installation();
        turnpike.file("events.jsonl", &events);
        turnpike.file("rows.csv", ROWS);
        let order = if inventory_first { [&import[..], &ingest] } else { [&ingest[..], &import] };
        for arguments in order {
            turnpike.ok(arguments);
        }
        assert_eq!(turnpike.json(&["inventory", "missing"]), json!([]));
        bills.push(billed(&turnpike));
    }
    assert_eq!(bills[0], bills[1], "the order in which they arrive does not show");
    // Ten hours of two vCPU and two GiB: 20 x 0.0416 = 0.832 and 20 x 0.0052 = 0.104.
    let pair = |meter: &str, net: &str| (meter.to_owned(), net.to_owned());
    assert_eq!(bills[0], [pair("memory", "0.10"), pair("vcpu", "0.83")]);
}

#[test]
fn resources_without_a_size_are_missing_until_they_are_imported() {
    let turnpike = installation();
    turnpike.file("events.jsonl", event("e-1", "2026-10-10T10:00:00Z", "active"));
    turnpike.ok(&["ingest", "--from", "file:events.jsonl"]);
    let missing = turnpike.json(&["inventory", "missing"]);
    assert_eq!(missing[0]["resource"], "cloudstack/instance/a");
    assert_eq!(missing[0]["not_told"], "vcpu, memory");
    assert_eq!(billed(&turnpike), []);

    turnpike.file("rows.csv", ROWS);
    let import = ["inventory", "import", "rows.csv", "--system", "cloudstack", "--at"];
    let at = |time: &'static str| -> Vec<&str> { import.into_iter().chain([time]).collect() };
    let report = turnpike.json(&at("2026-10-10T12:00:00Z"));
    assert_eq!((&report["read"], &report["accepted"]), (&json!(2), &json!(2)));
    assert_eq!(turnpike.json(&["inventory", "missing"]), json!([]));
    let listed = turnpike.json(&["inventory", "list"]);
    assert_eq!(listed[0]["resource"], "cloudstack/instance/a");
    assert_eq!(listed[0]["since"], "2026-10-10T08:00:00Z");
    assert_eq!(listed[0]["sizes"], "vcpu 2, memory 2147483648");
    assert_eq!(listed.as_array().unwrap().len(), 2);

    // A later import tells what has changed since, and no second creation.
    turnpike.file("rows.csv", ROWS.replace("Z,2,2048", "Z,4,2048"));
    let report = turnpike.json(&at("2026-10-10T18:00:00Z"));
    assert_eq!((&report["accepted"], &report["conflict"]), (&json!(2), &json!(0)));
    let listed = turnpike.json(&["inventory", "list"]);
    assert_eq!(listed[0]["observed"], "2026-10-10T18:00:00Z");
    assert_eq!(listed[0]["sizes"], "vcpu 4, memory 2147483648");
}

#[test]
fn a_dry_run_stores_nothing() {
    let turnpike = Turnpike::new();
    turnpike.file(
        "events.jsonl",
        format!("{}broken\n", event("e-1", "2026-10-10T10:00:00Z", "active")),
    );
    let shown = turnpike.json(&["ingest", "--from", "file:events.jsonl", "--dry-run"]);
    assert_eq!(shown[0]["resource"], "cloudstack/instance/a");
    assert_eq!((&shown[0]["adapter"], &shown[0]["kind"]), (&json!("native"), &json!("transition")));
    assert_eq!(
        (&shown[1]["status"], &shown[1]["reason"]),
        (&json!("dead"), &json!("json_invalid"))
    );
    assert!(!turnpike.data().exists(), "a dry run makes nothing");
    let pinned = ["ingest", "--from", "file:events.jsonl", "--dry-run", "--system", "opennebula"];
    assert_eq!(turnpike.json(&pinned)[0]["reason"], "unrecognised");
}

#[test]
fn check_event_says_what_becomes_of_an_event_or_why_not() {
    let turnpike = Turnpike::new();
    turnpike.file("good.json", event("e-1", "2026-10-10T10:00:00Z", "active"));
    let said = turnpike.json(&["check-event", "good.json"]);
    assert_eq!(said["verdict"], "accepted");
    assert_eq!(said["owner"], "cloudstack/t-1");
    turnpike.file("bad.json", event("e-1", "2026-10-10T10:00:00Z", "odd"));
    let ran = turnpike.run(&["check-event", "bad.json"]);
    assert_eq!(ran.status.code(), Some(4), "{ran}");
    assert!(ran.stdout.contains("data.state") && ran.stdout.contains("invalid_field"), "{ran}");
    assert!(!turnpike.data().exists(), "a check makes nothing");
}

#[test]
fn mappings_of_an_operator_are_adapters() {
    let folder = case::folder("golden").join("../../docs/examples/mappings");
    let turnpike =
        Turnpike::new().with("TURNPIKE__INGEST__MAPPINGS_DIR", &folder.to_string_lossy());
    let adapters = turnpike.json(&["adapters", "list"]);
    let named = |name: &str| {
        let all = adapters.as_array().unwrap();
        all.iter().find(|row| row["adapter"] == name).map(|row| row["capture"].clone())
    };
    assert_eq!(named("eucalyptus"), Some(json!("unverified")));
    assert_eq!(named("opennebula"), Some(json!("unverified")));
    assert_eq!(named("openstack-nova"), Some(json!("verified")));

    let broken = turnpike.folder().join("mappings");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("x.toml"), "name = \"x\"\nreads = 1\n").unwrap();
    let turnpike =
        Turnpike::new().with("TURNPIKE__INGEST__MAPPINGS_DIR", &broken.to_string_lossy());
    let ran = turnpike.run(&["config", "show"]);
    assert_eq!(ran.status.code(), Some(3), "{ran}");
    assert!(ran.stderr.contains("x.toml: "), "{ran}");
}
