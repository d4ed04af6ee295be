//! The verdict: of several accepted rows with one key, the first committed counts, for all time.
//!
//! Compaction and the tail of a snapshot both decide here, so a scan cannot depend on how far
//! compaction got.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use turnpike_schemas::arrow::status;

use crate::LakeError;
use crate::counts::StatusKey;
use crate::keys::{KeyEntry, KeyHash};

/// What became of a batch of raw rows that follow everything the key index knows.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Rows that count and meter something, ascending.
    pub(crate) metered: Vec<u32>,
    pub(crate) counts: BTreeMap<StatusKey, i64>,
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
    /// Keys that the index does not know yet, sorted.
    pub(crate) new_keys: Vec<KeyEntry>,
}

/// Decides rows in commit order. `look_up` returns the content hashes of the sorted keys that the
/// index knows.
pub(crate) fn decide(
    rows: &RecordBatch,
    look_up: impl FnOnce(&[KeyHash]) -> Result<HashMap<KeyHash, i64>, LakeError>,
) -> Result<Verdict, LakeError> {
    let text = |name: &str| {
        rows.column_by_name(name)
            .and_then(|column| column.as_string_opt::<i32>())
            .ok_or_else(|| broken(format!("no text column {name}")))
    };
    let (words, reasons, systems) = (text("status")?, text("reason")?, text("system")?);
    let resources = text("resource")?;
    let keys = keys_of(rows, words, text("source")?, text("event_id")?)?;
    let mut seen = look_up(&sorted_keys(&keys))?;
    let mut verdict = Verdict::default();
    let mut counts: HashMap<(&str, Option<&str>, Option<&str>), i64> = HashMap::new();
    for (row, key) in keys.iter().enumerate() {
        let mut word = words.value(row);
        if let Some(entry) = key {
            match seen.get(&entry.key) {
                None => {
                    seen.insert(entry.key, entry.content_hash);
                    verdict.new_keys.push(*entry);
                    if resources.is_valid(row) {
                        verdict.metered.push(u32::try_from(row).map_err(|_| too_many())?);
                    }
                }
                Some(content) if *content == entry.content_hash => {
                    word = status::DUPLICATE;
                    verdict.duplicates += 1;
                }
                Some(_) => {
                    word = status::CONFLICT;
                    verdict.conflicts += 1;
                }
            }
        }
        let reason = reasons.is_valid(row).then(|| reasons.value(row));
        let system = systems.is_valid(row).then(|| systems.value(row));
        *counts.entry((word, reason, system)).or_default() += 1;
    }
    verdict.counts = counts.into_iter().map(|(key, rows)| (owned(key), rows)).collect();
    verdict.new_keys.sort_unstable();
    Ok(verdict)
}

/// The keys of accepted rows; other rows were decided at ingest and take no part.
fn keys_of(
    rows: &RecordBatch,
    words: &arrow::array::StringArray,
    sources: &arrow::array::StringArray,
    ids: &arrow::array::StringArray,
) -> Result<Vec<Option<KeyEntry>>, LakeError> {
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
        Ok(Some(KeyEntry { key, content_hash: contents.value(row) }))
    };
    (0..rows.num_rows()).map(key).collect()
}

fn sorted_keys(keys: &[Option<KeyEntry>]) -> Vec<KeyHash> {
    let mut sorted: Vec<_> = keys.iter().flatten().map(|entry| entry.key).collect();
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
