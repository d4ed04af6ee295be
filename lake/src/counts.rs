//! Counting rows of `usage_events` by what became of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use turnpike_schemas::arrow::status;

use crate::FinalCounts;

/// Reason of accepted rows that meter nothing.
const UNMETERED: &str = "unmetered";
/// Stands for the adapter of a record that none recognised.
const UNKNOWN_SYSTEM: &str = "unknown";

/// What rows are counted by: the final status, and what the row says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct StatusKey {
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) system: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatusCount {
    #[serde(flatten)]
    pub(crate) key: StatusKey,
    pub(crate) rows: i64,
}

impl FinalCounts {
    pub(crate) fn add(&mut self, key: &StatusKey, rows: i64) {
        let system = key.system.clone().unwrap_or_else(|| UNKNOWN_SYSTEM.to_owned());
        let system = self.by_system.entry(system).or_default();
        let reason = key.reason.as_deref();
        self.read += rows;
        match key.status.as_str() {
            status::ACCEPTED => {
                self.accepted += rows;
                system.accepted += rows;
                if reason == Some(UNMETERED) {
                    self.unmetered += rows;
                    system.unmetered += rows;
                }
            }
            status::DUPLICATE => {
                self.duplicate += rows;
                system.duplicate += rows;
                return;
            }
            status::CONFLICT => {
                self.conflict += rows;
                system.conflict += rows;
                return;
            }
            _ => {
                self.dead += rows;
                system.dead += rows;
            }
        }
        if let Some(reason) = reason {
            *self.by_reason.entry(reason.to_owned()).or_default() += rows;
        }
    }

    pub(crate) fn add_all(&mut self, counts: &BTreeMap<StatusKey, i64>) {
        counts.iter().for_each(|(key, rows)| self.add(key, *rows));
    }
}
