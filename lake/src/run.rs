//! [`Run`]: a compacted file of `usage` and what its name says.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::compute;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use turnpike_schemas::arrow::{USAGE_ORDER, usage};
use uuid::Uuid;

use crate::data_file::DataFile;
use crate::log::LogState;
use crate::parquet_file::NewFile;
use crate::raw::RAW_VERSION;
use crate::{LakeError, RunFile};

/// A run of one bucket and month. Its rows came from commits `raw_from..=raw_to` of
/// `usage_events`, both of which gave it a row.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) bucket: i32,
    pub(crate) month: i32,
    pub(crate) raw_from: i64,
    pub(crate) raw_to: i64,
    pub(crate) file: Arc<DataFile>,
}

/// The runs of a state of `usage` by bucket, month and age.
pub(crate) fn runs_of(state: &LogState) -> Result<Vec<Run>, LakeError> {
    let parse = |file: &Arc<DataFile>| {
        parse(file).ok_or_else(|| LakeError::Damaged {
            table: "usage",
            version: state.version,
            reason: format!("`{}` is not the name of a run", file.path),
        })
    };
    let mut runs = state.files.values().map(parse).collect::<Result<Vec<_>, _>>()?;
    runs.sort_unstable_by(|a, b| {
        let key = |run: &Run| (run.bucket, run.month, run.raw_from, run.raw_to);
        key(a).cmp(&key(b)).then_with(|| a.file.path.cmp(&b.file.path))
    });
    Ok(runs)
}

fn parse(file: &Arc<DataFile>) -> Option<Run> {
    let name = file.path.rsplit('/').next()?.strip_prefix("run-")?;
    let mut parts = name.splitn(3, '-');
    Some(Run {
        bucket: file.partition_number("bucket")?.try_into().ok()?,
        month: file.partition_number("month")?.try_into().ok()?,
        raw_from: parts.next()?.parse().ok()?,
        raw_to: parts.next()?.parse().ok()?,
        file: file.clone(),
    })
}

impl Run {
    pub(crate) fn to_run_file(&self, folder: &Path) -> RunFile {
        RunFile {
            path: folder.join(&self.file.path),
            bucket: self.bucket.unsigned_abs(),
            month: self.month,
            rows: self.file.rows,
            bytes: self.file.bytes,
            raw_to: self.raw_to,
        }
    }
}

/// A run to write: rows of one bucket and month in order, without the partition columns.
pub(crate) fn new_run(
    bucket: i32,
    month: i32,
    batches: Vec<RecordBatch>,
) -> Result<NewFile, ArrowError> {
    let (mut raw_from, mut raw_to) = (i64::MAX, i64::MIN);
    for batch in &batches {
        let versions = batch.column_by_name(RAW_VERSION).expect("a column of usage");
        let versions = versions.as_primitive::<Int64Type>();
        raw_from = raw_from.min(compute::min(versions).unwrap_or(i64::MAX));
        raw_to = raw_to.max(compute::max(versions).unwrap_or(i64::MIN));
    }
    if raw_from > raw_to {
        return Err(ArrowError::InvalidArgumentError("a run without rows".into()));
    }
    let id = Uuid::now_v7();
    let partition = [("bucket", bucket.to_string()), ("month", month.to_string())];
    Ok(NewFile {
        path: format!("bucket={bucket}/month={month}/run-{raw_from}-{raw_to}-{id}.parquet"),
        partition: partition.map(|(name, value)| (name.to_owned(), Some(value))).into(),
        tags: HashMap::new(),
        batches,
        order: &USAGE_ORDER,
    })
}

/// Puts the partition columns in front of a run's rows.
pub(crate) fn with_partition(run: &Run, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let constant =
        |value: i32| -> ArrayRef { Arc::new(Int32Array::from_value(value, batch.num_rows())) };
    let mut columns = vec![constant(run.bucket), constant(run.month)];
    columns.extend(batch.columns().iter().cloned());
    RecordBatch::try_new(usage(), columns)
}

/// Takes the partition columns off rows of `usage`.
pub(crate) fn without_partition(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<usize> = (2..batch.num_columns()).collect();
    batch.project(&columns)
}
