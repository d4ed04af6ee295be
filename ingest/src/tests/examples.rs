//! The examples that producers are given: each is what it is called, and is read without a word.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use turnpike_schemas::wire::{NativeCorrectionData, NativeData};

use super::read;
use crate::Decoded;

/// As much of the envelope as says what the payload is.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    event_type: String,
    data: Box<RawValue>,
}

/// Whether the payload has the shape that the JSON Schema is generated from.
fn check_shape(name: &str, kind: &str, data: &str) {
    let wrong = match kind {
        "correction" => serde_json::from_str::<NativeCorrectionData>(data).err(),
        _ => serde_json::from_str::<NativeData>(data).err(),
    };
    assert!(wrong.is_none(), "{name}: {wrong:?}");
}

#[test]
fn every_example_is_valid_and_is_what_its_name_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/wire/examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("there are examples") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("is text");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let event: Envelope =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kind = name.split('-').next().unwrap_or_default();
        assert_eq!(event.event_type, format!("dev.turnpike.usage.{kind}.v1"), "{name}");
        check_shape(name, kind, event.data.get());
        let decoded = read(&text).decoded;
        match decoded.as_slice() {
            [Decoded::Event(event)] => assert_eq!(event.kind.as_str(), kind, "{name}"),
            // It meters nothing itself.
            [Decoded::Unmetered(event)] if kind == "correction" => {
                assert!(event.correction.is_some(), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
        seen += 1;
    }
    assert!(seen >= 13, "{seen} examples");
}
