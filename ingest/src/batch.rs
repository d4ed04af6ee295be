//! [`Batcher`]: collects decoded records of any number of source partitions and hands them out as
//! one commit: rows, and how far each partition has come.
//!
//! Whoever drives it commits each [`Batch`] in order, or calls [`Batcher::rollback`] and opens the
//! partitions again at what the table says.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use turnpike_lake::{AppId, OffsetAdvance};
use turnpike_schemas::arrow::status;
use turnpike_schemas::canonical::bucket_of;
use turnpike_schemas::{Instant, UsageEvent};

use crate::decode::{DecodeContext, Decoded, Outcome, Record, Reject};
use crate::error::IngestError;
use crate::filter::{Filter, Key, Verdict};
use crate::metrics::RowLabels;
use crate::report::IngestReport;
use crate::settings::IngestSettings;
use crate::{decode, reason, writer};

/// A row of `usage_events` before it is one.
#[derive(Debug)]
pub(crate) struct Row {
    pub origin: Arc<str>,
    pub position: i64,
    pub part: i32,
    pub status: &'static str,
    pub reason: Option<&'static str>,
    pub error: Option<String>,
    pub system: Option<String>,
    pub event: Option<Box<UsageEvent>>,
    pub bucket: Option<u32>,
    pub content_hash: Option<i64>,
    pub raw: Option<Vec<u8>>,
    /// Set where the filter remembers the event because of this row.
    key: Option<Key>,
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
    fn add(&mut self, row: &Row) {
        let labels = RowLabels {
            system: row.system.clone().unwrap_or_else(|| "unknown".to_owned()),
            status: row.status,
            reason: row.reason.unwrap_or_default(),
        };
        *self.rows.entry(labels).or_default() += 1;
        if row.status == status::ACCEPTED && row.reason.is_none() {
            self.newest = self.newest.max(row.event.as_ref().map(|event| event.time));
        }
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

/// A decoded record with what identifies its events. Making it takes most of the time that a record
/// takes and needs no [`Batcher`], so several threads can.
#[derive(Debug)]
pub(crate) struct Prepared {
    events: Vec<(Decoded, Option<Fingerprint>)>,
    raw: Vec<u8>,
    /// Length of the record.
    bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Fingerprint {
    key: Key,
    content_hash: i64,
    bucket: Option<u32>,
}

impl Fingerprint {
    fn of(event: &UsageEvent, buckets: u32) -> Self {
        let resource = event.resource.as_ref();
        Self {
            key: Key::of(event),
            content_hash: event.content_hash(),
            bucket: resource.map(|resource| bucket_of(resource.as_str(), buckets)),
        }
    }
}

impl Prepared {
    pub fn new(outcome: Outcome, bytes: usize, buckets: u32) -> Self {
        let Outcome { decoded, raw } = outcome;
        let events = decoded.into_iter().map(|decoded| {
            let fingerprint = match &decoded {
                Decoded::Event(event) | Decoded::Unmetered(event) => {
                    Some(Fingerprint::of(event, buckets))
                }
                Decoded::Dead(_) => None,
            };
            (decoded, fingerprint)
        });
        Self { events: events.collect(), raw, bytes }
    }

    pub fn of(record: &Record<'_>, context: &DecodeContext, buckets: u32) -> Self {
        let bytes = record.value.map_or(0, <[u8]>::len);
        Self::new(decode::read(record, context), bytes, buckets)
    }
}

/// How far a partition has come: what the table says, and where the buffer ends.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: Option<i64>,
    next: Option<i64>,
}

pub(crate) struct Batcher {
    pub context: DecodeContext,
    buckets: u32,
    flush_bytes: usize,
    flush_rows: usize,
    filter: Filter,
    rows: Vec<Row>,
    spans: BTreeMap<Arc<str>, Span>,
    bytes: usize,
    payload: u64,
    records: u64,
    sequence: u64,
}

/// What a row takes besides its payload: the event, its strings and the columns built from them.
const ROW_BYTES: usize = 1_024;

impl Batcher {
    pub fn new(settings: &IngestSettings, buckets: u32, now: Instant) -> Self {
        Self {
            context: DecodeContext::new(settings, now),
            buckets,
            flush_bytes: settings.flush_bytes,
            flush_rows: settings.flush_rows,
            filter: Filter::new(settings.filter_events_max),
            rows: Vec::new(),
            spans: BTreeMap::new(),
            bytes: 0,
            payload: 0,
            records: 0,
            sequence: 0,
        }
    }

    /// Begins a partition at what the table says of it.
    pub fn open(&mut self, origin: Arc<str>, start: Option<i64>) {
        self.spans.insert(origin, Span { start, next: None });
    }

    pub fn buckets(&self) -> u32 {
        self.buckets
    }

    /// Decodes a record of an open partition.
    pub fn push(&mut self, origin: &Arc<str>, position: i64, record: &Record<'_>) {
        let prepared = Prepared::of(record, &self.context, self.buckets);
        self.push_prepared(origin, position, prepared);
    }

    pub fn push_prepared(&mut self, origin: &Arc<str>, position: i64, prepared: Prepared) {
        // The payload is kept once, with the first event of its record.
        let mut raw = Some(prepared.raw);
        for (part, (decoded, fingerprint)) in (0_i32..).zip(prepared.events) {
            let row = Row {
                origin: Arc::clone(origin),
                position,
                part,
                status: status::ACCEPTED,
                reason: None,
                error: None,
                system: None,
                event: None,
                bucket: None,
                content_hash: None,
                raw: raw.take(),
                key: None,
            };
            let row = self.judged(row, decoded, fingerprint);
            self.bytes += row_bytes(&row);
            self.rows.push(row);
        }
        self.records += 1;
        self.payload += prepared.bytes as u64;
        self.advance(origin, position + 1);
    }

    /// Moves a partition on without a row, past what holds no record.
    pub fn advance(&mut self, origin: &Arc<str>, next: i64) {
        let span = self.spans.get_mut(origin).expect("records come of open partitions only");
        span.next = span.next.max(Some(next));
    }

    /// Some partition has come further than the table says.
    pub fn has_progress(&self) -> bool {
        self.spans.values().any(|span| span.next.is_some())
    }

    pub fn is_full(&self) -> bool {
        self.bytes >= self.flush_bytes || self.rows.len() >= self.flush_rows
    }

    /// Closes a partition and drops what is buffered of it.
    pub fn close(&mut self, origin: &str) {
        self.spans.remove(origin);
        let filter = &mut self.filter;
        self.rows.retain(|row| {
            let keep = row.origin.as_ref() != origin;
            if let (false, Some(key)) = (keep, row.key) {
                filter.forget(key);
            }
            keep
        });
        self.bytes = self.rows.iter().map(row_bytes).sum();
    }

    /// The buffer as one commit; `None` where there is neither a row nor progress.
    pub fn take(&mut self, now: Instant) -> Result<Option<Batch>, IngestError> {
        if !self.has_progress() {
            return Ok(None);
        }
        let rows = std::mem::take(&mut self.rows);
        let mut counts =
            Counts { bytes: self.payload, records: self.records, ..Default::default() };
        for row in &rows {
            counts.add(row);
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
        self.payload = 0;
        self.records = 0;
        let rows = writer::record_batch(rows, now)?;
        Ok(Some(Batch { rows, advances, counts, sequence }))
    }

    /// Forgets the batch `sequence`, which was not committed, all after it, what is buffered, and
    /// every partition.
    pub fn rollback(&mut self, sequence: u64) {
        self.filter.forget_from(sequence);
        self.rows.clear();
        self.spans.clear();
        self.bytes = 0;
        self.payload = 0;
        self.records = 0;
    }

    fn judged(&mut self, row: Row, decoded: Decoded, fingerprint: Option<Fingerprint>) -> Row {
        let (event, reason) = match decoded {
            Decoded::Dead(Reject { code, message, system }) => {
                return Row {
                    status: status::DEAD,
                    reason: Some(code),
                    error: Some(message),
                    system: system.map(str::to_owned),
                    ..row
                };
            }
            Decoded::Unmetered(event) => (event, Some(reason::UNMETERED)),
            Decoded::Event(event) => (event, None),
        };
        let Fingerprint { key, content_hash, bucket } =
            fingerprint.unwrap_or_else(|| Fingerprint::of(&event, self.buckets));
        let verdict = self.filter.judge(key, content_hash, self.sequence);
        Row {
            status: match verdict {
                Verdict::New => status::ACCEPTED,
                Verdict::Duplicate => status::DUPLICATE,
                Verdict::Conflict => status::CONFLICT,
            },
            // Of a duplicate nothing is kept that the first has not told.
            reason: reason.filter(|_| verdict == Verdict::New),
            raw: row.raw.filter(|_| verdict != Verdict::Duplicate),
            key: (verdict == Verdict::New).then_some(key),
            bucket,
            content_hash: Some(content_hash),
            system: Some(event.system.clone()),
            event: Some(event),
            ..row
        }
    }
}

fn row_bytes(row: &Row) -> usize {
    row.raw.as_ref().map_or(0, Vec::len) + ROW_BYTES
}
