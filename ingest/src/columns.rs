//! [`Columns`]: the columns of decoded events that do not depend on what became of them, and the
//! gathering of such columns of several blocks into one order.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int32Array, Int64Array, Int64Builder, ListArray, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use turnpike_schemas::Flow;
use turnpike_schemas::arrow::measurement_fields;
use turnpike_schemas::event::CorrectionAction;

use crate::flat::Flat;

/// A row of a block: the number of the block and the row's place in it.
pub(crate) type Place = (usize, usize);

/// Columns of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Source,
    Id,
    Resource,
    ResourceKind,
    Parent,
    Owner,
    Project,
    Site,
    Region,
    Incarnation,
    Attributes,
    Tags,
    Twin,
    Correction,
    Target,
}

/// Columns of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Long {
    WindowStart,
    WindowEnd,
    Since,
    Seconds,
}

const TEXTS: usize = Text::Target as usize + 1;
const LONGS: usize = Long::Seconds as usize + 1;

/// Columns that grow by a row at a time.
#[derive(Debug, Default)]
pub(crate) struct Open {
    rows: usize,
    texts: [LazyTexts; TEXTS],
    longs: [LazyLongs; LONGS],
    meters: StringBuilder,
    quantities: Vec<i64>,
    scales: Vec<i32>,
    flows: StringBuilder,
    /// Where the measurements of each row end.
    ends: Vec<i32>,
}

/// A column that costs nothing while it is empty: most columns of most sources are.
#[derive(Debug, Default)]
struct LazyTexts {
    nulls: usize,
    some: Option<StringBuilder>,
}

#[derive(Debug, Default)]
struct LazyLongs {
    nulls: usize,
    some: Option<Int64Builder>,
}

impl LazyTexts {
    fn push(&mut self, value: Option<&str>) {
        match (&mut self.some, value) {
            (Some(builder), value) => builder.append_option(value),
            (None, None) => self.nulls += 1,
            (None, Some(value)) => {
                let mut builder = StringBuilder::new();
                (0..self.nulls).for_each(|_| builder.append_null());
                builder.append_value(value);
                self.some = Some(builder);
            }
        }
    }
}

impl LazyLongs {
    fn push(&mut self, value: Option<i64>) {
        match (&mut self.some, value) {
            (Some(builder), value) => builder.append_option(value),
            (None, None) => self.nulls += 1,
            (None, Some(value)) => {
                let mut builder = Int64Builder::new();
                builder.append_nulls(self.nulls);
                builder.append_value(value);
                self.some = Some(builder);
            }
        }
    }
}

impl Open {
    pub fn push(&mut self, flat: &Flat<'_>) {
        self.rows += 1;
        let window = flat.window;
        let texts = [
            Some(flat.source),
            Some(flat.id),
            flat.resource,
            Some(flat.resource_kind),
            flat.parent,
            flat.owner,
            flat.project,
            flat.site,
            flat.region,
            flat.incarnation,
            flat.attributes,
            flat.tags,
            flat.twin,
            flat.correction.map(CorrectionAction::as_str),
            flat.target,
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text);
        }
        let longs = [
            window.map(|window| window.start.micros()),
            window.map(|window| window.end.micros()),
            flat.since.map(|since| since.micros()),
            flat.seconds,
        ];
        for (column, long) in self.longs.iter_mut().zip(longs) {
            column.push(long);
        }
        for measurement in flat.measurements {
            self.meters.append_value(measurement.meter);
            self.quantities.push(measurement.quantity);
            self.scales.push(i32::try_from(measurement.scale).expect("a scale is at most 9"));
            self.flows.append_value(Flow::as_str(measurement.flow));
        }
        self.end_row();
    }

    /// The row of a dead letter.
    pub fn push_nothing(&mut self) {
        self.rows += 1;
        self.texts.iter_mut().for_each(|column| column.push(None));
        self.longs.iter_mut().for_each(|column| column.push(None));
        self.end_row();
    }

    fn end_row(&mut self) {
        let end = i32::try_from(self.quantities.len()).expect("a block is far smaller");
        self.ends.push(end);
    }

    pub fn finish(mut self) -> Columns {
        Columns {
            rows: self.rows,
            texts: self.texts.map(|column| column.some.map(|mut builder| builder.finish())),
            longs: self.longs.map(|column| column.some.map(|mut builder| builder.finish())),
            meters: self.meters.finish(),
            quantities: self.quantities,
            scales: self.scales,
            flows: self.flows.finish(),
            ends: self.ends,
        }
    }
}

/// Columns of the events of a block; `None` where none of them has a value.
#[derive(Debug)]
pub(crate) struct Columns {
    rows: usize,
    texts: [Option<StringArray>; TEXTS],
    longs: [Option<Int64Array>; LONGS],
    meters: StringArray,
    quantities: Vec<i64>,
    scales: Vec<i32>,
    flows: StringArray,
    ends: Vec<i32>,
}

impl Default for Columns {
    fn default() -> Self {
        Open::default().finish()
    }
}

impl Columns {
    /// The text of a row, which has one.
    pub fn text(&self, column: Text, row: usize) -> Option<&str> {
        let array = self.texts[column as usize].as_ref()?;
        array.is_valid(row).then(|| array.value(row))
    }

    fn measurements(&self, row: usize) -> std::ops::Range<usize> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        let place = |end: i32| usize::try_from(end).expect("counted up from zero");
        place(start)..place(self.ends[row])
    }
}

/// One column of text of several blocks, in the order of the places.
pub(crate) fn texts(
    blocks: &[&Columns],
    column: Text,
    order: &[Place],
) -> Result<ArrayRef, ArrowError> {
    let at = column as usize;
    if blocks.iter().all(|block| block.texts[at].is_none()) {
        return Ok(Arc::new(StringArray::new_null(order.len())));
    }
    let empty: Vec<StringArray> =
        blocks.iter().map(|block| StringArray::new_null(rows_if(block, at))).collect();
    let arrays = blocks.iter().zip(&empty);
    let arrays = arrays.map(|(block, empty)| block.texts[at].as_ref().unwrap_or(empty));
    let arrays: Vec<&dyn Array> = arrays.map(|array| array as &dyn Array).collect();
    interleave(&arrays, order)
}

/// Rows of the stand-in for a column that a block has not.
fn rows_if(block: &Columns, at: usize) -> usize {
    if block.texts[at].is_none() { block.rows } else { 0 }
}

/// One column of numbers of several blocks, in the order of the places.
pub(crate) fn longs(blocks: &[&Columns], column: Long, order: &[Place]) -> Int64Array {
    let at = column as usize;
    if blocks.iter().all(|block| block.longs[at].is_none()) {
        return Int64Array::new_null(order.len());
    }
    let value = |(block, row): &Place| {
        let array = blocks[*block].longs[at].as_ref()?;
        array.is_valid(*row).then(|| array.value(*row))
    };
    order.iter().map(value).collect()
}

/// The same as instants.
pub(crate) fn instants(blocks: &[&Columns], column: Long, order: &[Place]) -> ArrayRef {
    let longs = longs(blocks, column, order);
    let (_, values, nulls) = longs.into_parts();
    Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone("UTC"))
}

/// Instants that every row has, or no value for a dead letter.
pub(crate) fn instants_of(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let mut builder = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

/// The measurements of several blocks, in the order of the places; null where `has` says so.
pub(crate) fn measurements(
    blocks: &[&Columns],
    order: &[Place],
    has: Vec<bool>,
) -> Result<ArrayRef, ArrowError> {
    let count: usize = blocks.iter().map(|block| block.quantities.len()).sum();
    let mut offsets: Vec<i32> = Vec::with_capacity(order.len() + 1);
    let (mut meters, mut flows) = (StringBuilder::new(), StringBuilder::new());
    let mut quantities: Vec<i64> = Vec::with_capacity(count);
    let mut scales: Vec<i32> = Vec::with_capacity(count);
    offsets.push(0);
    for (block, row) in order {
        let block = blocks[*block];
        for at in block.measurements(*row) {
            meters.append_value(block.meters.value(at));
            quantities.push(block.quantities[at]);
            scales.push(block.scales[at]);
            flows.append_value(block.flows.value(at));
        }
        let end = i32::try_from(quantities.len());
        offsets.push(end.map_err(|_| ArrowError::OffsetOverflowError(quantities.len()))?);
    }
    let fields = measurement_fields();
    let element = Field::new("element", DataType::Struct(fields.clone()), true);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(meters.finish()),
        Arc::new(Int64Array::from(quantities)),
        Arc::new(Int32Array::from(scales)),
        Arc::new(flows.finish()),
    ];
    let items = StructArray::try_new(fields, columns, None)?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let nulls = NullBuffer::from(has);
    let list = ListArray::try_new(Arc::new(element), offsets, Arc::new(items), Some(nulls))?;
    Ok(Arc::new(list))
}
