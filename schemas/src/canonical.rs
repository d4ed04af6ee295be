//! Canonical text of values, for hashes and columns: JSON with sorted keys and no white space.
//!
//! Structs serialise in declared order and maps are `BTreeMap`s, so `serde_json`'s compact form is
//! canonical for every type of this crate.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Compact JSON of a value of this crate.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("types of this crate have string keys")
}

/// The text of an attribute or tag column: a JSON object with sorted keys.
pub fn labels_to_json(labels: &BTreeMap<String, String>) -> String {
    to_json(labels)
}

/// Reads an attribute or tag column; `None` where it is not a flat JSON object of strings.
pub fn labels_from_json(text: &str) -> Option<BTreeMap<String, String>> {
    serde_json::from_str(text).ok()
}

/// Lower-case hex SHA-256 of bytes.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The bucket of a resource: stable for all time, since files are stored by it.
pub fn bucket_of(resource: &str, buckets: u32) -> u32 {
    let digest = Sha256::digest(resource);
    let first: [u8; 4] = digest[..4].try_into().expect("a SHA-256 has 32 bytes");
    u32::from_be_bytes(first) % buckets.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_come_back() {
        let labels =
            BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "\"".to_owned())]);
        let text = labels_to_json(&labels);
        assert_eq!(text, r#"{"a":"\"","b":"2"}"#);
        assert_eq!(labels_from_json(&text), Some(labels));
        assert_eq!(labels_from_json(r#"{"a":1}"#), None);
    }

    #[test]
    fn buckets_never_move() {
        // Stored files depend on these numbers.
        assert_eq!(bucket_of("openstack/instance/i-1", 64), 15);
        let spread: std::collections::BTreeSet<u32> =
            (0..1000).map(|n| bucket_of(&format!("r{n}"), 64)).collect();
        assert_eq!(spread.len(), 64);
    }
}
