//! Corrections: which events count no more because a later one amends or retracts them.
//!
//! Owns: the corrections of all compacted rows (files that the manifest names), those of the tail,
//! and the keys of the events that they mask. A scan leaves out the rows of those keys.
//!
//! Invariants:
//! - What is masked follows from the *set* of corrections alone: neither the order in which events
//!   arrive nor compaction changes it. A correction may come before its target.
//! - A revert is in force unless a revert that is in force names it. Reverts that name each other in
//!   a circle are not in force; they can name nothing else.
//! - Of the amends and retracts in force that name one event, the newest by (event time, key) has
//!   effect: the event is masked. Every other amend of it is masked, and so is an amend or a
//!   backfill that was reverted.
//! - An amend of an amend stands in the place of the first: where that place is void, so is it.
//!   Amends that name each other in a circle replace nothing and stand as ordinary events.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};
use turnpike_schemas::event::{CorrectionAction, KEY_SEPARATOR};

use crate::LakeError;
use crate::disk::{Disk, Publish};
use crate::raw::RAW_VERSION;

/// A correction as it is kept beside the key index. Its own key and that of its target are event
/// keys: source, U+001F, id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredCorrection {
    pub(crate) key: String,
    pub(crate) action: CorrectionAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    /// Event time in microseconds.
    pub(crate) time: i64,
    /// The commit of `usage_events` that holds it.
    pub(crate) raw_version: i64,
}

/// All corrections of a view, resolved.
#[derive(Debug, Default)]
pub(crate) struct Corrections {
    /// Keys of the events that count no more.
    pub(crate) masked: Arc<HashSet<String>>,
    /// The newest commit that holds a correction.
    pub(crate) last_version: Option<i64>,
}

impl Corrections {
    pub(crate) fn of(all: &[StoredCorrection]) -> Self {
        Self {
            masked: Arc::new(masked(all)),
            last_version: all.iter().map(|correction| correction.raw_version).max(),
        }
    }

    /// The rows of `usage` whose events count.
    pub(crate) fn keep(&self, rows: RecordBatch) -> Result<RecordBatch, ArrowError> {
        if self.masked.is_empty() {
            return Ok(rows);
        }
        let keys = rows
            .column_by_name("event_key")
            .and_then(|column| column.as_string_opt::<i32>())
            .ok_or_else(|| ArrowError::SchemaError("no column event_key".into()))?;
        let counts = |key: Option<&str>| key.is_none_or(|key| !self.masked.contains(key));
        let kept: BooleanArray = keys.iter().map(|key| Some(counts(key))).collect();
        match kept.false_count() {
            0 => Ok(rows),
            _ => filter_record_batch(&rows, &kept),
        }
    }
}

/// The corrections among some rows of a batch that `raw` read.
pub(crate) fn read_rows(
    raw: &RecordBatch,
    rows: &[u32],
) -> Result<Vec<StoredCorrection>, LakeError> {
    let actions = text(raw, "correction")?;
    if actions.null_count() == actions.len() {
        return Ok(Vec::new());
    }
    let (sources, ids, targets) =
        (text(raw, "source")?, text(raw, "event_id")?, text(raw, "target")?);
    let times = raw
        .column_by_name("time")
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
        .ok_or_else(|| broken("no column time".to_owned()))?;
    let versions = raw
        .column_by_name(RAW_VERSION)
        .and_then(|column| column.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| broken(format!("no column {RAW_VERSION}")))?;
    let mut found = Vec::new();
    for row in rows.iter().map(|row| *row as usize).filter(|row| actions.is_valid(*row)) {
        let word = actions.value(row);
        let action = CorrectionAction::from_word(word)
            .ok_or_else(|| broken(format!("a correction `{word}`")))?;
        found.push(StoredCorrection {
            key: format!("{}{KEY_SEPARATOR}{}", sources.value(row), ids.value(row)),
            action,
            target: targets.is_valid(row).then(|| targets.value(row).to_owned()),
            time: times.value(row),
            raw_version: versions.value(row),
        });
    }
    Ok(found)
}

/// Writes a file of corrections, one a line.
pub(crate) fn write(disk: &Disk, path: &Path, entries: &[StoredCorrection]) -> io::Result<()> {
    let mut lines = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut lines, entry)?;
        lines.push(b'\n');
    }
    disk.write(path, Publish::Create, |file| file.write_all(&lines))
}

/// Reads files of corrections with the number of entries that each has.
pub(crate) fn read(files: &[(PathBuf, u64)]) -> Result<Vec<StoredCorrection>, LakeError> {
    let mut all = Vec::new();
    for (path, entries) in files {
        let failed = |reason: String| LakeError::KeyIndex {
            reason: format!("{}: {reason}", path.display()),
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let before = all.len();
        for line in text.lines() {
            all.push(serde_json::from_str(line).map_err(|error| failed(error.to_string()))?);
        }
        let found = (all.len() - before) as u64;
        if found != *entries {
            return Err(failed(format!("it has {found} of {entries} corrections")));
        }
    }
    Ok(all)
}

/// The keys of the events that count no more.
fn masked(all: &[StoredCorrection]) -> HashSet<String> {
    let places = Places::of(all);
    let mut masked: HashSet<String> =
        places.effective.keys().map(|target| (*target).to_owned()).collect();
    let stands = places.stands();
    for (correction, stands) in all.iter().zip(stands) {
        let carries =
            matches!(correction.action, CorrectionAction::Amend | CorrectionAction::Backfill);
        if carries && !stands {
            masked.insert(correction.key.clone());
        }
    }
    masked
}

/// Corrections with what is in force of them, by their index.
struct Places<'a> {
    all: &'a [StoredCorrection],
    by_key: HashMap<&'a str, usize>,
    in_force: Vec<bool>,
    /// Amends that name each other.
    circular: Vec<bool>,
    /// The correction that has effect on a target.
    effective: HashMap<&'a str, usize>,
}

impl<'a> Places<'a> {
    fn of(all: &'a [StoredCorrection]) -> Self {
        let by_key: HashMap<&str, usize> =
            all.iter().enumerate().map(|(at, correction)| (correction.key.as_str(), at)).collect();
        let in_force = in_force(all, &by_key);
        let mut places =
            Self { all, by_key, in_force, circular: Vec::new(), effective: HashMap::new() };
        places.circular = places.circles();
        for (at, correction) in all.iter().enumerate() {
            let Some(target) = correction.target.as_deref() else { continue };
            let acts = match correction.action {
                CorrectionAction::Amend => !places.circular[at],
                CorrectionAction::Retract => target != correction.key,
                CorrectionAction::Backfill | CorrectionAction::Revert => false,
            };
            if !acts || !places.in_force[at] {
                continue;
            }
            let newest = places.effective.entry(target).or_insert(at);
            let order = |at: usize| (all[at].time, all[at].key.as_str());
            if order(at) > order(*newest) {
                *newest = at;
            }
        }
        places
    }

    /// The amend in force that an amend in force names.
    fn amended(&self, at: usize) -> Option<usize> {
        let is_amend =
            |at: usize| self.in_force[at] && self.all[at].action == CorrectionAction::Amend;
        let target = self.all[at].target.as_deref().filter(|_| is_amend(at))?;
        self.by_key.get(target).copied().filter(|target| is_amend(*target))
    }

    /// Which amends lie on a circle. Each names one event, so every walk ends in at most one.
    fn circles(&self) -> Vec<bool> {
        let mut circular = vec![false; self.all.len()];
        // The walk in which an amend was met first, from 1.
        let mut met = vec![0_usize; self.all.len()];
        for start in 0..self.all.len() {
            let mut at = Some(start);
            while let Some(next) = at.filter(|at| met[*at] == 0) {
                met[next] = start + 1;
                at = self.amended(next);
            }
            // A walk that comes upon itself has gone around.
            let mut around = at.filter(|at| met[*at] == start + 1);
            while let Some(next) = around.filter(|at| !circular[*at]) {
                circular[next] = true;
                around = self.amended(next);
            }
        }
        circular
    }

    /// Of each amend and backfill whether its own place is one that counts.
    fn stands(&self) -> Vec<bool> {
        let mut known: Vec<Option<bool>> = vec![None; self.all.len()];
        for start in 0..self.all.len() {
            let mut walk = Vec::new();
            let (mut at, mut answer) = (start, None);
            while answer.is_none() {
                answer = known[at];
                if answer.is_none() {
                    walk.push(at);
                    match self.place(at) {
                        Place::Known(stands) => answer = Some(stands),
                        Place::As(other) => at = other,
                    }
                }
            }
            for at in walk {
                known[at] = answer;
            }
        }
        known.into_iter().map(|stands| stands == Some(true)).collect()
    }

    fn place(&self, at: usize) -> Place {
        let correction = &self.all[at];
        let target = correction.target.as_deref();
        match (correction.action, target) {
            // A retract or revert has no rows whose place could be void.
            (CorrectionAction::Retract | CorrectionAction::Revert, _) => Place::Known(true),
            _ if !self.in_force[at] => Place::Known(false),
            (CorrectionAction::Amend, Some(target)) if !self.circular[at] => {
                if self.effective.get(target) != Some(&at) {
                    return Place::Known(false);
                }
                self.by_key.get(target).map_or(Place::Known(true), |other| Place::As(*other))
            }
            _ => Place::Known(true),
        }
    }
}

/// Whether the place of a correction counts, or the one whose place that is.
enum Place {
    Known(bool),
    As(usize),
}

/// Which corrections no revert in force names.
fn in_force(all: &[StoredCorrection], by_key: &HashMap<&str, usize>) -> Vec<bool> {
    let named = |at: usize| {
        let revert = all[at].action == CorrectionAction::Revert;
        let target = all[at].target.as_deref().filter(|_| revert)?;
        by_key.get(target).copied()
    };
    // Reverts that may still decide about each.
    let mut waiting = vec![0_usize; all.len()];
    for target in (0..all.len()).filter_map(named) {
        waiting[target] += 1;
    }
    let mut decided: Vec<Option<bool>> =
        waiting.iter().map(|count| (*count == 0).then_some(true)).collect();
    let mut ready: Vec<usize> = (0..all.len()).filter(|at| waiting[*at] == 0).collect();
    while let Some(at) = ready.pop() {
        let Some(target) = named(at) else { continue };
        waiting[target] -= 1;
        if decided[target].is_some() {
            continue;
        }
        if decided[at] == Some(true) {
            decided[target] = Some(false);
            ready.push(target);
        } else if waiting[target] == 0 {
            decided[target] = Some(true);
            ready.push(target);
        }
    }
    // What is left are circles of reverts.
    decided.into_iter().map(|decided| decided == Some(true)).collect()
}

fn text<'a>(raw: &'a RecordBatch, name: &str) -> Result<&'a StringArray, LakeError> {
    raw.column_by_name(name)
        .and_then(|column| column.as_string_opt::<i32>())
        .ok_or_else(|| broken(format!("no text column {name}")))
}

fn broken(reason: String) -> LakeError {
    LakeError::Rows {
        operation: "read corrections of",
        table: "usage_events",
        source: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `KEY ACTION TARGET`, in order of their times.
    fn stored(lines: &[&str]) -> Vec<StoredCorrection> {
        let entry = |(time, line): (i64, &&str)| {
            let mut words = line.split(' ');
            let mut word = || words.next().map(str::to_owned);
            StoredCorrection {
                key: word().unwrap(),
                action: CorrectionAction::from_word(&word().unwrap()).unwrap(),
                target: word(),
                time,
                raw_version: time,
            }
        };
        (0..).zip(lines).map(entry).collect()
    }

    fn check(lines: &[&str], expected: &[&str]) {
        let mut all = stored(lines);
        for _ in 0..all.len().max(1) {
            let mut found: Vec<String> = masked(&all).into_iter().collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{all:?}");
            all.reverse();
            let mut found: Vec<String> = masked(&all).into_iter().collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{all:?}");
            all.reverse();
            let by = all.len().min(1);
            all.rotate_left(by);
        }
    }

    #[test]
    fn the_newest_that_is_not_reverted_has_effect() {
        check(&[], &[]);
        check(&["a amend t"], &["t"]);
        check(&["x retract t"], &["t"]);
        check(&["a amend t", "b amend t"], &["a", "t"]);
        check(&["a amend t", "x retract t"], &["a", "t"]);
        check(&["x retract t", "a amend t"], &["t"]);
        check(&["a amend t", "b amend t", "r revert b"], &["b", "t"]);
        check(&["a amend t", "r revert a"], &["a"]);
        check(&["a amend t", "r revert a", "s revert r"], &["t"]);
        check(&["a amend t", "r revert a", "s revert r", "u revert s"], &["a"]);
        check(&["x retract t", "r revert x"], &[]);
        // Two reverts: one of them reverted leaves the other.
        check(&["x retract t", "r revert x", "s revert x", "u revert r"], &[]);
        check(&["b backfill"], &[]);
        check(&["b backfill", "r revert b"], &["b"]);
        check(&["b backfill", "r revert b", "s revert r"], &[]);
        check(&["b backfill", "x retract b"], &["b"]);
    }

    #[test]
    fn an_amend_of_an_amend_stands_in_its_place() {
        check(&["a amend t", "b amend a"], &["a", "t"]);
        check(&["a amend t", "b amend a", "r revert b"], &["b", "t"]);
        // The place is void: the event itself counts again, and nothing else.
        check(&["a amend t", "b amend a", "r revert a"], &["a", "b"]);
        check(&["a amend t", "b amend a", "c amend t"], &["a", "b", "t"]);
        check(&["a amend t", "x retract a"], &["a", "t"]);
        check(&["b backfill", "a amend b"], &["b"]);
        check(&["b backfill", "a amend b", "r revert b"], &["a", "b"]);
    }

    #[test]
    fn circles_and_unknown_targets_harm_nothing() {
        check(&["r revert nobody"], &[]);
        check(&["r revert r"], &[]);
        check(&["r revert s", "s revert r"], &[]);
        check(&["x retract t", "r revert x", "s revert r", "u revert s", "v revert u"], &["t"]);
        check(&["r revert s", "s revert u", "u revert r", "x retract t"], &["t"]);
        check(&["a amend a"], &[]);
        check(&["x retract x"], &[]);
        check(&["a amend b", "b amend a"], &[]);
        check(&["a amend b", "b amend c", "c amend a", "d amend a"], &["a"]);
        // A circle that a revert breaks is none: what stands in a void place is void.
        check(&["a amend b", "b amend a", "r revert b"], &["a", "b"]);
        check(&["a amend b", "b amend a", "r revert b", "s revert r"], &[]);
    }

    #[test]
    fn a_file_that_lacks_a_line_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(true, Arc::new(crate::disk::NoProbe));
        disk.create_root(folder.path()).unwrap();
        let path = folder.path().join("corrections");
        let all = stored(&["a amend t", "r revert a", "b backfill"]);
        write(&disk, &path, &all).unwrap();
        assert_eq!(read(&[(path.clone(), 3)]).unwrap(), all);
        assert!(matches!(read(&[(path, 4)]), Err(LakeError::KeyIndex { .. })));
    }
}
