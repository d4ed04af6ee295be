//! `turnpike produce`: the records of a file to Kafka, or to a turnpike over HTTP.

mod batch;
mod http;

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tokio::sync::mpsc;
use turnpike_ingest::file::{FileRecord, records};
use turnpike_ingest::kafka::{self, ProduceSettings};

use crate::app::App;
use crate::fault::{Blame as _, Kind, fault};
use crate::output::{self, Cell, Record};
use crate::progress;

/// Sends the records of a file to Kafka or to a turnpike
#[derive(Debug, Args)]
pub struct Produce {
    /// A file of JSON lines, or one JSON list or object; also .gz or .zst
    pub file: PathBuf,
    /// Where to
    #[arg(long, value_enum, value_name = "TARGET")]
    pub to: Target,
    /// Topic, with --to kafka
    #[arg(long, value_name = "TOPIC", required_if_eq("to", "kafka"))]
    pub topic: Option<String>,
    /// Brokers as host:port,host:port [kafka.bootstrap]
    #[arg(long, value_name = "LIST")]
    pub brokers: Option<String>,
    /// The turnpike, with --to http
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Variable of the environment that holds the API key, with --to http
    #[arg(long, value_name = "VAR", default_value = "TURNPIKE_KEY")]
    pub key_env: String,
    /// Adapter that reads the records, with --to http; else their content decides
    #[arg(long, value_name = "NAME")]
    pub system: Option<String>,
    /// Which of several systems of one kind the records come from, with --to http
    #[arg(long, value_name = "NAME")]
    pub installation: Option<String>,
    /// Seconds to go on trying while the target is busy or down
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub patience: u64,
}

/// Where records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// A topic; each record is keyed by the resource that it is about
    Kafka,
    /// POST /v1/events, with an API key
    Http,
}

/// Records between the file and the target: enough that neither waits for long.
const RECORDS_WAITING_MAX: usize = 1_024;

impl Produce {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        match self.to {
            Target::Kafka => self.to_kafka(app),
            Target::Http => self.to_http(app).await,
        }
    }

    fn to_kafka(&self, app: &App) -> anyhow::Result<()> {
        let ours = &app.settings.kafka;
        if ours.bootstrap.is_empty() {
            return Err(fault(Kind::Config, "no brokers: give --brokers or set kafka.bootstrap"));
        }
        let topic = self.topic.clone().unwrap_or_default();
        let settings = ProduceSettings {
            timeout: Duration::from_secs(self.patience),
            client: ours.options.clone(),
            ..ProduceSettings::new(ours.bootstrap.clone(), topic)
        };
        let mut read = self.open(app)?;
        let (sender, receiver) = sync_channel(RECORDS_WAITING_MAX);
        let reader = std::thread::spawn(move || -> anyhow::Result<()> {
            read.try_for_each(|record| {
                let value = whole(record?)?.1;
                // The producer says itself why it has ended.
                let _ = sender.send(value);
                Ok(())
            })
        });
        let bar = progress::open("producing");
        let sent =
            kafka::produce(&settings, &mut receiver.into_iter(), &|sent| bar.set_position(sent));
        bar.finish_and_clear();
        let read = reader.join().map_err(|_| anyhow::anyhow!("the reader ended early"))?;
        let down = sent.as_ref().is_err_and(turnpike_ingest::IngestError::is_unreachable);
        let kind = if down { Kind::Dependency } else { Kind::General };
        let sent = sent.blame(kind, format!("sending to the topic `{}`", settings.topic))?;
        let record = Record::default()
            .with("sent", Cell::count(sent.sent))
            .with("bytes", Cell::count(sent.bytes));
        output::print(&record.text(app.format))?;
        read
    }

    async fn to_http(&self, app: &App) -> anyhow::Result<()> {
        let key = std::env::var(&self.key_env).unwrap_or_default();
        if key.trim().is_empty() {
            let text = format!("no API key: set the variable {} (--key-env)", self.key_env);
            return Err(fault(Kind::Config, text));
        }
        let patience = Duration::from_secs(self.patience);
        let target = http::Target::new(
            &self.url,
            self.system.as_deref(),
            self.installation.as_deref(),
            key.trim(),
            patience,
        )?;
        let mut read = self.open(app)?;
        let (sender, mut receiver) = mpsc::channel(RECORDS_WAITING_MAX);
        let reader = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            read.try_for_each(|record| {
                let _ = sender.blocking_send(whole(record?)?);
                Ok(())
            })
        });
        let bar = progress::open("producing");
        let mut report = http::Report::default();
        let mut batches = batch::Batches::new(self.system.is_some());
        let mut number = 0;
        loop {
            let record = receiver.recv().await;
            let ended = record.is_none();
            let batch = match record {
                Some((position, value)) => batches.push(position, value),
                None => batches.take(),
            };
            if let Some(batch) = batch {
                let file = self.file.display().to_string();
                target.send(&batch, number, &file, &mut report).await?;
                number += 1;
                bar.set_position(report.items);
            }
            if ended {
                break;
            }
        }
        bar.finish_and_clear();
        output::print(&report.record().text(app.format))?;
        reader.await.context("reading the file")??;
        report.verdict()
    }

    fn open(&self, app: &App) -> anyhow::Result<turnpike_ingest::file::FileRecords> {
        let bytes_max = app.settings.ingest.message_bytes_max;
        records(&self.file, bytes_max)
            .blame(Kind::Data, format!("{} could not be read", self.file.display()))
    }
}

fn whole(record: FileRecord) -> anyhow::Result<(i64, Vec<u8>)> {
    let FileRecord { position, value } = record;
    let too_long =
        || fault(Kind::Data, format!("record {position} is longer than ingest.message_bytes_max"));
    Ok((position, value.ok_or_else(too_long)?))
}
