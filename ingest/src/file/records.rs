//! [`records`]: the records of a file as they are, for those who only pass them on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lines::{Line, Records};
use super::open::Opened;
use crate::IngestError;

/// A record and its place in the file, counted from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    pub position: i64,
    /// `None`: longer than the limit.
    pub value: Option<Vec<u8>>,
}

/// The records of one file, which may be compressed.
pub struct FileRecords {
    records: Records,
    path: PathBuf,
    ended: bool,
}

/// Opens a file.
pub fn records(path: &Path, bytes_max: usize) -> Result<FileRecords, IngestError> {
    let opened = Opened::open(path)?;
    let input = opened.decompressed(Arc::default()).map_err(|source| failed(path, source))?;
    let records = Records::new(input, opened.kind, bytes_max, None);
    let records = records.map_err(|source| failed(path, source))?;
    Ok(FileRecords { records, path: path.to_owned(), ended: false })
}

impl Iterator for FileRecords {
    type Item = Result<FileRecord, IngestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let record = match self.records.read_next() {
            Ok(Some((position, Line::Whole(value)))) => {
                Ok(FileRecord { position, value: Some(value.to_vec()) })
            }
            Ok(Some((position, Line::TooLong { .. }))) => Ok(FileRecord { position, value: None }),
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Err(source) => {
                self.ended = true;
                Err(failed(&self.path, source))
            }
        };
        Some(record)
    }
}

fn failed(path: &Path, source: std::io::Error) -> IngestError {
    IngestError::File { operation: "read", path: path.to_owned(), source }
}
