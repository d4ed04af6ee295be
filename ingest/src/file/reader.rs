//! [`Reader`]: decodes one file on as many threads as there are and sends it in batches.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

use tokio::sync::mpsc;
use turnpike_schemas::Instant;

use super::lines::{Line, Records};
use super::open::Opened;
use crate::batch::{Batch, Batcher};
use crate::block::{Block, Prepared};
use crate::decode::{Record, too_large};
use crate::{IngestError, kill};

/// Lines and bytes that are decoded together: enough to be worth a thread, few enough to be small
/// beside a batch.
const CHUNK_LINES: usize = 2_048;
const CHUNK_BYTES: usize = 4 << 20;
/// More threads than this would wait for the one that reads and the one that commits.
const THREADS_MAX: usize = 4;

/// Reads one file from a record on.
pub(super) struct Reader {
    pub path: PathBuf,
    pub opened: Arc<Opened>,
    pub origin: Arc<str>,
    /// The first record to read, from one.
    pub start: i64,
    pub now: Instant,
    /// Bytes of the file read so far.
    pub read: Arc<AtomicU64>,
    pub batcher: Batcher,
    pub send: mpsc::Sender<Batch>,
}

/// Lines that are decoded together.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    lines: Vec<(i64, Range<usize>)>,
}

impl Reader {
    /// The number of records, all of which are sent, unless nobody listens any more.
    pub fn run(mut self) -> (Batcher, Result<u64, IngestError>) {
        let result = self.records();
        (self.batcher, result)
    }

    fn records(&mut self) -> Result<u64, IngestError> {
        let path = self.path.clone();
        let failed = |source| IngestError::File { operation: "read", path: path.clone(), source };
        let input = self.opened.decompressed(Arc::clone(&self.read)).map_err(failed)?;
        let bytes_max = self.batcher.context.bytes_max;
        let (kind, at) = (self.opened.kind, self.batcher.context.at);
        let mut records = Records::new(input, kind, bytes_max, at).map_err(failed)?;
        let mut count = 0;
        let mut chunk = Chunk::default();
        loop {
            let (position, line) = match records.read_next() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                // What precedes a damaged end of a file is committed before it is reported.
                Err(source) => {
                    self.decode(&mut chunk)?;
                    self.flush()?;
                    return Err(failed(source));
                }
            };
            if position < self.start {
                continue;
            }
            count += 1;
            match line {
                Line::Whole(value) => chunk.push(position, value),
                Line::TooLong { head, bytes, sha256 } => {
                    let outcome = too_large(head, bytes, &sha256, bytes_max);
                    let dead = Prepared::new(outcome, bytes);
                    if !self.decode(&mut chunk)? {
                        return Ok(count);
                    }
                    self.batcher.push_prepared(&self.origin, position, dead);
                }
            }
            if chunk.is_full(self.batcher.flush_rows()) && !self.decode(&mut chunk)? {
                return Ok(count);
            }
        }
        self.decode(&mut chunk)?;
        self.flush()?;
        Ok(count)
    }

    /// Decodes a chunk and empties it. Whether anybody still listens.
    fn decode(&mut self, chunk: &mut Chunk) -> Result<bool, IngestError> {
        for block in chunk.decode(&self.batcher, &self.origin) {
            self.batcher.push_block(block);
            if self.batcher.is_full() && !self.flush()? {
                return Ok(false);
            }
        }
        chunk.lines.clear();
        chunk.bytes.clear();
        Ok(true)
    }

    /// Whether anybody still listens.
    fn flush(&mut self) -> Result<bool, IngestError> {
        kill::at("after_decode");
        match self.batcher.take(self.now)? {
            Some(batch) => Ok(self.send.blocking_send(batch).is_ok()),
            None => Ok(true),
        }
    }
}

impl Chunk {
    fn push(&mut self, position: i64, line: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(line);
        self.lines.push((position, start..self.bytes.len()));
    }

    fn is_full(&self, flush_rows: usize) -> bool {
        self.lines.len() >= CHUNK_LINES.min(flush_rows) || self.bytes.len() >= CHUNK_BYTES
    }

    /// The lines decoded, in their order.
    fn decode(&self, batcher: &Batcher, origin: &Arc<str>) -> Vec<Block> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let part = self.lines.len().div_ceil(threads).max(1);
        let opening = batcher.opening(origin);
        let one = |lines: &[(i64, Range<usize>)]| -> Block {
            let mut builder = batcher.builder();
            let slot = builder.slot(origin, opening);
            let first = lines.first().map_or(0, |(_, range)| range.start);
            let last = lines.last().map_or(0, |(_, range)| range.end);
            for (position, range) in lines {
                let record = Record::of(&self.bytes[range.clone()]);
                builder.add(slot, *position, &record, Some(range.start - first), &batcher.context);
            }
            let mut read = batcher.buffer();
            read.extend_from_slice(&self.bytes[first..last]);
            builder.finish(read)
        };
        if threads == 1 || self.lines.len() < CHUNK_LINES / 8 {
            return vec![one(&self.lines)];
        }
        thread::scope(|scope| {
            let parts: Vec<_> =
                self.lines.chunks(part).map(|lines| scope.spawn(move || one(lines))).collect();
            let join = |part: thread::ScopedJoinHandle<'_, Block>| {
                part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            parts.into_iter().map(join).collect()
        })
    }
}
