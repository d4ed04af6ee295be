//! `turnpike demo`: a whole provider in one process, from events to pages.

mod summary;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Stopwatch};

use anyhow::Context as _;
use clap::Args;
use turnpike_books::{Books, ImportError, ImportReport};
use turnpike_ingest::IngestReport;
use turnpike_lake::{FinalCounts, Lake};
use turnpike_rating::Window;
use turnpike_schemas::Instant;

use crate::app::App;
use crate::cli::{book, ingest, serve, simulate};
use crate::fault::{Kind, fault};
use crate::jobs::{self, DraftReport, FinalizeReport, RateReport};
use crate::output::{self, Format};
use crate::progress;
use crate::settings::layers::Origin;
use crate::simulate::SimulateSettings;
use crate::simulate::sink;

/// Runs a simulated provider: two months of events, rated and invoiced, with pages to look at
#[derive(Debug, Args)]
pub struct Demo {
    /// Accounts of the provider
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    accounts: u32,
    /// Usage events to simulate
    #[arg(long, default_value_t = 200_000)]
    events: u64,
    /// Another seed gives another provider
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ends after the summary, without serving pages
    #[arg(long)]
    no_serve: bool,
    /// Address of the pages [web.listen]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
}

/// Where a demo lives when nothing else is said.
const DEMO_DIR: &str = "turnpike-demo";
/// Marks a folder as a demo's, which the next demo may replace.
const MARKER: &str = ".turnpike-demo";

/// A stage of the demo and how long it took.
pub struct Stage {
    pub name: &'static str,
    pub what: String,
    pub time: Duration,
}

/// Everything the summary tells of.
pub struct Told {
    pub stages: Vec<Stage>,
    pub dir: PathBuf,
    pub counts: FinalCounts,
    pub last: RateReport,
    pub running: RateReport,
    pub finalized: FinalizeReport,
    pub drafts: DraftReport,
    pub total: Duration,
}

/// Stages with their stopwatch.
#[derive(Default)]
struct Stages(Vec<Stage>);

impl Stages {
    fn done(&mut self, name: &'static str, since: Stopwatch, what: String) {
        self.0.push(Stage { name, what, time: since.elapsed() });
    }
}

impl Demo {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let app = &self.app(app)?;
        // An address that is taken should be known before the work, not after it.
        let listener = if self.no_serve { None } else { Some(serve::bind(app)?) };
        let lake = app.lake().await?;
        let books = app.books().await?;
        let told = Box::pin(self.play(app, &lake, &books)).await?;
        let places = summary::export(app, &books, &told).await?;
        if app.format == Format::Json {
            output::print(&summary::json(&told))?;
        } else {
            output::print(&summary::text(app, &books, &told, &places, self.no_serve).await?)?;
        }
        match listener {
            None => Ok(()),
            Some(listener) => {
                output::note("Serving pages; ctrl-c ends.");
                serve::serve(app, lake, books, listener).await
            }
        }
    }

    /// The app on the demo's own folder, made anew.
    fn app(&self, app: &App) -> anyhow::Result<App> {
        let mut settings = (*app.settings).clone();
        let named = settings.values.get("data.dir").is_some_and(|v| v.origin != Origin::Default);
        if !named {
            settings.data.dir = PathBuf::from(DEMO_DIR);
        }
        let dir = settings.data.dir.clone();
        if settings.values.get("books.url").is_none_or(|url| url.text.is_empty()) {
            settings.books.url = format!("sqlite:{}", dir.join("books.sqlite").display());
        } else {
            let text = "a demo keeps its books in its own folder: it does not take books.url";
            return Err(fault(Kind::Usage, text));
        }
        // Nothing but the simulated events goes in.
        settings.kafka.bootstrap.clear();
        fresh(&dir)?;
        Ok(app.with_settings(settings))
    }

    async fn play(&self, app: &App, lake: &Lake, books: &Books) -> anyhow::Result<Told> {
        let started = Stopwatch::now();
        let now = app.clock.now();
        let dir = app.settings.data.dir.clone();
        let mut stages = Stages::default();

        let events = self.simulate(&dir, now, &mut stages).await?;
        let since = Stopwatch::now();
        let imported = import(books, &dir.join("book.toml"), now).await?;
        let counts = &imported.counts;
        let what = format!("{} accounts, {} tariffs", counts.accounts, counts.tariffs);
        stages.done("book", since, what);

        let since = Stopwatch::now();
        let settings = app.ingest_settings(books).await?;
        let report = ingest::from_file(app, lake, &events, &settings).await?;
        stages.done("ingest", since, ingested(&report, since.elapsed()));

        let since = Stopwatch::now();
        let settings = app.compact_settings();
        let report = lake.compact(&settings, &|_| {}).await.context("compacting")?;
        let rows = output::grouped(report.usage_rows);
        stages.done("compact", since, format!("{rows} rows of usage, sorted"));

        let (last, running) = months(now);
        let (last, stage) = rated(app, lake, books, last, now).await?;
        stages.0.push(stage);
        // The books have one writer and rating has the cores: neither waits for the other.
        let ((finalized, first), (running, second)) =
            tokio::try_join!(finalized(books, &last, now), rated(app, lake, books, running, now))?;
        stages.0.extend([second, first]);

        let since = Stopwatch::now();
        let record = &running.record;
        let drafts = jobs::draft_lines(books, record, running.lines.clone(), None, now).await?;
        let what = format!("{} invoices of {}", drafts.drafted.len(), record.label);
        stages.done("draft", since, what);

        let counts = lake.snapshot().await?.final_counts().await.context("counting events")?;
        Ok(Told {
            stages: stages.0,
            dir,
            counts,
            last,
            running,
            finalized,
            drafts,
            total: started.elapsed(),
        })
    }

    /// Writes the events and the book of the provider.
    async fn simulate(
        &self,
        dir: &Path,
        now: Instant,
        stages: &mut Stages,
    ) -> anyhow::Result<PathBuf> {
        let since = Stopwatch::now();
        let settings = SimulateSettings {
            seed: self.seed,
            accounts: self.accounts,
            events: self.events,
            months: 2,
            until: now.floored(),
        };
        simulate::write_book(&settings, &dir.join("book.toml"))?;
        let path = dir.join("events.jsonl");
        let target = path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut sink =
                sink::file(&target).with_context(|| format!("writing {}", target.display()))?;
            simulate::write(&settings, &mut *sink)
        });
        let written = written.await.context("the simulation ended early")??;
        let what = format!(
            "{} events of {} resources, {} delivered twice, {} hours or days late, {} broken",
            output::grouped(written.events),
            output::grouped(written.resources),
            output::grouped(written.doubled),
            output::grouped(written.late),
            written.broken
        );
        stages.done("simulate", since, what);
        Ok(path)
    }
}

/// An empty folder for the demo. What a demo left there is replaced; anything else is not touched.
fn fresh(dir: &Path) -> anyhow::Result<()> {
    let place = || format!("the demo's folder {}", dir.display());
    if dir.join(MARKER).exists() {
        std::fs::remove_dir_all(dir).with_context(place)?;
    }
    let mut left = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(dir).with_context(place)?;
            std::fs::read_dir(dir).with_context(place)?
        }
        Err(error) => return Err(error).with_context(place),
    };
    if left.next().is_some() {
        let text =
            format!("{} holds something that is no demo; give another --data-dir", dir.display());
        return Err(fault(Kind::Usage, text));
    }
    std::fs::write(dir.join(MARKER), "The next `turnpike demo` replaces this folder.\n")
        .with_context(place)
}

async fn import(books: &Books, path: &Path, now: Instant) -> anyhow::Result<ImportReport> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    books.import(&text, now, "demo").await.map_err(|error| match error {
        ImportError::Mistakes(list) => {
            book::mistakes(&path.display().to_string(), &list, "; nothing was imported")
        }
        other => other.into(),
    })
}

fn ingested(report: &IngestReport, time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    let speed = report.read.saturating_mul(1_000) / millis;
    format!(
        "{} events in {} commits, {} per second",
        output::grouped(report.read),
        report.commits,
        output::grouped(speed)
    )
}

/// The last whole month and the running one, in UTC.
fn months(now: Instant) -> (Window, Window) {
    let running = now.utc_month();
    let last = if running % 100 == 1 { running - 89 } else { running - 1 };
    let window = |month: i32| Window::Month {
        year: month.div_euclid(100),
        month: u32::try_from(month.rem_euclid(100)).unwrap_or(1),
    };
    (window(last), window(running))
}

async fn rated(
    app: &App,
    lake: &Lake,
    books: &Books,
    window: Window,
    now: Instant,
) -> anyhow::Result<(RateReport, Stage)> {
    let since = Stopwatch::now();
    let bar = progress::units("rating", u64::from(lake.buckets()));
    let shown = bar.clone();
    let report = jobs::rate(app, lake, books, window, now, move |progress| {
        shown.set_position(u64::from(progress.buckets_done));
    })
    .await;
    bar.finish_and_clear();
    let report = report?;
    let what = format!(
        "{}: {} intervals to {} lines of {} accounts",
        report.record.label,
        output::grouped(report.intervals),
        output::grouped(u64::try_from(report.record.lines).unwrap_or(0)),
        report.record.accounts
    );
    Ok((report, Stage { name: "rate", what, time: since.elapsed() }))
}

/// Drafts and finalizes the month that is over.
async fn finalized(
    books: &Books,
    last: &RateReport,
    now: Instant,
) -> anyhow::Result<(FinalizeReport, Stage)> {
    let since = Stopwatch::now();
    let record = &last.record;
    let drafted = jobs::draft_lines(books, record, last.lines.clone(), None, now).await?;
    let ids: Vec<_> = drafted
        .drafted
        .iter()
        .map(|invoice| (invoice.id.clone(), invoice.account.id.to_string()))
        .collect();
    let report = jobs::finalize(books, &ids, jobs::Accepted::default(), now).await?;
    let number = report.finalized.len();
    let what = format!("{number} invoices of {}, while the next month is rated", record.label);
    Ok((report, Stage { name: "finalize", what, time: since.elapsed() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_before_january_is_december() {
        let now = Instant::parse("2027-01-03T00:00:00Z").expect("instant");
        let (last, running) = months(now);
        assert_eq!((last.label(), running.label()), ("2026-12".to_owned(), "2027-01".to_owned()));
    }

    #[test]
    fn only_a_demo_is_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path().join("demo");
        fresh(&dir).expect("made");
        std::fs::write(dir.join("left"), "over").expect("writes");
        fresh(&dir).expect("replaced");
        assert!(!dir.join("left").exists());
        std::fs::remove_file(dir.join(MARKER)).expect("removes");
        std::fs::write(dir.join("precious"), "data").expect("writes");
        assert_eq!(crate::fault::kind_of(&fresh(&dir).expect_err("refused")), Kind::Usage);
        assert!(dir.join("precious").exists());
    }
}
