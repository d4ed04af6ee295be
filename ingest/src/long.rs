//! [`read`]: a message that is longer than a record may be, and only lists records.
//!
//! A page of a usage listing or a file of a trail has more bytes than any of its records, and what
//! bounds a record is no reason to lose it. Its records are read one by one, as they are where one
//! of a shorter list cannot be read; a record that is too long itself makes the whole too long.

use std::borrow::Cow;

use crate::adapters::Message;
use crate::cloudevents::{self, Mode};
use crate::decode::{self, DecodeContext, Outcome, RECORD_BYTES_MIN, Record};
use crate::json::Json;
use crate::redact;

/// How many times as long as a record a list of them may be: 16 MiB, which is also the longest body
/// and the longest JSON text of a file that is read as a whole.
pub const LIST_FACTOR: usize = 16;

/// Values in the tree of a text that is this much longer: a tree takes some 150 bytes for each.
const VALUE_BYTES_MIN: usize = 8;

/// `None`: it is no list that some adapter takes apart, or one of its records is too long.
pub(crate) fn read(record: &Record<'_>, context: &DecodeContext) -> Option<Outcome> {
    let value = record.value?;
    let is_bare = cloudevents::mode(record).is_ok_and(|mode| mode == Mode::Unsaid);
    if !is_bare || value.len() > context.bytes_max.saturating_mul(LIST_FACTOR) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let values = value.iter().filter(|byte| matches!(byte, b',' | b'{' | b'[' | b'<')).count();
    if values > value.len() / VALUE_BYTES_MIN {
        return None;
    }
    if !text.trim_ascii_start().starts_with('{') {
        let decoded = records(record, &Message::Text(text), context)?;
        return Some(Outcome { decoded, raw: redact::text(text).into_owned().into_bytes() });
    }
    let json = Json::parse(text).ok()?;
    if cloudevents::looks_structured(&json) {
        return None;
    }
    let decoded = records(record, &Message::Object(&json), context)?;
    Some(Outcome { decoded, raw: redact::json(&json).into_owned().into_bytes() })
}

fn records(
    record: &Record<'_>,
    message: &Message<'_>,
    context: &DecodeContext,
) -> Option<Vec<decode::Decoded>> {
    let adapter = decode::choose(record, message, context).ok()?;
    let records = adapter.records(message);
    let bytes: usize = records.iter().map(|record| record.len()).sum();
    let is_fit = |record: &Cow<'_, str>| record.len() <= context.bytes_max;
    let are_fit = bytes >= records.len().saturating_mul(RECORD_BYTES_MIN);
    if records.is_empty() || !are_fit || !records.iter().all(is_fit) {
        return None;
    }
    let installation = context.pins.installation_of(record.topic);
    Some(decode::each_record(adapter, &records, installation, context).0)
}
