//! `turnpike rate`.

use anyhow::Context as _;
use clap::Args;
use turnpike_books::{Books, RunRecord};
use turnpike_lake::Lake;
use turnpike_rating::{RatingProgress, Window, difference};
use turnpike_schemas::{Amount, Instant, Period, Rounding, Total};

use crate::app::App;
use crate::cli::amounts::mark_cut;
use crate::cli::compare::{difference_json, difference_text};
use crate::fault::{Blame as _, Kind, fault};
use crate::jobs::{self, Against, Earlier, RateReport};
use crate::output::{self, Cell, Format, Record, Table};
use crate::progress;

/// Meters and prices the usage of a period: exact rated lines, stored as one run
#[derive(Debug, Args)]
pub struct Rate {
    /// A month such as 2026-10, in each account's own time zone
    #[arg(long, value_name = "MONTH", required_unless_present = "from", conflicts_with = "from")]
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
    /// With --period: rates the months after it too, up to this one
    #[arg(long, value_name = "MONTH", requires = "period")]
    through: Option<String>,
    /// Says what differs from an earlier run of the period, line by line: its id, or `latest`
    #[arg(long, value_name = "RUN")]
    against: Option<Earlier>,
    /// Ends with code 4 where an account is parked or usage is unassigned
    #[arg(long)]
    strict: bool,
    /// Buckets metered at the same time [rating.threads]
    #[arg(long)]
    pub threads: Option<usize>,
}

impl Rate {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let windows = self.windows()?;
        let as_of = self.as_of.unwrap_or_else(|| app.clock.now());
        let books = app.books().await?;
        // Reading a large book takes as long as opening the tables: both at once. What fails is told
        // by whoever asks for the book.
        let early = books.clone();
        let reading = tokio::spawn(async move { early.price_book().await.is_ok() });
        let lake = app.lake().await?;
        let _ = reading.await;
        if windows.len() > 1 && matches!(self.against, Some(Earlier::Run(_))) {
            let text = "with --through only `--against latest` names a run of each month";
            return Err(fault(Kind::Usage, text));
        }
        let mut printed: Vec<String> = Vec::new();
        let mut unbilled = (0, 0);
        for window in windows {
            let (report, against) = self.rate(app, &lake, &books, window, as_of).await?;
            printed.push(revision(&report, against.as_ref(), app.format)?);
            warn(&report);
            unbilled.0 += report.parked.len();
            unbilled.1 += report.unassigned.len();
        }
        output::print(&together(&printed, app.format))?;
        if self.strict && unbilled != (0, 0) {
            let text = format!(
                "accounts parked: {}, usages without an account: {}",
                unbilled.0, unbilled.1
            );
            return Err(fault(Kind::Data, text));
        }
        Ok(())
    }

    async fn rate(
        &self,
        app: &App,
        lake: &Lake,
        books: &Books,
        window: Window,
        as_of: Instant,
    ) -> anyhow::Result<(RateReport, Option<Against>)> {
        // Before the new run is the newest.
        let against = match &self.against {
            Some(earlier) => Some(jobs::against(lake, books, earlier, &window.label()).await?),
            None => None,
        };
        let bar = progress::units("rating", u64::from(lake.buckets()));
        let shown = bar.clone();
        let progress = move |progress: RatingProgress| {
            shown.set_position(u64::from(progress.buckets_done));
        };
        // Lines are kept only where they are compared: there may be millions.
        let report = match &against {
            Some(_) => jobs::rate(app, lake, books, window, as_of, progress).await,
            None => jobs::rate_stored(app, lake, books, window, as_of, progress).await,
        };
        bar.finish_and_clear();
        Ok((report?, against))
    }

    /// The window, or each month of several.
    fn windows(&self) -> anyhow::Result<Vec<Window>> {
        let first = self.window()?;
        let (Some(through), Window::Month { mut year, mut month }) = (&self.through, first) else {
            return Ok(vec![first]);
        };
        let last = Window::parse_month(through).blame(Kind::Usage, "--through cannot be read")?;
        let Window::Month { year: last_year, month: last_month } = last else {
            return Ok(vec![first]);
        };
        let mut windows = Vec::new();
        while (year, month) <= (last_year, last_month) {
            windows.push(Window::Month { year, month });
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
        if windows.is_empty() {
            return Err(fault(Kind::Usage, "--through lies before --period"));
        }
        Ok(windows)
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
            _ => Err(fault(Kind::Usage, "give --period, or --from and --to")),
        }
    }
}

/// An exact amount for people: its decimals, and what it rounds to.
pub fn exact_text(total: &Total) -> String {
    total.to_decimal_text(12)
}

pub fn rounded_text(amount: &Amount) -> String {
    amount
        .round(Rounding::default())
        .map_or_else(|error| error.to_string(), |money| turnpike_invoices::format::money(&money))
}

/// A run, and what differs from an earlier one.
fn revision(
    report: &RateReport,
    against: Option<&Against>,
    format: Format,
) -> anyhow::Result<String> {
    let plain = text(report, format);
    let Some(against) = against else { return Ok(plain) };
    let found = difference(&against.lines, &report.lines);
    let (run, label) = (&report.record.run, report.record.label.as_str());
    Ok(match format {
        Format::Csv => plain,
        Format::Table | Format::Html => {
            format!("{plain}\n{}", difference_text(against, label, &found))
        }
        Format::Json => {
            let mut object: serde_json::Value =
                serde_json::from_str(&plain).context("the report")?;
            object["difference"] = difference_json(against, run, label, &found);
            output::pretty(&object)
        }
    })
}

/// Several runs as one output.
fn together(printed: &[String], format: Format) -> String {
    match (format, printed) {
        (_, [one]) => one.clone(),
        (Format::Json, many) => format!("[\n{}]\n", many.join(",\n")),
        (Format::Csv, many) => {
            let rows = many.iter().skip(1).filter_map(|text| text.split_once('\n'));
            let rows: String = rows.map(|(_, rows)| rows).collect();
            format!("{}{rows}", many.first().map_or("", String::as_str))
        }
        (Format::Table | Format::Html, many) => many.join("\n"),
    }
}

fn text(report: &RateReport, format: Format) -> String {
    let record = &report.record;
    match format {
        Format::Table | Format::Html => {
            let mut totals = Table::new(&["currency", "exact total", "rounded"]);
            for total in &record.totals {
                totals.push(vec![
                    Cell::text(total.currency()),
                    Cell::Decimal(exact_text(total)),
                    Cell::Decimal(rounded_text(&total.amount)),
                ]);
            }
            let summary = fields(report).text(format);
            if totals.is_empty() { summary } else { format!("{summary}\n{}", totals.text(format)) }
        }
        Format::Csv => fields(report).text(format),
        Format::Json => json(report),
    }
}

fn fields(report: &RateReport) -> Record {
    let RunRecord { run, label, as_of, lines, accounts, result_hash, .. } = &report.record;
    Record::default()
        .with("run", Cell::text(run))
        .with("period", Cell::text(label))
        .with("as_of", Cell::text(as_of))
        .with("events", Cell::count(report.events))
        .with("intervals", Cell::count(report.intervals))
        .with("lines", Cell::Integer(*lines))
        .with("accounts", Cell::Integer(*accounts))
        .with("parked", Cell::count(report.parked.len()))
        .with("unassigned", Cell::count(report.unassigned.len()))
        .with("gaps", Cell::count(report.gaps.len()))
        .with("hash", Cell::text(result_hash))
}

fn json(report: &RateReport) -> String {
    let fields = fields(report).text(Format::Json);
    let Ok(serde_json::Value::Object(mut object)) = serde_json::from_str(&fields) else {
        return fields;
    };
    let totals = report.record.totals.iter().map(|total| {
        let mut object = serde_json::json!({
            "currency": total.currency().code(),
            "amount": exact_text(total),
            "numerator": total.amount.numerator().to_string(),
            "denominator": total.amount.denominator().to_string(),
        });
        mark_cut(total, &mut object);
        object
    });
    object.insert("totals".to_owned(), totals.collect());
    let parked = report.parked.iter().map(|parked| {
        serde_json::json!({
            "account": parked.account.as_str(),
            "code": parked.reason.code.as_str(),
            "reason": parked.reason.text,
        })
    });
    object.insert("parked".to_owned(), parked.collect());
    let gaps = report.gaps.iter().map(|gap| {
        serde_json::json!({
            "origin": gap.origin,
            "from": gap.from,
            "to": gap.to,
            "since": gap.since.map(|since| since.to_string()),
            "until": gap.until.to_string(),
        })
    });
    object.insert("gaps".to_owned(), gaps.collect());
    output::pretty(&serde_json::Value::Object(object))
}

/// Resources named one by one in a warning; the rest are counted.
const UNASSIGNED_SHOWN_MAX: usize = 5;

/// Says on standard error what was not billed.
fn warn(report: &RateReport) {
    for gap in &report.gaps {
        output::note(&format!("warning: the period is incomplete: {gap}"));
    }
    for parked in &report.parked {
        output::note(&format!(
            "warning: account `{}` is parked, nothing of it is billed: {}",
            parked.account, parked.reason
        ));
    }
    for unassigned in report.unassigned.iter().take(UNASSIGNED_SHOWN_MAX) {
        let owner = unassigned.owner.as_ref().map_or("nobody", |owner| owner.as_str());
        output::note(&format!(
            "warning: {} ({}) belongs to no account: its owner is `{owner}`",
            unassigned.resource, unassigned.meter
        ));
    }
    if report.unassigned.len() > UNASSIGNED_SHOWN_MAX {
        let more = report.unassigned.len() - UNASSIGNED_SHOWN_MAX;
        output::note(&format!("warning: {more} more usages belong to no account"));
    }
}
