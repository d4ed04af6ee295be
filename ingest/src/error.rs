//! [`IngestError`]: why a source stopped. What a single record holds is never one of these.

use std::path::PathBuf;

use arrow::error::ArrowError;
use rdkafka::error::KafkaError;
use turnpike_lake::LakeError;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A setting or an argument: trying again does not help.
    Caller,
    /// A broker, a disk or another writer: trying again may help.
    External,
    /// A broken promise of this program.
    Internal,
}

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("cannot {operation} {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} holds no .json, .jsonl, .ndjson, .csv, .xml, .log or .txt file (plain, .gz \
             or .zst)", path.display())]
    NoFiles { path: PathBuf },
    #[error("the folder {} holds more than {max} files", path.display())]
    TooManyFiles { path: PathBuf, max: usize },
    #[error("cannot {operation} in the lake")]
    Lake {
        operation: &'static str,
        #[source]
        source: LakeError,
    },
    #[error("another writer keeps moving `{app}`; gave up after {attempts} attempts")]
    Contended { app: String, attempts: u32 },
    #[error("cannot build a batch of usage_events")]
    Batch(#[source] ArrowError),
    #[error("cannot {operation} at the brokers `{brokers}`")]
    Kafka {
        operation: &'static str,
        brokers: String,
        #[source]
        source: KafkaError,
    },
    #[error("no answer from the brokers `{brokers}` within {seconds} s")]
    Unreachable { brokers: String, seconds: u64 },
    #[error("the brokers `{brokers}` let nobody in: {reason}")]
    Refused { brokers: String, reason: String },
    #[error(
        "{topic}/{partition} was never read before: say where to start, `earliest` or `latest`"
    )]
    StartUnknown { topic: String, partition: i32 },
    #[error(
        "{topic}/{partition} should be read from offset {wanted}, but the topic holds {low} to \
         {high}: {}", lost_advice(*.wanted, *.low)
    )]
    OffsetLost { topic: String, partition: i32, wanted: i64, low: i64, high: i64 },
    #[error(
        "{topic}/{partition} is not the topic that was read before: another record stands at offset \
         {offset}. It was deleted and created anew, so give it a new epoch (`kafka.epoch`): it is \
         then read from its start, and what was read before counts as a duplicate"
    )]
    TopicRenewed { topic: String, partition: i32, offset: i64 },
    #[error("the topic `{topic}` does not exist at the brokers `{brokers}`")]
    NoTopic { topic: String, brokers: String },
    #[error("{failed} of {sent} records were not delivered to `{topic}`: {first}")]
    NotDelivered { topic: String, failed: u64, sent: u64, first: String },
    #[error(
        "the disk lost a write of {operation}: what it holds can only be known after a restart, \
         which reads it again from the source"
    )]
    Lost {
        operation: &'static str,
        #[source]
        source: LakeError,
    },
    #[error("the thread that {operation} ended early")]
    Task { operation: &'static str },
}

impl IngestError {
    pub fn fault(&self) -> Fault {
        match self {
            Self::NoFiles { .. }
            | Self::TooManyFiles { .. }
            | Self::StartUnknown { .. }
            | Self::OffsetLost { .. }
            | Self::TopicRenewed { .. }
            | Self::NoTopic { .. } => Fault::Caller,
            Self::File { .. }
            | Self::Contended { .. }
            | Self::Kafka { .. }
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Lost { .. }
            | Self::NotDelivered { .. } => Fault::External,
            Self::Lake { source, .. } => match source.fault() {
                turnpike_lake::Fault::External => Fault::External,
                _ => Fault::Internal,
            },
            Self::Batch(_) | Self::Task { .. } => Fault::Internal,
        }
    }

    /// Trying again, unchanged, may succeed.
    pub fn is_retryable(&self) -> bool {
        self.fault() == Fault::External && !self.is_lost()
    }

    /// The disk reported that it lost a write (EIO): whatever it says later, this process must not
    /// go on. A new one reads the tables, and the source from where they say.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// A broker is down: the program exits with the code for that.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Refused { .. })
    }
}

fn lost_advice(wanted: i64, low: i64) -> &'static str {
    if wanted < low {
        "retention has passed it; `kafka.on_gap = \"record\"` declares the gap and reads on"
    } else {
        "the topic was deleted and created anew, so give it a new epoch (`kafka.epoch`)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lost_write_is_lost_however_deep_it_lies() {
        let check = |errno: i32, expect: bool| {
            let bare = std::io::Error::from_raw_os_error(errno);
            let source = LakeError::File {
                operation: "write",
                path: PathBuf::from("p"),
                source: bare.into(),
            };
            assert_eq!(source.is_lost_write(), expect, "{source}");
            let commit = LakeError::Commit {
                table: "usage_events",
                version: 1,
                attempts: 1,
                source: source.into(),
            };
            assert_eq!(commit.is_lost_write(), expect, "{commit}");
            assert!(commit.is_retryable());
            let lost = IngestError::Lost { operation: "x", source: commit };
            assert!(lost.is_lost() && !lost.is_retryable());
        };
        // EIO; a full disk, a read-only one, too many open files.
        check(5, true);
        check(28, false);
        check(30, false);
        check(24, false);
    }
}
