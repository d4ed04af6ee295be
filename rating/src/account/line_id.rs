//! The id of a line of usage: the first digits of a SHA-256 over the canonical text of its key and of
//! what sets it apart from the other lines of the key.
//!
//! The text is that of [`canonical::to_json`], byte for byte, in three pieces: what stands between the
//! account and the resource, and what stands after them, is the same for the lines of many accounts.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use turnpike_schemas::canonical;

use crate::gather::GatherKey;

/// Hex digits of a line's id: 96 bits, enough that lines of one run never meet.
pub(crate) const DIGITS: usize = 24;

/// The key as far as its account.
pub(crate) fn put_account(account: &str, out: &mut String) {
    out.push_str("{\"account\":");
    quoted(account, out);
}

/// What comes before the resource.
pub(crate) fn put_project(service: &str, project: Option<&str>, out: &mut String) {
    out.push_str(",\"service\":");
    quoted(service, out);
    out.push_str(",\"project\":");
    optional(project, out);
}

pub(crate) fn put_resource(resource: &str, out: &mut String) {
    out.push_str(",\"resource\":");
    quoted(resource, out);
}

/// What comes after the resource.
pub(crate) fn put_price(key: &GatherKey, out: &mut String) {
    out.push_str(",\"meter\":");
    quoted(key.meter.as_str(), out);
    out.push_str(",\"site\":");
    optional(key.site.as_deref(), out);
    out.push_str(",\"attributes\":");
    out.push_str(&canonical::labels_to_json(&key.attributes));
    out.push_str(",\"tariff\":");
    quoted(key.tariff.as_str(), out);
    out.push_str(",\"tariff_version\":");
    quoted(key.tariff_version.as_str(), out);
    put_number("rate_index", key.rate_index, out);
    if !key.chain.is_empty() {
        out.push_str(",\"chain\":");
        out.push_str(&canonical::to_json(&key.chain));
    }
    put_number("per_seconds", key.per_seconds, out);
    for (name, instant) in [("month", &key.month), ("window", &key.window)] {
        if let Some(instant) = instant {
            put_number(name, canonical::to_json(instant), out);
        }
    }
    out.push_str(",\"agreement\":");
    optional(key.agreement.as_ref().map(|agreement| agreement.as_str()), out);
    out.push_str(",\"tax_category\":");
    quoted(key.tax_category.as_str(), out);
    put_number("estimated", key.estimated, out);
    out.push('}');
}

/// A value whose text needs no quotation marks, or has them.
fn put_number(name: &str, value: impl std::fmt::Display, out: &mut String) {
    // Writing to a String does not fail.
    let _ = write!(out, ",\"{name}\":{value}");
}

fn optional(text: Option<&str>, out: &mut String) {
    match text {
        Some(text) => quoted(text, out),
        None => out.push_str("null"),
    }
}

fn quoted(text: &str, out: &mut String) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&canonical::to_json(text));
    }
}

/// The id of the line of a key that `apart` tells from the others.
pub(super) fn of_key(key: &GatherKey, apart: &str) -> String {
    let mut text = String::with_capacity(512);
    put_account(key.account.as_str(), &mut text);
    put_project(&key.service, key.project.as_deref(), &mut text);
    put_resource(key.resource.as_str(), &mut text);
    put_price(key, &mut text);
    let digits = KeyHash::of(&text).id(apart);
    digits_text(&digits).to_owned()
}

/// A key's text, hashed once for all of its lines.
pub(crate) struct KeyHash(Sha256);

impl KeyHash {
    pub(crate) fn of(text: &str) -> Self {
        Self(Sha256::new_with_prefix(text))
    }

    pub(crate) fn id(&self, apart: &str) -> [u8; DIGITS] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digest = self.0.clone().chain_update(apart).finalize();
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(digest) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        digits
    }
}

pub(crate) fn digits_text(digits: &[u8; DIGITS]) -> &str {
    std::str::from_utf8(digits).expect("hex digits are ASCII")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use turnpike_schemas::Instant;

    use super::*;

    fn texts() -> Vec<String> {
        let odd =
            ["", "plain", "\"", "\\", "a\"b\\c", "\u{1}\u{8}\u{c}\n\r\t\u{1f}", "\u{7f}é€🦀/"];
        odd.map(str::to_owned).to_vec()
    }

    fn keys() -> Vec<GatherKey> {
        let mut keys = Vec::new();
        for (at, text) in texts().into_iter().enumerate() {
            let odd = at % 2 == 1;
            let reference = text.replace(char::is_control, "?");
            let instant = Instant::from_micros(1_767_225_600_000_000 + at as i64).expect("instant");
            keys.push(GatherKey {
                account: "a-1".parse().expect("id"),
                service: text.clone(),
                project: odd.then(|| text.clone()),
                resource: format!("r{reference}").parse().expect("id"),
                meter: "vcpu".parse().expect("id"),
                site: (!odd).then(|| text.clone()),
                attributes: BTreeMap::from([(text.clone(), text.clone()), ("z".to_owned(), text)]),
                tariff: "list".parse().expect("id"),
                tariff_version: "list.1".parse().expect("id"),
                rate_index: at * 1_000_003,
                chain: if odd { vec!["list.1".parse().expect("id"); at] } else { Vec::new() },
                per_seconds: if odd { i64::MIN } else { 3_600 },
                month: odd.then_some(instant),
                window: (at % 3 == 0).then_some(instant),
                agreement: odd.then(|| "g-1".parse().expect("id")),
                tax_category: "standard".parse().expect("id"),
                estimated: odd,
            });
        }
        keys
    }

    #[test]
    fn the_text_of_a_key_is_canonical() {
        for key in keys() {
            let mut text = String::new();
            put_account(key.account.as_str(), &mut text);
            put_project(&key.service, key.project.as_deref(), &mut text);
            put_resource(key.resource.as_str(), &mut text);
            put_price(&key, &mut text);
            assert_eq!(text, canonical::to_json(&key));
        }
    }

    #[test]
    fn an_id_is_the_start_of_the_hash() {
        for key in keys() {
            let of_key = of_key(&key, "Tier 1");
            let hash = canonical::sha256_hex(canonical::to_json(&key) + "Tier 1");
            assert_eq!(of_key, hash[..DIGITS]);
        }
    }
}
