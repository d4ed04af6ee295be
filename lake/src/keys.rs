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
use std::path::Path;

use sha2::{Digest, Sha256};
use turnpike_schemas::event::KEY_SEPARATOR;

use crate::disk::{Disk, Publish};

mod pages;

use pages::{KeyWriter, PAGE_BYTES, Pages, pages_of};

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
/// With fewer entries than this for each key to find, reading them all in order is quicker than
/// finding each.
const SCAN_RATIO: u64 = 8;
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
