//! The answer to a submission: what became of each event, and how many of each.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use turnpike_books::StoredAnswer;
use turnpike_ingest::http::{EventResult, Verdict};

/// Says that the answer was given before.
const REPLAYED: (&str, &str) = ("idempotency-replayed", "true");

#[derive(Debug, Serialize)]
struct Receipt<'a> {
    accepted: usize,
    duplicate: usize,
    conflict: usize,
    dead: usize,
    results: &'a [EventResult],
}

/// The answer where everything is on disk.
pub fn stored(results: &[EventResult]) -> StoredAnswer {
    let count = |verdict| results.iter().filter(|result| result.status == verdict).count();
    let receipt = Receipt {
        accepted: count(Verdict::Accepted),
        duplicate: count(Verdict::Duplicate),
        conflict: count(Verdict::Conflict),
        dead: count(Verdict::Dead),
        results,
    };
    let body = serde_json::to_string(&receipt).expect("texts and numbers are JSON");
    StoredAnswer { status: StatusCode::ACCEPTED.as_u16(), body }
}

/// The answer as a response.
pub fn response(answer: StoredAnswer, replayed: bool) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::ACCEPTED);
    let mut response = HttpResponse::build(status);
    if replayed {
        response.insert_header(REPLAYED);
    }
    response.content_type("application/json").body(answer.body)
}
