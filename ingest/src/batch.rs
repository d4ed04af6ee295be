//! [`Batcher`]: collects decoded records of any number of source partitions and hands them out as
//! one commit: rows, and how far each partition has come.
//!
//! Whoever drives it commits each [`Batch`] in order, or calls [`Batcher::rollback`] and opens the
//! partitions again at what the table says. Blocks may be decoded elsewhere and come in late: what
//! belongs to a partition that was closed since, or opened anew, is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use turnpike_lake::{AppId, EncodedEvents, EventsEncoder, OffsetAdvance};
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::status;

pub(crate) use crate::block::Prepared;
use crate::block::{Block, BlockBuilder, ROW_BYTES, Row, What};
use crate::counts::Counts;
use crate::decode::DecodeContext;
#[cfg(test)]
use crate::decode::Record;
use crate::error::IngestError;
use crate::fast::Meters;
#[cfg(test)]
use crate::fields::Text;
use crate::filter::{Filter, Key, Verdict};
use crate::settings::IngestSettings;
use crate::spare::Spare;
use crate::{reason, writer};

/// A row of which it is known what became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    /// Its block, by number within the batch.
    pub block: u32,
    /// The row within the block.
    pub row: u32,
    /// `None`: a dead letter. A new event is one that the filter remembers because of this row.
    verdict: Option<Verdict>,
}

impl Judged {
    pub fn block<'b>(&self, blocks: &'b [Block]) -> &'b Block {
        &blocks[self.block as usize]
    }

    pub fn row<'b>(&self, blocks: &'b [Block]) -> &'b Row {
        &self.block(blocks).rows[self.row as usize]
    }

    pub fn status(&self) -> &'static str {
        match self.verdict {
            Some(Verdict::New) => status::ACCEPTED,
            Some(Verdict::Duplicate) => status::DUPLICATE,
            Some(Verdict::Conflict) => status::CONFLICT,
            None => status::DEAD,
        }
    }

    pub fn is_duplicate(&self) -> bool {
        self.verdict == Some(Verdict::Duplicate)
    }

    /// Why it is dead, or what is peculiar about it. Of a duplicate nothing is kept that the first
    /// has not told.
    pub fn reason(&self, row: &Row) -> Option<&'static str> {
        match (&row.what, self.verdict) {
            (What::Dead { code, .. }, _) => Some(*code),
            (What::Event(event), Some(Verdict::New)) if event.bucket.is_none() => {
                Some(reason::UNMETERED)
            }
            (What::Event(_), _) => None,
        }
    }

    /// The identity that the filter remembers because of this row.
    fn remembered(&self, row: &Row) -> Option<Key> {
        match &row.what {
            What::Event(event) => (self.verdict == Some(Verdict::New)).then_some(event.key),
            What::Dead { .. } => None,
        }
    }
}

/// What one commit takes.
#[derive(Debug)]
pub(crate) struct Batch {
    pub rows: RecordBatch,
    pub advances: Vec<OffsetAdvance>,
    pub counts: Counts,
    /// Batches of one batcher count up.
    pub sequence: u64,
}

/// The same, ready to be written.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub events: EncodedEvents,
    pub advances: Vec<OffsetAdvance>,
    pub counts: Counts,
    pub sequence: u64,
    /// When it was taken.
    pub now: Instant,
}

/// Rows that are built and encoded together: their payloads fit into a processor's cache.
const ENCODED_ROWS: usize = 4_096;

/// What became of one event, for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg(test)]
pub(crate) struct Told<'b> {
    pub status: &'static str,
    pub reason: Option<&'static str>,
    pub error: Option<&'b str>,
    pub source: Option<&'b str>,
    pub id: Option<&'b str>,
}

/// How far a partition has come: what the table says, and where the buffer ends.
#[derive(Debug, Clone, Copy)]
struct Span {
    opening: u64,
    start: Option<i64>,
    next: Option<i64>,
}

/// What one commit takes, not built yet: sorting and writing the columns needs no [`Batcher`].
#[derive(Debug)]
pub(crate) struct Unbuilt {
    blocks: Vec<Block>,
    rows: Vec<Judged>,
    advances: Vec<OffsetAdvance>,
    records: u64,
    bytes: u64,
    spare: Spare,
    pub sequence: u64,
}

impl Unbuilt {
    pub fn build(self, now: Instant) -> Result<Batch, IngestError> {
        let Self { blocks, rows, advances, records, bytes, spare, sequence } = self;
        let counts = Counts { records, bytes, ..Counts::of(&blocks, &rows) };
        let mut batch = None;
        writer::record_batches(&blocks, &rows, now, usize::MAX, &mut |rows| {
            batch = Some(rows);
            Ok(())
        })?;
        let rows = batch.expect("no rows are a batch too");
        spare.keep(blocks);
        Ok(Batch { rows, advances, counts, sequence })
    }

    /// Builds a few rows at a time and encodes them while they are in the processor's cache.
    pub fn encode(self, now: Instant, mut encoder: EventsEncoder) -> Result<Encoded, IngestError> {
        let Self { blocks, rows, advances, records, bytes, spare, sequence } = self;
        let counts = Counts { records, bytes, ..Counts::of(&blocks, &rows) };
        let failed = |source| IngestError::Lake { operation: "encode events", source };
        writer::record_batches(&blocks, &rows, now, ENCODED_ROWS, &mut |rows| {
            encoder.push(&rows).map_err(failed)
        })?;
        spare.keep(blocks);
        let events = encoder.finish().map_err(failed)?;
        Ok(Encoded { events, advances, counts, sequence, now })
    }
}

pub(crate) struct Batcher {
    pub context: DecodeContext,
    buckets: u32,
    meters: Arc<Meters>,
    flush_bytes: usize,
    flush_rows: usize,
    filter: Filter,
    /// Records that were pushed one by one and are not judged yet.
    open: BlockBuilder,
    spare: Spare,
    blocks: Vec<Block>,
    rows: Vec<Judged>,
    spans: BTreeMap<Arc<str>, Span>,
    openings: u64,
    bytes: usize,
    payload: u64,
    records: u64,
    sequence: u64,
}

/// Rows whose places in the filter are looked up together.
const TOUCHED: usize = 32;

/// Rows that are judged together where they come one by one.
const OPEN_ROWS: usize = 2_048;
const OPEN_BYTES: usize = 16 << 20;

impl Batcher {
    pub fn new(settings: &IngestSettings, buckets: u32, now: Instant) -> Self {
        let meters = Arc::new(Meters::new(&settings.meters));
        let spare = Spare::default();
        Self {
            context: DecodeContext::new(settings, now),
            buckets,
            open: BlockBuilder::new(buckets, Arc::clone(&meters), spare.clone()),
            spare,
            meters,
            flush_bytes: settings.flush_bytes,
            flush_rows: settings.flush_rows,
            filter: Filter::new(settings.filter_events_max),
            blocks: Vec::new(),
            rows: Vec::new(),
            spans: BTreeMap::new(),
            openings: 0,
            bytes: 0,
            payload: 0,
            records: 0,
            sequence: 0,
        }
    }

    /// Begins a partition at what the table says of it. What is told apart by the number that this
    /// returns are the records of this opening and of an earlier one.
    pub fn open(&mut self, origin: Arc<str>, start: Option<i64>) -> u64 {
        self.openings += 1;
        self.spans.insert(origin, Span { opening: self.openings, start, next: None });
        self.openings
    }

    /// Rows that are committed together: blocks are not to be larger.
    pub fn flush_rows(&self) -> usize {
        self.flush_rows.max(1)
    }

    /// An empty buffer, with the memory of one that was written if there is any.
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.buffer()
    }

    /// A builder of blocks for this batcher.
    pub fn builder(&self) -> BlockBuilder {
        BlockBuilder::new(self.buckets, Arc::clone(&self.meters), self.spare.clone())
    }

    /// The number of the last opening of a partition.
    pub fn opening(&self, origin: &str) -> u64 {
        self.spans.get(origin).map_or(0, |span| span.opening)
    }

    /// What became of the buffered events from the one number `from` on, in the order in which they
    /// came.
    #[cfg(test)]
    pub fn told(&mut self, from: usize) -> impl ExactSizeIterator<Item = Told<'_>> {
        self.seal();
        let Self { blocks, rows, .. } = self;
        let blocks: &[Block] = blocks;
        rows[from.min(rows.len())..].iter().map(move |row| {
            let block = row.block(blocks);
            let text = |text| std::str::from_utf8(block.text(row.row, text)?).ok();
            Told {
                status: row.status(),
                reason: row.reason(row.row(blocks)),
                error: match &row.row(blocks).what {
                    What::Dead { error, .. } => Some(block.errors[*error as usize].as_str()),
                    What::Event(_) => None,
                },
                source: text(Text::Source),
                id: text(Text::Id),
            }
        })
    }

    /// Decodes a record of an open partition.
    #[cfg(test)]
    pub fn push(&mut self, origin: &Arc<str>, position: i64, record: &Record<'_>) {
        let slot = self.open.slot(origin, self.opening(origin));
        self.open.add(slot, position, record, None, &self.context);
        self.seal_if_large();
    }

    pub fn push_prepared(&mut self, origin: &Arc<str>, position: i64, prepared: Prepared) {
        let slot = self.open.slot(origin, self.opening(origin));
        self.open.add_prepared(slot, position, prepared);
        self.seal_if_large();
    }

    fn seal_if_large(&mut self) {
        if self.open.rows() >= OPEN_ROWS || self.open.bytes() >= OPEN_BYTES {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if self.open.slots().iter().any(|slot| slot.records > 0) {
            let block = self.open.finish(Vec::new());
            self.push_block(block);
        }
    }

    /// Takes in decoded records, in the order of their partitions.
    pub fn push_block(&mut self, block: Block) {
        let number = u32::try_from(self.blocks.len()).expect("a batch has few blocks");
        let mut ours = Vec::with_capacity(block.slots.len());
        for slot in &block.slots {
            let span = self.spans.get_mut(&slot.origin);
            let span = span.filter(|span| span.opening == slot.opening && slot.records > 0);
            ours.push(span.is_some());
            if let Some(span) = span {
                span.next = span.next.max(Some(slot.next));
                self.records += slot.records;
                self.payload += slot.bytes;
            }
        }
        self.rows.reserve(block.rows.len());
        for (part, first) in block.rows.chunks(TOUCHED).zip((0..).step_by(TOUCHED)) {
            self.filter.touch(part.iter().filter_map(|row| Some(row.what.event()?.key)));
            for (row, at) in part.iter().zip(first..) {
                if ours[row.slot as usize] {
                    let verdict = row.what.event().map(|event| {
                        self.filter.judge(event.key, event.content_hash, self.sequence)
                    });
                    self.bytes += row_bytes(row);
                    self.rows.push(Judged { block: number, row: at, verdict });
                }
            }
        }
        self.blocks.push(block);
    }

    /// Moves a partition on without a row, past what holds no record.
    pub fn advance(&mut self, origin: &Arc<str>, next: i64) {
        let span = self.spans.get_mut(origin).expect("records come of open partitions only");
        span.next = span.next.max(Some(next));
    }

    /// Some partition has come further than the table says.
    pub fn has_progress(&self) -> bool {
        let is_open = |slot: &crate::block::Slot| slot.records > 0;
        self.spans.values().any(|span| span.next.is_some()) || self.open.slots().iter().any(is_open)
    }

    pub fn is_full(&self) -> bool {
        self.bytes + self.open.bytes() >= self.flush_bytes
            || self.rows.len() + self.open.rows() >= self.flush_rows
    }

    /// Closes a partition and drops what is buffered of it.
    pub fn close(&mut self, origin: &str) {
        self.seal();
        self.spans.remove(origin);
        let Self { filter, blocks, rows, .. } = self;
        rows.retain(|judged| {
            let row = judged.row(blocks);
            let slot = &judged.block(blocks).slots[row.slot as usize];
            let keep = slot.origin.as_ref() != origin;
            if let (false, Some(key)) = (keep, judged.remembered(row)) {
                filter.forget(key);
            }
            keep
        });
        self.bytes = rows.iter().map(|judged| row_bytes(judged.row(blocks))).sum();
    }

    /// The number of the next batch.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The buffer as one commit; `None` where there is neither a row nor progress.
    pub fn take(&mut self, now: Instant) -> Result<Option<Batch>, IngestError> {
        self.take_unbuilt().map(|unbuilt| unbuilt.build(now)).transpose()
    }

    /// The buffer as one commit that is still to be built.
    pub fn take_unbuilt(&mut self) -> Option<Unbuilt> {
        self.seal();
        if !self.has_progress() {
            return None;
        }
        let mut advances = Vec::new();
        for (origin, span) in &mut self.spans {
            if let Some(end) = span.next.take() {
                let app = AppId::new(origin.as_ref());
                advances.push(OffsetAdvance { app, start: span.start, end });
                span.start = Some(end);
            }
        }
        let sequence = self.sequence;
        self.sequence += 1;
        self.bytes = 0;
        Some(Unbuilt {
            blocks: std::mem::take(&mut self.blocks),
            rows: std::mem::take(&mut self.rows),
            advances,
            records: std::mem::take(&mut self.records),
            bytes: std::mem::take(&mut self.payload),
            spare: self.spare.clone(),
            sequence,
        })
    }

    /// Forgets the batch `sequence`, which was not committed, all after it, what is buffered, and
    /// every partition.
    pub fn rollback(&mut self, sequence: u64) {
        // Its block is dropped: no partition of it will be open.
        self.spans.clear();
        self.seal();
        self.filter.forget_from(sequence);
        self.rows.clear();
        self.blocks.clear();
        self.bytes = 0;
        self.payload = 0;
        self.records = 0;
    }
}

fn row_bytes(row: &Row) -> usize {
    row.raw.len() + ROW_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::store::{event, now};

    fn batcher() -> (Batcher, Arc<str>) {
        let batcher = Batcher::new(&IngestSettings::default(), 4, now());
        (batcher, "kafka:c:t:0:0".into())
    }

    #[test]
    fn a_gap_is_one_row_and_the_progress_past_it() {
        let (mut batcher, origin) = batcher();
        batcher.open(Arc::clone(&origin), Some(3));
        batcher.push_prepared(&origin, 3, Prepared::gap("3 to 10".to_owned(), Vec::new()));
        batcher.advance(&origin, 10);
        batcher.push(&origin, 10, &Record::of(event("1", 1).as_bytes()));
        let batch = batcher.take(now()).expect("builds").expect("a batch");
        let app = AppId::new(origin.as_ref());
        assert_eq!(batch.advances, [OffsetAdvance { app, start: Some(3), end: 11 }]);
        let report = batch.counts.report();
        assert_eq!((report.read, report.accepted, report.dead), (2, 1, 1));
        assert_eq!(report.dead_by_reason[reason::GAP], 1);
    }

    #[test]
    fn what_was_read_before_a_partition_was_taken_away_never_comes_in() {
        let (mut batcher, origin) = batcher();
        let other: Arc<str> = "kafka:c:t:0:1".into();
        let before = batcher.open(Arc::clone(&origin), Some(0));
        let stays = batcher.open(Arc::clone(&other), Some(0));
        let block = |batcher: &Batcher, opening| {
            let mut builder = batcher.builder();
            for (origin, opening, id) in [(&origin, opening, "1"), (&other, stays, "2")] {
                let slot = builder.slot(origin, opening);
                let line = event(id, 1);
                let record = Record::of(line.as_bytes());
                assert!(builder.add(slot, 0, &record, None, &batcher.context));
            }
            builder.finish(Vec::new())
        };
        let late = block(&batcher, before);
        batcher.close(&origin);
        let after = batcher.open(Arc::clone(&origin), Some(5));
        assert_ne!(before, after);
        batcher.push_block(late);
        let told: Vec<Option<&str>> = batcher.told(0).map(|told| told.id).collect();
        assert_eq!(told, [Some("2")]);
        // Dropped and not remembered: its next delivery is no duplicate.
        batcher.push(&origin, 5, &Record::of(event("1", 1).as_bytes()));
        let told: Vec<&str> = batcher.told(1).map(|told| told.status).collect();
        assert_eq!(told, [status::ACCEPTED]);
        let batch = batcher.take(now()).expect("builds").expect("a batch");
        let ends: Vec<i64> = batch.advances.iter().map(|advance| advance.end).collect();
        assert_eq!(ends, [6, 1]);
        assert_eq!(batch.counts.records, 2);
    }
}
