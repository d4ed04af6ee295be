//! The examples that producers are given: each is what it is called, and is read without a word.

use std::path::Path;

use turnpike_schemas::wire::NativeEvent;

use super::read;
use crate::Decoded;

#[test]
fn every_example_is_valid_and_is_what_its_name_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/wire/examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("there are examples") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("is text");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let event: NativeEvent =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kind = name.split('-').next().unwrap_or_default();
        assert_eq!(event.event_type, format!("dev.turnpike.usage.{kind}.v1"), "{name}");
        let decoded = read(&text).decoded;
        match decoded.as_slice() {
            [Decoded::Event(event)] => assert_eq!(event.kind.as_str(), kind, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        seen += 1;
    }
    assert!(seen >= 9, "{seen} examples");
}
