//! Pages of a column chunk, decompressed one after another into a buffer that all of them share.
//!
//! Invariant: what is not understood (another compression, a damaged page) is `None`, as everywhere in
//! the short way.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::parquet::basic::{Compression, Encoding};
use datafusion::parquet::column::page::{Page, PageReader};
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;
use datafusion::parquet::file::reader::{ChunkReader, Length};
use datafusion::parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;

use super::codec;
use super::column::Entries;

/// What a page holds.
pub(super) enum Part<'p> {
    Dictionary(&'p [u8], usize),
    /// `present` is absent where every row holds a value.
    Data {
        encoding: Encoding,
        values: &'p [u8],
        present: Option<Present>,
        count: usize,
    },
}

/// Which rows of a page hold a value.
pub(super) struct Present {
    pub(super) rows: Vec<u32>,
    pub(super) held: usize,
}

/// Reads pages. A context of the decompressor is large: there is one.
#[derive(Default)]
pub(super) struct Pages {
    zstd: Option<Decompressor<'static>>,
    page: Vec<u8>,
    /// Of a column chunk as it is in the file.
    chunk: Vec<u8>,
    /// Memory of blocks that are done with, for the next ones: fresh memory costs more than what is put
    /// into it.
    pub(super) spare: Spare,
}

/// Emptied vectors that keep their room.
#[derive(Default)]
pub(super) struct Spare {
    pub(super) codes: Vec<Vec<u32>>,
    pub(super) longs: Vec<Vec<i64>>,
    pub(super) entries: Vec<Entries>,
    pub(super) changes: Vec<u8>,
    /// Numbers of dictionaries, which are short.
    pub(super) numbers: Vec<Vec<u32>>,
    /// A dictionary of integers, and the codes of a page.
    pub(super) dictionary: Vec<i64>,
    pub(super) page: Vec<u32>,
}

impl Spare {
    pub(super) fn codes(&mut self, rows: usize) -> Vec<u32> {
        emptied(self.codes.pop(), rows)
    }

    pub(super) fn numbers(&mut self, count: usize) -> Vec<u32> {
        emptied(self.numbers.pop(), count)
    }

    pub(super) fn longs(&mut self, rows: usize) -> Vec<i64> {
        emptied(self.longs.pop(), rows)
    }

    pub(super) fn entries(&mut self) -> Entries {
        let mut entries = self.entries.pop().unwrap_or_default();
        entries.clear();
        entries
    }
}

fn emptied<T>(spare: Option<Vec<T>>, rows: usize) -> Vec<T> {
    let mut spare = spare.unwrap_or_default();
    spare.clear();
    spare.reserve(rows);
    spare
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

impl Pages {
    /// Hands over the pages of a chunk of `rows` rows in order.
    pub(super) fn for_each(
        &mut self,
        file: &mut File,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        mut each: impl FnMut(Part<'_>) -> Option<()>,
    ) -> Option<()> {
        let descriptor = chunk.column_descr();
        if descriptor.max_rep_level() != 0 || descriptor.max_def_level() > 1 {
            return None;
        }
        let (start, length) = chunk.byte_range();
        let mut bytes =
            emptied(Some(std::mem::take(&mut self.chunk)), usize::try_from(length).ok()?);
        file.seek(SeekFrom::Start(start)).ok()?;
        let read = Read::by_ref(file).take(length).read_to_end(&mut bytes).ok()?;
        if u64::try_from(read).ok()? < length {
            return None;
        }
        let bytes = Bytes::from(bytes);
        let read = self.pages_of(chunk, (start, bytes.clone()), rows, &mut each);
        // Nobody else holds it any more: its room is had back.
        self.chunk = bytes.into();
        read
    }

    fn pages_of(
        &mut self,
        chunk: &ColumnChunkMetaData,
        (start, bytes): (u64, Bytes),
        rows: usize,
        mut each: impl FnMut(Part<'_>) -> Option<()>,
    ) -> Option<()> {
        let optional = chunk.column_descr().max_def_level() == 1;
        let source = Arc::new(Chunk { start, bytes });
        if !matches!(chunk.compression(), Compression::ZSTD(_)) {
            let mut pages = SerializedPageReader::new(source, chunk, rows, None).ok()?;
            while let Some(page) = pages.get_next_page().ok()? {
                each(part(&page, page.buffer(), optional)?)?;
            }
            return Some(());
        }
        // The library would make a context for each chunk; it hands over what it takes for plain.
        let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED);
        let plain = plain.build().ok()?;
        let longest = usize::try_from(chunk.uncompressed_size()).ok()?;
        let mut pages = SerializedPageReader::new(source, &plain, rows, None).ok()?;
        while let Some(page) = pages.get_next_page().ok()? {
            if matches!(page, Page::DataPageV2 { .. }) {
                // Only its header says how much of it is compressed.
                return None;
            }
            self.decompress(page.buffer(), longest)?;
            each(part(&page, &self.page, optional)?)?;
        }
        Some(())
    }

    fn decompress(&mut self, compressed: &[u8], longest: usize) -> Option<()> {
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => none.insert(Decompressor::new().ok()?),
        };
        self.page.clear();
        self.page.reserve(longest);
        zstd.decompress_to_buffer(compressed, &mut self.page).ok().map(|_| ())
    }
}

/// What a page says; `bytes` are its own, decompressed.
fn part<'p>(page: &Page, bytes: &'p [u8], optional: bool) -> Option<Part<'p>> {
    match page {
        Page::DictionaryPage { num_values, .. } => {
            Some(Part::Dictionary(bytes, usize::try_from(*num_values).ok()?))
        }
        Page::DataPage { num_values, encoding, .. } => {
            let (count, encoding) = (usize::try_from(*num_values).ok()?, *encoding);
            if !optional {
                return Some(Part::Data { encoding, values: bytes, present: None, count });
            }
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (levels, values) = rest.split_at_checked(length)?;
            Some(Part::Data { encoding, values, present: present(levels, count)?, count })
        }
        Page::DataPageV2 { num_values, encoding, def_levels_byte_len, .. } => {
            let length = usize::try_from(*def_levels_byte_len).ok()?;
            let (count, encoding) = (usize::try_from(*num_values).ok()?, *encoding);
            let (levels, values) = bytes.split_at_checked(length)?;
            let present = if optional { present(levels, count)? } else { None };
            Some(Part::Data { encoding, values, present, count })
        }
    }
}

#[expect(clippy::option_option, reason = "not readable, all there, or some missing")]
fn present(levels: &[u8], count: usize) -> Option<Option<Present>> {
    if codec::is_one_run(levels, 1, count) {
        return Some(None);
    }
    let mut rows = Vec::with_capacity(count);
    codec::hybrid(levels, 1, count, &mut rows)?;
    let held = rows.iter().filter(|row| **row == 1).count();
    Some((held < count).then_some(Present { rows, held }))
}
