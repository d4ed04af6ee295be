//! [`Refusal`]: why a submission was not committed, and what the disk has to do with it.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use turnpike_lake::LakeError;

use crate::IngestError;

/// Why events were not committed. Everybody in one batch gets the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    #[error("as much as fits is waiting for the disk already")]
    Busy,
    #[error("the server is stopping")]
    Stopping,
    #[error("the disk is full")]
    DiskFull(#[source] Arc<IngestError>),
    #[error("the disk is read-only")]
    ReadOnly(#[source] Arc<IngestError>),
    /// Nobody knows whether the events are on disk.
    #[error("whether the events are on disk is unknown")]
    Unknown(#[source] Arc<IngestError>),
    #[error("the events could not be committed")]
    Failed(#[source] Arc<IngestError>),
}

impl Refusal {
    pub(super) fn of(error: IngestError) -> Self {
        let trouble = disk_trouble(&error);
        let error = Arc::new(error);
        match trouble {
            Some(Trouble::Full) => Self::DiskFull(error),
            Some(Trouble::ReadOnly) => Self::ReadOnly(error),
            None if is_not_durable(&error) => Self::Unknown(error),
            None => Self::Failed(error),
        }
    }

    /// When the same submission may succeed; `None`: not by waiting.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy => Some(Duration::from_secs(1)),
            Self::Stopping | Self::Unknown(_) => Some(Duration::from_secs(5)),
            Self::DiskFull(_) | Self::ReadOnly(_) => Some(Duration::from_secs(30)),
            Self::Failed(error) => error.is_retryable().then_some(Duration::from_secs(5)),
        }
    }

    /// The disk takes nothing more until somebody makes room.
    pub fn is_disk(&self) -> bool {
        matches!(self, Self::DiskFull(_) | Self::ReadOnly(_))
    }
}

fn is_not_durable(error: &IngestError) -> bool {
    matches!(error, IngestError::Lake { source: LakeError::NotDurable { .. }, .. })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Full,
    ReadOnly,
}

/// What the disk said, anywhere among the causes of an error.
pub(super) fn disk_trouble(error: &(dyn Error + 'static)) -> Option<Trouble> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    return Some(Trouble::Full);
                }
                io::ErrorKind::ReadOnlyFilesystem => return Some(Trouble::ReadOnly),
                _ => {}
            }
            // `source` of an I/O error that wraps another error leaves that one out.
            if let Some(inner) = io.get_ref() {
                return disk_trouble(inner);
            }
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    fn lake(source: impl Error + Send + Sync + 'static) -> IngestError {
        let source =
            LakeError::File { operation: "write", path: "a".into(), source: Box::new(source) };
        IngestError::Lake { operation: "append", source }
    }

    #[test]
    fn the_disk_is_found_among_the_causes() {
        let code = io::Error::from_raw_os_error;
        let check = |error: IngestError, disk: bool| {
            assert_eq!(Refusal::of(error).is_disk(), disk);
        };
        // ENOSPC, EDQUOT and EROFS, bare and wrapped in both ways.
        check(lake(code(28)), true);
        check(lake(code(122)), true);
        check(lake(Outer(code(30))), true);
        check(lake(io::Error::other(Outer(code(28)))), true);
        check(lake(io::Error::other(io::Error::other(code(30)))), true);
        check(lake(code(5)), false);
        check(IngestError::Task { operation: "x" }, false);
    }

    #[test]
    fn what_may_pass_says_when_to_come_back() {
        assert!(Refusal::of(lake(io::Error::from_raw_os_error(28))).retry_after().is_some());
        assert!(Refusal::of(IngestError::Task { operation: "x" }).retry_after().is_none());
        let source = LakeError::NotDurable {
            table: "usage_events",
            version: 1,
            source: io::Error::other("?").into(),
        };
        let refusal = Refusal::of(IngestError::Lake { operation: "append", source });
        assert!(matches!(refusal, Refusal::Unknown(_)));
    }
}
