//! `turnpike compare`: real history under other terms, or two runs of one period.

mod show;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use turnpike_rating::{Comparison, RatingRequest, Terms, Window};
use turnpike_schemas::{AccountId, Instant, Period, RunId, SiteId, TariffId};

use super::quote::priced_book;
use crate::app::{App, threads};
use crate::fault::{Blame as _, Kind, fault};
use crate::jobs::{self, new_id};
use crate::{output, progress};

/// Rates history again under another tariff, book or site, and says what differs
#[derive(Debug, Args)]
#[command(after_long_help = "\
`turnpike compare --period 2026-10 --account a1 --site lyon-1=milano-1` answers: would it have been
cheaper elsewhere? `turnpike compare --period 2026-10 --book new.toml`: what would this change earn?
Nothing is stored. Exit code 4 where an account that was asked for cannot be priced.")]
pub struct Compare {
    /// A month such as 2026-10, in each account's own time zone
    #[arg(long, value_name = "MONTH", required_unless_present_any = ["from", "runs"])]
    #[arg(conflicts_with = "from")]
    period: Option<String>,
    /// Start of a span (RFC 3339, whole seconds)
    #[arg(long, value_name = "INSTANT", requires = "to", value_parser = Instant::parse)]
    from: Option<Instant>,
    /// End of a span, exclusive
    #[arg(long, value_name = "INSTANT", requires = "from", value_parser = Instant::parse)]
    to: Option<Instant>,
    /// Bills nothing at or past this instant; now where absent
    #[arg(long, value_name = "INSTANT", value_parser = Instant::parse)]
    as_of: Option<Instant>,
    /// These accounts only; may be given several times
    #[arg(long, value_name = "ID")]
    account: Vec<AccountId>,
    /// Accounts on tariff OLD are taken to be on NEW; may be given several times
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    tariff: Vec<(String, String)>,
    /// Usage of site A is taken to have run at site B; may be given several times
    #[arg(long, value_name = "A=B", value_parser = pair)]
    site: Vec<(String, String)>,
    /// The other terms: a book file
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
    /// Two stored runs of one period, the earlier first
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    #[arg(conflicts_with_all = ["period", "from", "as_of", "tariff", "site", "book"])]
    runs: Vec<RunId>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(old, new)| !old.is_empty() && !new.is_empty());
    let (old, new) = parts.ok_or("write OLD=NEW")?;
    Ok((old.to_owned(), new.to_owned()))
}

impl Compare {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        if let [old, new] = &self.runs[..] {
            return self.stored(app, old, new).await;
        }
        let window = self.window()?;
        let book = priced_book(app, None).await?;
        let terms = self.terms(app, &book).await?;
        for id in &self.account {
            if book.account(id).is_none() {
                return Err(fault(Kind::Data, format!("there is no account `{id}` in the book")));
            }
        }
        let run = RunId::new(new_id("compare", app.clock.now())).context("naming the run")?;
        let rating = &app.settings.rating;
        let as_of = self.as_of.unwrap_or_else(|| app.clock.now());
        let request = RatingRequest {
            threads: threads(&app.settings),
            batch_rows: rating.batch_rows,
            memory_bytes: rating.memory_bytes,
            accounts: (!self.account.is_empty()).then(|| self.account.clone()),
            ..RatingRequest::new(run, window, as_of)
        };
        let lake = app.lake().await?;
        let snapshot = lake.snapshot().await.context("reading the tables")?;
        let bar = progress::units("comparing", u64::from(lake.buckets()));
        let shown = bar.clone();
        let compared = app
            .on_engine(async move {
                let tell = move |done: turnpike_rating::RatingProgress| {
                    shown.set_position(u64::from(done.buckets_done));
                };
                Ok(turnpike_rating::compare(&snapshot, &book, &terms, &request, &tell).await?)
            })
            .await;
        bar.finish_and_clear();
        let compared = compared.with_context(|| format!("comparing {}", window.label()))?;
        output::print(&show::comparison(&compared, &window.label(), as_of, app.format))?;
        warn(&compared);
        self.check_parked(&compared)
    }

    fn window(&self) -> anyhow::Result<Window> {
        match (&self.period, self.from, self.to) {
            (Some(month), _, _) => {
                Window::parse_month(month).blame(Kind::Usage, "--period cannot be read")
            }
            (None, Some(from), Some(to)) => {
                let period = Period::new(from, to).blame(Kind::Usage, "--from and --to")?;
                Ok(Window::Span(period))
            }
            _ => Err(fault(Kind::Usage, "give --period, or --from and --to, or --runs")),
        }
    }

    async fn terms(&self, app: &App, own: &turnpike_schemas::PriceBook) -> anyhow::Result<Terms> {
        if self.tariff.is_empty() && self.site.is_empty() && self.book.is_none() {
            let text = "say what differs: --tariff OLD=NEW, --site A=B or --book FILE";
            return Err(fault(Kind::Usage, text));
        }
        let other = match &self.book {
            Some(path) => Some(priced_book(app, Some(path)).await?),
            None => None,
        };
        let book = other.as_ref().unwrap_or(own);
        let mut terms = Terms::default();
        for (old, new) in &self.tariff {
            let id = |text: &String| TariffId::new(text.as_str()).blame(Kind::Usage, "--tariff");
            let (old, new) = (id(old)?, id(new)?);
            for id in [&old, &new] {
                if book.tariff(id).is_none() && own.tariff(id).is_none() {
                    let text = format!("there is no tariff `{id}` in the book");
                    return Err(fault(Kind::Data, text));
                }
            }
            terms.tariffs.push((old, new));
        }
        for (old, new) in &self.site {
            let new = SiteId::new(new.as_str()).blame(Kind::Usage, "--site")?;
            if book.site(&new).is_none() {
                return Err(fault(Kind::Data, format!("there is no site `{new}` in the book")));
            }
            terms.sites.push((old.clone(), new));
        }
        terms.book = other;
        Ok(terms)
    }

    /// Two runs that are stored: nothing is rated again.
    async fn stored(&self, app: &App, old: &RunId, new: &RunId) -> anyhow::Result<()> {
        let books = app.books().await?;
        let mut records = Vec::new();
        for run in [old, new] {
            records.push(crate::cli::invoice::run_record(&books, None, Some(run)).await?);
        }
        if records[0].label != records[1].label {
            let text = format!(
                "run {old} is of {} and run {new} of {}: only runs of one period can be compared",
                records[0].label, records[1].label
            );
            return Err(fault(Kind::Data, text));
        }
        let lake = app.lake().await?;
        let wanted =
            |account: &AccountId| self.account.is_empty() || self.account.contains(account);
        let mut sides = Vec::new();
        for run in [old, new] {
            let mut lines = jobs::lines_of(&lake, run).await?;
            lines.retain(|line| wanted(&line.account));
            sides.push(lines);
        }
        let against = jobs::Against { run: Some(old.clone()), lines: sides.swap_remove(0) };
        let text = show::revision(&against, &records[1].run, &records[1].label, &sides[0], app);
        Ok(output::print(&text)?)
    }

    /// An account asked for by name that cannot be compared is no answer.
    fn check_parked(&self, compared: &Comparison) -> anyhow::Result<()> {
        let parked = compared.parked_old.iter().chain(&compared.parked_new);
        let mut asked = parked.filter(|parked| self.account.contains(&parked.account));
        asked.next().map_or(Ok(()), |parked| {
            let text = format!("`{}` cannot be compared: {}", parked.account, parked.reason);
            Err(fault(Kind::Data, text))
        })
    }
}

fn warn(compared: &Comparison) {
    let sides =
        [("as it is", &compared.parked_old), ("under the other terms", &compared.parked_new)];
    for (side, parked) in sides {
        for parked in parked {
            output::note(&format!(
                "warning: account `{}` is left out of both sums, it cannot be priced {side}: {}",
                parked.account, parked.reason
            ));
        }
    }
    if !compared.unassigned.is_empty() {
        let count = compared.unassigned.len();
        output::note(&format!("warning: {count} usages belong to no account"));
    }
}

pub use show::{difference_json, difference_text};
