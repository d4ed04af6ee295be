//! `POST /v1/events` and `POST /v1/events/{system}`: usage events into the lake.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};
use turnpike_books::{ApiKey, Right, StoredAnswer};
use turnpike_ingest::http::{Body, Producer, Reservation, Submission, Submitter};
use turnpike_ingest::{Installation, adapters};

use super::body::{self, Head};
use super::idempotency::{Guard, Start, key};
use super::{ApiFailure, answer};
use crate::access::authorize;
use crate::app::App;
use crate::error::WebError;

/// The longest that a request waits for its commit. Shorter than the lease of its Idempotency-Key.
const COMMIT_MAX: Duration = Duration::from_secs(60);
/// A body up to this size is decoded where it was read; a longer one would hold up other requests.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// `POST /v1/events`: the content says what it is.
pub async fn submit(
    request: HttpRequest,
    payload: Payload,
    app: Data<App>,
) -> Result<HttpResponse, WebError> {
    take(&request, payload, &app, None).await
}

/// `POST /v1/events/{system}`: read by the adapter of that name.
pub async fn submit_system(
    request: HttpRequest,
    payload: Payload,
    app: Data<App>,
    system: Path<String>,
) -> Result<HttpResponse, WebError> {
    take(&request, payload, &app, Some(system.into_inner())).await
}

async fn take(
    request: &HttpRequest,
    payload: Payload,
    app: &Data<App>,
    system: Option<String>,
) -> Result<HttpResponse, WebError> {
    let api_key = authorize(request, app, Right::Ingest).await?;
    if system.as_deref().is_some_and(|name| adapters::find(name).is_none()) {
        let message = "there is no adapter of that name (turnpike adapters list)";
        return Err(ApiFailure::new(StatusCode::NOT_FOUND, "unknown-system", message).into());
    }
    let state = &app.state;
    let installation = installation(request)?;
    let key = key(body::text(request, "idempotency-key")?)?;
    let head = Head::of(request, system.is_some(), state.settings.body_bytes_max)?;
    let mut reservation = state.submitter.reserve();
    let bytes = head.read(payload, &mut reservation).await?;
    let api_key_id = api_key.key.id.clone();
    let hash = key.as_ref().map(|_| request_hash(request, &head, &bytes));
    let work = Work {
        submitter: state.submitter.clone(),
        producer: producer(api_key, system, installation),
        head,
        bytes,
        items_max: state.settings.items_max,
        reservation,
    };
    let guard = match key.zip(hash) {
        None => None,
        Some((key, hash)) => {
            let owner = state.submitter.origin();
            purge(app);
            let names = [api_key_id.as_str(), &key, &hash, owner];
            match Guard::begin(&state.books, names, state.now()).await? {
                Start::Work(guard) => Some(guard),
                Start::Replay(stored) => return Ok(answer::response(stored, true)),
            }
        }
    };
    // A task of its own: it goes on where the producer has hung up, so that the answer is kept.
    let task = tokio::spawn(async move {
        let outcome = work.run().await;
        if let Some(guard) = guard {
            guard.end(&outcome).await;
        }
        outcome
    });
    let outcome = task.await.map_err(|error| WebError::internal("taking events", error))?;
    Ok(answer::response(outcome?, false))
}

fn producer(
    api_key: ApiKey,
    system: Option<String>,
    installation: Option<Installation>,
) -> Producer {
    let ApiKey { key, .. } = api_key;
    Producer { system, site: key.site, source_prefix: key.source_prefix, installation }
}

/// `?installation=NAME`: which of several systems of one kind the items come from. Any other
/// parameter is refused: one that is misspelt would mix two systems up in silence.
fn installation(request: &HttpRequest) -> Result<Option<Installation>, ApiFailure> {
    let refuse = |message: String| ApiFailure::bad_request("query", message);
    let mut found = None;
    for pair in request.query_string().split('&').filter(|pair| !pair.is_empty()) {
        let value = pair.strip_prefix("installation=");
        let Some(value) = value.filter(|_| found.is_none()) else {
            let name: String = pair.chars().take(80).collect();
            return Err(refuse(format!("`{name}`: the only parameter is installation=NAME, once")));
        };
        found = Some(Installation::new(value).map_err(|error| refuse(error.to_string()))?);
    }
    Ok(found)
}

/// A submission that waits for nothing more from its producer.
struct Work {
    submitter: Submitter,
    producer: Producer,
    head: Head,
    bytes: Vec<u8>,
    items_max: usize,
    reservation: Reservation,
}

impl Work {
    async fn run(self) -> Result<StoredAnswer, ApiFailure> {
        let Self { submitter, producer, head, bytes, items_max, reservation } = self;
        let reader = submitter.clone();
        let read = move || read(&reader, &producer, &head, &bytes, items_max);
        let submission = match reservation.bytes() > INLINE_BYTES_MAX {
            false => read()?,
            true => tokio::task::spawn_blocking(read).await.map_err(|_| {
                ApiFailure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The log says why.")
            })??,
        };
        let results = tokio::time::timeout(COMMIT_MAX, submitter.submit(submission, reservation));
        let results = results.await.map_err(|_| {
            let message = "The commit takes too long; send the same again, at worst they are \
                           duplicates.";
            ApiFailure::new(StatusCode::SERVICE_UNAVAILABLE, "unknown-outcome", message).after(30)
        })??;
        Ok(answer::stored(&results))
    }
}

fn read(
    submitter: &Submitter,
    producer: &Producer,
    head: &Head,
    bytes: &[u8],
    items_max: usize,
) -> Result<Submission, ApiFailure> {
    let (media_type, attributes) = (head.media_type, head.attributes.as_slice());
    let items = Body { media_type, attributes, bytes, items_max }.items()?;
    Ok(submitter.read(&items, producer)?)
}

/// What makes two requests the same: address, form, attributes and body, unpacked.
fn request_hash(request: &HttpRequest, head: &Head, bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    let mut attributes = head.attributes.clone();
    attributes.sort();
    let mut form = format!("{} {:?} {attributes:?}", request.path(), head.media_type);
    if !request.query_string().is_empty() {
        form = format!("{form} ?{}", request.query_string());
    }
    hash.update(u64::try_from(form.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(form);
    hash.update(bytes);
    hex::encode(hash.finalize())
}

/// Deletes answers that are kept no longer, now and then, beside the request that noticed.
fn purge(app: &Data<App>) {
    let now = app.state.now();
    if app.purge.is_due(now) {
        let books = app.state.books.clone();
        tokio::spawn(async move {
            if let Err(error) = books.purge_requests(now).await {
                tracing::warn!(cause = %error, "old answers were not deleted");
            }
        });
    }
}
