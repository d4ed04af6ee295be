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

    /// A time that is written as whole seconds since 1970.
    pub fn epoch(&self, key: &str) -> Result<Option<Instant>, Reject> {
        let Some(seconds) = self.quantity(key, 1, 0)? else { return Ok(None) };
        Instant::from_seconds(seconds).map(Some).map_err(|_| {
            Reject::new(
                reason::TIME_RANGE,
                format!("{}: {seconds} lies outside the years 1970 to 2999", self.name(key)),
            )
        })
    }

    /// The object that the field holds, if it holds one.
    pub fn object(&self, key: &str, path: &'static str) -> Option<Fields<'a>> {
        self.present(key).filter(|field| field.is_object()).map(|json| Fields::new(json, path))
    }

    /// The sum of several quantities in base units; `None` where none of them is there.
    pub fn sum(&self, keys: &[&'static str]) -> Result<Option<i64>, Reject> {
        let mut total = None;
        for key in keys {
            let Some(quantity) = self.quantity(key, 1, 0)? else { continue };
            let sum = total.unwrap_or(0_i64).checked_add(quantity).ok_or_else(|| {
                Reject::new(
                    reason::QUANTITY_RANGE,
                    format!("{}: the sum with {quantity} does not fit in 64 bits", self.name(key)),
                )
            })?;
            total = Some(sum);
        }
        Ok(total)
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
