//! Columns of a row group, decoded from their pages into codes and integers.
//!
//! A text column becomes codes into its dictionary: whether two rows are alike is a comparison of
//! integers. A column that the row group's statistics show to be the same everywhere is not read.
//! Invariant: whatever is not understood (another encoding, a damaged page) is `None`, and the bucket
//! goes the general way, which says what is wrong.

use std::fs::File;

use datafusion::parquet::basic::{Encoding, Type};
use datafusion::parquet::file::metadata::ColumnChunkMetaData;

use super::codec;
use super::pages::{Pages, Part, Present};

/// The code of a missing text.
pub(super) const NO_CODE: u32 = u32::MAX;
/// The value of a missing integer. None that counts is this small.
pub(super) const NO_LONG: i64 = i64::MIN;

/// One value for all rows, or one for each.
pub(super) enum Values<T> {
    Same(T),
    Each(Vec<T>),
}

impl<T: Copy> Values<T> {
    #[inline]
    pub(super) fn at(&self, row: usize) -> T {
        match self {
            Values::Same(value) => *value,
            Values::Each(values) => values[row],
        }
    }
}

/// Texts by code, one after another.
#[derive(Default)]
pub(super) struct Entries {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Whether two codes may stand for one text.
    pub(super) repeats: bool,
}

impl Entries {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.repeats = false;
    }

    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub(super) fn get(&self, code: u32) -> Option<&[u8]> {
        let code = usize::try_from(code).ok()?;
        let end = *self.ends.get(code)?;
        let start = code.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end)
    }
}

/// A text column: codes, and what they stand for.
pub(super) struct Texts {
    pub(super) codes: Values<u32>,
    pub(super) entries: Entries,
}

/// What the statistics say is in every row.
enum Everywhere<'a> {
    Null,
    Value(&'a [u8]),
}

fn everywhere(chunk: &ColumnChunkMetaData) -> Option<Everywhere<'_>> {
    let statistics = chunk.statistics()?;
    let nulls = statistics.null_count_opt()?;
    if i64::try_from(nulls).ok()? == chunk.num_values() {
        return Some(Everywhere::Null);
    }
    let exact = statistics.min_is_exact() && statistics.max_is_exact();
    let least = statistics.min_bytes_opt()?;
    let same = Some(least) == statistics.max_bytes_opt();
    (nulls == 0 && exact && same && !statistics.is_min_max_deprecated())
        .then_some(Everywhere::Value(least))
}

/// Reads a text column of a row group of `rows` rows.
pub(super) fn texts(
    pages: &mut Pages,
    file: &mut File,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Option<Texts> {
    if chunk.column_type() != Type::BYTE_ARRAY {
        return None;
    }
    let mut entries = pages.spare.entries();
    match everywhere(chunk) {
        Some(Everywhere::Null) => return Some(Texts { codes: Values::Same(NO_CODE), entries }),
        Some(Everywhere::Value(value)) => {
            entries.push(value);
            return Some(Texts { codes: Values::Same(0), entries });
        }
        None => {}
    }
    let mut codes = pages.spare.codes(rows);
    pages.for_each(file, chunk, rows, |page| match page {
        Part::Dictionary(bytes, count) => plain_texts(bytes, count, &mut entries),
        Part::Data { encoding, values, present, count } => {
            let held = present.as_ref().map_or(count, |present| present.held);
            let from = codes.len();
            match encoding {
                Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                    let (width, values) = values.split_first()?;
                    codec::hybrid(values, *width, held, &mut codes)?;
                }
                Encoding::PLAIN => plain_codes(values, held, &mut entries, &mut codes)?,
                _ => return None,
            }
            spread(&mut codes, from, present.as_ref(), NO_CODE)
        }
    })?;
    let known = |code: &u32| *code == NO_CODE || (*code as usize) < entries.len();
    (codes.len() == rows && codes.iter().all(known))
        .then_some(Texts { codes: Values::Each(codes), entries })
}

/// Reads a column of integers, instants or truths of a row group of `rows` rows.
pub(super) fn longs(
    pages: &mut Pages,
    file: &mut File,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Option<Values<i64>> {
    let kind = chunk.column_type();
    match everywhere(chunk) {
        Some(Everywhere::Null) => return Some(Values::Same(NO_LONG)),
        Some(Everywhere::Value(value)) => {
            return Some(Values::Same(match (kind, value.len()) {
                (Type::INT64, 8) => i64::from_le_bytes(value.try_into().ok()?),
                (Type::INT32, 4) => i64::from(i32::from_le_bytes(value.try_into().ok()?)),
                (Type::BOOLEAN, 1) => i64::from(value[0]),
                _ => return None,
            }));
        }
        None => {}
    }
    let mut all = pages.spare.longs(rows);
    let mut entries = std::mem::take(&mut pages.spare.dictionary);
    let mut codes = std::mem::take(&mut pages.spare.page);
    entries.clear();
    pages.for_each(file, chunk, rows, |page| match page {
        Part::Dictionary(bytes, count) => plain_longs(kind, bytes, count, &mut entries),
        Part::Data { encoding, values, present, count } => {
            let held = present.as_ref().map_or(count, |present| present.held);
            let from = all.len();
            match encoding {
                Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                    codes.clear();
                    let (width, values) = values.split_first()?;
                    codec::hybrid(values, *width, held, &mut codes)?;
                    for code in &codes {
                        all.push(*entries.get(*code as usize)?);
                    }
                }
                Encoding::PLAIN => plain_longs(kind, values, held, &mut all)?,
                Encoding::DELTA_BINARY_PACKED if kind != Type::BOOLEAN => {
                    codec::delta(values, held, &mut all)?;
                }
                Encoding::RLE if kind == Type::BOOLEAN => {
                    codes.clear();
                    codec::hybrid(values.get(4..)?, 1, held, &mut codes)?;
                    all.extend(codes.iter().map(|code| i64::from(*code)));
                }
                _ => return None,
            }
            spread(&mut all, from, present.as_ref(), NO_LONG)
        }
    })?;
    pages.spare.dictionary = entries;
    pages.spare.page = codes;
    (all.len() == rows).then_some(Values::Each(all))
}

/// Puts the values from `from` on into the rows that hold one.
fn spread<T: Copy>(all: &mut Vec<T>, from: usize, present: Option<&Present>, gap: T) -> Option<()> {
    let Some(Present { rows, held }) = present else { return Some(()) };
    let values = all.split_off(from);
    let mut next = values.iter();
    for row in rows {
        all.push(if *row == 1 { *next.next()? } else { gap });
    }
    (values.len() == *held).then_some(())
}

fn plain_texts(bytes: &[u8], count: usize, out: &mut Entries) -> Option<()> {
    out.bytes.reserve(bytes.len());
    out.ends.reserve(count);
    let mut rest = bytes;
    for _ in 0..count {
        let (text, next) = first_text(rest)?;
        out.push(text);
        rest = next;
    }
    Some(())
}

/// Texts without a dictionary get one: neighbours that are alike share an entry.
fn plain_codes(
    bytes: &[u8],
    count: usize,
    entries: &mut Entries,
    codes: &mut Vec<u32>,
) -> Option<()> {
    entries.repeats = true;
    let (mut rest, mut last) = (bytes, NO_CODE);
    for _ in 0..count {
        let (text, next) = first_text(rest)?;
        let same = last != NO_CODE && entries.get(last) == Some(text);
        if !same {
            last = u32::try_from(entries.len()).ok()?;
            entries.push(text);
        }
        codes.push(last);
        rest = next;
    }
    Some(())
}

/// A text with its length before it, and what follows.
fn first_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

fn plain_longs(kind: Type, bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Option<()> {
    match kind {
        Type::INT64 => {
            let bytes = bytes.get(..count.checked_mul(8)?)?;
            let value = |part: &[u8]| i64::from_le_bytes(part.try_into().expect("eight bytes"));
            out.extend(bytes.chunks_exact(8).map(value));
        }
        Type::INT32 => {
            let bytes = bytes.get(..count.checked_mul(4)?)?;
            let value = |part: &[u8]| i32::from_le_bytes(part.try_into().expect("four bytes"));
            out.extend(bytes.chunks_exact(4).map(value).map(i64::from));
        }
        Type::BOOLEAN => {
            for row in 0..count {
                out.push(i64::from(*bytes.get(row / 8)? >> (row % 8) & 1));
            }
        }
        _ => return None,
    }
    Some(())
}
