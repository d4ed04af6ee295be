//! The pages behind the entries of a key file: writing them beside the entries, and finding keys
//! through them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{BUFFER_BYTES, ENTRY_BYTES, Entries, HEADER_BYTES, KeyEntry, KeyHash, MAGIC, entry_of};

/// Entries of a page on average: with the filter's bits and six probes one new key in a hundred
/// seems to be there.
const PAGE_ENTRIES: u64 = 42;
/// The number of the page's first entry, then the filter.
pub(super) const PAGE_BYTES: usize = 64;
const FILTER_BITS: u64 = 448;
const FILTER_PROBES: u64 = 6;
/// Pages read at once where many keys are to be found.
const WINDOW_PAGES: u64 = 4_096;

impl KeyHash {
    /// Pages follow each other as their keys do.
    pub(super) fn page(self, pages: u64) -> u64 {
        (((self.0 >> 64) * u128::from(pages)) >> 64) as u64
    }

    /// The bits of a page's filter that a key sets.
    fn probes(self) -> impl Iterator<Item = usize> {
        let (first, step) = (self.0 as u64 >> 32, (self.0 as u64 & 0xffff_ffff) | 1);
        (0..FILTER_PROBES).map(move |probe| {
            let hash = first.wrapping_add(probe.wrapping_mul(step)) & 0xffff_ffff;
            ((hash * FILTER_BITS) >> 32) as usize
        })
    }
}

pub(super) fn pages_of(entries: u64) -> u64 {
    entries.div_ceil(PAGE_ENTRIES)
}

/// Writes entries from the start of a file and their pages from where the entries will end.
pub(super) struct KeyWriter<'a> {
    entries: Region<'a>,
    pages: Region<'a>,
    page: [u8; PAGE_BYTES],
    /// Pages before this one are written.
    page_number: u64,
    pages_total: u64,
    written: u64,
    total: u64,
}

impl<'a> KeyWriter<'a> {
    pub(super) fn new(file: &'a File, total: u64) -> io::Result<Self> {
        file.write_all_at(&MAGIC, 0)?;
        file.write_all_at(&total.to_be_bytes(), 8)?;
        Ok(Self {
            entries: Region::new(file, HEADER_BYTES),
            pages: Region::new(file, HEADER_BYTES + total * ENTRY_BYTES as u64),
            page: [0; PAGE_BYTES],
            page_number: 0,
            pages_total: pages_of(total),
            written: 0,
            total,
        })
    }

    pub(super) fn push(&mut self, entry: KeyEntry) -> io::Result<()> {
        self.turn_to(entry.key.page(self.pages_total))?;
        for bit in entry.key.probes() {
            self.page[8 + bit / 8] |= 1 << (bit % 8);
        }
        self.written += 1;
        self.entries.write(&entry.to_bytes())
    }

    /// Writes the pages before `page`.
    fn turn_to(&mut self, page: u64) -> io::Result<()> {
        while self.page_number < page {
            self.pages.write(&self.page)?;
            self.page_number += 1;
            self.page = [0; PAGE_BYTES];
            self.page[..8].copy_from_slice(&self.written.to_be_bytes());
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        assert_eq!(self.written, self.total, "a key file has the entries that it says");
        self.turn_to(self.pages_total)?;
        self.entries.flush()?;
        self.pages.flush()
    }
}

/// A part of a file that is written from its start on.
struct Region<'a> {
    file: &'a File,
    at: u64,
    buffer: Vec<u8>,
}

impl<'a> Region<'a> {
    pub(super) fn new(file: &'a File, at: u64) -> Self {
        Self { file, at, buffer: Vec::with_capacity(BUFFER_BYTES) }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// The pages of a file, a window of them in memory.
pub(super) struct Pages<'a> {
    file: &'a File,
    entries: u64,
    pub(super) pages: u64,
    /// Pages to read at once.
    window_pages: u64,
    window_start: u64,
    window: Vec<u8>,
    /// The page whose entries are in memory, and those.
    page: Option<u64>,
    page_entries: Vec<u8>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(entries: &'a Entries, wanted: u64) -> Self {
        let pages = pages_of(entries.left);
        // Few keys lie far apart: what is read around each would not serve the next.
        let crowded = pages / wanted.max(1) < WINDOW_PAGES / 16;
        Self {
            file: entries.input.get_ref(),
            entries: entries.left,
            pages,
            window_pages: if crowded { WINDOW_PAGES } else { 1 },
            window_start: 0,
            window: Vec::new(),
            page: None,
            page_entries: Vec::new(),
        }
    }

    pub(super) fn find(
        &mut self,
        wanted: &[KeyHash],
        found: &mut HashMap<KeyHash, i64>,
    ) -> io::Result<()> {
        for key in wanted {
            let page = key.page(self.pages);
            if !self.may_hold(page, *key)? {
                continue;
            }
            self.load(page)?;
            let count = self.page_entries.len() / ENTRY_BYTES;
            let key_at = |at: usize| entry_of(&self.page_entries[at * ENTRY_BYTES..]);
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = low + (high - low) / 2;
                match key_at(middle).key < *key {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            if low < count && key_at(low).key == *key {
                found.insert(*key, key_at(low).content_hash);
            }
        }
        Ok(())
    }

    /// What the filter of a page says. `false`: surely not.
    pub(super) fn may_hold(&mut self, page: u64, key: KeyHash) -> io::Result<bool> {
        let bytes = self.page(page)?;
        Ok(key.probes().all(|bit| bytes[8 + bit / 8] >> (bit % 8) & 1 == 1))
    }

    fn page(&mut self, page: u64) -> io::Result<&[u8]> {
        let held = (self.window.len() / PAGE_BYTES) as u64;
        if page < self.window_start || page >= self.window_start + held {
            let wanted = self.window_pages.min(self.pages - page);
            self.window.resize(wanted as usize * PAGE_BYTES, 0);
            let offset = HEADER_BYTES + self.entries * ENTRY_BYTES as u64;
            self.file.read_exact_at(&mut self.window, offset + page * PAGE_BYTES as u64)?;
            self.window_start = page;
        }
        let at = (page - self.window_start) as usize * PAGE_BYTES;
        Ok(&self.window[at..at + PAGE_BYTES])
    }

    /// Reads the entries of a page.
    fn load(&mut self, page: u64) -> io::Result<()> {
        if self.page == Some(page) {
            return Ok(());
        }
        let start = self.start(page)?;
        let end = match page + 1 < self.pages {
            true => self.start(page + 1)?,
            false => self.entries,
        };
        let bytes = end.checked_sub(start).and_then(|count| usize::try_from(count).ok());
        let bytes = bytes.filter(|_| end <= self.entries).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a page of a key file is damaged")
        })?;
        self.page_entries.resize(bytes * ENTRY_BYTES, 0);
        let offset = HEADER_BYTES + start * ENTRY_BYTES as u64;
        self.file.read_exact_at(&mut self.page_entries, offset)?;
        self.page = Some(page);
        Ok(())
    }

    fn start(&mut self, page: u64) -> io::Result<u64> {
        let bytes = self.page(page)?;
        Ok(u64::from_be_bytes(bytes[..8].try_into().expect("a page has 64 bytes")))
    }
}
