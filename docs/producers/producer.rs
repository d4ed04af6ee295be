//! A producer in Rust: one usage event to turnpike over HTTP, sent again until it is taken.
//!
//! Needs reqwest (features `rustls`) and tokio (feature `time`).

use std::time::Duration;

use reqwest::{Client, StatusCode, header};

/// Sends one CloudEvent (JSON) and returns turnpike's answer. `id` is the event's own: it makes the
/// request repeatable, whatever became of the answer to an earlier attempt.
pub async fn send(url: &str, key: &str, id: &str, event: &str) -> Result<String, String> {
    let client = Client::new();
    for attempt in 0..10_u32 {
        let request = client
            .post(format!("{url}/v1/events"))
            .bearer_auth(key)
            .header("idempotency-key", id)
            .header(header::CONTENT_TYPE, "application/cloudevents+json")
            .body(event.to_owned());
        let mut wait = Duration::from_secs(1 << attempt.min(5));
        match request.send().await {
            // No answer: it may have been taken or not. The same id asks again.
            Err(error) => eprintln!("{error}"),
            Ok(response) => {
                let status = response.status();
                let after = response.headers().get(header::RETRY_AFTER).cloned();
                let text = response.text().await.map_err(|error| error.to_string())?;
                let later = status.is_server_error() || status == StatusCode::CONFLICT;
                match status {
                    StatusCode::ACCEPTED => return Ok(text),
                    _ if !later => return Err(format!("{status}: {text}")),
                    _ => {}
                }
                let seconds = after.and_then(|after| after.to_str().ok()?.parse().ok());
                wait = seconds.map_or(wait, Duration::from_secs);
            }
        }
        tokio::time::sleep(wait).await;
    }
    Err("gave up".to_owned())
}
