//! The page of a request that failed: what happened in plain words, the request id, a way on.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::shell::{Place, Shell};
use crate::assets::ASSETS;
use crate::envelope::{RequestId, title};
use crate::error::WebError;

#[derive(Template)]
#[template(path = "failure.html")]
struct FailureView<'a> {
    shell: Shell,
    status: u16,
    title: &'static str,
    message: &'static str,
    request_id: &'a str,
}

/// What people are told. A cause is never among it.
pub fn message(error: &WebError) -> &'static str {
    match error {
        WebError::NotFound => MISSING,
        WebError::SignIn { .. } | WebError::NoPortalSession => {
            "Your invoices are behind a link that your provider has sent you. Open it again; if it \
             has expired, ask for a new one."
        }
        WebError::Refused(message) => message,
        WebError::Unavailable { .. } => {
            "The data behind this page does not answer. Nothing is lost; try again in a moment."
        }
        WebError::Api(failure) if failure.status == StatusCode::UNAUTHORIZED => {
            "An API key is needed here."
        }
        WebError::Api(_) => "This address is for programs.",
        WebError::Internal { .. } | WebError::Broken(_) => BROKEN,
    }
}

const MISSING: &str = "There is no page at this address, or it is not yours to see.";
const BROKEN: &str = "This page could not be made. The log says why, under the request id below.";

/// Code and message of a failure that the framework answered.
pub fn of_status(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => ("not-found", MISSING),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method-not-allowed", "This address does not answer that kind of request.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "That is more than is taken here."),
        status if status.is_server_error() => ("internal", BROKEN),
        _ => ("bad-request", "Something in the address or in the form cannot be read."),
    }
}

pub fn page(
    status: StatusCode,
    message: &'static str,
    path: &str,
    request_id: &RequestId,
) -> HttpResponse {
    let place = if path.starts_with("/portal") { Place::Portal } else { Place::Elsewhere };
    let shell = Shell {
        assets: &ASSETS,
        version: env!("CARGO_PKG_VERSION"),
        place,
        home: if place == Place::Portal { "/portal" } else { "/" },
        sign_out: None,
        now: None,
    };
    let title = title(status);
    let view =
        FailureView { shell, status: status.as_u16(), title, message, request_id: &request_id.0 };
    // If even this cannot be written, the plain words can.
    let body = view.render().unwrap_or_else(|_| format!("{title}. Request {}.", request_id.0));
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(body)
}

pub fn json(status: StatusCode, code: &str, message: &str, request_id: &RequestId) -> HttpResponse {
    let body = serde_json::json!({ "error": code, "message": message, "request_id": request_id.0 });
    HttpResponse::build(status).json(body)
}
