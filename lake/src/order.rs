//! Sorting and merging rows of `usage`.

use std::ops::Range;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use turnpike_schemas::arrow::USAGE_ORDER;

/// Rows of one merged batch: a fraction of a row group, and far from the limits of text offsets.
const MERGED_ROWS: usize = 65_536;

/// Sorts one batch by some columns and then by [`USAGE_ORDER`], ascending, nulls first.
pub(crate) fn sort(batch: &RecordBatch, first: &[&str]) -> Result<RecordBatch, ArrowError> {
    let names: Vec<&str> = first.iter().copied().chain(USAGE_ORDER).collect();
    let rows = rows_of(&converter(batch, &names)?, batch, &names)?;
    let count = u32::try_from(batch.num_rows())
        .map_err(|_| ArrowError::InvalidArgumentError("too many rows for one sort".into()))?;
    let mut order: Vec<u32> = (0..count).collect();
    // Stable, since the runs that ingest sorted are found and merged by it.
    order.sort_by(|a, b| rows.row(*a as usize).cmp(&rows.row(*b as usize)));
    take_record_batch(batch, &UInt32Array::from(order))
}

/// Merges batches, each in [`USAGE_ORDER`], into that order.
pub(crate) fn merge(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, ArrowError> {
    let Some(first) = batches.first() else { return Ok(Vec::new()) };
    let converter = converter(first, &USAGE_ORDER)?;
    let mut rows = Vec::new();
    for batch in batches {
        rows.push(rows_of(&converter, batch, &USAGE_ORDER)?);
    }
    let places =
        |(at, batch): (usize, &RecordBatch)| (0..batch.num_rows()).map(move |row| (at, row));
    let mut order: Vec<(usize, usize)> = batches.iter().enumerate().flat_map(places).collect();
    // A stable sort of sorted runs is a merge.
    order.sort_by(|a, b| rows[a.0].row(a.1).cmp(&rows[b.0].row(b.1)));
    drop(rows);
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    order.chunks(MERGED_ROWS).map(|part| interleave_record_batch(&batches, part)).collect()
}

fn converter(batch: &RecordBatch, names: &[&str]) -> Result<RowConverter, ArrowError> {
    let schema = batch.schema();
    let field = |name: &&str| Ok(SortField::new(schema.field_with_name(name)?.data_type().clone()));
    RowConverter::new(names.iter().map(field).collect::<Result<_, ArrowError>>()?)
}

fn rows_of(
    converter: &RowConverter,
    batch: &RecordBatch,
    names: &[&str],
) -> Result<Rows, ArrowError> {
    let schema = batch.schema();
    let column = |name: &&str| Ok(batch.column(schema.index_of(name)?).clone());
    let columns = names.iter().map(column).collect::<Result<Vec<_>, ArrowError>>()?;
    converter.convert_columns(&columns)
}

/// The stretches of equal values of an integer column, in a batch sorted by it.
pub(crate) fn stretches(
    batch: &RecordBatch,
    name: &str,
    within: Range<usize>,
) -> Vec<(i32, Range<usize>)> {
    let values = batch.column_by_name(name).expect("a column of usage").as_primitive::<Int32Type>();
    let values = &values.values()[within.clone()];
    let mut found: Vec<(i32, Range<usize>)> = Vec::new();
    for part in values.chunk_by(|a, b| a == b) {
        let start = found.last().map_or(within.start, |(_, range)| range.end);
        found.push((part[0], start..start + part.len()));
    }
    found
}
