//! What became of each event of a submission.

use serde::Serialize;
use turnpike_schemas::arrow::status;

use crate::batch::Told;

/// What an event ended as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Accepted,
    Duplicate,
    Conflict,
    Dead,
}

/// One event of an item, or the item where it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventResult {
    /// Of the item, counted from 0; the events of one item share it.
    pub index: usize,
    pub status: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Of a dead letter one of [`crate::reason::ALL`]; `unmetered` where an event meters nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl EventResult {
    pub(super) fn of(index: usize, row: &Told<'_>) -> Self {
        Self {
            index,
            status: match row.status {
                status::ACCEPTED => Verdict::Accepted,
                status::DUPLICATE => Verdict::Duplicate,
                status::CONFLICT => Verdict::Conflict,
                _ => Verdict::Dead,
            },
            id: row.id.map(str::to_owned),
            source: row.source.map(str::to_owned),
            reason: row.reason,
            message: row.error.map(str::to_owned),
        }
    }
}
