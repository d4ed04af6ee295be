//! Columns of a row group, decoded from their pages into codes and integers.
//!
//! A text column becomes codes into its dictionary: whether two rows are alike is a comparison of
//! integers. A column that the row group's statistics show to be the same everywhere is not read.
//! Invariant: whatever is not understood (another encoding, a damaged page) is `None`, and the bucket
//! goes the general way, which says what is wrong.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::parquet::basic::{Encoding, Type};
use datafusion::parquet::column::page::{Page, PageReader};
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;
use datafusion::parquet::file::reader::{ChunkReader, Length};
use datafusion::parquet::file::serialized_reader::SerializedPageReader;

use super::codec;

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
    pub(super) fn at(&self, row: usize) -> T {
        match self {
            Values::Same(value) => *value,
            Values::Each(values) => values[row],
        }
    }
}

/// A text column: codes, and what they stand for.
pub(super) struct Texts {
    pub(super) codes: Values<u32>,
    pub(super) entries: Vec<Bytes>,
}

impl Texts {
    pub(super) fn entry(&self, code: u32) -> Option<&[u8]> {
        self.entries.get(usize::try_from(code).ok()?).map(AsRef::as_ref)
    }
}

/// The bytes of one column chunk at their place in the file.
struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Chunk {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let from = usize::try_from(start - self.start)?;
        Ok(self.bytes.slice(from..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let from = usize::try_from(start - self.start)?;
        Ok(self.bytes.slice(from..from + length))
    }
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
pub(super) fn texts(file: &mut File, chunk: &ColumnChunkMetaData, rows: usize) -> Option<Texts> {
    if chunk.column_type() != Type::BYTE_ARRAY {
        return None;
    }
    match everywhere(chunk) {
        Some(Everywhere::Null) => {
            return Some(Texts { codes: Values::Same(NO_CODE), entries: Vec::new() });
        }
        Some(Everywhere::Value(value)) => {
            let entries = vec![Bytes::copy_from_slice(value)];
            return Some(Texts { codes: Values::Same(0), entries });
        }
        None => {}
    }
    let (mut codes, mut entries) = (Vec::with_capacity(rows), Vec::new());
    for_each_page(file, chunk, rows, |page| match page {
        Parts::Dictionary(bytes, count) => plain_texts(&bytes, count, &mut entries),
        Parts::Data { encoding, values, present, count } => {
            let held = present.as_ref().map_or(count, |present| present.held);
            let from = codes.len();
            match encoding {
                Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                    codec::hybrid(values.get(1..)?, *values.first()?, held, &mut codes)?;
                }
                Encoding::PLAIN => plain_codes(&values, held, &mut entries, &mut codes)?,
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
    let (mut all, mut entries, mut codes) = (Vec::with_capacity(rows), Vec::new(), Vec::new());
    for_each_page(file, chunk, rows, |page| match page {
        Parts::Dictionary(bytes, count) => plain_longs(kind, &bytes, count, &mut entries),
        Parts::Data { encoding, values, present, count } => {
            let held = present.as_ref().map_or(count, |present| present.held);
            let from = all.len();
            match encoding {
                Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                    codes.clear();
                    codec::hybrid(values.get(1..)?, *values.first()?, held, &mut codes)?;
                    for code in &codes {
                        all.push(*entries.get(*code as usize)?);
                    }
                }
                Encoding::PLAIN => plain_longs(kind, &values, held, &mut all)?,
                Encoding::DELTA_BINARY_PACKED if kind != Type::BOOLEAN => {
                    codec::delta(&values, held, &mut all)?;
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
    (all.len() == rows).then_some(Values::Each(all))
}

/// Which rows of a page hold a value.
struct Present {
    rows: Vec<u32>,
    held: usize,
}

enum Parts {
    Dictionary(Bytes, usize),
    /// `present` is absent where every row holds a value.
    Data {
        encoding: Encoding,
        values: Bytes,
        present: Option<Present>,
        count: usize,
    },
}

fn for_each_page(
    file: &mut File,
    chunk: &ColumnChunkMetaData,
    rows: usize,
    mut each: impl FnMut(Parts) -> Option<()>,
) -> Option<()> {
    let (start, length) = chunk.byte_range();
    let mut bytes = vec![0_u8; usize::try_from(length).ok()?];
    file.seek(SeekFrom::Start(start)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    let source = Arc::new(Chunk { start, bytes: bytes.into() });
    let mut pages = SerializedPageReader::new(source, chunk, rows, None).ok()?;
    let descriptor = chunk.column_descr();
    if descriptor.max_rep_level() != 0 || descriptor.max_def_level() > 1 {
        return None;
    }
    let optional = descriptor.max_def_level() == 1;
    while let Some(page) = pages.get_next_page().ok()? {
        each(parts(page, optional)?)?;
    }
    Some(())
}

fn parts(page: Page, optional: bool) -> Option<Parts> {
    match page {
        Page::DictionaryPage { buf, num_values, .. } => {
            Some(Parts::Dictionary(buf, num_values as usize))
        }
        Page::DataPage { buf, num_values, encoding, .. } => {
            let count = num_values as usize;
            if !optional {
                return Some(Parts::Data { encoding, values: buf, present: None, count });
            }
            let length = u32::from_le_bytes(buf.get(..4)?.try_into().ok()?) as usize;
            let present = present(buf.get(4..4 + length)?, count)?;
            Some(Parts::Data { encoding, values: buf.slice(4 + length..), present, count })
        }
        Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, .. } => {
            let (count, length) = (num_values as usize, def_levels_byte_len as usize);
            let present = match optional {
                true => present(buf.get(..length)?, count)?,
                false => None,
            };
            Some(Parts::Data { encoding, values: buf.slice(length..), present, count })
        }
    }
}

#[expect(clippy::option_option, reason = "not readable, all there, or some missing")]
fn present(levels: &[u8], count: usize) -> Option<Option<Present>> {
    let mut rows = Vec::with_capacity(count);
    codec::hybrid(levels, 1, count, &mut rows)?;
    let held = rows.iter().filter(|row| **row == 1).count();
    Some((held < count).then_some(Present { rows, held }))
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

fn plain_texts(bytes: &Bytes, count: usize, out: &mut Vec<Bytes>) -> Option<()> {
    let mut at = 0_usize;
    for _ in 0..count {
        let (from, to) = text_at(bytes, at)?;
        out.push(bytes.slice(from..to));
        at = to;
    }
    Some(())
}

/// Texts without a dictionary get one: neighbours that are alike share an entry.
fn plain_codes(
    bytes: &Bytes,
    count: usize,
    entries: &mut Vec<Bytes>,
    codes: &mut Vec<u32>,
) -> Option<()> {
    let (mut at, mut last) = (0_usize, NO_CODE);
    for _ in 0..count {
        let (from, to) = text_at(bytes, at)?;
        let same = last != NO_CODE && entries[last as usize].as_ref() == &bytes[from..to];
        if !same {
            last = u32::try_from(entries.len()).ok()?;
            entries.push(bytes.slice(from..to));
        }
        codes.push(last);
        at = to;
    }
    Some(())
}

fn text_at(bytes: &Bytes, at: usize) -> Option<(usize, usize)> {
    let from = at.checked_add(4)?;
    let length = u32::from_le_bytes(bytes.get(at..from)?.try_into().ok()?) as usize;
    let to = from.checked_add(length)?;
    (to <= bytes.len()).then_some((from, to))
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
