//! [`Decoders`]: threads that decode chunks of records while others are polled and committed.
//!
//! What goes in comes out in the same order. At most [`CHUNKS_MAX`] chunks are inside.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use turnpike_schemas::Instant;

use crate::IngestError;
use crate::block::{Block, BlockBuilder};
use crate::cloudevents;
use crate::decode::{DecodeContext, Record};

/// Records and bytes that are decoded together: enough that handing them over costs nothing, few
/// enough to stay in a processor's cache.
pub(super) const CHUNK_RECORDS: usize = 2_048;
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks that wait or are being decoded, for each thread.
const CHUNKS_MAX: usize = 3;
/// librdkafka, the polling and the committing threads want cores too.
const THREADS_MAX: usize = 4;

/// Records as they were polled.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    partitions: Vec<Held>,
}

/// A partition that a chunk has records of.
#[derive(Debug)]
struct Held {
    origin: Arc<str>,
    opening: u64,
    topic: Arc<str>,
}

#[derive(Debug)]
pub(super) struct Entry {
    partition: usize,
    offset: i64,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Given,
}

/// The headers of a record.
#[derive(Debug)]
pub(super) enum Given {
    None,
    /// They say that the value is a CloudEvent in structured mode; the rest says nothing then.
    Structured,
    Other(Vec<(String, Vec<u8>)>),
}

/// A record that is still the broker client's.
pub(super) struct Polled<'a> {
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Given,
}

impl Chunk {
    /// An empty one, with memory that was used before.
    pub fn new(mut bytes: Vec<u8>, entries: Vec<Entry>) -> Self {
        // Once, rather than moved again and again while it grows.
        bytes.reserve(CHUNK_BYTES);
        Self { bytes, entries, partitions: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn is_full(&self, flush_rows: usize) -> bool {
        self.entries.len() >= CHUNK_RECORDS.min(flush_rows) || self.bytes.len() >= CHUNK_BYTES
    }

    pub fn push(&mut self, origin: &Arc<str>, opening: u64, topic: &Arc<str>, polled: Polled<'_>) {
        let same = |held: &Held| held.opening == opening && Arc::ptr_eq(&held.origin, origin);
        let partition = self.partitions.iter().rposition(same).unwrap_or_else(|| {
            let (origin, topic) = (Arc::clone(origin), Arc::clone(topic));
            self.partitions.push(Held { origin, opening, topic });
            self.partitions.len() - 1
        });
        let Polled { offset, key, value, headers } = polled;
        let mut keep = |bytes: &[u8]| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            start..self.bytes.len()
        };
        let (key, value) = (key.map(&mut keep), value.map(&mut keep));
        self.entries.push(Entry { partition, offset, key, value, headers });
    }

    /// The block, and the entries, emptied.
    fn decode(self, builder: &mut BlockBuilder, context: &DecodeContext) -> (Block, Vec<Entry>) {
        let Self { bytes, mut entries, partitions } = self;
        let slots: Vec<u32> =
            partitions.iter().map(|held| builder.slot(&held.origin, held.opening)).collect();
        let structured = [("content-type".to_owned(), cloudevents::STRUCTURED_JSON.into())];
        for entry in &entries {
            let mut record = Record {
                headers: &[],
                key: entry.key.clone().map(|range| &bytes[range]),
                value: entry.value.clone().map(|range| &bytes[range]),
                topic: Some(&partitions[entry.partition].topic),
            };
            let at = entry.value.as_ref().map(|range| range.start);
            let (slot, offset) = (slots[entry.partition], entry.offset);
            // The short way reads structured events alike, whether headers name them so or not.
            if !matches!(entry.headers, Given::Other(_))
                && builder.add_short(slot, offset, &record, at, context)
            {
                continue;
            }
            record.headers = match &entry.headers {
                Given::None => &[],
                Given::Structured => structured.as_slice(),
                Given::Other(headers) => headers.as_slice(),
            };
            builder.add(slot, offset, &record, at, context);
        }
        entries.clear();
        (builder.finish(bytes), entries)
    }
}

struct Worker {
    chunks: Sender<(Chunk, Instant)>,
    blocks: Receiver<(Block, Vec<Entry>)>,
}

pub(super) struct Decoders {
    workers: Vec<Worker>,
    /// Chunks given and blocks taken so far: they go round the workers in turn.
    given: usize,
    taken: usize,
    /// Of chunks that were decoded.
    entries: Vec<Vec<Entry>>,
}

impl Decoders {
    /// Threads that end when this is dropped.
    pub fn start(
        context: &DecodeContext,
        builder: impl Fn() -> BlockBuilder,
    ) -> Result<Self, IngestError> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut workers = Vec::new();
        for _ in 0..cores.div_ceil(2).min(THREADS_MAX) {
            let (chunks, given) = channel::<(Chunk, Instant)>();
            let (done, blocks) = channel();
            let (mut builder, mut context) = (builder(), context.clone());
            let decode = move || {
                while let Ok((chunk, now)) = given.recv() {
                    context.now = now;
                    if done.send(chunk.decode(&mut builder, &context)).is_err() {
                        return;
                    }
                }
            };
            let thread = thread::Builder::new().name("decode".to_owned()).spawn(decode);
            thread.map_err(|_| ended())?;
            workers.push(Worker { chunks, blocks });
        }
        Ok(Self { workers, given: 0, taken: 0, entries: Vec::new() })
    }

    pub fn is_idle(&self) -> bool {
        self.given == self.taken
    }

    pub fn has_room(&self) -> bool {
        self.given - self.taken < CHUNKS_MAX * self.workers.len()
    }

    pub fn give(&mut self, chunk: Chunk, now: Instant) -> Result<(), IngestError> {
        let worker = &self.workers[self.given % self.workers.len()];
        self.given += 1;
        worker.chunks.send((chunk, now)).map_err(|_| ended())
    }

    /// The next block, if it is ready.
    pub fn try_take(&mut self) -> Result<Option<Block>, IngestError> {
        if self.is_idle() {
            return Ok(None);
        }
        match self.workers[self.taken % self.workers.len()].blocks.try_recv() {
            Ok(done) => Ok(Some(self.took(done))),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ended()),
        }
    }

    /// The next block, as soon as it is ready; `None` where nothing is inside.
    pub fn take(&mut self) -> Result<Option<Block>, IngestError> {
        if self.is_idle() {
            return Ok(None);
        }
        let done = self.workers[self.taken % self.workers.len()].blocks.recv();
        done.map(|done| Some(self.took(done))).map_err(|_| ended())
    }

    fn took(&mut self, (block, entries): (Block, Vec<Entry>)) -> Block {
        self.taken += 1;
        self.entries.push(entries);
        block
    }

    /// Empty entries for a chunk, with memory that was used before.
    pub fn entries(&mut self) -> Vec<Entry> {
        self.entries.pop().unwrap_or_default()
    }
}

fn ended() -> IngestError {
    IngestError::Task { operation: "decodes records" }
}
