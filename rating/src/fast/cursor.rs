//! [`Cursor`]: the events of one run in order.

use std::fs::File;
use std::path::Path;

use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use turnpike_schemas::Instant;

use super::block::{Block, Numbers};
use super::fold::{Head, Measure};

/// An event that a cursor stands at.
pub(super) struct Event {
    pub(super) time: i64,
    /// `None`: the general fold has to look at this resource.
    pub(super) head: Option<Head>,
    pub(super) measures: Vec<Measure>,
    pub(super) rows: u64,
    /// Whether a correction took it back or replaced it.
    pub(super) masked: bool,
}

impl Event {
    pub(super) fn empty() -> Self {
        Self { time: 0, head: None, measures: Vec::new(), rows: 0, masked: false }
    }
}

/// Reads a run block by block.
pub(super) struct Cursor {
    file: File,
    metadata: ParquetMetaData,
    group: usize,
    block: Option<Block>,
    row: usize,
    /// Of the row before, where it says the same as this one.
    head: Option<Head>,
    head_is_known: bool,
    /// The code, in this block, of the resource that is being read.
    own_code: Option<u32>,
}

/// The bucket has to go the general way.
pub(super) struct Unread;

/// Which events a correction masks, by key.
pub(super) type Masked = std::collections::HashSet<String>;

impl Cursor {
    pub(super) fn open(path: &Path) -> Result<Self, Unread> {
        let file = File::open(path).map_err(|_| Unread)?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).map_err(|_| Unread)?;
        Ok(Self {
            file,
            metadata,
            group: 0,
            block: None,
            row: 0,
            head: None,
            head_is_known: false,
            own_code: None,
        })
    }

    /// Stands at the next row, reading the next block where one ends; false at the end.
    pub(super) fn settle(&mut self, numbers: &mut Numbers, keys: bool) -> Result<bool, Unread> {
        while self.block.as_ref().is_none_or(|block| self.row >= block.rows) {
            if self.group >= self.metadata.num_row_groups() {
                self.block = None;
                return Ok(false);
            }
            // The old block goes first: two would be held otherwise.
            self.block = None;
            let block = Block::read(&mut self.file, &self.metadata, self.group, keys, numbers);
            self.block = Some(block.ok_or(Unread)?);
            self.group += 1;
            self.row = 0;
            self.head_is_known = false;
            self.own_code = None;
        }
        Ok(true)
    }

    /// The resource that it stands at.
    pub(super) fn resource(&self) -> Option<&[u8]> {
        self.block.as_ref().filter(|block| self.row < block.rows)?.resource(self.row)
    }

    /// Where the event that it stands at belongs among those of its resource.
    pub(super) fn place(&self) -> Option<(i64, u8)> {
        let block = self.block.as_ref().filter(|block| self.row < block.rows)?;
        Some((block.time(self.row), block.rank(self.row)))
    }

    /// Reads the event that it stands at, of `resource`, and goes past it; false where it stands at
    /// another resource or at the end.
    pub(super) fn next(
        &mut self,
        resource: &[u8],
        masked: &Masked,
        numbers: &mut Numbers,
        event: &mut Event,
    ) -> Result<bool, Unread> {
        let Some(block) = self.block.as_ref().filter(|block| self.row < block.rows) else {
            return Ok(false);
        };
        let code = block.resource_code(self.row);
        if self.own_code != Some(code) {
            if block.resource(self.row) != Some(resource) {
                return Ok(false);
            }
            self.own_code = Some(code);
        }
        let origin = block.origin(self.row);
        event.time = block.time(self.row);
        event.masked = !masked.is_empty()
            && block
                .key(self.row)
                .and_then(|key| std::str::from_utf8(key).ok())
                .is_some_and(|key| masked.contains(key));
        event.measures.clear();
        event.rows = 0;
        if !self.head_is_known || block.changes_head(self.row) {
            self.head = block.head(self.row);
            self.head_is_known = true;
        }
        // Whatever lies outside of the calendar is for the general way to refuse.
        event.head = self.head.filter(|_| Instant::from_micros(event.time).is_ok());
        while let Some(block) = &self.block {
            let code = block.resource_code(self.row);
            loop {
                match block.measure(self.row) {
                    Ok(Some(measure)) => event.measures.push(measure),
                    Ok(None) => {}
                    Err(()) => event.head = None,
                }
                event.rows += 1;
                self.row += 1;
                if self.row >= block.rows {
                    break;
                }
                if block.begins_event(self.row) || block.resource_code(self.row) != code {
                    return Ok(true);
                }
                // Rows of one event say the same; who reads the next one still has to look.
                self.head_is_known &= !block.changes_head(self.row);
            }
            // An event may go on in the next block.
            let goes_on = self.settle(numbers, !masked.is_empty())?
                && self.resource() == Some(resource)
                && self.block.as_ref().is_some_and(|block| block.origin(self.row) == origin);
            if !goes_on {
                break;
            }
        }
        Ok(true)
    }

    /// Goes past all rows of a resource.
    pub(super) fn skip(
        &mut self,
        resource: &[u8],
        keys: bool,
        numbers: &mut Numbers,
    ) -> Result<(), Unread> {
        self.own_code = None;
        while self.resource() == Some(resource) {
            let Some(block) = &self.block else { return Ok(()) };
            let code = block.resource_code(self.row);
            while self.row < block.rows && block.resource_code(self.row) == code {
                self.head_is_known = false;
                self.row += 1;
            }
            self.settle(numbers, keys)?;
        }
        Ok(())
    }
}
