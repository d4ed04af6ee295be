//! `turnpike ingest`: usage events from files or Kafka into the lake.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use turnpike_books::Books;
use turnpike_ingest::kafka::{self, KafkaSettings, OnGap, StartAt};
use turnpike_ingest::{IngestError, IngestMetrics, IngestReport, IngestSettings, StopSignal};
use turnpike_lake::Lake;
use turnpike_schemas::Instant;

use super::decoded;
use super::ingest_health::Health;
use crate::app::App;
use crate::fault::{Fault, Kind, fault};
use crate::output::{self, Cell, Record};
use crate::progress;
use crate::scheduler::StopAsked;
use crate::settings::Settings;

/// Reads usage events from files or Kafka
#[derive(Debug, Args)]
pub struct Ingest {
    /// file:PATH (JSON, CSV, XML or lines, also .gz or .zst, or a folder of such files) or kafka
    #[arg(long, value_name = "SOURCE")]
    pub from: Source,
    /// Brokers as host:port,host:port [kafka.bootstrap]
    #[arg(long, value_name = "LIST")]
    pub brokers: Option<String>,
    /// Topics, separated by commas [kafka.topics]
    #[arg(long, value_name = "LIST")]
    pub topics: Option<String>,
    /// Consumer group [kafka.group]
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Where a topic is read from the first time: earliest or latest [kafka.start]
    #[arg(long, value_name = "WHERE", value_parser = ["earliest", "latest"])]
    pub start: Option<String>,
    /// Ends at what the topics hold now, instead of waiting for more
    #[arg(long)]
    pub until_end: bool,
    /// The adapter that reads every record [ingest.adapter]; else the content decides
    #[arg(long, value_name = "NAME")]
    pub system: Option<String>,
    /// Which of several systems of one kind the records come from [ingest.installation]
    #[arg(long, value_name = "NAME")]
    pub installation: Option<String>,
    /// When the records of a file that carry no time were true
    #[arg(long, value_name = "INSTANT", value_parser = Instant::parse)]
    pub at: Option<Instant>,
    /// Shows what a file would become, and stores nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Lines that a dry run shows
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, requires = "dry_run")]
    pub limit: usize,
}

/// Where events come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    Kafka,
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("file:")) {
            ("kafka", _) => Ok(Source::Kafka),
            (_, Some(path)) if !path.is_empty() => Ok(Source::File(path.into())),
            _ => Err("a source is file:PATH or kafka".to_owned()),
        }
    }
}

impl Ingest {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        if self.dry_run {
            return self.show(app).await;
        }
        if self.at.is_some() && self.from == Source::Kafka {
            return Err(fault(Kind::Usage, "--at is for files"));
        }
        let lake = app.lake().await?;
        let books = app.books().await?;
        let mut settings = app.ingest_settings(&books).await?;
        settings.at = self.at;
        let report = match self.from {
            Source::File(path) => from_file(app, &lake, &path, &settings).await?,
            Source::Kafka => {
                let mut kafka = kafka_settings(&app.settings, settings)?;
                kafka.until_end = self.until_end;
                from_kafka(app, (&lake, &books), kafka).await?
            }
        };
        Ok(output::print(&record(&report).text(app.format))?)
    }

    /// What the files would become, without the lake.
    async fn show(self, app: &App) -> anyhow::Result<()> {
        let Source::File(path) = &self.from else {
            return Err(fault(Kind::Usage, "--dry-run is for files: --from file:PATH"));
        };
        let mut settings = decoded::settings(app).await?;
        settings.at = self.at;
        let mut lines = decoded::Lines::new(self.limit);
        let mut each = |path: &std::path::Path, preview| lines.add(Some(path), &preview);
        turnpike_ingest::file::preview(path, &settings, app.clock.now(), &mut each)
            .map_err(blamed)?;
        output::print(&lines.table().text(app.format))?;
        lines.note();
        Ok(())
    }
}

/// Reads a file or a folder, with progress.
pub async fn from_file(
    app: &App,
    lake: &Lake,
    path: &std::path::Path,
    settings: &IngestSettings,
) -> anyhow::Result<IngestReport> {
    let bar = progress::bytes("ingesting");
    let shown = bar.clone();
    let progress = move |progress: turnpike_ingest::IngestProgress| {
        shown.set_length(progress.bytes_total);
        shown.set_position(progress.bytes);
    };
    let now = app.clock.now();
    let result = turnpike_ingest::file::ingest(lake, path, settings, now, &progress).await;
    bar.finish_and_clear();
    result.map_err(blamed)
}

async fn from_kafka(
    app: &App,
    (lake, books): (&Lake, &Books),
    settings: KafkaSettings,
) -> anyhow::Result<IngestReport> {
    let metrics = Arc::new(IngestMetrics::default());
    let health = app
        .settings
        .ingest
        .listen
        .map(|address| Health::start(app, (lake, books), &settings.ingest, &metrics, address));
    let health = health.transpose()?;
    let board = health.as_ref().map(Health::board);
    let stop = StopSignal::new();
    let stopped = stop.clone();
    let mut asked = StopAsked::listen();
    tokio::spawn(async move {
        asked.next().await;
        output::note("stopping: what was read is committed; ctrl-c again ends at once");
        if let Some(board) = board {
            board.update(|status| status.draining = true);
        }
        stopped.stop();
        asked.end_at_next();
    });
    let bar = progress::open("ingesting");
    let (shown, counted) = (bar.clone(), Arc::clone(&metrics));
    let ticker = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            shown.set_position(counted.snapshot().records);
        }
    });
    let result = kafka::run(lake.clone(), settings, app.clock.to_fn(), metrics, stop).await;
    ticker.abort();
    bar.finish_and_clear();
    if let Some(health) = health {
        health.finish().await?;
    }
    result.map_err(blamed)
}

/// Kafka's settings from ours.
pub fn kafka_settings(
    settings: &Settings,
    ingest: IngestSettings,
) -> anyhow::Result<KafkaSettings> {
    let ours = &settings.kafka;
    if ours.bootstrap.is_empty() {
        let text = "no brokers: give --brokers or set kafka.bootstrap";
        return Err(fault(Kind::Config, text));
    }
    if ours.topics.is_empty() {
        return Err(fault(Kind::Config, "no topics: give --topics or set kafka.topics"));
    }
    let start = ours.start.as_deref().map(|start| match start {
        "earliest" => StartAt::Earliest,
        _ => StartAt::Latest,
    });
    Ok(KafkaSettings {
        start,
        epoch: ours.epoch,
        on_gap: match ours.on_gap.as_deref() {
            Some("record") => OnGap::Record,
            _ => OnGap::Stop,
        },
        instance: ours.instance.clone(),
        flush_interval: Duration::from_millis(settings.ingest.flush_ms),
        ingest,
        client: ours.options.clone(),
        ..KafkaSettings::new(ours.bootstrap.clone(), ours.topics.clone(), ours.group.clone())
    })
}

pub fn blamed(error: IngestError) -> anyhow::Error {
    let kind = match error.fault() {
        _ if error.is_unreachable() => Kind::Dependency,
        turnpike_ingest::Fault::Caller => Kind::Data,
        _ => Kind::General,
    };
    let text = error.to_string();
    anyhow::Error::new(error).context(Fault::new(kind, text))
}

/// What a run did.
pub fn record(report: &IngestReport) -> Record {
    let reasons: Vec<String> =
        report.dead_by_reason.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    Record::default()
        .with("read", Cell::count(report.read))
        .with("accepted", Cell::count(report.accepted))
        .with("unmetered", Cell::count(report.unmetered))
        .with("duplicate", Cell::count(report.duplicate))
        .with("conflict", Cell::count(report.conflict))
        .with("dead", Cell::count(report.dead))
        .with("dead_reasons", Cell::text(reasons.join(", ")))
        .with("bytes", Cell::count(report.bytes))
        .with("commits", Cell::count(report.commits))
        .with("skipped_files", Cell::count(report.skipped_files))
}
