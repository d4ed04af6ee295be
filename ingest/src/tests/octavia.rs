use super::{changed, only, read, summary};

const BALANCER: &str = include_str!("../../fixtures/octavia_loadbalancer.json");
const CREATED: &str = "2026-10-01T09:00:00Z";

#[track_caller]
fn check(changes: &[(&str, &str)], expect: &str) {
    assert_eq!(summary(&read(&changed(BALANCER, changes).to_string()).decoded), expect);
}

#[test]
fn a_load_balancer_is_held_from_creation_to_deletion() {
    check(&[], &format!("transition active {CREATED} load-balancer=1"));
    let sent = "2026-10-01T09:01:15.717375Z";
    check(&[("/payload/created_at", "")], &format!("transition active {sent} load-balancer=1"));
    let update = ("/event_type", "octavia.loadbalancer.update.end");
    check(&[update], &format!("transition active {sent} since={CREATED} load-balancer=1"));
    check(
        &[update, ("/payload/enabled", "false")],
        &format!("transition stopped {sent} since={CREATED} load-balancer=1"),
    );
    check(
        &[update, ("/payload/provisioning_status", "ERROR")],
        &format!("transition active {sent} since={CREATED} load-balancer=1"),
    );
    check(
        &[("/event_type", "octavia.loadbalancer.delete.end")],
        &format!("transition deleted {sent} terminal since={CREATED} load-balancer=1"),
    );
    check(
        &[("/event_type", "octavia.listener.create.end")],
        "unmetered /openstack/octavia octavia.listener.create.end",
    );
    check(&[("/payload/id", "")], "missing_field: payload.id: the notification has none");
}

#[test]
fn a_load_balancer_is_described() {
    let outcome = read(BALANCER);
    let event = only(&outcome.decoded);
    assert_eq!(event.attributes["provider"], "amphora");
    assert_eq!(event.attributes["flavor"], "0f1e2d3c-1111-4222-8333-000000000009");
    let owner = event.owner.as_ref().map(|owner| owner.as_str());
    assert_eq!(owner, Some("openstack/b7f1c5a2d3e44f1c8a9b0c1d2e3f4a5b"));
    // The controller calls it otherwise than the API.
    let renamed =
        [("/payload/id", ""), ("/payload/loadbalancer_id", "8d4c8f66-1111-4222-8333-000000000001")];
    let renamed = read(&changed(BALANCER, &renamed).to_string());
    assert_eq!(only(&renamed.decoded).resource, event.resource);
}
