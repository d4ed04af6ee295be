//! [`LineColumns`]: the `rated_lines` table, filled line by line without a line of its own.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use ethnum::I256;
use turnpike_schemas::{Aggregation, arrow as tables};

use super::LINES;
use crate::error::RatingError;
use crate::line_view::LineView;

/// Columns of text, in the order of the table.
const TEXTS: [&str; 21] = [
    "run",
    "line_id",
    "kind",
    "account",
    "seller",
    "project",
    "site",
    "resource",
    "resource_kind",
    "meter",
    "service",
    "detail",
    "attributes",
    "tariff",
    "tariff_version",
    "agreement",
    "tax_category",
    "aggregation",
    "unit",
    "per",
    "currency",
];

/// The table's columns as far as they are filled.
#[derive(Debug, Default)]
pub(crate) struct LineColumns {
    texts: [TextColumn; TEXTS.len()],
    quantity: Vec<i128>,
    amount_numerator: Vec<i128>,
    amount_denominator: Vec<i128>,
    scale: Vec<i32>,
    seconds: Vec<i64>,
    price_nano: Vec<i64>,
    unit_base: Vec<i64>,
    per_seconds: Vec<i64>,
    service_start: Vec<i64>,
    service_end: Vec<i64>,
    intervals: Vec<i64>,
    estimated: Vec<bool>,
}

impl LineColumns {
    pub(crate) fn len(&self) -> usize {
        self.quantity.len()
    }

    /// What was put so far; as much room is made for what comes next.
    pub(crate) fn take_batch(&mut self) -> Result<RecordBatch, RatingError> {
        let next = self.with_room_for_as_much();
        std::mem::replace(self, next).into_batch()
    }

    fn with_room_for_as_much(&self) -> Self {
        let rows = self.len();
        Self {
            texts: std::array::from_fn(|at| {
                let bytes = Vec::with_capacity(self.texts[at].bytes.len());
                let ends = Vec::with_capacity(rows);
                TextColumn { bytes, ends, missing: Vec::new() }
            }),
            quantity: Vec::with_capacity(rows),
            amount_numerator: Vec::with_capacity(rows),
            amount_denominator: Vec::with_capacity(rows),
            scale: Vec::with_capacity(rows),
            seconds: Vec::with_capacity(rows),
            price_nano: Vec::with_capacity(rows),
            unit_base: Vec::with_capacity(rows),
            per_seconds: Vec::with_capacity(rows),
            service_start: Vec::with_capacity(rows),
            service_end: Vec::with_capacity(rows),
            intervals: Vec::with_capacity(rows),
            estimated: Vec::with_capacity(rows),
        }
    }

    pub(crate) fn put(&mut self, line: &LineView<'_>) -> Result<(), RatingError> {
        let terms = line.terms;
        let texts = [
            Some(line.run.as_str()),
            Some(line.line_id),
            Some(terms.kind.as_str()),
            Some(line.account.as_str()),
            Some(line.seller.as_str()),
            line.project,
            terms.site,
            Some(line.resource),
            Some(terms.resource_kind),
            Some(terms.meter.as_str()),
            Some(terms.service),
            Some(&*terms.detail),
            Some(terms.attributes_text.as_str()),
            Some(terms.tariff.as_str()),
            Some(terms.tariff_version.as_str()),
            terms.agreement.map(|agreement| agreement.as_str()),
            Some(terms.tax_category.as_str()),
            Some(match terms.aggregation {
                Aggregation::Held => "held",
                Aggregation::Sum => "sum",
            }),
            Some(terms.unit.name.as_str()),
            Some(terms.per.as_str()),
            Some(terms.currency.code()),
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.put(text);
        }
        let row = self.quantity.len();
        let narrow = |value: I256| {
            i128::try_from(value).map_err(|_| RatingError::Column {
                table: LINES,
                column: "amount",
                row,
                problem: format!("{} does not fit in 38 digits", line.amount),
            })
        };
        self.amount_numerator.push(narrow(line.amount.numerator())?);
        self.amount_denominator.push(narrow(line.amount.denominator())?);
        self.quantity.push(line.quantity);
        self.scale.push(i32::try_from(terms.scale).unwrap_or(i32::MAX));
        self.seconds.push(line.seconds);
        self.price_nano.push(terms.price_nano);
        self.unit_base.push(terms.unit.base_units);
        self.per_seconds.push(terms.per_seconds);
        self.service_start.push(line.service_period.start().micros());
        self.service_end.push(line.service_period.end().micros());
        self.intervals.push(line.intervals);
        self.estimated.push(terms.estimated);
        Ok(())
    }

    pub(crate) fn into_batch(self) -> Result<RecordBatch, RatingError> {
        let mut texts = self.texts.into_iter().zip(TEXTS);
        let mut numbers: Vec<(&str, ArrayRef)> = vec![
            ("quantity", wide(self.quantity)?),
            ("scale", Arc::new(Int32Array::from(self.scale))),
            ("seconds", Arc::new(Int64Array::from(self.seconds))),
            ("price_nano", Arc::new(Int64Array::from(self.price_nano))),
            ("unit_base", Arc::new(Int64Array::from(self.unit_base))),
            ("per_seconds", Arc::new(Int64Array::from(self.per_seconds))),
            ("amount_numerator", wide(self.amount_numerator)?),
            ("amount_denominator", wide(self.amount_denominator)?),
            ("service_start", instants(self.service_start)),
            ("service_end", instants(self.service_end)),
            ("intervals", Arc::new(Int64Array::from(self.intervals))),
            ("estimated", Arc::new(BooleanArray::from(self.estimated))),
        ];
        numbers.reverse();
        let schema = tables::rated_lines();
        let mut columns = Vec::with_capacity(schema.fields().len());
        // The table's order, in which both kinds of columns stand as well.
        for field in schema.fields() {
            match numbers.pop_if(|(name, _)| *name == field.name().as_str()) {
                Some((_, array)) => columns.push(array),
                None => {
                    if let Some((column, name)) = texts.next() {
                        columns.push(Arc::new(column.into_array(name)?));
                    }
                }
            }
        }
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

fn wide(values: Vec<i128>) -> Result<ArrayRef, RatingError> {
    let array = Decimal128Array::from(values).with_precision_and_scale(38, 0)?;
    array.validate_decimal_precision(38)?;
    Ok(Arc::new(array))
}

fn instants(micros: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
}

/// Texts one after another, and where each ends.
#[derive(Debug, Default)]
struct TextColumn {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Rows without a text.
    missing: Vec<usize>,
}

impl TextColumn {
    #[inline]
    fn put(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.bytes.extend_from_slice(text.as_bytes()),
            None => self.missing.push(self.ends.len()),
        }
        self.ends.push(self.bytes.len());
    }

    fn into_array(self, column: &'static str) -> Result<StringArray, RatingError> {
        let rows = self.ends.len();
        let too_long = |_| RatingError::Column {
            table: LINES,
            column,
            row: rows,
            problem: "its texts are longer than 2 GiB".to_owned(),
        };
        let ends = std::iter::once(0).chain(self.ends).map(i32::try_from);
        let offsets = ends.collect::<Result<Vec<i32>, _>>().map_err(too_long)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let nulls = (!self.missing.is_empty()).then(|| {
            let mut valid = vec![true; rows];
            for row in &self.missing {
                valid[*row] = false;
            }
            NullBuffer::from(valid)
        });
        Ok(StringArray::try_new(offsets, self.bytes.into(), nulls)?)
    }
}
