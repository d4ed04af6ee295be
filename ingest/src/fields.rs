//! [`Fields`]: what decoded events say, as places in the bytes of their block. Nothing is copied
//! before it is known where its row goes, but what is stored otherwise than it was sent.

use turnpike_schemas::Flow;
use turnpike_schemas::event::CorrectionAction;

use crate::flat::{Flat, FlatMeasurement};

/// Texts that decide the order of rows, by their places in [`Row::texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Source,
    Id,
    Resource,
}

/// Columns of text.
pub(crate) const TEXTS: usize = 15;
/// The place of the attributes among them.
const ATTRIBUTES: usize = 10;

/// Columns of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Long {
    WindowStart,
    WindowEnd,
    Since,
    Seconds,
}

impl Long {
    pub const ALL: [Self; LONGS] = [Self::WindowStart, Self::WindowEnd, Self::Since, Self::Seconds];
}

pub(crate) const LONGS: usize = Long::Seconds as usize + 1;

/// Where bytes lie in their block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// With [`WRITTEN`] where they are among those that were written beside what was read.
    start: u32,
    length: u32,
}

const WRITTEN: u32 = 1 << 31;

impl Span {
    pub const NONE: Self = Self { start: 0, length: u32::MAX };

    /// In the bytes that the block was read from.
    pub fn read(start: usize, length: usize) -> Self {
        Self { start: place(start + length) - place(length), length: place(length) }
    }

    fn written(start: usize, length: usize) -> Self {
        let Self { start, length } = Self::read(start, length);
        Self { start: start | WRITTEN, length }
    }

    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// How many bytes; none of nothing.
    pub fn len(self) -> usize {
        if self.is_some() { self.length as usize } else { 0 }
    }
}

/// Blocks are sealed long before their bytes are as many.
fn place(at: usize) -> u32 {
    let place = u32::try_from(at).ok().filter(|place| *place < WRITTEN);
    place.expect("a block is far smaller")
}

/// The bytes that a block refers to.
#[derive(Debug, Default)]
pub(crate) struct Bytes {
    pub read: Vec<u8>,
    pub written: Vec<u8>,
}

impl Bytes {
    pub fn get(&self, span: Span) -> Option<&[u8]> {
        let (bytes, start) = self.place(span)?;
        Some(&bytes[start..start + span.length as usize])
    }

    /// The bytes that the span is a part of, and where it begins in them.
    #[inline]
    pub fn place(&self, span: Span) -> Option<(&[u8], usize)> {
        let bytes = if span.start & WRITTEN == 0 { &self.read } else { &self.written };
        span.is_some().then_some((bytes.as_slice(), (span.start & !WRITTEN) as usize))
    }
}

/// Copies bytes beside those that were read.
pub(crate) fn write(written: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let start = written.len();
    written.extend_from_slice(bytes);
    Span::written(start, bytes.len())
}

/// A record's bytes and where they lie in the block: what is borrowed from them is not copied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    address: usize,
    length: usize,
    at: Span,
}

impl Source {
    pub fn new(bytes: &[u8], at: Span) -> Self {
        Self { address: bytes.as_ptr().addr(), length: bytes.len(), at }
    }

    /// None of the texts is borrowed from what the block holds.
    pub fn elsewhere() -> Self {
        Self { address: 0, length: 0, at: Span::NONE }
    }

    #[inline]
    fn span(&self, text: &str, written: &mut Vec<u8>) -> Span {
        let offset = text.as_ptr().addr().wrapping_sub(self.address);
        if offset < self.length && text.len() <= self.length - offset {
            // Both are less than the bytes of a block.
            let start = self.at.start + place(offset);
            return Span { start, length: place(text.len()) };
        }
        write(written, text.as_bytes())
    }
}

/// What is measured, as [`FlatMeasurement`] has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub meter: Span,
    pub quantity: i64,
    pub scale: i32,
    pub flow: Flow,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// In the order of [`Fields::push`].
    pub texts: [Span; TEXTS],
    /// The number of its whole numbers, which most events have none of.
    longs: Option<u32>,
    /// Where its measurements end; they begin where those of the row before end.
    measured: u32,
}

/// The fields of the events of a block.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    rows: Vec<Row>,
    longs: Vec<[Option<i64>; LONGS]>,
    measured: Vec<Measured>,
    /// How many bytes the texts of each column have in all.
    pub bytes: [usize; TEXTS],
}

impl Fields {
    pub fn push(&mut self, flat: &Flat<'_>, source: Source, written: &mut Vec<u8>) {
        let texts: [Option<&str>; TEXTS] = [
            Some(flat.source),
            Some(flat.id),
            flat.resource,
            Some(flat.resource_kind),
            flat.parent,
            flat.owner,
            flat.project,
            flat.site,
            flat.region,
            flat.incarnation,
            flat.attributes,
            flat.tags,
            flat.twin,
            flat.correction.map(CorrectionAction::as_str),
            flat.target,
        ];
        let mut spans = [Span::NONE; TEXTS];
        for ((span, text), bytes) in spans.iter_mut().zip(texts).zip(&mut self.bytes) {
            if let Some(text) = text {
                *span = source.span(text, written);
                *bytes += text.len();
            }
        }
        for FlatMeasurement { meter, quantity, scale, flow } in flat.measurements {
            let meter = source.span(meter, written);
            let scale = i32::try_from(*scale).expect("a scale is at most 9");
            self.measured.push(Measured { meter, quantity: *quantity, scale, flow: *flow });
        }
        let longs = self.longs(flat);
        self.rows.push(Row { texts: spans, longs, measured: place(self.measured.len()) });
    }

    pub fn clear(&mut self) {
        let Self { rows, longs, measured, bytes } = self;
        rows.clear();
        longs.clear();
        measured.clear();
        *bytes = [0; TEXTS];
    }

    fn longs(&mut self, flat: &Flat<'_>) -> Option<u32> {
        if flat.window.is_none() && flat.since.is_none() && flat.seconds.is_none() {
            return None;
        }
        self.longs.push([
            flat.window.map(|window| window.start.micros()),
            flat.window.map(|window| window.end.micros()),
            flat.since.map(|since| since.micros()),
            flat.seconds,
        ]);
        Some(place(self.longs.len() - 1))
    }

    /// The row of a dead letter: nothing, or who sent it in place of what an event is about.
    pub fn push_nothing(&mut self, route: Option<&str>, written: &mut Vec<u8>) {
        let measured = place(self.measured.len());
        let mut texts = [Span::NONE; TEXTS];
        if let Some(route) = route {
            texts[ATTRIBUTES] = write(written, route.as_bytes());
            self.bytes[ATTRIBUTES] += route.len();
        }
        self.rows.push(Row { texts, longs: None, measured });
    }

    #[inline]
    pub fn row(&self, row: u32) -> &Row {
        &self.rows[row as usize]
    }

    #[inline]
    pub fn long(&self, row: &Row, long: Long) -> Option<i64> {
        self.longs[row.longs? as usize][long as usize]
    }

    /// The measurements of a row.
    #[inline]
    pub fn measured(&self, row: u32) -> &[Measured] {
        let at = row as usize;
        let start = if at == 0 { 0 } else { self.rows[at - 1].measured };
        &self.measured[start as usize..self.rows[at].measured as usize]
    }

    /// All measurements.
    pub fn all_measured(&self) -> &[Measured] {
        &self.measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_borrowed_from_the_record_is_not_copied() {
        let read = b"before{\"id\":\"e-1\"}".to_vec();
        let value = &read[6..];
        let source = Source::new(value, Span::read(6, value.len()));
        let text = std::str::from_utf8(value).expect("ASCII");
        let mut written = Vec::new();
        let (id, all, end) = (&text[7..10], text, &text[text.len()..]);
        let spans = [id, all, end, "elsewhere"].map(|text| source.span(text, &mut written));
        assert_eq!(written, b"elsewhere");
        assert_eq!(spans[0], Span::read(13, 3));
        let bytes = Bytes { read: read.clone(), written };
        let found = spans.map(|span| bytes.get(span).expect("a text"));
        assert_eq!(found, [b"e-1".as_slice(), value, b"", b"elsewhere"]);
        assert_eq!((bytes.get(Span::NONE), Span::NONE.len()), (None, 0));
    }
}
