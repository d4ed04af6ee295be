//! `turnpike simulate`: a deterministic provider's stream and its price book.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use turnpike_ingest::kafka::{self, ProduceSettings};
use turnpike_schemas::Instant;

use crate::app::App;
use crate::fault::{Blame as _, Kind, fault};
use crate::output::{self, Cell, Record};
use crate::progress;
use crate::simulate::sink::{self, Folder, Sink};
use crate::simulate::{PlanError, SimulateSettings, Written, book_text, simulate};

/// Writes the usage events of an invented provider, the same for the same seed
#[derive(Debug, Args)]
pub struct Simulate {
    /// Another seed gives another provider
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Accounts of the book
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    accounts: u32,
    /// Lines to write, doubled and broken ones included
    #[arg(long, default_value_t = 200_000)]
    events: u64,
    /// Calendar months, the one of --until included
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=120))]
    months: u32,
    /// The last instant (RFC 3339); now where absent
    #[arg(long, value_name = "INSTANT", value_parser = Instant::parse)]
    until: Option<Instant>,
    /// file:PATH (.gz and .zst compress), dir:PATH (a file per day), - or kafka:TOPIC
    #[arg(long, value_name = "TARGET", default_value = "-")]
    to: Target,
    /// Brokers for kafka:TOPIC [kafka.bootstrap]
    #[arg(long, value_name = "LIST")]
    pub brokers: Option<String>,
    /// Also writes the price book that fits
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    File(PathBuf),
    Folder(PathBuf),
    Standard,
    Kafka(String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            _ if text == "-" => Ok(Target::Standard),
            Some(("file", path)) if !path.is_empty() => Ok(Target::File(path.into())),
            Some(("dir", path)) if !path.is_empty() => Ok(Target::Folder(path.into())),
            Some(("kafka", topic)) if !topic.is_empty() => Ok(Target::Kafka(topic.to_owned())),
            _ => Err("a target is file:PATH, dir:PATH, - or kafka:TOPIC".to_owned()),
        }
    }
}

impl Simulate {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let settings = SimulateSettings {
            seed: self.seed,
            accounts: self.accounts,
            events: self.events,
            months: self.months,
            until: self.until.unwrap_or_else(|| app.clock.now()),
        };
        if let Some(path) = &self.book {
            write_book(&settings, path)?;
        }
        let brokers = app.settings.kafka.bootstrap.clone();
        let client = app.settings.kafka.options.clone();
        let to = self.to.clone();
        let work = move || match to {
            Target::File(path) => {
                let sink = sink::file(&path).with_context(|| path.display().to_string());
                write(&settings, &mut *sink?)
            }
            Target::Folder(path) => {
                let folder = Folder::new(&path).with_context(|| path.display().to_string());
                write(&settings, &mut folder?)
            }
            Target::Standard => {
                write(&settings, &mut *sink::plain(std::io::BufWriter::new(std::io::stdout())))
            }
            Target::Kafka(topic) => {
                let produce = ProduceSettings { client, ..ProduceSettings::new(brokers, topic) };
                to_kafka(settings, &produce)
            }
        };
        let written = tokio::task::spawn_blocking(work).await.context("the simulation ended")?;
        let written = match written {
            // A reader that has seen enough (`| head`) is no failure.
            Err(error) if self.to == Target::Standard && is_broken_pipe(&error) => return Ok(()),
            other => other?,
        };
        let text = record(&written).text(app.format);
        if self.to == Target::Standard {
            // Standard output belongs to the events.
            output::note(text.trim_end());
            return Ok(());
        }
        Ok(output::print(&text)?)
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes the book that fits.
pub fn write_book(settings: &SimulateSettings, path: &std::path::Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::write(path, book_text(settings))
        .with_context(|| format!("writing the book {}", path.display()))
}

/// Writes the stream, with progress. A reader that goes away (`| head`) ends it.
pub fn write(settings: &SimulateSettings, sink: &mut dyn Sink) -> anyhow::Result<Written> {
    let bar = progress::units("simulating", settings.events);
    let result = simulate(settings, sink, &|events| bar.set_position(events));
    bar.finish_and_clear();
    result.map_err(|error| match error.downcast::<PlanError>() {
        Ok(plan) => fault(Kind::Usage, plan.to_string()),
        Err(other) => other,
    })
}

/// Hands lines over to the producer's thread; a full channel makes the simulation wait.
struct Channel(Option<SyncSender<Vec<u8>>>);

impl Sink for Channel {
    fn write(&mut self, _: i64, line: &[u8]) -> std::io::Result<()> {
        let Some(sender) = &self.0 else { return Ok(()) };
        sender.send(line.to_vec()).map_err(std::io::Error::other)
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.0 = None;
        Ok(())
    }
}

/// Lines between the simulation and the producer: enough that neither waits for long.
const LINES_WAITING_MAX: usize = 4_096;

fn to_kafka(settings: SimulateSettings, produce: &ProduceSettings) -> anyhow::Result<Written> {
    if produce.brokers.is_empty() {
        return Err(fault(Kind::Config, "no brokers: give --brokers or set kafka.bootstrap"));
    }
    let produce = ProduceSettings { timeout: Duration::from_secs(300), ..produce.clone() };
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    let writer = std::thread::spawn(move || write(&settings, &mut Channel(Some(sender))));
    let sent = kafka::produce(&produce, &mut receiver.into_iter(), &|_| {});
    let written = writer.join().map_err(|_| anyhow::anyhow!("the simulation ended early"))?;
    // Where the producer failed the writer only says that nobody listens.
    let down = sent.as_ref().is_err_and(turnpike_ingest::IngestError::is_unreachable);
    let kind = if down { Kind::Dependency } else { Kind::General };
    sent.blame(kind, format!("sending to the topic `{}`", produce.topic))?;
    written
}

fn record(written: &Written) -> Record {
    Record::default()
        .with("events", Cell::count(written.events))
        .with("doubled", Cell::count(written.doubled))
        .with("late", Cell::count(written.late))
        .with("broken", Cell::count(written.broken))
        .with("resources", Cell::count(written.resources))
        .with("bytes", Cell::count(written.bytes))
}
