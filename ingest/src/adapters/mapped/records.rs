//! [`records`]: the records of a JSON message that lists some, each as a message of its own.

use std::borrow::Cow;

use super::format::Recognise;
use super::path::Scope;
use crate::adapters::AROUND_BYTES_MAX;
use crate::json::{Json, Value};

/// The record once for each item of its outermost list, without the others. None: it has no such
/// list, or so much stands around it that it would be stored many times over.
pub fn records<'r>(recognise: &Recognise, record: &Json<'r>) -> Vec<Cow<'r, str>> {
    let scope = Scope { record, named: Vec::new(), here: record };
    let Some(each) = recognise.each.first() else { return Vec::new() };
    let found = each.list.find(&scope);
    let Some(list) = found.first().and_then(|first| list_of(record, first)) else {
        return Vec::new();
    };
    let items = list.items().unwrap_or_default();
    let is_in = |item: &&Json<'_>| is_among(items, item);
    let start = list.text.as_ptr() as usize - record.text.as_ptr() as usize;
    let (before, after) = (&record.text[..start], &record.text[start + list.text.len()..]);
    let around = (before.len() + after.len()).saturating_mul(found.len());
    if around > AROUND_BYTES_MAX || !found.iter().all(is_in) {
        return Vec::new();
    }
    found.iter().map(|item| Cow::Owned(format!("{before}[{}]{after}", item.text))).collect()
}

/// The list within `json` that has the item.
fn list_of<'j, 'r>(json: &'j Json<'r>, item: &Json<'_>) -> Option<&'j Json<'r>> {
    match &json.value {
        Value::List(items) if is_among(items, item) => Some(json),
        Value::List(items) => items.iter().find_map(|inner| list_of(inner, item)),
        Value::Object(entries) => entries.iter().find_map(|(_, inner)| list_of(inner, item)),
        _ => None,
    }
}

/// Whether it is one of them, and not only equal to one.
fn is_among(items: &[Json<'_>], item: &Json<'_>) -> bool {
    items.as_ptr_range().contains(&std::ptr::from_ref(item))
}
