//! [`Cursor`]: the events of one run in order.

use std::fs::File;
use std::path::Path;

use super::block::{Block, Changes, Numbers};
use super::head::{Head, Measure};
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

/// An event that a cursor stands at.
pub(super) struct Event {
    pub(super) time: i64,
    /// The general fold has to look at this resource.
    pub(super) is_odd: bool,
    /// What it may say otherwise than the event before it in the same run.
    pub(super) says: Changes,
    pub(super) measures: Vec<Measure>,
    pub(super) rows: u64,
    /// Whether a correction took it back or replaced it.
    pub(super) masked: bool,
}

impl Event {
    pub(super) fn empty() -> Self {
        Self {
            time: 0,
            is_odd: false,
            says: Changes::All,
            measures: Vec::new(),
            rows: 0,
            masked: false,
        }
    }
}

/// Reads a run block by block, and in it resource by resource.
pub(super) struct Cursor {
    file: File,
    metadata: ParquetMetaData,
    /// The next row group to read.
    group: usize,
    block: Option<Block>,
    /// The stretch of the resource that it stands at, and where the stretch ends.
    stretch: usize,
    end: usize,
    row: usize,
    /// Whether it stands at the resource that is being read.
    own: bool,
    /// Of the row before, where it says the same as this one.
    head: Option<Head>,
    head_is_known: bool,
}

/// The bucket has to go the general way.
pub(super) struct Unread;

/// Which events a correction masks, by key.
pub(super) type Masked = std::collections::HashSet<String>;

impl Cursor {
    /// Stands at the first resource.
    pub(super) fn open(path: &Path, numbers: &mut Numbers, keys: bool) -> Result<Self, Unread> {
        let file = File::open(path).map_err(|_| Unread)?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).map_err(|_| Unread)?;
        let mut cursor = Self {
            file,
            metadata,
            group: 0,
            block: None,
            stretch: 0,
            end: 0,
            row: 0,
            own: false,
            head: None,
            head_is_known: false,
        };
        cursor.read_block(numbers, keys)?;
        Ok(cursor)
    }

    /// Stands at the start of the next block; false at the end.
    fn read_block(&mut self, numbers: &mut Numbers, keys: bool) -> Result<bool, Unread> {
        // The old block goes first: two would be held otherwise.
        if let Some(done) = self.block.take() {
            done.recycle(&mut numbers.pages.spare);
        }
        (self.stretch, self.row, self.end, self.head_is_known) = (0, 0, 0, false);
        if self.group >= self.metadata.num_row_groups() {
            return Ok(false);
        }
        let block = Block::read(&mut self.file, &self.metadata, self.group, keys, numbers);
        let block = block.ok_or(Unread)?;
        self.end = block.rows_of(0).ok_or(Unread)?.1;
        self.block = Some(block);
        self.group += 1;
        Ok(true)
    }

    /// The resource that it stands at.
    #[inline]
    pub(super) fn resource(&self) -> Option<&[u8]> {
        self.block.as_ref()?.resource(self.stretch)
    }

    /// The block and the rows of the resource that it stands at, where all of its rows are in there.
    /// Whoever takes them goes past them by [`Cursor::skip`].
    pub(super) fn stretch(&self) -> Option<(&Block, std::ops::Range<usize>)> {
        let block = self.block.as_ref()?;
        let is_whole = self.end < block.rows || self.group >= self.metadata.num_row_groups();
        is_whole.then_some((block, self.row..self.end))
    }

    /// Ends reading.
    pub(super) fn close(self, numbers: &mut Numbers) {
        if let Some(block) = self.block {
            block.recycle(&mut numbers.pages.spare);
        }
    }

    /// The resource that it stands at is read from now on.
    pub(super) fn begin(&mut self) {
        self.own = true;
    }

    /// Whether rows of the resource are left here; reads the next block where the resource goes on
    /// in it.
    #[inline]
    fn has_row(
        &mut self,
        resource: &[u8],
        numbers: &mut Numbers,
        keys: bool,
    ) -> Result<bool, Unread> {
        if self.row < self.end {
            return Ok(self.own);
        }
        if self.block.as_ref().is_none_or(|block| self.end < block.rows) {
            return Ok(false);
        }
        self.own &= self.read_block(numbers, keys)? && self.resource() == Some(resource);
        Ok(self.own)
    }

    /// Where the event that it stands at belongs among those of `resource`; `None` without one.
    pub(super) fn place(
        &mut self,
        resource: &[u8],
        numbers: &mut Numbers,
        keys: bool,
    ) -> Result<Option<(i64, u8)>, Unread> {
        if !self.has_row(resource, numbers, keys)? {
            return Ok(None);
        }
        let block = self.block.as_ref().ok_or(Unread)?;
        Ok(Some((block.time(self.row), block.rank(self.row))))
    }

    /// What the event that was read last says.
    #[inline]
    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Whether the event that it stands at is of `resource` and belongs before `until`.
    #[inline]
    pub(super) fn is_before(
        &mut self,
        until: (i64, u8),
        resource: &[u8],
        numbers: &mut Numbers,
        keys: bool,
    ) -> Result<bool, Unread> {
        if !self.has_row(resource, numbers, keys)? {
            return Ok(false);
        }
        let block = self.block.as_ref().ok_or(Unread)?;
        let time = block.time(self.row);
        Ok(time < until.0 || time == until.0 && block.rank(self.row) < until.1)
    }

    /// Reads the event that it stands at and goes past it; false where none of `resource` is left.
    pub(super) fn next(
        &mut self,
        resource: &[u8],
        masked: &Masked,
        numbers: &mut Numbers,
        event: &mut Event,
    ) -> Result<bool, Unread> {
        let keys = !masked.is_empty();
        if !self.has_row(resource, numbers, keys)? {
            return Ok(false);
        }
        let Some(block) = &self.block else { return Ok(false) };
        event.time = block.time(self.row);
        event.masked = keys
            && block
                .key(self.row)
                .and_then(|key| std::str::from_utf8(key).ok())
                .is_some_and(|key| masked.contains(key));
        event.measures.clear();
        event.rows = 0;
        let changes = if self.head_is_known { block.changes(self.row) } else { Changes::All };
        event.says = changes;
        match (changes, &self.head) {
            (Changes::Nothing, _) => {}
            // Who holds it is said by many columns, and changes rarely.
            (Changes::Head, Some(last)) => self.head = block.head(self.row, Some(last.said)),
            _ => self.head = block.head(self.row, None),
        }
        self.head_is_known = true;
        event.is_odd = self.head.is_none();
        while let Some(block) = &self.block {
            loop {
                match block.measure(self.row) {
                    Ok(Some(measure)) => event.measures.push(measure),
                    Ok(None) => {}
                    Err(()) => event.is_odd = true,
                }
                event.rows += 1;
                self.row += 1;
                if self.row >= self.end {
                    break;
                }
                if block.begins_event(self.row) {
                    return Ok(true);
                }
                // Rows of one event say the same; who reads the next one still has to look.
                self.head_is_known &= block.changes(self.row) == Changes::Nothing;
            }
            if self.end < block.rows {
                break;
            }
            // An event may go on in the next block.
            let origin = block.origin(self.row - 1);
            if !self.has_row(resource, numbers, keys)? {
                break;
            }
            let Some(block) = &self.block else { break };
            if block.time(self.row) != event.time {
                break;
            }
            match (origin, block.origin(self.row)) {
                (Some(one), Some(other)) if one == other => {}
                (Some(_), Some(_)) => break,
                // Nothing was read that could tell.
                _ => {
                    event.is_odd = true;
                    break;
                }
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
        while self.resource() == Some(resource) {
            let Some(block) = &self.block else { return Ok(()) };
            if self.row < self.end {
                // What lies between was not looked at.
                self.head_is_known = false;
            }
            if let Some((start, end)) = block.rows_of(self.stretch + 1) {
                // Stretches of one block are of different resources.
                self.stretch += 1;
                (self.row, self.end) = (start, end);
                return Ok(());
            }
            self.read_block(numbers, keys)?;
        }
        Ok(())
    }
}
