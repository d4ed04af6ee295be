//! Masks secrets in payloads before anything is stored: OpenStack request contexts carry tokens and
//! service catalogues, instance metadata may carry passwords.
//!
//! Masked is the value of every key that is a request context or whose name holds one of
//! [`WORDS`], at any depth, also inside JSON that is carried as a string. Text that is not JSON is
//! masked by a scan for such keys: it may mask too much, not too little.

use std::borrow::Cow;

use crate::json::{Json, Value};

/// What stands in place of a secret.
pub const MASK: &str = "[redacted]";

/// A key that holds one of these, in any case, names a secret.
pub const WORDS: [&str; 16] = [
    "token",
    "password",
    "passwd",
    "secret",
    "authorization",
    "credential",
    "service_catalog",
    "adminpass",
    "admin_pass",
    "private_key",
    "api_key",
    "apikey",
    "passphrase",
    // Of presigned addresses, which open what they name.
    "signature",
    // Scripts that machines are started with, which set passwords.
    "user_data",
    "userdata",
    // `holds_word` lists the letters that they begin with.
];

/// Keys of request contexts: masked as a whole.
const CONTEXTS: [&str; 2] = ["_context", "ctxt"];

/// The id of a request where its context was flattened.
const REQUEST_ID_KEY: &str = "_context_request_id";
/// OpenStack makes request ids of `req-` and a UUID: 40 bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// JSON in strings in JSON: a captured record holds an envelope that holds a message.
const NESTED_MAX: usize = 3;

pub fn is_sensitive(key: &str) -> bool {
    CONTEXTS.contains(&key) || key.starts_with("_context_") || holds_word(key.as_bytes())
}

/// Whether a text is the id of a request, and neither nothing nor what was put in place of one.
pub fn is_request_id(text: &str) -> bool {
    text.strip_prefix("req-").is_some_and(|rest| !rest.is_empty())
        && text.len() <= REQUEST_ID_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The text of `json` with its secrets masked.
pub fn json<'a>(json: &Json<'a>) -> Cow<'a, str> {
    nested(json, NESTED_MAX, None)
}

/// As [`json`], where the string `carrier` within it has been parsed already as `inner`.
pub fn json_with<'a>(json: &Json<'a>, carrier: &Json<'_>, inner: &Json<'_>) -> Cow<'a, str> {
    nested(json, NESTED_MAX, Some((carrier.text.as_ptr(), inner)))
}

type Known<'k, 't> = Option<(*const u8, &'k Json<'t>)>;

fn nested<'a>(json: &Json<'a>, depth: usize, known: Known<'_, '_>) -> Cow<'a, str> {
    let mut edits = Vec::new();
    collect(json, json.text.as_ptr() as usize, depth, known, &mut edits);
    if edits.is_empty() {
        return Cow::Borrowed(json.text);
    }
    let mut text = String::with_capacity(json.text.len());
    let mut copied = 0;
    for edit in edits {
        text.push_str(&json.text[copied..edit.start]);
        text.push_str(&edit.text);
        copied = edit.end;
    }
    text.push_str(&json.text[copied..]);
    Cow::Owned(text)
}

struct Edit {
    start: usize,
    end: usize,
    text: Cow<'static, str>,
}

fn collect(
    json: &Json<'_>,
    base: usize,
    depth: usize,
    known: Known<'_, '_>,
    edits: &mut Vec<Edit>,
) {
    match &json.value {
        Value::Object(entries) => {
            for (key, child) in entries {
                if !is_sensitive(key) {
                    collect(child, base, depth, known, edits);
                } else if let Some(mask) = mask(key, child) {
                    edits.push(edit(child, base, mask));
                }
            }
        }
        Value::List(items) => {
            for item in items {
                collect(item, base, depth, known, edits);
            }
        }
        Value::Text(text) if depth > 0 && text.trim_start().starts_with(['{', '[']) => {
            let parsed;
            let inner = match known {
                Some((carrier, inner)) if carrier == json.text.as_ptr() => inner,
                _ => match Json::parse(text) {
                    Ok(json) => {
                        parsed = json;
                        &parsed
                    }
                    Err(_) => return edits.extend(masked_text(json, text, base)),
                },
            };
            if let Cow::Owned(masked) = nested(inner, depth - 1, None) {
                edits.push(edit(json, base, Cow::Owned(quoted(&masked))));
            }
        }
        _ => {}
    }
}

/// What stands in place of a sensitive value; `None`: it stays. Of a request context its id is kept:
/// it opens nothing, and it tells one action that was sent twice from two (the second identity), also
/// when a dead letter is read again.
fn mask(key: &str, value: &Json<'_>) -> Option<Cow<'static, str>> {
    let is_kept = || key == REQUEST_ID_KEY && value.as_text().is_some_and(is_request_id);
    if is_bare(value) || is_kept() {
        return None;
    }
    let request = value.text_of("request_id").filter(|id| is_request_id(id));
    Some(match request.filter(|_| CONTEXTS.contains(&key)) {
        Some(id) => {
            let id = quoted(id);
            Cow::Owned(format!(r#"{{"request_id":{id},"rest":"{MASK}"}}"#))
        }
        None => Cow::Borrowed("\"[redacted]\""),
    })
}

/// Nothing to hide in `null`, booleans and what is empty.
fn is_bare(json: &Json<'_>) -> bool {
    match &json.value {
        Value::Null | Value::Bool(_) => true,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Number(_) => false,
    }
}

fn masked_text(json: &Json<'_>, text: &str, base: usize) -> Option<Edit> {
    match self::text(text) {
        Cow::Owned(masked) => Some(edit(json, base, Cow::Owned(quoted(&masked)))),
        Cow::Borrowed(_) => None,
    }
}

fn edit(json: &Json<'_>, base: usize, text: Cow<'static, str>) -> Edit {
    let start = json.text.as_ptr() as usize - base;
    Edit { start, end: start + json.text.len(), text }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// Whether one of the words stands in the key: one pass, in which few bytes begin any word.
fn holds_word(key: &[u8]) -> bool {
    key.iter().enumerate().any(|(at, byte)| {
        matches!(byte.to_ascii_lowercase(), b't' | b'p' | b's' | b'a' | b'c' | b'u')
            && word_at(&key[at..]).is_some()
    })
}

/// The word that the bytes begin with.
fn word_at(bytes: &[u8]) -> Option<&'static str> {
    let begins = |word: &&&str| {
        let head = bytes.get(..word.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
    };
    WORDS.iter().find(begins).copied()
}

/// Text that is not JSON with the values after sensitive keys masked.
pub fn text(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut masked = String::new();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        let Some(key_end) = sensitive_key_end(bytes, at) else {
            at += 1;
            continue;
        };
        let found = match is_parameter(bytes, at, key_end) {
            true => parameter_after(bytes, key_end),
            false => value_after(bytes, key_end),
        };
        let Some((start, end)) = found else {
            at = key_end;
            continue;
        };
        // Both ends stand beside ASCII bytes or at the end of the text, so they cut no character.
        masked.push_str(&text[copied..start]);
        masked.push_str(MASK);
        copied = end;
        at = end.max(key_end);
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

/// Where the key that a sensitive word at `at` belongs to ends.
fn sensitive_key_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let starts = |word: &&str| {
        rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes())
    };
    let word = WORDS.iter().chain(&CONTEXTS).find(|word| starts(word))?;
    let in_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let more = rest[word.len()..].iter().take_while(|byte| in_key(byte)).count();
    Some(at + word.len() + more)
}

/// Whether a key is a parameter of an address: `?key=`, `&key=`.
fn is_parameter(bytes: &[u8], word: usize, key_end: usize) -> bool {
    let in_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let before = &bytes[..word];
    // No name of a parameter is longer; a longer one is not looked for its start.
    let before = &before[before.len().saturating_sub(64)..];
    let start = before.iter().rev().find(|byte| !in_key(byte));
    bytes.get(key_end) == Some(&b'=') && matches!(start, Some(b'?' | b'&'))
}

/// Start and end of the value of a parameter: what follows the address stays.
fn parameter_after(bytes: &[u8], key_end: usize) -> Option<(usize, usize)> {
    let start = key_end + 1;
    let rest = bytes[start..].iter();
    let length = rest.take_while(|byte| !b" &\"'<>,}]#\r\n\t".contains(byte)).count();
    (length > 0).then_some((start, start + length))
}

/// Start and end of the value after a key: `": "value"`, `=value`, `\": {`.
fn value_after(bytes: &[u8], key_end: usize) -> Option<(usize, usize)> {
    let skip = |from: usize, set: &[u8]| {
        from + bytes[from..].iter().take_while(|byte| set.contains(byte)).count()
    };
    let colon = skip(key_end, b"\\\"' ");
    if !matches!(bytes.get(colon), Some(b':' | b'=')) {
        return None;
    }
    let start = skip(colon + 1, b"\\ ");
    let end = match bytes.get(start)? {
        b'{' | b'[' => bracket_end(bytes, start),
        quote @ (b'"' | b'\'') => {
            let close = bytes[start + 1..].iter().position(|byte| byte == quote);
            // The end of an escaped string is an escaped quote; a quote within it ends it early
            // only where the quoting is broken anyway, so mask on to the next comma.
            let from = close.map_or(bytes.len(), |close| start + 1 + close + 1);
            from + bytes[from..].iter().take_while(|byte| !b",}]\n".contains(byte)).count()
        }
        _ => start + bytes[start..].iter().take_while(|byte| !b",}]&\n".contains(byte)).count(),
    };
    (end > start).then_some((start, end))
}

/// Where the bracket that opens at `start` closes, or the end of a text that was cut.
fn bracket_end(bytes: &[u8], start: usize) -> usize {
    let mut open = 0_usize;
    for (offset, byte) in bytes[start..].iter().enumerate() {
        match byte {
            b'{' | b'[' => open += 1,
            b'}' | b']' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return start + offset + 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        json(&Json::parse(text).expect("json")).into_owned()
    }

    #[test]
    fn secrets_are_masked_at_any_depth() {
        let check = |text: &str, expect: &str| assert_eq!(masked(text), expect);
        check(r#"{"a":1}"#, r#"{"a":1}"#);
        check(r#"{"_context":{"x":1},"b":2}"#, r#"{"_context":"[redacted]","b":2}"#);
        check(
            r#"{"_context_auth_token":"x","b":2}"#,
            r#"{"_context_auth_token":"[redacted]","b":2}"#,
        );
        check(
            r#"{"_context":{"request_id":"req-1","auth_token":"x"},"_context_request_id":"req-1"}"#,
            r#"{"_context":{"request_id":"req-1","rest":"[redacted]"},"_context_request_id":"req-1"}"#,
        );
        check(
            r#"{"ctxt":{"request_id":"gAAAA"},"_context_request_id":"gAAAA","x":{"token":{"request_id":"req-1"}}}"#,
            r#"{"ctxt":"[redacted]","_context_request_id":"[redacted]","x":{"token":"[redacted]"}}"#,
        );
        check(
            r#"{"user_data":"IyEv","x":{"api_key":"1","Passphrase":"p","signature":"s"}}"#,
            r#"{"user_data":"[redacted]","x":{"api_key":"[redacted]","Passphrase":"[redacted]","signature":"[redacted]"}}"#,
        );
        check(r#"[{"X-Auth-Token": "abc"}, 2]"#, r#"[{"X-Auth-Token": "[redacted]"}, 2]"#);
        check(
            r#"{"m":{"adminPass":"x","token":null}}"#,
            r#"{"m":{"adminPass":"[redacted]","token":null}}"#,
        );
        check(
            r#"{"oslo.message":"{\"ctxt\": {\"a\": 1}, \"b\": \"c\"}"}"#,
            r#"{"oslo.message":"{\"ctxt\": \"[redacted]\", \"b\": \"c\"}"}"#,
        );
        check(
            r#"{"value":"{\"oslo.message\":\"{\\\"_context\\\": {\\\"t\\\": 1}}\"}"}"#,
            r#"{"value":"{\"oslo.message\":\"{\\\"_context\\\": \\\"[redacted]\\\"}\"}"}"#,
        );
    }

    #[test]
    fn text_that_is_not_json_is_masked_by_a_scan() {
        let check = |given: &str, expect: &str| assert_eq!(text(given), expect);
        check("nothing here", "nothing here");
        check(r#"{"auth_token": "abc", "b": "#, r#"{"auth_token": [redacted], "b": "#);
        check(r#"{"_context": {"a": {"b": 1}}, "c""#, r#"{"_context": [redacted], "c""#);
        check(r#"{\"password\": \"x\", \"b"#, r#"{\"password\": \[redacted], \"b"#);
        check(r#"{"_context": {"a": "cut"#, r#"{"_context": [redacted]"#);
        check("password=hunter2&x=1", "password=[redacted]&x=1");
        check(
            "a \"GET /b?X-Amz-Signature=0f1e&x=1 HTTP/1.1\" 200 - \"https://h/?Signature=a%3D\" z",
            "a \"GET /b?X-Amz-Signature=[redacted]&x=1 HTTP/1.1\" 200 - \
             \"https://h/?Signature=[redacted]\" z",
        );
        check("api_key=1f2e\nuser_data: c2g=", "api_key=[redacted]\nuser_data: [redacted]");
        check("Authorization: Bearer abc def", "Authorization: [redacted]");
        check("the token is", "the token is");
        check(r#"{"secret": "é"#, r#"{"secret": [redacted]"#);
    }

    proptest::proptest! {
        #[test]
        fn the_scan_never_panics(given in r#"(token|password|"|:|=|é|\\|\{|\}|,| ){0,16}"#) {
            let _ = text(&given);
        }
    }
}
