//! Reading raw events through a filter.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch, StringArray};
use arrow::compute::and;
use arrow::compute::kernels::cmp::eq;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, RowFilter};
use parquet::errors::ParquetError;
use turnpike_schemas::arrow::{USAGE_EVENTS_PARTITIONS, usage_events};
use turnpike_schemas::event::KEY_SEPARATOR;

use crate::data_file::DataFile;
use crate::log::Table;
use crate::parquet_file::{self, FileColumns};
use crate::{EventFilter, LakeError};

const DAY: &str = USAGE_EVENTS_PARTITIONS[0];

/// Columns that must equal a text.
type Conditions = Vec<(&'static str, String)>;

/// Reads at most `limit` rows up to a version: newest file first, in each the rows as stored.
pub(crate) async fn read_events(
    events: &Table,
    version: i64,
    filter: &EventFilter,
    columns: Option<&[&str]>,
    limit: usize,
) -> Result<Vec<RecordBatch>, LakeError> {
    let Some(conditions) = conditions(filter) else { return Ok(Vec::new()) };
    let columns = wanted_columns(columns)?;
    let mut files = events.files_at(version).await?;
    // Names hold time-ordered UUIDs, which outlive the commits' order in checkpoints.
    files.sort_unstable_by(|a, b| file_name(b).cmp(file_name(a)));
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
    let mut add = |name, value: &Option<String>| {
        conditions.extend(value.clone().map(|value| (name, value)));
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
            let matches = eq(column, &StringArray::new_scalar(value))?;
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
    let text = file.partition.get(DAY).and_then(Option::as_deref);
    let date = text.and_then(|text| text.parse::<NaiveDate>().ok()).ok_or_else(|| missing(DAY))?;
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    let days = i32::try_from(days).map_err(|_| missing(DAY))?;
    Ok(Arc::new(Date32Array::from_value(days, rows)))
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
