//! Reading raw events through a filter, at once or batch by batch.

use std::path::{Path, PathBuf};
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

use crate::data_file::DataFile;
use crate::event_files::DEAD_TAG;
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

/// All rows up to a version in the order in which they were committed.
pub(crate) async fn stream_events_as_committed(
    events: &Table,
    version: i64,
    filter: &EventFilter,
    columns: Option<&[&str]>,
) -> Result<EventStream, LakeError> {
    let mut files = Vec::new();
    for version in 0..=version {
        files.extend(events.added(version).await?);
    }
    let read = Read::new(events, files, filter, columns)?;
    let (batches, received) = tokio::sync::mpsc::channel(BATCHES_AHEAD);
    let task = tokio::task::spawn_blocking(move || {
        // Who does not listen any more wants no more.
        read.map_or(Ok(()), |read| read.run(&mut |batch| batches.blocking_send(batch).is_ok()))
    });
    Ok(EventStream { received, task: Some(task) })
}

/// Batches that are read before anybody has asked for them.
const BATCHES_AHEAD: usize = 2;

/// Raw events, batch by batch: however many there are, a few batches are in memory.
pub struct EventStream {
    received: tokio::sync::mpsc::Receiver<RecordBatch>,
    task: Option<tokio::task::JoinHandle<Result<(), LakeError>>>,
}

impl EventStream {
    /// The next batch; `None`: all were read.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, LakeError> {
        if let Some(batch) = self.received.recv().await {
            return Ok(Some(batch));
        }
        match self.task.take() {
            Some(task) => ended(task.await).map(|()| None),
            None => Ok(None),
        }
    }
}

async fn read_files(
    events: &Table,
    files: Vec<Arc<DataFile>>,
    filter: &EventFilter,
    columns: Option<&[&str]>,
    limit: usize,
) -> Result<Vec<RecordBatch>, LakeError> {
    let Some(read) = Read::new(events, files, filter, columns)? else { return Ok(Vec::new()) };
    let task = tokio::task::spawn_blocking(move || {
        let (mut found, mut left) = (Vec::new(), limit);
        if left == 0 {
            return Ok(found);
        }
        read.run(&mut |batch| {
            let rows = batch.num_rows().min(left);
            left -= rows;
            found.push(batch.slice(0, rows));
            left > 0
        })?;
        Ok(found)
    });
    ended(task.await)
}

fn ended<T>(result: Result<Result<T, LakeError>, tokio::task::JoinError>) -> Result<T, LakeError> {
    result.map_err(|source| LakeError::Task { operation: "read", source: source.into() })?
}

/// Files to read, and what of them.
struct Read {
    folder: PathBuf,
    files: Vec<Arc<DataFile>>,
    conditions: Conditions,
    columns: Vec<String>,
}

impl Read {
    /// `None` where no row can match.
    fn new(
        events: &Table,
        mut files: Vec<Arc<DataFile>>,
        filter: &EventFilter,
        columns: Option<&[&str]>,
    ) -> Result<Option<Self>, LakeError> {
        let Some(conditions) = conditions(filter) else { return Ok(None) };
        let columns = wanted_columns(columns)?;
        files.retain(|file| may_match(file, filter));
        Ok(Some(Self { folder: events.folder.clone(), files, conditions, columns }))
    }

    /// Hands out batches with rows in them until `each` wants no more.
    fn run(&self, each: &mut dyn FnMut(RecordBatch) -> bool) -> Result<(), LakeError> {
        for file in &self.files {
            let path = self.folder.join(&file.path);
            let more = self.read_file(&path, file, each);
            if !more.map_err(|source| failed(&path, source))? {
                break;
            }
        }
        Ok(())
    }

    fn read_file(
        &self,
        path: &Path,
        file: &DataFile,
        each: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<bool, ParquetError> {
        let inside: Vec<&str> =
            self.columns.iter().map(String::as_str).filter(|name| *name != DAY).collect();
        let reader = parquet_file::open(path, Some(&inside), |file_columns, builder| {
            Ok(match row_filter(file_columns, &self.conditions)? {
                Some(filter) => parquet_file::filtered(builder, filter),
                None => builder,
            })
        })?;
        for batch in reader {
            let batch = batch?;
            if batch.num_rows() > 0 && !each(arrange(&batch, file, &self.columns)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }
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
