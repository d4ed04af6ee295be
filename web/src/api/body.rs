//! Reading a body: unpacked as it arrives, bounded in bytes and in time.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use futures::StreamExt as _;
use tokio::time::timeout;
use turnpike_ingest::http::{Encoding, Inflate, InflateError, MediaType, Reservation};

use super::ApiFailure;

/// The longest pause within a body.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What a request says of its body.
#[derive(Debug)]
pub struct Head {
    pub media_type: MediaType,
    encoding: Encoding,
    /// The `ce-` headers without their prefix, and the type of binary mode.
    pub attributes: Vec<(String, String)>,
    bytes_max: usize,
}

impl Head {
    /// `any`: an adapter is named, so text of every kind is read.
    pub fn of(request: &HttpRequest, any: bool, bytes_max: usize) -> Result<Self, ApiFailure> {
        let unsupported = |code, message: String| {
            ApiFailure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, message)
        };
        let content_type = text(request, header::CONTENT_TYPE.as_str())?;
        let media_type = MediaType::of(content_type, any).ok_or_else(|| {
            let known = "application/json, application/cloudevents+json, \
                         application/cloudevents-batch+json or application/x-ndjson";
            unsupported("content-type", format!("the content type is none of: {known}"))
        })?;
        let encoding = text(request, header::CONTENT_ENCODING.as_str())?.unwrap_or_default();
        let encoding = Encoding::of(encoding).ok_or_else(|| {
            unsupported("content-encoding", "the content encoding is not gzip or zstd".to_owned())
        })?;
        let declared = text(request, header::CONTENT_LENGTH.as_str())?;
        let declared = declared.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
        // Packed bodies are smaller than what they hold, but for a few bytes.
        if declared > bytes_max {
            return Err(InflateError::TooLarge { bytes_max }.into());
        }
        let mut attributes = Vec::new();
        for (name, value) in request.headers() {
            let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
            let value = value.to_str().map_err(|_| header_failure(name))?;
            attributes.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self { media_type, encoding, attributes, bytes_max })
    }

    /// The whole body, its bytes held in the queue as they come.
    pub async fn read(
        &self,
        mut payload: Payload,
        reservation: &mut Reservation,
    ) -> Result<Vec<u8>, ApiFailure> {
        let mut inflate = Inflate::new(self.encoding, self.bytes_max)?;
        loop {
            let part = timeout(PAUSE_MAX, payload.next()).await.map_err(|_| {
                let message = format!("no byte of the body came for {} s", PAUSE_MAX.as_secs());
                ApiFailure::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", message)
            })?;
            let Some(part) = part else { break };
            let part = part.map_err(|_| {
                ApiFailure::bad_request("body-cut-off", "the body ended before its end")
            })?;
            inflate.push(&part)?;
            reservation.hold(inflate.bytes())?;
        }
        Ok(inflate.finish()?)
    }
}

/// A header as text; one that is none is refused rather than passed over.
pub fn text<'a>(request: &'a HttpRequest, name: &str) -> Result<Option<&'a str>, ApiFailure> {
    let value = request.headers().get(name).map(|value| value.to_str());
    value.transpose().map_err(|_| header_failure(name))
}

fn header_failure(name: &str) -> ApiFailure {
    ApiFailure::bad_request("header", format!("the header `{name}` cannot be read"))
}
