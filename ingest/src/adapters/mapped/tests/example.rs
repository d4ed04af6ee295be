//! The example of `docs/examples/mappings`, read as an operator's folder would be.

use std::path::Path;

use super::super::{Mapped, load};
use super::described;
use crate::adapters::{Adapter, Message};
use crate::cloudevents::CloudEvent;
use crate::json::Json;
use crate::tests::context;

#[test]
fn the_example_reads_what_it_describes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/mappings");
    let mappings = load::folder(&folder).expect("valid");
    let [mapping] = mappings.try_into().expect("one example");
    let adapter = Mapped { mapping: Box::leak(Box::new(mapping)) };
    let check = |state: &str, kind: &str, expect: Option<&str>| {
        let text = format!(
            r#"{{"specversion":"1.0","id":"e-1","source":"/cloud/lyon","type":"{kind}",
            "time":"2026-10-01T00:00:00Z","data":{{"instance-id":"i-1","state":"{state}",
            "account":"t-1","vcpus":2,"memory-mib":512}}}}"#
        );
        let json = Json::parse(&text).expect("json");
        let message = Message::CloudEvent(CloudEvent::structured(&json).expect("an event"));
        assert_eq!(adapter.recognises(&message), expect.is_some(), "{kind}");
        if let Some(expect) = expect {
            let events = adapter.adapt(&message, &context()).expect("events");
            let shown: Vec<String> = events.iter().map(described).collect();
            let expect = format!(
                "e-1 transition {expect} 2026-10-01T00:00:00Z instance=1 vcpu=2000000 \
                 memory=536870912"
            );
            assert_eq!(shown, [expect], "{state}");
        }
    };
    let kind = "com.example.cloud.instance.state";
    check("running", kind, Some("active"));
    check("stopping", kind, Some("active"));
    check("stopped", kind, Some("stopped"));
    check("terminated", kind, Some("deleted"));
    check("running", "com.example.cloud.volume", None);
}
