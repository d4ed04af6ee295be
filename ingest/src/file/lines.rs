//! [`Records`]: the records of a text. It is lines, or the items of the one JSON list that it is, or
//! the one pretty-printed object; the rows of a table, each with its heading; or elements of XML.

use std::io::{self, BufRead, Cursor, Read};

use sha2::{Digest, Sha256};
use turnpike_schemas::Instant;

use super::open::Kind;
use super::table::{Csv, Tables};
use super::xml;
use crate::decode::TOO_LARGE_BYTES_KEPT;
use crate::json::{Json, Value};
use crate::long::LIST_FACTOR;

/// As much is looked at to see whether the first line is a record.
const PEEK_BYTES: u64 = 64 << 10;
/// The longest text that is read as one JSON value or as one XML document; longer JSON is taken to
/// be lines.
const WHOLE_BYTES_MAX: u64 = 16 << 20;

/// A record, or what is known of one that is too long to be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    TooLong { head: &'a [u8], bytes: usize, sha256: String },
}

/// A record and its place, counted from one.
pub type Placed<'a> = (i64, Line<'a>);

pub struct Records {
    form: Form,
}

enum Form {
    Tables(Tables),
    Csv(Csv),
    Items { items: Vec<String>, next: usize },
    Huge { head: Vec<u8>, bytes: usize, sha256: String, told: bool },
}

impl Records {
    /// `at` is the time of tables above which no line tells it.
    pub fn new(
        mut input: Box<dyn BufRead + Send>,
        kind: Kind,
        line_bytes_max: usize,
        at: Option<Instant>,
    ) -> io::Result<Self> {
        let mut head = Vec::new();
        let mut broken = read_more(&mut input, PEEK_BYTES, &mut head);
        let start = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&head).trim_ascii_start();
        let first = start.first().copied();
        let is_json = matches!(first, Some(b'{' | b'['));
        if first == Some(b'<') && kind != Kind::Csv {
            return Self::xml(input, head, broken);
        }
        if kind == Kind::Csv && !is_json {
            let lines = Lines::new(rest_of(head, input, broken), line_bytes_max);
            return Ok(Self { form: Form::Csv(Csv::new(lines)) });
        }
        if broken.is_none() && !begins_with_a_record(&head) {
            let rest = WHOLE_BYTES_MAX + 1 - PEEK_BYTES;
            broken = read_more(&mut input, rest, &mut head);
            if broken.is_none()
                && head.len() as u64 <= WHOLE_BYTES_MAX
                && let Some(items) = items(&head)
            {
                return Ok(Self { form: Form::Items { items, next: 0 } });
            }
        }
        // A line may list records, each of which has the length of one.
        let list_bytes_max = line_bytes_max.saturating_mul(LIST_FACTOR);
        let lines = Lines::new(rest_of(head, input, broken), list_bytes_max);
        Ok(Self { form: Form::Tables(Tables::new(lines, at)) })
    }

    /// A document: half of one is none.
    fn xml(
        mut input: Box<dyn BufRead + Send>,
        mut head: Vec<u8>,
        broken: Option<io::Error>,
    ) -> io::Result<Self> {
        if let Some(error) = broken.or_else(|| read_more(&mut input, WHOLE_BYTES_MAX, &mut head)) {
            return Err(error);
        }
        if head.len() as u64 <= WHOLE_BYTES_MAX {
            let items = xml::items(&head);
            return Ok(Self { form: Form::Items { items, next: 0 } });
        }
        let mut hash = Sha256::new_with_prefix(&head);
        let mut bytes = head.len();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    hash.update(&buffer[..read]);
                    bytes += read;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        head.truncate(TOO_LARGE_BYTES_KEPT);
        let sha256 = hex::encode(hash.finalize());
        Ok(Self { form: Form::Huge { head, bytes, sha256, told: false } })
    }

    pub fn read_next(&mut self) -> io::Result<Option<Placed<'_>>> {
        match &mut self.form {
            Form::Tables(tables) => tables.read_next(),
            Form::Csv(csv) => csv.read_next(),
            Form::Items { items, next } => {
                let item = items.get(*next);
                *next += 1;
                let position = i64::try_from(*next).unwrap_or(i64::MAX);
                Ok(item.map(|item| (position, Line::Whole(item.as_bytes()))))
            }
            Form::Huge { told: true, .. } => Ok(None),
            Form::Huge { head, bytes, sha256, told } => {
                *told = true;
                Ok(Some((1, Line::TooLong { head, bytes: *bytes, sha256: sha256.clone() })))
            }
        }
    }
}

/// Reads up to `bytes` more. An error does not take away what precedes it.
fn read_more(input: &mut dyn BufRead, bytes: u64, head: &mut Vec<u8>) -> Option<io::Error> {
    input.take(bytes).read_to_end(head).err()
}

/// All of the input: what was read of it, and then the rest or the error that ended it.
fn rest_of(
    head: Vec<u8>,
    input: Box<dyn BufRead + Send>,
    broken: Option<io::Error>,
) -> Box<dyn BufRead + Send> {
    match broken {
        None => Box::new(Cursor::new(head).chain(input)),
        Some(error) => Box::new(Cursor::new(head).chain(Broken(Some(error)))),
    }
}

/// The damaged end of a file.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

impl BufRead for Broken {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.take().map_or(Ok(&[]), Err)
    }

    fn consume(&mut self, _: usize) {}
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

/// Lines with their numbers.
pub struct Lines {
    input: Box<dyn BufRead + Send>,
    /// The line read last, without its end; of one that is too long, its start.
    pub buffer: Vec<u8>,
    pub position: i64,
    pub bytes_max: usize,
}

/// Length and hash of a line that is too long.
pub type Excess = (usize, String);

impl Lines {
    pub fn new(input: Box<dyn BufRead + Send>, bytes_max: usize) -> Self {
        Self { input, buffer: Vec::new(), position: 0, bytes_max }
    }

    /// Reads the next line that is not blank; blank ones count. `None`: there is none.
    pub fn read_filled(&mut self) -> io::Result<Option<Option<Excess>>> {
        loop {
            let Some(excess) = self.read()? else { return Ok(None) };
            if excess.is_some() || !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(excess));
            }
        }
    }

    /// Reads the next line into the buffer.
    pub fn read(&mut self) -> io::Result<Option<Option<Excess>>> {
        self.buffer.clear();
        let Some(excess) = self.read_line()? else { return Ok(None) };
        self.position += 1;
        if self.buffer.last() == Some(&b'\r') && excess.is_none() {
            self.buffer.pop();
        }
        Ok(Some(excess))
    }

    /// The start of a line that is too long.
    pub fn head(&self) -> &[u8] {
        &self.buffer[..self.buffer.len().min(TOO_LARGE_BYTES_KEPT)]
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
        read_as(Kind::Json, text, bytes_max)
    }

    fn read_as(kind: Kind, text: &[u8], bytes_max: usize) -> Vec<(i64, String)> {
        let input = Box::new(Cursor::new(text.to_vec()));
        let at = Instant::parse("2026-10-01T00:00:00Z").ok();
        let mut records = Records::new(input, kind, bytes_max, at).expect("opens");
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
        let list = format!("{{\"a\":\"{}\"}}", "0".repeat(16 * 20 - 8));
        check(&format!("{list}\n3"), &[(1, &list), (2, "3")]);
        check(&format!("{{\"b\":2}}\n{list} \n3"), &[(1, "{\"b\":2}"), (2, "<321>"), (3, "3")]);
    }

    #[test]
    fn a_long_line_is_hashed_and_passed_over() {
        let long = vec![b'x'; 20 << 20];
        let mut text = b"{\"a\":1}\n".to_vec();
        text.extend_from_slice(&long);
        text.extend_from_slice(b"\n{\"b\":2}\n");
        let mut records =
            Records::new(Box::new(Cursor::new(text)), Kind::Json, 1 << 20, None).expect("opens");
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

    #[test]
    fn rows_stand_with_their_heading() {
        let check = |kind: Kind, text: &str, expect: &[(i64, &str)]| {
            let got = read_as(kind, text.as_bytes(), 60);
            let got: Vec<(i64, &str)> = got.iter().map(|(at, line)| (*at, line.as_str())).collect();
            assert_eq!(got, expect, "{text}");
        };
        check(Kind::Csv, "", &[]);
        check(Kind::Csv, "a,b\n", &[]);
        check(Kind::Csv, "\u{feff}a,b\r\n1,2\r\n\n3,4", &[(2, "a,b\n1,2"), (4, "a,b\n3,4")]);
        check(
            Kind::Csv,
            "a,b\n\"1\n\n\"\"x\",2\n3,4\n",
            &[(2, "a,b\n\"1\n\n\"\"x\",2"), (5, "a,b\n3,4")],
        );
        check(Kind::Csv, "{\"a\":1}\n", &[(1, "{\"a\":1}")]);
        let long = format!("a,b\n{}\n1,2\n", "x".repeat(70));
        check(Kind::Csv, &long, &[(2, "<70>"), (3, "a,b\n1,2")]);
        let open = format!("a,b\n\"x\n{}\n1,2\n", "y".repeat(58));
        check(Kind::Csv, &open, &[(2, "<61>"), (4, "a,b\n1,2")]);

        let heading = "NAME STATE CPU(sec)";
        let at = "2026-10-01T00:00:00Z";
        check(
            Kind::Text,
            &format!("{heading}\n a --r 1\n b --b 2\nover\n"),
            &[
                (2, &format!("{at}\n{heading}\n a --r 1")),
                (3, &format!("{at}\n{heading}\n b --b 2")),
                (4, "over"),
            ],
        );
        let later = "2026-10-01T01:00:00Z";
        check(
            Kind::Text,
            &format!(
                "{later}\n{heading}\n a --r 1\n{later}\n{later}\n{heading}\n c --r 3\n{later}\nx"
            ),
            &[
                (3, &format!("{later}\n{heading}\n a --r 1")),
                (4, later),
                (7, &format!("{later}\n{heading}\n c --r 3")),
                (8, later),
                (9, "x"),
            ],
        );
    }

    #[test]
    fn elements_of_xml_are_records() {
        let check = |text: &str, expect: &[(i64, &str)]| {
            let got = read_as(Kind::Xml, text.as_bytes(), 60);
            let got: Vec<(i64, &str)> = got.iter().map(|(at, line)| (*at, line.as_str())).collect();
            assert_eq!(got, expect, "{text}");
        };
        check(
            "<HISTORY_RECORDS><HISTORY><A/></HISTORY>\n<HISTORY/></HISTORY_RECORDS>",
            &[(1, "<HISTORY><A/></HISTORY>"), (2, "<HISTORY/>")],
        );
        check(
            "<r><count>1</count><usagerecord><a>1</a></usagerecord></r>",
            &[(1, "<usagerecord><a>1</a></usagerecord>")],
        );
        check(
            "<?xml version=\"1.0\"?>\n<other><a/></other>",
            &[(1, "<?xml version=\"1.0\"?>\n<other><a/></other>")],
        );
        check("<broken", &[(1, "<broken")]);
        check(
            "<n:x xmlns:n=\"u\"><HISTORY><n:a/></HISTORY></n:x>",
            &[(1, "<n:x xmlns:n=\"u\"><HISTORY><n:a/></HISTORY></n:x>")],
        );
    }

    #[test]
    fn what_precedes_a_damaged_end_is_read() {
        let broken = Broken(Some(io::Error::from(io::ErrorKind::UnexpectedEof)));
        let input = Box::new(Cursor::new(b"{\"a\":1}\n{\"b\"".to_vec()).chain(broken));
        let mut records = Records::new(input, Kind::Json, 60, None).expect("opens");
        assert_eq!(records.read_next().expect("reads"), Some((1, Line::Whole(b"{\"a\":1}"))));
        let error = records.read_next().expect_err("an error");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
