//! What a power cut may leave: a newest commit that is empty, cut short, or names files that are
//! not whole. It is moved to `_quarantine/` and read again from its source, whose offsets went with
//! it. Only the newest can be torn so; an older one is damage, and an error.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use deltalake_core::kernel::Action;
use deltalake_core::logstore::get_actions;
use turnpike_schemas::Instant;

use crate::commit::commit_name;
use crate::disk::Publish;
use crate::log::{COMMIT_MARK, LOG_FOLDER, Table};
use crate::{LakeError, Recovered, checkpoint};

const QUARANTINE_FOLDER: &str = "_quarantine";
/// Torn commits at the end of one log before start-up gives up: each was acknowledged to nobody,
/// and writers wait for one before they write the next, so even two mean a lying disk.
const TORN_MAX: usize = 16;

/// Moves torn newest commits away. Runs before the table's log is read.
pub(crate) fn recover(table: &Table, now: Instant) -> Result<Vec<Recovered>, LakeError> {
    let mut recovered = Vec::new();
    while let Some(version) = newest_commit(table)? {
        let path = commit_path(table, version);
        let Some(reason) = torn(table, version, &path).map_err(|error| failed(&path, error))?
        else {
            return Ok(recovered);
        };
        if recovered.len() >= TORN_MAX || is_checkpointed(table, version)? {
            return Err(table.damaged(version, reason));
        }
        recovered.push(move_away(table, version, reason, now)?);
    }
    Ok(recovered)
}

fn newest_commit(table: &Table) -> Result<Option<i64>, LakeError> {
    let folder = table.folder.join(LOG_FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&folder, error)),
    };
    let mut newest = None;
    for entry in entries {
        let name = entry.map_err(|error| failed(&folder, error))?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".json"));
        let version = stem.filter(|stem| stem.len() == 20).and_then(|stem| stem.parse().ok());
        newest = newest.max(version);
    }
    Ok(newest)
}

/// Why a commit is not whole, or `None` where it is.
fn torn(table: &Table, version: i64, path: &Path) -> io::Result<Option<String>> {
    let bytes = bytes::Bytes::from(fs::read(path)?);
    if bytes.is_empty() {
        return Ok(Some("the commit is empty".into()));
    }
    let number = u64::try_from(version).map_err(io::Error::other)?;
    let actions = match get_actions(number, &bytes) {
        Ok(actions) => actions,
        Err(error) => return Ok(Some(format!("the commit does not parse: {error}"))),
    };
    if let Some(reason) = lacks_actions(version, &actions) {
        return Ok(Some(reason));
    }
    for action in actions {
        let Action::Add(add) = action else { continue };
        let path = table.folder.join(&add.path);
        if let Some(reason) = torn_file(&path, add.size)? {
            return Ok(Some(format!("{}: {reason}", add.path)));
        }
    }
    Ok(None)
}

fn lacks_actions(version: i64, actions: &[Action]) -> Option<String> {
    let has = |wanted: fn(&Action) -> bool| actions.iter().any(wanted);
    if version == 0 {
        let whole = has(|action| matches!(action, Action::Protocol(_)))
            && has(|action| matches!(action, Action::Metadata(_)));
        return (!whole).then(|| "the commit lacks the protocol or the metadata".into());
    }
    let lines = actions.iter().find_map(|action| match action {
        Action::CommitInfo(info) => info.info.get(COMMIT_MARK)?.get("lines")?.as_u64(),
        _ => None,
    });
    // Commits of other tools, which do not say how many lines they have, are taken as they are.
    let lines = lines?;
    let found = actions.len() as u64;
    (found != lines).then(|| format!("the commit has {found} of {lines} actions"))
}

fn torn_file(path: &Path, bytes: i64) -> io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some("the file is missing".into()));
        }
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    if i64::try_from(length) != Ok(bytes) || length < 12 {
        return Ok(Some(format!("the file has {length} of {bytes} bytes")));
    }
    let mut magic = [0; 4];
    file.seek(SeekFrom::End(-4))?;
    file.read_exact(&mut magic)?;
    Ok((&magic != b"PAR1").then(|| "the file has no Parquet footer".into()))
}

/// A checkpoint keeps a commit's actions alive whose rows could no longer be told by version.
fn is_checkpointed(table: &Table, version: i64) -> Result<bool, LakeError> {
    let folder = table.folder.join(LOG_FOLDER);
    let checkpoints = checkpoint::list(&folder).map_err(|error| failed(&folder, error))?;
    Ok(checkpoints.first().is_some_and(|(newest, _)| *newest >= version))
}

fn move_away(
    table: &Table,
    version: i64,
    reason: String,
    now: Instant,
) -> Result<Recovered, LakeError> {
    let from = commit_path(table, version);
    let name = format!("{version:020}-{}", now.micros());
    let folder = table.folder.join(QUARANTINE_FOLDER);
    let moved_to = folder.join(format!("{name}.json"));
    let note = folder.join(format!("{name}.txt"));
    let text = format!("{now}: commit {version} of {}: {reason}\n", table.spec.name);
    let fill = |file: &mut File| io::Write::write_all(file, text.as_bytes());
    table.disk.write(&note, Publish::Replace, fill).map_err(|error| failed(&note, error))?;
    table.disk.move_away(&from, &moved_to).map_err(|error| failed(&from, error))?;
    tracing::warn!(table = table.spec.name, version, reason, "moved a torn commit away");
    Ok(Recovered { table: table.spec.name, version, moved_to, reason })
}

fn commit_path(table: &Table, version: i64) -> PathBuf {
    table.folder.join(LOG_FOLDER).join(commit_name(version))
}

fn failed(path: &Path, source: io::Error) -> LakeError {
    LakeError::File { operation: "recover", path: path.to_path_buf(), source: source.into() }
}
