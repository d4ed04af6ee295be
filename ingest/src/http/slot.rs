//! [`Slot`]: the app id under which one process writes what came by HTTP.
//!
//! A producer's request has no offset of its own, so whether a commit of unknown outcome is ours can
//! only be told where nobody else moves the same app id. A lock that the operating system takes back
//! when a process ends, however it ends, sees to that; and a restart takes the same id again, so the
//! table does not collect ids.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Processes that may write into one data folder at a time.
const SLOTS_MAX: u32 = 64;

#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    #[error("cannot lock {}", path.display())]
    Lock {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{SLOTS_MAX} processes write into {} already", folder.display())]
    Taken { folder: PathBuf },
}

/// An app id that is ours for as long as this value lives.
#[derive(Debug)]
pub struct Slot {
    origin: Arc<str>,
    /// Locked.
    _file: File,
}

impl Slot {
    /// The first free slot of a folder: `http:<node>:<n>`.
    pub fn take(folder: &Path, node: &str) -> Result<Self, SlotError> {
        for number in 0..SLOTS_MAX {
            let path = folder.join(format!("http-{node}-{number}.lock"));
            let failed = |source| SlotError::Lock { path: path.clone(), source };
            let mut options = OpenOptions::new();
            let file = options.create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {
                    return Ok(Self {
                        origin: format!("http:{node}:{number}").into(),
                        _file: file,
                    });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(SlotError::Taken { folder: folder.to_owned() })
    }

    pub fn origin(&self) -> &Arc<str> {
        &self.origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_one_owner_and_is_used_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let take = || Slot::take(folder.path(), "a").expect("a slot");
        let (first, second) = (take(), take());
        assert_eq!((&**first.origin(), &**second.origin()), ("http:a:0", "http:a:1"));
        drop(first);
        assert_eq!(&**take().origin(), "http:a:0");
        assert!(Slot::take(&folder.path().join("missing"), "a").is_err());
    }
}
