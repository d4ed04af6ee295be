//! [`DataFile`]: what a table's log says about one Parquet file.

use std::collections::HashMap;

use deltalake_core::kernel::{Add, Remove};

/// One Parquet file of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DataFile {
    /// Relative to the table's folder.
    pub(crate) path: String,
    pub(crate) bytes: i64,
    pub(crate) rows: i64,
    /// Milliseconds since 1970, as the file system says.
    pub(crate) modified: i64,
    pub(crate) partition: HashMap<String, Option<String>>,
    pub(crate) tags: HashMap<String, Option<String>>,
}

impl DataFile {
    /// `None` where the log does not say how many rows there are; this crate always does.
    pub(crate) fn from_add(add: Add) -> Option<Self> {
        let rows = rows_of(add.stats.as_deref()?)?;
        Some(Self {
            path: add.path,
            bytes: add.size,
            rows,
            modified: add.modification_time,
            partition: add.partition_values,
            tags: add.tags.unwrap_or_default(),
        })
    }

    /// `data_change`: whether the file's rows are new to the table.
    pub(crate) fn to_add(&self, data_change: bool) -> Add {
        Add {
            path: self.path.clone(),
            partition_values: self.partition.clone(),
            size: self.bytes,
            modification_time: self.modified,
            data_change,
            stats: Some(serde_json::json!({ "numRecords": self.rows }).to_string()),
            tags: (!self.tags.is_empty()).then(|| self.tags.clone()),
            ..Add::default()
        }
    }

    pub(crate) fn to_remove(&self, data_change: bool, deleted: i64) -> Remove {
        Remove {
            path: self.path.clone(),
            data_change,
            deletion_timestamp: Some(deleted),
            extended_file_metadata: Some(true),
            partition_values: Some(self.partition.clone()),
            size: Some(self.bytes),
            ..Remove::default()
        }
    }

    /// The value of a numeric partition column.
    pub(crate) fn partition_number(&self, column: &str) -> Option<i64> {
        self.partition.get(column)?.as_ref()?.parse().ok()
    }

    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name)?.as_deref()
    }
}

pub(crate) fn rows_of(stats: &str) -> Option<i64> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stats {
        num_records: i64,
    }
    serde_json::from_str::<Stats>(stats).ok().map(|stats| stats.num_records)
}
