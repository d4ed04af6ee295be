//! The key index: the hash of every event key that compaction has seen, with its content hash.
//!
//! It answers exactly, over all buckets and all time, whether a key was seen and with which
//! content. Exact as far as 128 bits of SHA-256 tell keys apart. Files of sorted fixed-width
//! entries below `usage/_keys/`; a commit of `usage` switches from one list of files to the next
//! (see `manifest`), so the index is never ahead of the runs or behind them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
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
}

/// An entry of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyEntry {
    pub(crate) key: KeyHash,
    pub(crate) content_hash: i64,
}

const MAGIC: [u8; 8] = *b"TPKEYS01";
/// Magic, then the number of entries.
const HEADER_BYTES: u64 = 16;
/// Key, then content hash, big-endian.
const ENTRY_BYTES: usize = 24;
/// With fewer keys to find than one in this many entries of a file, a search of some ten reads per
/// key is quicker than reading the file once.
const SEARCH_RATIO: u64 = 500;

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
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&MAGIC)?;
        out.write_all(&(entries.len() as u64).to_be_bytes())?;
        entries.iter().try_for_each(|entry| out.write_all(&entry.to_bytes()))?;
        out.flush()
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
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&MAGIC)?;
        out.write_all(&total.to_be_bytes())?;
        // At most nine parts: looking at each head is as quick as a heap.
        while let Some(least) = least_of(&heads) {
            let Some(entry) = heads[least].take() else { break };
            out.write_all(&entry.to_bytes())?;
            heads[least] = readers[least].next_entry()?;
        }
        out.flush()
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
    let mut entries = Entries::open(path)?;
    if (wanted.len() as u64).saturating_mul(SEARCH_RATIO) < entries.left {
        return search(&entries, wanted, found);
    }
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

fn search(
    entries: &Entries,
    wanted: &[KeyHash],
    found: &mut HashMap<KeyHash, i64>,
) -> io::Result<()> {
    let file = entries.input.get_ref();
    let mut from = 0;
    for key in wanted {
        let (mut low, mut high) = (from, entries.left);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = entry_at(file, middle)?;
            match entry.key.cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    found.insert(*key, entry.content_hash);
                    low = middle;
                    break;
                }
            }
        }
        from = low;
    }
    Ok(())
}

fn entry_at(file: &File, index: u64) -> io::Result<KeyEntry> {
    let mut bytes = [0; ENTRY_BYTES];
    file.read_exact_at(&mut bytes, HEADER_BYTES + index * ENTRY_BYTES as u64)?;
    Ok(KeyEntry::from_bytes(&bytes))
}

struct Entries {
    input: BufReader<File>,
    left: u64,
}

impl Entries {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut input = BufReader::with_capacity(1 << 20, file);
        let (mut magic, mut count) = ([0; 8], [0; 8]);
        input.read_exact(&mut magic)?;
        input.read_exact(&mut count)?;
        let left = u64::from_be_bytes(count);
        let whole = left.checked_mul(ENTRY_BYTES as u64).and_then(|n| n.checked_add(HEADER_BYTES));
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
        let all = 3 * SEARCH_RATIO as i64;
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
        check("both", all..all + 100, 0);
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
        file.set_len(HEADER_BYTES + 9 * ENTRY_BYTES as u64).unwrap();
        let error = find(&path, &[KeyHash::new("s", "1")], &mut HashMap::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
