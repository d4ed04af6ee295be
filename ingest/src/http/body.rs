//! [`Body`]: the items of a request's body, by its media type and its `ce-` headers.
//!
//! A body that cannot be taken apart is refused whole, and nothing of it is stored. An item that
//! cannot be read is not refused: it becomes a dead letter, like everywhere.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What a body is, by its `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/cloudevents+json`
    CloudEvent,
    /// `application/cloudevents-batch+json`
    CloudEventBatch,
    /// `application/json`, or no type at all.
    Json,
    /// `application/x-ndjson` and its other names: one JSON value a line.
    JsonLines,
    /// `text/plain`: one record a line.
    Lines,
    /// Any other text, XML or CSV: one record as a whole.
    Text,
}

impl MediaType {
    /// Of a `Content-Type` header. `any`: text of every kind is read, since an adapter was named.
    pub fn of(header: Option<&str>, any: bool) -> Option<Self> {
        let Some(header) = header else { return Some(Self::Json) };
        let name = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "application/cloudevents+json" => Some(Self::CloudEvent),
            "application/cloudevents-batch+json" => Some(Self::CloudEventBatch),
            "" | "application/json" => Some(Self::Json),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/json-seq" => Some(Self::JsonLines),
            _ if name.starts_with("application/cloudevents") => None,
            _ if name.ends_with("+json") => Some(Self::Json),
            "text/plain" if any => Some(Self::Lines),
            "application/xml" | "application/csv" if any => Some(Self::Text),
            _ if any && (name.starts_with("text/") || name.ends_with("+xml")) => Some(Self::Text),
            _ => None,
        }
    }
}

/// One record of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'a> {
    /// As the Kafka binding writes them, so that all sources are read by one rule.
    pub headers: Vec<(String, Vec<u8>)>,
    pub value: Cow<'a, [u8]>,
}

/// Why a body cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is empty")]
    Empty,
    #[error("the body is not UTF-8 at byte {at}")]
    NotUtf8 { at: usize },
    #[error("the body is no JSON: {0}")]
    Json(String),
    #[error("the body is {found}; {wanted} is expected")]
    Form { found: &'static str, wanted: &'static str },
    #[error("the body holds more than {max} items")]
    TooMany { max: usize },
    #[error("the header `{0}` cannot be read")]
    Header(String),
}

/// A request's body and what its headers say of it.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    pub media_type: MediaType,
    /// The `ce-` headers without their prefix; empty: none.
    pub attributes: &'a [(String, String)],
    pub bytes: &'a [u8],
    pub items_max: usize,
}

const STRUCTURED: (&str, &[u8]) = ("content-type", b"application/cloudevents+json");

impl<'a> Body<'a> {
    /// The items: at least one.
    pub fn items(&self) -> Result<Vec<Item<'a>>, BodyError> {
        let text = std::str::from_utf8(self.bytes)
            .map_err(|error| BodyError::NotUtf8 { at: error.valid_up_to() })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_ascii().is_empty() {
            return Err(BodyError::Empty);
        }
        let structured = || vec![(STRUCTURED.0.to_owned(), STRUCTURED.1.to_vec())];
        match self.media_type {
            MediaType::CloudEvent => match kind(text)? {
                OBJECT => Ok(vec![Item { headers: structured(), value: bytes(text) }]),
                found => Err(BodyError::Form { found, wanted: OBJECT }),
            },
            MediaType::CloudEventBatch => self.list(text, &structured()),
            _ if self.is_binary() => {
                kind(text)?;
                Ok(vec![Item { headers: self.binary()?, value: bytes(text) }])
            }
            MediaType::Json => match kind(text)? {
                OBJECT => Ok(vec![bare(text)]),
                LIST => self.list(text, &[]),
                found => Err(BodyError::Form { found, wanted: "an object or a list" }),
            },
            MediaType::JsonLines | MediaType::Lines => self.lines(text),
            MediaType::Text => Ok(vec![bare(text)]),
        }
    }

    fn is_binary(&self) -> bool {
        self.attributes.iter().any(|(name, _)| name == "specversion")
    }

    /// The attributes as the headers of a Kafka record in binary mode.
    fn binary(&self) -> Result<Vec<(String, Vec<u8>)>, BodyError> {
        let header = |(name, value): &(String, String)| {
            let value =
                percent_decoded(value).ok_or_else(|| BodyError::Header(format!("ce-{name}")));
            Ok((format!("ce_{name}"), value?.into_bytes()))
        };
        self.attributes.iter().map(header).collect()
    }

    fn list(
        &self,
        text: &'a str,
        headers: &[(String, Vec<u8>)],
    ) -> Result<Vec<Item<'a>>, BodyError> {
        let found = kind(text)?;
        if found != LIST {
            return Err(BodyError::Form { found, wanted: LIST });
        }
        let mut items: Vec<&'a RawValue> = Vec::new();
        let mut reader = serde_json::Deserializer::from_str(text);
        let collected = Collect { items: &mut items, max: self.items_max }.deserialize(&mut reader);
        self.counted(items.len())?;
        collected.map_err(|error| BodyError::Json(error.to_string()))?;
        if items.is_empty() {
            return Err(BodyError::Empty);
        }
        let item =
            |item: &&'a RawValue| Item { headers: headers.to_vec(), value: bytes(item.get()) };
        Ok(items.iter().map(item).collect())
    }

    fn lines(&self, text: &'a str) -> Result<Vec<Item<'a>>, BodyError> {
        // JSON text sequences put this before each value.
        let lines = text.lines().map(|line| line.trim_start_matches('\u{1e}').trim_end());
        let items: Vec<Item<'a>> =
            lines.filter(|line| !line.is_empty()).take(self.items_max + 1).map(bare).collect();
        self.counted(items.len())?;
        Ok(items)
    }

    fn counted(&self, count: usize) -> Result<(), BodyError> {
        match count > self.items_max {
            true => Err(BodyError::TooMany { max: self.items_max }),
            false => Ok(()),
        }
    }
}

/// The items of a list as the text that they are, one more than allowed at most: a tree of the whole
/// body could take fifty times its size.
struct Collect<'v, 'a> {
    items: &'v mut Vec<&'a RawValue>,
    max: usize,
}

impl<'a> DeserializeSeed<'a> for Collect<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Collect<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LIST)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element::<&'a RawValue>()? {
            self.items.push(item);
            if self.items.len() > self.max {
                return Err(A::Error::custom("too many items"));
            }
        }
        Ok(())
    }
}

const OBJECT: &str = "an object";
const LIST: &str = "a list";

/// What kind of JSON value a text is, if it is one.
fn kind(text: &str) -> Result<&'static str, BodyError> {
    let value: &RawValue =
        serde_json::from_str(text).map_err(|error| BodyError::Json(error.to_string()))?;
    Ok(match value.get().bytes().next() {
        Some(b'{') => OBJECT,
        Some(b'[') => LIST,
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    })
}

fn bare(text: &str) -> Item<'_> {
    Item { headers: Vec::new(), value: bytes(text) }
}

fn bytes(text: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

/// A header's value as the HTTP binding of CloudEvents writes it: `%` and two hex digits for what is
/// not printable ASCII, and perhaps quotes around it.
fn percent_decoded(value: &str) -> Option<String> {
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = quoted.unwrap_or(value).as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (*first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                tail
            }
            (b'%', _) => return None,
            (b'\\', [escaped, tail @ ..]) if quoted.is_some() => {
                bytes.push(*escaped);
                tail
            }
            (byte, tail) => {
                bytes.push(byte);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(media_type: MediaType, text: &str) -> String {
        let body = Body { media_type, attributes: &[], bytes: text.as_bytes(), items_max: 3 };
        match body.items() {
            Ok(items) => items
                .iter()
                .map(|item| {
                    let mark = if item.headers.is_empty() { "" } else { "ce:" };
                    format!("{mark}{}", String::from_utf8_lossy(&item.value))
                })
                .collect::<Vec<_>>()
                .join(" | "),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn bodies_are_taken_apart_by_their_type() {
        let check = |media_type, text: &str, expect: &str| {
            assert_eq!(items(media_type, text), expect, "{media_type:?} {text}");
        };
        check(MediaType::Json, r#"{"a":1}"#, r#"{"a":1}"#);
        check(MediaType::Json, r#" [{"a":1}, 2,"x"]"#, r#"{"a":1} | 2 | "x""#);
        check(MediaType::Json, "7", "! the body is a number; an object or a list is expected");
        check(MediaType::Json, "[]", "! the body is empty");
        check(MediaType::Json, " \n", "! the body is empty");
        check(MediaType::Json, "[1,2,3,4]", "! the body holds more than 3 items");
        check(MediaType::CloudEvent, r#"{"a":1}"#, r#"ce:{"a":1}"#);
        check(MediaType::CloudEvent, "[]", "! the body is a list; an object is expected");
        check(MediaType::CloudEventBatch, r#"[{"a":1},{}]"#, r#"ce:{"a":1} | ce:{}"#);
        check(MediaType::JsonLines, "{\"a\":1}\r\n\n{broken\n", "{\"a\":1} | {broken");
        check(MediaType::JsonLines, "1\n2\n3\n4\n", "! the body holds more than 3 items");
        check(MediaType::Lines, "a b\nc\n", "a b | c");
        check(MediaType::Text, "<a>\n</a>\n", "<a>\n</a>\n");
        assert!(items(MediaType::Json, r#"{"a":"#).starts_with("! the body is no JSON: "));
    }

    #[test]
    fn types_are_told_by_their_names() {
        let check = |header: Option<&str>, any: bool, expect: Option<MediaType>| {
            assert_eq!(MediaType::of(header, any), expect, "{header:?} {any}");
        };
        check(None, false, Some(MediaType::Json));
        check(Some("Application/JSON; charset=utf-8"), false, Some(MediaType::Json));
        check(Some("application/vnd.openstack+json"), false, Some(MediaType::Json));
        check(
            Some("application/cloudevents+json; charset=UTF-8"),
            false,
            Some(MediaType::CloudEvent),
        );
        check(Some("application/cloudevents-batch+json"), true, Some(MediaType::CloudEventBatch));
        check(Some("application/cloudevents+avro"), true, None);
        check(Some("application/x-ndjson"), false, Some(MediaType::JsonLines));
        check(Some("text/xml"), true, Some(MediaType::Text));
        check(Some("text/xml"), false, None);
        check(Some("text/plain"), true, Some(MediaType::Lines));
        check(Some("application/x-www-form-urlencoded"), true, None);
        check(Some("image/png"), true, None);
    }

    #[test]
    fn attributes_are_decoded_as_the_binding_says() {
        let check = |value: &str, expect: Option<&str>| {
            assert_eq!(percent_decoded(value).as_deref(), expect, "{value}");
        };
        check("plain", Some("plain"));
        check("Euro%20%E2%82%AC%20%F0%9F%98%80", Some("Euro € 😀"));
        check("\"quo\\\"ted\"", Some("quo\"ted"));
        check("100%25", Some("100%"));
        check("%", None);
        check("%zz", None);
        check("%ff", None);
    }

    #[test]
    fn a_binary_event_is_one_item_with_its_attributes() {
        let attributes = [("specversion", "1.0"), ("id", "a%20b")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let body = |bytes| Body {
            media_type: MediaType::Json,
            attributes: &attributes,
            bytes,
            items_max: 1,
        };
        let items = body(b"{}").items().expect("an item");
        assert_eq!(items[0].headers[1], ("ce_id".to_owned(), b"a b".to_vec()));
        assert!(matches!(body(b"{").items(), Err(BodyError::Json(_))));
    }
}
