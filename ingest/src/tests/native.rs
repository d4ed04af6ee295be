use super::{changed, context, only, read, summary};
use crate::decode;
use crate::{Decoded, Record};

const NATIVE: &str = include_str!("../../fixtures/native.json");

fn check(changes: &[(&str, &str)], expect: &str) {
    let got = summary(&read(&changed(NATIVE, changes).to_string()).decoded);
    assert_eq!(got, expect, "{changes:?}");
}

const KIND: &str = "/type";
const HELD: &str = "/data/held";
const USED: &str = "/data/used";
const WINDOW: &str = "/data/window";
const HOUR: &str = r#"{"start": "2026-10-31T23:00:00Z", "end": "2026-11-01T00:00:00Z"}"#;

#[test]
fn each_kind_is_read() {
    let held = "vcpu=2000000 memory=4294967296";
    check(&[], &format!("transition active 2026-10-01T00:00:00Z {held}"));
    check(
        &[("/data/terminal", "true"), ("/data/state", "")],
        &format!("transition deleted 2026-10-01T00:00:00Z terminal {held}"),
    );
    check(
        &[("/data/state", "deleted")],
        &format!("transition deleted 2026-10-01T00:00:00Z terminal {held}"),
    );
    check(
        &[(KIND, "dev.turnpike.usage.snapshot.v1")],
        &format!("snapshot active 2026-10-01T00:00:00Z {held}"),
    );
    let window = "window=2026-10-31T23:00:00Z..2026-11-01T00:00:00Z";
    check(
        &[
            (KIND, "dev.turnpike.usage.audit.v1"),
            (WINDOW, HOUR),
            ("/time", ""),
            ("/data/since", "2026-09-01T00:00:00Z"),
        ],
        &format!("audit active 2026-11-01T00:00:00Z since=2026-09-01T00:00:00Z {window} {held}"),
    );
    let used = r#"[{"meter": "egress", "quantity": "1.5", "unit": "GiB"}]"#;
    check(
        &[(KIND, "dev.turnpike.usage.delta.v1"), (WINDOW, HOUR), (HELD, ""), (USED, used)],
        &format!("delta active 2026-10-31T23:59:59.999999Z {window} egress=1610612736"),
    );
    check(
        &[(KIND, "dev.turnpike.usage.delta.v1"), (HELD, ""), (USED, used), ("/data/state", "")],
        "delta - 2026-10-01T00:00:00Z egress=1610612736",
    );
    check(
        &[(KIND, "dev.turnpike.usage.interval.v1"), (WINDOW, HOUR), ("/data/seconds", "1800")],
        &format!("interval active 2026-10-31T23:59:59.999999Z {window} {held}"),
    );
}

#[test]
fn mistakes_name_their_field() {
    check(
        &[(KIND, "dev.turnpike.usage.guess.v1")],
        "invalid_field: type: `dev.turnpike.usage.guess.v1` is none of dev.turnpike.usage.(transition|snapshot|audit|delta|interval|correction).v1",
    );
    check(
        &[(KIND, "com.example.other")],
        "unrecognised: no adapter reads CloudEvents of type `com.example.other`",
    );
    check(&[("/specversion", "\"0.3\"")], "invalid_field: specversion: `0.3` is not 1.0");
    check(&[("/id", "7")], "invalid_field: id: a number where a string is expected");
    check(&[("/id", "\"\"")], "invalid_id: id is empty");
    check(&[("/data", "")], "missing_field: data: the event has none");
    check(&[("/time", "")], "missing_field: time: an event of kind transition needs one");
    check(
        &[("/time", "2026-10-01T00:00:00")],
        "bad_time: time: `2026-10-01T00:00:00` is not an RFC 3339 instant such as 2026-10-01T00:00:00Z (`2026-10-01T00:00:00`)",
    );
    check(
        &[("/time", "1960-10-01T00:00:00Z")],
        "time_range: time: the instant lies outside the years 1970 to 2999 (`1960-10-01T00:00:00Z`)",
    );
    check(
        &[("/data/resource", r#"{"kind": "instance"}"#)],
        "missing_field: data.resource: missing field `id`",
    );
    check(
        &[("/data/colour", "1")],
        "invalid_field: data: unknown field `colour`, expected one of `namespace`, `resource`, `owner`, `project`, `site`, `region`, `state`, `terminal`, `since`, `window`, `seconds`, `incarnation`, `held`, `used`, `attributes`, `tags`, `correction`",
    );
    check(
        &[("/data/state", "warped")],
        "invalid_field: data.state: unknown variant `warped`, expected one of `building`, `active`, `paused`, `suspended`, `stopped`, `shelved`, `shelved-offloaded`, `soft-deleted`, `error`, `deleted`",
    );
    check(
        &[("/data/namespace", "a/b")],
        "invalid_id: data.namespace: `a/b` is empty or holds a `/`",
    );
    check(
        &[("/data/resource/parent", "i1")],
        "invalid_field: data.resource.parent: `i1` is not kind/id",
    );
    check(&[("/data/owner", "\"\"")], "invalid_id: data.owner is empty");
    check(
        &[("/data/terminal", "true")],
        "invalid_field: data.state: a terminal event leaves the state deleted",
    );
    check(
        &[(KIND, "dev.turnpike.usage.audit.v1")],
        "missing_field: data.window: an event of kind audit needs one",
    );
    check(
        &[(KIND, "dev.turnpike.usage.delta.v1")],
        "invalid_field: data.held: an event of kind delta holds nothing",
    );
    check(
        &[("/data/seconds", "5")],
        "invalid_field: data.seconds: an event of kind transition has none",
    );
    let backwards = r#"{"end": "2026-10-31T23:00:00Z", "start": "2026-11-01T00:00:00Z"}"#;
    check(
        &[(WINDOW, backwards)],
        "bad_window: the window ends at 2026-10-31T23:00:00Z, before it starts at 2026-11-01T00:00:00Z",
    );
    check(
        &[(KIND, "dev.turnpike.usage.interval.v1"), (WINDOW, HOUR), ("/data/seconds", "3601")],
        "bad_window: data.seconds: 3601 do not fit between 2026-10-31T23:00:00Z and 2026-11-01T00:00:00Z",
    );
}

#[test]
fn quantities_are_exact_or_refused() {
    let held = |text: &str, expect: &str| check(&[(HELD, text)], expect);
    let at = "transition active 2026-10-01T00:00:00Z";
    held(
        r#"[{"meter": "memory", "quantity": 4194304, "unit": "KiB"}]"#,
        &format!("{at} memory=4294967296"),
    );
    held(r#"[{"meter": "vcpu", "quantity": "0.000001"}]"#, &format!("{at} vcpu=1"));
    held(
        r#"[{"meter": "memory", "quantity": "4", "unit": "gib"}]"#,
        "unknown_unit: data.held[0].unit: `gib` is no unit of memory; it has byte, KiB, MiB, GiB, TiB, kB, MB, GB, TB",
    );
    held(
        r#"[{"meter": "vcpu", "quantity": "0.0000001"}]"#,
        "quantity_precision: data.held[0].quantity: `0.0000001` would have to be rounded to 6 decimals",
    );
    held(
        r#"[{"meter": "memory", "quantity": "123456789012345678901234567890"}]"#,
        "quantity_range: data.held[0].quantity: `123456789012345678901234567890` does not fit in 64 bits at 0 decimals",
    );
    held(
        r#"[{"meter": "vcpu", "quantity": "-1"}]"#,
        "quantity_negative: data.held[0].quantity: `-1` is negative",
    );
    held(
        r#"[{"meter": "vcpu", "quantity": "two"}]"#,
        "quantity_invalid: data.held[0].quantity: `two` is not a decimal number",
    );
    held(
        r#"[{"meter": "vcpu", "quantity": true}]"#,
        "invalid_field: data.held[0].quantity: a quantity is a number or a decimal string",
    );
    held(
        r#"[{"meter": "vcpu", "quantity": 1}, {"meter": "memory"}]"#,
        "missing_field: data.held[1]: missing field `quantity`",
    );
    held(
        r#"[{"meter": "V CPU", "quantity": 1}]"#,
        "invalid_id: data.held[0].meter: meter id `V CPU` holds 'V'; allowed are a-z, 0-9, `.`, `_` and `-`",
    );
    held(
        r#"[{"meter": "vcpu", "quantity": 1}, {"meter": "vcpu", "quantity": 1}]"#,
        "duplicate_meter: meter `vcpu` stands twice in one event",
    );
    held(r#"[{"meter": "gpu", "quantity": "0.5", "unit": "card"}]"#, &format!("{at} gpu=500000"));
    let undeclared =
        changed(NATIVE, &[(HELD, r#"[{"meter": "gpu", "quantity": "0.5", "unit": "card"}]"#)]);
    let outcome = read(&undeclared.to_string());
    assert_eq!(only(&outcome.decoded).attributes["unit:gpu"], "card");
    assert_eq!(only(&outcome.decoded).measurements[0].scale, 6);
    let digits = NATIVE.replace("\"quantity\": 2 ", "\"quantity\": 0.1000000000000000055 ");
    assert!(
        summary(&read(&digits).decoded).starts_with("quantity_precision"),
        "no float in between"
    );
}

#[test]
fn the_resource_and_its_holder_are_named_within_their_namespace() {
    let outcome = read(&changed(NATIVE, &[("/data/resource/parent", "host/h-1")]).to_string());
    let event = only(&outcome.decoded);
    assert_eq!(event.resource.as_ref().map(|id| id.as_str()), Some("acme/instance/i-1"));
    assert_eq!(event.parent.as_ref().map(|id| id.as_str()), Some("acme/host/h-1"));
    assert_eq!(event.owner.as_ref().map(|owner| owner.as_str()), Some("acme/shop"));
    assert_eq!((event.project.as_deref(), event.system.as_str()), (Some("web"), "native"));
    let outcome = read(&changed(NATIVE, &[("/data/namespace", "")]).to_string());
    let event = only(&outcome.decoded);
    assert_eq!(event.resource.as_ref().map(|id| id.as_str()), Some("native/instance/i-1"));
}

#[test]
fn all_three_modes_of_cloudevents_are_one_event() {
    let expect = only(&read(NATIVE).decoded).clone();
    let value: serde_json::Value = serde_json::from_str(NATIVE).expect("json");
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let structured = [header("Content-Type", "Application/CloudEvents+JSON; charset=utf-8")];
    let mut binary = vec![header("content-type", "application/json")];
    for name in ["specversion", "id", "source", "type", "subject", "time"] {
        binary.push(header(&format!("ce_{name}"), value[name].as_str().expect("text")));
    }
    let data = value["data"].to_string();
    let json = [header("content-type", "application/json")];
    for (headers, body) in [(&structured[..], NATIVE), (&binary, &data), (&json, NATIVE)] {
        let record = Record { headers, ..Record::of(body.as_bytes()) };
        let outcome = decode::read(&record, &context());
        assert_eq!(only(&outcome.decoded), &expect);
        // What is stored can be read again without its headers.
        let raw = String::from_utf8(outcome.raw).expect("text");
        assert_eq!(only(&read(&raw).decoded), &expect);
    }
    let avro = [header("content-type", "application/cloudevents+avro")];
    let record = Record { headers: &avro, ..Record::of(b"\x00") };
    assert!(
        matches!(&crate::decode(&record, &context())[..], [Decoded::Dead(reject)] if reject.code == "content_type")
    );
}

#[test]
fn corrections_name_what_they_change() {
    let correction = |changes: &[(&str, &str)]| {
        let decoded = read(&changed(NATIVE, changes).to_string()).decoded;
        let found = only(&decoded).correction.clone().expect("a correction");
        (found.action.as_str(), found.target)
    };
    let key = Some("/agent\u{1f}e-1".to_owned());
    const CORRECTION: &str = "/data/correction";
    let of = |action: &str| {
        format!(
            r#"{{"action": "{action}", "target": {{"source": "/agent", "id": "e-1"}}, "reason": "x"}}"#
        )
    };
    let alone = |action: &str| {
        format!(
            r#"{{"correction": {}, "resource": {{"kind": "instance", "id": "i"}}}}"#,
            of(action)
        )
    };
    const TYPE: &str = "dev.turnpike.usage.correction.v1";
    assert_eq!(correction(&[(CORRECTION, &of("amend"))]), ("amend", key.clone()));
    let backfill = r#"{"action": "backfill"}"#;
    assert_eq!(correction(&[(CORRECTION, backfill)]), ("backfill", None));
    for action in ["retract", "revert"] {
        let changes: &[(&str, &str)] = &[(KIND, TYPE), ("/data", &alone(action))];
        assert_eq!(correction(changes), (action, key.clone()));
        let decoded = read(&changed(NATIVE, changes).to_string()).decoded;
        assert!(matches!(decoded.as_slice(), [Decoded::Unmetered(_)]));
        check(
            &[(CORRECTION, &of(action))],
            "invalid_field: data.correction.action: retract and revert are events of the type dev.turnpike.usage.correction.v1",
        );
    }
    check(
        &[(KIND, TYPE), ("/data", &alone("amend"))],
        "invalid_field: data.correction.action: amend and backfill ride on an event with the full data",
    );
    check(
        &[(CORRECTION, &of("backfill"))],
        "invalid_field: data.correction.target: a backfill adds an event and changes none",
    );
    check(
        &[(CORRECTION, r#"{"action": "amend"}"#)],
        "missing_field: data.correction.target: amend names the event that it changes",
    );
    check(
        &[(CORRECTION, r#"{"action": "amend", "target": {"source": "", "id": "e-1"}}"#)],
        "invalid_id: data.correction.target.source: `` is empty, too long or holds a control character",
    );
    check(
        &[(KIND, TYPE), ("/data", &alone("retract")), ("/time", "")],
        "missing_field: time: a correction needs one",
    );
    let own: serde_json::Value = serde_json::from_str(NATIVE).expect("the fixture is JSON");
    let own = format!(
        r#"{{"action": "amend", "target": {{"source": {}, "id": {}}}}}"#,
        own["source"], own["id"]
    );
    check(
        &[(CORRECTION, &own)],
        "invalid_field: data.correction.target: an event does not correct itself",
    );
}
