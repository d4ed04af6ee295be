use turnpike_schemas::Flow;

use super::{changed, only, read, summary};

const VERSIONED: &str = include_str!("../../fixtures/nova_instance.json");
const LEGACY: &str = include_str!("../../fixtures/nova_legacy.json");
const USAGE: &str = include_str!("../../fixtures/nova_volume_usage.json");
const DATA: &str = "/payload/nova_object.data";
const SIZES: &str =
    "instance=1 vcpu=2000000 memory=4294967296 root-disk=21474836480 ephemeral-disk=0";

fn check(event_type: &str, changes: &[(&str, &str)], expect: &str) {
    let mut all = vec![("/event_type".to_owned(), event_type)];
    all.extend(changes.iter().map(|(field, value)| {
        let absolute = field.starts_with('/');
        (if absolute { (*field).to_owned() } else { format!("{DATA}/{field}") }, *value)
    }));
    let all: Vec<(&str, &str)> =
        all.iter().map(|(field, value)| (field.as_str(), *value)).collect();
    let message = changed(VERSIONED, &all).to_string();
    let expect = expect.replace("SIZES", SIZES);
    assert_eq!(summary(&read(&message).decoded), expect, "{event_type} {changes:?}");
    // The same within its envelope, as Kafka delivers it.
    let envelope = serde_json::json!({"oslo.version": "2.0", "oslo.message": message});
    assert_eq!(summary(&read(&envelope.to_string()).decoded), expect, "enveloped {event_type}");
}

#[test]
fn each_notification_takes_effect_at_its_instant() {
    let sent = "2026-10-01T08:00:13.250301Z";
    let launched = "2026-10-01T08:00:12Z";
    check("instance.create.end", &[], &format!("transition active {launched} SIZES"));
    check(
        "instance.create.end",
        &[("launched_at", "null"), ("state", "building")],
        &format!("transition building {sent} SIZES"),
    );
    check(
        "instance.create.end",
        &[("launched_at", "null"), ("state", "error")],
        &format!("transition building {sent} SIZES"),
    );
    let now = |state: &str| format!("transition {state} {sent} since={launched} SIZES");
    check("instance.power_off.end", &[("state", "stopped")], &now("stopped"));
    check("instance.power_on.end", &[], &now("active"));
    check("instance.pause.end", &[("state", "paused")], &now("paused"));
    check("instance.unpause.end", &[], &now("active"));
    check("instance.suspend.end", &[("state", "suspended")], &now("suspended"));
    check("instance.resume.end", &[], &now("active"));
    check("instance.shelve.end", &[("state", "shelved")], &now("shelved"));
    check(
        "instance.shelve_offload.end",
        &[("state", "shelved_offloaded")],
        &now("shelved-offloaded"),
    );
    check("instance.unshelve.end", &[], &now("active"));
    check("instance.soft_delete.end", &[("state", "active")], &now("soft-deleted"));
    check("instance.restore.end", &[], &now("active"));
    check("instance.rescue.end", &[("state", "rescued")], &now("active"));
    check("instance.unrescue.end", &[], &now("active"));
    check("instance.rebuild.end", &[], &now("active"));
    check("instance.reboot.end", &[], &now("active"));
    check("instance.resize_confirm.end", &[], &now("active"));
    check("instance.rebuild.end", &[("state", "stopped")], &now("stopped"));
}

#[test]
fn a_resize_takes_effect_where_it_finishes() {
    let flavor = format!("{DATA}/flavor/nova_object.data");
    let (vcpus, memory) = (format!("{flavor}/vcpus"), format!("{flavor}/memory_mb"));
    let bigger: [(&str, &str); 4] = [
        (&vcpus, "4"),
        (&memory, "8192"),
        ("launched_at", "2026-10-01T20:40:49Z"),
        ("/timestamp", "2026-10-01 20:40:50"),
    ];
    let sizes = "instance=1 vcpu=4000000 memory=8589934592 root-disk=21474836480 ephemeral-disk=0";
    for event_type in
        ["instance.resize_prep.end", "instance.resize.end", "instance.resize_finish.start"]
    {
        check(event_type, &bigger, &format!("unmetered /openstack/nova {event_type}"));
    }
    let mut finish = bigger.to_vec();
    finish.push(("state", "resized"));
    check(
        "instance.resize_finish.end",
        &finish,
        &format!("transition active 2026-10-01T20:40:49Z {sizes}"),
    );
    finish.push(("power_state", "shutdown"));
    check(
        "instance.resize_finish.end",
        &finish,
        &format!("transition stopped 2026-10-01T20:40:49Z {sizes}"),
    );
    // Reverted: Nova launches it anew, moments before it says so.
    check(
        "instance.resize_revert.end",
        &[("launched_at", "2026-10-01T20:45:00Z"), ("/timestamp", "2026-10-01 20:45:02")],
        "transition active 2026-10-01T20:45:00Z SIZES",
    );
    // A launch of long ago is not the revert's.
    check(
        "instance.resize_revert.end",
        &[("/timestamp", "2026-10-01 20:45:02")],
        "transition active 2026-10-01T20:45:02Z since=2026-10-01T08:00:12Z SIZES",
    );
}

#[test]
fn an_end_is_where_the_guest_ended() {
    let end = "deleted 2026-10-02T10:00:00Z terminal since=2026-10-01T08:00:12Z";
    let both = [("terminated_at", "2026-10-02T10:00:00Z"), ("deleted_at", "2026-10-02T10:00:04Z")];
    check("instance.delete.end", &both, &format!("transition {end} SIZES"));
    let deleted = [("deleted_at", "2026-10-02T10:00:00Z")];
    check("instance.delete.end", &deleted, &format!("transition {end} SIZES"));
    check(
        "instance.delete.end",
        &[("/timestamp", "2026-10-02 10:00:00")],
        &format!("transition {end} SIZES"),
    );
    let period = r#"{"nova_object.data": {
        "audit_period_beginning": "2026-10-02T09:00:00Z",
        "audit_period_ending": "2026-10-02T10:00:00Z"
    }}"#;
    let window = "window=2026-10-02T09:00:00Z..2026-10-02T10:00:00Z";
    let audit = [("audit_period", period), ("/timestamp", "2026-10-02 10:00:31")];
    check(
        "instance.exists",
        &audit,
        &format!("audit active 2026-10-02T10:00:31Z since=2026-10-01T08:00:12Z {window} SIZES"),
    );
    let mut gone = audit.to_vec();
    gone.extend([("deleted_at", "2026-10-02T09:20:00Z"), ("state", "deleted")]);
    check(
        "instance.exists",
        &gone,
        &format!(
            "audit deleted 2026-10-02T09:20:00Z terminal since=2026-10-01T08:00:12Z {window} SIZES"
        ),
    );
}

#[test]
fn what_meters_nothing_is_kept_as_such() {
    for event_type in [
        "instance.create.start",
        "instance.delete.start",
        "instance.create.error",
        "instance.update",
        "instance.live_migration_post.end",
        "instance.live_migration_post_dest.end",
        "instance.live_migration_rollback.end",
        "instance.live_migration_force_complete.end",
        "instance.evacuate",
        "instance.lock",
        "instance.unlock",
        "instance.snapshot.end",
        "instance.trigger_crash_dump.end",
        "instance.interface_attach.end",
        "instance.volume_attach.end",
        "instance.volume_swap.end",
        "instance.rebuild_scheduled",
        "compute.metrics.update",
        "compute.instance.update",
        "instance.resize_prep.start",
        "flavor.create",
        "service.update",
    ] {
        check(event_type, &[], &format!("unmetered /openstack/nova {event_type}"));
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let memory = format!("{DATA}/flavor/nova_object.data/memory_mb");
    check(
        "instance.create.end",
        &[("uuid", "null")],
        "missing_field: payload.instance_id: the notification has none",
    );
    check(
        "instance.create.end",
        &[("state", "warped")],
        "unknown_state: payload.state: `warped` is no state of an instance",
    );
    check(
        "instance.create.end",
        &[("launched_at", "soon")],
        "bad_time: payload.launched_at: `soon` is no time such as 2026-10-01 00:00:00.000000",
    );
    check(
        "instance.create.end",
        &[(&memory, "-1")],
        "quantity_negative: payload.flavor.memory_mb: `-1` is negative",
    );
    check(
        "instance.create.end",
        &[(&memory, "0.3")],
        "quantity_precision: payload.flavor.memory_mb: `0.3` would have to be rounded to 0 decimals",
    );
    check(
        "instance.create.end",
        &[(&memory, "true")],
        "invalid_field: payload.flavor.memory_mb: a boolean where a number is expected",
    );
    check(
        "instance.power_off.end",
        &[("/timestamp", "")],
        "missing_field: timestamp: the notification has none",
    );
    check(
        "instance.exists",
        &[],
        "missing_field: payload.audit_period_beginning: the notification has none",
    );
    check(
        "instance.create.end",
        &[("launched_at", "2026-11-21T03:05:01Z")],
        "future_time: time: 2026-11-21T03:05:01Z lies more than five minutes after 2026-11-21T03:00:00Z",
    );
    check(
        "instance.create.end",
        &[("launched_at", "2026-11-21T03:05:00Z")],
        "transition active 2026-11-21T03:05:00Z SIZES",
    );
    let long = format!("\"{}\"", "x".repeat(600));
    let got = read(&changed(VERSIONED, &[("/payload/nova_object.data/uuid", &long)]).to_string());
    assert!(summary(&got.decoded).starts_with("invalid_id: resource id `openstack/instance/xxx"));
}

#[test]
fn legacy_notifications_say_the_same() {
    let legacy =
        |changes: &[(&str, &str)]| summary(&read(&changed(LEGACY, changes).to_string()).decoded);
    assert_eq!(legacy(&[]), format!("transition active 2026-10-01T08:00:12.702356Z {SIZES}"));
    assert_eq!(
        legacy(&[("/event_type", "compute.instance.finish_resize.end")]),
        format!("transition active 2026-10-01T08:00:12.702356Z {SIZES}")
    );
    assert_eq!(
        legacy(&[("/payload/launched_at", "\"\""), ("/payload/state", "building")]),
        format!("transition building 2026-10-01T08:00:13.250301Z {SIZES}")
    );
    assert_eq!(
        legacy(&[
            ("/event_type", "compute.instance.exists"),
            ("/payload/audit_period_beginning", "2026-10-02 09:00:00"),
            ("/payload/audit_period_ending", "2026-10-02 10:00:00"),
            ("/timestamp", "2026-10-02 10:00:31.5"),
        ]),
        format!(
            "audit active 2026-10-02T10:00:31.500Z since=2026-10-01T08:00:12.702356Z \
             window=2026-10-02T09:00:00Z..2026-10-02T10:00:00Z {SIZES}"
        )
    );
    assert_eq!(
        legacy(&[("/event_type", "compute.instance.resize.prep.end")]),
        "unmetered /openstack/nova compute.instance.resize.prep.end"
    );
}

#[test]
fn the_instance_is_described_and_its_secrets_are_not_kept() {
    let outcome = read(&changed(VERSIONED, &[]).to_string());
    let event = only(&outcome.decoded);
    assert_eq!(event.source, "/openstack/nova");
    assert_eq!(event.id, "6a1c2f30-0000-4000-8000-000000000001");
    assert_eq!(event.system, "openstack-nova");
    let resource = event.resource.as_ref().map(|id| id.as_str());
    assert_eq!(resource, Some("openstack/instance/5d1f0c9e-7a4b-4a52-9a39-0f6f4b1f8e11"));
    let owner = event.owner.as_ref().map(|owner| owner.as_str());
    assert_eq!(owner, Some("openstack/b7f1c5a2d3e44f1c8a9b0c1d2e3f4a5b"));
    assert_eq!(event.project.as_deref(), Some("b7f1c5a2d3e44f1c8a9b0c1d2e3f4a5b"));
    let attributes: Vec<(&str, &str)> =
        event.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expect = [("availability_zone", "az-1"), ("flavor", "m1.small"), ("os_type", "linux")];
    assert_eq!(attributes, expect);
    let tags = event.tags.as_ref().expect("tags");
    assert_eq!(tags["team"], "shop");
    assert_eq!(tags["db_password"], "[redacted]");
    for fixture in [VERSIONED, LEGACY] {
        for text in [
            fixture.to_owned(),
            serde_json::json!({"oslo.version": "2.0", "oslo.message": fixture}).to_string(),
            serde_json::json!({"topic": "t", "partition": 0, "offset": 1, "value":
                serde_json::json!({"oslo.version": "2.0", "oslo.message": fixture}).to_string()})
            .to_string(),
            // Cut in the middle: a dead letter, masked as well as can be.
            fixture[..fixture.len() - 40].to_owned(),
        ] {
            let raw = String::from_utf8(read(&text).raw).expect("text");
            assert!(!raw.contains("very-secret"), "{raw}");
            assert!(!raw.contains("hunter2"), "{raw}");
        }
    }
}

#[test]
fn older_releases_tell_traffic_in_their_audits() {
    let bandwidth = r#"{
        "public": {"bw_in": 537783, "bw_out": 19189871},
        "private": {"bw_in": 4803908381, "bw_out": 202702569}
    }"#;
    let audit = |bandwidth: &str, end: &str| {
        changed(
            LEGACY,
            &[
                ("/event_type", "compute.instance.exists"),
                ("/payload/audit_period_beginning", "2026-10-02 09:00:00"),
                ("/payload/audit_period_ending", end),
                ("/payload/bandwidth", bandwidth),
                ("/timestamp", "2026-10-02 10:00:31.5"),
            ],
        )
        .to_string()
    };
    let audited = |end: &str| {
        format!(
            "audit active 2026-10-02T10:00:31.500Z since=2026-10-01T08:00:12.702356Z \
             window=2026-10-02T09:00:00Z..{end} {SIZES}"
        )
    };
    let whole = read(&audit(bandwidth, "2026-10-02 10:00:00"));
    assert_eq!(
        summary(&whole.decoded),
        format!(
            "{}\ndelta - 2026-10-02T09:59:59.999999Z \
             window=2026-10-02T09:00:00Z..2026-10-02T10:00:00Z egress=19189871 ingress=537783",
            audited("2026-10-02T10:00:00Z")
        )
    );
    let traffic = only(&whole.decoded[1..]);
    assert_eq!(
        traffic.id,
        "openstack/instance/5d1f0c9e-7a4b-4a52-9a39-0f6f4b1f8e11/bandwidth/\
         2026-10-02T09:00:00Z/2026-10-02T10:00:00Z"
    );
    assert_eq!(traffic.owner, only(&whole.decoded[..1]).owner);
    assert!(traffic.twin.is_none());
    // A part of a period, which the whole will count again; nothing moved; only within the cloud.
    for (bandwidth, end, shown) in [
        (bandwidth, "2026-10-02 09:30:12.345678", "2026-10-02T09:30:12.345678Z"),
        (r#"{"public": {"bw_in": 0, "bw_out": 0}}"#, "2026-10-02 10:00:00", "2026-10-02T10:00:00Z"),
        (
            r#"{"private": {"bw_in": 9, "bw_out": 9}}"#,
            "2026-10-02 10:00:00",
            "2026-10-02T10:00:00Z",
        ),
        ("{}", "2026-10-02 10:00:00", "2026-10-02T10:00:00Z"),
    ] {
        assert_eq!(summary(&read(&audit(bandwidth, end)).decoded), audited(shown), "{bandwidth}");
    }
    let wrong = r#"{"public": {"bw_in": 1, "bw_out": -1}}"#;
    assert_eq!(
        summary(&read(&audit(wrong, "2026-10-02 10:00:00")).decoded),
        "quantity_negative: payload.bandwidth.public.bw_out: `-1` is negative"
    );
}

#[test]
fn volumes_count_what_was_read_and_written() {
    let usage = |changes: &[(&str, &str)]| {
        let outcome = read(&changed(USAGE, changes).to_string());
        summary(&outcome.decoded)
    };
    let at = "snapshot - 2026-10-01T10:00:00Z";
    assert_eq!(usage(&[]), format!("{at} disk-ops=120 disk-io=491520"));
    let data = |name: &str| format!("{DATA}/{name}");
    assert_eq!(
        usage(&[(&data("last_refreshed"), "null")]),
        "snapshot - 2026-10-01T10:00:02.500Z disk-ops=120 disk-io=491520"
    );
    assert_eq!(
        usage(&[(&data("reads"), "null"), (&data("writes"), "null")]),
        "missing_field: payload.reads: the notification has none"
    );
    assert_eq!(
        usage(&[(&data("reads"), "9223372036854775807")]),
        "quantity_range: payload.writes: the sum with 20 does not fit in 64 bits"
    );
    let outcome = read(USAGE);
    let event = only(&outcome.decoded);
    assert_eq!(event.system, "openstack-nova");
    let resource = event.resource.as_ref().map(|id| id.as_str());
    assert_eq!(resource, Some("openstack/volume/9e0a4c52-aaaa-4bbb-8ccc-0123456789ab"));
    let parent = event.parent.as_ref().map(|id| id.as_str());
    assert_eq!(parent, Some("openstack/instance/5d1f0c9e-7a4b-4a52-9a39-0f6f4b1f8e11"));
    assert!(event.measurements.iter().all(|measurement| measurement.flow == Flow::Cumulative));
}
