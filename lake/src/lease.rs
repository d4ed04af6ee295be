//! [`Lease`]: what a process that has the tables open says of what it reads, so that nobody deletes
//! it.
//!
//! A file below `_leases/` beside the tables, locked for as long as its process lives, that holds the
//! oldest version of each table that a live view of the process was taken at. A free lock means that
//! the process is gone, however it ended.
//!
//! Invariant: a lease names a version before anything of it is looked at. Whoever takes a view pins
//! the version that it last knew, reads the log, and pins what it found; so a vacuum that reads the
//! log first and the leases after it either sees the pin or has seen an older table than the view.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use uuid::Uuid;

pub(crate) const FOLDER: &str = "_leases";
const SUFFIX: &str = ".lease";
/// A lease has this length from its first write on, so that it is written at one go.
const BYTES: usize = 96;

/// Versions of `usage`, `usage_state` and `rated_lines`.
pub(crate) type Versions = [i64; 3];

#[derive(Debug)]
pub(crate) struct Lease {
    file: File,
    path: PathBuf,
    pins: Mutex<Pins>,
}

#[derive(Debug, Default)]
struct Pins {
    live: BTreeMap<u64, Versions>,
    next: u64,
    written: Option<Versions>,
}

/// While it lives, nothing that these versions hold is deleted.
#[derive(Debug)]
pub(crate) struct Pin {
    lease: Arc<Lease>,
    number: u64,
}

impl Lease {
    /// Makes the lease of this handle. It pins everything until the first pin is taken.
    pub(crate) fn create(root: &Path) -> io::Result<Arc<Self>> {
        let folder = root.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let name = Uuid::now_v7().to_string();
        let hidden = folder.join(format!("{name}.new"));
        let file = OpenOptions::new().write(true).create_new(true).open(&hidden)?;
        // Locked before it has the name by which others look at it.
        file.lock()?;
        file.write_all_at(&text(Some([0; 3])), 0)?;
        let path = folder.join(format!("{name}{SUFFIX}"));
        fs::rename(&hidden, &path)?;
        Ok(Arc::new(Self { file, path, pins: Mutex::default() }))
    }

    pub(crate) fn pin(self: &Arc<Self>, versions: Versions) -> io::Result<Pin> {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let number = pins.next;
        pins.next += 1;
        pins.live.insert(number, versions);
        self.write(&mut pins)?;
        Ok(Pin { lease: Arc::clone(self), number })
    }

    fn write(&self, pins: &mut Pins) -> io::Result<()> {
        let oldest = pins.live.values().copied().reduce(older);
        if pins.next > 1 && oldest == pins.written {
            return Ok(());
        }
        self.file.write_all_at(&text(oldest), 0)?;
        pins.written = oldest;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Where it stays, its free lock tells that nobody holds it.
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.lease.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.live.remove(&self.number);
        // A lease that still names what is gone keeps more than it must.
        let _ = self.lease.write(&mut pins);
    }
}

/// The oldest versions that any live process may read; `None` where no view is held. Removes the
/// leases of processes that are gone.
pub(crate) fn oldest(root: &Path) -> io::Result<Option<Versions>> {
    let mut found = None;
    for entry in fs::read_dir(root.join(FOLDER))? {
        let path = entry?.path();
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        match file.try_lock() {
            // One without its final name may be about to be locked.
            Ok(()) if path.to_string_lossy().ends_with(SUFFIX) => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut content = String::new();
                // What cannot be understood keeps everything.
                let versions = match file.read_to_string(&mut content) {
                    Ok(_) => parse(&content).unwrap_or(Some([0; 3])),
                    Err(_) => Some([0; 3]),
                };
                found = match (found, versions) {
                    (Some(a), Some(b)) => Some(older(a, b)),
                    (one, other) => one.or(other),
                };
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(found)
}

/// The time by the clock of the disk that holds the tables: ages of files are told by it alone.
pub(crate) fn disk_time(root: &Path) -> io::Result<SystemTime> {
    let path = root.join(FOLDER).join(format!("{}.new", Uuid::now_v7()));
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let time = file.metadata().and_then(|metadata| metadata.modified());
    fs::remove_file(&path)?;
    time
}

fn older(a: Versions, b: Versions) -> Versions {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].min(b[2])]
}

fn text(versions: Option<Versions>) -> [u8; BYTES] {
    let mut bytes = [b' '; BYTES];
    let text = match versions {
        None => "none".to_owned(),
        Some([usage, states, rated]) => format!("{usage} {states} {rated}"),
    };
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes[BYTES - 1] = b'\n';
    bytes
}

/// `None`: not a lease of this form.
fn parse(content: &str) -> Option<Option<Versions>> {
    if content.len() != BYTES {
        return None;
    }
    let words: Vec<&str> = content.split_whitespace().collect();
    match words.as_slice() {
        ["none"] => Some(None),
        [usage, states, rated] => {
            Some(Some([usage.parse().ok()?, states.parse().ok()?, rated.parse().ok()?]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_names_the_oldest_pin_of_all_that_live() {
        let folder = tempfile::tempdir().unwrap();
        let check = |expected: Option<Versions>| {
            assert_eq!(oldest(folder.path()).unwrap(), expected);
        };
        let one = Lease::create(folder.path()).unwrap();
        check(Some([0, 0, 0]));
        let first = one.pin([7, 3, 1]).unwrap();
        check(Some([7, 3, 1]));
        let second = one.pin([9, 2, 1]).unwrap();
        check(Some([7, 2, 1]));
        let other = Lease::create(folder.path()).unwrap();
        check(Some([0, 0, 0]));
        drop(other.pin([5, 5, 5]).unwrap());
        check(Some([7, 2, 1]));
        drop(first);
        check(Some([9, 2, 1]));
        drop(second);
        check(None);
        let path = one.path.clone();
        // As a process that was killed leaves it: the file without its lock.
        fs::write(path.with_file_name("dead.lease"), text(Some([1, 1, 1]))).unwrap();
        check(None);
        assert!(!path.with_file_name("dead.lease").exists());
        one.file.write_all_at(b"?", 0).unwrap();
        check(Some([0, 0, 0]));
        drop(one);
        assert!(!path.exists());
        check(None);
    }
}
