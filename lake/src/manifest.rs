//! [`Manifest`]: what `usage` knows besides its runs, switched by the same commits.
//!
//! A commit of `usage` names its manifest by a number in a `txn`; the file was durable before.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::LakeError;
use crate::counts::StatusCount;
use crate::disk::{Disk, Publish};
use crate::log::{LogState, Table};

/// `txn` of `usage`: the next commit of `usage_events` to compact.
pub(crate) const COMPACT_APP: &str = "compact";
/// `txn` of `usage`: the number of its manifest.
pub(crate) const MANIFEST_APP: &str = "manifest";
pub(crate) const FOLDER: &str = "_keys";

/// The key index, the corrections and the counts of all that has been compacted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) compacted_to: i64,
    /// Oldest first.
    pub(crate) keys: Vec<KeyFile>,
    /// Oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) corrections: Vec<KeyFile>,
    pub(crate) counts: Vec<StatusCount>,
}

/// A file beside the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    pub(crate) name: String,
    pub(crate) entries: u64,
}

impl Manifest {
    /// The manifest of a state of `usage`.
    pub(crate) fn load(usage: &Table, state: &LogState) -> Result<Self, LakeError> {
        let Some(number) = state.txn(MANIFEST_APP) else {
            return Ok(Self::default());
        };
        let path = folder(usage).join(name(number));
        let failed = |reason: String| LakeError::KeyIndex { reason };
        let manifest =
            Self::read(&path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
        let compacted_to = state.txn(COMPACT_APP).unwrap_or(0);
        if manifest.compacted_to != compacted_to {
            let found = manifest.compacted_to;
            return Err(failed(format!("it ends at {found}, the runs at {compacted_to}")));
        }
        Ok(manifest)
    }

    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        serde_json::from_slice(&fs::read(path)?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The files that it names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().chain(&self.corrections).map(|file| file.name.as_str())
    }

    /// Writes the manifest and returns the `txn`s that switch to it, and its path.
    pub(crate) fn write(&self, usage: &Table) -> io::Result<(Vec<(String, i64)>, PathBuf)> {
        let bytes = serde_json::to_vec(self)?;
        let folder = folder(usage);
        let number = write_numbered(&usage.disk, &folder, &bytes)?;
        let apps = [(COMPACT_APP, self.compacted_to), (MANIFEST_APP, number)];
        let txns = apps.map(|(app, version)| (app.to_owned(), version)).to_vec();
        Ok((txns, folder.join(name(number))))
    }

    pub(crate) fn key_paths(&self, usage: &Table) -> Vec<PathBuf> {
        self.keys.iter().map(|file| folder(usage).join(&file.name)).collect()
    }

    /// The files of corrections with the number of entries that each has.
    pub(crate) fn correction_paths(&self, usage: &Table) -> Vec<(PathBuf, u64)> {
        let path = |file: &KeyFile| (folder(usage).join(&file.name), file.entries);
        self.corrections.iter().map(path).collect()
    }

    pub(crate) fn add_counts(&mut self, counts: BTreeMap<crate::counts::StatusKey, i64>) {
        let mut sums: BTreeMap<_, i64> =
            self.counts.drain(..).map(|count| (count.key, count.rows)).collect();
        for (key, rows) in counts {
            *sums.entry(key).or_default() += rows;
        }
        self.counts = sums.into_iter().map(|(key, rows)| StatusCount { key, rows }).collect();
    }
}

/// A new path for a key file.
pub(crate) fn new_key_file(usage: &Table) -> (String, PathBuf) {
    let name = format!("keys-{}.bin", Uuid::now_v7());
    let path = folder(usage).join(&name);
    (name, path)
}

/// A new path for a file of corrections.
pub(crate) fn new_correction_file(usage: &Table) -> (String, PathBuf) {
    let name = format!("corrections-{}.jsonl", Uuid::now_v7());
    let path = folder(usage).join(&name);
    (name, path)
}

fn folder(usage: &Table) -> PathBuf {
    usage.folder.join(FOLDER)
}

pub(crate) fn name(number: i64) -> String {
    format!("manifest-{number}.json")
}

/// Names are drawn until one is free: two compactors may draw the same.
fn write_numbered(disk: &Disk, folder: &Path, bytes: &[u8]) -> io::Result<i64> {
    const DRAWS_MAX: u32 = 10;
    let mut draws = 0;
    loop {
        // The upper half of a version 7 UUID: milliseconds and 12 random bits; 63 bits of it.
        let number = (Uuid::now_v7().as_u128() >> 65) as i64;
        let path = folder.join(name(number));
        match disk.write(&path, Publish::Create, |file| file.write_all(bytes)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && draws < DRAWS_MAX => {
                draws += 1;
            }
            other => return other.map(|()| number),
        }
    }
}
