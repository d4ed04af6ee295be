//! The short way of native events against the general one: the same rows, whatever comes.

use std::sync::Arc;

use arrow::array::RecordBatch;
use proptest::prelude::*;

use super::{context, store::now};
use crate::batch::Batcher;
use crate::block::Prepared;
use crate::{IngestSettings, Record};

/// Events of every kind, each of which goes the short way.
const EVENTS: [&str; 9] = [
    r#"{"specversion":"1.0","id":"e-1","source":"/kvm/fra1/agent-03","type":"dev.turnpike.usage.transition.v1","subject":"instance/i-1","time":"2026-10-01T00:00:00Z","datacontenttype":"application/json","data":{"namespace":"acme","resource":{"kind":"instance","id":"i-1"},"owner":"shop","project":"web","site":"fra1","region":"eu","state":"active","since":"2026-09-30T23:00:00.5+02:00","incarnation":"boot-1","held":[{"meter":"vcpu","quantity":2},{"meter":"memory","quantity":"4.5","unit":"GiB"}],"attributes":{"flavor":"m1.small"},"tags":{"b":"2","a":"1"}}}"#,
    r#"{"specversion": "1.0", "id": "e-2", "source": "s", "type": "dev.turnpike.usage.snapshot.v1", "time": "2026-10-01T00:00:00.123456789-01:30", "data": {"resource": {"kind": "volume", "id": "v/1", "parent": "instance/i-1"}, "held": [{"meter": "volume", "quantity": 10, "unit": "GB", "cumulative": false}], "attributes": {"b": "2", "a": "1"}, "tags": {}}}"#,
    r#" {"data":{"resource":{"id":"b","kind":"bucket"},"window":{"start":"2026-10-01T00:00:00Z","end":"2026-10-02T00:00:00Z"},"used":[{"meter":"egress","quantity":123456789012345678},{"meter":"requests","quantity":1.5,"unit":"1000 requests"}]},"type":"dev.turnpike.usage.delta.v1","source":"s","id":"e-3","specversion":"1.0","partitionkey":"p"} "#,
    r#"{"specversion":"1.0","id":"e-4","source":"s","type":"dev.turnpike.usage.delta.v1","time":"2026-10-01T00:00:00Z","data":{"resource":{"kind":"instance","id":"i"},"incarnation":"x","used":[{"meter":"cpu-time","quantity":"0.000000001","cumulative":true}]}}"#,
    r#"{"specversion":"1.0","id":"e-5","source":"s","type":"dev.turnpike.usage.interval.v1","data":{"resource":{"kind":"instance","id":"i"},"window":{"start":"2026-09-30T00:00:00Z","end":"2026-10-02T00:00:00Z"},"held":[{"meter":"instance","quantity":1}]}}"#,
    r#"{"specversion":"1.0","id":"e-6","source":"s","type":"dev.turnpike.usage.interval.v1","data":{"resource":{"kind":"instance","id":"i"},"window":{"start":"2026-01-01T00:00:00Z","end":"2026-10-02T00:00:00Z"},"seconds":3600,"held":[{"meter":"instance","quantity":1}],"attributes":{}}}"#,
    r#"{"specversion":"1.0","id":"e-7","source":"s","type":"dev.turnpike.usage.audit.v1","data":{"resource":{"kind":"instance","id":"i"},"owner":"o","window":{"start":"2026-10-01T00:00:00Z","end":"2026-10-01T01:00:00Z"},"state":"shelved-offloaded","held":[]}}"#,
    r#"{"specversion":"1.0","id":"e-8","source":"s","type":"dev.turnpike.usage.transition.v1","time":"2026-11-21T03:05:00Z","data":{"resource":{"kind":"instance","id":"i"},"terminal":true}}"#,
    r#"{"specversion":"1.0","id":"e-9","source":"s","type":"dev.turnpike.usage.transition.v1","time":"2026-11-21T03:00:00Z","data":{"resource":{"kind":"instance","id":"i"},"state":"deleted","terminal":false,"tags":{"x":""}}}"#,
];

fn batch(push: impl FnOnce(&mut Batcher, &Arc<str>)) -> RecordBatch {
    let mut batcher = Batcher::new(&IngestSettings::default(), 16, now());
    let origin: Arc<str> = "file:fast".into();
    batcher.open(Arc::clone(&origin), None);
    push(&mut batcher, &origin);
    batcher.take(now()).expect("builds").expect("a batch").rows
}

/// Whether it went the short way, having checked that its rows are those of the general one.
fn short(record: &Record<'_>) -> bool {
    let mut is_short = false;
    let both = batch(|batcher, origin| {
        let mut builder = batcher.builder();
        let slot = builder.slot(origin, batcher.opening(origin));
        // The value stands somewhere in the bytes that were read.
        let mut bytes = b"before".to_vec();
        bytes.extend_from_slice(record.value.unwrap_or_default());
        is_short = builder.add(slot, 7, record, Some(6), &batcher.context);
        batcher.push_block(builder.finish(bytes));
    });
    let copied = batch(|batcher, origin| batcher.push(origin, 7, record));
    let general = batch(|batcher, origin| {
        let prepared = Prepared::of(record, &batcher.context);
        batcher.push_prepared(origin, 7, prepared);
    });
    assert_eq!(both, general, "{:?}", record.value.map(String::from_utf8_lossy));
    assert_eq!(copied, general);
    is_short
}

#[test]
fn the_usual_event_goes_the_short_way_to_the_same_row() {
    for event in EVENTS {
        assert!(short(&Record::of(event.as_bytes())), "{event}");
        let structured =
            [("Content-Type".to_owned(), b"application/cloudevents+json; charset=UTF-8".to_vec())];
        let record =
            Record { headers: &structured, topic: Some("usage"), ..Record::of(event.as_bytes()) };
        assert!(short(&record), "{event}");
        let binary = [("ce_specversion".to_owned(), b"1.0".to_vec())];
        assert!(!short(&Record { headers: &binary, ..Record::of(event.as_bytes()) }));
    }
    let fixture = include_str!("../../fixtures/native.json");
    assert!(short(&Record::of(fixture.as_bytes())));
}

#[test]
fn what_is_unusual_goes_the_general_way_to_the_same_row() {
    let event = EVENTS[0];
    let check = |from: &str, to: &str| {
        let changed = event.replace(from, to);
        assert_ne!(changed, event, "{from}");
        assert!(!short(&Record::of(changed.as_bytes())), "{changed}");
    };
    check("i-1\"},", "\u{fc}\"},");
    check("fra1/", "fra1\\/");
    check("\"flavor\"", "\"api_token\"");
    check("m1.small", "{\\\"password\\\":\\\"x\\\"}");
    check("m1.small", "[1]");
    check("\"vcpu\"", "\"gpu\"");
    check("\"memory\"", "\"vcpu\"");
    check("GiB", "furlong");
    check("4.5", "4.0000000001");
    check("\"quantity\":2", "\"quantity\":02");
    check("\"quantity\":2", "\"quantity\":-2");
    check("\"quantity\":2", "\"quantity\":1e2");
    check("\"quantity\":2", "\"quantity\":2.");
    check("2026-10-01T00", "2026-12-01T00");
    check("2026-10-01T00:00:00Z", "2026-02-29T00:00:00Z");
    check("2026-10-01T00:00:00Z", "2026-10-01 00:00:00Z");
    check("2026-10-01T00:00:00Z", "1969-10-01T00:00:00Z");
    check("transition", "delta");
    check("transition", "interval");
    check("transition", "unheard-of");
    check("\"1.0\"", "\"0.3\"");
    check("\"state\":\"active\"", "\"state\":\"unknown\"");
    check("\"state\":\"active\"", "\"state\":\"active\",\"terminal\":true");
    check("\"owner\":\"shop\"", "\"owner\":\"\"");
    check("\"owner\":\"shop\"", "\"owner\":null");
    check("\"owner\":\"shop\"", "\"owner\":\"shop\",\"owner\":\"shop\"");
    check("\"kind\":\"instance\"", "\"kind\":\"a/b\"");
    check("\"project\":\"web\"", "\"seconds\":5");
    check("\"project\":\"web\"", "\"colour\":\"web\"");
    check("\"e-1\"", "\"\"");
    check("\"b\":\"2\"", "\"a\":\"2\"");
    check("}}", "}} x");
    check("}}", "}");
    let long = "x".repeat(600);
    for field in ["e-1", "shop", "web", "m1.small"] {
        check(field, &field.replace(field, &long.repeat(2)));
    }
    let record = Record { topic: Some("t"), ..Record::of(event.as_bytes()) };
    assert!(short(&record));
    assert!(!short(&Record { value: None, ..record }));
    assert_eq!(context().bytes_max, IngestSettings::BYTES_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_events_give_the_same_rows(
        event in 0..EVENTS.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..4),
    ) {
        let mut bytes = EVENTS[event].as_bytes().to_vec();
        for (at, byte, what) in edits {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes[at] = b"\"\\{}[]:,.0123456789eEnft-+/ "[usize::from(byte) % 27],
                2 => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        short(&Record::of(&bytes));
    }

    #[test]
    fn events_with_other_values_give_the_same_rows(
        event in 0..EVENTS.len(),
        at in any::<prop::sample::Index>(),
        value in r#"(null|true|false|-?[0-9]{1,20}(\.[0-9]{1,12})?(e[0-9]{1,2})?|"[ -~]{0,12}"|"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:00:00(\.[0-9]{0,10})?(Z|[+-]0[0-9]:30)"|\[\]|\{\}|\{"(a|b|token)":"[a-z]?"(,"[ab]":"")?\})"#,
    ) {
        // Replaces the value after some colon.
        let text = EVENTS[event];
        let colons: Vec<usize> = text.match_indices("\":").map(|(at, _)| at + 2).collect();
        let start = colons[at.index(colons.len())];
        let end = start + text[start..].find([',', '}', ']']).unwrap_or(0);
        short(&Record::of(format!("{}{value}{}", &text[..start], &text[end..]).as_bytes()));
    }

    #[test]
    fn parts_of_events_taken_twice_or_left_out_give_the_same_rows(
        event in 0..EVENTS.len(),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        into in any::<prop::sample::Index>(),
    ) {
        let text = EVENTS[event];
        let commas: Vec<usize> = text.match_indices(',').map(|(at, _)| at).collect();
        let (from, to) = (commas[from.index(commas.len())], commas[to.index(commas.len())]);
        let part = &text[from.min(to)..from.max(to)];
        let into = commas[into.index(commas.len())];
        short(&Record::of(format!("{}{part}{}", &text[..into], &text[into..]).as_bytes()));
        short(&Record::of(text.replacen(part, "", 1).as_bytes()));
    }
}
