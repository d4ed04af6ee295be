//! Reading columns of Arrow batches by name. A missing column or a value of another type reads as
//! absent: what is shown to people must not stop at an odd file.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use turnpike_schemas::Instant;

/// One row of a batch.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    batch: &'a RecordBatch,
    index: usize,
}

/// All rows of batches.
pub fn rows(batches: &[RecordBatch]) -> impl Iterator<Item = Row<'_>> {
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |index| Row { batch, index }))
}

impl<'a> Row<'a> {
    fn column(&self, name: &str) -> Option<&'a dyn Array> {
        let column = self.batch.column_by_name(name)?;
        column.is_valid(self.index).then_some(column.as_ref())
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        let column = self.column(name)?;
        match (column.as_string_opt::<i32>(), column.as_string_view_opt()) {
            (Some(strings), _) => Some(strings.value(self.index)),
            (None, Some(strings)) => Some(strings.value(self.index)),
            (None, None) => None,
        }
    }

    pub fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        let column = self.column(name)?;
        match (column.as_binary_opt::<i32>(), column.as_binary_view_opt()) {
            (Some(bytes), _) => Some(bytes.value(self.index)),
            (None, Some(bytes)) => Some(bytes.value(self.index)),
            (None, None) => None,
        }
    }

    pub fn long(&self, name: &str) -> Option<i64> {
        Some(self.column(name)?.as_primitive_opt::<Int64Type>()?.value(self.index))
    }

    pub fn int(&self, name: &str) -> Option<i32> {
        Some(self.column(name)?.as_primitive_opt::<Int32Type>()?.value(self.index))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.column(name)
            .and_then(|column| column.as_boolean_opt())
            .is_some_and(|flags| flags.value(self.index))
    }

    pub fn micros(&self, name: &str) -> Option<i64> {
        Some(self.column(name)?.as_primitive_opt::<TimestampMicrosecondType>()?.value(self.index))
    }

    pub fn instant(&self, name: &str) -> Option<Instant> {
        Instant::from_micros(self.micros(name)?).ok()
    }

    /// A list of structs as a batch of its own.
    pub fn list(&self, name: &str) -> Option<RecordBatch> {
        let list = self.column(name)?.as_list_opt::<i32>()?.value(self.index);
        Some(RecordBatch::from(list.as_struct_opt()?))
    }
}

/// Where a row of `usage_events` was read: its origin, shortened where it is a hash, and position.
pub fn place(origin: &str, position: i64) -> String {
    match origin.strip_prefix("file:") {
        Some(hash) => format!("file:{}@{position}", hash.get(..12).unwrap_or(hash)),
        None => format!("{origin}@{position}"),
    }
}
