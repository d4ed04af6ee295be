use super::{changed, only, read, summary};

const REQUEST: &str = include_str!("../../fixtures/swift_request.json");
const POLLED: &str = include_str!("../../fixtures/ceilometer_polling.json");
const PROJECT: &str = "b7f1c5a2d3e44f1c8a9b0c1d2e3f4a5b";

#[track_caller]
fn check(fixture: &str, changes: &[(&str, &str)], expect: &str) {
    assert_eq!(summary(&read(&changed(fixture, changes).to_string()).decoded), expect);
}

#[test]
fn a_request_counts_itself_and_the_bytes_it_moved() {
    let at = "2026-10-01T09:00:00.474815Z";
    check(REQUEST, &[], &format!("delta - {at} requests=1 ingress=28 egress=1048576"));
    check(REQUEST, &[("/payload/measurements", "")], &format!("delta - {at} requests=1"));
    let trap =
        r#"[{"metric": {"name": "storage.objects.outgoing.bytes", "unit": "KB"}, "result": 1}]"#;
    check(
        REQUEST,
        &[("/payload/measurements", trap)],
        "unknown_unit: unit: `KB` where `B` is expected",
    );
    let twice = r#"[
        {"metric": {"name": "storage.objects.outgoing.bytes"}, "result": 1},
        {"metric": {"name": "storage.objects.outgoing.bytes"}, "result": 2}
    ]"#;
    check(
        REQUEST,
        &[("/payload/measurements", twice)],
        "duplicate_meter: meter `egress` stands twice in one event",
    );
    check(
        REQUEST,
        &[("/payload/outcome", "failure")],
        "unmetered /openstack/swift objectstore.http.request",
    );
    check(
        REQUEST,
        &[("/payload/outcome", "")],
        "missing_field: payload.outcome: the notification has none",
    );
    check(
        REQUEST,
        &[("/payload/target", "{}")],
        "missing_field: payload.target.id: the notification has none",
    );
}

#[test]
fn a_request_is_named_by_its_cadf_id() {
    let first = read(REQUEST);
    let first = only(&first.decoded);
    assert_eq!(first.id, "openstack:69972bb6-1111-4222-8333-000000000001");
    let again = [("/message_id", "another"), ("/timestamp", "2026-10-01 09:00:07")];
    let again = read(&changed(REQUEST, &again).to_string());
    assert_eq!(only(&again.decoded), first);
    let failed = read(&changed(REQUEST, &[("/payload/outcome", "failure")]).to_string());
    assert_eq!(only(&failed.decoded).id, first.id);
}

#[test]
fn whoever_asked_pays_and_for_the_anonymous_the_account() {
    let owner = |changes: &[(&str, &str)]| {
        let outcome = read(&changed(REQUEST, changes).to_string());
        let event = only(&outcome.decoded);
        assert_eq!(event.attributes["op"], "get");
        let text = |id: Option<&str>| id.unwrap_or_default().to_owned();
        (
            text(event.owner.as_ref().map(|owner| owner.as_str())),
            text(event.resource.as_ref().map(|id| id.as_str())),
        )
    };
    let expect = |owner: &str, account: &str| {
        (format!("openstack/{owner}"), format!("openstack/object-requests/{account}"))
    };
    assert_eq!(owner(&[]), expect(PROJECT, PROJECT));
    let other = ("/payload/initiator/project_id", "another");
    assert_eq!(owner(&[other]), expect("another", PROJECT));
    let nobody = ("/payload/initiator/project_id", "null");
    assert_eq!(owner(&[nobody]), expect(PROJECT, PROJECT));
    assert_eq!(owner(&[("/payload/initiator", "")]), expect(PROJECT, PROJECT));
    let named = ("/payload/target/id", "AUTH_f00d");
    assert_eq!(owner(&[nobody, named]), expect("f00d", "f00d"));
    // Another reseller's prefix, which the middleware does not know: it leaves nothing.
    let unnamed = ("/payload/target/id", "\"\"");
    assert_eq!(owner(&[nobody, unnamed]), expect(PROJECT, PROJECT));
}

#[test]
fn accounts_hold_what_was_polled() {
    let at = "2026-10-01T10:00:00Z";
    let both =
        format!("snapshot active {at} object-storage=10737418240\nsnapshot active {at} objects=42");
    check(POLLED, &[], &both);
    // Ceilometer publishes the bare list.
    let mut published = changed(POLLED, &[("/event_type", "metering")]);
    published["payload"] = published["payload"]["samples"].take();
    assert_eq!(summary(&read(&published.to_string()).decoded), both);
    check(
        POLLED,
        &[("/payload/samples", r#"[{"counter_name": "cpu"}]"#)],
        "unmetered /openstack/swift telemetry.polling",
    );
    check(
        POLLED,
        &[("/payload/samples/0/counter_unit", "GB")],
        "unknown_unit: unit: `GB` where `B` is expected",
    );
    let outcome = read(POLLED);
    let ids: Vec<String> =
        outcome.decoded.iter().map(|one| only(std::slice::from_ref(one)).id.clone()).collect();
    assert_eq!(
        ids,
        ["109e6394-1111-4222-8333-000000000001", "109e6394-1111-4222-8333-000000000002"]
    );
}
