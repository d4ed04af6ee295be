use super::{changed, only, read, summary};

const IMAGE: &str = include_str!("../../fixtures/glance_image.json");
const SENT: &str = "2026-10-01T09:00:05.125Z";

#[track_caller]
fn check(changes: &[(&str, &str)], expect: &str) {
    assert_eq!(summary(&read(&changed(IMAGE, changes).to_string()).decoded), expect);
}

#[test]
fn an_image_is_held_from_its_upload_to_its_deletion() {
    check(&[], &format!("transition active {SENT} image=4979632"));
    check(
        &[
            ("/event_type", "image.create"),
            ("/payload/status", "queued"),
            ("/payload/size", "null"),
        ],
        &format!("transition building {SENT}"),
    );
    for event_type in ["image.activate", "image.update"] {
        check(&[("/event_type", event_type)], &format!("transition active {SENT} image=4979632"));
    }
    check(
        &[("/event_type", "image.update"), ("/payload/status", "deactivated")],
        &format!("transition active {SENT} image=4979632"),
    );
    check(
        &[("/event_type", "image.delete"), ("/payload/deleted_at", "2026-10-02T10:00:00Z")],
        "transition deleted 2026-10-02T10:00:00Z terminal image=4979632",
    );
    check(
        &[("/event_type", "image.delete"), ("/timestamp", "2026-10-02 10:00:01")],
        "transition deleted 2026-10-02T10:00:01Z terminal image=4979632",
    );
    for event_type in ["image.prepare", "image.member.create", "image.exists.start"] {
        check(&[("/event_type", event_type)], &format!("unmetered /openstack/glance {event_type}"));
    }
    // A failed upload is told as a text.
    check(&[("/payload", "\"storage is full\"")], "unmetered /openstack/glance image.upload");
    check(&[("/payload/id", "")], "missing_field: payload.id: the notification has none");
}

#[test]
fn a_download_is_traffic_of_its_image() {
    let sent = r#"{"image_id": "7ba7087c-1111-4222-8333-000000000001", "owner_id": "t-1",
        "bytes_sent": 1000, "receiver_tenant_id": "t-2", "receiver_user_id": "u"}"#;
    let download = [("/event_type", "image.send"), ("/payload", sent)];
    check(&download, &format!("delta - {SENT} egress=1000"));
    let outcome = read(&changed(IMAGE, &download).to_string());
    let event = only(&outcome.decoded);
    assert_eq!(event.owner.as_ref().map(|owner| owner.as_str()), Some("openstack/t-1"));
    assert_eq!(event.attributes["traffic"], "image");
    let image = read(IMAGE);
    assert_eq!(event.resource, only(&image.decoded).resource);
}

#[test]
fn an_audit_comes_in_pages() {
    let page = r#"{
        "audit_period_beginning": "2026-10-02T00:00:00Z",
        "audit_period_ending": "2026-10-03T00:00:00Z",
        "page_number": 1, "total_pages": 2, "owner": "t-1",
        "images": [
            {"id": "i-1", "created_at": "2026-10-01T09:00:00Z", "deleted_at": null, "size": 5, "status": "active"},
            {"id": "i-2", "created_at": "2026-10-02T09:00:00Z", "deleted_at": "2026-10-02T10:00:00Z", "size": 6, "status": "deleted"}
        ]
    }"#;
    let audit = [
        ("/event_type", "image.exists"),
        ("/payload", page),
        ("/timestamp", "2026-10-03 00:05:00"),
    ];
    let window = "window=2026-10-02T00:00:00Z..2026-10-03T00:00:00Z";
    check(
        &audit,
        &format!(
            "audit active 2026-10-03T00:05:00Z since=2026-10-01T09:00:00Z {window} image=5\n\
             audit deleted 2026-10-02T10:00:00Z terminal since=2026-10-02T09:00:00Z {window} image=6"
        ),
    );
    let outcome = read(&changed(IMAGE, &audit).to_string());
    for (decoded, id) in outcome.decoded.iter().zip(["i-1", "i-2"]) {
        let event = only(std::slice::from_ref(decoded));
        assert_eq!(event.id, format!("6a1c2f30-0000-4000-8000-000000000014/{id}"));
        assert_eq!(event.owner.as_ref().map(|owner| owner.as_str()), Some("openstack/t-1"));
    }
    let none = changed(IMAGE, &audit[..2]);
    let mut none = none;
    none["payload"]["images"] = serde_json::json!([]);
    assert_eq!(
        summary(&read(&none.to_string()).decoded),
        "unmetered /openstack/glance image.exists"
    );
}
