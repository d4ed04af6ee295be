//! `turnpike quote`: what usage would be billed at, and why.

mod file;
mod parse;
mod show;

use std::path::PathBuf;

use anyhow::Context as _;
use chrono_tz::Tz;
use clap::Args;
use turnpike_lake::{Lake, LakeSettings};
use turnpike_rating::{Quote as Quoted, QuoteBook, QuoteError, QuoteFor, ToldUsage, Window};
use turnpike_schemas::{AccountId, Instant, Period, PriceBook, RunId, TariffId};

use super::{book, decoded, ingest};
use crate::app::App;
use crate::fault::{Blame as _, Fault, Kind, fault};
use crate::jobs::new_id;
use crate::output;

/// Says what usage costs under a tariff, and why
#[derive(Debug, Args)]
#[command(after_long_help = "\
Usage is told as METER=QUANTITY[UNIT][@ATTRIBUTE=VALUE,...][,FIELD=VALUE,...], such as
  --use vcpu=4@flavor=m1.large,for=10d
  --use \"volume=250 GiB,site=lyon-1\"
  --use egress=1.5TiB
Fields: for (10d, 36h, 1h30m), from, to, at (RFC 3339, or a day), events, project, site, region,
resource, kind, state. What is held is held all the period unless told otherwise.

A usage file has one JSON object per line with meter, quantity, unit and these fields (attributes is
an object), or is CSV with such columns, those of attributes written @NAME.

Exit code 4 where it cannot be priced; the reason is printed.")]
pub struct Quote {
    /// The price list to ask
    #[arg(long, value_name = "ID", required_unless_present = "account")]
    tariff: Option<TariffId>,
    /// The account to ask for, with its calendar, tariffs and terms
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// A book file, in place of the newest stored one
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
    /// Usage; may be given several times
    #[arg(long = "use", value_name = "USAGE")]
    usage: Vec<String>,
    /// A file of usage: JSON lines or CSV; - for standard input
    #[arg(long, value_name = "FILE")]
    usage_file: Option<PathBuf>,
    /// A file or folder of usage events, in any format that is known; whoever their owner is
    #[arg(long, value_name = "PATH", conflicts_with_all = ["usage", "usage_file"])]
    events: Option<PathBuf>,
    /// The month that is billed, such as 2026-10; the present one where absent
    #[arg(long, value_name = "MONTH", conflicts_with = "from")]
    period: Option<String>,
    /// Start of a span that is billed (RFC 3339, whole seconds)
    #[arg(long, value_name = "INSTANT", requires = "to", value_parser = Instant::parse)]
    from: Option<Instant>,
    /// End of the span, exclusive
    #[arg(long, value_name = "INSTANT", requires = "from", value_parser = Instant::parse)]
    to: Option<Instant>,
    /// The calendar of months and days: an IANA name
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<Tz>,
}

impl Quote {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let book = priced_book(app, self.book.as_deref()).await?;
        let whom = QuoteFor {
            account: self.account.clone(),
            tariff: self.tariff.clone(),
            time_zone: self.time_zone,
        };
        let of = QuoteBook::new(&book, &whom, self.window(app)?).map_err(blamed)?;
        let run = RunId::new(new_id("quote", app.clock.now())).context("naming the quote")?;
        let quoted = match &self.events {
            Some(path) => of_events(app, &of, &run, path).await?,
            None => of.of_usage(&run, &self.told(&of)?).map_err(blamed)?,
        };
        output::print(&show::text(&of, &run, &quoted, app.format)?)?;
        if quoted.outside > 0 {
            output::note(&format!(
                "{} usages lie outside of {} as a whole or in part; that part is not priced",
                quoted.outside, of.period
            ));
        }
        match quoted.parked {
            None => Ok(()),
            Some(reason) => Err(fault(Kind::Data, format!("it cannot be priced: {reason}"))),
        }
    }

    fn window(&self, app: &App) -> anyhow::Result<Window> {
        match (&self.period, self.from, self.to) {
            (Some(month), _, _) => {
                Window::parse_month(month).blame(Kind::Usage, "--period cannot be read")
            }
            (None, Some(from), Some(to)) => {
                let period = Period::new(from, to).blame(Kind::Usage, "--from and --to")?;
                Ok(Window::Span(period))
            }
            _ => {
                let month = app.clock.now().utc_month();
                let text = format!("{:04}-{:02}", month.div_euclid(100), month.rem_euclid(100));
                Window::parse_month(&text).context("the present month")
            }
        }
    }

    fn told(&self, of: &QuoteBook) -> anyhow::Result<Vec<ToldUsage>> {
        let zone = of.account().time_zone;
        let mut told = Vec::new();
        for text in &self.usage {
            let usage = parse::usage(text, zone);
            told.push(usage.map_err(|problem| {
                fault(Kind::Usage, format!("--use `{text}` cannot be read: {problem}"))
            })?);
        }
        if let Some(path) = &self.usage_file {
            told.extend(file::read(path, zone)?);
        }
        Ok(told)
    }
}

/// The book of a file, or the newest stored one.
pub async fn priced_book(app: &App, path: Option<&std::path::Path>) -> anyhow::Result<PriceBook> {
    let Some(path) = path else {
        let stored = match app.has_books() {
            true => app.books().await?.newest_book().await.context("reading the book")?,
            false => None,
        };
        return stored.map(|stored| stored.book).ok_or_else(|| {
            fault(Kind::Data, "no book has been imported yet: give one by --book FILE")
        });
    };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .blame(Kind::Data, format!("the book {name} could not be read"))?;
    let parsed = turnpike_books::read_book(&text)
        .map_err(|list| book::mistakes(&name, &list, "; nothing was quoted"))?;
    for warning in &parsed.warnings {
        output::note(&format!("warning: {name}: {warning}"));
    }
    Ok(parsed.book)
}

/// A folder that goes when it is no longer needed.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays there is only space.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Reads events into tables of their own, so that duplicates, corrections and their order count as
/// they do in production.
async fn of_events(
    app: &App,
    of: &QuoteBook,
    run: &RunId,
    path: &std::path::Path,
) -> anyhow::Result<Quoted> {
    // What-if events may lie in the future.
    let now = app.clock.now().max(of.period.end());
    let root = std::env::temp_dir().join(new_id("turnpike-quote", now));
    let scratch = Scratch(root.clone());
    let settings = LakeSettings { buckets: 1, fsync: false, ..LakeSettings::new(root) };
    let lake = Lake::open(settings, now).await.context("making tables for the quote")?;
    let mut settings = decoded::settings(app).await?;
    settings.meters = of.book.meters.clone();
    settings.at = Some(of.period.start());
    let report = turnpike_ingest::file::ingest(&lake, path, &settings, now, &|_| {}).await;
    let report = report.map_err(ingest::blamed)?;
    if report.dead > 0 {
        output::note(&format!(
            "warning: {} of {} records cannot be read and are left out (turnpike check-event)",
            report.dead, report.read
        ));
    }
    let snapshot = lake.snapshot().await.context("reading the events")?;
    let quoted = of.of_events(run, &snapshot, of.period.end()).await.map_err(blamed);
    drop(scratch);
    quoted
}

fn blamed(error: QuoteError) -> anyhow::Error {
    let kind = match &error {
        QuoteError::Rating(_) => Kind::General,
        QuoteError::Nobody | QuoteError::Period(_) => Kind::Usage,
        _ => Kind::Data,
    };
    let text = error.to_string();
    anyhow::Error::new(error).context(Fault::new(kind, text))
}
