use super::{changed, only, read, summary};

const VOLUME: &str = include_str!("../../fixtures/cinder_volume.json");
const SNAPSHOT: &str = include_str!("../../fixtures/cinder_snapshot.json");
const LAUNCHED: &str = "2026-10-01T09:00:01.500Z";

fn check(fixture: &str, event_type: &str, changes: &[(&str, &str)], expect: &str) {
    let mut all = vec![("/event_type".to_owned(), event_type)];
    all.extend(changes.iter().map(|(field, value)| {
        let absolute = field.starts_with('/');
        (if absolute { (*field).to_owned() } else { format!("/payload/{field}") }, *value)
    }));
    let all: Vec<(&str, &str)> =
        all.iter().map(|(field, value)| (field.as_str(), *value)).collect();
    let got = summary(&read(&changed(fixture, &all).to_string()).decoded);
    assert_eq!(got, expect, "{event_type} {changes:?}");
}

#[test]
fn volumes_begin_change_and_end() {
    let ten = "volume=10737418240";
    check(VOLUME, "volume.create.end", &[], &format!("transition active {LAUNCHED} {ten}"));
    check(
        VOLUME,
        "volume.create.end",
        &[("launched_at", "null")],
        &format!("transition active 2026-10-01T09:00:00Z {ten}"),
    );
    let later = ("/timestamp", "2026-10-05 12:00:00.000001");
    let at = "2026-10-05T12:00:00.000001Z";
    for event_type in ["volume.resize.end", "volume.retype", "volume.transfer.accept.end"] {
        let expect = format!("transition active {at} volume=21474836480");
        check(VOLUME, event_type, &[("size", "20"), later], &expect);
    }
    for event_type in ["volume.attach.end", "volume.detach.end", "volume.update.end"] {
        check(
            VOLUME,
            event_type,
            &[later],
            &format!("transition active {at} since={LAUNCHED} {ten}"),
        );
    }
    check(
        VOLUME,
        "volume.delete.end",
        &[("status", "deleting"), later],
        &format!("transition deleted {at} terminal since={LAUNCHED} {ten}"),
    );
    for event_type in ["volume.create.start", "volume.delete.start", "volume.attach.start"] {
        check(VOLUME, event_type, &[], &format!("unmetered /openstack/cinder {event_type}"));
    }
}

#[test]
fn audits_say_what_was_there() {
    let ten = "volume=10737418240";
    let window = [
        ("audit_period_beginning", "2026-10-02 00:00:00"),
        ("audit_period_ending", "2026-10-02 01:00:00+00:00"),
        ("/timestamp", "2026-10-02 01:07:00.5"),
    ];
    let shown = "window=2026-10-02T00:00:00Z..2026-10-02T01:00:00Z";
    let seen = "2026-10-02T01:07:00.500Z";
    check(
        VOLUME,
        "volume.exists",
        &window,
        &format!("audit active {seen} since={LAUNCHED} {shown} {ten}"),
    );
    // Cinder writes the present where `launched_at` is null.
    let mut invented = window.to_vec();
    invented.push(("launched_at", "2026-10-02T01:06:59"));
    check(
        VOLUME,
        "volume.exists",
        &invented,
        &format!("audit active {seen} since=2026-10-01T09:00:00Z {shown} {ten}"),
    );
    let mut creating = window.to_vec();
    creating.push(("status", "creating"));
    check(
        VOLUME,
        "volume.exists",
        &creating,
        &format!("audit building {seen} since={LAUNCHED} {shown} {ten}"),
    );
    let mut gone = window.to_vec();
    gone.push(("deleted_at", "2026-10-02T00:30:00"));
    check(
        VOLUME,
        "volume.exists",
        &gone,
        &format!("audit deleted 2026-10-02T00:30:00Z terminal since={LAUNCHED} {shown} {ten}"),
    );
    check(
        VOLUME,
        "volume.exists",
        &[],
        "missing_field: payload.audit_period_beginning: the notification has none",
    );
}

#[test]
fn what_was_never_created_is_not_there() {
    let ten = "volume=10737418240";
    let window = [
        ("audit_period_beginning", "2026-10-02 00:00:00"),
        ("audit_period_ending", "2026-10-02 01:00:00"),
        ("/timestamp", "2026-10-02 01:07:00.5"),
    ];
    let with = |changes: &[(&'static str, &'static str)]| [&window[..], changes].concat();
    let since = |since: &str| {
        format!(
            "2026-10-02T01:07:00.500Z since={since} window=2026-10-02T00:00:00Z..2026-10-02T01:00:00Z {ten}"
        )
    };
    let created = "2026-10-01T09:00:00Z";
    // An operator has set it: what was launched is still stored.
    check(
        VOLUME,
        "volume.exists",
        &with(&[("status", "error")]),
        &format!("audit error {}", since(LAUNCHED)),
    );
    // Its creation failed: the launch is the present, which Cinder writes where there was none.
    check(
        VOLUME,
        "volume.exists",
        &with(&[("status", "error"), ("launched_at", "2026-10-02T01:07:00")]),
        &format!("audit building {}", since(created)),
    );
    check(
        VOLUME,
        "volume.exists",
        &with(&[("status", "error_managing"), ("launched_at", "null")]),
        &format!("audit building {}", since(created)),
    );
    for status in ["error_extending", "error_deleting", "error_restoring", "in-use", "maintenance"]
    {
        check(
            VOLUME,
            "volume.exists",
            &with(&[("status", status)]),
            &format!("audit active {}", since(LAUNCHED)),
        );
    }
    // A snapshot and a backup have no launch: `error` is that of their creation.
    check(
        SNAPSHOT,
        "snapshot.create.end",
        &[("status", "error")],
        "transition building 2026-10-02T01:00:00Z snapshot=10737418240",
    );
}

#[test]
fn audits_tell_of_deletions_by_status() {
    let window = [
        ("audit_period_beginning", "2026-10-02 00:00:00"),
        ("audit_period_ending", "2026-10-02 03:00:00"),
        ("/timestamp", "2026-10-02 03:07:00"),
        ("/metadata/timestamp", "2026-10-02 03:07:00"),
    ];
    let shown = "window=2026-10-02T00:00:00Z..2026-10-02T03:00:00Z";
    // When in its window it does not say: the end stands after every report that does.
    check(
        VOLUME,
        "volume.exists",
        &[&window[..3], &[("status", "deleted")]].concat(),
        &format!(
            "audit deleted 2026-10-02T03:00:00Z terminal since={LAUNCHED} {shown} volume=10737418240"
        ),
    );
    check(
        SNAPSHOT,
        "snapshot.exists",
        &[&window[..2], &window[3..], &[("deleted", "\"True\"")]].concat(),
        &format!(
            "audit deleted 2026-10-02T03:00:00Z terminal since=2026-10-02T01:00:00Z {shown} snapshot=10737418240"
        ),
    );
}

#[test]
fn volumes_come_under_management_and_leave_it() {
    let ten = "volume=10737418240";
    check(
        VOLUME,
        "volume.manage_existing.end",
        &[],
        &format!("transition active {LAUNCHED} {ten}"),
    );
    let later = ("/timestamp", "2026-10-05 12:00:00");
    check(
        VOLUME,
        "volume.unmanage.end",
        &[later],
        &format!("transition deleted 2026-10-05T12:00:00Z terminal since={LAUNCHED} {ten}"),
    );
    check(
        VOLUME,
        "volume.revert.end",
        &[later, ("size", "5")],
        "transition active 2026-10-05T12:00:00Z volume=5368709120",
    );
    check(
        SNAPSHOT,
        "snapshot.manage_existing_snapshot.end",
        &[],
        "transition active 2026-10-02T01:00:00Z snapshot=10737418240",
    );
    for event_type in
        ["volume.transfer.create.end", "volume.manage_existing.start", "volume.migrate.end"]
    {
        check(VOLUME, event_type, &[], &format!("unmetered /openstack/cinder {event_type}"));
    }
    let outcome = read(
        &changed(
            VOLUME,
            &[
                ("/event_type", "volume.transfer.accept.end"),
                ("/payload/tenant_id", "another"),
                ("/timestamp", "2026-10-05 12:00:00"),
            ],
        )
        .to_string(),
    );
    let event = only(&outcome.decoded);
    assert_eq!(event.owner.as_ref().map(|owner| owner.as_str()), Some("openstack/another"));
    assert_eq!(event.project.as_deref(), Some("another"));
}

#[test]
fn what_the_audit_command_sends_again_takes_effect_when_it_did() {
    let ten = "volume=10737418240";
    let again = |at: &'static str| {
        [
            ("audit_period_beginning", at),
            ("audit_period_ending", at),
            ("/timestamp", "2026-10-02 01:07:01"),
        ]
    };
    check(
        VOLUME,
        "volume.delete.end",
        &again("2026-10-01 18:00:00"),
        &format!("transition deleted 2026-10-01T18:00:00Z terminal since={LAUNCHED} {ten}"),
    );
    // Releases that give the creation there say nothing of the deletion.
    check(
        VOLUME,
        "volume.delete.end",
        &again("2026-10-01 09:00:00"),
        &format!("transition deleted 2026-10-02T01:07:01Z terminal since={LAUNCHED} {ten}"),
    );
    let mut created = again("2026-10-01 09:00:00").to_vec();
    check(VOLUME, "volume.create.end", &created, &format!("transition active {LAUNCHED} {ten}"));
    created.push(("launched_at", "2026-10-02T01:07:00"));
    check(
        VOLUME,
        "volume.create.end",
        &created,
        &format!("transition active 2026-10-01T09:00:00Z {ten}"),
    );
}

#[test]
fn snapshots_and_backups() {
    check(
        SNAPSHOT,
        "snapshot.create.end",
        &[],
        "transition active 2026-10-02T01:00:00Z snapshot=10737418240",
    );
    check(
        SNAPSHOT,
        "snapshot.delete.end",
        &[("/metadata/timestamp", "2026-10-03 00:00:00.25")],
        "transition deleted 2026-10-03T00:00:00.250Z terminal since=2026-10-02T01:00:00Z snapshot=10737418240",
    );
    check(
        SNAPSHOT,
        "backup.create.end",
        &[("backup_id", "b-1"), ("size", "3")],
        "transition active 2026-10-02T01:00:00Z backup=3221225472",
    );
    check(
        SNAPSHOT,
        "backup.create.end",
        &[],
        "missing_field: payload.backup_id: the notification has none",
    );
    check(
        VOLUME,
        "volume.create.end",
        &[("size", "9223372036854775807")],
        "quantity_range: payload.size: `9223372036854775807` does not fit in 64 bits at 0 decimals",
    );
}

#[test]
fn volumes_are_described() {
    let attached = r#"[{"instance_uuid": "i-9", "attach_status": "attached"}]"#;
    let changes = [
        ("/event_type", "volume.attach.end"),
        ("/payload/volume_attachment", attached),
        ("/payload/metadata", r#"[{"key": "team", "value": "shop"}]"#),
        ("/message_id", ""),
    ];
    let outcome = read(&changed(VOLUME, &changes).to_string());
    let event = only(&outcome.decoded);
    assert_eq!(event.parent.as_ref().map(|id| id.as_str()), Some("openstack/instance/i-9"));
    assert_eq!(event.attributes["tier"], "ssd");
    assert_eq!(
        event.tags.as_ref().and_then(|tags| tags.get("team")).map(String::as_str),
        Some("shop")
    );
    assert_eq!(event.source, "/openstack/cinder");
    // Without an id of its own, what it says identifies it.
    assert!(event.id.starts_with("sha256:") && event.id.len() == 39);
    let again = read(&changed(VOLUME, &changes).to_string());
    assert_eq!(only(&again.decoded).id, event.id);
    let outcome = read(&changed(SNAPSHOT, &[]).to_string());
    let event = only(&outcome.decoded);
    assert_eq!(event.id, "6a1c2f30-0000-4000-8000-000000000004");
    let parent = event.parent.as_ref().map(|id| id.as_str());
    assert_eq!(parent, Some("openstack/volume/9e0a4c52-aaaa-4bbb-8ccc-0123456789ab"));
}
