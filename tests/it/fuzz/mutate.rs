//! Makes damaged records from whole ones. Seeded, so that a run can be repeated.

use serde_json::{Map, Value};

/// Numbers that parsers are known to stumble on.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1",
    "0.1",
    "1e0",
    "1e400",
    "-1e-400",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "79228162514264337593543950336",
    "0.0000000000000000000000000001",
    "00",
    "1.",
    ".5",
    "NaN",
    "Infinity",
    "0x1F",
    "1_000",
];
/// Strings that end up as times, ids, sizes, states.
const TEXTS: &[&str] = &[
    "",
    " ",
    "null",
    "0",
    "-1",
    "1e9",
    "9223372036854775808",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "2026-02-30T25:61:61Z",
    "2016-12-31T23:59:60Z",
    "2026-10-05T00:00:00+99:99",
    "1969-12-31T23:59:59Z",
    "262143-01-01T00:00:00Z",
    "2026-10-05 00:00:00",
    "20261005T000000Z",
    "é",
    "\u{202e}",
    "\u{1f}",
    "\u{0}",
    "\u{feff}",
    "a/b/c",
    "../..",
    "-",
    ":",
    "%",
    "<a>&amp;</a>",
    "<![CDATA[",
    "active",
    "deleted",
    "running",
    "GiB",
    "byte",
    "1 GiB",
    "12:00",
    "00:00:00",
    "P1D",
    "15 TB",
    "\u{1F600}",
];
const HEADERS: &[&str] =
    &["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "CE_ID", "ce_"];
/// An input is not made longer than this by repeating parts of it.
const BYTES_MAX: usize = 64 << 10;
/// One input of so many is grown to the longest that is read: it takes as long as a hundred others.
const GROWN_OF: usize = 64;
/// Deepest nest that a mutation makes.
const DEPTH: usize = 80;

pub struct Mutator {
    state: u64,
    own: Vec<Vec<u8>>,
    all: Vec<Vec<u8>>,
}

impl Mutator {
    pub fn new(seed: u64, own: Vec<Vec<u8>>, all: Vec<Vec<u8>>) -> Mutator {
        assert!(!all.is_empty(), "no seeds");
        Mutator { state: seed, own, all }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.random() % limit.max(1) as u64).unwrap()
    }

    fn one_of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// A damaged record and its headers.
    pub fn next(&mut self) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
        let mut bytes = self.seed();
        for _ in 0..=self.below(3) {
            bytes = match self.below(3) {
                0 => self.bytes_changed(bytes),
                1 => self.text_changed(bytes),
                _ => self.tree_changed(bytes),
            };
        }
        bytes.truncate(BYTES_MAX);
        if self.below(GROWN_OF) == 0 {
            bytes = self.seed();
            for _ in 0..=self.below(2) {
                bytes = self.grown(bytes);
            }
        }
        let mut headers = Vec::new();
        if self.below(8) == 0 {
            for _ in 0..=self.below(5) {
                let name = self.one_of(HEADERS).to_owned();
                headers.push((name, self.one_of(TEXTS).as_bytes().to_vec()));
            }
        }
        (bytes, headers)
    }

    /// Its own seeds four times of five.
    fn seed(&mut self) -> Vec<u8> {
        let own = !self.own.is_empty() && self.below(5) > 0;
        let count = if own { self.own.len() } else { self.all.len() };
        let at = self.below(count);
        if own { self.own[at].clone() } else { self.all[at].clone() }
    }

    fn bytes_changed(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.is_empty() {
            return vec![u8::try_from(self.below(256)).unwrap()];
        }
        let at = self.below(bytes.len());
        let other = self.below(bytes.len());
        let (from, to) = (at.min(other), at.max(other));
        match self.below(7) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = u8::try_from(self.below(256)).unwrap(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(from..to.min(from + 32))),
            4 => bytes.insert(at, b"{}[]\",:\\\n\t \0<>=;'"[self.below(17)]),
            5 => {
                let part = bytes[from..to.min(from + 256)].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let with = self.seed();
                let half = self.below(with.len().max(1));
                bytes.truncate(at);
                bytes.extend_from_slice(&with[half.min(with.len())..]);
            }
        }
        bytes
    }

    /// Replaces a run of digits or a word by something worse.
    fn text_changed(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(&bytes) else { return self.bytes_changed(bytes) };
        let digits = self.below(2) == 0;
        let wanted =
            |c: char| if digits { c.is_ascii_digit() || c == '.' } else { c.is_alphanumeric() };
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (at, c) in text.char_indices().filter(|(_, c)| wanted(*c)) {
            match runs.last_mut() {
                Some((_, end)) if *end == at => *end = at + c.len_utf8(),
                _ => runs.push((at, at + c.len_utf8())),
            }
        }
        if runs.is_empty() {
            return self.bytes_changed(bytes);
        }
        let (start, end) = runs[self.below(runs.len())];
        let with = self.one_of(if digits { NUMBERS } else { TEXTS });
        format!("{}{with}{}", &text[..start], &text[end..]).into_bytes()
    }

    /// Changes a value somewhere in the tree of a JSON text.
    fn tree_changed(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Ok(mut root) = serde_json::from_slice::<Value>(&bytes) else {
            return self.bytes_changed(bytes);
        };
        // OpenStack's envelope holds its notification as text.
        let inner = root.get("oslo.message").and_then(Value::as_str);
        let inner = inner.and_then(|text| serde_json::from_str::<Value>(text).ok());
        if let (Some(mut inner), true) = (inner, self.below(8) > 0) {
            self.change_somewhere(&mut inner);
            root["oslo.message"] = Value::String(inner.to_string());
        } else {
            self.change_somewhere(&mut root);
        }
        root.to_string().into_bytes()
    }

    fn change_somewhere(&mut self, root: &mut Value) {
        let mut at = root;
        loop {
            let inside = match at {
                Value::Object(map) => map.len(),
                Value::Array(list) => list.len(),
                _ => 0,
            };
            if inside == 0 || self.below(4) == 0 {
                return self.change(at);
            }
            let key = self.below(inside);
            at = match at {
                Value::Object(map) => map.values_mut().nth(key).expect("a key"),
                Value::Array(list) => &mut list[key],
                _ => unreachable!("it has something inside"),
            };
        }
    }

    fn change(&mut self, value: &mut Value) {
        match (self.below(6), &mut *value) {
            (0, Value::Object(map)) => self.rename(map),
            (1, Value::Object(map)) => {
                let key = map.keys().nth(self.below(map.len())).cloned();
                key.and_then(|key| map.remove(&key));
            }
            (0 | 1, Value::Array(list)) if !list.is_empty() => {
                let copy = list[self.below(list.len())].clone();
                list.push(copy);
            }
            (2, _) => {
                let mut nested = value.take();
                for _ in 0..self.below(DEPTH) {
                    nested = Value::Array(vec![nested]);
                }
                *value = nested;
            }
            _ => *value = self.leaf(),
        }
    }

    fn rename(&mut self, map: &mut Map<String, Value>) {
        let Some(key) = map.keys().nth(self.below(map.len())).cloned() else { return };
        let value = map.remove(&key).expect("the key is one of its");
        let name = self.one_of(TEXTS);
        map.insert(
            if self.below(2) == 0 { name.to_owned() } else { format!("{key}{name}") },
            value,
        );
    }

    fn leaf(&mut self) -> Value {
        match self.below(6) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2 => Value::Array(Vec::new()),
            3 => Value::Object(Map::new()),
            4 => serde_json::from_str(self.one_of(NUMBERS)).unwrap_or(Value::Null),
            _ => Value::String(self.one_of(TEXTS).to_owned()),
        }
    }
}
