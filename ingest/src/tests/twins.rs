//! One action that is sent twice, under two ids: what tells it from its next time.

use super::{changed, only, read};

const VERSIONED: &str = include_str!("../../fixtures/nova_instance.json");
const LEGACY: &str = include_str!("../../fixtures/nova_legacy.json");
const USAGE: &str = include_str!("../../fixtures/nova_volume_usage.json");
const VOLUME: &str = include_str!("../../fixtures/cinder_volume.json");
const SNAPSHOT: &str = include_str!("../../fixtures/cinder_snapshot.json");
const SERVER: &str = "openstack/instance/5d1f0c9e-7a4b-4a52-9a39-0f6f4b1f8e11";
const REQUEST: &str = "req-0b1d1c1e-0000-4000-8000-000000000001";
const DATA: &str = "/payload/nova_object.data";

/// The key and the form; without a twin, nothing.
fn twin(fixture: &str, changes: &[(&str, &str)]) -> String {
    let outcome = read(&changed(fixture, changes).to_string());
    let twin = only(&outcome.decoded).twin.clone();
    twin.map(|twin| format!("{} [{}]", twin.key, twin.form)).unwrap_or_default()
}

#[test]
fn both_formats_of_nova_name_the_request() {
    let context = format!(r#"{{"request_id": "{REQUEST}"}}"#);
    let versioned =
        |event_type: &str| twin(VERSIONED, &[("/event_type", event_type), ("/_context", &context)]);
    for (new, old) in [
        ("instance.create.end", "compute.instance.create.end"),
        ("instance.power_off.end", "compute.instance.power_off.end"),
        ("instance.resize_finish.end", "compute.instance.finish_resize.end"),
        ("instance.resize_confirm.end", "compute.instance.resize.confirm.end"),
        ("instance.resize_revert.end", "compute.instance.resize.revert.end"),
        ("instance.delete.end", "compute.instance.delete.end"),
    ] {
        let expect = format!("{SERVER} {} {REQUEST}", new.trim_start_matches("instance."));
        assert_eq!(versioned(new), format!("{expect} [versioned]"));
        // The three places in which a request stands.
        for (place, value) in [
            ("/_context_request_id", REQUEST),
            ("/ctxt", context.as_str()),
            ("/metadata", context.as_str()),
        ] {
            let got = twin(LEGACY, &[("/event_type", old), (place, value)]);
            assert_eq!(got, format!("{expect} [legacy]"), "{place}");
        }
    }
}

#[test]
fn without_a_request_only_a_time_of_its_own_tells() {
    let launched = "2026-10-01T08:00:12Z";
    assert_eq!(twin(VERSIONED, &[]), format!("{SERVER} create.end {launched} [versioned]"));
    // The legacy form prints microseconds of the same launch.
    assert_eq!(twin(LEGACY, &[]), format!("{SERVER} create.end {launched} [legacy]"));
    let gone = [
        ("/event_type", "compute.instance.delete.end"),
        ("/payload/deleted_at", "2026-10-02T10:00:00.5"),
    ];
    assert_eq!(twin(LEGACY, &gone), format!("{SERVER} delete.end 2026-10-02T10:00:00Z [legacy]"));
    // A stop has none, and two stops are two.
    assert_eq!(twin(LEGACY, &[("/event_type", "compute.instance.power_off.end")]), "");
    // What stands where a request was masked is no request.
    for mask in ["[redacted]", "req-", "", "req-with a space"] {
        let stop =
            [("/event_type", "compute.instance.power_off.end"), ("/_context_request_id", mask)];
        assert_eq!(twin(LEGACY, &stop), "", "{mask}");
    }
    // The versioned payload repeats it.
    let own = format!("{DATA}/request_id");
    let stop = [("/event_type", "instance.power_off.end"), (own.as_str(), REQUEST)];
    assert_eq!(twin(VERSIONED, &stop), format!("{SERVER} power_off.end {REQUEST} [versioned]"));
}

/// What is stored of a dead letter tells the action as what was sent did.
#[test]
fn a_stored_notification_still_names_its_request() {
    let context = format!(r#"{{"request_id": "{REQUEST}", "auth_token": "gAAAA"}}"#);
    for place in ["/_context", "/ctxt", "/_context_request_id"] {
        let value = if place == "/_context_request_id" { REQUEST } else { &context };
        let stop = [("/event_type", "compute.instance.power_off.end"), (place, value)];
        // It is dead: its time cannot be read.
        let dead = changed(LEGACY, &[stop[0], stop[1], ("/timestamp", "soon")]);
        let stored = String::from_utf8(read(&dead.to_string()).raw).expect("text");
        assert!(!stored.contains("gAAAA"), "{stored}");
        let mended = stored.replace("\"soon\"", "\"2026-10-01 08:00:12.5\"");
        let twin = only(&read(&mended).decoded).twin.clone().expect("a twin");
        assert_eq!(twin.key, format!("{SERVER} power_off.end {REQUEST}"), "{place}");
    }
}

#[test]
fn an_audit_is_told_by_its_window() {
    let window = "2026-10-02T09:00:00Z/2026-10-02T10:00:00Z";
    let legacy = [
        ("/event_type", "compute.instance.exists"),
        ("/payload/audit_period_beginning", "2026-10-02 09:00:00"),
        ("/payload/audit_period_ending", "2026-10-02 10:00:00"),
        ("/timestamp", "2026-10-02 10:00:31.5"),
        ("/_context_request_id", REQUEST),
    ];
    assert_eq!(twin(LEGACY, &legacy), format!("{SERVER} exists {window} [legacy]"));
    let period = r#"{"nova_object.data": {
        "audit_period_beginning": "2026-10-02T09:00:00Z",
        "audit_period_ending": "2026-10-02T10:00:00Z"
    }}"#;
    let place = format!("{DATA}/audit_period");
    let versioned = [
        ("/event_type", "instance.exists"),
        (place.as_str(), period),
        ("/timestamp", "2026-10-02 10:00:31"),
    ];
    assert_eq!(twin(VERSIONED, &versioned), format!("{SERVER} exists {window} [versioned]"));
}

#[test]
fn a_poll_of_a_volume_is_told_by_its_instant() {
    let volume = "openstack/volume/9e0a4c52-aaaa-4bbb-8ccc-0123456789ab";
    let expect = format!("{volume} volume.usage 2026-10-01T10:00:00Z");
    assert_eq!(twin(USAGE, &[]), format!("{expect} [versioned]"));
    let flat = r#"{"volume_id": "9e0a4c52-aaaa-4bbb-8ccc-0123456789ab", "tenant_id": "t",
        "instance_id": "i", "last_refreshed": "2026-10-01 10:00:00+00:00", "reads": 1,
        "writes": 2, "read_bytes": 3, "write_bytes": 4}"#;
    assert_eq!(twin(USAGE, &[("/payload", flat)]), format!("{expect} [legacy]"));
}

#[test]
fn cinder_tells_a_creation_and_a_deletion_again() {
    let volume = "openstack/volume/9e0a4c52-aaaa-4bbb-8ccc-0123456789ab";
    let again = [
        ("/payload/audit_period_beginning", "2026-10-01 09:00:00"),
        ("/payload/audit_period_ending", "2026-10-01 09:00:00"),
        ("/message_id", "another"),
    ];
    let check = |event_type: &str, what: &str| {
        let event_type = ("/event_type", event_type);
        let expect = format!("{volume} {what} 2026-10-01T09:00:00Z");
        assert_eq!(twin(VOLUME, &[event_type]), format!("{expect} [live]"));
        let resent = [event_type, again[0], again[1], again[2]];
        assert_eq!(twin(VOLUME, &resent), format!("{expect} [resent]"));
    };
    check("volume.create.end", "create");
    check("volume.manage_existing.end", "create");
    check("volume.delete.end", "delete");
    check("volume.unmanage.end", "delete");
    for event_type in ["volume.resize.end", "volume.retype", "volume.transfer.accept.end"] {
        assert_eq!(twin(VOLUME, &[("/event_type", event_type)]), "", "{event_type}");
    }
    assert!(twin(SNAPSHOT, &[]).ends_with(" create 2026-10-02T01:00:00Z [live]"));
    // Nothing tells one life from another.
    assert_eq!(twin(VOLUME, &[("/payload/created_at", "")]), "");
}
