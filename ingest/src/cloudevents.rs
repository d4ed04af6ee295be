//! CloudEvents 1.0 in the three ways in which they come over Kafka: structured by content type,
//! binary by `ce_` headers, and structured without the content type, as much-used client libraries
//! send them.

use std::borrow::Cow;

use crate::decode::{Record, Reject};
use crate::json::{Json, Value};
use crate::reason;

/// A CloudEvent, whichever way it came.
#[derive(Debug, Clone)]
pub struct CloudEvent<'a> {
    pub specversion: Cow<'a, str>,
    pub id: Cow<'a, str>,
    pub source: Cow<'a, str>,
    pub event_type: Cow<'a, str>,
    pub time: Option<Cow<'a, str>>,
    pub subject: Option<Cow<'a, str>>,
    pub data: Option<&'a Json<'a>>,
}

/// How a record's headers say that it carries a CloudEvent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Structured,
    Binary,
    /// The headers say nothing: the value decides.
    Unsaid,
}

/// The content type of CloudEvents in structured mode starts with this.
const STRUCTURED: &str = "application/cloudevents";
/// The only format read.
pub(crate) const STRUCTURED_JSON: &str = "application/cloudevents+json";

/// Whether a header says that the value is a CloudEvent in structured mode and the only format.
pub(crate) fn is_structured(name: &str, value: &[u8]) -> bool {
    if !name.eq_ignore_ascii_case("content-type") {
        return false;
    }
    let start = value.get(..STRUCTURED_JSON.len());
    // Most say it as it stands here.
    value == STRUCTURED_JSON.as_bytes()
        || start.is_some_and(|start| start.eq_ignore_ascii_case(STRUCTURED_JSON.as_bytes()))
            && std::str::from_utf8(value).is_ok()
}

/// The mode by the rule of the Kafka binding: the content type first, then the headers.
pub fn mode(record: &Record<'_>) -> Result<Mode, Reject> {
    if let Some(content_type) = header(record, "content-type") {
        let starts = |prefix: &str| {
            content_type.get(..prefix.len()).is_some_and(|text| text.eq_ignore_ascii_case(prefix))
        };
        if starts(STRUCTURED_JSON) {
            return Ok(Mode::Structured);
        }
        if starts(STRUCTURED) {
            return Err(Reject::new(
                reason::CONTENT_TYPE,
                format!(
                    "content-type: `{}` is not {STRUCTURED_JSON}",
                    content_type.chars().take(80).collect::<String>()
                ),
            ));
        }
    }
    let binary = record.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("ce_specversion"));
    Ok(if binary { Mode::Binary } else { Mode::Unsaid })
}

/// Whether an object is a CloudEvent by its attributes alone.
pub fn looks_structured(json: &Json<'_>) -> bool {
    ["specversion", "id", "source", "type"].iter().all(|name| json.get(name).is_some())
}

impl<'a> CloudEvent<'a> {
    pub fn structured(json: &'a Json<'a>) -> Result<Self, Reject> {
        let optional = |name: &'static str| match json.get(name).map(|field| &field.value) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(Cow::Borrowed(text.as_ref()))),
            Some(_) => Err(Reject::new(
                reason::INVALID_FIELD,
                format!(
                    "{name}: {} where a string is expected",
                    json.get(name).map_or("", Json::kind)
                ),
            )),
        };
        let required = |name: &'static str| optional(name)?.ok_or_else(|| missing(name));
        Ok(Self {
            specversion: required("specversion")?,
            id: required("id")?,
            source: required("source")?,
            event_type: required("type")?,
            time: optional("time")?,
            subject: optional("subject")?,
            data: json.get("data"),
        })
    }

    pub fn binary(record: &Record<'a>, data: Option<&'a Json<'a>>) -> Result<Self, Reject> {
        let optional = |name: &str| header(record, name).map(Cow::Borrowed);
        let required = |name: &'static str| optional(name).ok_or_else(|| missing(name));
        Ok(Self {
            specversion: required("ce_specversion")?,
            id: required("ce_id")?,
            source: required("ce_source")?,
            event_type: required("ce_type")?,
            time: optional("ce_time"),
            subject: optional("ce_subject"),
            data,
        })
    }
}

/// The event in binary mode as the structured JSON that it is equal to, so that what is stored is
/// whole without its headers. `data` is JSON text.
pub fn structured_text(record: &Record<'_>, data: &str) -> String {
    let mut text = String::from("{");
    for (name, value) in record.headers {
        let (Some(attribute), Ok(value)) = (attribute_name(name), std::str::from_utf8(value))
        else {
            continue;
        };
        let value =
            if crate::redact::is_sensitive(&attribute) { crate::redact::MASK } else { value };
        text.push_str(&quoted(&attribute));
        text.push(':');
        text.push_str(&quoted(value));
        text.push(',');
    }
    text.push_str("\"data\":");
    text.push_str(if data.is_empty() { "null" } else { data });
    text.push('}');
    text
}

fn attribute_name(header: &str) -> Option<String> {
    let lower = header.to_ascii_lowercase();
    if lower == "content-type" {
        return Some("datacontenttype".to_owned());
    }
    lower.strip_prefix("ce_").map(str::to_owned)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

fn missing(name: &'static str) -> Reject {
    Reject::new(reason::MISSING_FIELD, format!("{name}: the CloudEvent has none"))
}

fn header<'a>(record: &Record<'a>, name: &str) -> Option<&'a str> {
    let headers: &'a [(String, Vec<u8>)] = record.headers;
    let (_, value) = headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(value).ok()
}
