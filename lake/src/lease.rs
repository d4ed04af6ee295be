//! [`Lease`]: what a process that has the tables open says of what it reads, so that nobody deletes
//! it.
//!
//! A file below `_leases/` beside the tables, locked for as long as its process lives, that holds the
//! oldest version of each table that a live view of the process was taken at, and since when the
//! process writes data files that it has not committed yet. A free lock means that the process is
//! gone, however it ended.
//!
//! Invariants:
//! - A lease names a version before anything of it is looked at. Whoever takes a view pins the
//!   version that it last knew, reads the log, and pins what it found; so a vacuum that reads the log
//!   first and the leases after it either sees the pin or has seen an older table than the view.
//! - A lease says that its process writes before there is a file, until after the commit. So a vacuum
//!   that lists files first, reads the leases then and the log last knows of each file that it was
//!   committed, or may be, or never will be.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    /// Since when each write that is not committed yet goes on.
    writes: BTreeMap<u64, SystemTime>,
    next: u64,
    written: Live,
}

/// What live processes need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// The oldest versions that any of them may read; `None` where no view is held.
    pub(crate) versions: Option<Versions>,
    /// The oldest instant at which any of them may have begun to write what it has not committed.
    pub(crate) writing: Option<SystemTime>,
}

impl Live {
    /// Of a process of which it is not known what it needs.
    const ALL: Self = Self { versions: Some([0; 3]), writing: Some(UNIX_EPOCH) };

    fn and(self, other: Self) -> Self {
        Self {
            versions: least(self.versions, other.versions, older),
            writing: least(self.writing, other.writing, SystemTime::min),
        }
    }
}

fn least<T>(a: Option<T>, b: Option<T>, of: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(of(a, b)),
        (one, other) => one.or(other),
    }
}

/// While it lives, nothing that these versions hold is deleted.
#[derive(Debug)]
pub(crate) struct Pin {
    lease: Arc<Lease>,
    number: u64,
}

/// While it lives, no file that was written since it began is deleted, though no commit names it.
#[derive(Debug)]
pub(crate) struct Writing {
    lease: Arc<Lease>,
    number: u64,
}

impl Writing {
    pub(crate) fn set_since(&self, since: SystemTime) -> io::Result<()> {
        let mut pins = self.lease.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.writes.insert(self.number, since);
        self.lease.write(&mut pins)
    }
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
        file.write_all_at(&text(Live { versions: Some([0; 3]), writing: None }), 0)?;
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

    /// Says that files are being written from now on.
    pub(crate) fn begin_write(self: &Arc<Self>) -> io::Result<Writing> {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let number = pins.next;
        pins.next += 1;
        // Until it is known what time the disk has, everything is kept.
        pins.writes.insert(number, UNIX_EPOCH);
        let written = self.write(&mut pins);
        drop(pins);
        let writing = Writing { lease: Arc::clone(self), number };
        written?;
        writing.set_since(self.file.metadata()?.modified()?)?;
        Ok(writing)
    }

    fn write(&self, pins: &mut Pins) -> io::Result<()> {
        let live = Live {
            versions: pins.live.values().copied().reduce(older),
            writing: pins.writes.values().copied().min(),
        };
        if pins.next > 1 && live == pins.written {
            return Ok(());
        }
        self.file.write_all_at(&text(live), 0)?;
        pins.written = live;
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

impl Drop for Writing {
    fn drop(&mut self) {
        let mut pins = self.lease.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.writes.remove(&self.number);
        // As above.
        let _ = self.lease.write(&mut pins);
    }
}

/// What all live processes need. Removes the leases of processes that are gone.
pub(crate) fn live(root: &Path) -> io::Result<Live> {
    let mut found = Live::default();
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
                let live = file.read_to_string(&mut content).ok().and_then(|_| parse(&content));
                found = found.and(live.unwrap_or(Live::ALL));
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

fn text(live: Live) -> [u8; BYTES] {
    let mut bytes = [b' '; BYTES];
    let versions = match live.versions {
        None => "none".to_owned(),
        Some([usage, states, rated]) => format!("{usage} {states} {rated}"),
    };
    let since = live.writing.map(|since| since.duration_since(UNIX_EPOCH).unwrap_or_default());
    // Rounded down: what was written since is younger.
    let writing = since.map_or_else(|| "-".to_owned(), |since| since.as_millis().to_string());
    let text = format!("{versions} {writing}");
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes[BYTES - 1] = b'\n';
    bytes
}

/// `None`: not a lease of this form.
fn parse(content: &str) -> Option<Live> {
    if content.len() != BYTES {
        return None;
    }
    let words: Vec<&str> = content.split_whitespace().collect();
    let (writing, versions) = words.split_last()?;
    let versions = match versions {
        ["none"] => None,
        [usage, states, rated] => {
            Some([usage.parse().ok()?, states.parse().ok()?, rated.parse().ok()?])
        }
        _ => return None,
    };
    let writing = match *writing {
        "-" => None,
        millis => Some(UNIX_EPOCH.checked_add(Duration::from_millis(millis.parse().ok()?))?),
    };
    Some(Live { versions, writing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_names_the_oldest_pin_of_all_that_live() {
        let folder = tempfile::tempdir().unwrap();
        let check = |expected: Option<Versions>| {
            assert_eq!(live(folder.path()).unwrap().versions, expected);
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
        let dead = Live { versions: Some([1, 1, 1]), writing: None };
        fs::write(path.with_file_name("dead.lease"), text(dead)).unwrap();
        check(None);
        assert!(!path.with_file_name("dead.lease").exists());
        one.file.write_all_at(b"?", 0).unwrap();
        check(Some([0, 0, 0]));
        drop(one);
        assert!(!path.exists());
        check(None);
    }

    #[test]
    fn a_lease_says_since_when_something_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let writing = || live(folder.path()).unwrap().writing;
        let one = Lease::create(folder.path()).unwrap();
        drop(one.pin([1, 1, 1]).unwrap());
        assert_eq!(writing(), None);
        let first = one.begin_write().unwrap();
        let since = writing().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "written").unwrap();
        assert!(fs::metadata(&file).unwrap().modified().unwrap() >= since);
        assert!(since > UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        let second = one.begin_write().unwrap();
        let other = Lease::create(folder.path()).unwrap();
        let third = other.begin_write().unwrap();
        assert_eq!(writing(), Some(since));
        drop(first);
        assert!(writing().unwrap() >= since);
        drop((second, third));
        assert_eq!(writing(), None);
        assert_eq!(live(folder.path()).unwrap().versions, None);
        // One of an older form says nothing of it: all is kept.
        let mut old = [b' '; BYTES];
        old[..5].copy_from_slice(b"7 3 1");
        other.file.write_all_at(&old, 0).unwrap();
        assert_eq!(live(folder.path()).unwrap(), Live::ALL);
    }
}
