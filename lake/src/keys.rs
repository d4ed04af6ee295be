//! The key index: the hash of every event key that compaction has seen, with its content hash, and
//! the hash of every twin key, with the hash of the form that came first.
//!
//! It answers exactly, over all buckets and all time, whether a key was seen and with which
//! content. Exact as far as 128 bits of SHA-256 tell keys apart. Files of sorted fixed-width
//! entries below `usage/_keys/`; a commit of `usage` switches from one list of files to the next
//! (see `manifest`), so the index is never ahead of the runs or behind them.
//!
//! Behind its entries a file has one page for every 42 of them on average, by the first bits of
//! their hashes: where the entries of the page start, and a Bloom filter over them. A look-up of
//! many keys reads the pages, a sixteenth of the entries, in their order, and entries only where the
//! filter says that one may be there: a key that is new costs no other reading in 99 of 100 cases.
//! Memory does not grow with the index.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use sha2::{Digest, Sha256};
use turnpike_schemas::event::KEY_SEPARATOR;

use crate::disk::{Disk, Publish};

/// The first 128 bits of the SHA-256 of an event key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyHash(u128);

impl KeyHash {
    pub(crate) fn new(source: &str, id: &str) -> Self {
        let mut separator = [0; 4];
        let digest = Sha256::new()
            .chain_update(source)
            .chain_update(KEY_SEPARATOR.encode_utf8(&mut separator))
            .chain_update(id)
            .finalize();
        Self(u128::from_be_bytes(digest[..16].try_into().expect("a SHA-256 has 32 bytes")))
    }

    /// The hash of a twin key. No event has this source: neither it nor an id holds a separator.
    pub(crate) fn of_twin(key: &str) -> Self {
        Self::new("twin\u{1f}", key)
    }

    /// Pages follow each other as their keys do.
    fn page(self, pages: u64) -> u64 {
        ((self.0 >> 64) * u128::from(pages) >> 64) as u64
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

/// The hash that tells forms of a twin apart.
pub(crate) fn form_hash(form: &str) -> i64 {
    let digest = Sha256::digest(form);
    i64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 has 32 bytes"))
}

/// An entry of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyEntry {
    pub(crate) key: KeyHash,
    pub(crate) content_hash: i64,
}

const MAGIC: [u8; 8] = *b"TPKEYS02";
/// Magic, then the number of entries.
const HEADER_BYTES: u64 = 16;
/// Key, then content hash, big-endian.
const ENTRY_BYTES: usize = 24;
/// Entries of a page on average: with the filter's bits and six probes one new key in a hundred
/// seems to be there.
const PAGE_ENTRIES: u64 = 42;
/// The number of the page's first entry, then the filter.
const PAGE_BYTES: usize = 64;
const FILTER_BITS: u64 = 448;
const FILTER_PROBES: u64 = 6;
/// With fewer entries than this for each key to find, reading them all in order is quicker than
/// finding each.
const SCAN_RATIO: u64 = 8;
/// Pages read at once where many keys are to be found.
const WINDOW_PAGES: u64 = 4_096;
const BUFFER_BYTES: usize = 1 << 20;

impl KeyEntry {
    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..16].copy_from_slice(&self.key.0.to_be_bytes());
        bytes[16..].copy_from_slice(&self.content_hash.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (key, content) = bytes.split_at(16);
        Self {
            key: KeyHash(u128::from_be_bytes(key.try_into().expect("split at 16"))),
            content_hash: i64::from_be_bytes(content.try_into().expect("24 less 16")),
        }
    }
}

fn pages_of(entries: u64) -> u64 {
    entries.div_ceil(PAGE_ENTRIES)
}

/// Writes entries, sorted by key, each key once.
pub(crate) fn write(disk: &Disk, path: &Path, entries: &[KeyEntry]) -> io::Result<()> {
    assert!(entries.is_sorted_by(|a, b| a.key < b.key), "a key file is sorted, each key once");
    disk.write(path, Publish::Create, |file| {
        let mut out = KeyWriter::new(file, entries.len() as u64)?;
        entries.iter().try_for_each(|entry| out.push(*entry))?;
        out.finish()
    })
}

/// Merges files whose keys differ into one, and returns its number of entries.
pub(crate) fn merge(disk: &Disk, path: &Path, parts: &[impl AsRef<Path>]) -> io::Result<u64> {
    let mut readers = Vec::new();
    for part in parts {
        readers.push(Entries::open(part.as_ref())?);
    }
    let total = readers.iter().map(|reader| reader.left).sum::<u64>();
    let mut heads = Vec::new();
    for reader in &mut readers {
        heads.push(reader.next_entry()?);
    }
    disk.write(path, Publish::Create, |file| {
        let mut out = KeyWriter::new(file, total)?;
        // At most nine parts: looking at each head is as quick as a heap.
        while let Some(least) = least_of(&heads) {
            let Some(entry) = heads[least].take() else { break };
            out.push(entry)?;
            heads[least] = readers[least].next_entry()?;
        }
        out.finish()
    })?;
    Ok(total)
}

fn least_of(heads: &[Option<KeyEntry>]) -> Option<usize> {
    let present = heads.iter().enumerate().filter_map(|(at, head)| head.map(|head| (head, at)));
    present.min().map(|(_, at)| at)
}

/// Writes entries from the start of a file and their pages from where the entries will end.
struct KeyWriter<'a> {
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
    fn new(file: &'a File, total: u64) -> io::Result<Self> {
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

    fn push(&mut self, entry: KeyEntry) -> io::Result<()> {
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

    fn finish(mut self) -> io::Result<()> {
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
    fn new(file: &'a File, at: u64) -> Self {
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

/// Adds to `found` what a file says of `wanted` keys, which are sorted.
pub(crate) fn find(
    path: &Path,
    wanted: &[KeyHash],
    found: &mut HashMap<KeyHash, i64>,
) -> io::Result<()> {
    let entries = Entries::open(path)?;
    if wanted.is_empty() {
        return Ok(());
    }
    match entries.left / SCAN_RATIO < wanted.len() as u64 {
        true => scan(entries, wanted, found),
        false => Pages::new(&entries, wanted.len() as u64).find(wanted, found),
    }
}

/// Reads all entries beside the keys to find.
fn scan(
    mut entries: Entries,
    wanted: &[KeyHash],
    found: &mut HashMap<KeyHash, i64>,
) -> io::Result<()> {
    let mut wanted = wanted.iter().peekable();
    while let Some(entry) = entries.next_entry()? {
        while wanted.next_if(|key| **key < entry.key).is_some() {}
        match wanted.peek() {
            None => return Ok(()),
            Some(key) if **key == entry.key => {
                found.insert(entry.key, entry.content_hash);
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The pages of a file, a window of them in memory.
struct Pages<'a> {
    file: &'a File,
    entries: u64,
    pages: u64,
    /// Pages to read at once.
    window_pages: u64,
    window_start: u64,
    window: Vec<u8>,
    /// The page whose entries are in memory, and those.
    page: Option<u64>,
    page_entries: Vec<u8>,
}

impl<'a> Pages<'a> {
    fn new(entries: &'a Entries, wanted: u64) -> Self {
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

    fn find(&mut self, wanted: &[KeyHash], found: &mut HashMap<KeyHash, i64>) -> io::Result<()> {
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
    fn may_hold(&mut self, page: u64, key: KeyHash) -> io::Result<bool> {
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

fn entry_of(bytes: &[u8]) -> KeyEntry {
    KeyEntry::from_bytes(bytes[..ENTRY_BYTES].try_into().expect("as many bytes as an entry has"))
}

struct Entries {
    input: BufReader<File>,
    left: u64,
}

impl Entries {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut input = BufReader::with_capacity(BUFFER_BYTES, file);
        let (mut magic, mut count) = ([0; 8], [0; 8]);
        input.read_exact(&mut magic)?;
        input.read_exact(&mut count)?;
        let left = u64::from_be_bytes(count);
        let entries = left.checked_mul(ENTRY_BYTES as u64);
        let pages = pages_of(left).checked_mul(PAGE_BYTES as u64);
        let whole = entries.zip(pages).and_then(|(entries, pages)| entries.checked_add(pages));
        let whole = whole.and_then(|bytes| bytes.checked_add(HEADER_BYTES));
        if magic != MAGIC || whole != Some(length) {
            let reason = format!("{} is no whole key file", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(Self { input, left })
    }

    fn next_entry(&mut self) -> io::Result<Option<KeyEntry>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut bytes = [0; ENTRY_BYTES];
        self.input.read_exact(&mut bytes)?;
        self.left -= 1;
        Ok(Some(KeyEntry::from_bytes(&bytes)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::NoProbe;

    fn entries(numbers: impl Iterator<Item = i64>) -> Vec<KeyEntry> {
        let key = |n: i64| KeyEntry { key: KeyHash::new("s", &n.to_string()), content_hash: n };
        let mut entries: Vec<_> = numbers.map(key).collect();
        entries.sort_unstable();
        entries
    }

    #[test]
    fn keys_are_found_by_reading_and_by_searching() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(true, Arc::new(NoProbe));
        disk.create_root(folder.path()).unwrap();
        let path = |name: &str| folder.path().join(name);
        let all = 3_000;
        write(&disk, &path("even"), &entries((0..all).filter(|n| n % 2 == 0))).unwrap();
        write(&disk, &path("odd"), &entries((0..all).filter(|n| n % 2 == 1))).unwrap();
        let parts = [path("even"), path("odd")];
        assert_eq!(merge(&disk, &path("both"), &parts).unwrap(), all as u64);
        let check = |file: &str, numbers: std::ops::Range<i64>, expected: usize| {
            let wanted: Vec<_> = entries(numbers.clone()).iter().map(|entry| entry.key).collect();
            let mut found = HashMap::new();
            find(&path(file), &wanted, &mut found).unwrap();
            assert_eq!(found.len(), expected, "{file} {numbers:?}");
            for n in numbers {
                let content = found.get(&KeyHash::new("s", &n.to_string()));
                assert!(content.is_none_or(|content| *content == n));
            }
        };
        for file in ["even", "odd"] {
            check(file, 0..all, all as usize / 2);
            check(file, 10..11, usize::from(file == "even"));
        }
        check("both", 0..all + 100, all as usize);
        check("both", 7..9, 2);
        check("both", all..all + 2, 0);
        check("both", 0..all / SCAN_RATIO as i64, (all / SCAN_RATIO as i64) as usize);
        check("both", all..all + 100, 0);
    }

    #[test]
    fn pages_answer_as_reading_all_does() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(false, Arc::new(NoProbe));
        disk.create_root(folder.path()).unwrap();
        for count in [1_i64, 2, 41, 42, 43, 100, 5_000, 60_000] {
            let path = folder.path().join(count.to_string());
            write(&disk, &path, &entries((0..count).map(|n| 2 * n))).unwrap();
            for step in [1, 7, 1_000] {
                let numbers = (0..2 * count + 100).step_by(step);
                let wanted: Vec<_> = entries(numbers).iter().map(|entry| entry.key).collect();
                let (mut paged, mut scanned) = (HashMap::new(), HashMap::new());
                let open = Entries::open(&path).unwrap();
                Pages::new(&open, wanted.len() as u64).find(&wanted, &mut paged).unwrap();
                Pages::new(&open, 1 << 40).find(&wanted, &mut paged).unwrap();
                Pages::new(&open, 1).find(&wanted, &mut paged).unwrap();
                scan(open, &wanted, &mut scanned).unwrap();
                assert_eq!(paged, scanned, "{count} by {step}");
                assert!(scanned.len() >= (count as usize).div_ceil(step.max(2)) / 2, "{count}");
            }
        }
    }

    #[test]
    fn the_filter_lets_one_new_key_in_a_hundred_through() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(false, Arc::new(NoProbe));
        disk.create_root(folder.path()).unwrap();
        let path = folder.path().join("keys");
        write(&disk, &path, &entries(0..100_000)).unwrap();
        let open = Entries::open(&path).unwrap();
        let mut pages = Pages::new(&open, 10_000);
        let new = entries(100_000..110_000);
        let held =
            |entry: &&KeyEntry| pages.may_hold(entry.key.page(pages.pages), entry.key).unwrap();
        let through = new.iter().filter(held).count();
        assert!((20..250).contains(&through), "{through} of 10000");
    }

    #[test]
    fn twins_and_events_do_not_meet() {
        assert_ne!(KeyHash::of_twin("a\u{1f}b"), KeyHash::new("a", "b"));
        assert_ne!(KeyHash::of_twin("a"), KeyHash::new("twin", "a"));
        assert_ne!(form_hash("versioned"), form_hash("legacy"));
    }

    #[test]
    fn source_and_id_do_not_run_together() {
        assert_ne!(KeyHash::new("ab", "c"), KeyHash::new("a", "bc"));
        let same =
            |key: &str| KeyHash(u128::from_be_bytes(Sha256::digest(key)[..16].try_into().unwrap()));
        assert_eq!(KeyHash::new("a", "b"), same("a\u{1f}b"));
    }

    #[test]
    fn a_cut_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(true, Arc::new(NoProbe));
        disk.create_root(folder.path()).unwrap();
        let path = folder.path().join("keys");
        write(&disk, &path, &entries(0..10)).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        let error = find(&path, &[KeyHash::new("s", "1")], &mut HashMap::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
