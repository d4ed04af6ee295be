//! Kafka records that a tool wrote down as JSON, one an object: `kcat -J` and the like. They are
//! read as the records that they were.

use crate::json::{Json, Value};

/// A captured record: its headers and its value.
pub(crate) struct Captured {
    pub headers: Vec<(String, Vec<u8>)>,
    pub value: Option<Vec<u8>>,
}

/// `None`: not a captured record.
pub(crate) fn read(json: &Json<'_>) -> Option<Captured> {
    for key in ["topic", "partition", "offset"] {
        json.get(key)?;
    }
    let value = match &json.get("value").or_else(|| json.get("payload"))?.value {
        Value::Null => None,
        Value::Text(text) => Some(text.as_bytes().to_vec()),
        _ => return None,
    };
    Some(Captured { headers: json.get("headers").map(headers).unwrap_or_default(), value })
}

/// Headers as a list of pairs, as a flat list of names and values, or as an object.
fn headers(json: &Json<'_>) -> Vec<(String, Vec<u8>)> {
    let header = |name: &Json<'_>, value: &Json<'_>| {
        Some((name.as_text()?.to_owned(), value.as_text().unwrap_or_default().as_bytes().to_vec()))
    };
    if let Some(entries) = json.entries() {
        let value = |value: &Json<'_>| value.as_text().unwrap_or_default().as_bytes().to_vec();
        return entries.iter().map(|(name, given)| (name.to_string(), value(given))).collect();
    }
    let items = json.items().unwrap_or_default();
    if items.first().is_some_and(|item| item.items().is_some()) {
        let pair = |item: &Json<'_>| match item.items()? {
            [name, value] => header(name, value),
            _ => None,
        };
        return items.iter().filter_map(pair).collect();
    }
    items.chunks_exact(2).filter_map(|pair| header(&pair[0], &pair[1])).collect()
}
