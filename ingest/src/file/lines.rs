//! [`Records`]: the records of a text, which are its lines, or the items of the one JSON list that
//! it is, or the one pretty-printed object that it is.

use std::io::{self, BufRead, Cursor, Read};

use sha2::{Digest, Sha256};

use crate::decode::TOO_LARGE_BYTES_KEPT;
use crate::json::{Json, Value};

/// As much is looked at to see whether the first line is a record.
const PEEK_BYTES: u64 = 64 << 10;
/// The longest text that is read as one JSON value; a longer one is taken to be lines.
const WHOLE_BYTES_MAX: u64 = 16 << 20;

/// A record, or what is known of one that is too long to be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    TooLong { head: &'a [u8], bytes: usize, sha256: String },
}

pub struct Records {
    form: Form,
}

enum Form {
    Lines(Lines),
    Items { items: Vec<String>, next: usize },
}

impl Records {
    pub fn new(mut input: Box<dyn BufRead + Send>, line_bytes_max: usize) -> io::Result<Self> {
        let mut head = Vec::new();
        input.by_ref().take(PEEK_BYTES).read_to_end(&mut head)?;
        if !begins_with_a_record(&head) {
            let rest = WHOLE_BYTES_MAX + 1 - PEEK_BYTES;
            input.by_ref().take(rest).read_to_end(&mut head)?;
            if head.len() as u64 <= WHOLE_BYTES_MAX
                && let Some(items) = items(&head)
            {
                return Ok(Self { form: Form::Items { items, next: 0 } });
            }
        }
        let input = Box::new(Cursor::new(head).chain(input));
        Ok(Self { form: Form::Lines(Lines::new(input, line_bytes_max)) })
    }

    /// The next record and its place, counted from one.
    pub fn read_next(&mut self) -> io::Result<Option<(i64, Line<'_>)>> {
        match &mut self.form {
            Form::Lines(lines) => lines.next(),
            Form::Items { items, next } => {
                let item = items.get(*next);
                *next += 1;
                let position = i64::try_from(*next).unwrap_or(i64::MAX);
                Ok(item.map(|item| (position, Line::Whole(item.as_bytes()))))
            }
        }
    }
}

/// Whether the first line that is not blank is a JSON object by itself.
fn begins_with_a_record(head: &[u8]) -> bool {
    let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let Some(line) = lines.find(|line| !line.trim_ascii().is_empty()) else { return false };
    line.ends_with(b"\n")
        && std::str::from_utf8(line)
            .is_ok_and(|line| Json::parse(line).is_ok_and(|json| json.is_object()))
}

/// The items of a text that is one JSON list, or the one object that it is.
fn items(text: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let json = Json::parse(text).ok()?;
    match &json.value {
        Value::Object(_) => Some(vec![json.text.to_owned()]),
        Value::List(items) => Some(items.iter().map(|item| item.text.to_owned()).collect()),
        _ => None,
    }
}

struct Lines {
    input: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    position: i64,
    bytes_max: usize,
}

impl Lines {
    fn new(input: Box<dyn BufRead + Send>, bytes_max: usize) -> Self {
        Self { input, buffer: Vec::new(), position: 0, bytes_max }
    }

    /// Blank lines count, but are no records.
    fn next(&mut self) -> io::Result<Option<(i64, Line<'_>)>> {
        loop {
            self.buffer.clear();
            let Some(excess) = self.read_line()? else { return Ok(None) };
            self.position += 1;
            if let Some((bytes, sha256)) = excess {
                let head = &self.buffer[..self.buffer.len().min(TOO_LARGE_BYTES_KEPT)];
                return Ok(Some((self.position, Line::TooLong { head, bytes, sha256 })));
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer);
        Ok(Some((self.position, Line::Whole(line))))
    }

    /// Reads a line into the buffer, without its end. `None`: there is none. Of a line that is too
    /// long, the buffer keeps the start, and its length and hash are returned.
    fn read_line(&mut self) -> io::Result<Option<Option<(usize, String)>>> {
        let mut long: Option<(usize, Sha256)> = None;
        let mut any = false;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            match &mut long {
                Some((bytes, hash)) => {
                    *bytes += part.len();
                    hash.update(part);
                }
                None => self.buffer.extend_from_slice(part),
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if long.is_none() && self.buffer.len() > self.bytes_max {
                long = Some((self.buffer.len(), Sha256::new_with_prefix(&self.buffer)));
                self.buffer.truncate(TOO_LARGE_BYTES_KEPT);
            }
            if end.is_some() {
                break;
            }
        }
        let excess = long.map(|(bytes, hash)| (bytes, hex::encode(hash.finalize())));
        Ok(any.then_some(excess))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], bytes_max: usize) -> Vec<(i64, String)> {
        let input = Box::new(Cursor::new(text.to_vec()));
        let mut records = Records::new(input, bytes_max).expect("opens");
        let mut all = Vec::new();
        while let Some((position, line)) = records.read_next().expect("reads") {
            all.push((
                position,
                match line {
                    Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                    Line::TooLong { bytes, .. } => format!("<{bytes}>"),
                },
            ));
        }
        all
    }

    #[test]
    fn a_text_is_lines_a_list_or_one_object() {
        let check = |text: &str, expect: &[(i64, &str)]| {
            let got = read(text.as_bytes(), 20);
            let got: Vec<(i64, &str)> = got.iter().map(|(at, line)| (*at, line.as_str())).collect();
            assert_eq!(got, expect, "{text}");
        };
        check("", &[]);
        check("\n\n", &[]);
        check("{\"a\":1}\n{\"b\":2}", &[(1, "{\"a\":1}"), (2, "{\"b\":2}")]);
        check("{\"a\":1}\r\n\n{\"b\":2}\r\n", &[(1, "{\"a\":1}"), (3, "{\"b\":2}")]);
        check("{\"a\":1}", &[(1, "{\"a\":1}")]);
        check("{\n \"a\": 1\n}\n", &[(1, "{\n \"a\": 1\n}")]);
        check("[{\"a\":1},\n{\"b\":2}]", &[(1, "{\"a\":1}"), (2, "{\"b\":2}")]);
        check("broken\n{\"b\":2}\n", &[(1, "broken"), (2, "{\"b\":2}")]);
        check("[1\n{\"b\":2}\n", &[(1, "[1"), (2, "{\"b\":2}")]);
        check("\u{feff}{\"a\":1}\n2\n", &[(1, "\u{feff}{\"a\":1}"), (2, "2")]);
        check(
            "{\"b\":2}\n{\"a\":\"0123456789012345\"}\n3",
            &[(1, "{\"b\":2}"), (2, "<24>"), (3, "3")],
        );
    }

    #[test]
    fn a_long_line_is_hashed_and_passed_over() {
        let long = vec![b'x'; 20 << 20];
        let mut text = b"{\"a\":1}\n".to_vec();
        text.extend_from_slice(&long);
        text.extend_from_slice(b"\n{\"b\":2}\n");
        let mut records = Records::new(Box::new(Cursor::new(text)), 1 << 20).expect("opens");
        records.read_next().expect("reads");
        match records.read_next().expect("reads") {
            Some((2, Line::TooLong { head, bytes, sha256 })) => {
                assert_eq!((head.len(), bytes), (TOO_LARGE_BYTES_KEPT, long.len()));
                assert_eq!(sha256, hex::encode(Sha256::digest(&long)));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(records.read_next().expect("reads"), Some((3, Line::Whole(b"{\"b\":2}"))));
        assert_eq!(records.read_next().expect("reads"), None);
    }
}
