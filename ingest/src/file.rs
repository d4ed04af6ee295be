//! Files and folders of JSON lines as a source.

use std::path::Path;

use turnpike_lake::Lake;
use turnpike_schemas::Instant;

use crate::{IngestError, IngestProgress, IngestReport, IngestSettings};

/// Reads a file, or the files of a folder in the order of their names, into the lake. Content that
/// was read before is skipped, whatever the file is called now.
pub async fn ingest(
    lake: &Lake,
    path: &Path,
    settings: &IngestSettings,
    now: Instant,
    progress: &(dyn Fn(IngestProgress) + Send + Sync),
) -> Result<IngestReport, IngestError> {
    let _ = (lake, path, settings, now, progress);
    unimplemented!()
}
