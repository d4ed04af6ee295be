//! Records as the bodies of requests.

use serde_json::value::RawValue;

/// Records of one body: an answer within a second, and few enough to be sent again.
const ITEMS_MAX: usize = 500;
const BYTES_MAX: usize = 1 << 20;

/// How a record can be put into a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// With others in a JSON list.
    Json,
    /// With others, one a line.
    Line,
    /// Alone.
    Text,
}

/// The body of one request.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// Where each item stands in the file.
    pub positions: Vec<i64>,
}

/// Collects records into batches.
pub struct Batches {
    /// An adapter is named, so text is read as it is.
    named: bool,
    form: Form,
    body: Vec<u8>,
    positions: Vec<i64>,
}

impl Batches {
    pub fn new(named: bool) -> Self {
        Self { named, form: Form::Json, body: Vec::new(), positions: Vec::new() }
    }

    /// The batch that this record no longer fits into, if there is one.
    pub fn push(&mut self, position: i64, value: Vec<u8>) -> Option<Batch> {
        let form = self.form_of(&value);
        let full = self.positions.len() >= ITEMS_MAX || self.body.len() + value.len() > BYTES_MAX;
        let done = match full || form != self.form || form == Form::Text {
            true => self.take(),
            false => None,
        };
        self.form = form;
        if !self.body.is_empty() {
            self.body.push(if form == Form::Json { b',' } else { b'\n' });
        }
        self.body.extend_from_slice(&value);
        self.positions.push(position);
        done
    }

    /// What is left.
    pub fn take(&mut self) -> Option<Batch> {
        if self.positions.is_empty() {
            return None;
        }
        let positions = std::mem::take(&mut self.positions);
        let mut body = std::mem::take(&mut self.body);
        let content_type = match (self.form, self.named) {
            (Form::Json, _) => {
                body.insert(0, b'[');
                body.push(b']');
                "application/json"
            }
            (Form::Line, false) => "application/x-ndjson",
            (Form::Line, true) => "text/plain",
            (Form::Text, _) => "application/xml",
        };
        Some(Batch { content_type, body, positions })
    }

    fn form_of(&self, value: &[u8]) -> Form {
        if serde_json::from_slice::<&RawValue>(value).is_ok() {
            return Form::Json;
        }
        match value.contains(&b'\n') && self.named {
            true => Form::Text,
            false => Form::Line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(named: bool, values: &[&str]) -> Vec<String> {
        let mut batches = Batches::new(named);
        let mut all = Vec::new();
        for (position, value) in (1..).zip(values) {
            all.extend(batches.push(position, value.as_bytes().to_vec()));
        }
        all.extend(batches.take());
        let shown = |batch: Batch| {
            let body = String::from_utf8(batch.body).expect("text");
            format!("{} {:?} {body}", batch.content_type, batch.positions)
        };
        all.into_iter().map(shown).collect()
    }

    #[test]
    fn records_of_one_form_share_a_body() {
        assert_eq!(
            bodies(false, &["{\"a\":1}", "{\n\"b\":2}", "{broken", "x", "7"]),
            [
                "application/json [1, 2] [{\"a\":1},{\n\"b\":2}]",
                "application/x-ndjson [3, 4] {broken\nx",
                "application/json [5] [7]",
            ]
        );
        assert_eq!(
            bodies(true, &["a b", "<x>\n</x>", "<y>\n</y>"]),
            [
                "text/plain [1] a b",
                "application/xml [2] <x>\n</x>",
                "application/xml [3] <y>\n</y>",
            ]
        );
        assert_eq!(bodies(false, &[]), [""; 0]);
    }

    #[test]
    fn bodies_are_bounded() {
        let many = vec!["1"; ITEMS_MAX * 2 + 1];
        assert_eq!(bodies(false, &many).len(), 3);
        let long = format!("\"{}\"", "x".repeat(BYTES_MAX / 2));
        assert_eq!(bodies(false, &[&long, &long, &long]).len(), 3);
    }
}
