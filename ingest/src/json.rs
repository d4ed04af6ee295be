//! [`Json`]: a borrowed tree of JSON text in which numbers stay the digits that were written.
//!
//! A small strict parser of our own, since a tree is needed that keeps numbers as text (`serde_json`
//! turns them into floats unless a feature changes that for every crate of the program) and that
//! knows where in the text each value stands, for redaction. A property test holds it to accept
//! exactly what `serde_json` accepts, but for duplicate keys and depth.

use std::borrow::Cow;

/// Deeper JSON than any known format has: Nova nests nine levels.
pub const DEPTH_MAX: usize = 64;

/// Objects of at most this many keys are checked for duplicates pair by pair.
const PAIRWISE_MAX: usize = 12;

/// A value and the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json<'a> {
    pub text: &'a str,
    pub value: Value<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// The digits as written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("not JSON at byte {offset}: {expected} expected")]
    Syntax { offset: usize, expected: &'static str },
    #[error("JSON nested more than {DEPTH_MAX} levels deep")]
    TooDeep,
    #[error("the key `{0}` stands twice in one object")]
    DuplicateKey(String),
}

impl<'a> Json<'a> {
    /// Reads one whole JSON text.
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        let mut parser = Parser { text, bytes: text.as_bytes(), at: 0 };
        parser.skip_space();
        let value = parser.value(0)?;
        parser.skip_space();
        if parser.at < parser.bytes.len() {
            return Err(parser.expected("the end"));
        }
        Ok(value)
    }

    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        self.entries()?.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text of a field, if it is a string.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn entries(&self) -> Option<&[(Cow<'a, str>, Json<'a>)]> {
        match &self.value {
            Value::Object(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn items(&self) -> Option<&[Json<'a>]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    pub fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// What a message calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// The path of the innermost value that holds the byte `offset` of this value's own text.
    pub fn path_at(&self, offset: usize) -> String {
        let mut path = String::new();
        let mut here = self;
        'down: loop {
            let inside = |child: &Json<'_>| {
                let start = child.text.as_ptr() as usize - self.text.as_ptr() as usize;
                (start..start + child.text.len()).contains(&offset)
            };
            match &here.value {
                Value::Object(entries) => {
                    for (name, child) in entries {
                        if inside(child) {
                            if !path.is_empty() {
                                path.push('.');
                            }
                            path.push_str(name);
                            here = child;
                            continue 'down;
                        }
                    }
                }
                Value::List(items) => {
                    for (index, child) in items.iter().enumerate() {
                        if inside(child) {
                            path.push_str(&format!("[{index}]"));
                            here = child;
                            continue 'down;
                        }
                    }
                }
                _ => {}
            }
            return path;
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { offset: self.at, expected }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        if depth > DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => return Err(self.expected("a value")),
        };
        Ok(Json { text: &self.text[start..self.at], value })
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.at += 1;
        let mut entries = Vec::new();
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::Object(entries));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.expected("`:`"));
            }
            self.skip_space();
            entries.push((key, self.value(depth + 1)?));
            self.skip_space();
            if self.eat(b'}') {
                break;
            }
            if !self.eat(b',') {
                return Err(self.expected("`,` or `}`"));
            }
            self.skip_space();
        }
        match duplicate_key(&entries) {
            Some(key) => Err(JsonError::DuplicateKey(key.chars().take(80).collect())),
            None => Ok(Value::Object(entries)),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::List(items));
            }
            if !self.eat(b',') {
                return Err(self.expected("`,` or `]`"));
            }
            self.skip_space();
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(0..=0x1f) | None => {
                    self.at = self.at.min(self.bytes.len());
                    return Err(self.expected("the end of a string"));
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[start + 1..self.at - 1]));
        }
        serde_json::from_str::<String>(&self.text[start..self.at])
            .map(Cow::Owned)
            .map_err(|_| JsonError::Syntax { offset: start, expected: "a valid escape" })
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }
}

fn duplicate_key<'k>(entries: &'k [(Cow<'_, str>, Json<'_>)]) -> Option<&'k str> {
    if entries.len() <= PAIRWISE_MAX {
        let twice = |index: &usize| {
            entries[..*index].iter().any(|(earlier, _)| *earlier == entries[*index].0)
        };
        return (0..entries.len()).find(twice).map(|index| entries[index].0.as_ref());
    }
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_keep_their_digits_and_values_their_place() {
        let text = r#" {"a": [1.10, -0, 1e400], "b": {"cd": "x\u0041"}} "#;
        let json = Json::parse(text).expect("parses");
        let items = json.get("a").and_then(Json::items).expect("list");
        assert_eq!(items[0].value, Value::Number("1.10"));
        assert_eq!(items[2].value, Value::Number("1e400"));
        assert_eq!(json.get("b").and_then(|b| b.text_of("cd")), Some("xA"));
        assert_eq!(json.get("b").map(|b| b.text), Some(r#"{"cd": "x\u0041"}"#));
        let offset = json.text.find("-0").expect("there");
        assert_eq!(json.path_at(offset), "a[1]");
        assert_eq!(json.path_at(json.text.find("x\\u").expect("there")), "b.cd");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let check = |text: &str| assert!(Json::parse(text).is_err(), "{text}");
        for text in [
            "",
            " ",
            "{",
            "[",
            "nul",
            "{\"a\"}",
            "{\"a\":1,}",
            "[1,]",
            "01",
            "1.",
            "-",
            "1e",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\n\"",
            "{} {}",
            "NaN",
            "{a:1}",
            "\"\\ud800\"",
            "+1",
            ".5",
        ] {
            check(text);
        }
        assert_eq!(Json::parse(r#"{"a":1,"a":2}"#), Err(JsonError::DuplicateKey("a".to_owned())));
        let many: Vec<String> = (0..40).map(|n| format!("\"k{}\":{n}", n % 39)).collect();
        assert_eq!(
            Json::parse(&format!("{{{}}}", many.join(","))),
            Err(JsonError::DuplicateKey("k0".to_owned()))
        );
        assert_eq!(Json::parse(&"[".repeat(100_000)), Err(JsonError::TooDeep));
    }

    proptest! {
        #[test]
        fn the_parser_agrees_with_serde_json(text in r#"[\[\]{}:,"\\ntrufalse0-9.eE+ \u{1}é-]{0,24}"#) {
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            match Json::parse(&text) {
                Err(JsonError::DuplicateKey(_)) => {}
                // serde_json passes over the escapes of a string that it does not decode.
                Err(JsonError::Syntax { expected: "a valid escape", .. }) => {}
                ours => prop_assert_eq!(ours.is_ok(), theirs),
            }
        }
    }
}
