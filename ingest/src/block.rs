//! [`Block`]: records decoded together, as columns in the order in which they were read.
//!
//! Making one takes most of the time that its records take and needs nothing of the batch that
//! takes it in, so several threads can. What became of an event (accepted, duplicate, conflict) is
//! not known yet: the duplicate filter says it in the order of the source.

use std::sync::Arc;

use turnpike_schemas::canonical::bucket_of;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{EventKind, Instant, UsageEvent};

use crate::decode::{self, DecodeContext, Decoded, Outcome, Record, Reject};
use crate::fast::{self, Meters, Scratch};
use crate::fields::{Bytes, Fields, Source, Span, Text, write};
use crate::filter::Key;
use crate::flat::{Flat, Texts};
use crate::spare::Spare;
use crate::{adapters, cloudevents, reason};

/// A source partition that a block has records of.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub origin: Arc<str>,
    /// Which opening of the partition its records belong to: what was read before it was taken
    /// away is not what is read when it comes back.
    pub opening: u64,
    /// The position after the last record.
    pub next: i64,
    pub records: u64,
    pub bytes: u64,
}

/// A record, or one of its events. What it says stands in the fields of the same number.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub slot: u32,
    pub part: i32,
    pub position: i64,
    /// Number of the reporting system in [`Block::systems`].
    pub system: Option<u32>,
    /// The payload.
    pub raw: Span,
    pub what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Event(EventRow),
    /// The reason's code, and its text in [`Block::errors`].
    Dead {
        code: &'static str,
        error: u32,
    },
}

impl What {
    pub fn event(&self) -> Option<&EventRow> {
        match self {
            Self::Event(event) => Some(event),
            Self::Dead { .. } => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub key: Key,
    pub content_hash: i64,
    pub time: Instant,
    pub rank: i32,
    pub kind: EventKind,
    pub state: Option<ResourceState>,
    /// `None`: it names no resource and meters nothing.
    pub bucket: Option<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct Block {
    pub slots: Vec<Slot>,
    pub rows: Vec<Row>,
    pub fields: Fields,
    pub bytes: Bytes,
    pub systems: Vec<String>,
    pub errors: Vec<String>,
}

impl Block {
    /// Forgets everything but the memory that it took.
    pub fn clear(&mut self) {
        let Self { slots, rows, fields, bytes, systems, errors } = self;
        slots.clear();
        rows.clear();
        fields.clear();
        bytes.read.clear();
        bytes.written.clear();
        systems.clear();
        errors.clear();
    }

    /// A text of a row, if it has one.
    #[inline]
    pub fn text(&self, row: u32, text: Text) -> Option<&[u8]> {
        self.bytes.get(self.fields.row(row).texts[text as usize])
    }
}

/// A decoded record with the payload to store.
#[derive(Debug)]
pub(crate) struct Prepared {
    outcome: Outcome,
    /// Length of the record.
    bytes: usize,
    /// The part of the first event.
    part: i32,
    /// By which rules it is read, to be kept with what could not be.
    route: Option<Arc<str>>,
}

impl Prepared {
    pub fn new(outcome: Outcome, bytes: usize) -> Self {
        Self { outcome, bytes, part: 0, route: None }
    }

    /// What was one part of its record, read again.
    pub fn at_part(self, part: i32) -> Self {
        Self { part, ..self }
    }

    /// Who sent it, as a dead letter of it shall say.
    pub fn sent_by(self, route: Option<Arc<str>>) -> Self {
        Self { route, ..self }
    }

    /// The row that declares records lost, and what is known of them.
    pub fn gap(message: String, note: Vec<u8>) -> Self {
        let reject = Reject::new(reason::GAP, message);
        Self::new(Outcome { decoded: vec![Decoded::Dead(reject)], raw: note }, 0)
    }

    pub fn of(record: &Record<'_>, context: &DecodeContext) -> Self {
        Self::new(decode::read(record, context), record.value.map_or(0, <[u8]>::len))
    }
}

/// Collects records into a block.
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    buckets: u32,
    meters: Arc<Meters>,
    block: Block,
    spare: Spare,
    scratch: Scratch,
    hashed: Vec<u8>,
    bytes: usize,
}

/// What a row takes besides its payload: its columns, its place in the batch, and the batch.
pub(crate) const ROW_BYTES: usize = 512;

impl BlockBuilder {
    pub fn new(buckets: u32, meters: Arc<Meters>, spare: Spare) -> Self {
        Self {
            buckets,
            meters,
            block: Block::default(),
            spare,
            scratch: Scratch::default(),
            hashed: Vec::new(),
            bytes: 0,
        }
    }

    pub fn rows(&self) -> usize {
        self.block.rows.len()
    }

    pub fn slots(&self) -> &[Slot] {
        &self.block.slots
    }

    /// Memory that the rows take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of a partition; the last one is asked for most.
    pub fn slot(&mut self, origin: &Arc<str>, opening: u64) -> u32 {
        if self.block.slots.is_empty() {
            self.block = self.spare.block();
        }
        let same = |slot: &Slot| slot.opening == opening && slot.origin == *origin;
        let slots = &mut self.block.slots;
        let at = slots.iter().rposition(same).unwrap_or_else(|| {
            let origin = Arc::clone(origin);
            slots.push(Slot { origin, opening, next: i64::MIN, records: 0, bytes: 0 });
            slots.len() - 1
        });
        u32::try_from(at).expect("a block has few partitions")
    }

    /// Decodes a record whose value will be found at `at` in the bytes that the block is finished
    /// with, or is copied where that is `None`. Whether it went the short way.
    pub fn add(
        &mut self,
        slot: u32,
        position: i64,
        record: &Record<'_>,
        at: Option<usize>,
        context: &DecodeContext,
    ) -> bool {
        let is_short = self.add_short(slot, position, record, at, context);
        if !is_short {
            self.add_prepared(slot, position, Prepared::of(record, context));
        }
        is_short
    }

    /// Decodes a record the short way, if it goes that way.
    pub fn add_short(
        &mut self,
        slot: u32,
        position: i64,
        record: &Record<'_>,
        at: Option<usize>,
        context: &DecodeContext,
    ) -> bool {
        self.add_fast(slot, position, record, at, context).is_some()
    }

    fn add_fast(
        &mut self,
        slot: u32,
        position: i64,
        record: &Record<'_>,
        at: Option<usize>,
        context: &DecodeContext,
    ) -> Option<()> {
        let value = record.value?;
        let is_native = context.pins.of(record.topic).is_none_or(|n| n == adapters::native::NAME);
        // No headers: the usual case. Structured or not, what is read is the same.
        let is_plain = record.headers.is_empty()
            || cloudevents::mode(record).is_ok_and(|mode| mode != cloudevents::Mode::Binary);
        if !is_native || !is_plain {
            return None;
        }
        let Self { buckets, meters, block, scratch, hashed, .. } = self;
        fast::read(value, context, meters, scratch, |flat, range| {
            let what = event_row(flat, *buckets, hashed);
            let mut row = row_of(block, slot, position, 0, flat.system, what);
            let text = &value[range.clone()];
            row.raw = match at {
                Some(start) => Span::read(start + range.start, text.len()),
                None => write(&mut block.bytes.written, text),
            };
            let source = Source::new(text, row.raw);
            block.fields.push(flat, source, &mut block.bytes.written);
            block.rows.push(row);
        })?;
        self.count(slot, position, value.len());
        self.bytes += value.len() + ROW_BYTES;
        Some(())
    }

    pub fn add_prepared(&mut self, slot: u32, position: i64, prepared: Prepared) {
        let Prepared { outcome: Outcome { decoded, raw }, bytes, part: first, route } = prepared;
        self.bytes += raw.len();
        // The payload is kept once, with the first event of its record.
        let mut raw = Some(write(&mut self.block.bytes.written, &raw));
        for (part, decoded) in (first..).zip(decoded) {
            let (mut row, own) = match decoded {
                Decoded::Event(event) | Decoded::Unmetered(event) => {
                    (self.event(slot, position, part, &event), None)
                }
                Decoded::Dead(mut reject) => {
                    let own = reject.payload.take();
                    (self.dead(slot, position, part, reject, route.as_deref()), own)
                }
            };
            row.raw = match own {
                Some(own) => {
                    self.bytes += own.len();
                    write(&mut self.block.bytes.written, &own)
                }
                None => raw.take().unwrap_or(Span::NONE),
            };
            self.block.rows.push(row);
            self.bytes += ROW_BYTES;
        }
        self.count(slot, position, bytes);
    }

    fn event(&mut self, slot: u32, position: i64, part: i32, event: &UsageEvent) -> Row {
        let texts = Texts::of(event);
        let flat = Flat::of(event, &texts);
        let what = event_row(&flat, self.buckets, &mut self.hashed);
        let row = row_of(&mut self.block, slot, position, part, flat.system, what);
        let Block { fields, bytes, .. } = &mut self.block;
        fields.push(&flat, Source::elsewhere(), &mut bytes.written);
        row
    }

    fn dead(
        &mut self,
        slot: u32,
        position: i64,
        part: i32,
        reject: Reject,
        route: Option<&str>,
    ) -> Row {
        let Reject { code, message, system, payload: _ } = reject;
        let system = system.map(|system| number_of(&mut self.block.systems, system));
        let error = number(self.block.errors.len());
        self.block.errors.push(message);
        let Block { fields, bytes, .. } = &mut self.block;
        fields.push_nothing(route, &mut bytes.written);
        Row { slot, part, position, system, raw: Span::NONE, what: What::Dead { code, error } }
    }

    fn count(&mut self, slot: u32, position: i64, bytes: usize) {
        let slot = &mut self.block.slots[slot as usize];
        slot.next = slot.next.max(position + 1);
        slot.records += 1;
        slot.bytes += bytes as u64;
    }

    /// The block, and the builder empty again. `read` are the bytes that records came from.
    pub fn finish(&mut self, read: Vec<u8>) -> Block {
        self.bytes = 0;
        let mut block = std::mem::take(&mut self.block);
        block.bytes.read = read;
        block
    }
}

fn event_row(flat: &Flat<'_>, buckets: u32, hashed: &mut Vec<u8>) -> What {
    What::Event(EventRow {
        key: flat.key(hashed),
        content_hash: flat.content_hash(hashed),
        time: flat.time,
        rank: flat.rank(),
        kind: flat.kind,
        state: flat.state,
        bucket: flat.resource.map(|resource| bucket_of(resource, buckets)),
    })
}

fn row_of(block: &mut Block, slot: u32, position: i64, part: i32, system: &str, what: What) -> Row {
    let system = Some(number_of(&mut block.systems, system));
    Row { slot, part, position, system, raw: Span::NONE, what }
}

fn number_of(names: &mut Vec<String>, name: &str) -> u32 {
    let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    number(at)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a block is far smaller")
}
