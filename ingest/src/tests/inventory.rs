//! Rows of an inventory, from a file to the events that they become.

use turnpike_schemas::Instant;

use super::store::now;
use crate::inventory::{Import, created_key, records};
use crate::{Decoded, IngestSettings, file};

/// What the rows of a file become when they are imported at noon of the first of October.
fn imported(name: &str, text: &str, known: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("writes");
    let observed = Instant::parse("2026-10-01T12:00:00Z").expect("instant");
    let import = Import { system: Some("cloudstack"), observed };
    let settings = IngestSettings::default();
    let text = records(&path, import, &settings, &|resource| known.contains(&resource));
    let text = text.expect("reads");
    let mut lines = Vec::new();
    for preview in file::preview_text(text.as_bytes(), &settings, now()) {
        lines.extend(preview.decoded.iter().map(line));
    }
    lines
}

fn line(decoded: &Decoded) -> String {
    match decoded {
        Decoded::Dead(reject) => format!("{}: {}", reject.code, reject.message),
        Decoded::Unmetered(event) => panic!("{event:?}"),
        Decoded::Event(event) => {
            let sizes = event.measurements.iter();
            let sizes: Vec<String> = sizes.map(|m| format!("{}={}", m.meter, m.quantity)).collect();
            format!(
                "{} {} {} {} {:?}",
                event.id,
                event.state.map_or("-", |state| state.as_str()),
                event.time,
                sizes.join(" "),
                event.attributes
            )
        }
    }
}

const HEADING: &str = "kind,id,owner,created,state,vcpu,memory[MiB],volume[GiB],flavor";

#[test]
fn a_row_tells_sizes_at_its_creation_and_its_state_when_it_was_seen() {
    let check = |row: &str, known: &[&str], expect: &[&str]| {
        let got = imported("a.csv", &format!("{HEADING}\n{row}\n"), known);
        assert_eq!(got, expect, "{row}");
    };
    let sizes = r#"vcpu=2000000 memory=2147483648 {"flavor": "m1"}"#;
    let created = |time: &str| format!("cloudstack/instance/a@created unknown {time} {sizes}");
    let seen = |state: &str| {
        format!("cloudstack/instance/a@2026-10-01T12:00:00Z {state} 2026-10-01T12:00:00Z {sizes}")
    };
    let since = "2026-09-01T00:00:00Z";
    let row = |state: &str| format!("instance,a,t-1,{since},{state},2,2048,,m1");
    check(&row(""), &[], &[&created(since)]);
    check(&row("running"), &[], &[&created(since), &seen("active")]);
    // Imported before: what it is like now, and no second creation.
    check(&row(""), &["cloudstack/instance/a"], &[&seen("unknown")]);
    check(&row("Stopped"), &["cloudstack/instance/a"], &[&seen("stopped")]);
    // Nobody knows since when it is there.
    check(&row("").replace(since, ""), &[], &[&created("2026-10-01T12:00:00Z")]);
    assert_eq!(
        created_key("cloudstack/instance/a"),
        "/inventory/cloudstack\u{1f}cloudstack/instance/a@created"
    );
}

#[test]
fn a_row_that_is_wrong_names_its_column() {
    let check = |heading: &str, row: &str, expect: &str| {
        let got = imported("a.csv", &format!("{heading}\n{row}\n"), &[]);
        assert_eq!(got, [expect], "{heading} {row}");
    };
    check("kind,id", "instance,", "missing_field: id: the row has none");
    check(
        "kind,id,created",
        "instance,a,soon",
        "bad_time: created: `soon` is no time such as 2026-10-01 00:00:00.000000",
    );
    check(
        "kind,id,created",
        "instance,a,2026-10-02T00:00:00Z",
        "invalid_field: created: lies after the observation at 2026-10-01T12:00:00Z",
    );
    check(
        "kind,id,memory[Gb]",
        "instance,a,1",
        "unknown_unit: memory[Gb]: the meter has byte, KiB, MiB, GiB, TiB, kB, MB, GB, TB",
    );
    check(
        "kind,id,memry[GiB]",
        "instance,a,1",
        "invalid_field: memry[GiB]: there is no meter `memry`",
    );
    check(
        "kind,id,memory[GiB]",
        "instance,a,much",
        "quantity_invalid: memory[GiB]: `much` is not a decimal number",
    );
    let states = "running, building, active, paused, suspended, stopped, shelved, \
         shelved-offloaded, soft-deleted, error, deleted, unknown";
    check(
        "kind,id,state",
        "instance,a,odd",
        &format!("unknown_state: state: `odd` is none of {states}"),
    );
    check(
        "kind,id",
        "instance,a,b",
        "invalid_field: the row is neither an object nor one of a CSV",
    );
}

#[test]
fn rows_may_be_json() {
    let text = r#"[{"system":"aws","kind":"volume","id":"v-1","volume[GiB]":10},
        {"namespace":"vsphere","kind":"instance","id":7,"state":"deleted"}]"#;
    assert_eq!(
        imported("a.json", text, &[]),
        [
            "aws/volume/v-1@created unknown 2026-10-01T12:00:00Z volume=10737418240 {}",
            "vsphere/instance/7@created unknown 2026-10-01T12:00:00Z  {}",
            "vsphere/instance/7@2026-10-01T12:00:00Z deleted 2026-10-01T12:00:00Z  {}",
        ]
    );
}
