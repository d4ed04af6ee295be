//! Checkpoints: delta-rs writes them, this file reads from them what a table's log holds in memory.
//!
//! A checkpoint that cannot be read costs time, not data: commits are never cleaned up, so the log
//! can be read from its first commit.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, MapArray, RecordBatch, StructArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::data_file::{DataFile, rows_of};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a checkpoint says.
#[derive(Debug, Default)]
pub(crate) struct Checkpoint {
    pub(crate) version: i64,
    pub(crate) txns: Vec<(String, i64)>,
    pub(crate) files: Vec<DataFile>,
}

/// The single-file checkpoints of a log folder, newest first.
pub(crate) fn list(log_folder: &Path) -> std::io::Result<Vec<(i64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(log_folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let version = name
            .to_str()
            .and_then(|name| name.strip_suffix(".checkpoint.parquet"))
            .filter(|stem| stem.len() == 20)
            .and_then(|stem| stem.parse().ok());
        found.extend(version.map(|version| (version, entry.path())));
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

pub(crate) fn read(version: i64, path: &Path, with_files: bool) -> Result<Checkpoint, Cause> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let wanted = |name: &str| name == "txn" || (with_files && name == "add");
    let fields = builder.schema().fields().iter().enumerate();
    let roots: Vec<usize> =
        fields.filter(|(_, field)| wanted(field.name())).map(|(at, _)| at).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let mut checkpoint = Checkpoint { version, ..Checkpoint::default() };
    for batch in builder.with_projection(mask).build()? {
        read_batch(&batch?, &mut checkpoint)?;
    }
    Ok(checkpoint)
}

fn read_batch(batch: &RecordBatch, checkpoint: &mut Checkpoint) -> Result<(), Cause> {
    if let Some(txn) = batch.column_by_name("txn") {
        let txn = txn.as_struct_opt().ok_or("txn is no struct")?;
        for row in (0..txn.len()).filter(|row| txn.is_valid(*row)) {
            let app = text(txn, "appId", row)?.ok_or("a txn has no appId")?;
            checkpoint.txns.push((app, long(txn, "version", row)?));
        }
    }
    if let Some(add) = batch.column_by_name("add") {
        let add = add.as_struct_opt().ok_or("add is no struct")?;
        for row in (0..add.len()).filter(|row| add.is_valid(*row)) {
            checkpoint.files.push(data_file(add, row)?);
        }
    }
    Ok(())
}

fn data_file(add: &StructArray, row: usize) -> Result<DataFile, Cause> {
    let path = text(add, "path", row)?.ok_or("an add has no path")?;
    if path.contains('%') {
        // This crate's names need no escapes.
        return Err(format!("`{path}` is not a name of turnpike's").into());
    }
    let stats = text(add, "stats", row)?.ok_or("an add has no statistics")?;
    Ok(DataFile {
        rows: rows_of(&stats).ok_or("an add does not count its rows")?,
        path,
        bytes: long(add, "size", row)?,
        modified: long(add, "modificationTime", row)?,
        partition: map(add, "partitionValues", row)?,
        tags: map(add, "tags", row)?,
    })
}

fn text(parent: &StructArray, name: &str, row: usize) -> Result<Option<String>, Cause> {
    let column = parent.column_by_name(name).ok_or_else(|| format!("no column {name}"))?;
    let column = column.as_string_opt::<i32>().ok_or_else(|| format!("{name} is no text"))?;
    Ok(column.is_valid(row).then(|| column.value(row).to_owned()))
}

fn long(parent: &StructArray, name: &str, row: usize) -> Result<i64, Cause> {
    let column = parent.column_by_name(name).ok_or_else(|| format!("no column {name}"))?;
    let column =
        column.as_primitive_opt::<Int64Type>().ok_or_else(|| format!("{name} is no long"))?;
    if column.is_null(row) {
        return Err(format!("{name} is null").into());
    }
    Ok(column.value(row))
}

fn map(
    parent: &StructArray,
    name: &str,
    row: usize,
) -> Result<HashMap<String, Option<String>>, Cause> {
    let Some(column) = parent.column_by_name(name) else {
        return Ok(HashMap::new());
    };
    let column: &MapArray = column.as_map_opt().ok_or_else(|| format!("{name} is no map"))?;
    if column.is_null(row) {
        return Ok(HashMap::new());
    }
    let entries = column.value(row);
    let keys = entries.column(0).as_string_opt::<i32>().ok_or("a map key is no text")?;
    let values = entries.column(1).as_string_opt::<i32>().ok_or("a map value is no text")?;
    let pairs = keys.iter().zip(values.iter());
    Ok(pairs.filter_map(|(key, value)| Some((key?.to_owned(), value.map(String::from)))).collect())
}
