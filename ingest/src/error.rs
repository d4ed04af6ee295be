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
    #[error(
        "{topic}/{partition} was never read before: say where to start, `earliest` or `latest`"
    )]
    StartUnknown { topic: String, partition: i32 },
    #[error(
        "{topic}/{partition} should be read from offset {wanted}, but the topic holds {low} to \
         {high}: retention has passed it or the topic was created anew (then give it a new epoch)"
    )]
    OffsetLost { topic: String, partition: i32, wanted: i64, low: i64, high: i64 },
    #[error("the topic `{topic}` does not exist at the brokers `{brokers}`")]
    NoTopic { topic: String, brokers: String },
    #[error("{failed} of {sent} records were not delivered to `{topic}`: {first}")]
    NotDelivered { topic: String, failed: u64, sent: u64, first: String },
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
            | Self::NoTopic { .. } => Fault::Caller,
            Self::File { .. }
            | Self::Contended { .. }
            | Self::Kafka { .. }
            | Self::Unreachable { .. }
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
        self.fault() == Fault::External
    }

    /// A broker is down: the program exits with the code for that.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
