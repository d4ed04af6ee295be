//! Records of at most the allowed length that would take far more to read than they have.

use std::thread;
use std::time::{Duration, Instant};

use super::{read, summary};
use crate::{Decoded, reason};

/// Far less than a thread that decodes has.
const STACK_BYTES: usize = 256 << 10;
/// Generous: the slowest takes a tenth of it where nothing is optimised.
const SECONDS_MAX: Duration = Duration::from_secs(20);

/// What comes of a record that is read on a small stack.
fn small(text: String) -> Vec<Decoded> {
    let began = Instant::now();
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || read(&text).decoded);
    let decoded = thread.expect("starts").join().expect("no overflow");
    assert!(began.elapsed() < SECONDS_MAX, "{:?}", began.elapsed());
    decoded
}

fn nested(open: &str, inner: &str, close: &str, times: usize) -> String {
    format!("{}{inner}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn tags_within_tags_are_not_followed() {
    let tags = nested("<tags>", "<key>k</key>", "</tags>", 80_000);
    let text = format!(
        "<listusagerecordsresponse><usagerecord>{tags}</usagerecord></listusagerecordsresponse>"
    );
    assert!(text.len() > 1_000_000 && text.len() <= 1 << 20);
    assert!(summary(&small(text)).starts_with("missing_field: "));
}

#[test]
fn no_nest_overflows_a_stack() {
    let deep =
        |open: &str, close: &str| nested(open, "", close, (1 << 20) / (open.len() + close.len()));
    for text in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("<a>", "</a>"),
        deep("<HISTORY>", "</HISTORY>"),
        deep("<usagerecord>", "</usagerecord>"),
        format!("<HISTORY_RECORDS>{}</HISTORY_RECORDS>", deep("<b>", "</b>").split_off(140)),
    ] {
        assert!(matches!(small(text)[..], [Decoded::Dead(_)]));
    }
}

#[test]
fn a_record_within_a_record_is_not_taken_twice() {
    let text = nested("<usagerecord>", "<a>1</a>", "</usagerecord>", 20_000);
    let list = format!("<listusagerecordsresponse>{text}</listusagerecordsresponse>");
    let [Decoded::Dead(reject)] = &small(list)[..] else { panic!("one record") };
    assert!(reject.message.starts_with("record 1 of 1: "), "{}", reject.message);
}

#[test]
fn a_heading_is_not_stored_once_a_row() {
    let heading = format!("UsageType,StartTime,EndTime,UsageValue,{}", "x".repeat(500_000));
    let report = format!("{heading}\n{}", "a,b,c,d\n".repeat(60_000));
    let decoded = small(report);
    let [Decoded::Dead(reject)] = &decoded[..] else { panic!("{} rows", decoded.len()) };
    assert_eq!(reject.code, reason::BAD_TIME, "{}", reject.message);
}

#[test]
fn crumbs_are_no_records() {
    let calls = r#"{"eventSource":"a","eventName":"b","eventTime":"c","eventID":"d"}"#;
    let text = format!("{{\"Records\":[{calls}{}]}}", ",1".repeat(400_000));
    assert!(matches!(small(text)[..], [Decoded::Dead(_)]));
}

#[test]
fn names_that_stand_once_do_not_fill_the_memory() {
    let items = vec![r#"{"instanceId":"i"}"#; 20_000].join(",");
    let text = format!(
        r#"{{"eventTime":"2026-10-07T08:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"RunInstances",
        "awsRegion":"r","eventID":"{}","responseElements":{{"instancesSet":{{"items":[{items}]}}}}}}"#,
        "e".repeat(500_000)
    );
    let [Decoded::Dead(reject)] = &small(text)[..] else { panic!("is read") };
    assert_eq!(reject.code, reason::TOO_LARGE);
}

#[test]
fn many_names_take_no_longer_than_few() {
    let mut elements = String::from("<HISTORY><OID>1</OID><SEQ>1</SEQ><STIME>1</STIME>");
    for number in 0..60_000 {
        elements.push_str(&format!("<e{number}/>"));
    }
    let xml = format!("{elements}<VM><TEMPLATE><MEMORY>1</MEMORY></TEMPLATE></VM></HISTORY>");
    assert!(!small(xml).is_empty());
    let heading: Vec<String> = (0..60_000).map(|number| format!("c{number}")).collect();
    let columns = "NAME STATE CPU(sec) MEM(k) VCPUS NETTX(k) NETRX(k)";
    let table = format!("{columns} {}\n{}", heading.join(" "), "1 ".repeat(60_007));
    assert!(!small(table).is_empty());
    let meters: Vec<String> = (0..15_000)
        .map(|number| format!(r#"{{"meter":"m{number}","quantity":1,"unit":"x"}}"#))
        .collect();
    let event =
        super::store::event("1", 1).replace(r#"{"meter":"vcpu","quantity":1}"#, &meters.join(","));
    assert!(!small(event).is_empty());
    let cells: Vec<String> = (0..60_000).map(|number| format!("\"c{number}\":1")).collect();
    let row = format!(
        r#"{{"inventory":"turnpike.v1","first":true,"observed":"2026-10-10T09:00:00Z","system":"x",
        "row":{{"kind":"instance","id":"a",{}}}}}"#,
        cells.join(",")
    );
    assert!(!small(row).is_empty());
}
