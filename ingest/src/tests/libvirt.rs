use super::{changed, only, read, summary};
use crate::Decoded;

const STARTED: &str = include_str!("../../fixtures/libvirt_started.json");
const STATS: &str = include_str!("../../fixtures/libvirt_domstats.json");
const TEXT: &str = include_str!("../../fixtures/libvirt_domstats.txt");

const AT: &str = "2026-10-07T08:05:00Z";

fn shown(fixture: &str, changes: &[(&str, &str)]) -> String {
    summary(&read(&changed(fixture, changes).to_string()).decoded)
}

#[test]
fn life_cycle_events_are_states_at_the_time_they_were_heard() {
    let at = "2026-10-07T08:00:00.250Z";
    let check = |event: &str, detail: &str, expect: &str| {
        let got = shown(STARTED, &[("/event", event), ("/detail", detail)]);
        assert_eq!(got, expect.replace("AT", at), "{event} {detail}");
    };
    check("Started", "0", "transition active AT instance=1");
    check("Suspended", "0", "transition paused AT instance=1");
    check("Resumed", "0", "transition active AT instance=1");
    check("Stopped", "1", "transition stopped AT instance=1");
    check("Stopped", "3", "transition - AT");
    check("Started", "1", "transition active AT instance=1");
    check("Undefined", "0", "transition deleted AT terminal");
    check("Exploded", "0", "transition active AT instance=1");
    let numbered = shown(STARTED, &[("/event", ""), ("/event_id", "5")]);
    assert_eq!(numbered, format!("transition stopped {at} instance=1"));
    let moved = [("/event", "Undefined"), ("/migrated", "true")];
    assert_eq!(shown(STARTED, &moved), format!("transition - {at}"));
    let transient = |event: &'static str, detail| {
        shown(STARTED, &[("/event", event), ("/detail", detail), ("/persistent", "false")])
    };
    assert_eq!(transient("Stopped", "1"), format!("transition deleted {at} terminal"));
    assert_eq!(transient("Stopped", "3"), format!("transition - {at}"), "it has moved away");
    assert_eq!(transient("Started", "0"), format!("transition active {at} instance=1"));
    let unknown = shown(STARTED, &[("/event", "Exploded"), ("/event_id", "77")]);
    assert_eq!(unknown, "invalid_field: event: no event of libvirt is called so");
}

#[test]
fn a_poll_says_sizes_and_counters_of_each_part() {
    let domain = format!(
        "snapshot active {AT} instance=1 vcpu=2000000 memory=4294967296 volume=32212254720 \
         volume-physical=19327352832 cpu-time=1500000001"
    );
    let parts = format!(
        "snapshot - {AT} disk-ops=15 disk-io=61440\nsnapshot - {AT} egress=2000 ingress=1000"
    );
    let outcome = read(STATS);
    assert_eq!(summary(&outcome.decoded), format!("{domain}\n{parts}"));
    let names: Vec<String> = outcome
        .decoded
        .iter()
        .map(|decoded| match decoded {
            Decoded::Event(event) => {
                assert_eq!(event.incarnation.as_deref(), Some("kvm-7#12"));
                assert_eq!(event.source, "/libvirt/kvm-7");
                event.resource.as_ref().map(|it| it.to_string()).unwrap_or_default()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let uuid = "7d2f6c1e-0000-4000-8000-0000000000a1";
    assert_eq!(
        names,
        [
            format!("libvirt/instance/{uuid}"),
            format!("libvirt/disk/{uuid}/vda"),
            format!("libvirt/nic/{uuid}/vnet3")
        ]
    );
    // The same, as virsh prints it.
    assert_eq!(read(TEXT).decoded, outcome.decoded);
    // The event of the same machine, its id in capitals.
    let started = read(STARTED);
    let resource = only(&started.decoded).resource.as_ref().map(|it| it.to_string());
    assert_eq!(resource.as_deref(), Some(names[0].as_str()));
}

#[test]
fn what_the_old_host_says_after_a_migration_is_void() {
    let off = |reason: &str| {
        let changes = [("/stats/state.state", "5"), ("/stats/state.reason", reason)];
        let shown = shown(STATS, &changes);
        shown.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(off("4"), format!("snapshot - {AT}"));
    assert!(off("1").starts_with("snapshot stopped"), "{}", off("1"));
    assert!(off("5").starts_with("snapshot suspended"), "{}", off("5"));
    let odd = shown(STATS, &[("/stats/state.state", "12")]);
    assert_eq!(odd, "unknown_state: state.state: `12` is no state of a domain");
}

#[test]
fn a_short_poll_says_what_it_can() {
    let short = r#"{"state.state": 3}"#;
    assert_eq!(shown(STATS, &[("/stats", short)]), format!("snapshot paused {AT} instance=1"));
    // Half a counter is none, and the size of some disks is not that of all.
    let half = r#"{"block.count": 1, "block.0.name": "vda", "block.0.rd.reqs": 1}"#;
    assert_eq!(shown(STATS, &[("/stats", half)]), format!("snapshot - {AT} instance=1"));
    let many = r#"{"block.count": 100000000}"#;
    assert_eq!(
        shown(STATS, &[("/stats", many)]),
        "invalid_field: block.count: 100000000 are too many"
    );
    assert_eq!(shown(STATS, &[("/uuid", "null")]), "missing_field: uuid: the report has none");
}

#[test]
fn the_go_binding_nests_the_same_and_says_what_is_set() {
    let stats = r#"{
        "State": {"StateSet": true, "State": 1, "ReasonSet": true, "Reason": 1},
        "Cpu": {"TimeSet": true, "Time": 1500000001, "UserSet": false, "User": 0},
        "Balloon": {"CurrentSet": true, "Current": 4194304},
        "Vcpu": [{"State": 1}, {"State": 1}],
        "Block": [{"NameSet": true, "Name": "vda", "RdReqsSet": true, "RdReqs": 10, "WrReqsSet": false,
                   "WrReqs": 0, "CapacitySet": true, "Capacity": 1000, "PhysicalSet": false}],
        "Net": [{"NameSet": true, "Name": "vnet3", "RxBytesSet": true, "RxBytes": 1, "TxBytesSet": true,
                 "TxBytes": 2}]}"#;
    assert_eq!(
        shown(STATS, &[("/stats", stats)]),
        format!(
            "snapshot active {AT} instance=1 vcpu=2000000 memory=4294967296 volume=1000 \
             cpu-time=1500000001\nsnapshot - {AT} egress=2 ingress=1"
        )
    );
}
