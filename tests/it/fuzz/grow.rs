//! Makes large records of small ones by their structure: elements, values and rows are repeated and
//! nested up to the longest record that is read, where what takes more than its share of time or
//! memory shows.

use serde_json::Value;

use super::mutate::Mutator;

/// As long as a record may be.
const BYTES_MAX: usize = 1 << 20;
/// Stands in a JSON text where something large goes.
const PLACE: &str = "@@here@@";

impl Mutator {
    pub(super) fn grown(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(&bytes) else { return bytes };
        let grown = match text.trim_start().chars().next() {
            Some('<') => self.grown_xml(text),
            Some('{' | '[') => self.grown_json(text),
            _ => self.grown_lines(text),
        };
        grown.filter(|grown| grown.len() <= BYTES_MAX).map_or(bytes, String::into_bytes)
    }

    /// Repeats an element beside itself, or within itself, or as elements of many names.
    fn grown_xml(&mut self, text: &str) -> Option<String> {
        let starts: Vec<usize> = text.match_indices('<').map(|(at, _)| at).collect();
        let start = starts[self.below(starts.len())];
        let name = text[start + 1..].split(|c: char| !c.is_alphanumeric()).next()?;
        if name.is_empty() {
            return None;
        }
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let end = start + text[start..].find(&close)? + close.len();
        let (before, element, after) = (&text[..start], &text[start..end], &text[end..]);
        let times = |each: usize| (BYTES_MAX - text.len().min(BYTES_MAX)) / each.max(1);
        Some(match self.below(3) {
            0 => format!("{before}{}{after}", element.repeat(times(element.len()).max(1))),
            1 => {
                let times = times(open.len() + close.len());
                format!("{before}{}{element}{}{after}", open.repeat(times), close.repeat(times))
            }
            _ => {
                let names = (0..times(9)).map(|number| format!("<a{number:05}/>"));
                format!("{before}{element}{}{after}", names.take(100_000).collect::<String>())
            }
        })
    }

    /// Repeats the items of a list, makes a list of a value, or adds many keys to an object.
    fn grown_json(&mut self, text: &str) -> Option<String> {
        let mut root: Value = serde_json::from_str(text).ok()?;
        let mut at = &mut root;
        loop {
            let inside = match &*at {
                Value::Object(map) => map.len(),
                Value::Array(list) => list.len(),
                _ => 0,
            };
            if inside == 0 || self.below(3) == 0 {
                break;
            }
            let key = self.below(inside);
            at = match at {
                Value::Object(map) => map.values_mut().nth(key)?,
                Value::Array(list) => &mut list[key],
                _ => return None,
            };
        }
        let room = BYTES_MAX - text.len().min(BYTES_MAX);
        let value = std::mem::replace(at, Value::String(PLACE.to_owned()));
        let large = match (&value, self.below(3)) {
            (Value::Array(list), 0 | 1) if !list.is_empty() => {
                let items: Vec<String> = list.iter().map(Value::to_string).collect();
                let items = items.join(",");
                format!("[{}]", vec![items.as_str(); (room / (items.len() + 1)).max(1)].join(","))
            }
            (Value::Object(_), 0 | 1) => {
                let own = value.to_string();
                let keys = (0..room / 12).map(|number| format!(",\"k{number}\":1"));
                let own = own.trim_end_matches('}');
                let keys: String = keys.take(80_000).collect();
                let keys = if own == "{" { keys.trim_start_matches(',') } else { &keys };
                format!("{own}{keys}}}")
            }
            (Value::String(text), 0) => {
                Value::String(text.repeat(room / 2 / text.len().max(1))).to_string()
            }
            _ => {
                let own = value.to_string();
                format!("[{}]", vec![own.as_str(); (room / (own.len() + 1)).max(1)].join(","))
            }
        };
        Some(root.to_string().replacen(&format!("\"{PLACE}\""), &large, 1))
    }

    /// Repeats a line below, or a cell in every line.
    fn grown_lines(&mut self, text: &str) -> Option<String> {
        let lines: Vec<&str> = text.lines().collect();
        let room = BYTES_MAX - text.len().min(BYTES_MAX);
        let line = *lines.get(self.below(lines.len()))?;
        if self.below(2) == 0 {
            return Some(format!(
                "{text}\n{}",
                format!("{line}\n").repeat(room / (line.len() + 1))
            ));
        }
        let mark = if line.contains(',') { ',' } else { ' ' };
        let cells = (0..room / 10 / lines.len()).map(|number| format!("{mark}c{number}"));
        let cells: String = cells.collect();
        Some(lines.iter().map(|line| format!("{line}{cells}\n")).collect())
    }
}
