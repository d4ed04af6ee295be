use super::{changed, only, read, summary};
use crate::Decoded;

const ADDRESS: &str = include_str!("../../fixtures/neutron_floatingip.json");
const METER: &str = include_str!("../../fixtures/neutron_l3_meter.json");
const CREATED: &str = "2026-10-01T09:00:00Z";

#[track_caller]
fn check(fixture: &str, changes: &[(&str, &str)], expect: &str) {
    assert_eq!(summary(&read(&changed(fixture, changes).to_string()).decoded), expect);
}

#[test]
fn a_floating_ip_is_held_from_creation_to_deletion() {
    check(ADDRESS, &[], &format!("transition active {CREATED} public-ip=1"));
    // Before Neutron kept times of its own, the notification's is all there is.
    check(
        ADDRESS,
        &[("/payload/floatingip/created_at", "")],
        "transition active 2026-10-01T09:00:00.812345Z public-ip=1",
    );
    check(
        ADDRESS,
        &[("/event_type", "floatingip.update.end"), ("/timestamp", "2026-10-02 10:00:00")],
        &format!("transition active 2026-10-02T10:00:00Z since={CREATED} public-ip=1"),
    );
    let gone = [("/event_type", "floatingip.delete.end"), ("/timestamp", "2026-10-03 11:00:00.5")];
    check(
        ADDRESS,
        &gone,
        &format!(
            "transition deleted 2026-10-03T11:00:00.500Z terminal since={CREATED} public-ip=1"
        ),
    );
}

#[test]
fn a_deletion_names_the_address_and_nobody() {
    let deletion = [
        ("/event_type", "floatingip.delete.end"),
        ("/payload", r#"{"floatingip_id": "2c9d0f11-1111-4222-8333-000000000001"}"#),
    ];
    let outcome = read(&changed(ADDRESS, &deletion).to_string());
    let event = only(&outcome.decoded);
    assert!(event.terminal && event.owner.is_none() && event.project.is_none());
    let created = read(&changed(ADDRESS, &[]).to_string());
    assert_eq!(event.resource, only(&created.decoded).resource);
    let owner = only(&created.decoded).owner.as_ref().map(|owner| owner.as_str());
    assert_eq!(owner, Some("openstack/b7f1c5a2d3e44f1c8a9b0c1d2e3f4a5b"));
}

#[test]
fn several_addresses_of_one_request_are_several_events() {
    let both = r#"{"floatingips": [{"id": "a", "tenant_id": "t"}, {"id": "b", "tenant_id": "t"}]}"#;
    let outcome = read(&changed(ADDRESS, &[("/payload", both)]).to_string());
    let ids: Vec<&str> = outcome
        .decoded
        .iter()
        .map(|decoded| match decoded {
            Decoded::Event(event) => event.id.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    let message = "6a1c2f30-0000-4000-8000-000000000010";
    assert_eq!(ids, [format!("{message}/a"), format!("{message}/b")]);
}

#[test]
fn nova_network_named_the_address_itself() {
    let allocated = [
        ("/event_type", "network.floating_ip.allocate"),
        ("/payload", r#"{"project_id": "t", "floating_ip": "203.0.113.7"}"#),
    ];
    let outcome = read(&changed(ADDRESS, &allocated).to_string());
    let event = only(&outcome.decoded);
    let resource = event.resource.as_ref().map(|id| id.as_str());
    assert_eq!(resource, Some("openstack/public-ip/203.0.113.7"));
    assert_eq!(event.owner.as_ref().map(|owner| owner.as_str()), Some("openstack/t"));
}

#[test]
fn what_is_not_billed_is_kept() {
    for event_type in [
        "floatingip.create.start",
        "floatingip.delete.start",
        "router.create.end",
        "router.interface.create",
        "port.create.end",
        "network.delete.end",
        "metering_label.create.end",
        "l3.meter.label",
        "l3.meter.router",
        "l3.meter.project",
        "l3.meter.label_project",
    ] {
        let expect = format!("unmetered /openstack/neutron {event_type}");
        check(ADDRESS, &[("/event_type", event_type)], &expect);
    }
    // Nothing moved: the agent repeats the times of the report before.
    check(
        METER,
        &[("/payload/bytes", "0"), ("/payload/time", "0")],
        "unmetered /openstack/neutron l3.meter",
    );
}

#[test]
fn traffic_is_counted_since_the_report_before() {
    let end = "2026-10-01T09:09:59.999999Z";
    let window = "window=2026-10-01T09:05:00Z..2026-10-01T09:10:00Z";
    check(METER, &[], &format!("delta - {end} {window} egress=5678901"));
    check(
        METER,
        &[("/payload/direction", "ingress")],
        &format!("delta - {end} {window} ingress=5678901"),
    );
    check(
        METER,
        &[("/payload/time", "")],
        &format!("delta - {end} window={CREATED}..2026-10-01T09:10:00Z egress=5678901"),
    );
    check(
        METER,
        &[("/payload/last_update", "")],
        "delta - 2026-10-01T09:10:00.500Z egress=5678901",
    );
    check(
        METER,
        &[("/payload/direction", "sideways")],
        "invalid_field: payload.direction: `sideways` is neither ingress nor egress",
    );
    check(
        METER,
        &[("/payload/bytes", "")],
        "missing_field: payload.bytes: the notification has none",
    );
    check(
        METER,
        &[("/payload/bytes", "0.5")],
        "quantity_precision: payload.bytes: `0.5` would have to be rounded to 0 decimals",
    );
    check(
        METER,
        &[("/payload/last_update", "99999999999999")],
        "time_range: payload.last_update: 99999999999999 lies outside the years 1970 to 2999",
    );
}

#[test]
fn a_report_is_named_by_label_times_and_host() {
    let id = |changes: &[(&str, &str)]| {
        only(&read(&changed(METER, changes).to_string()).decoded).id.clone()
    };
    let first = id(&[]);
    let label = "e131d186-1111-4222-8333-000000000001";
    assert_eq!(first, format!("l3.meter/{label}/1790845200/1790845800/net-01"));
    let again = [("/message_id", "another"), ("/timestamp", "2026-10-01 09:12:00")];
    assert_eq!(id(&again), first);
    assert_ne!(id(&[("/payload/host", "net-02")]), first);
    assert_ne!(id(&[("/payload/last_update", "1790846100")]), first);
    // By router and label, where the agent counts finely.
    let fine = [
        ("/event_type", "l3.meter.label_router"),
        ("/payload/resource_id", "router-r1-label-l1"),
        ("/payload/label_name", "internet"),
    ];
    let outcome = read(&changed(METER, &fine).to_string());
    let event = only(&outcome.decoded);
    let resource = event.resource.as_ref().map(|id| id.as_str());
    assert_eq!(resource, Some("openstack/metering-label/router-r1-label-l1"));
    assert_eq!(event.attributes["label"], "internet");
    assert_eq!(event.attributes["direction"], "egress");
}
