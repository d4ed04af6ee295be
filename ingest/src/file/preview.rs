//! What a file would become, without a lake.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use turnpike_schemas::Instant;

use super::lines::{Line, Records};
use super::open::{self, Kind, Opened};
use crate::decode::{self, DecodeContext, Decoded, Outcome, Record};
use crate::{IngestError, IngestSettings};

/// What one record would become.
#[derive(Debug)]
pub struct Preview {
    /// Its place in the file, counted from one.
    pub position: i64,
    pub decoded: Vec<Decoded>,
}

/// Decodes the records of a file, or of the files of a folder, one by one. `each` answers whether
/// to go on.
pub fn preview(
    path: &Path,
    settings: &IngestSettings,
    now: Instant,
    each: &mut dyn FnMut(&Path, Preview) -> bool,
) -> Result<(), IngestError> {
    let context = DecodeContext::new(settings, now);
    for file in open::list(path)? {
        let failed =
            |source| IngestError::File { operation: "read", path: file.path.clone(), source };
        let opened = Opened::open(&file.path)?;
        let input = opened.decompressed(Arc::default()).map_err(failed)?;
        let records = Records::new(input, opened.kind, context.bytes_max, context.at);
        let records = records.map_err(failed)?;
        let go_on = all(records, &context, &mut |preview| each(&file.path, preview));
        if !go_on.map_err(failed)? {
            break;
        }
    }
    Ok(())
}

/// Decodes the records of a text: a pasted event, or several.
pub fn preview_text(text: &[u8], settings: &IngestSettings, now: Instant) -> Vec<Preview> {
    let context = DecodeContext::new(settings, now);
    let input = Box::new(Cursor::new(text.to_vec()));
    let mut found = Vec::new();
    // Memory is read without errors.
    let records = Records::new(input, Kind::Text, context.bytes_max, context.at);
    let read = records.and_then(|records| {
        all(records, &context, &mut |preview| {
            found.push(preview);
            true
        })
    });
    debug_assert!(read.is_ok(), "memory is read without errors");
    found
}

/// The records of a file as they stand there; of one that is too long, its start.
pub(crate) fn raw_records(
    path: &Path,
    settings: &IngestSettings,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), IngestError> {
    let failed = |source| IngestError::File { operation: "read", path: path.to_owned(), source };
    let opened = Opened::open(path)?;
    let input = opened.decompressed(Arc::default()).map_err(failed)?;
    let mut records =
        Records::new(input, opened.kind, settings.bytes_max, settings.at).map_err(failed)?;
    while let Some((_, line)) = records.read_next().map_err(failed)? {
        match line {
            Line::Whole(raw) | Line::TooLong { head: raw, .. } => each(raw),
        }
    }
    Ok(())
}

fn all(
    mut records: Records,
    context: &DecodeContext,
    each: &mut dyn FnMut(Preview) -> bool,
) -> std::io::Result<bool> {
    while let Some((position, line)) = records.read_next()? {
        let outcome: Outcome = match line {
            Line::Whole(value) => decode::read(&Record::of(value), context),
            Line::TooLong { head, bytes, sha256 } => {
                decode::too_large(head, bytes, &sha256, context.bytes_max)
            }
        };
        if !each(Preview { position, decoded: outcome.decoded }) {
            return Ok(false);
        }
    }
    Ok(true)
}
