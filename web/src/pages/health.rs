//! Health for supervisors, metrics for Prometheus.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use tokio::time::timeout;
use turnpike_books::Right;
use turnpike_schemas::Scope;

use super::Page;
use crate::access::{authorize, is_local};
use crate::app::App;
use crate::envelope::SpeaksForItself;
use crate::error::WebError;
use crate::metrics::LakeNumbers;
use crate::reads::event_counts;
use crate::serve::OwnListener;

/// A store that takes longer does not serve anybody.
const PATIENCE: Duration = Duration::from_secs(3);

/// `GET /healthz`: the process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reasons: Vec<String>,
}

/// `GET /readyz`: whether pages can be served, and why not.
pub async fn readyz(app: Data<App>) -> HttpResponse {
    let reasons = reasons(&app).await;
    let ready = reasons.is_empty();
    let mut response = match ready {
        true => HttpResponse::Ok(),
        false => HttpResponse::ServiceUnavailable(),
    };
    let mut response = response.json(Readiness { ready, reasons });
    response.extensions_mut().insert(SpeaksForItself);
    response
}

async fn reasons(app: &App) -> Vec<String> {
    let status = app.state.status.look();
    let mut reasons = status.problems;
    if status.draining {
        reasons.push("draining".to_owned());
    }
    // Pages can still be served, but usage is not being taken in: an operator has to see it.
    for source in app.state.metrics.stalled() {
        reasons.push(format!("events of {source} cannot be committed"));
    }
    let (books, lake, disk) = futures::join!(
        timeout(PATIENCE, app.state.books.ping()),
        timeout(PATIENCE, app.state.lake.snapshot()),
        timeout(PATIENCE, app.state.lake.check_writable()),
    );
    // The causes may name paths and hosts, so they stay in the log.
    if !matches!(books, Ok(Ok(()))) {
        tracing::warn!(cause = ?books, "the books do not answer");
        reasons.push("the books do not answer".to_owned());
    }
    if !matches!(lake, Ok(Ok(_))) {
        tracing::warn!(cause = ?lake.map(|lake| lake.err()), "the lake does not answer");
        reasons.push("the lake does not answer".to_owned());
    }
    // Asked for itself: on a disk that is full or read-only everything can be read.
    if !matches!(disk, Ok(Ok(()))) {
        tracing::warn!(cause = ?disk, "the lake takes no writes");
        reasons.push("the lake takes no writes".to_owned());
    }
    reasons
}

/// `GET /metrics`. On the listener of the pages, for this machine, and elsewhere for an API key
/// with the right to it.
pub async fn metrics(request: HttpRequest, app: Data<App>, own: Data<OwnListener>) -> Page {
    if !own.0 && !is_local(&request) {
        if !request.headers().contains_key(header::AUTHORIZATION) {
            return Err(WebError::NotFound);
        }
        authorize(&request, &app, Right::Metrics).await?;
    }
    // Prometheus gives up after ten seconds; without these numbers it has the others at least.
    let lake = timeout(PATIENCE, lake_numbers(&app)).await.ok().and_then(Result::ok);
    let text = app.state.metrics.text(&app.state.status.look(), lake.as_ref());
    let text = text.map_err(|error| WebError::internal("writing the metrics", error))?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text))
}

async fn lake_numbers(app: &App) -> Result<LakeNumbers, WebError> {
    let snapshot = app.state.lake.snapshot().await?;
    let backlog = app.state.lake.backlog().await?;
    let counts = event_counts(&app.state, &app.event_counts, &Scope::Provider).await?;
    let counts = counts.unwrap_or_default();
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Ok(LakeNumbers {
        commits: snapshot.raw_version(),
        uncompacted_commits: signed(backlog.commits),
        uncompacted_rows: signed(backlog.rows),
        uncompacted_bytes: signed(backlog.bytes),
        dead_letters: counts.dead,
        conflicts: counts.conflict,
    })
}
