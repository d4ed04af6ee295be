//! From raw events to rows of `usage`: one per measurement, one for an event without any.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, ListArray, RecordBatch, StringBuilder, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::usage;
use turnpike_schemas::event::KEY_SEPARATOR;

/// Makes rows of `usage` (partition columns included) from some rows of a batch that `raw` read.
pub(crate) fn explode(raw: &RecordBatch, rows: &[u32]) -> Result<RecordBatch, ArrowError> {
    let lists: &ListArray = column(raw, "measurements")?
        .as_list_opt()
        .ok_or_else(|| ArrowError::SchemaError("measurements are no list".into()))?;
    let (parents, children) = flatten(lists, rows);
    let measurements = lists
        .values()
        .as_struct_opt()
        .ok_or_else(|| ArrowError::SchemaError("a measurement is no struct".into()))?;
    let mut columns = Vec::new();
    for field in usage().fields() {
        columns.push(match field.name().as_str() {
            "month" => months(column(raw, "time")?, &parents)?,
            "event_key" => event_keys(raw, &parents)?,
            name @ ("meter" | "flow" | "quantity" | "scale") => {
                let values = measurements.column_by_name(name).ok_or_else(|| missing(name))?;
                take(values, &children, None)?
            }
            name => take(column(raw, name)?, &parents, None)?,
        });
    }
    RecordBatch::try_new(usage(), columns)
}

/// For each row to make: its raw row, and its measurement among all of the batch.
fn flatten(lists: &ListArray, rows: &[u32]) -> (UInt32Array, UInt32Array) {
    let mut parents = Vec::with_capacity(rows.len());
    let mut children = Vec::with_capacity(rows.len());
    for row in rows {
        let at = *row as usize;
        let ends = lists.value_offsets();
        let (start, end) = if lists.is_null(at) { (0, 0) } else { (ends[at], ends[at + 1]) };
        if start == end {
            parents.push(*row);
            children.push(None);
        }
        for child in start..end {
            parents.push(*row);
            children.push(Some(child.unsigned_abs()));
        }
    }
    (UInt32Array::from(parents), UInt32Array::from(children))
}

fn months(times: &ArrayRef, parents: &UInt32Array) -> Result<ArrayRef, ArrowError> {
    let times = times
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| ArrowError::SchemaError("time is no instant".into()))?;
    let month = |row: &u32| {
        let instant = Instant::from_micros(times.value(*row as usize));
        instant.map(|instant| instant.utc_month()).map_err(|error| {
            ArrowError::InvalidArgumentError(format!("time of raw row {row}: {error}"))
        })
    };
    let months = parents.values().iter().map(month).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Int32Array::from(months)))
}

fn event_keys(raw: &RecordBatch, parents: &UInt32Array) -> Result<ArrayRef, ArrowError> {
    let (sources, ids) = (column(raw, "source")?.as_string::<i32>(), column(raw, "event_id")?);
    let ids = ids.as_string::<i32>();
    let mut keys = StringBuilder::with_capacity(parents.len(), parents.len() * 64);
    let mut key = String::new();
    for row in parents.values() {
        key.clear();
        key.push_str(sources.value(*row as usize));
        key.push(KEY_SEPARATOR);
        key.push_str(ids.value(*row as usize));
        keys.append_value(&key);
    }
    Ok(Arc::new(keys.finish()))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("no column {name}"))
}
