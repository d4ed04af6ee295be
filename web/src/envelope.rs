//! What every response gets: a request id, security headers, a page where it failed, a line in the
//! access log and a count in the metrics.

use std::time::Instant as Stopwatch;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpResponse};

use crate::app::App;
use crate::error::WebError;
use crate::pages::failure;

/// Names one request, in its response and in the log.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    fn new() -> Self {
        let mut bytes = [0_u8; 8];
        // Without random bytes the id is of no use, but the page is.
        let _ = getrandom::fill(&mut bytes);
        Self(hex::encode(bytes))
    }
}

/// Marks a response that says itself what is wrong, such as `/readyz`.
pub struct SpeaksForItself;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Scripts, styles, images and forms of our own and nothing else; nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; object-src 'none'; \
                      frame-ancestors 'none'";

/// The inner layer: around all handlers, inside compression.
pub async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Stopwatch::now();
    let id = RequestId::new();
    request.extensions_mut().insert(id.clone());
    let response = next.call(request).await?.map_into_boxed_body();
    log(&response, &id, started);
    let mut response = match fails(&response) {
        true => explain(response, &id),
        false => response,
    };
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}

/// The outer layer: headers for whatever leaves.
pub async fn harden(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let https = request.app_data::<Data<App>>().is_some_and(|app| app.state.settings.is_https());
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::CACHE_CONTROL, "no-store");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()");
    if https {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
    Ok(response)
}

fn fails(response: &ServiceResponse) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error())
        && !response.response().extensions().contains::<SpeaksForItself>()
}

/// Replaces the body of a failure. What the handler or the framework wrote may hold a cause.
fn explain(response: ServiceResponse, id: &RequestId) -> ServiceResponse {
    let status = response.status();
    let kept: HeaderMap = kept_headers(response.headers());
    let error = response.response().error().and_then(Error::as_error::<WebError>);
    let (code, message) = match error {
        Some(error) => (error.code(), failure::message(error)),
        None => failure::of_status(status),
    };
    // What a program is told names what its own request held.
    let told = match error {
        Some(WebError::Api(failure)) => Some(failure.message.clone()),
        _ => None,
    };
    let (request, _) = response.into_parts();
    let mut page: HttpResponse = match wants_json(&request) {
        true => failure::json(status, code, told.as_deref().unwrap_or(message), id),
        false => failure::page(status, message, request.path(), id),
    };
    for (name, value) in kept {
        page.headers_mut().insert(name, value);
    }
    ServiceResponse::new(request, page)
}

fn kept_headers(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        if let Some(value) = headers.get(&name) {
            kept.insert(name, value.clone());
        }
    }
    kept
}

fn wants_json(request: &actix_web::HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|text| text.to_str().ok());
    let path = request.path();
    path.ends_with("/json")
        || path.starts_with("/v1/")
        || matches!(path, "/healthz" | "/readyz" | "/metrics")
        || accept.is_some_and(|accept| accept.starts_with("application/json"))
}

/// Neither path nor query: a portal link is a secret, a search text a customer's name.
fn log(response: &ServiceResponse, id: &RequestId, started: Stopwatch) {
    let request = response.request();
    let route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let (method, status) = (method_name(request.method()), response.status());
    let seconds = started.elapsed().as_secs_f64();
    if let Some(app) = request.app_data::<Data<App>>() {
        app.state.metrics.request(method, &route, status.as_u16(), seconds);
    }
    let (id, milliseconds) = (id.0.as_str(), started.elapsed().as_millis());
    match response.response().error().filter(|_| status.is_server_error()) {
        Some(error) => {
            let cause = chain(error);
            tracing::error!(
                request = id,
                method,
                route,
                status = status.as_u16(),
                milliseconds,
                cause
            );
        }
        None => {
            tracing::info!(request = id, method, route, status = status.as_u16(), milliseconds);
        }
    }
}

/// A method of a known name: whoever asks could otherwise fill the metrics with names.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.as_error::<WebError>().and_then(|error| std::error::Error::source(error));
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Whether a status is one that the pages give on purpose.
pub fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Nothing is here",
        StatusCode::UNAUTHORIZED => "Please open your portal link",
        StatusCode::FORBIDDEN => "Refused",
        StatusCode::SERVICE_UNAVAILABLE => "Not available right now",
        status if status.is_server_error() => "Something went wrong",
        _ => "This request cannot be answered",
    }
}
