use super::{changed, only, read, summary};

const DATABASE: &str = include_str!("../../fixtures/trove_instance.json");
const LAUNCHED: &str = "2026-10-01T09:00:00Z";
const SIZES: &str = "db-instance=1 db-storage=21474836480";

#[track_caller]
fn check(changes: &[(&str, &str)], expect: &str) {
    let expect = expect.replace("SIZES", SIZES);
    assert_eq!(summary(&read(&changed(DATABASE, changes).to_string()).decoded), expect);
}

#[test]
fn a_database_begins_changes_and_ends() {
    check(&[], &format!("transition active {LAUNCHED} SIZES"));
    // The launch that a change names is the change itself.
    let modify = [
        ("/event_type", "trove.instance.modify_volume"),
        ("/payload/volume_size", "50"),
        ("/payload/old_volume_size", "20"),
        ("/payload/launched_at", "2026-10-05T10:00:00Z"),
        ("/payload/modify_at", "2026-10-05T10:00:00Z"),
        ("/timestamp", "2026-10-05 10:02:00"),
    ];
    check(&modify, "transition active 2026-10-05T10:00:00Z db-instance=1 db-storage=53687091200");
    let mut flavor = modify;
    flavor[0].1 = "trove.instance.modify_flavor";
    flavor[4].1 = "";
    check(&flavor, "transition active 2026-10-05T10:02:00Z db-instance=1 db-storage=53687091200");
    check(
        &[
            ("/event_type", "trove.instance.delete"),
            ("/payload/deleted_at", "2026-10-09T12:00:00Z"),
            ("/payload/state", "SHUTDOWN"),
        ],
        &format!("transition deleted 2026-10-09T12:00:00Z terminal since={LAUNCHED} SIZES"),
    );
    for event_type in
        ["dbaas.instance.create.start", "dbaas.database.delete.end", "trove.instance.restart"]
    {
        check(&[("/event_type", event_type)], &format!("unmetered /openstack/trove {event_type}"));
    }
}

#[test]
fn an_audit_tells_no_size() {
    let audit = [
        ("/event_type", "trove.instance.exists"),
        ("/payload/audit_period_beginning", "2026-10-01T08:30:07Z"),
        ("/payload/audit_period_ending", "2026-10-01T09:30:07Z"),
        ("/payload/volume_size", ""),
        ("/payload/state", "active"),
        ("/timestamp", "2026-10-01 09:30:08"),
    ];
    check(
        &audit,
        &format!(
            "audit active 2026-10-01T09:30:08Z since={LAUNCHED} \
             window=2026-10-01T08:30:07Z..2026-10-01T09:30:07Z db-instance=1"
        ),
    );
    check(&audit[..2], "missing_field: payload.audit_period_ending: the notification has none");
}

#[test]
fn states_say_whether_the_database_serves() {
    let state = |word: &str| {
        let outcome = read(&changed(DATABASE, &[("/payload/state", word)]).to_string());
        only(&outcome.decoded).state.map(|state| state.as_str())
    };
    for (word, expect) in [
        ("ACTIVE", "active"),
        ("BACKUP", "active"),
        ("RESTART_REQUIRED", "active"),
        ("SHUTDOWN", "stopped"),
        ("BUILD", "building"),
        ("ERROR", "error"),
        ("FAILED", "error"),
        ("failed_timeout_guestagent", "error"),
    ] {
        assert_eq!(state(word), Some(expect), "{word}");
    }
    let outcome = read(DATABASE);
    let event = only(&outcome.decoded);
    assert_eq!(event.attributes["flavor"], "db.small");
    assert_eq!(event.attributes["datastore"], "2f3ff068-1111-4222-8333-000000000004");
    assert_eq!(event.region.as_deref(), Some("lyon"));
}
