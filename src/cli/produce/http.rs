//! Batches to a turnpike: each with an Idempotency-Key, sent again until it is answered.

use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, redirect};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use turnpike_ingest::Installation;

use super::batch::Batch;
use crate::fault::{Blame as _, Kind, fault};
use crate::output::{self, Cell, Record};

/// The first wait where the server names none; doubled each time, up to the maximum.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Longer than the server waits for a commit.
const ANSWER_MAX: Duration = Duration::from_secs(90);
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Failures that are printed; the rest is counted.
const SHOWN_MAX: u64 = 100;

/// A turnpike and the key to it.
pub struct Target {
    client: Client,
    url: String,
    authorization: HeaderValue,
    patience: Duration,
}

/// What became of all items.
#[derive(Debug, Default)]
pub struct Report {
    pub items: u64,
    accepted: u64,
    duplicate: u64,
    conflict: u64,
    dead: u64,
    replayed: u64,
    bytes: u64,
    retries: u64,
}

#[derive(Debug, Deserialize)]
struct Receipt {
    accepted: u64,
    duplicate: u64,
    conflict: u64,
    dead: u64,
    results: Vec<ItemResult>,
}

#[derive(Debug, Deserialize)]
struct ItemResult {
    index: usize,
    status: String,
    id: Option<String>,
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Failure {
    #[serde(default)]
    error: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    request_id: String,
}

/// An answer, or how long to wait for another.
enum Answer {
    Receipt { receipt: Receipt, replayed: bool },
    Later { wait: Option<Duration>, why: String },
}

impl Target {
    pub fn new(
        url: &str,
        system: Option<&str>,
        installation: Option<&str>,
        key: &str,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let base = url.trim_end_matches('/');
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(fault(
                Kind::Usage,
                format!("`{url}` does not start with http:// or https://"),
            ));
        }
        let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let url = match system {
            None => format!("{base}/v1/events"),
            Some(name) if plain(name) => format!("{base}/v1/events/{name}"),
            Some(name) => return Err(fault(Kind::Usage, format!("`{name}` is no adapter"))),
        };
        let url = match installation.map(Installation::new).transpose() {
            Ok(None) => url,
            Ok(Some(name)) => format!("{url}?installation={}", name.as_str()),
            Err(error) => return Err(fault(Kind::Usage, error.to_string())),
        };
        let mut authorization = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| fault(Kind::Config, "the API key holds characters that no key has"))?;
        authorization.set_sensitive(true);
        let client = Client::builder()
            .timeout(ANSWER_MAX)
            .connect_timeout(CONNECT_MAX)
            // The key would go along to wherever an answer points.
            .redirect(redirect::Policy::none())
            .build()
            .blame(Kind::General, "setting up HTTP")?;
        Ok(Self { client, url, authorization, patience })
    }

    /// Sends a batch until it is answered for good, and counts and prints what became of it.
    pub async fn send(
        &self,
        batch: &Batch,
        number: u64,
        file: &str,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        // The same file sent again asks for the same answers.
        let mut hash = Sha256::new_with_prefix(number.to_be_bytes());
        hash.update(&batch.body);
        let key = format!("produce-{}", hex::encode(hash.finalize()));
        let began = Instant::now();
        let mut pause = PAUSE;
        loop {
            match self.attempt(batch, &key).await? {
                Answer::Receipt { receipt, replayed } => {
                    report.add(batch, &receipt, replayed, file);
                    return Ok(());
                }
                Answer::Later { wait, why } => {
                    let wait = wait.unwrap_or(pause).min(PAUSE_MAX);
                    if began.elapsed() + wait > self.patience {
                        let text = format!("{} does not take events: {why}", self.url);
                        return Err(fault(Kind::Dependency, text));
                    }
                    report.retries += 1;
                    tracing::warn!(seconds = wait.as_secs(), "trying again: {why}");
                    tokio::time::sleep(wait).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn attempt(&self, batch: &Batch, key: &str) -> anyhow::Result<Answer> {
        let request = self
            .client
            .post(&self.url)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, batch.content_type)
            .header("idempotency-key", key)
            .body(batch.body.clone());
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Answer::Later { wait: None, why: causes(&error) }),
        };
        let status = response.status();
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let wait = header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        let replayed = header("idempotency-replayed").is_some();
        let text = match response.text().await {
            Ok(text) => text,
            Err(error) => return Ok(Answer::Later { wait: None, why: causes(&error) }),
        };
        if status == StatusCode::ACCEPTED {
            let receipt = serde_json::from_str(&text)
                .blame(Kind::Dependency, format!("{} answers something else", self.url))?;
            return Ok(Answer::Receipt { receipt, replayed });
        }
        let Failure { error, message, request_id } =
            serde_json::from_str(&text).unwrap_or_default();
        let why = format!("{} {error} {message} (request {request_id})", status.as_u16());
        let busy =
            [StatusCode::CONFLICT, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        if status.is_server_error() || busy.contains(&status) {
            return Ok(Answer::Later { wait: wait.map(Duration::from_secs), why });
        }
        let kind = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                Kind::Config
            }
            _ => Kind::Data,
        };
        let first = batch.positions.first().copied().unwrap_or_default();
        Err(fault(kind, format!("the batch from record {first} on was refused: {why}")))
    }
}

impl Report {
    fn add(&mut self, batch: &Batch, receipt: &Receipt, replayed: bool, file: &str) {
        self.items += batch.positions.len() as u64;
        self.bytes += batch.body.len() as u64;
        self.replayed += u64::from(replayed);
        for result in receipt.results.iter().filter(|result| result.is_failure()) {
            self.shown(batch, result, file);
        }
        self.accepted += receipt.accepted;
        self.duplicate += receipt.duplicate;
        self.conflict += receipt.conflict;
        self.dead += receipt.dead;
    }

    fn shown(&self, batch: &Batch, result: &ItemResult, file: &str) {
        if self.conflict + self.dead >= SHOWN_MAX {
            return;
        }
        let position = batch.positions.get(result.index).copied().unwrap_or_default();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let words =
            [result.status.clone(), text(&result.reason), text(&result.id), text(&result.message)];
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        output::note(&format!("{file}:{position}: {}", words.join(": ")));
    }

    pub fn record(&self) -> Record {
        Record::default()
            .with("items", Cell::count(self.items))
            .with("accepted", Cell::count(self.accepted))
            .with("duplicate", Cell::count(self.duplicate))
            .with("conflict", Cell::count(self.conflict))
            .with("dead", Cell::count(self.dead))
            .with("batches_replayed", Cell::count(self.replayed))
            .with("retries", Cell::count(self.retries))
            .with("bytes", Cell::count(self.bytes))
    }

    /// An error where something was not taken as it was meant.
    pub fn verdict(&self) -> anyhow::Result<()> {
        match self.conflict + self.dead {
            0 => Ok(()),
            count => {
                let text = format!("{count} events are conflicts or dead letters");
                Err(fault(Kind::Data, text))
            }
        }
    }
}

impl ItemResult {
    fn is_failure(&self) -> bool {
        self.status == "conflict" || self.status == "dead"
    }
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
