//! [`LakeError`]: what can go wrong with the tables, whose fault it is and whether to try again.

use std::path::PathBuf;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller handed over something that no table may hold.
    Caller,
    /// The disk, the operating system or another writer.
    External,
    /// A broken promise of this crate or a damaged table.
    Internal,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    #[error("cannot create table {table}")]
    Create {
        table: &'static str,
        #[source]
        source: Cause,
    },
    #[error("cannot read the log of table {table} at version {version}")]
    ReadLog {
        table: &'static str,
        version: i64,
        #[source]
        source: Cause,
    },
    #[error("table {table} is not one of turnpike's: {reason}")]
    Protocol { table: &'static str, reason: String },
    #[error("table {table} was created with {stored} buckets, the settings say {configured}")]
    Buckets { table: &'static str, stored: u32, configured: u32 },
    #[error("commit {version} of table {table} is damaged and not the newest: {reason}")]
    Damaged { table: &'static str, version: i64, reason: String },
    #[error(
        "usage holds the events of commit {compacted} of usage_events, whose newest commit is {raw}"
    )]
    Diverged { compacted: i64, raw: i64 },
    #[error("cannot {operation} a batch for table {table}: {reason}")]
    Batch { operation: &'static str, table: &'static str, reason: String },
    #[error("cannot {operation} {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: Cause,
    },
    #[error("cannot commit version {version} of table {table} after {attempts} attempts")]
    Commit {
        table: &'static str,
        version: i64,
        attempts: u32,
        #[source]
        source: Cause,
    },
    #[error("version {version} of table {table} is committed but may not survive a power cut")]
    NotDurable {
        table: &'static str,
        version: i64,
        #[source]
        source: Cause,
    },
    #[error("cannot {operation} rows of table {table}")]
    Rows {
        operation: &'static str,
        table: &'static str,
        #[source]
        source: Cause,
    },
    #[error("file {} of table {table} is not what was written: restore it from a backup", path.display())]
    Checksum { table: &'static str, path: PathBuf },
    #[error("the key index of table usage is damaged: {reason}")]
    KeyIndex { reason: String },
    #[error("a background task of {operation} ended early")]
    Task {
        operation: &'static str,
        #[source]
        source: Cause,
    },
}

impl LakeError {
    pub fn fault(&self) -> Fault {
        match self {
            Self::Batch { .. } | Self::Buckets { .. } => Fault::Caller,
            Self::Create { .. }
            | Self::ReadLog { .. }
            | Self::File { .. }
            | Self::Commit { .. }
            | Self::NotDurable { .. }
            | Self::Protocol { .. } => Fault::External,
            Self::Damaged { .. }
            | Self::Diverged { .. }
            | Self::Rows { .. }
            | Self::Checksum { .. }
            | Self::KeyIndex { .. }
            | Self::Task { .. } => Fault::Internal,
        }
    }

    /// A write was lost on its way to the disk (EIO). The system may have forgotten it, so that a
    /// repeated sync would succeed and prove nothing: only a new process, which reads the tables
    /// and the sources again, may go on.
    pub fn is_lost_write(&self) -> bool {
        is_lost_write(self)
    }

    /// Trying the same call again, unchanged, may succeed and can do no harm.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Create { .. }
                | Self::ReadLog { .. }
                | Self::File { .. }
                | Self::Commit { .. }
                | Self::NotDurable { .. }
        )
    }
}

/// Whether the causes of an error hold the system's EIO, which Rust has no stable kind for.
pub(crate) fn is_lost_write(error: &(dyn std::error::Error + 'static)) -> bool {
    const EIO: i32 = 5;
    let mut cause = Some(error);
    while let Some(error) = cause {
        let system = error.downcast_ref::<std::io::Error>();
        if system.and_then(std::io::Error::raw_os_error) == Some(EIO) {
            return true;
        }
        cause = error.source();
    }
    false
}
