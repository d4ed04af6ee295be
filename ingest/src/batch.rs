//! [`Batcher`]: collects decoded records of any number of source partitions and hands them out as
//! one commit: rows, and how far each partition has come.
//!
//! Whoever drives it commits each [`Batch`] in order, or calls [`Batcher::rollback`] and opens the
//! partitions again at what the table says. Blocks may be decoded elsewhere and come in late: what
//! belongs to a partition that was closed since, or opened anew, is dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use turnpike_lake::{AppId, OffsetAdvance};
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::status;

pub(crate) use crate::block::Prepared;
use crate::block::{Block, BlockBuilder, ROW_BYTES, Raw, Row, What};
#[cfg(test)]
use crate::columns::Text;
use crate::decode::DecodeContext;
#[cfg(test)]
use crate::decode::Record;
use crate::error::IngestError;
use crate::fast::Meters;
use crate::filter::{Filter, Key, Verdict};
use crate::metrics::RowLabels;
use crate::report::IngestReport;
use crate::settings::IngestSettings;
use crate::{reason, writer};

/// A row of which it is known what became of it.
#[derive(Debug)]
pub(crate) struct Judged {
    /// Its block, by number within the batch.
    pub block: usize,
    pub row: Row,
    pub status: &'static str,
    pub reason: Option<&'static str>,
    /// Set where the filter remembers the event because of this row.
    remembered: Option<Key>,
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

/// What a batch holds, to be reported once it is committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub rows: BTreeMap<RowLabels, u64>,
    pub records: u64,
    pub bytes: u64,
    /// The newest time of an event that meters something.
    pub newest: Option<Instant>,
}

impl Counts {
    fn of(blocks: &[Block], rows: &[Judged]) -> Self {
        let mut counts = Self::default();
        let mut found: HashMap<(Option<&str>, &'static str, Option<&'static str>), u64> =
            HashMap::new();
        for row in rows {
            let system = row.row.system.map(|at| blocks[row.block].systems[at as usize].as_str());
            *found.entry((system, row.status, row.reason)).or_default() += 1;
            if let (What::Event(event), status::ACCEPTED, None) =
                (&row.row.what, row.status, row.reason)
            {
                counts.newest = counts.newest.max(Some(event.time));
            }
        }
        for ((system, status, reason), count) in found {
            let system = system.unwrap_or("unknown").to_owned();
            let labels = RowLabels { system, status, reason: reason.unwrap_or_default() };
            *counts.rows.entry(labels).or_default() += count;
        }
        counts
    }

    /// The counts as the report of one commit.
    pub fn report(&self) -> IngestReport {
        let mut report = IngestReport { commits: 1, bytes: self.bytes, ..Default::default() };
        for (labels, count) in &self.rows {
            report.read += count;
            match labels.status {
                status::ACCEPTED => report.accepted += count,
                status::DUPLICATE => report.duplicate += count,
                status::CONFLICT => report.conflict += count,
                _ => {
                    report.dead += count;
                    *report.dead_by_reason.entry(labels.reason.to_owned()).or_default() += count;
                }
            }
            if labels.reason == reason::UNMETERED {
                report.unmetered += count;
            }
        }
        report
    }
}

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
    pub sequence: u64,
}

impl Unbuilt {
    pub fn build(self, now: Instant) -> Result<Batch, IngestError> {
        let Self { blocks, rows, advances, records, bytes, sequence } = self;
        let counts = Counts { records, bytes, ..Counts::of(&blocks, &rows) };
        let rows = writer::record_batch(&blocks, rows, now)?;
        Ok(Batch { rows, advances, counts, sequence })
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
    blocks: Vec<Block>,
    rows: Vec<Judged>,
    spans: BTreeMap<Arc<str>, Span>,
    openings: u64,
    bytes: usize,
    payload: u64,
    records: u64,
    sequence: u64,
}

/// Rows that are judged together where they come one by one.
const OPEN_ROWS: usize = 2_048;

impl Batcher {
    pub fn new(settings: &IngestSettings, buckets: u32, now: Instant) -> Self {
        let meters = Arc::new(Meters::new(&settings.meters));
        Self {
            context: DecodeContext::new(settings, now),
            buckets,
            open: BlockBuilder::new(buckets, Arc::clone(&meters)),
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

    /// A builder of blocks for this batcher.
    pub fn builder(&self) -> BlockBuilder {
        BlockBuilder::new(self.buckets, Arc::clone(&self.meters))
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
            let block = &blocks[row.block];
            let text = |column| block.columns.text(column, row.row.at as usize);
            Told {
                status: row.status,
                reason: row.reason,
                error: match &row.row.what {
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
        if self.open.rows() >= OPEN_ROWS {
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
    pub fn push_block(&mut self, mut block: Block) {
        let number = self.blocks.len();
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
        let rows = std::mem::take(&mut block.rows);
        for row in rows.into_iter().filter(|row| ours[row.slot as usize]) {
            let judged = self.judged(number, row);
            self.bytes += row_bytes(&judged);
            self.rows.push(judged);
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
        rows.retain(|row| {
            let keep = blocks[row.block].slots[row.row.slot as usize].origin.as_ref() != origin;
            if let (false, Some(key)) = (keep, row.remembered) {
                filter.forget(key);
            }
            keep
        });
        self.bytes = self.rows.iter().map(row_bytes).sum();
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

    fn judged(&mut self, block: usize, row: Row) -> Judged {
        let event = match &row.what {
            What::Dead { code, .. } => {
                let (status, reason) = (status::DEAD, Some(*code));
                return Judged { block, row, status, reason, remembered: None };
            }
            What::Event(event) => event,
        };
        let verdict = self.filter.judge(event.key, event.content_hash, self.sequence);
        let is_new = verdict == Verdict::New;
        let unmetered = event.bucket.is_none().then_some(reason::UNMETERED);
        Judged {
            block,
            status: match verdict {
                Verdict::New => status::ACCEPTED,
                Verdict::Duplicate => status::DUPLICATE,
                Verdict::Conflict => status::CONFLICT,
            },
            // Of a duplicate nothing is kept that the first has not told.
            reason: unmetered.filter(|_| is_new),
            remembered: is_new.then_some(event.key),
            row,
        }
    }
}

fn row_bytes(row: &Judged) -> usize {
    row.row.raw.as_ref().map_or(0, Raw::len) + ROW_BYTES
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
        batcher.push_prepared(&origin, 3, Prepared::gap("3 to 10".to_owned()));
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
