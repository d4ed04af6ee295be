use super::{changed, only, read, summary};
use crate::{Decoded, reason};

const STATE: &str = include_str!("../../fixtures/ec2_state.json");
const EUCALYPTUS: &str = include_str!("../../fixtures/eucalyptus_state.json");
const CALLS: &str = include_str!("../../fixtures/cloudtrail_calls.json");
const LOG: &str = include_str!("../../fixtures/s3_access.log");
const ECS_LOG: &str = include_str!("../../fixtures/ecs_access.log");
const REPORT: &str = include_str!("../../fixtures/usage_report.csv");

fn resources(decoded: &[Decoded]) -> Vec<String> {
    let name = |decoded: &Decoded| match decoded {
        Decoded::Event(event) => {
            let resource = event.resource.as_ref().map(|it| it.to_string());
            let owner = event.owner.as_ref().map(|it| it.to_string());
            format!("{} of {}", resource.unwrap_or_default(), owner.unwrap_or_default())
        }
        Decoded::Unmetered(_) => "unmetered".to_owned(),
        Decoded::Dead(reject) => reject.message.clone(),
    };
    decoded.iter().map(name).collect()
}

#[test]
fn instance_states_of_an_event_bus() {
    let check = |state: &str, expect: &str| {
        let got = summary(&read(&changed(STATE, &[("/detail/state", state)]).to_string()).decoded);
        assert_eq!(got, expect, "{state}");
    };
    check("pending", "transition building 2026-10-07T08:00:05Z instance=1");
    check("running", "transition active 2026-10-07T08:00:05.000001Z instance=1");
    check("stopping", "transition stopped 2026-10-07T08:00:05.000001Z instance=1");
    check("stopped", "transition stopped 2026-10-07T08:00:05.000001Z instance=1");
    check("shutting-down", "transition stopped 2026-10-07T08:00:05.000001Z instance=1");
    check("terminated", "transition deleted 2026-10-07T08:00:05.000001Z terminal");
    check("exploded", "unknown_state: detail.state: `exploded` is no state of an instance");
    assert_eq!(
        resources(&read(STATE).decoded),
        ["ec2/instance/eu-west-3/i-0aa11bb22cc33dd44 of ec2/444455556666"]
    );
}

#[test]
fn another_cloud_of_that_shape_keeps_its_names() {
    let outcome = read(EUCALYPTUS);
    assert_eq!(
        resources(&outcome.decoded),
        ["ec2/instance/grenoble-1/i-1a2b3c4d of ec2/000123456789"]
    );
    assert_eq!(only(&outcome.decoded).source, "/eucalyptus.ec2/grenoble-1");
    let calls = CALLS.replace("ec2.amazonaws.com", "ec2.grenoble.example");
    let got = summary(&read(&calls).decoded);
    assert!(got.starts_with("transition active 2026-10-07T08:00:00Z instance=1"), "{got}");
}

#[test]
fn a_call_is_an_event_for_each_thing_that_it_names() {
    let outcome = read(CALLS);
    assert_eq!(
        summary(&outcome.decoded),
        "transition active 2026-10-07T08:00:00Z instance=1\n\
         transition active 2026-10-07T08:00:00Z instance=1\n\
         transition active 2026-10-07T08:10:00Z volume=107374182400\n\
         transition - 2026-10-07T09:00:00Z volume=268435456000\n\
         unmetered /cloudtrail/ec2.amazonaws.com/eu-west-3 \
         StopInstances failed: Client.UnauthorizedOperation\n\
         transition deleted 2026-10-07T10:00:00Z terminal"
    );
    let names = resources(&outcome.decoded);
    assert_eq!(names[0], "ec2/instance/eu-west-3/i-0aa11bb22cc33dd44 of ec2/444455556666");
    assert_eq!(names[1], "ec2/instance/eu-west-3/i-0ee55ff66aa77bb88 of ec2/444455556666");
    assert_eq!(names[3], "ec2/volume/eu-west-3/vol-0123 of ec2/444455556666");
    let mut keys = std::collections::BTreeSet::new();
    for decoded in &outcome.decoded {
        if let Decoded::Event(event) = decoded {
            assert!(keys.insert(event.key()));
        }
    }
    let (Decoded::Event(second), Decoded::Event(volume)) =
        (&outcome.decoded[1], &outcome.decoded[3])
    else {
        panic!("events")
    };
    assert_eq!(second.attributes["flavor"], "m5.large");
    assert_eq!(volume.attributes["tier"], "io2");
}

#[test]
fn one_bad_call_of_a_file_is_a_dead_letter() {
    let all = summary(&read(CALLS).decoded);
    let got = summary(&read(&CALLS.replace("\"size\": \"100\"", "\"size\": \"many\"")).decoded);
    let dead = "quantity_invalid: record 2 of 5: size: `many` is not a decimal number";
    let others = |text: &str| -> Vec<String> {
        let lines = text.lines().enumerate().filter(|(line, _)| *line != 2);
        lines.map(|(_, line)| line.to_owned()).collect()
    };
    assert_eq!(got.lines().nth(2), Some(dead));
    assert_eq!(others(&got), others(&all));
}

#[test]
fn lines_of_an_access_log_are_requests_and_traffic() {
    let shown: Vec<String> = LOG.lines().map(|line| summary(&read(line).decoded)).collect();
    assert_eq!(
        shown,
        [
            "delta - 2026-10-07T08:00:01Z requests=1 egress=52428",
            "delta - 2026-10-07T08:00:02Z requests=1",
            "unmetered /s3/access-log REST.GET.OBJECT failed",
        ]
    );
    let owner = "0f1e2d3c4b5a69788796a5b4c3d2e1f0".repeat(2);
    let first = read(LOG.lines().next().unwrap_or_default());
    assert_eq!(resources(&first.decoded), [format!("s3/bucket/shop-media of s3/{owner}")]);
    let classes: Vec<String> = LOG
        .lines()
        .take(2)
        .map(|line| only(&read(line).decoded).attributes["op_class"].clone())
        .collect();
    assert_eq!(classes, ["tier2", "tier1"]);
}

#[test]
fn a_shorter_log_of_another_store_is_read_too() {
    let outcome = read(ECS_LOG);
    assert_eq!(
        summary(&outcome.decoded),
        "delta - 2026-10-07T08:15:00Z requests=1 egress=734003200"
    );
    assert_eq!(resources(&outcome.decoded), ["s3/bucket/media-archive of s3/object-team"]);
    // One request that removes two objects is two lines, and a line sent again is the same.
    let id = |line: &str| only(&read(line).decoded).id.clone();
    assert_eq!(id(ECS_LOG), id(ECS_LOG));
    assert_ne!(id(ECS_LOG), id(&ECS_LOG.replace("films/1.mov ", "films/2.mov ")));
}

#[test]
fn text_that_only_looks_alike_is_nobodys() {
    for text in [
        "192.0.2.1 - - [07/Oct/2026:08:00:01 +0000] \"GET / HTTP/1.1\" 200 5",
        "a b [c] d",
        "Service, Operation, Cost\nS3,Get,1",
        "<html></html>",
        "Domain db-1 is gone",
    ] {
        let outcome = read(text);
        let [Decoded::Dead(reject)] = &outcome.decoded[..] else {
            panic!("{text}: {}", summary(&outcome.decoded))
        };
        assert_eq!(reject.code, reason::JSON_INVALID, "{text}");
    }
}

#[test]
fn rows_of_a_usage_report_are_exact() {
    let heading = REPORT.lines().next().unwrap_or_default();
    let rows: Vec<String> = REPORT
        .lines()
        .skip(1)
        .map(|row| summary(&read(&format!("{heading}\n{row}")).decoded))
        .collect();
    let day = "2026-10-07T23:59:59.999999Z window=2026-10-07T00:00:00Z..2026-10-08T00:00:00Z";
    let hour = "2026-10-07T08:59:59.999999Z window=2026-10-07T08:00:00Z..2026-10-07T09:00:00Z";
    assert_eq!(
        rows,
        [
            format!("interval active {day} object-storage=1288490188800"),
            format!("interval active {day} object-storage=240"),
            format!("delta - {hour} requests=340"),
            format!("delta - {hour} egress=5368709120"),
            format!("interval active {day} objects=1200"),
            "unmetered /s3/usage-report EUW3-Select-Scanned-Bytes".to_owned(),
        ]
    );
    // Several rows under one heading are the same events.
    let whole = read(REPORT);
    assert_eq!(summary(&whole.decoded), rows.join("\n"));
    let labels = |index: usize| match &whole.decoded[index] {
        Decoded::Event(event) => (
            event.attributes["op_class"].clone(),
            event.attributes["storage_class"].clone(),
            event.seconds,
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(labels(0), ("storage".to_owned(), "standard".to_owned(), Some(3_600)));
    assert_eq!(labels(1), ("storage".to_owned(), "sia".to_owned(), Some(3_600)));
    assert_eq!(labels(2), ("tier1".to_owned(), "standard".to_owned(), None));
    assert_eq!(labels(4), ("storage".to_owned(), "standard".to_owned(), Some(86_400)));
}

#[test]
fn a_report_that_cannot_be_right_is_refused() {
    let heading = REPORT.lines().next().unwrap_or_default();
    let check = |row: &str, code: &str| {
        let outcome = read(&format!("{heading}\n{row}"));
        let [Decoded::Dead(reject)] = &outcome.decoded[..] else {
            panic!("{}", summary(&outcome.decoded))
        };
        assert_eq!(reject.code, code, "{row}");
    };
    let row = |from: &str, to: &str, value: &str| {
        format!("S3,A,TimedStorage-ByteHrs,b,{from},{to},{value}")
    };
    check(&row("10/07/26 00:00:00", "10/07/26 00:00:00", "1"), reason::BAD_WINDOW);
    check(&row("10/07/26 00:00:00", "10/07/26 00:30:00", "1"), reason::BAD_WINDOW);
    check(&row("31/07/26 00:00:00", "10/08/26 00:00:00", "1"), reason::BAD_TIME);
    check(&row("10/07/26 00:00:00", "10/08/26 00:00:00", "0.5"), reason::QUANTITY_PRECISION);
    check(&row("10/07/26 00:00:00", "10/08/26 00:00:00", ""), reason::MISSING_FIELD);
    check("S3,\"open", reason::INVALID_FIELD);
}

#[test]
fn an_instance_of_another_type_is_that_from_then_on() {
    let call = |parameters: &str| {
        format!(
            r#"{{"eventTime":"2026-10-07T09:30:00Z","eventSource":"ec2.amazonaws.com",
            "eventName":"ModifyInstanceAttribute","awsRegion":"eu-west-3","eventID":"e-1",
            "recipientAccountId":"444455556666","requestParameters":{parameters},
            "responseElements":{{"_return":true}}}}"#
        )
    };
    for parameters in [
        r#"{"instanceId":"i-1","instanceType":{"value":"m5.2xlarge"}}"#,
        r#"{"instanceId":"i-1","instanceType":"m5.2xlarge"}"#,
        r#"{"instanceId":"i-1","attribute":"instanceType","value":"m5.2xlarge"}"#,
    ] {
        let outcome = read(&call(parameters));
        assert_eq!(summary(&outcome.decoded), "transition - 2026-10-07T09:30:00Z instance=1");
        let event = only(&outcome.decoded);
        assert_eq!(event.attributes["flavor"], "m5.2xlarge");
        assert_eq!(
            event.resource.as_ref().map(|id| id.as_str()),
            Some("ec2/instance/eu-west-3/i-1")
        );
    }
    let other = call(r#"{"instanceId":"i-1","ebsOptimized":true}"#);
    let expect = "unmetered /cloudtrail/ec2.amazonaws.com/eu-west-3 ModifyInstanceAttribute";
    assert_eq!(summary(&read(&other).decoded), expect);
}

#[test]
fn a_copy_is_one_request() {
    let line = LOG.lines().next().unwrap_or_default();
    for (operation, expect) in [
        ("REST.COPY.OBJECT", "delta - 2026-10-07T08:00:01Z requests=1 egress=52428"),
        ("REST.COPY.OBJECT_GET", "unmetered /s3/access-log REST.COPY.OBJECT_GET"),
        ("REST.COPY.PART_GET", "unmetered /s3/access-log REST.COPY.PART_GET"),
    ] {
        let line = line.replace("REST.GET.OBJECT", operation);
        assert_eq!(summary(&read(&line).decoded), expect);
    }
}
