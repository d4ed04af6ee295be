//! What became of each event of a submission.

use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::error::ArrowError;
use serde::Serialize;
use turnpike_schemas::arrow::status;

/// What an event ended as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Accepted,
    Duplicate,
    Conflict,
    Dead,
}

/// One event of an item, or the item where it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventResult {
    /// Of the item, counted from 0; the events of one item share it.
    pub index: usize,
    pub status: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Of a dead letter one of [`crate::reason::ALL`]; `unmetered` where an event meters nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The results of submissions, whose items stand at these positions, from the rows that they became.
pub(super) fn results(
    rows: &RecordBatch,
    submissions: &[Range<i64>],
) -> Result<Vec<Vec<EventResult>>, ArrowError> {
    let column = |name: &str| {
        let missing = || ArrowError::SchemaError(format!("there is no column {name}"));
        rows.column_by_name(name).ok_or_else(missing)
    };
    let text = |name: &str| Ok::<_, ArrowError>(column(name)?.as_string::<i32>());
    let positions = column("position")?.as_primitive::<Int64Type>();
    let parts = column("part")?.as_primitive::<Int32Type>();
    let [statuses, reasons, errors] = [text("status")?, text("reason")?, text("error")?];
    let [ids, sources] = [text("event_id")?, text("source")?];
    let at = |column: &StringArray, row: usize| {
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    // Rows are in the order of the table; producers know that of their items.
    let mut order: Vec<usize> = (0..rows.num_rows()).collect();
    order.sort_unstable_by_key(|row| (positions.value(*row), parts.value(*row)));
    let mut order = order.into_iter().peekable();
    let mut all = Vec::with_capacity(submissions.len());
    for range in submissions {
        let mut results = Vec::new();
        while let Some(row) = order.next_if(|row| positions.value(*row) < range.end) {
            results.push(EventResult {
                index: usize::try_from(positions.value(row) - range.start).unwrap_or_default(),
                status: verdict(statuses.value(row)),
                id: at(ids, row),
                source: at(sources, row),
                reason: at(reasons, row),
                message: at(errors, row),
            });
        }
        all.push(results);
    }
    Ok(all)
}

fn verdict(word: &str) -> Verdict {
    match word {
        status::ACCEPTED => Verdict::Accepted,
        status::DUPLICATE => Verdict::Duplicate,
        status::CONFLICT => Verdict::Conflict,
        _ => Verdict::Dead,
    }
}
