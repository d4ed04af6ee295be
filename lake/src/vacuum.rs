//! Vacuum: deletes files that nobody can need any more.
//!
//! Candidates are files of `usage`, `usage_state`, `rated_lines` and of the key index that the newest
//! version does not name. Of those stay
//! - what a commit removed less than the retention ago,
//! - what a live lease may read (see `lease`),
//! - what is younger than a day: a writer may be about to name it.
//!
//! Of `usage_events`, from which no commit removes anything, candidates are files that no commit ever
//! named: a writer was killed before its commit. Of those stay
//! - what is younger than the retention, and than a day,
//! - what a live process may be about to commit, however old: it was written since that process
//!   began to write.
//!
//! What is left to do after a crash is the same as before it: each deletion stands alone, and nothing
//! names what is deleted.
//!
//! Ages are told by the clock of the disk, against the times of its files.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use deltalake_core::kernel::Action;
use deltalake_core::logstore::get_actions;

use crate::commit::commit_name;
use crate::lease;
use crate::log::{LOG_FOLDER, Table};
use crate::manifest::{self, Manifest};
use crate::snapshot::Tables;
use crate::{LakeError, VacuumReport};

/// Files that no commit names are left alone for this long.
const ORPHAN_AGE: Duration = Duration::from_secs(24 * 3_600);
/// Even with no retention at all there are views that are just being taken.
const RETENTION_MIN: Duration = Duration::from_secs(3_600);

/// Deletes what the tables do not need any more.
pub(crate) async fn vacuum(
    tables: &Tables,
    root: &Path,
    retention: Duration,
) -> Result<VacuumReport, LakeError> {
    let retention = retention.max(RETENTION_MIN);
    let mut report = VacuumReport::default();
    for (at, table) in [&*tables.usage, &tables.states, &*tables.rated].into_iter().enumerate() {
        let (version, live) = {
            let state = table.refreshed().await?;
            (state.version, state.files.keys().cloned().collect::<HashSet<String>>())
        };
        let job = Job {
            folder: table.folder.clone(),
            root: root.to_path_buf(),
            at,
            version,
            live,
            retention,
        };
        let manifests = table.spec.name == tables.usage.spec.name;
        let found = blocking(move || job.find(manifests)).await?;
        delete(table, found, &mut report).await?;
    }
    let found = never_named(&tables.events, root, retention.max(ORPHAN_AGE)).await?;
    delete(&tables.events, found, &mut report).await?;
    Ok(report)
}

async fn delete(table: &Table, found: Found, report: &mut VacuumReport) -> Result<(), LakeError> {
    report.kept += found.kept;
    let disk = table.disk.clone();
    let freed = blocking(move || {
        let mut freed = (0, 0);
        for (path, bytes) in &found.dead {
            let failed = |source| file_failed(path, source);
            if disk.remove(path).map_err(failed)? {
                freed = (freed.0 + 1, freed.1 + bytes);
            }
        }
        Ok(freed)
    });
    let (files, bytes) = freed.await?;
    report.files += files;
    report.bytes += bytes;
    Ok(())
}

/// Files of a table that only grows which no commit names and no live process will.
async fn never_named(table: &Table, root: &Path, age_min: Duration) -> Result<Found, LakeError> {
    let (folder, root) = (table.folder.clone(), root.to_path_buf());
    // In this order: see `lease`.
    let listed = blocking(move || {
        let failed = |source| file_failed(&folder, source);
        let now = lease::disk_time(&root).map_err(failed)?;
        let mut files = Vec::new();
        list(&folder, &mut files).map_err(failed)?;
        let writing = lease::live(&root).map_err(failed)?.writing;
        Ok((files, now, writing))
    });
    let (files, now, writing) = listed.await?;
    let version = table.refreshed().await?.version;
    let named = table.files_at(version).await?;
    let named: HashSet<PathBuf> = named.iter().map(|file| table.path_of(file)).collect();
    let mut found = Found::default();
    for file in files.into_iter().filter(|file| !named.contains(&file.path)) {
        let old = now.duration_since(file.modified).is_ok_and(|age| age >= age_min);
        match old && writing.is_none_or(|since| file.modified < since) {
            true => found.dead.push((file.path, file.bytes)),
            false => found.kept += 1,
        }
    }
    Ok(found)
}

/// One table to look through.
struct Job {
    folder: PathBuf,
    root: PathBuf,
    /// The table's place in a lease.
    at: usize,
    /// The version that was read, and the files that it names. Leases are read after it.
    version: i64,
    live: HashSet<String>,
    retention: Duration,
}

#[derive(Default)]
struct Found {
    dead: Vec<(PathBuf, u64)>,
    /// Files that are kept though the newest version does not name them.
    kept: u64,
}

impl Job {
    fn find(self, manifests: bool) -> Result<Found, LakeError> {
        let failed = |source| file_failed(&self.folder, source);
        let now = lease::disk_time(&self.root).map_err(failed)?;
        let mut files = Vec::new();
        list(&self.folder, &mut files).map_err(failed)?;
        let floor = lease::live(&self.root).map_err(failed)?.versions;
        let floor = floor.map(|versions| versions[self.at]);
        let recent = self.recent(floor, now)?;
        let in_folder = |path: &String| self.folder.join(path);
        let mut current: HashSet<PathBuf> = self.live.iter().map(in_folder).collect();
        let mut kept: HashSet<PathBuf> = recent.removed.iter().map(in_folder).collect();
        if manifests {
            current.extend(self.index_files(recent.manifests.first())?);
            kept.extend(self.index_files(&recent.manifests)?);
        }
        let mut found = Found::default();
        for file in files.into_iter().filter(|file| !current.contains(&file.path)) {
            let young = now.duration_since(file.modified).map_or(true, |age| age < ORPHAN_AGE);
            match young || kept.contains(&file.path) {
                true => found.kept += 1,
                false => found.dead.push((file.path, file.bytes)),
            }
        }
        Ok(found)
    }

    /// What the commits did that a view may stand before, or that are younger than the retention.
    fn recent(&self, floor: Option<i64>, now: SystemTime) -> Result<Recent, LakeError> {
        let mut recent = Recent::default();
        let mut version = self.version;
        while version > 0 {
            let path = self.folder.join(LOG_FOLDER).join(commit_name(version));
            let failed = |source| file_failed(&path, source);
            let committed = fs::metadata(&path).and_then(|metadata| metadata.modified());
            let age = now.duration_since(committed.map_err(failed)?).unwrap_or_default();
            let old = age > self.retention && floor.is_none_or(|floor| version <= floor);
            let actions = self.actions(version, &path)?;
            let manifest = manifest_of(&actions);
            recent.manifests.extend(manifest);
            // The oldest view has the newest manifest that was there before.
            if old && (manifest.is_some() || self.at != 0) {
                break;
            }
            if !old {
                recent.removed.extend(actions.into_iter().filter_map(|action| match action {
                    Action::Remove(remove) => Some(remove.path),
                    _ => None,
                }));
            }
            version -= 1;
        }
        Ok(recent)
    }

    fn actions(&self, version: i64, path: &Path) -> Result<Vec<Action>, LakeError> {
        let bytes = fs::read(path).map_err(|source| file_failed(path, source))?;
        get_actions(version.unsigned_abs(), &bytes.into())
            .map_err(|source| file_failed(path, io::Error::other(source)))
    }

    /// The manifests and the files that they name.
    fn index_files<'a>(
        &self,
        numbers: impl IntoIterator<Item = &'a i64>,
    ) -> Result<Vec<PathBuf>, LakeError> {
        let folder = self.folder.join(manifest::FOLDER);
        let mut kept = Vec::new();
        for number in numbers {
            let path = folder.join(manifest::name(*number));
            match Manifest::read(&path) {
                Ok(manifest) => kept.extend(manifest.names().map(|name| folder.join(name))),
                // Deleted when the retention was shorter than it is now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(file_failed(&path, error)),
            }
            kept.push(path);
        }
        Ok(kept)
    }
}

/// What recent commits did.
#[derive(Default)]
struct Recent {
    removed: HashSet<String>,
    /// The newest first.
    manifests: Vec<i64>,
}

fn manifest_of(actions: &[Action]) -> Option<i64> {
    actions.iter().find_map(|action| match action {
        Action::Txn(txn) if txn.app_id == manifest::MANIFEST_APP => Some(txn.version),
        _ => None,
    })
}

struct Listed {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

/// Data files, files of the key index and what interrupted writes left of either.
fn list(folder: &Path, found: &mut Vec<Listed>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let own = !name.starts_with('_') || name == manifest::FOLDER;
        if metadata.is_dir() && own {
            list(&entry.path(), found)?;
        } else if metadata.is_file() && is_ours(&name) {
            let modified = metadata.modified()?;
            found.push(Listed { path: entry.path(), bytes: metadata.len(), modified });
        }
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    let whole = name.rsplit_once('#').map_or(name, |(whole, _)| whole);
    [".parquet", ".bin", ".json", ".jsonl"].iter().any(|end| whole.ends_with(end))
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, LakeError> + Send + 'static,
) -> Result<T, LakeError> {
    tokio::task::spawn_blocking(run)
        .await
        .map_err(|source| LakeError::Task { operation: "vacuum", source: source.into() })?
}

fn file_failed(path: &Path, source: io::Error) -> LakeError {
    LakeError::File { operation: "vacuum", path: path.to_path_buf(), source: source.into() }
}
