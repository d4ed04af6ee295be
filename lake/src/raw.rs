//! Reading `usage_events` commit by commit: the order in which events count.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use turnpike_schemas::arrow::usage_events;

use crate::data_file::DataFile;
use crate::log::Table;
use crate::{LakeError, checksum, parquet_file};

/// What usage and counts are made from: all but the payload and where it was read.
const COLUMNS: &[&str] = &[
    "status",
    "reason",
    "system",
    "bucket",
    "source",
    "event_id",
    "content_hash",
    "kind",
    "rank",
    "resource",
    "resource_kind",
    "parent",
    "owner",
    "project",
    "site",
    "region",
    "time",
    "window_start",
    "window_end",
    "since",
    "seconds",
    "state",
    "terminal",
    "incarnation",
    "measurements",
    "attributes",
    "tags",
    "twin",
    "correction",
    "target",
];
pub(crate) const RAW_VERSION: &str = "raw_version";
pub(crate) const RAW_ROW: &str = "raw_row";

/// One commit of `usage_events` and the files it added, in its order.
#[derive(Debug, Clone)]
pub(crate) struct RawCommit {
    pub(crate) version: i64,
    pub(crate) files: Vec<Arc<DataFile>>,
}

impl RawCommit {
    pub(crate) fn rows(&self) -> i64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// One commit, from memory where it was read lately.
pub(crate) async fn commit(events: &Table, version: i64) -> Result<RawCommit, LakeError> {
    let known = events.known().await.added.get(&version).cloned();
    let files = match known {
        Some(files) => files,
        None => events.added(version).await?,
    };
    Ok(RawCommit { version, files })
}

/// Reads the rows of commits into one batch, with the commit and the row within it.
pub(crate) async fn read(
    events: &Table,
    commits: Vec<RawCommit>,
) -> Result<RecordBatch, LakeError> {
    let folder = events.folder.clone();
    let task = tokio::task::spawn_blocking(move || {
        let schema = schema();
        let mut batches = Vec::new();
        for commit in &commits {
            let mut row = 0;
            for file in &commit.files {
                let path = folder.join(&file.path);
                checksum::check("usage_events", &path, file)?;
                for batch in read_file(&path)? {
                    let tagged = tag(&schema, &batch, commit.version, row).map_err(failed)?;
                    row += batch.num_rows() as i64;
                    batches.push(tagged);
                }
            }
        }
        concat_batches(&schema, &batches).map_err(failed)
    });
    task.await.map_err(|source| LakeError::Task { operation: "read", source: source.into() })?
}

fn read_file(path: &Path) -> Result<Vec<RecordBatch>, LakeError> {
    parquet_file::read("usage_events", path, Some(COLUMNS))
}

fn tag(
    schema: &SchemaRef,
    batch: &RecordBatch,
    version: i64,
    first_row: i64,
) -> Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows() as i64;
    let mut columns = Vec::with_capacity(schema.fields().len());
    for name in COLUMNS {
        let column = batch.column_by_name(name);
        columns.push(column.cloned().ok_or_else(|| missing(name))?);
    }
    columns.push(Arc::new(Int64Array::from_value(version, batch.num_rows())) as ArrayRef);
    columns.push(Arc::new(Int64Array::from_iter_values(first_row..first_row + rows)));
    RecordBatch::try_new(schema.clone(), columns)
}

fn schema() -> SchemaRef {
    let all = usage_events();
    let field = |name: &&str| all.field_with_name(name).expect("a column of the table").clone();
    let mut fields: Vec<Field> = COLUMNS.iter().map(field).collect();
    fields.push(Field::new(RAW_VERSION, DataType::Int64, true));
    fields.push(Field::new(RAW_ROW, DataType::Int64, true));
    Arc::new(Schema::new(fields))
}

fn missing(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("a file has no column {name}"))
}

fn failed(source: ArrowError) -> LakeError {
    LakeError::Rows { operation: "read", table: "usage_events", source: source.into() }
}
