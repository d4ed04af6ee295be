use super::{changed, only, read, summary};
use crate::{Decoded, reason};

const BUS: &str = include_str!("../../fixtures/cloudstack_bus.json");
const JSON: &str = include_str!("../../fixtures/cloudstack_usage.json");
const XML: &str = include_str!("../../fixtures/cloudstack_usage.xml");

#[test]
fn bus_events_say_states_and_hold_one_instance() {
    let check = |changes: &[(&str, &str)], expect: &str| {
        assert_eq!(summary(&read(&changed(BUS, changes).to_string()).decoded), expect);
    };
    let event = |name: &'static str| [("/event", name)];
    check(&[], "transition active 2026-10-07T07:30:15.000002Z instance=1");
    check(&event("VM.CREATE"), "transition stopped 2026-10-07T07:30:15Z instance=1");
    check(&event("VM.STOP"), "transition stopped 2026-10-07T07:30:15.000001Z instance=1");
    check(&event("VM.UPGRADE"), "transition - 2026-10-07T07:30:15.000003Z instance=1");
    check(&event("VM.DYNAMIC_SCALE"), "transition - 2026-10-07T07:30:15.000003Z instance=1");
    check(&event("VM.DESTROY"), "transition soft-deleted 2026-10-07T07:30:15.000004Z instance=1");
    check(&event("VM.EXPUNGE"), "transition deleted 2026-10-07T07:30:15.000005Z terminal");
    check(&event("VOLUME.CREATE"), "transition active 2026-10-07T07:30:15Z");
    check(&event("VOLUME.DELETE"), "transition deleted 2026-10-07T07:30:15.000002Z terminal");
    check(&event("NET.IPASSIGN"), "transition active 2026-10-07T07:30:15Z public-ip=1");
    check(&event("NET.IPRELEASE"), "transition deleted 2026-10-07T07:30:15.000002Z terminal");
    check(&event("VPN.USER.ADD"), "transition active 2026-10-07T07:30:15Z vpn-user=1");
    check(&event("NETWORK.OFFERING.ASSIGN"), "unmetered /cloudstack/bus NETWORK.OFFERING.ASSIGN");
    // The report of the action that a user took: the usage event says the same.
    check(&[("/status", "Completed")], "unmetered /cloudstack/bus VM.START");
    check(&[("/id", "")], "missing_field: id: the report has none");
    check(
        &[("/eventDateTime", "soon")],
        "bad_time: eventDateTime: `soon` is no time such as 2026-10-01 00:00:00.000000",
    );
}

#[test]
fn a_bus_event_is_about_the_machine_of_its_account() {
    let outcome = read(BUS);
    let event = only(&outcome.decoded);
    let resource = event.resource.as_ref().map(|it| it.as_str());
    assert_eq!(resource, Some("cloudstack/instance/c0a80a01-1111-4222-8333-944445555666"));
    let owner = event.owner.as_ref().map(|it| it.as_str());
    assert_eq!(owner, Some("cloudstack/4f0c7f0e-5a51-4c1e-9a55-6d2f3f1b9a01"));
    // The same three are the same event, whatever else is said.
    let again = read(&changed(BUS, &[("/resource", "VirtualMachine")]).to_string());
    assert_eq!(only(&again.decoded).key(), event.key());
    let later = read(&changed(BUS, &[("/eventDateTime", "2026-10-07 09:30:16 +0200")]).to_string());
    assert_ne!(only(&later.decoded).key(), event.key());
}

const MACHINE: &str = "interval active 2026-10-07T21:59:59.999999Z \
     window=2026-10-06T22:00:00Z..2026-10-07T22:00:00Z instance=1 vcpu=4000000 memory=8589934592";

#[test]
fn usage_records_are_intervals_and_consumptions() {
    let window = "2026-10-07T21:59:59.999999Z window=2026-10-06T22:00:00Z..2026-10-07T22:00:00Z";
    let outcome = read(JSON);
    assert_eq!(
        summary(&outcome.decoded),
        format!(
            "{MACHINE}\n\
             interval active {window} volume=53687091200 volume-physical=21474836480\n\
             delta - {window} egress=1610612736"
        )
    );
    let Decoded::Event(machine) = &outcome.decoded[0] else { panic!("dead") };
    assert_eq!(machine.seconds, Some(32_445));
    assert_eq!(machine.attributes["flavor"], "0ff00000-0000-4000-8000-000000000004");
    assert_eq!(machine.attributes["hypervisor"], "KVM");
    assert_eq!(machine.tags.as_ref().map(|tags| tags["team"].as_str()), Some("shop"));
}

#[test]
fn xml_and_json_of_one_record_are_one_event_in_any_time_zone() {
    let json = read(JSON);
    let xml = read(XML);
    let (Decoded::Event(json), Decoded::Event(xml)) = (&json.decoded[0], &xml.decoded[0]) else {
        panic!("{}", summary(&xml.decoded))
    };
    assert_eq!(xml.key(), json.key());
    assert_eq!(xml, json);
    // One element by itself, as the elements of a long response are sent.
    let start = XML.find("  <usagerecord>").expect("a record");
    let end = XML.find("</listusage").expect("an end");
    let element = read(&XML[start..end]);
    assert_eq!(only(&element.decoded), xml.as_ref());
}

#[test]
fn every_usage_type_has_its_meters() {
    let one = |number: &str, raw: &str| {
        let changes = [("/usagetype", number), ("/rawusage", raw), ("/size", "1000")];
        let base: serde_json::Value = serde_json::from_str(JSON).expect("json");
        let record = &base["listusagerecordsresponse"]["usagerecord"][0];
        let text = changed(&record.to_string(), &changes).to_string();
        let outcome = read(&text);
        let shown = summary(&outcome.decoded);
        let kind = match &outcome.decoded[..] {
            [Decoded::Event(event)] => event.resource_kind.clone(),
            _ => String::new(),
        };
        let state = shown.split(' ').nth(1).unwrap_or_default().to_owned();
        let meters = shown.split_once("22:00:00Z ").map_or(shown.as_str(), |(_, rest)| rest);
        format!("{kind} {state} {meters}")
    };
    let sizes = "instance=1 vcpu=4000000 memory=8589934592";
    for (number, expect) in [
        ("1", format!("instance active {sizes}")),
        // What is allocated includes what runs: no default tariff bills this state.
        ("2", format!("instance building {sizes}")),
        ("3", "public-ip active public-ip=1".to_owned()),
        ("4", "network-traffic - egress=7".to_owned()),
        ("5", "network-traffic - ingress=7".to_owned()),
        ("6", "volume active volume=1000".to_owned()),
        ("7", "image active image=1000".to_owned()),
        ("8", "image active image=1000".to_owned()),
        ("9", "snapshot active snapshot=1000".to_owned()),
        ("10", "security-group active security-group=1".to_owned()),
        ("11", "load-balancer-rule active load-balancer-rule=1".to_owned()),
        ("12", "port-forwarding-rule active port-forwarding-rule=1".to_owned()),
        ("13", "nic active nic=1".to_owned()),
        ("14", "vpn-user active vpn-user=1".to_owned()),
        ("21", "volume - disk-ops=7".to_owned()),
        ("22", "volume - disk-ops=7".to_owned()),
        ("23", "volume - disk-io=7".to_owned()),
        ("24", "volume - disk-io=7".to_owned()),
        ("25", "vm-snapshot active vm-snapshot=1000".to_owned()),
        ("26", "volume active volume=1000".to_owned()),
        ("27", "vm-snapshot active vm-snapshot=1000".to_owned()),
        ("28", "backup active backup=1000".to_owned()),
        ("29", "bucket active object-storage=1000".to_owned()),
        ("30", "network active network=1".to_owned()),
        ("31", "vpc active vpc=1".to_owned()),
    ] {
        assert_eq!(one(number, "7"), expect, "usage type {number}");
    }
    assert_eq!(one("99", "7"), " /cloudstack/usage unmetered /cloudstack/usage usage type 99");
}

#[test]
fn what_cannot_be_right_is_refused() {
    let base: serde_json::Value = serde_json::from_str(JSON).expect("json");
    let record = base["listusagerecordsresponse"]["usagerecord"][1].to_string();
    let check = |changes: &[(&str, &str)], code: &str| {
        let outcome = read(&changed(&record, changes).to_string());
        let [Decoded::Dead(reject)] = &outcome.decoded[..] else {
            panic!("{}", summary(&outcome.decoded))
        };
        assert_eq!(reject.code, code, "{changes:?}");
    };
    check(&[("/rawusage", "24.01")], reason::BAD_WINDOW);
    check(&[("/rawusage", "-1")], reason::QUANTITY_NEGATIVE);
    check(&[("/rawusage", "\"\"")], reason::MISSING_FIELD);
    check(&[("/size", ""), ("/virtualsize", "")], reason::MISSING_FIELD);
    check(&[("/enddate", "2026-10-06T00:00:00+0200")], reason::BAD_WINDOW);
    check(&[("/usagetype", "4"), ("/rawusage", "1.5")], reason::QUANTITY_PRECISION);
    let entity = "<!DOCTYPE a [<!ENTITY b \"c\">]><usagerecord><size>&b;</size></usagerecord>";
    assert!(summary(&read(entity).decoded).starts_with("invalid_field: not XML"));
}

#[test]
fn an_empty_response_is_noted_and_meters_nothing() {
    for text in [
        r#"{"listusagerecordsresponse": {}}"#,
        "<listusagerecordsresponse><count>0</count></listusagerecordsresponse>",
    ] {
        let got = summary(&read(text).decoded);
        assert_eq!(got, "unmetered /cloudstack/usage empty response");
    }
}
