use super::{changed, only, read, summary};

const POWERED_ON: &str = include_str!("../../fixtures/vsphere_event.json");
const RECONFIGURED: &str = include_str!("../../fixtures/vsphere_reconfigured.json");

fn shown(fixture: &str, changes: &[(&str, &str)]) -> String {
    summary(&read(&changed(fixture, changes).to_string()).decoded)
}

#[test]
fn events_of_machines_take_effect_when_they_were_created() {
    let check = |class: &str, expect: &str| {
        let name = format!("com.vmware.vsphere.{class}.v0");
        assert_eq!(shown(POWERED_ON, &[("/type", name.as_str())]), expect, "{class}");
    };
    let at = "2026-10-07T08:00:00.250Z";
    for class in ["VmPoweredOnEvent", "DrsVmPoweredOnEvent", "VmResumingEvent"] {
        check(class, &format!("transition active {at} instance=1"));
    }
    check("VmPoweredOffEvent", &format!("transition stopped {at} instance=1"));
    check("VmSuspendedEvent", &format!("transition suspended {at} instance=1"));
    for class in ["VmCreatedEvent", "VmDeployedEvent", "VmClonedEvent", "VmRegisteredEvent"] {
        check(class, &format!("transition stopped {at} instance=1"));
    }
    for class in ["VmMigratedEvent", "DrsVmMigratedEvent", "VmRelocatedEvent"] {
        check(class, &format!("transition - {at} instance=1"));
    }
    check("VmRemovedEvent", &format!("transition deleted {at} terminal"));
    let source = "https://vc1.lyon.example:443/sdk";
    check("TaskEvent", &format!("unmetered {source} TaskEvent"));
    check("AlarmStatusChangedEvent", &format!("unmetered {source} AlarmStatusChangedEvent"));
}

#[test]
fn a_reconfiguration_says_the_new_sizes() {
    let at = "2026-10-07T09:30:00Z";
    let sizes = "instance=1 vcpu=8000000 memory=17179869184";
    assert_eq!(shown(RECONFIGURED, &[]), format!("transition - {at} {sizes}"));
    // What stays as it is comes as zero, as "None" or not at all; names in any case.
    let spec = r#"{"numCPUs": "6", "memoryMB": 0}"#;
    let got = shown(RECONFIGURED, &[("/data/ConfigSpec", spec)]);
    assert_eq!(got, format!("transition - {at} instance=1 vcpu=6000000"));
    let got = shown(RECONFIGURED, &[("/data/ConfigSpec", "None")]);
    assert_eq!(got, format!("transition - {at} instance=1"));
    let outcome = read(RECONFIGURED);
    assert_eq!(only(&outcome.decoded).attributes["memory_reservation_mib"], "4096");
    // What a router looked up and added.
    let config = r#"{"Hardware": {"NumCPU": 2, "MemoryMB": 4096}}"#;
    let got = shown(POWERED_ON, &[("/data/Config", config)]);
    assert!(got.ends_with("instance=1 vcpu=2000000 memory=4294967296"), "{got}");
}

#[test]
fn machines_of_two_vcenters_are_two_and_keys_may_start_again() {
    let event = |changes: &[(&str, &str)]| {
        let outcome = read(&changed(POWERED_ON, changes).to_string());
        only(&outcome.decoded).clone()
    };
    let first = event(&[]);
    let resource = |event: &turnpike_schemas::UsageEvent| {
        event.resource.as_ref().map(|it| it.to_string()).unwrap_or_default()
    };
    assert_eq!(resource(&first), "vsphere/instance/vc1.lyon.example/vm-501");
    let other = event(&[("/source", "https://vc2.paris.example/sdk")]);
    assert_eq!(resource(&other), "vsphere/instance/vc2.paris.example/vm-501");
    assert_ne!(other.key(), first.key());
    let again = event(&[("/data/CreatedTime", "2026-10-09T08:00:00Z")]);
    assert_ne!(again.key(), first.key());
    // The router sends it again under another id.
    assert_eq!(event(&[("/id", "another")]).key(), first.key());
    let known = event(&[("/data/InstanceUuid", "5012-aa"), ("/data/Owner", "shop")]);
    assert_eq!(resource(&known), "vsphere/instance/5012-aa");
    assert_eq!(known.owner.map(|it| it.to_string()).as_deref(), Some("vsphere/shop"));
}

#[test]
fn bare_events_are_known_by_their_message() {
    let check = |message: &str, expect: &str| {
        let value = changed(POWERED_ON, &[("/data/FullFormattedMessage", message)]);
        assert_eq!(summary(&read(&value["data"].to_string()).decoded), expect, "{message}");
    };
    let at = "2026-10-07T08:00:00.250Z";
    check("DRS powered on shop-1 on esx-4 in Lyon", &format!("transition active {at} instance=1"));
    check("shop-1 on esx-4 in Lyon is powered on", &format!("transition active {at} instance=1"));
    check("shop-1 on esx-4 in Lyon is powered off", &format!("transition stopped {at} instance=1"));
    check("Alarm 'x' changed from Gray to Yellow", "unmetered /vsphere without class");
}

#[test]
fn what_is_missing_is_named() {
    let check = |changes: &[(&str, &str)], expect: &str| {
        assert_eq!(shown(POWERED_ON, changes), expect);
    };
    check(&[("/data/Key", "None")], "missing_field: Key: the report has none");
    check(&[("/data/CreatedTime", "")], "missing_field: CreatedTime: the report has none");
    check(&[("/data/Vm", "None")], "unmetered https://vc1.lyon.example:443/sdk VmPoweredOnEvent");
    check(&[("/data/Key", "{}")], "invalid_field: data.Key: an object where a string is expected");
    check(&[("/data", "")], "missing_field: data: the report has none");
}
