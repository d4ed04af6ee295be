//! Two installations of one system, whose ids are the same.

use std::sync::Arc;

use turnpike_schemas::UsageEvent;

use super::context;
use super::store::{now, store};
use crate::decode::{self, DecodeContext, Record};
use crate::{Decoded, IngestSettings, Installation, Pins, file};

fn pinned(change: impl FnOnce(&mut Pins)) -> DecodeContext {
    let mut pins = Pins::default();
    change(&mut pins);
    DecodeContext { pins: Arc::new(pins), ..context() }
}

fn name(text: &str) -> Installation {
    Installation::new(text).expect("a name")
}

fn events(text: &str, topic: Option<&str>, context: &DecodeContext) -> Vec<UsageEvent> {
    let record = Record { topic, ..Record::of(text.as_bytes()) };
    let decoded = decode::decode(&record, context);
    let event = |decoded| match decoded {
        Decoded::Event(event) | Decoded::Unmetered(event) => *event,
        Decoded::Dead(reject) => panic!("{}", reject.message),
    };
    decoded.into_iter().map(event).collect()
}

const HISTORY: &str = "<HISTORY><OID>13</OID><SEQ>0</SEQ><STIME>1767225600</STIME><ETIME>0</ETIME>\
    <RSTIME>0</RSTIME><RETIME>0</RETIME><ACTION>0</ACTION><VM><UID>2</UID><TEMPLATE>\
    <MEMORY>1024</MEMORY></TEMPLATE></VM></HISTORY>";
const XENTOP: &str = "2026-10-01T00:00:00Z\nNAME STATE CPU(sec) CPU(%) MEM(k) MEM(%) MAXMEM(k) MAXMEM(%) \
    VCPUS NETS NETTX(k) NETRX(k)\nweb --b--- 10 0.0 1024 0.1 1024 0.1 1 1 5 6";
const BUCKET: &str = r#"{"bucket":"media","id":"b.1","marker":"b.1","owner":"acme","usage":{"rgw.main":
    {"size":10,"size_utilized":5,"num_objects":1}},"bucket_quota":{},"time":"2026-10-01T00:00:00Z"}"#;
const HYPER_V: &str = r#"{"VMId":"3a2f","MeteringDuration":"01:00:00","AverageProcessorUsage":1,
    "AverageMemoryUsage":1,"time":"2026-10-01T00:00:00Z"}"#;
const BARE: &str = r#"{"Key":7,"ChainId":7,"CreatedTime":"2026-10-01T00:00:00Z",
    "FullFormattedMessage":"web on esx-1 in dc is powered on","Vm":{"Vm":{"Value":"vm-56"}}}"#;
const NATIVE: &str = include_str!("../../fixtures/native.json");

#[test]
fn a_named_installation_goes_into_what_identifies_an_event() {
    let check = |text: &str, expect: [&str; 4]| {
        let plain = &events(text, None, &context())[0];
        let marked = &events(text, None, &pinned(|pins| pins.installation = Some(name("z-b"))))[0];
        let resource = marked.resource.as_ref().map_or("", |id| id.as_str());
        let owner = marked.owner.as_ref().map_or("", |id| id.as_str());
        assert_eq!([&marked.source, &marked.id, resource, owner], expect);
        // And into nothing else.
        let mut same = marked.clone();
        same.source.clone_from(&plain.source);
        same.id.clone_from(&plain.id);
        same.resource.clone_from(&plain.resource);
        same.owner.clone_from(&plain.owner);
        assert_eq!(&same, plain);
    };
    check(
        HISTORY,
        [
            "/opennebula/z-b",
            "z-b/13/000000/1-allocated",
            "opennebula/instance/z-b/13",
            "opennebula/z-b/2",
        ],
    );
    check(XENTOP, ["/xentop/z-b", "z-b/web/2026-10-01T00:00:00Z", "xentop/instance/z-b/web", ""]);
    check(
        BUCKET,
        [
            "/ceph-rgw/z-b",
            "z-b/media/b.1/2026-10-01T00:00:00Z",
            "ceph-rgw/bucket/z-b/media",
            "ceph-rgw/z-b/acme",
        ],
    );
    // Its ids are unique in the world: a machine that is moved to another host stays the same.
    check(
        HYPER_V,
        ["/hyper-v/z-b", "z-b/3a2f/usage/2026-10-01T00:00:00Z", "hyper-v/instance/3a2f", ""],
    );
    check(BARE, ["/vsphere/z-b", "z-b/7@2026-10-01T00:00:00Z", "vsphere/instance/z-b/vm-56", ""]);
}

#[test]
fn what_names_its_own_system_stays_as_it_is() {
    let marked = pinned(|pins| pins.installation = Some(name("z-b")));
    assert_eq!(events(NATIVE, None, &marked), events(NATIVE, None, &context()));
}

#[test]
fn a_topic_has_an_installation_of_its_own() {
    let context = pinned(|pins| {
        pins.installations.insert("one-a".to_owned(), name("a"));
        pins.installations.insert("one-b".to_owned(), name("b"));
    });
    let source = |topic| events(HISTORY, topic, &context)[0].source.clone();
    assert_eq!(source(Some("one-a")), "/opennebula/a");
    assert_eq!(source(Some("one-b")), "/opennebula/b");
    assert_eq!((source(Some("other")), source(None)), ("/opennebula".into(), "/opennebula".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_machine_of_two_zones_is_two_machines() {
    let store = store().await;
    let path = store.folder.path().join("acct.xml");
    std::fs::write(&path, format!("<HISTORY_RECORDS>{HISTORY}</HISTORY_RECORDS>")).expect("writes");
    // The second zone has other numbers for its machine 13.
    let other = HISTORY.replace("1024", "2048");
    let second = store.folder.path().join("second.xml");
    std::fs::write(&second, format!("<HISTORY_RECORDS>{other}</HISTORY_RECORDS>")).expect("writes");
    let settings = |zone: &str| {
        let pins = Pins { installation: Some(name(zone)), ..Pins::default() };
        IngestSettings { pins: Arc::new(pins), ..IngestSettings::default() }
    };
    for (path, zone) in
        [(&path, "zone-a"), (&second, "zone-b"), (&path, "zone-a"), (&path, "zone-c")]
    {
        let report = file::ingest(&store.lake, path, &settings(zone), now(), &|_| {}).await;
        assert_eq!(report.expect("reads").conflict, 0);
    }
    let counts = store.counts().await;
    assert_eq!((counts.accepted, counts.duplicate, counts.conflict), (3, 0, 0));
}

#[test]
fn a_file_says_what_was_said_of_it() {
    let at = turnpike_schemas::Instant::parse("2026-10-01T00:00:00Z").ok();
    for (origin, expect) in [
        ("file:0a1b", (None, None)),
        ("file:0a1b@2026-10-01T00:00:00Z", (at, None)),
        ("file:0a1b+zone-b", (None, Some(name("zone-b")))),
        ("file:0a1b@2026-10-01T00:00:00Z+zone-b", (at, Some(name("zone-b")))),
    ] {
        assert_eq!(file::said_of(origin), expect, "{origin}");
    }
}
