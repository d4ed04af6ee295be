//! Errors that end a rating run. What concerns one account parks it instead ([`crate::parked`]).

use turnpike_lake::LakeError;
use turnpike_schemas::{IdError, PeriodError};

#[derive(Debug, thiserror::Error)]
pub enum RatingError {
    #[error("reading usage for the rating run")]
    Lake(#[from] LakeError),
    #[error("bucket {bucket}: the engine could not run the plan")]
    Engine {
        bucket: u32,
        #[source]
        source: Box<datafusion::error::DataFusionError>,
    },
    #[error("setting up the engine")]
    Setup(#[source] Box<datafusion::error::DataFusionError>),
    #[error("arranging rated lines as a table")]
    Arrow(#[from] arrow::error::ArrowError),
    #[error("table {table}, column {column}, row {row}: {problem}")]
    Column { table: &'static str, column: &'static str, row: usize, problem: String },
    #[error("the rating window")]
    Window(#[from] PeriodError),
    #[error("the stored metering state of {resource} cannot be read: {problem}")]
    State { resource: String, problem: String },
    #[error("the engine gave no harvest for a view")]
    View,
    #[error("the live bill is advanced to {to}; what was due at {asked} needs a rating run")]
    Past { to: turnpike_schemas::Instant, asked: turnpike_schemas::Instant },
    #[error("summing rated lines")]
    Sum(#[from] turnpike_schemas::amount::AmountError),
    #[error("the run was cancelled")]
    Cancelled(#[source] tokio::task::JoinError),
    #[error("an id of a stored line")]
    Id(#[from] IdError),
}

impl RatingError {
    /// Whether running again may help: the inputs are immutable, so only storage trouble passes.
    pub fn is_retryable(&self) -> bool {
        matches!(self, RatingError::Lake(_))
    }
}

/// An engine error in which an error of ours may be wrapped: ours comes out.
pub(crate) fn engine_error(bucket: u32, error: datafusion::error::DataFusionError) -> RatingError {
    if let datafusion::error::DataFusionError::External(inner) = error {
        return match inner.downcast::<RatingError>() {
            Ok(ours) => *ours,
            Err(other) => RatingError::Engine {
                bucket,
                source: Box::new(datafusion::error::DataFusionError::External(other)),
            },
        };
    }
    RatingError::Engine { bucket, source: Box::new(error) }
}
