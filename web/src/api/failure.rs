//! [`ApiFailure`]: a request of a program that came to nothing.

use std::time::Duration;

use actix_web::http::StatusCode;
use turnpike_ingest::http::{BodyError, InflateError, NotAllowed, Refusal};

/// A cause that is logged and never shown.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a program is told.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiFailure {
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    /// For people; holds nothing but what the request itself said.
    pub message: String,
    pub retry_after: Option<Duration>,
    #[source]
    source: Option<Cause>,
}

impl ApiFailure {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, source: None }
    }

    pub fn after(self, seconds: u64) -> Self {
        Self { retry_after: Some(Duration::from_secs(seconds)), ..self }
    }

    /// A program that may not do this at all.
    pub fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "no-valid-key", message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not-allowed", message)
    }

    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }
}

impl From<InflateError> for ApiFailure {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", error.to_string())
            }
            InflateError::Damaged(..) => Self::bad_request("body-unreadable", error.to_string()),
        }
    }
}

impl From<BodyError> for ApiFailure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooMany { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-items", error.to_string())
            }
            BodyError::Empty => Self::bad_request("body-empty", error.to_string()),
            _ => Self::bad_request("body-unreadable", error.to_string()),
        }
    }
}

impl From<NotAllowed> for ApiFailure {
    fn from(error: NotAllowed) -> Self {
        if matches!(error, NotAllowed::TooLarge { .. }) {
            let message = format!("{error}; nothing of this request was taken");
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "item-too-large", message);
        }
        Self::forbidden(format!("{error}; nothing of this request was taken"))
    }
}

impl From<Refusal> for ApiFailure {
    fn from(refusal: Refusal) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let (status, code, message) = match &refusal {
            Refusal::Busy => (unavailable, "busy", "As much as fits is waiting for the disk."),
            Refusal::Stopping => (unavailable, "stopping", "The server is stopping."),
            Refusal::DiskFull(_) => (
                StatusCode::INSUFFICIENT_STORAGE,
                "disk-full",
                "The disk is full; nothing was taken.",
            ),
            Refusal::ReadOnly(_) => {
                (unavailable, "disk-read-only", "The disk is read-only; nothing was taken.")
            }
            Refusal::Unknown(_) => (
                unavailable,
                "unknown-outcome",
                "Whether the events are stored is unknown; send them again, at worst they are \
                 duplicates.",
            ),
            Refusal::Failed(error) if error.is_retryable() => {
                (unavailable, "unavailable", "The events could not be stored; nothing was taken.")
            }
            Refusal::Failed(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The log says why.")
            }
        };
        let retry_after = refusal.retry_after();
        Self { retry_after, source: Some(refusal.into()), ..Self::new(status, code, message) }
    }
}
