//! [`Tail`]: the raw rows past the compaction, decided and exploded as compaction will.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::error::ArrowError;

use crate::compact::look_up;
use crate::corrections::StoredCorrection;
use crate::counts::StatusKey;
use crate::explode::explode;
use crate::log::Table;
use crate::raw::{self, RAW_VERSION, RawCommit};
use crate::verdict::decide;
use crate::{LakeError, order};

/// Rows of `usage` that no run holds yet, by bucket and in order. In memory as a whole: compaction
/// keeps it short.
#[derive(Debug)]
pub(crate) struct Tail {
    rows: RecordBatch,
    buckets: BTreeMap<i32, Range<usize>>,
    /// All raw rows past the compaction by what became of them.
    pub(crate) counts: BTreeMap<StatusKey, i64>,
    pub(crate) corrections: Vec<StoredCorrection>,
}

impl Tail {
    pub(crate) async fn load(
        events: &Table,
        commits: Vec<RawCommit>,
        key_paths: Vec<PathBuf>,
    ) -> Result<Self, LakeError> {
        let raw = raw::read(events, commits).await?;
        let task = tokio::task::spawn_blocking(move || {
            let verdict = decide(&raw, |wanted| look_up(&key_paths, wanted))?;
            let rows = explode(&raw, &verdict.metered).map_err(failed)?;
            let rows = order::sort(&rows, &["bucket"]).map_err(failed)?;
            let buckets = order::stretches(&rows, "bucket", 0..rows.num_rows());
            Ok(Self {
                rows,
                buckets: buckets.into_iter().collect(),
                counts: verdict.counts,
                corrections: verdict.corrections,
            })
        });
        task.await.map_err(|source| LakeError::Task { operation: "tail", source: source.into() })?
    }

    /// The rows of a bucket and of months `from..=to`, in order; `None` where there are none.
    pub(crate) fn rows(
        &self,
        bucket: i32,
        from: i32,
        to: i32,
    ) -> Result<Option<RecordBatch>, LakeError> {
        let Some(rows) = self.bucket(bucket) else { return Ok(None) };
        let months = rows.column_by_name("month").expect("a column of usage");
        let months = months.as_primitive::<Int32Type>().values();
        let wanted: BooleanArray =
            months.iter().map(|month| Some((from..=to).contains(month))).collect();
        let rows = filter_record_batch(&rows, &wanted).map_err(failed)?;
        Ok((rows.num_rows() > 0).then_some(rows))
    }

    /// Whether a bucket has rows of earlier months from commits after `raw_version`.
    pub(crate) fn changes_before(&self, bucket: i32, month: i32, raw_version: i64) -> bool {
        let Some(rows) = self.bucket(bucket) else { return false };
        let months = rows.column_by_name("month").expect("a column of usage");
        let versions = rows.column_by_name(RAW_VERSION).expect("a column of usage");
        let months = months.as_primitive::<Int32Type>().values().iter();
        let versions = versions.as_primitive::<Int64Type>().values();
        months.zip(versions).any(|(at, version)| *at < month && *version > raw_version)
    }

    fn bucket(&self, bucket: i32) -> Option<RecordBatch> {
        let range = self.buckets.get(&bucket)?;
        Some(self.rows.slice(range.start, range.len()))
    }
}

fn failed(source: ArrowError) -> LakeError {
    LakeError::Rows { operation: "scan the tail of", table: "usage_events", source: source.into() }
}
