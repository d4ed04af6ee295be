//! Captures of CloudStack, vSphere, libvirt and EC2 and S3, where the folder of them lies beside the
//! workspace.

use super::samples::{json, shared};
use super::{only, read, summary};
use crate::json::Json;

fn text(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(shared(path)?).expect("reads"))
}

#[test]
fn cloudstack_captures() {
    if let Some(text) = text("samples/cloudstack/listUsageRecords_running_vm.xml") {
        let outcome = read(&text);
        assert_eq!(
            summary(&outcome.decoded),
            "interval active 2009-09-18T23:14:25.999999Z \
             window=2009-09-15T07:00:00Z..2009-09-18T23:14:26Z instance=1"
        );
        assert_eq!(only(&outcome.decoded).seconds, Some(10_630));
    }
    if let Some(path) = shared("samples/cloudstack/kafka_usage_event_constructed.json") {
        assert_eq!(
            summary(&read(&json(path)["kafka_value"].to_string()).decoded),
            "transition active 2026-01-01T10:00:00.000002Z instance=1"
        );
    }
    if let Some(path) = shared("samples/cloudstack/usage_types.json") {
        for known in json(path).as_array().expect("a list") {
            let number = known["id"].as_i64().expect("a number");
            let record = serde_json::json!({
                "usagetype": number, "rawusage": "1", "usageid": "u-1", "size": 1, "accountid": "a",
                "startdate": "2026-10-07T00:00:00+0000", "enddate": "2026-10-07T23:59:59+0000",
            });
            let outcome = read(&record.to_string());
            let event = only(&outcome.decoded);
            assert!(event.resource.is_some(), "usage type {known} meters nothing");
            let is_amount = matches!(known["raw_unit"].as_str(), Some("bytes" | "operations"));
            assert_eq!(event.seconds, (!is_amount).then_some(3_600), "{known}");
        }
    }
}

#[test]
fn vsphere_captures() {
    let check = |name: &str, expect: &str| {
        let Some(text) = text(&format!("samples/vmware/{name}.json")) else { return };
        assert_eq!(summary(&read(&text).decoded), expect, "{name}");
    };
    check(
        "vmpoweredoff_cloudevent_v0_type",
        "transition stopped 2020-02-11T21:28:23.677595Z instance=1",
    );
    check("drs_vmpoweredon_data", "transition active 2021-05-17T21:39:03.974Z instance=1");
    check("datastore_usage_alarm_data", "unmetered /vsphere without class");
    check("task_unregister_destroy_data", "unmetered /vsphere without class");
}

#[test]
fn libvirt_captures() {
    if let Some(text) = text("samples/libvirt-kvm/libvirt_test_driver_events.jsonl") {
        let shown: Vec<String> = text
            .lines()
            .map(|line| {
                let shown = summary(&read(line).decoded);
                shown.replace("2026-11-21T02:44:4", "")
            })
            .collect();
        let sized = |at: &str, vcpu: &str, memory: &str, time: &str| {
            format!("snapshot active {at} instance=1 vcpu={vcpu} memory={memory} cpu-time={time}")
        };
        assert_eq!(
            shown,
            [
                "transition - 6.787677Z".to_owned(),
                "transition active 6.988132Z instance=1".to_owned(),
                "snapshot active 7.188561Z instance=1".to_owned(),
                sized("7.188669Z", "2000000", "1073741824", "1795229087188667000"),
                "transition paused 7.188745Z instance=1".to_owned(),
                "transition active 7.389044Z instance=1".to_owned(),
                "snapshot active 7.589480Z instance=1".to_owned(),
                sized("7.589588Z", "1000000", "2147483648", "1795229087589582000"),
                "transition stopped 7.589682Z instance=1".to_owned(),
                "transition active 7.890239Z instance=1".to_owned(),
                "transition stopped 8.091266Z instance=1".to_owned(),
                "transition deleted 8.292080Z terminal".to_owned(),
            ]
        );
    }
    if let Some(text) = text("samples/libvirt-kvm/domstats_go_binding.json") {
        let list = Json::parse(&text).expect("json");
        let stats = list.items().expect("a list")[0].text;
        // The binding names neither domain nor time: the agent adds them.
        assert_eq!(summary(&read(stats).decoded), "missing_field: uuid: the report has none");
        let line = format!(
            r#"{{"kind": "domstats", "observed_at": 1795229087, "uuid": "u-1", "stats": {stats}}}"#
        );
        assert_eq!(
            summary(&read(&line).decoded),
            "snapshot - 2026-11-21T02:44:47Z instance=1 vcpu=4000000 volume=42949672960 \
             volume-physical=41385254912 cpu-time=86393420788\n\
             snapshot - 2026-11-21T02:44:47Z disk-ops=21053 disk-io=533558784\n\
             snapshot - 2026-11-21T02:44:47Z egress=577941 ingress=29735062"
        );
    }
}

#[test]
fn ec2_and_s3_captures() {
    let check = |name: &str, expect: &str| {
        let Some(text) = text(&format!("samples/aws/{name}")) else { return };
        assert_eq!(summary(&read(&text).decoded), expect, "{name}");
    };
    check(
        "ec2_state_change_eventbridge.json",
        "transition deleted 2017-12-22T18:43:48.000001Z terminal",
    );
    check(
        "cloudtrail_start_instances.json",
        "transition active 2023-07-19T21:17:28Z instance=1\n\
         transition active 2023-07-19T21:17:28Z instance=1",
    );
    check("s3-event.json", "unmetered /s3/notifications/us-east-1 ObjectCreated:Put");
    if let Some(text) = text("samples/aws/s3_server_access.log") {
        let shown: Vec<String> = text.lines().map(|line| summary(&read(line).decoded)).collect();
        let bytes = [113, 242, 297];
        let expect =
            bytes.map(|sent| format!("delta - 2019-02-06T00:00:38Z requests=1 egress={sent}"));
        assert_eq!(shown, expect);
    }
    if let Some(text) = text("samples/aws/s3_usage_report_constructed.csv") {
        let day = "2026-01-01T23:59:59.999999Z window=2026-01-01T00:00:00Z..2026-01-02T00:00:00Z";
        let hour = "2026-01-01T00:59:59.999999Z window=2026-01-01T00:00:00Z..2026-01-01T01:00:00Z";
        assert_eq!(
            summary(&read(&text).decoded),
            format!(
                "interval active {day} object-storage=2576980377600\n\
                 interval active {day} objects=1200\n\
                 delta - {hour} requests=340\n\
                 delta - {hour} requests=9120\n\
                 delta - {hour} egress=5368709120"
            )
        );
    }
}
