//! Real captures, where the folder of them lies beside the workspace.

use std::path::PathBuf;

use serde_json::Value;
use turnpike_schemas::Instant;

use super::{only, read, summary};
use crate::Decoded;

/// The folder, or `None` with a note that the test says nothing.
pub(super) fn shared(path: &str) -> Option<PathBuf> {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: {} is not there", found.display());
    None
}

pub(super) fn json(path: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("reads")).expect("json")
}

/// The documentation's samples have neither id nor timestamp.
fn with_timestamp(mut message: Value) -> String {
    let object = message.as_object_mut().expect("object");
    object.entry("timestamp").or_insert_with(|| "2016-03-07 18:00:00.5".into());
    message.to_string()
}

const NOVA: &str = "instance=1 vcpu=1000000 memory=536870912 root-disk=1073741824 ephemeral-disk=0";

/// The request of the samples, which an anonymous made.
const OBJECT_REQUEST: &str = "delta - 2013-07-29T06:51:34.474815Z requests=1 egress=28 ingress=1";

/// After the resize of the samples.
const SMALLER: &str =
    "instance=1 vcpu=1000000 memory=268435456 root-disk=1073741824 ephemeral-disk=0";

#[test]
fn versioned_nova_samples() {
    let check = |name: &str, expect: &str| {
        let Some(path) = shared(&format!("samples/openstack-nova-versioned/{name}.json")) else {
            return;
        };
        let got = summary(&read(&with_timestamp(json(path))).decoded);
        assert_eq!(got, expect.replace("NOVA", NOVA), "{name}");
    };
    let launched = "2012-10-29T13:42:11Z";
    check("instance-create-end", &format!("transition active {launched} NOVA"));
    check("instance-delete-end", &format!("transition deleted {launched} terminal NOVA"));
    check(
        "instance-exists",
        &format!(
            "audit active 2016-03-07T18:00:00.500Z since={launched} window=2012-10-01T00:00:00Z..{launched} NOVA"
        ),
    );
    check(
        "instance-power_off-end",
        &format!("transition stopped 2016-03-07T18:00:00.500Z since={launched} NOVA"),
    );
    check("instance-resize_prep-end", "unmetered /openstack/nova instance.resize_prep.end");
    check("instance-resize_finish-end", &format!("transition active {launched} {SMALLER}"));
    check("volume-usage", &format!("snapshot - {launched} disk-ops=0 disk-io=0"));
}

#[test]
fn cinder_samples() {
    let one = "=1073741824";
    if let Some(path) = shared("samples/openstack-cinder/searchlight_volumes.json") {
        let all = json(path);
        let check = |name: &str, expect: &str| {
            assert_eq!(
                summary(&read(&all[name].to_string()).decoded),
                format!("{expect} volume{one}"),
                "{name}"
            );
        };
        check("volume.create.end", "transition active 2016-03-07T16:23:09.145721Z");
        check(
            "volume.update.end",
            "transition active 2016-03-07T16:23:10.259310Z since=2016-03-07T16:23:09.145721Z",
        );
        check(
            "volume.attach.end",
            "transition active 2016-03-07T16:23:31.665270Z since=2016-03-07T16:23:09Z",
        );
        check(
            "volume.detach.end",
            "transition active 2016-03-07T16:24:41.157255Z since=2016-03-07T16:23:09Z",
        );
        check(
            "volume.delete.end",
            "transition deleted 2016-03-07T16:24:45.157255Z terminal since=2016-03-07T16:23:09.145721Z",
        );
        check("volume.retype", "transition active 2016-03-07T16:24:45.157255Z");
    }
    if let Some(path) = shared("samples/openstack-cinder/searchlight_snapshots.json") {
        let all = json(path);
        let check = |name: &str, expect: &str| {
            assert_eq!(
                summary(&read(&all[name].to_string()).decoded),
                format!("{expect} snapshot{one}"),
                "{name}"
            );
        };
        check("snapshot.create.end", "transition active 2016-03-07T17:24:49Z");
        check(
            "snapshot.delete.end",
            "transition deleted 2016-03-07T17:25:44.014014Z terminal since=2016-03-07T17:24:49Z",
        );
    }
    if let Some(path) = shared("samples/openstack-cinder/volume_exists_constructed.json") {
        let expect = "audit active 2016-03-07T18:00:00.500Z since=2015-01-01T01:01:01Z \
                      window=2015-01-01T00:00:00Z..2015-01-01T02:00:00Z";
        assert_eq!(
            summary(&read(&with_timestamp(json(path))).decoded),
            format!("{expect} volume{one}")
        );
    }
}

#[test]
fn samples_of_the_other_services() {
    let check = |path: &str, expect: &str| {
        let Some(path) = shared(&format!("samples/{path}")) else { return };
        assert_eq!(summary(&read(&with_timestamp(json(path))).decoded), expect);
    };
    check(
        "openstack-neutron/l3_meter_constructed.json",
        "delta - 2016-06-14T19:46:17.999999Z \
         window=2016-06-14T19:45:48Z..2016-06-14T19:46:18Z egress=5678901",
    );
    check("openstack-swift/objectstore_http_request.json", OBJECT_REQUEST);
    check(
        "openstack-octavia/loadbalancer_create_end.json",
        "transition active 2022-04-22T23:02:14Z load-balancer=1",
    );
    check(
        "openstack-trove/instance_exists_constructed.json",
        "audit active 2016-03-07T18:00:00.500Z window=2026-01-01T00:00:00Z..2026-01-01T01:00:00Z \
         db-instance=1",
    );
    check(
        "openstack-nova-legacy/compute_metrics_update.json",
        "unmetered /openstack/nova compute.metrics.update",
    );
}

#[test]
fn glance_samples() {
    let Some(path) = shared("samples/openstack-glance/searchlight_images.json") else { return };
    let all = json(path);
    let check = |name: &str, expect: &str| {
        assert_eq!(summary(&read(&all[name].to_string()).decoded), expect, "{name}");
    };
    let size = "image=4979632";
    check("image.create", &format!("transition building 2015-09-01T08:57:35.282586Z {size}"));
    check("image.update", &format!("transition active 2015-09-01T09:56:18.872189Z {size}"));
    check("image.delete", &format!("transition deleted 2015-09-01T10:02:43Z terminal {size}"));
    check("image.member.update", "unmetered /openstack/glance image.member.update");
    // Two of the captures hold timestamps that nobody can read.
    for name in ["image.member.create", "image.member.delete"] {
        let got = summary(&read(&all[name].to_string()).decoded);
        assert!(got.starts_with("bad_time: timestamp: `2015-09-2"), "{got}");
    }
}

/// The captures are templates: times and ids stand as placeholders, times with their distance from
/// the sending of the notification.
#[test]
fn legacy_nova_captures() {
    let check = |name: &str, expect: &[&str]| {
        let Some(path) = shared(&format!("samples/openstack-nova-legacy/{name}.json")) else {
            return;
        };
        let got = captured(&json(path));
        let shown: Vec<&str> = got.iter().map(String::as_str).collect();
        assert_eq!(shown, expect, "{name}");
    };
    let update = "compute.instance.update: unmetered";
    check(
        "eod_exists",
        &["compute.instance.exists: audit active, window ends 2026-10-14T00:00:00Z"],
    );
    check(
        "compute.instance.power_off.start_4",
        &[
            update,
            "compute.instance.power_off.start: unmetered",
            update,
            "compute.instance.power_off.end: transition stopped",
        ],
    );
    // A deletion that never ended.
    check(
        "compute.instance.delete.start_7",
        &[
            update,
            update,
            update,
            "compute.instance.delete.start: unmetered",
            "compute.instance.shutdown.start: unmetered",
            update,
            "terminate_instance: unmetered",
        ],
    );
}

/// What each notification of a capture becomes, the first period of which ends at a midnight.
fn captured(template: &Value) -> Vec<String> {
    let messages = template.as_array().expect("a list");
    let hints = messages[0]["time_map"].as_object().expect("times");
    let micros = |hint: &Value| {
        let parts: Vec<i64> =
            hint.as_array().expect("three").iter().filter_map(Value::as_i64).collect();
        (parts[0] * 86_400 + parts[1]) * 1_000_000 + parts[2]
    };
    let period_end = messages[1]["payload"]["audit_period_ending"].as_str().expect("a name");
    let period_end = micros(&hints[period_end]);
    let midnight = Instant::parse("2026-10-14T00:00:00Z").expect("instant").micros();
    let mut text = Value::Array(messages[1..].to_vec()).to_string();
    for (name, hint) in hints {
        let time = Instant::from_micros(midnight - period_end + micros(hint)).expect("instant");
        text = text.replace(name, time.to_string().trim_end_matches('Z'));
    }
    let messages: Vec<Value> = serde_json::from_str(&text).expect("json");
    messages
        .iter()
        .map(|message| {
            let outcome = read(&message.to_string());
            let said = match &outcome.decoded[..] {
                [Decoded::Unmetered(_)] => "unmetered".to_owned(),
                decoded => {
                    let event = only(decoded);
                    let state = event.state.map_or("-", |state| state.as_str());
                    let window = event
                        .window
                        .map(|window| format!(", window ends {}", window.end))
                        .unwrap_or_default();
                    format!("{} {state}{window}", event.kind.as_str())
                }
            };
            format!("{}: {said}", message["event_type"].as_str().unwrap_or_default())
        })
        .collect()
}

#[test]
fn wire_captures_are_read_as_the_records_that_they_were() {
    if let Some(path) = shared("samples/wire-captures/oslo_kafka_wire.jsonl") {
        let text = std::fs::read_to_string(path).expect("reads");
        let got: Vec<String> = text.lines().map(|line| summary(&read(line).decoded)).collect();
        let launched = "2012-10-29T13:42:11Z";
        let volume = "2016-03-07T16:23:09.145721Z volume=1073741824";
        let expect = [
            format!("transition active {volume}"),
            format!("transition deleted 2026-11-21T02:47:15.921624Z terminal since={volume}"),
            OBJECT_REQUEST.to_owned(),
            "unmetered /openstack/x x.sample".to_owned(),
            format!("transition active {launched} {SMALLER}"),
            format!("transition active {launched} {NOVA}"),
            format!("transition deleted {launched} terminal {NOVA}"),
            format!(
                "audit active 2026-11-21T02:47:15.921038Z since={launched} window=2012-10-01T00:00:00Z..{launched} {NOVA}"
            ),
            format!("transition stopped 2026-11-21T02:47:15.921130Z since={launched} {NOVA}"),
            "unmetered /openstack/x x.audit".to_owned(),
        ];
        assert_eq!(got, expect);
    }
    if let Some(path) = shared("samples/wire-captures/cloudevents_kafka_wire.jsonl") {
        let text = std::fs::read_to_string(path).expect("reads");
        // All three modes are recognised; their data is not of our shape, and says so by field.
        for line in text.lines() {
            let got = summary(&read(line).decoded);
            assert!(got.starts_with("invalid_field: data: unknown field `meter`"), "{got}");
        }
    }
}

/// The life-cycle cases state what a notification says; whom it concerns is added here.
fn case_message(event: &Value) -> String {
    let mut message = event.clone();
    let payload = message["payload"].as_object_mut().expect("payload");
    payload.insert("uuid".to_owned(), "i-1".into());
    payload.insert("tenant_id".to_owned(), "t-1".into());
    message.to_string()
}

#[test]
fn life_cycle_cases_decode_to_what_their_intervals_need() {
    let Some(path) = shared("cases/lifecycle.json") else { return };
    let cases = json(path);
    let mut seen = 0;
    for case in cases.as_array().expect("cases") {
        let id = case["id"].as_str().expect("id");
        let events = case["events_in_arrival_order"].as_array().expect("events");
        let shown: Vec<String> = events
            .iter()
            .filter(|event| event.get("event_type").is_some())
            .map(|event| {
                let outcome = read(&case_message(event));
                match &outcome.decoded[..] {
                    [Decoded::Unmetered(_)] => "unmetered".to_owned(),
                    decoded => {
                        let event = only(decoded);
                        let state = event.state.map_or("-", |state| state.as_str());
                        format!("{} {state} {}", event.kind.as_str(), &event.time.to_string()[11..])
                    }
                }
            })
            .collect();
        let expect: &[&str] = match &id[..5] {
            "lc-01" => &[
                "transition active 10:00:00Z",
                "transition active 10:00:00Z",
                "transition deleted 11:00:00Z",
                "transition deleted 11:00:00Z",
            ],
            "lc-03" => &["transition active 10:00:00Z", "audit deleted 11:20:00Z"],
            "lc-05" => &[
                "audit active 12:00:01Z",
                "unmetered",
                "unmetered",
                "unmetered",
                "transition active 20:40:49Z",
            ],
            "lc-07" => &["unmetered", "transition building 13:01:39Z"],
            "lc-09" => {
                &["audit active 10:30:00Z", "audit active 11:00:05Z", "audit active 12:00:05Z"]
            }
            "lc-11" => &[
                "transition active 10:00:00Z",
                "transition paused 10:10:00Z",
                "transition active 10:20:00Z",
                "transition suspended 10:30:00Z",
                "transition active 10:40:00Z",
                "transition stopped 10:50:00Z",
                "transition shelved-offloaded 11:00:00Z",
                "transition deleted 11:10:00Z",
            ],
            "lc-13" => &["transition active 10:00:00.702356Z", "audit active 11:00:05Z"],
            _ => continue,
        };
        assert_eq!(shown, expect, "{id}");
        seen += 1;
    }
    assert!(seen >= 7, "the cases have other names now");
}
