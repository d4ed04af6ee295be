//! The verdict: of several accepted rows with one key, the first committed counts, for all time.
//!
//! An action that a system sends twice under two ids has a second identity, its twin key, and a
//! form. The form of the first committed row that counts is the one that the action is told in for
//! all time: rows of another form are duplicates of it. The key is compared first, then the twin.
//!
//! Compaction and the tail of a snapshot both decide here, so a scan cannot depend on how far
//! compaction got.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use turnpike_schemas::arrow::status;
use turnpike_schemas::event::KEY_SEPARATOR;

use crate::LakeError;
use crate::corrections::{self, StoredCorrection};
use crate::counts::StatusKey;
use crate::keys::{KeyEntry, KeyHash, form_hash};

/// What became of a batch of raw rows that follow everything the key index knows.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Rows that count and meter something, ascending.
    pub(crate) metered: Vec<u32>,
    pub(crate) counts: BTreeMap<StatusKey, i64>,
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
    /// Keys and twin keys that the index does not know yet, sorted.
    pub(crate) new_keys: Vec<KeyEntry>,
    /// What rows that count change of other events.
    pub(crate) corrections: Vec<StoredCorrection>,
}

/// What a row is compared by.
#[derive(Debug, Clone, Copy)]
struct RowKeys {
    key: KeyEntry,
    /// The twin key with the hash of the form.
    twin: Option<KeyEntry>,
}

/// What the keys of a row say of it.
enum Fate {
    Counts,
    Duplicate,
    Conflict,
}

/// Decides rows in commit order. `look_up` returns the content hashes of the sorted keys that the
/// index knows.
pub(crate) fn decide(
    rows: &RecordBatch,
    look_up: impl FnOnce(&[KeyHash]) -> Result<HashMap<KeyHash, i64>, LakeError>,
) -> Result<Verdict, LakeError> {
    let (words, reasons, systems) =
        (text(rows, "status")?, text(rows, "reason")?, text(rows, "system")?);
    let resources = text(rows, "resource")?;
    let keys = keys_of(rows, words)?;
    let mut seen = look_up(&sorted_keys(&keys))?;
    let mut verdict = Verdict::default();
    let mut counted = Vec::new();
    let mut counts: HashMap<(&str, Option<&str>, Option<&str>), i64> = HashMap::new();
    for (row, keys) in keys.iter().enumerate() {
        let mut word = words.value(row);
        match keys.as_ref().map(|keys| fate(keys, &mut seen, &mut verdict.new_keys)) {
            Some(Fate::Counts) => {
                let at = u32::try_from(row).map_err(|_| too_many())?;
                counted.push(at);
                if resources.is_valid(row) {
                    verdict.metered.push(at);
                }
            }
            Some(Fate::Duplicate) => {
                word = status::DUPLICATE;
                verdict.duplicates += 1;
            }
            Some(Fate::Conflict) => {
                word = status::CONFLICT;
                verdict.conflicts += 1;
            }
            None => {}
        }
        let reason = reasons.is_valid(row).then(|| reasons.value(row));
        let system = systems.is_valid(row).then(|| systems.value(row));
        *counts.entry((word, reason, system)).or_default() += 1;
    }
    verdict.counts = counts.into_iter().map(|(key, rows)| (owned(key), rows)).collect();
    verdict.new_keys.sort_unstable();
    verdict.corrections = corrections::read_rows(rows, &counted)?;
    Ok(verdict)
}

/// Decides one row, and remembers what is new of it. A duplicate by its twin keeps its own key, so
/// that its next delivery is known as well; it says nothing of the twin.
fn fate(keys: &RowKeys, seen: &mut HashMap<KeyHash, i64>, new: &mut Vec<KeyEntry>) -> Fate {
    match seen.get(&keys.key.key) {
        Some(content) if *content == keys.key.content_hash => return Fate::Duplicate,
        Some(_) => return Fate::Conflict,
        None => {}
    }
    seen.insert(keys.key.key, keys.key.content_hash);
    new.push(keys.key);
    let Some(twin) = keys.twin else { return Fate::Counts };
    match seen.get(&twin.key) {
        Some(form) if *form == twin.content_hash => Fate::Counts,
        Some(_) => Fate::Duplicate,
        None => {
            seen.insert(twin.key, twin.content_hash);
            new.push(twin);
            Fate::Counts
        }
    }
}

/// The keys of accepted rows; other rows were decided at ingest and take no part.
fn keys_of(rows: &RecordBatch, words: &StringArray) -> Result<Vec<Option<RowKeys>>, LakeError> {
    let (sources, ids) = (text(rows, "source")?, text(rows, "event_id")?);
    let twins = text(rows, "twin")?;
    let contents = rows
        .column_by_name("content_hash")
        .and_then(|column| column.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| broken("no column content_hash".to_owned()))?;
    let key = |row: usize| {
        if words.is_null(row) || words.value(row) != status::ACCEPTED {
            return Ok(None);
        }
        if sources.is_null(row) || ids.is_null(row) || contents.is_null(row) {
            return Err(broken("an accepted row without a key".to_owned()));
        }
        let key = KeyHash::new(sources.value(row), ids.value(row));
        let key = KeyEntry { key, content_hash: contents.value(row) };
        let twin = twins.is_valid(row).then(|| twin_of(twins.value(row))).transpose()?;
        Ok(Some(RowKeys { key, twin }))
    };
    (0..rows.num_rows()).map(key).collect()
}

/// The key of a twin may hold anything but the form does not hold a separator.
fn twin_of(column: &str) -> Result<KeyEntry, LakeError> {
    let Some((key, form)) = column.rsplit_once(KEY_SEPARATOR) else {
        return Err(broken("a twin without a form".to_owned()));
    };
    Ok(KeyEntry { key: KeyHash::of_twin(key), content_hash: form_hash(form) })
}

fn text<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a StringArray, LakeError> {
    rows.column_by_name(name)
        .and_then(|column| column.as_string_opt::<i32>())
        .ok_or_else(|| broken(format!("no text column {name}")))
}

fn sorted_keys(keys: &[Option<RowKeys>]) -> Vec<KeyHash> {
    let both = |keys: &RowKeys| [Some(keys.key.key), keys.twin.map(|twin| twin.key)];
    let mut sorted: Vec<_> = keys.iter().flatten().flat_map(both).flatten().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn owned((status, reason, system): (&str, Option<&str>, Option<&str>)) -> StatusKey {
    StatusKey {
        status: status.to_owned(),
        reason: reason.map(String::from),
        system: system.map(String::from),
    }
}

fn broken(reason: String) -> LakeError {
    LakeError::Rows { operation: "decide", table: "usage_events", source: reason.into() }
}

fn too_many() -> LakeError {
    broken("more rows in one piece than 32 bits count".to_owned())
}
