//! [`to_batches`]: JSON lines as the rows that ingest would commit, without a lake.

use std::io::BufRead;
use std::sync::Arc;

use arrow::array::RecordBatch;
use turnpike_schemas::Instant;

use crate::batch::Batcher;
use crate::decode::Record;
use crate::{IngestError, IngestSettings};

/// Lines that are decoded together: they stay in a processor's cache.
const BLOCK_LINES: usize = 2_048;

/// Decodes, checks and hashes each line, marks duplicates among them, and sorts the rows: all that
/// ingest does before it writes. Hands batches of some `rows` rows to `take`; the positions count
/// lines from one.
pub fn to_batches(
    lines: &[u8],
    settings: &IngestSettings,
    buckets: u32,
    now: Instant,
    rows: usize,
    take: &mut dyn FnMut(RecordBatch),
) -> Result<(), IngestError> {
    let settings = IngestSettings { flush_rows: rows, ..settings.clone() };
    let mut batcher = Batcher::new(&settings, buckets, now);
    let origin: Arc<str> = "preview".into();
    let opening = batcher.open(Arc::clone(&origin), None);
    let mut builder = batcher.builder();
    let (mut rest, mut position) = (lines, 0);
    while !rest.is_empty() {
        let block = rest;
        let slot = builder.slot(&origin, opening);
        for _ in 0..BLOCK_LINES.min(rows) {
            let (line, start) = (rest, block.len() - rest.len());
            let length = rest.skip_until(b'\n').unwrap_or_default();
            if length == 0 {
                break;
            }
            position += 1;
            let value = line[..length].strip_suffix(b"\n").unwrap_or(&line[..length]);
            if !value.is_empty() {
                builder.add(slot, position, &Record::of(value), Some(start), &batcher.context);
            }
        }
        let mut read = batcher.buffer();
        read.extend_from_slice(&block[..block.len() - rest.len()]);
        batcher.push_block(builder.finish(read));
        if batcher.is_full() || rest.is_empty() {
            batcher.take(now)?.into_iter().for_each(|batch| take(batch.rows));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::store::{event, now};

    #[test]
    fn every_line_is_a_row_of_some_batch() {
        let mut lines: Vec<String> = (0..10).map(|id| event(&id.to_string(), 1)).collect();
        lines.extend([String::new(), "{broken".to_owned(), event("0", 1)]);
        let (mut rows, mut batches) = (0, 0);
        let text = lines.join("\n");
        to_batches(text.as_bytes(), &IngestSettings::default(), 4, now(), 4, &mut |batch| {
            rows += batch.num_rows();
            batches += 1;
        })
        .expect("builds");
        assert_eq!((rows, batches), (12, 3));
    }
}
