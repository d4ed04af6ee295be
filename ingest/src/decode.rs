//! [`decode`]: one record in, its events or the reason why it is a dead letter out.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::{Instant, UsageEvent};

use crate::adapters::openstack::{Notification, envelope};
use crate::adapters::{self, Adapter, Message};
use crate::cloudevents::{self, CloudEvent, Mode};
use crate::installation::Installation;
use crate::json::{Json, JsonError};
use crate::settings::{IngestSettings, Pins};
use crate::{capture, check, long, reason, redact};

/// Payload kept of a dead letter. Enough to read and replay what is not absurd.
pub const DEAD_BYTES_MAX: usize = 64 << 10;
/// Payload kept of a record that is too large.
pub const TOO_LARGE_BYTES_KEPT: usize = 4 << 10;

/// A record as a source delivers it. Files have neither headers nor keys.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub headers: &'a [(String, Vec<u8>)],
    pub key: Option<&'a [u8]>,
    /// `None`: a Kafka tombstone.
    pub value: Option<&'a [u8]>,
    pub topic: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// A record that is nothing but its value: a line of a file, the body of a request.
    pub fn of(value: &'a [u8]) -> Self {
        Self { headers: &[], key: None, value: Some(value), topic: None }
    }
}

/// What decoding needs to know besides the record.
#[derive(Debug, Clone)]
pub struct DecodeContext {
    pub meters: MeterCatalogue,
    pub now: Instant,
    /// A longer value is a dead letter.
    pub bytes_max: usize,
    pub pins: Arc<Pins>,
    /// When records that carry no time were true.
    pub at: Option<Instant>,
}

impl DecodeContext {
    pub fn new(settings: &IngestSettings, now: Instant) -> Self {
        Self {
            meters: settings.meters.clone(),
            now,
            bytes_max: settings.bytes_max,
            pins: Arc::clone(&settings.pins),
            at: settings.at,
        }
    }
}

/// What one event of a record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    Event(Box<UsageEvent>),
    /// Understood, and of no use to billing: it names no resource.
    Unmetered(Box<UsageEvent>),
    Dead(Reject),
}

impl Decoded {
    fn of(event: UsageEvent) -> Self {
        match event.resource {
            Some(_) => Decoded::Event(Box::new(event)),
            None => Decoded::Unmetered(Box::new(event)),
        }
    }
}

/// Why a record is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// One of [`crate::reason::ALL`].
    pub code: &'static str,
    /// Names the field and the offending text.
    pub message: String,
    /// The adapter that recognised it, if any did.
    pub system: Option<&'static str>,
    /// What to store of one record of a list, its secrets masked; `None`: it is the whole message.
    pub payload: Option<Vec<u8>>,
}

impl Reject {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), system: None, payload: None }
    }
}

/// Decodes a record. Never panics, never returns nothing.
pub fn decode(record: &Record<'_>, context: &DecodeContext) -> Vec<Decoded> {
    read(record, context).decoded
}

/// A decoded record with the payload to store, its secrets masked.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub decoded: Vec<Decoded>,
    pub raw: Vec<u8>,
}

impl Outcome {
    fn dead(reject: Reject, raw: Vec<u8>) -> Self {
        Self { decoded: vec![Decoded::Dead(reject)], raw }
    }

    /// Of the record no more than the start is kept.
    pub fn is_too_large(&self) -> bool {
        matches!(&self.decoded[..], [Decoded::Dead(reject)] if reject.code == reason::TOO_LARGE)
    }
}

/// Decodes a record and masks its payload.
pub(crate) fn read(record: &Record<'_>, context: &DecodeContext) -> Outcome {
    let value = record.value.unwrap_or_default();
    if value.len() > context.bytes_max {
        if let Some(outcome) = long::read(record, context) {
            return outcome;
        }
        let digest = hex::encode(Sha256::digest(value));
        return too_large(value, value.len(), &digest, context.bytes_max);
    }
    let Ok(text) = std::str::from_utf8(value) else {
        let reject = not_utf8(value);
        return Outcome::dead(reject, dead_text(&String::from_utf8_lossy(value)));
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mode = match cloudevents::mode(record) {
        Ok(mode) => mode,
        Err(reject) => return Outcome::dead(reject, dead_text(text)),
    };
    if text.trim_ascii().is_empty() {
        let what = if record.value.is_none() { "no value (a tombstone)" } else { "an empty value" };
        return Outcome::dead(Reject::new(reason::EMPTY, format!("the record has {what}")), vec![]);
    }
    match Json::parse(text) {
        Ok(json) => read_json(record, mode, &json, context),
        Err(error) => match text_adapter(record, text, context) {
            Some(adapter) => {
                let installation = context.pins.installation_of(record.topic);
                let result = adapt_all(adapter, &Message::Text(text), installation, context);
                outcome(result, redact::text(text).into_owned().into_bytes())
            }
            None => Outcome::dead(invalid_json(&error, "value"), dead_text(text)),
        },
    }
}

/// The dead letter of a record that is longer than `bytes_max`, of which `head` is the start.
pub(crate) fn too_large(head: &[u8], bytes: usize, sha256: &str, bytes_max: usize) -> Outcome {
    let head = &head[..head.len().min(TOO_LARGE_BYTES_KEPT)];
    let message =
        format!("the record has {bytes} bytes, at most {bytes_max} are read; sha256 {sha256}");
    let raw = redact::text(&String::from_utf8_lossy(head)).into_owned().into_bytes();
    Outcome::dead(Reject::new(reason::TOO_LARGE, message), raw)
}

fn read_json(record: &Record<'_>, mode: Mode, json: &Json<'_>, context: &DecodeContext) -> Outcome {
    if mode == Mode::Binary {
        let result = CloudEvent::binary(record, Some(json)).map(Message::CloudEvent);
        let raw = cloudevents::structured_text(record, &redact::json(json));
        let events = result.and_then(|message| adapt(record, &message, context));
        return outcome(events, raw.into_bytes());
    }
    if !json.is_object() {
        let reject = Reject::new(
            reason::NOT_AN_OBJECT,
            format!("the value is {}, not an object", json.kind()),
        );
        return Outcome::dead(reject, cut(redact::json(json)));
    }
    if mode == Mode::Structured || cloudevents::looks_structured(json) {
        let result = CloudEvent::structured(json).map(Message::CloudEvent);
        let raw = redact::json(json).into_owned().into_bytes();
        return outcome(result.and_then(|message| adapt(record, &message, context)), raw);
    }
    if let Some(carrier) = envelope::carrier(json) {
        let text = carrier.as_text().unwrap_or_default();
        return match Json::parse(text) {
            Ok(inner) => {
                let raw = redact::json_with(json, carrier, &inner).into_owned().into_bytes();
                outcome(bare(record, &inner, context), raw)
            }
            Err(error) => {
                let reject = invalid_json(&error, envelope::MESSAGE_KEY);
                Outcome::dead(reject, cut(redact::json(json)))
            }
        };
    }
    if let Some(captured) = capture::read(json).filter(|_| record.topic.is_none()) {
        let captured_topic = json.text_of("topic").unwrap_or_default();
        let record = Record {
            headers: &captured.headers,
            key: None,
            value: captured.value.as_deref(),
            topic: Some(captured_topic),
        };
        return read(&record, context);
    }
    let raw = redact::json(json).into_owned().into_bytes();
    outcome(bare(record, json, context), raw)
}

/// An object in no envelope.
fn bare(
    record: &Record<'_>,
    json: &Json<'_>,
    context: &DecodeContext,
) -> Result<Vec<Decoded>, Reject> {
    let message = match Notification::from_json(json) {
        Some(notification) => Message::Notification(notification),
        None => Message::Object(json),
    };
    adapt(record, &message, context)
}

/// Who reads what is no JSON; `None`: it was meant to be JSON, or nobody knows it.
fn text_adapter(
    record: &Record<'_>,
    text: &str,
    context: &DecodeContext,
) -> Option<&'static dyn Adapter> {
    if text.trim_ascii_start().starts_with(['{', '[']) {
        return None;
    }
    choose(record, &Message::Text(text), context).ok()
}

/// The adapter of a message: the pinned one, else the first that recognises it.
pub(crate) fn choose(
    record: &Record<'_>,
    message: &Message<'_>,
    context: &DecodeContext,
) -> Result<&'static dyn Adapter, Reject> {
    if let Some(name) = context.pins.of(record.topic) {
        let pinned = adapters::find(name).filter(|adapter| adapter.recognises(message));
        return pinned.ok_or_else(|| {
            let reject = unrecognised(message);
            Reject::new(reject.code, format!("{}; it is pinned to `{name}`", reject.message))
        });
    }
    let found = adapters::adapters().iter().find(|adapter| adapter.recognises(message));
    found.copied().ok_or_else(|| unrecognised(message))
}

fn adapt(
    record: &Record<'_>,
    message: &Message<'_>,
    context: &DecodeContext,
) -> Result<Vec<Decoded>, Reject> {
    let installation = context.pins.installation_of(record.topic);
    adapt_all(choose(record, message, context)?, message, installation, context)
}

/// A message as a whole, or else record by record where it lists some: one that cannot be read does
/// not take the others with it.
fn adapt_all(
    adapter: &'static dyn Adapter,
    message: &Message<'_>,
    installation: Option<&Installation>,
    context: &DecodeContext,
) -> Result<Vec<Decoded>, Reject> {
    match adapt_with(adapter, message, installation, context) {
        Ok(events) => Ok(events.into_iter().map(Decoded::of).collect()),
        Err(reject) => by_record(adapter, message, installation, context).ok_or(reject),
    }
}

/// A list whose records are shorter than this on average lists no records: each would become a row.
pub(crate) const RECORD_BYTES_MIN: usize = 32;

/// `None`: what is wrong is wrong with the whole.
fn by_record(
    adapter: &'static dyn Adapter,
    message: &Message<'_>,
    installation: Option<&Installation>,
    context: &DecodeContext,
) -> Option<Vec<Decoded>> {
    let records = adapter.records(message);
    let bytes: usize = records.iter().map(|record| record.len()).sum();
    if bytes < records.len().saturating_mul(RECORD_BYTES_MIN) {
        return None;
    }
    let (all, is_any_dead) = each_record(adapter, &records, installation, context);
    is_any_dead.then_some(all)
}

/// The events of records, and whether any of them is dead.
pub(crate) fn each_record(
    adapter: &'static dyn Adapter,
    records: &[Cow<'_, str>],
    installation: Option<&Installation>,
    context: &DecodeContext,
) -> (Vec<Decoded>, bool) {
    let (mut all, mut is_any_dead) = (Vec::new(), false);
    for (number, text) in (1..).zip(records) {
        let json = Json::parse(text).ok();
        let message = json.as_ref().map_or(Message::Text(text), Message::Object);
        match adapt_with(adapter, &message, installation, context) {
            Ok(events) => all.extend(events.into_iter().map(Decoded::of)),
            Err(reject) => {
                is_any_dead = true;
                let message = format!("record {number} of {}: {}", records.len(), reject.message);
                let masked = json.as_ref().map_or_else(|| redact::text(text), redact::json);
                let payload = Some(cut(masked));
                all.push(Decoded::Dead(Reject { message, payload, ..reject }));
            }
        }
    }
    (all, is_any_dead)
}

fn adapt_with(
    adapter: &'static dyn Adapter,
    message: &Message<'_>,
    installation: Option<&Installation>,
    context: &DecodeContext,
) -> Result<Vec<UsageEvent>, Reject> {
    let named = |reject: Reject| Reject { system: Some(adapter.name()), ..reject };
    let mut events = adapter.adapt(message, context).map_err(named)?;
    let local = installation.map(|name| (name, adapter.local(message)));
    for event in &mut events {
        if let Some((name, local)) = local {
            name.mark(event, local).map_err(named)?;
        }
        check::event(event, context.now).map_err(named)?;
        check::mask_labels(event);
    }
    Ok(events)
}

fn unrecognised(message: &Message<'_>) -> Reject {
    let what = match message {
        Message::CloudEvent(event) => format!("CloudEvents of type `{}`", event.event_type),
        Message::Notification(notification) => {
            format!("notifications of type `{}`", notification.event_type)
        }
        Message::Object(json) => {
            let entries = json.entries().unwrap_or_default();
            let keys: Vec<&str> = entries.iter().take(8).map(|(key, _)| key.as_ref()).collect();
            format!("objects with the keys `{}`", keys.join("`, `"))
        }
        Message::Text(_) => "text of this form".to_owned(),
    };
    let what: String = what.chars().take(200).collect();
    Reject::new(reason::UNRECOGNISED, format!("no adapter reads {what}"))
}

/// One dead letter for the whole message where it lists no records: half of one would be worse.
fn outcome(result: Result<Vec<Decoded>, Reject>, raw: Vec<u8>) -> Outcome {
    match result {
        Ok(decoded) => Outcome { decoded, raw },
        Err(reject) => Outcome::dead(reject, cut(String::from_utf8_lossy(&raw))),
    }
}

fn not_utf8(value: &[u8]) -> Reject {
    let at = std::str::from_utf8(value).err().map_or(0, |error| error.valid_up_to());
    Reject::new(reason::NOT_UTF8, format!("the value is not UTF-8 at byte {at}"))
}

fn invalid_json(error: &JsonError, field: &str) -> Reject {
    let code = match error {
        JsonError::TooDeep => reason::JSON_TOO_DEEP,
        JsonError::Syntax { .. } | JsonError::DuplicateKey(_) => reason::JSON_INVALID,
    };
    Reject::new(code, format!("{field}: {error}"))
}

/// What is kept of text that could not be parsed.
fn dead_text(text: &str) -> Vec<u8> {
    cut(redact::text(text))
}

fn cut(text: Cow<'_, str>) -> Vec<u8> {
    let end = text.floor_char_boundary(DEAD_BYTES_MAX);
    text.as_bytes()[..end].to_vec()
}
