//! Columns that grow by a row at a time, in the order of the table.
//!
//! They differ from the builders of Arrow in what the usual row costs: a text that stands within
//! other bytes is copied in one move of a fixed length, and a column without a value costs a count.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Int32Array, Int64Array, ListArray, NullBufferBuilder,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use turnpike_schemas::arrow::measurement_fields;

use crate::fields::{Bytes, Measured, Span};

/// Texts or payloads.
#[derive(Debug)]
pub(crate) struct TextColumn {
    values: Vec<u8>,
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
    /// Rows before the first that has a value. Most columns of most sources have none.
    leading: usize,
    rows: usize,
    bytes: usize,
}

impl TextColumn {
    /// For as many rows, with as many bytes in all.
    pub fn new(rows: usize, bytes: usize) -> Self {
        let nulls = NullBufferBuilder::new(rows);
        Self { values: Vec::new(), ends: Vec::new(), nulls, leading: 0, rows, bytes }
    }

    #[inline]
    pub fn push(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.push_part(text.as_bytes(), 0, text.len()),
            None => self.push_null(),
        }
    }

    #[inline]
    pub fn push_span(&mut self, bytes: &Bytes, span: Span) {
        match bytes.place(span) {
            Some((bytes, start)) => self.push_part(bytes, start, span.len()),
            None => self.push_null(),
        }
    }

    #[inline]
    fn push_null(&mut self) {
        if self.ends.is_empty() {
            self.leading += 1;
        } else {
            self.nulls.append_null();
            self.end();
        }
    }

    #[inline]
    fn push_part(&mut self, bytes: &[u8], start: usize, length: usize) {
        if self.ends.is_empty() {
            self.begin();
        }
        // A copy of a fixed length is a few instructions, one of any length is a call.
        match bytes.get(start..start + 32).and_then(<[u8]>::first_chunk::<32>) {
            Some(more) if length <= 32 => {
                let end = self.values.len() + length;
                self.values.extend_from_slice(more);
                self.values.truncate(end);
            }
            _ => self.values.extend_from_slice(&bytes[start..start + length]),
        }
        self.nulls.append_non_null();
        self.end();
    }

    #[inline]
    fn end(&mut self) {
        // Of columns that are too long, `finish` says so.
        self.ends.push(i32::try_from(self.values.len()).unwrap_or(i32::MAX));
    }

    #[cold]
    fn begin(&mut self) {
        self.values.reserve(self.bytes + 32);
        self.ends.reserve(self.rows + 1);
        self.ends.resize(self.leading + 1, 0);
        self.nulls.append_n_nulls(self.leading);
    }

    fn parts(mut self) -> Result<Option<Parts>, ArrowError> {
        if self.ends.is_empty() {
            return Ok(None);
        }
        if i32::try_from(self.values.len()).is_err() {
            return Err(ArrowError::OffsetOverflowError(self.values.len()));
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        Ok(Some((offsets, Buffer::from_vec(self.values), self.nulls.finish())))
    }

    pub fn texts(self) -> Result<StringArray, ArrowError> {
        let leading = self.leading;
        Ok(match self.parts()? {
            Some((offsets, values, nulls)) => StringArray::try_new(offsets, values, nulls)?,
            None => StringArray::new_null(leading),
        })
    }

    pub fn payloads(self) -> Result<BinaryArray, ArrowError> {
        let leading = self.leading;
        Ok(match self.parts()? {
            Some((offsets, values, nulls)) => BinaryArray::try_new(offsets, values, nulls)?,
            None => BinaryArray::new_null(leading),
        })
    }
}

type Parts = (OffsetBuffer<i32>, Buffer, Option<NullBuffer>);

/// Numbers.
#[derive(Debug)]
pub(crate) struct NumberColumn<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
}

impl<T: Copy + Default> NumberColumn<T> {
    pub fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows) }
    }

    #[inline]
    pub fn push(&mut self, value: Option<T>) {
        self.values.push(value.unwrap_or_default());
        self.nulls.append(value.is_some());
    }
}

impl NumberColumn<i32> {
    pub fn ints(mut self) -> ArrayRef {
        Arc::new(Int32Array::new(self.values.into(), self.nulls.finish()))
    }
}

impl NumberColumn<i64> {
    pub fn longs(mut self) -> ArrayRef {
        Arc::new(Int64Array::new(self.values.into(), self.nulls.finish()))
    }

    pub fn instants(mut self) -> ArrayRef {
        let instants = TimestampMicrosecondArray::new(self.values.into(), self.nulls.finish());
        Arc::new(instants.with_timezone("UTC"))
    }
}

impl NumberColumn<bool> {
    pub fn flags(mut self) -> ArrayRef {
        Arc::new(BooleanArray::new(self.values.into(), self.nulls.finish()))
    }
}

/// Measurements: a list in each row, null in that of a dead letter.
#[derive(Debug)]
pub(crate) struct MeasurementColumn {
    meters: TextColumn,
    quantities: Vec<i64>,
    scales: Vec<i32>,
    flows: TextColumn,
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl MeasurementColumn {
    /// For as many rows, with as many measurements in all.
    pub fn new(rows: usize, count: usize, meter_bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self {
            meters: TextColumn::new(count, meter_bytes),
            quantities: Vec::with_capacity(count),
            scales: Vec::with_capacity(count),
            flows: TextColumn::new(count, count * 10),
            ends,
            nulls: NullBufferBuilder::new(rows),
        }
    }

    #[inline]
    pub fn push(&mut self, bytes: &Bytes, measured: Option<&[Measured]>) {
        for Measured { meter, quantity, scale, flow } in measured.unwrap_or_default() {
            self.meters.push_span(bytes, *meter);
            self.quantities.push(*quantity);
            self.scales.push(*scale);
            self.flows.push(Some(flow.as_str()));
        }
        self.nulls.append(measured.is_some());
        self.ends.push(i32::try_from(self.quantities.len()).unwrap_or(i32::MAX));
    }

    pub fn lists(mut self) -> Result<ArrayRef, ArrowError> {
        if i32::try_from(self.quantities.len()).is_err() {
            return Err(ArrowError::OffsetOverflowError(self.quantities.len()));
        }
        let fields = measurement_fields();
        let element = Field::new("element", DataType::Struct(fields.clone()), true);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.meters.texts()?),
            Arc::new(Int64Array::from(self.quantities)),
            Arc::new(Int32Array::from(self.scales)),
            Arc::new(self.flows.texts()?),
        ];
        let items = StructArray::try_new(fields, columns, None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        let list =
            ListArray::try_new(Arc::new(element), offsets, Arc::new(items), self.nulls.finish())?;
        Ok(Arc::new(list))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn texts_are_what_was_pushed() {
        let read = b"a text of some more bytes than are moved at once, and a little more".to_vec();
        let bytes = Bytes { read, written: b"short".to_vec() };
        let whole = Span::read(0, bytes.read.len());
        let spans = [
            Span::NONE,
            Span::NONE,
            Span::read(2, 4),
            Span::read(0, 0),
            whole,
            Span::read(bytes.read.len() - 4, 4),
            Span::NONE,
            Span::read(0, 32),
            Span::read(1, 33),
        ];
        let text = |span: &Span| bytes.get(*span).map(|text| String::from_utf8_lossy(text));
        let expect: StringArray = spans.iter().map(text).collect();
        for (rows, size) in [(0, 0), (spans.len(), 200)] {
            let mut column = TextColumn::new(rows, size);
            spans.iter().for_each(|span| column.push_span(&bytes, *span));
            let found = column.texts().expect("ASCII");
            assert_eq!(found, expect);
            assert_eq!(found.null_count(), 3);
        }
        let mut empty = TextColumn::new(2, 0);
        (0..2).for_each(|_| empty.push(None));
        assert_eq!(empty.texts().expect("nothing"), StringArray::new_null(2));
        let mut broken = TextColumn::new(1, 1);
        broken.push_span(&Bytes { read: vec![0xff], written: vec![] }, Span::read(0, 1));
        assert!(broken.texts().is_err());
    }
}
