//! Fields of a notification's payload. What OpenStack leaves empty it writes as null, as `""` or
//! not at all: all three are absent.

use std::collections::BTreeMap;

use turnpike_schemas::Instant;

use super::time;
use crate::decode::Reject;
use crate::json::{Json, Value};
use crate::quantity::{self, Written};
use crate::reason;

/// An object of the payload and how messages call it.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    pub json: &'a Json<'a>,
    pub path: &'static str,
}

impl<'a> Fields<'a> {
    pub fn new(json: &'a Json<'a>, path: &'static str) -> Self {
        Self { json, path }
    }

    /// The field, unless it is absent in one of the three ways.
    pub fn present(&self, key: &str) -> Option<&'a Json<'a>> {
        self.json.get(key).filter(|field| match &field.value {
            Value::Null => false,
            Value::Text(text) => !text.is_empty(),
            _ => true,
        })
    }

    pub fn has_key(&self, key: &str) -> bool {
        self.json.get(key).is_some()
    }

    pub fn text(&self, key: &str) -> Result<Option<&'a str>, Reject> {
        match self.present(key).map(|field| (field, &field.value)) {
            None => Ok(None),
            Some((_, Value::Text(text))) => Ok(Some(text)),
            Some((_, Value::Number(digits))) => Ok(Some(digits)),
            Some((field, _)) => Err(self.wrong(key, field, "a string")),
        }
    }

    pub fn required_text(&self, key: &str) -> Result<&'a str, Reject> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    pub fn time(&self, key: &str) -> Result<Option<Instant>, Reject> {
        self.text(key)?.map(|text| time::parse(&self.name(key), text)).transpose()
    }

    /// A quantity in units of `base_units`.
    pub fn quantity(&self, key: &str, base_units: i64, scale: u32) -> Result<Option<i64>, Reject> {
        let Some(field) = self.present(key) else { return Ok(None) };
        let digits = match &field.value {
            Value::Number(digits) => digits,
            Value::Text(text) => text.as_ref(),
            _ => return Err(self.wrong(key, field, "a number")),
        };
        let name = self.name(key);
        quantity::read(Written { digits, field: &name }, base_units, scale).map(Some)
    }

    /// Labels: an object of strings, or Cinder's list of `{"key": .., "value": ..}`.
    pub fn labels(&self, key: &str) -> Option<BTreeMap<String, String>> {
        let field = self.present(key)?;
        let text = |value: &Json<'_>| match &value.value {
            Value::Text(text) => text.clone().into_owned(),
            _ => value.text.to_owned(),
        };
        if let Some(entries) = field.entries() {
            return Some(
                entries.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            );
        }
        let pair = |item: &Json<'_>| {
            Some((item.text_of("key")?.to_owned(), item.get("value").map(text).unwrap_or_default()))
        };
        Some(field.items()?.iter().filter_map(pair).collect())
    }

    pub fn missing(&self, key: &str) -> Reject {
        Reject::new(reason::MISSING_FIELD, format!("{}: the notification has none", self.name(key)))
    }

    fn wrong(&self, key: &str, field: &Json<'_>, expected: &str) -> Reject {
        Reject::new(
            reason::INVALID_FIELD,
            format!("{}: {} where {expected} is expected", self.name(key), field.kind()),
        )
    }

    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }
}
