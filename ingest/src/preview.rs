//! [`to_batch`]: JSON lines as the rows that ingest would commit, without a lake.

use std::sync::Arc;

use arrow::array::RecordBatch;
use turnpike_schemas::Instant;

use crate::batch::Batcher;
use crate::decode::Record;
use crate::{IngestError, IngestSettings};

/// Decodes, checks and hashes each line, marks duplicates among them, and sorts the rows: all that
/// ingest does before it writes. The positions count lines from one. `None`: there is no line.
pub fn to_batch(
    lines: &[u8],
    settings: &IngestSettings,
    buckets: u32,
    now: Instant,
) -> Result<Option<RecordBatch>, IngestError> {
    let mut batcher = Batcher::new(settings, buckets, now);
    let origin: Arc<str> = "preview".into();
    let opening = batcher.open(Arc::clone(&origin), None);
    let mut builder = batcher.builder();
    let slot = builder.slot(&origin, opening);
    let mut start = 0;
    for (position, line) in (1..).zip(lines.split_inclusive(|byte| *byte == b'\n')) {
        let value = line.strip_suffix(b"\n").unwrap_or(line);
        if !value.is_empty() {
            builder.add(slot, position, &Record::of(value), Some(start), &batcher.context);
        }
        start += line.len();
    }
    batcher.push_block(builder.finish(lines.to_vec()));
    Ok(batcher.take(now)?.map(|batch| batch.rows))
}
