//! Reading raw events through a filter.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::and;
use arrow::compute::kernels::cmp::{eq, gt_eq};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, RowFilter};
use parquet::errors::ParquetError;
use turnpike_schemas::arrow::{USAGE_EVENTS_PARTITIONS, status, usage_events};
use turnpike_schemas::event::KEY_SEPARATOR;

use crate::append::DEAD_TAG;
use crate::data_file::DataFile;
use crate::log::Table;
use crate::parquet_file::{self, FileColumns};
use crate::{EventFilter, LakeError};

const DAY: &str = USAGE_EVENTS_PARTITIONS[0];
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What columns must be.
type Conditions = Vec<(&'static str, Wanted)>;

#[derive(Debug, Clone)]
enum Wanted {
    Text(String),
    Long(i64),
    /// An instant or a later one, in microseconds.
    Since(i64),
}

impl Wanted {
    fn matches(&self, column: &ArrayRef) -> Result<BooleanArray, ArrowError> {
        match self {
            Wanted::Text(text) => eq(column, &StringArray::new_scalar(text)),
            Wanted::Long(number) => eq(column, &Int64Array::new_scalar(*number)),
            Wanted::Since(micros) => {
                let since = TimestampMicrosecondArray::from(vec![*micros]).with_timezone("UTC");
                gt_eq(column, &arrow::array::Scalar::new(since))
            }
        }
    }
}

/// Reads at most `limit` rows up to a version: newest file first, in each the rows as stored.
pub(crate) async fn read_events(
    events: &Table,
    version: i64,
    filter: &EventFilter,
    columns: Option<&[&str]>,
    limit: usize,
) -> Result<Vec<RecordBatch>, LakeError> {
    let mut files = events.files_at(version).await?;
    // Names hold time-ordered UUIDs, which outlive the commits' order in checkpoints.
    files.sort_unstable_by(|a, b| file_name(b).cmp(file_name(a)));
    read_files(events, files, filter, columns, limit).await
}

/// Reads all rows up to a version in the order in which they were committed.
pub(crate) async fn read_events_as_committed(
    events: &Table,
    version: i64,
    filter: &EventFilter,
    columns: Option<&[&str]>,
) -> Result<Vec<RecordBatch>, LakeError> {
    let mut files = Vec::new();
    for version in 0..=version {
        files.extend(events.added(version).await?);
    }
    read_files(events, files, filter, columns, usize::MAX).await
}

async fn read_files(
    events: &Table,
    mut files: Vec<Arc<DataFile>>,
    filter: &EventFilter,
    columns: Option<&[&str]>,
    limit: usize,
) -> Result<Vec<RecordBatch>, LakeError> {
    let Some(conditions) = conditions(filter) else { return Ok(Vec::new()) };
    let columns = wanted_columns(columns)?;
    files.retain(|file| may_match(file, filter));
    let folder = events.folder.clone();
    let task = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        let mut left = limit;
        for file in &files {
            if left == 0 {
                break;
            }
            let path = folder.join(&file.path);
            let part = read_file(&path, file, &conditions, &columns, &mut left);
            found.extend(part.map_err(|source| failed(&path, source))?);
        }
        Ok(found)
    });
    task.await.map_err(|source| LakeError::Task { operation: "read", source: source.into() })?
}

/// `None` where no row can match.
fn conditions(filter: &EventFilter) -> Option<Conditions> {
    let mut conditions = Vec::new();
    conditions.extend(filter.position.map(|position| ("position", Wanted::Long(position))));
    let since = filter.since.map(|since| Wanted::Since(since.micros()));
    conditions.extend(since.map(|since| ("ingested_at", since)));
    let mut add = |name, value: &Option<String>| {
        conditions.extend(value.clone().map(|value| (name, Wanted::Text(value))));
    };
    add("status", &filter.status);
    add("reason", &filter.reason);
    add("system", &filter.system);
    add("resource", &filter.resource);
    add("origin", &filter.origin);
    if let Some(key) = &filter.key {
        let (source, id) = key.split_once(KEY_SEPARATOR)?;
        add("source", &Some(source.to_owned()));
        add("event_id", &Some(id.to_owned()));
    }
    Some(conditions)
}

/// Whether a file may hold a matching row, by what the log says of it.
fn may_match(file: &DataFile, filter: &EventFilter) -> bool {
    let dead = filter.status.as_deref() == Some(status::DEAD);
    if dead && file.tag(DEAD_TAG) == Some("0") {
        return false;
    }
    match (filter.since, day_of(file)) {
        (Some(since), Some(day)) => i64::from(day) >= since.micros().div_euclid(MICROS_PER_DAY),
        _ => true,
    }
}

fn wanted_columns(columns: Option<&[&str]>) -> Result<Vec<String>, LakeError> {
    let schema = usage_events();
    let all = || schema.fields().iter().map(|field| field.name().clone()).collect();
    let columns: Vec<String> =
        columns.map_or_else(all, |names| names.iter().map(|name| (*name).to_owned()).collect());
    match columns.iter().find(|name| schema.field_with_name(name).is_err()) {
        Some(name) => Err(LakeError::Batch {
            operation: "read",
            table: "usage_events",
            reason: format!("there is no column {name}"),
        }),
        None => Ok(columns),
    }
}

fn read_file(
    path: &Path,
    file: &DataFile,
    conditions: &Conditions,
    columns: &[String],
    left: &mut usize,
) -> Result<Vec<RecordBatch>, ParquetError> {
    let inside: Vec<&str> =
        columns.iter().map(String::as_str).filter(|name| *name != DAY).collect();
    let reader = parquet_file::open(path, Some(&inside), |file_columns, builder| {
        Ok(match row_filter(file_columns, conditions)? {
            Some(filter) => parquet_file::filtered(builder, filter),
            None => builder,
        })
    })?;
    let mut found = Vec::new();
    for batch in reader {
        let batch = batch?;
        let rows = batch.num_rows().min(*left);
        *left -= rows;
        if rows > 0 {
            found.push(arrange(&batch.slice(0, rows), file, columns)?);
        }
        if *left == 0 {
            break;
        }
    }
    Ok(found)
}

fn row_filter(
    file_columns: &FileColumns,
    conditions: &Conditions,
) -> Result<Option<RowFilter>, ParquetError> {
    if conditions.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = conditions.iter().map(|(name, _)| *name).collect();
    let conditions = conditions.clone();
    let predicate = ArrowPredicateFn::new(file_columns.mask(&names)?, move |batch| {
        let mut all = None;
        for (name, value) in &conditions {
            let column = batch.column_by_name(name).ok_or_else(|| missing(name))?;
            let matches = value.matches(column)?;
            all = Some(match all {
                None => matches,
                Some(before) => and(&before, &matches)?,
            });
        }
        all.ok_or_else(|| missing("any condition"))
    });
    Ok(Some(RowFilter::new(vec![Box::new(predicate)])))
}

/// Puts columns into the order asked for and adds the partition column.
fn arrange(
    batch: &RecordBatch,
    file: &DataFile,
    columns: &[String],
) -> Result<RecordBatch, ArrowError> {
    let schema = usage_events();
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for name in columns {
        fields.push(schema.field_with_name(name)?.clone());
        arrays.push(match name == DAY {
            true => day(file, batch.num_rows())?,
            false => batch.column_by_name(name).cloned().ok_or_else(|| missing(name))?,
        });
    }
    let options =
        arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

fn day(file: &DataFile, rows: usize) -> Result<ArrayRef, ArrowError> {
    let days = day_of(file).ok_or_else(|| missing(DAY))?;
    Ok(Arc::new(Date32Array::from_value(days, rows)))
}

/// The partition of a file, in days since 1970.
fn day_of(file: &DataFile) -> Option<i32> {
    let text = file.partition.get(DAY)?.as_deref()?;
    let days = text.parse::<NaiveDate>().ok()?.signed_duration_since(NaiveDate::default());
    i32::try_from(days.num_days()).ok()
}

fn file_name(file: &Arc<DataFile>) -> &str {
    file.path.rsplit('/').next().unwrap_or_default()
}

fn missing(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("a file has no column {name}"))
}

fn failed(path: &Path, source: ParquetError) -> LakeError {
    parquet_file::read_failed("usage_events", path, source)
}
