//! Rows as a record batch of `usage_events`, in the order in which compaction merges them.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::error::ArrowError;
use foldhash::fast::RandomState;
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::usage_events;

use crate::batch::Judged;
use crate::block::{Block, EventRow, What};
use crate::columns::{MeasurementColumn, NumberColumn, TextColumn};
use crate::error::IngestError;
use crate::fields::{Bytes, LONGS, Long, Span, TEXTS, Text};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The rows, sorted, as batches of so many rows: one where all of them fit, and at least one.
pub(crate) fn record_batches(
    blocks: &[Block],
    rows: &[Judged],
    now: Instant,
    size: usize,
    take: &mut dyn FnMut(RecordBatch) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    let sizes = Sizes::of(blocks, rows);
    let order = sorted(blocks, rows);
    let mut rest = order.as_slice();
    loop {
        let (some, more) = rest.split_at(size.min(rest.len()));
        let mut columns = Columns::new(&sizes, some.len());
        for part in some.chunks(TOUCHED) {
            touch(blocks, rows, part);
            part.iter().for_each(|at| columns.push(blocks, &rows[*at]));
        }
        take(columns.finish(now).map_err(IngestError::Batch)?)?;
        if more.is_empty() {
            return Ok(());
        }
        rest = more;
    }
}

/// Rows that are brought into the processor's cache together.
const TOUCHED: usize = 16;
/// Bytes of a line of that cache.
const LINE: usize = 64;

/// Looks at rows that lie anywhere in memory: one after another, each part of each would be waited
/// for.
fn touch(blocks: &[Block], rows: &[Judged], part: &[usize]) {
    let mut seen = 0;
    for judged in part.iter().map(|at| &rows[*at]) {
        seen ^= judged.row(blocks).raw.len();
        let texts = &judged.block(blocks).fields.row(judged.row).texts;
        seen ^= texts[0].len() ^ texts[TEXTS / 2].len() ^ texts[TEXTS - 1].len();
    }
    for judged in part.iter().map(|at| &rows[*at]) {
        let raw = judged.block(blocks).bytes.get(judged.row(blocks).raw).unwrap_or_default();
        seen ^= raw.iter().step_by(LINE).fold(0, |seen, byte| seen ^ usize::from(*byte));
        seen ^= judged
            .block(blocks)
            .text(judged.row, Text::Resource)
            .map_or(0, |resource| resource.first().map_or(0, |byte| usize::from(*byte)));
    }
    std::hint::black_box(seen);
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
fn sorted(blocks: &[Block], rows: &[Judged]) -> Vec<usize> {
    let mut prefixes = Prefixes::default();
    let mut order: Vec<(SortKey, usize)> = Vec::with_capacity(rows.len());
    for (at, judged) in rows.iter().enumerate() {
        let class =
            |class: u64, bucket: u32, prefix: u64| class << 62 | u64::from(bucket) << 30 | prefix;
        let key = match (&judged.row(blocks).what, resource(blocks, judged)) {
            (What::Dead { .. }, _) => SortKey { class: class(2, 0, 0), id: 0, time: 0 },
            (What::Event(EventRow { bucket: Some(bucket), time, .. }), Some(resource)) => {
                let (prefix, rest) = parts(resource);
                let prefix = prefixes.number(prefix);
                // A rest that is shorter than the number ends in a zero byte, so no other has its number.
                let time = if rest.len() < 16 { time.micros() } else { 0 };
                SortKey { class: class(0, *bucket, prefix), id: first_bytes(rest), time }
            }
            (What::Event(_), _) => SortKey { class: class(1, 0, 0), id: 0, time: 0 },
        };
        order.push((key, at));
    }
    let places = prefixes.places();
    for (key, _) in order.iter_mut().filter(|(key, _)| key.class < 1 << 62) {
        let number = usize::try_from(key.class & PREFIX).unwrap_or(usize::MAX);
        key.class = key.class & !PREFIX | places[number];
    }
    order.sort_by(|(a, at), (b, other)| {
        a.cmp(b).then_with(|| compare(blocks, &rows[*at], &rows[*other]))
    });
    order.into_iter().map(|(_, at)| at).collect()
}

/// The bits of a class that tell first parts of resources apart.
const PREFIX: u64 = (1 << 30) - 1;

/// Rows that their sort keys do not tell apart.
fn compare(blocks: &[Block], a: &Judged, b: &Judged) -> Ordering {
    let (What::Event(one), What::Event(other)) = (&a.row(blocks).what, &b.row(blocks).what) else {
        let place = |judged: &Judged| {
            let row = judged.row(blocks);
            let slot = &judged.block(blocks).slots[row.slot as usize];
            (Arc::clone(&slot.origin), row.position, row.part)
        };
        return place(a).cmp(&place(b));
    };
    // No id holds a control character, so (source, id) orders as the key that joins them with one.
    let text = |judged: &Judged, text| judged.block(blocks).text(judged.row, text);
    resource(blocks, a)
        .cmp(&resource(blocks, b))
        .then_with(|| one.time.cmp(&other.time))
        .then_with(|| one.rank.cmp(&other.rank))
        .then_with(|| text(a, Text::Source).cmp(&text(b, Text::Source)))
        .then_with(|| text(a, Text::Id).cmp(&text(b, Text::Id)))
}

fn resource<'b>(blocks: &'b [Block], judged: &Judged) -> Option<&'b [u8]> {
    judged.block(blocks).text(judged.row, Text::Resource)
}

/// A resource up to its second `/`, with it, and the rest. Of two different first parts neither
/// begins with the other, or else the shorter is the whole resource, so they order as resources do.
fn parts(resource: &[u8]) -> (&[u8], &[u8]) {
    let mut slashes = resource.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let end = slashes.nth(1).map_or(resource.len(), |(at, _)| at + 1);
    resource.split_at(end)
}

/// The first 16 bytes as a number: it orders as they do, since no text holds a zero byte.
fn first_bytes(text: &[u8]) -> u128 {
    if let Some(bytes) = text.first_chunk() {
        return u128::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 16];
    bytes[..text.len()].copy_from_slice(text);
    u128::from_be_bytes(bytes)
}

/// The first parts of resources, numbered as they come.
#[derive(Debug, Default)]
struct Prefixes<'b> {
    numbers: HashMap<&'b [u8], u64, RandomState>,
}

impl<'b> Prefixes<'b> {
    fn number(&mut self, prefix: &'b [u8]) -> u64 {
        let next = self.numbers.len() as u64;
        *self.numbers.entry(prefix).or_insert(next)
    }

    /// The place of each among all of them, by number.
    fn places(self) -> Vec<u64> {
        let mut all: Vec<(&[u8], u64)> = self.numbers.into_iter().collect();
        all.sort_unstable();
        let mut places = vec![0; all.len()];
        for (place, (_, number)) in (0..).zip(all) {
            if let Some(at) = usize::try_from(number).ok().and_then(|at| places.get_mut(at)) {
                *at = place;
            }
        }
        places
    }
}

/// The columns of the table that grow with its rows.
struct Columns {
    origin: TextColumn,
    position: NumberColumn<i64>,
    part: NumberColumn<i32>,
    status: TextColumn,
    reason: TextColumn,
    error: TextColumn,
    system: TextColumn,
    bucket: NumberColumn<i32>,
    content_hash: NumberColumn<i64>,
    kind: TextColumn,
    rank: NumberColumn<i32>,
    texts: [TextColumn; TEXTS],
    time: NumberColumn<i64>,
    longs: [NumberColumn<i64>; LONGS],
    state: TextColumn,
    terminal: NumberColumn<bool>,
    measurements: MeasurementColumn,
    raw: TextColumn,
    rows: usize,
}

/// Bytes that a word of ours has at most, nearly always.
const WORD_BYTES: usize = 10;

/// How many bytes the columns of some rows take.
struct Sizes {
    rows: usize,
    origin: usize,
    texts: [usize; TEXTS],
    measured: usize,
    meters: usize,
    raw: usize,
}

impl Sizes {
    fn of(blocks: &[Block], rows: &[Judged]) -> Self {
        let slots = blocks.iter().flat_map(|block| &block.slots);
        let measured = blocks.iter().flat_map(|block| block.fields.all_measured());
        let (measured, meters) = measured
            .fold((0, 0), |(count, bytes), measured| (count + 1, bytes + measured.meter.len()));
        let texts = |text: usize| blocks.iter().map(|block| block.fields.bytes[text]).sum();
        Self {
            rows: rows.len(),
            origin: slots.map(|slot| slot.origin.len()).max().unwrap_or(0),
            texts: std::array::from_fn(texts),
            measured,
            meters,
            raw: rows.iter().map(|judged| judged.row(blocks).raw.len()).sum(),
        }
    }

    /// The share of `count` rows in what all take, and a little more, since rows differ.
    fn share(&self, all: usize, count: usize) -> usize {
        if count >= self.rows { all } else { all * count / self.rows * 17 / 16 }
    }
}

impl Columns {
    /// For `count` of the rows.
    fn new(sizes: &Sizes, count: usize) -> Self {
        let words = || TextColumn::new(count, count * WORD_BYTES);
        let share = |all: usize| sizes.share(all, count);
        let (measured, meters) = (share(sizes.measured), share(sizes.meters));
        Self {
            origin: TextColumn::new(count, count * sizes.origin),
            position: NumberColumn::new(count),
            part: NumberColumn::new(count),
            status: words(),
            reason: words(),
            error: TextColumn::new(count, 0),
            system: words(),
            bucket: NumberColumn::new(count),
            content_hash: NumberColumn::new(count),
            kind: words(),
            rank: NumberColumn::new(count),
            texts: sizes.texts.map(|bytes| TextColumn::new(count, share(bytes))),
            time: NumberColumn::new(count),
            longs: std::array::from_fn(|_| NumberColumn::new(count)),
            state: words(),
            terminal: NumberColumn::new(count),
            measurements: MeasurementColumn::new(count, measured, meters),
            raw: TextColumn::new(count, share(sizes.raw)),
            rows: count,
        }
    }

    fn push(&mut self, blocks: &[Block], judged: &Judged) {
        let (block, row) = (judged.block(blocks), judged.row(blocks));
        let Block { slots, fields, bytes, systems, errors, .. } = block;
        let event = row.what.event();
        self.origin.push(Some(&slots[row.slot as usize].origin));
        self.position.push(Some(row.position));
        self.part.push(Some(row.part));
        self.status.push(Some(judged.status()));
        self.reason.push(judged.reason(row));
        self.error.push(match &row.what {
            What::Dead { error, .. } => Some(&errors[*error as usize]),
            What::Event(_) => None,
        });
        self.system.push(row.system.map(|at| systems[at as usize].as_str()));
        self.bucket.push(event.and_then(|event| i32::try_from(event.bucket?).ok()));
        self.content_hash.push(event.map(|event| event.content_hash));
        self.kind.push(event.map(|event| event.kind.as_str()));
        self.rank.push(event.map(|event| event.rank));
        self.time.push(event.map(|event| event.time.micros()));
        self.state.push(event.and_then(|event| Some(event.state?.as_str())));
        // A terminal event has the last rank, and no other.
        self.terminal.push(event.map(|event| event.rank == 2));
        let places = fields.row(judged.row);
        for (column, span) in self.texts.iter_mut().zip(places.texts) {
            column.push_span(bytes, span);
        }
        for (column, long) in self.longs.iter_mut().zip(Long::ALL) {
            column.push(fields.long(places, long));
        }
        self.measurements.push(bytes, event.map(|_| fields.measured(judged.row)));
        self.payload(bytes, row.raw, judged.is_duplicate());
    }

    /// Of a duplicate nothing is kept that the first has not told.
    fn payload(&mut self, bytes: &Bytes, raw: Span, is_duplicate: bool) {
        self.raw.push_span(bytes, if is_duplicate { Span::NONE } else { raw });
    }

    fn finish(self, now: Instant) -> Result<RecordBatch, ArrowError> {
        let day = i32::try_from(now.micros().div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX);
        let ingested = TimestampMicrosecondArray::from_value(now.micros(), self.rows);
        let text = |column: TextColumn| Ok::<ArrayRef, ArrowError>(Arc::new(column.texts()?));
        let [source, id, resource, resource_kind, parent, owner, project, site, region, more @ ..] =
            self.texts;
        let [incarnation, attributes, tags, twin, correction, target] = more;
        let [window_start, window_end, since, seconds] = self.longs;
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Date32Array::from_value(day, self.rows)),
            Arc::new(ingested.with_timezone("UTC")),
            text(self.origin)?,
            self.position.longs(),
            self.part.ints(),
            text(self.status)?,
            text(self.reason)?,
            text(self.error)?,
            text(self.system)?,
            self.bucket.ints(),
            text(source)?,
            text(id)?,
            self.content_hash.longs(),
            text(self.kind)?,
            self.rank.ints(),
            text(resource)?,
            text(resource_kind)?,
            text(parent)?,
            text(owner)?,
            text(project)?,
            text(site)?,
            text(region)?,
            self.time.instants(),
            window_start.instants(),
            window_end.instants(),
            since.instants(),
            seconds.longs(),
            text(self.state)?,
            self.terminal.flags(),
            text(incarnation)?,
            self.measurements.lists()?,
            text(attributes)?,
            text(tags)?,
            text(twin)?,
            text(correction)?,
            text(target)?,
            Arc::new(self.raw.payloads()?),
        ];
        RecordBatch::try_new(usage_events(), arrays)
    }
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
                let (prefix, rest) = parts(text.as_bytes());
                (prefix.to_owned(), first_bytes(rest), text.to_owned())
            };
            proptest::prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }
    }
}
