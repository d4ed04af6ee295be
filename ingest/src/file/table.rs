//! Rows of tables, each together with its heading so that it can be read alone: the rows of a file
//! in CSV, and those of the tables that `xentop -b` prints between other lines.

use std::io;

use sha2::{Digest, Sha256};
use turnpike_schemas::Instant;

use super::lines::{Excess, Line, Lines, Placed};
use crate::adapters::openstack::time;
use crate::decode::TOO_LARGE_BYTES_KEPT;

/// Rows in the form of RFC 4180: a quoted field may hold line ends.
pub struct Csv {
    lines: Lines,
    /// The first row.
    heading: Option<Vec<u8>>,
    row: Vec<u8>,
}

impl Csv {
    pub fn new(lines: Lines) -> Self {
        Self { lines, heading: None, row: Vec::new() }
    }

    pub fn read_next(&mut self) -> io::Result<Option<Placed<'_>>> {
        loop {
            let Some((position, excess)) = self.read_row()? else { return Ok(None) };
            if let Some((bytes, sha256)) = excess {
                let head = &self.row[..self.row.len().min(TOO_LARGE_BYTES_KEPT)];
                return Ok(Some((position, Line::TooLong { head, bytes, sha256 })));
            }
            let Some(heading) = &self.heading else {
                if self.row.len() > HEADING_BYTES_MAX {
                    // Its rows cannot be read without it, and are told one by one.
                    self.heading = Some(Vec::new());
                    let sha256 = hex::encode(Sha256::digest(&self.row));
                    let head = &self.row[..TOO_LARGE_BYTES_KEPT];
                    let bytes = self.row.len();
                    return Ok(Some((position, Line::TooLong { head, bytes, sha256 })));
                }
                let heading = self.row.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.row);
                self.heading = Some(heading.to_vec());
                continue;
            };
            let mut record = heading.clone();
            if !record.is_empty() {
                record.push(b'\n');
            }
            record.extend_from_slice(&self.row);
            self.row = record;
            return Ok(Some((position, Line::Whole(&self.row))));
        }
    }

    /// Reads a row into `self.row`; where it starts, and how long it is if that is too long.
    fn read_row(&mut self) -> io::Result<Option<(i64, Option<Excess>)>> {
        self.row.clear();
        let (mut start, mut quoted) = (None, false);
        loop {
            let Some(excess) = self.lines.read()? else {
                return Ok(start.map(|start| (start, None)));
            };
            let line = &self.lines.buffer;
            if start.is_none() && excess.is_none() && line.trim_ascii().is_empty() {
                continue;
            }
            if start.is_some() {
                self.row.push(b'\n');
            }
            let start = *start.get_or_insert(self.lines.position);
            self.row.extend_from_slice(line);
            if excess.is_some() {
                return Ok(Some((start, excess)));
            }
            if self.row.len() > self.lines.bytes_max {
                let hash = hex::encode(Sha256::digest(&self.row));
                return Ok(Some((start, Some((self.row.len(), hash)))));
            }
            quoted ^= line.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
            if !quoted {
                return Ok(Some((start, None)));
            }
        }
    }
}

/// Lines, of which those below a known heading are rows of a table.
pub struct Tables {
    lines: Lines,
    /// The time of tables above which no line tells it.
    at: Option<String>,
    /// The heading of the table that the next line may belong to, below the time of it.
    heading: Vec<u8>,
    columns: usize,
    /// Place and length of a line that was read ahead into the buffer.
    ahead: Option<(i64, Option<Excess>)>,
    record: Vec<u8>,
}

/// A heading stands with each of its rows, so one that is as long as a row may be would be read as
/// often as there are rows.
const HEADING_BYTES_MAX: usize = 64 << 10;
/// Columns by which a heading is known.
const XENTOP: [&str; 3] = ["NAME", "STATE", "CPU(sec)"];
/// No time is longer.
const TIME_BYTES_MAX: usize = 40;

impl Tables {
    pub fn new(lines: Lines, at: Option<Instant>) -> Self {
        Self {
            lines,
            at: at.map(|at| at.to_string()),
            heading: Vec::new(),
            columns: 0,
            ahead: None,
            record: Vec::new(),
        }
    }

    pub fn read_next(&mut self) -> io::Result<Option<Placed<'_>>> {
        loop {
            let (position, excess) = match self.ahead.take() {
                Some(ahead) => ahead,
                None => {
                    let Some(excess) = self.lines.read_filled()? else { return Ok(None) };
                    (self.lines.position, excess)
                }
            };
            if let Some((bytes, sha256)) = excess {
                let head = self.lines.head();
                return Ok(Some((position, Line::TooLong { head, bytes, sha256 })));
            }
            std::mem::swap(&mut self.record, &mut self.lines.buffer);
            let first = self.record.first();
            if !matches!(first, Some(b'{' | b'[' | b'"')) && self.takes_heading()? {
                continue;
            }
            return Ok(Some((position, Line::Whole(&self.record))));
        }
    }

    /// Looks at a line that is no JSON. Whether it is a heading, or the time above one; a row is
    /// put below its heading.
    fn takes_heading(&mut self) -> io::Result<bool> {
        let Ok(text) = std::str::from_utf8(&self.record) else { return Ok(false) };
        if is_heading(text) {
            let at = self.at.clone();
            let heading = text.to_owned();
            self.set_heading(at.as_deref(), &heading);
            return Ok(true);
        }
        if is_time(text) {
            let time = text.trim().to_owned();
            return self.takes_time(&time);
        }
        if self.columns > 0 && text.split_whitespace().count() >= self.columns {
            let mut record = self.heading.clone();
            record.push(b'\n');
            record.append(&mut self.record);
            self.record = record;
        }
        Ok(false)
    }

    /// Whether the line below a time is a heading; if not, both are lines like any other.
    fn takes_time(&mut self, time: &str) -> io::Result<bool> {
        let Some(excess) = self.lines.read_filled()? else { return Ok(false) };
        let next = String::from_utf8_lossy(&self.lines.buffer).into_owned();
        if excess.is_none() && is_heading(&next) {
            self.set_heading(Some(time), &next);
            return Ok(true);
        }
        self.ahead = Some((self.lines.position, excess));
        Ok(false)
    }

    fn set_heading(&mut self, time: Option<&str>, heading: &str) {
        let above = time.map(|time| format!("{time}\n")).unwrap_or_default();
        self.columns = heading.split_whitespace().count();
        self.heading = format!("{above}{heading}").into_bytes();
    }
}

fn is_heading(text: &str) -> bool {
    text.len() <= HEADING_BYTES_MAX
        && XENTOP.iter().all(|column| text.split_whitespace().any(|word| word == *column))
}

fn is_time(text: &str) -> bool {
    let text = text.trim();
    text.len() <= TIME_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_digit())
        && time::parse("time", text).is_ok()
}
