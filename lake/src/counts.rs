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
            // These rows stand beside that of the dead letter, which is not dead any more.
            word @ (status::REPLAYED | status::DISCARDED) => {
                self.dead -= rows;
                system.dead -= rows;
                if word == status::DISCARDED {
                    self.discarded += rows;
                    system.discarded += rows;
                }
                // What a replay made are rows of their own.
                self.read -= if word == status::REPLAYED { 2 * rows } else { rows };
                return self.add_reason(reason, -rows);
            }
            _ => {
                self.dead += rows;
                system.dead += rows;
            }
        }
        self.add_reason(reason, rows);
    }

    fn add_reason(&mut self, reason: Option<&str>, rows: i64) {
        if let Some(reason) = reason {
            *self.by_reason.entry(reason.to_owned()).or_default() += rows;
        }
    }

    /// Drops what came to nothing.
    pub(crate) fn settled(mut self) -> Self {
        self.by_reason.retain(|_, rows| *rows != 0);
        self
    }

    pub(crate) fn add_all(&mut self, counts: &BTreeMap<StatusKey, i64>) {
        counts.iter().for_each(|(key, rows)| self.add(key, *rows));
    }
}
