//! Which files there are, what they contain, and their decompressed bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::IngestError;

/// More files than this in a folder are a mistake in the path.
pub const FILES_MAX: usize = 100_000;
const READ_BYTES: usize = 1 << 18;
const NAMES: [(&str, Kind); 7] = [
    (".json", Kind::Json),
    (".jsonl", Kind::Json),
    (".ndjson", Kind::Json),
    (".csv", Kind::Csv),
    (".xml", Kind::Xml),
    (".log", Kind::Text),
    (".txt", Kind::Text),
];
const PACKED: [&str; 2] = [".gz", ".zst"];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What the name of a file says of its content, which has the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Json,
    Csv,
    Xml,
    Text,
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    /// As it lies on disk.
    pub bytes: u64,
}

/// The file, or the files of the folder and of the folders in it, sorted by path.
pub fn list(path: &Path) -> Result<Vec<Found>, IngestError> {
    let failed = |path: &Path, source| IngestError::File {
        operation: "find",
        path: path.to_owned(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(|source| failed(path, source))?;
    if !metadata.is_dir() {
        return Ok(vec![Found { path: path.to_owned(), bytes: metadata.len() }]);
    }
    let mut found = Vec::new();
    let mut folders = Vec::new();
    collect(path, &mut found, Some(&mut folders)).map_err(|source| failed(path, source))?;
    for folder in folders {
        collect(&folder, &mut found, None).map_err(|source| failed(&folder, source))?;
    }
    if found.is_empty() {
        return Err(IngestError::NoFiles { path: path.to_owned() });
    }
    if found.len() > FILES_MAX {
        return Err(IngestError::TooManyFiles { path: path.to_owned(), max: FILES_MAX });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn collect(
    folder: &Path,
    found: &mut Vec<Found>,
    mut folders: Option<&mut Vec<PathBuf>>,
) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // Follows links: folders of links to captures are common.
        let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
        if metadata.is_dir() {
            if let Some(folders) = &mut folders {
                folders.push(entry.path());
            }
        } else if is_named_so(&entry.file_name().to_string_lossy()) && found.len() <= FILES_MAX {
            found.push(Found { path: entry.path(), bytes: metadata.len() });
        }
    }
    Ok(())
}

/// Only finished files: what is being written or copied has another end or begins with a dot.
fn is_named_so(name: &str) -> bool {
    !name.starts_with('.') && kind_of(name).is_some()
}

fn kind_of(name: &str) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    let plain = PACKED.iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower);
    NAMES.iter().find(|(end, _)| plain.ends_with(end)).map(|(_, kind)| *kind)
}

/// A file that is open: what was hashed is what will be read, whatever its name stands for by then,
/// and no more than was there when it was hashed.
pub struct Opened {
    file: File,
    bytes: u64,
    changed: Option<SystemTime>,
    pub kind: Kind,
    /// Its app id: `file:` and the SHA-256 of its bytes on disk.
    pub id: Arc<str>,
}

impl Opened {
    pub fn open(path: &Path) -> Result<Self, IngestError> {
        let failed =
            |source| IngestError::File { operation: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let changed = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let mut hash = Sha256::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut bytes = 0;
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            hash.update(&buffer[..read]);
            bytes += read as u64;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let kind = name.and_then(|name| kind_of(&name)).unwrap_or(Kind::Json);
        let id = format!("file:{}", hex::encode(hash.finalize())).into();
        Ok(Self { file, bytes, changed, kind, id })
    }

    /// Whether somebody has written to it since it was opened.
    pub fn is_changed(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|now| now.len() != self.bytes || now.modified().ok() != self.changed)
    }

    /// Its bytes from the start, unpacked by what they begin with, counting those read from disk.
    pub fn decompressed(&self, read: Arc<AtomicU64>) -> io::Result<Box<dyn BufRead + Send>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let counted = Counted { file: file.take(self.bytes), read };
        let mut input = BufReader::with_capacity(READ_BYTES, counted);
        let magic = input.fill_buf()?;
        if magic.starts_with(&GZIP_MAGIC) {
            let unpacked = flate2::bufread::MultiGzDecoder::new(input);
            return Ok(Box::new(BufReader::with_capacity(READ_BYTES, unpacked)));
        }
        if magic.starts_with(&ZSTD_MAGIC) {
            let unpacked = zstd::stream::read::Decoder::with_buffer(input)?;
            return Ok(Box::new(BufReader::with_capacity(READ_BYTES, unpacked)));
        }
        Ok(Box::new(input))
    }
}

struct Counted {
    file: io::Take<File>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_names() {
        let check = |name: &str, expect: bool| assert_eq!(is_named_so(name), expect, "{name}");
        check("a.jsonl", true);
        check("a.json.gz", true);
        check("a.NDJSON.zst", true);
        check("a.csv.gz", true);
        check("a.xml", true);
        check("a.log.zst", true);
        check("a.TXT", true);
        check("a.jsonl.part", false);
        check("a.csv.tmp", false);
        check("a.gz", false);
        check(".a.json", false);
    }

    #[test]
    fn a_folder_is_read_one_level_deep_in_order() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in ["b.jsonl", "a.json", "x.dat", "y.json.part", "in/c.jsonl", "in/deep/d.jsonl"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("creates");
            std::fs::write(path, name).expect("writes");
        }
        let found = list(folder.path()).expect("lists");
        let names: Vec<String> = found
            .iter()
            .map(|f| f.path.strip_prefix(folder.path()).expect("inside").display().to_string())
            .collect();
        assert_eq!(names, ["a.json", "b.jsonl", "in/c.jsonl"]);
        let empty = tempfile::tempdir().expect("temporary folder");
        assert!(matches!(list(empty.path()), Err(IngestError::NoFiles { .. })));
        assert!(matches!(list(Path::new("/nowhere/at/all")), Err(IngestError::File { .. })));
    }
}
