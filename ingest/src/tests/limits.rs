use super::{context, read, summary};
use crate::decode::{self, DEAD_BYTES_MAX, TOO_LARGE_BYTES_KEPT};
use crate::{Record, reason};

#[test]
fn what_is_no_message_is_a_dead_letter_with_its_reason() {
    let check = |value: Option<&[u8]>, expect: &str| {
        let record = Record { value, ..Record::of(b"") };
        let outcome = decode::read(&record, &context());
        assert_eq!(summary(&outcome.decoded), expect);
    };
    check(None, "empty: the record has no value (a tombstone)");
    check(Some(b""), "empty: the record has an empty value");
    check(Some(b" \n"), "empty: the record has an empty value");
    check(Some(b"abc\xff"), "not_utf8: the value is not UTF-8 at byte 3");
    check(Some(b"{\"a\":"), "json_invalid: value: not JSON at byte 5: a value expected");
    check(
        Some(b"{\"a\":1,\"a\":2}"),
        "json_invalid: value: the key `a` stands twice in one object",
    );
    check(Some(&[b'['; 10_000]), "json_too_deep: value: JSON nested more than 64 levels deep");
    check(Some(b"[1]"), "not_an_object: the value is a list, not an object");
    check(Some(b"3"), "not_an_object: the value is a number, not an object");
    check(
        Some(b"{\"a\":1,\"b\":2}"),
        "unrecognised: no adapter reads objects with the keys `a`, `b`",
    );
    check(
        Some(br#"{"oslo.version":"2.0","oslo.message":"{broken"}"#),
        "json_invalid: oslo.message: not JSON at byte 1: a key expected",
    );
    check(
        Some(br#"{"event_type":"identity.authenticate","payload":{},"timestamp":"2026-10-01 00:00:00"}"#),
        "unmetered /openstack/identity identity.authenticate",
    );
}

#[test]
fn a_huge_record_leaves_its_start_its_length_and_its_hash() {
    let mut value = br#"{"password":"hunter2", "pad":""#.to_vec();
    value.resize(10 << 20, b'x');
    let outcome = decode::read(&Record::of(&value), &context());
    let text = summary(&outcome.decoded);
    assert!(text.starts_with(
        "too_large: the record has 10485760 bytes, at most 1048576 are read; sha256 "
    ));
    assert!(outcome.raw.len() <= TOO_LARGE_BYTES_KEPT + 64);
    assert!(!String::from_utf8_lossy(&outcome.raw).contains("hunter2"));
    // One byte within the limit is read.
    let mut value = br#"{"a":""#.to_vec();
    value.resize((1 << 20) - 2, b'x');
    value.extend_from_slice(b"\"}");
    let outcome = decode::read(&Record::of(&value), &context());
    assert!(summary(&outcome.decoded).starts_with("unrecognised"));
    assert_eq!(outcome.raw.len(), DEAD_BYTES_MAX);
    value.push(b' ');
    assert!(
        summary(&decode::read(&Record::of(&value), &context()).decoded).starts_with("too_large")
    );
}

#[test]
fn labels_are_bounded() {
    let event = |labels: &str| {
        let text = include_str!("../../fixtures/native.json")
            .replace("{ \"flavor\": \"m1.small\" }", labels);
        summary(&read(&text).decoded)
    };
    let many: Vec<String> = (0..257).map(|n| format!("\"k{n}\":\"\"")).collect();
    assert_eq!(
        event(&format!("{{{}}}", many.join(","))),
        "labels_too_large: attributes: 257 entries, at most 256 are kept"
    );
    let long = format!("{{\"k\":\"{}\"}}", "v".repeat(1025));
    assert_eq!(event(&long), "labels_too_large: attributes: `k` is longer than 1024 bytes");
    assert!(event("{\"k\":\"\\u0000\"}").starts_with("transition"));
}

#[test]
fn every_reason_has_a_meaning() {
    for reason in reason::ALL {
        assert!(reason.meaning.ends_with('.'), "{}", reason.code);
    }
}
