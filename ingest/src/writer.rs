//! Rows as a record batch of `usage_events`, in the order in which compaction merges them.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanArray, Date32Array, Int32Array, Int64Array, RecordBatch,
    StringBuilder,
};
use arrow::error::ArrowError;
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::{status, usage_events};

use crate::batch::Judged;
use crate::block::{Block, EventRow, What};
use crate::columns::{self, Columns, Long, Place, Text};
use crate::error::IngestError;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The rows, sorted, as one batch.
pub(crate) fn record_batch(
    blocks: &[Block],
    rows: Vec<Judged>,
    now: Instant,
) -> Result<RecordBatch, IngestError> {
    columns(blocks, &sorted(blocks, &rows), now).map_err(IngestError::Batch)
}

/// What decides the order of most rows, without a look at their texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SortKey {
    /// Events that meter something by bucket, then those that do not, then dead letters; within
    /// that by the namespace and kind of the resource.
    class: u64,
    /// The first bytes of the rest of the resource.
    id: u128,
    /// The time, where the bytes are the whole of the rest.
    time: i64,
}

/// Events by (bucket, resource, time, rank, key), then those that meter nothing, dead letters last.
/// Deliveries of one event stay in the order in which they came.
fn sorted<'r>(blocks: &[Block], rows: &'r [Judged]) -> Vec<&'r Judged> {
    let prefixes = prefixes(blocks, rows);
    let mut order: Vec<(SortKey, usize)> = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        let class =
            |class: u64, bucket: u32, prefix: u64| class << 62 | u64::from(bucket) << 30 | prefix;
        let key = match (&row.row.what, resource(blocks, row)) {
            (What::Dead { .. }, _) => SortKey { class: class(2, 0, 0), id: 0, time: 0 },
            (What::Event(EventRow { bucket: Some(bucket), time, .. }), Some(resource)) => {
                let (prefix, rest) = parts(resource);
                let prefix = prefixes.get(prefix).copied().unwrap_or_default();
                // A rest that is shorter than the number ends in a zero byte, so no other has its number.
                let time = if rest.len() < 16 { time.micros() } else { 0 };
                SortKey { class: class(0, *bucket, prefix), id: first_bytes(rest), time }
            }
            (What::Event(_), _) => SortKey { class: class(1, 0, 0), id: 0, time: 0 },
        };
        order.push((key, at));
    }
    order.sort_by(|(a, at), (b, other)| {
        a.cmp(b).then_with(|| compare(blocks, &rows[*at], &rows[*other]))
    });
    order.into_iter().map(|(_, at)| &rows[at]).collect()
}

/// Rows that their sort keys do not tell apart.
fn compare(blocks: &[Block], a: &Judged, b: &Judged) -> Ordering {
    let (What::Event(one), What::Event(other)) = (&a.row.what, &b.row.what) else {
        let place = |row: &Judged| {
            let slot = &blocks[row.block].slots[row.row.slot as usize];
            (Arc::clone(&slot.origin), row.row.position, row.row.part)
        };
        return place(a).cmp(&place(b));
    };
    // No id holds a control character, so (source, id) orders as the key that joins them with one.
    let text = |row: &Judged, column| blocks[row.block].columns.text(column, row.row.at as usize);
    resource(blocks, a)
        .cmp(&resource(blocks, b))
        .then_with(|| one.time.cmp(&other.time))
        .then_with(|| one.rank.cmp(&other.rank))
        .then_with(|| text(a, Text::Source).cmp(&text(b, Text::Source)))
        .then_with(|| text(a, Text::Id).cmp(&text(b, Text::Id)))
}

fn resource<'b>(blocks: &'b [Block], row: &Judged) -> Option<&'b str> {
    blocks[row.block].columns.text(Text::Resource, row.row.at as usize)
}

/// A resource up to its second `/`, with it, and the rest. Of two different first parts neither
/// begins with the other, or else the shorter is the whole resource, so they order as resources do.
fn parts(resource: &str) -> (&str, &str) {
    let mut slashes = resource.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
    let end = slashes.nth(1).map_or(resource.len(), |(at, _)| at + 1);
    resource.split_at(end)
}

/// The first 16 bytes as a number: it orders as they do, since no text holds a zero byte.
fn first_bytes(text: &str) -> u128 {
    let mut bytes = [0; 16];
    let length = text.len().min(16);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u128::from_be_bytes(bytes)
}

/// The place of each first part of a resource among all of them.
fn prefixes<'b>(blocks: &'b [Block], rows: &[Judged]) -> HashMap<&'b str, u64> {
    let mut found: HashMap<&str, u64> = HashMap::new();
    let mut last = "";
    for row in rows {
        let Some(resource) = resource(blocks, row) else { continue };
        let (prefix, _) = parts(resource);
        if prefix != last {
            found.insert(prefix, 0);
            last = prefix;
        }
    }
    let mut all: Vec<&str> = found.keys().copied().collect();
    all.sort_unstable();
    (0..).zip(all).map(|(place, prefix)| (prefix, place)).collect()
}

fn columns(blocks: &[Block], rows: &[&Judged], now: Instant) -> Result<RecordBatch, ArrowError> {
    let order: Vec<Place> = rows.iter().map(|row| (row.block, row.row.at as usize)).collect();
    let all: Vec<&Columns> = blocks.iter().map(|block| &block.columns).collect();
    let day = i32::try_from(now.micros().div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX);
    let text = |column| columns::texts(&all, column, &order);
    let instant = |column| columns::instants(&all, column, &order);
    let block = |row: &Judged| &blocks[row.block];
    let system = |row: &Judged| row.row.system.map(|at| block(row).systems[at as usize].as_str());
    let error = |row: &Judged| match &row.row.what {
        What::Dead { error, .. } => Some(block(row).errors[*error as usize].as_str()),
        What::Event(_) => None,
    };
    let origin = |row: &Judged| Some(block(row).slots[row.row.slot as usize].origin.as_ref());
    let bucket = |row: &Judged| i32::try_from(event(row)?.bucket?).ok();
    let rank = |row: &Judged| event(row).map(|event| event.rank);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_value(day, rows.len())),
        columns::instants_of(rows.iter().map(|_| Some(now.micros()))),
        texts(rows.iter().map(|row| origin(row))),
        Arc::new(rows.iter().map(|row| Some(row.row.position)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.row.part)).collect::<Int32Array>()),
        texts(rows.iter().map(|row| Some(row.status))),
        texts(rows.iter().map(|row| row.reason)),
        texts(rows.iter().map(|row| error(row))),
        texts(rows.iter().map(|row| system(row))),
        Arc::new(rows.iter().map(|row| bucket(row)).collect::<Int32Array>()),
        text(Text::Source)?,
        text(Text::Id)?,
        Arc::new(rows.iter().map(|r| event(r).map(|e| e.content_hash)).collect::<Int64Array>()),
        texts(rows.iter().map(|row| event(row).map(|event| event.kind.as_str()))),
        Arc::new(rows.iter().map(|row| rank(row)).collect::<Int32Array>()),
        text(Text::Resource)?,
        text(Text::ResourceKind)?,
        text(Text::Parent)?,
        text(Text::Owner)?,
        text(Text::Project)?,
        text(Text::Site)?,
        text(Text::Region)?,
        columns::instants_of(rows.iter().map(|row| event(row).map(|event| event.time.micros()))),
        instant(Long::WindowStart),
        instant(Long::WindowEnd),
        instant(Long::Since),
        Arc::new(columns::longs(&all, Long::Seconds, &order)),
        texts(rows.iter().map(|row| event(row)?.state.map(|state| state.as_str()))),
        // A terminal event has the last rank, and no other.
        Arc::new(rows.iter().map(|row| rank(row).map(|rank| rank == 2)).collect::<BooleanArray>()),
        text(Text::Incarnation)?,
        columns::measurements(&all, &order, rows.iter().map(|r| event(r).is_some()).collect())?,
        text(Text::Attributes)?,
        text(Text::Tags)?,
        text(Text::Twin)?,
        text(Text::Correction)?,
        text(Text::Target)?,
        payloads(blocks, rows),
    ];
    RecordBatch::try_new(usage_events(), arrays)
}

fn event(row: &Judged) -> Option<&EventRow> {
    match &row.row.what {
        What::Event(event) => Some(event),
        What::Dead { .. } => None,
    }
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let (rows, _) = values.size_hint();
    let mut builder = StringBuilder::with_capacity(rows, 0);
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

/// Of a duplicate nothing is kept that the first has not told.
fn payloads(blocks: &[Block], rows: &[&Judged]) -> ArrayRef {
    let raw = |row: &&Judged| Some(row.row.raw.as_ref()?.len());
    let bytes = rows.iter().filter_map(raw).sum();
    let mut builder = BinaryBuilder::with_capacity(rows.len(), bytes);
    for row in rows {
        let raw = row.row.raw.as_ref().filter(|_| row.status != status::DUPLICATE);
        builder.append_option(raw.map(|raw| blocks[row.block].raw(raw)));
    }
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn first_parts_and_first_bytes_order_as_resources(
            a in "[ab/]{1,6}[a-c/]{0,20}", b in "[ab/]{1,6}[a-c/]{0,20}"
        ) {
            let key = |text: &'_ str| {
                let (prefix, rest) = parts(text);
                (prefix.to_owned(), first_bytes(rest), text.to_owned())
            };
            proptest::prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }
    }
}
