//! `Idempotency-Key`: a request that is sent again gets the answer that it got.

use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::http::StatusCode;
use turnpike_books::{Begun, Books, BooksError, StoredAnswer};
use turnpike_ingest::kill;
use turnpike_schemas::Instant;

use super::ApiFailure;

/// The longest key.
const KEY_BYTES_MAX: usize = 255;
/// Old answers are deleted this often, in microseconds.
const PURGE_MICROS: i64 = 3_600 * 1_000_000;

/// When old answers were deleted last.
#[derive(Debug, Default)]
pub struct Purge(AtomicI64);

impl Purge {
    /// Whether it is our turn to delete old answers.
    pub fn is_due(&self, now: Instant) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        now.micros().saturating_sub(last) >= PURGE_MICROS
            && self
                .0
                .compare_exchange(last, now.micros(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// One request with a key.
#[derive(Debug, Clone)]
pub struct Guard {
    books: Books,
    api_key: String,
    key: String,
}

/// What a request with a key is to do.
pub enum Start {
    Work(Guard),
    Replay(StoredAnswer),
}

/// A key from its header.
pub fn key(header: Option<&str>) -> Result<Option<String>, ApiFailure> {
    let Some(key) = header else { return Ok(None) };
    let printable = key.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    match !key.is_empty() && key.len() <= KEY_BYTES_MAX && printable {
        true => Ok(Some(key.to_owned())),
        false => Err(ApiFailure::bad_request(
            "idempotency-key",
            format!("an Idempotency-Key has 1 to {KEY_BYTES_MAX} printable ASCII characters"),
        )),
    }
}

impl Guard {
    /// Begins the request, unless it was seen before.
    pub async fn begin(
        books: &Books,
        [api_key, key, request_hash, owner]: [&str; 4],
        now: Instant,
    ) -> Result<Start, ApiFailure> {
        let begun = books.begin_request(api_key, key, request_hash, owner, now).await;
        match begun.map_err(|error| unavailable(&error))? {
            Begun::New => Ok(Start::Work(Self {
                books: books.clone(),
                api_key: api_key.to_owned(),
                key: key.to_owned(),
            })),
            Begun::Replay(answer) => Ok(Start::Replay(answer)),
            Begun::Mismatch => Err(ApiFailure::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-mismatch",
                "this Idempotency-Key was used for another request",
            )),
            Begun::Running => Err(ApiFailure::new(
                StatusCode::CONFLICT,
                "in-progress",
                "the same request is being worked on",
            )
            .after(1)),
        }
    }

    /// Keeps the answer, or forgets the request where there is none. What the request did is on
    /// disk either way, so a failure here only makes a repeat count duplicates.
    pub async fn end(self, outcome: &Result<StoredAnswer, ApiFailure>) {
        kill::at("before_answer");
        let (api_key, key) = (&self.api_key, &self.key);
        let ended = match outcome {
            Ok(answer) => self.books.finish_request(api_key, key, answer).await,
            Err(_) => self.books.abandon_request(api_key, key).await,
        };
        if let Err(error) = ended {
            tracing::warn!(cause = %error, "the answer to a request was not kept");
        }
    }
}

fn unavailable(error: &BooksError) -> ApiFailure {
    tracing::error!(cause = ?error, "the books do not answer");
    let message = "The books do not answer; nothing was taken.";
    ApiFailure::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).after(5)
}
