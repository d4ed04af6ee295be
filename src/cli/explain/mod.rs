//! `turnpike explain INVOICE LINE`: from a charge back to the events behind it.

mod show;

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use turnpike_books::Books;
use turnpike_lake::{EventFilter, LakeSnapshot};
use turnpike_rating::{BreakdownStep, ExplainedInterval, LiveBill, Placement, Window, breakdown};
use turnpike_schemas::{
    Charge, Instant, Invoice, LineKind, MeterId, PriceBook, PriceModel, Rate, RatedLine, Scope,
};

use crate::app::App;
use crate::cli::dead_letters::visible;
use crate::fault::{Kind, fault};
use crate::jobs;
use crate::output::{self, Format};
use crate::rows::{place, rows};

/// Walks from a line of an invoice to its rated lines, intervals and events
#[derive(Debug, Args)]
pub struct Explain {
    /// Number or id of the invoice
    invoice: String,
    /// The line, from 1
    line: u32,
    /// Intervals and events shown
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

/// Characters of a payload that are shown.
const EXCERPT_CHARS: usize = 160;

/// Everything found behind a charge.
struct Found {
    lines: Vec<RatedLine>,
    intervals: Vec<ExplainedInterval>,
    events: Vec<Event>,
    events_left_out: usize,
    intervals_left_out: usize,
    /// What was metered, where the meter of the charge is derived from another.
    metered: MeterId,
    /// What each step of the tariff makes of this usage, in its order.
    steps: Vec<BreakdownStep>,
    /// Where the usage stands among the units that are priced together, where that counts.
    places: Vec<Placement>,
    /// Prices that were in force one after another, of a series.
    prices: Vec<(Instant, i64)>,
}

/// An event with where it was read.
struct Event {
    key: String,
    time: Option<Instant>,
    kind: String,
    place: String,
    excerpt: String,
}

impl Explain {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let books = app.books().await?;
        let found = books.invoice(&Scope::Provider, &self.invoice).await;
        let invoice = found
            .context("looking for the invoice")?
            .ok_or_else(|| fault(Kind::Data, format!("there is no invoice `{}`", self.invoice)))?;
        let charge = invoice.charges.iter().find(|charge| charge.line == self.line);
        let charge = charge.ok_or_else(|| {
            let last = invoice.charges.len();
            fault(Kind::Data, format!("the invoice has lines 1 to {last}, not {}", self.line))
        })?;
        let found = self.find(app, &books, &invoice, charge).await?;
        let text = match app.format {
            Format::Json => output::pretty(&show::to_json(&invoice, charge, &found)),
            Format::Csv => show::intervals_table(&found).text(Format::Csv),
            Format::Table | Format::Html => show::to_text(&invoice, charge, &found),
        };
        Ok(output::print(&text)?)
    }

    async fn find(
        &self,
        app: &App,
        books: &Books,
        invoice: &Invoice,
        charge: &Charge,
    ) -> anyhow::Result<Found> {
        let lake = app.lake().await?;
        let all = jobs::lines_of(&lake, &invoice.run).await?;
        let record = crate::cli::invoice::run_record(books, None, Some(&invoice.run)).await?;
        let book = books.price_book_by_hash(&record.book_hash).await.context("reading the book")?;
        let book = book.ok_or_else(|| {
            fault(Kind::Data, format!("the book of run {} is not stored", record.run))
        })?;
        let same = |line: &&RatedLine| is_of_usage(line, invoice, charge);
        let usage: Vec<RatedLine> = all.iter().filter(same).cloned().collect();
        let steps = breakdown(&book, &usage, invoice.currency).context("summing the steps")?;
        let mut lines = all;
        lines.retain(|line| charge.rated_lines.contains(&line.line_id));
        let prices = series_prices(&book, charge);
        let metered = metered(&book, &charge.meter);
        let snapshot = lake.snapshot().await.context("reading the tables")?;
        let (resource, meter) = (charge.resource.clone(), metered.clone());
        let (period, view) = (charge.service_period, snapshot.clone());
        let window =
            Window::parse_month(&invoice.period_label).unwrap_or(Window::Span(invoice.period));
        let places = places(app, &snapshot, &book, invoice, charge, &window, record.as_of).await?;
        let mut intervals = app
            .on_engine(async move {
                let as_of = record.as_of;
                let explained = turnpike_rating::explain(
                    &view, &book, &resource, &meter, &window, period, as_of,
                );
                Ok(explained.await?)
            })
            .await
            .context("metering the resource again")?;
        let intervals_left_out = intervals.len().saturating_sub(self.limit);
        intervals.truncate(self.limit);
        let mut keys: Vec<String> = Vec::new();
        for interval in &intervals {
            for key in [&interval.began_with, &interval.ended_with].into_iter().flatten() {
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
        }
        let events_left_out = keys.len().saturating_sub(self.limit);
        keys.truncate(self.limit);
        let mut events = Vec::with_capacity(keys.len());
        for key in keys {
            events.extend(event(&snapshot, charge.resource.as_str(), key).await?);
        }
        Ok(Found {
            lines,
            intervals,
            events,
            events_left_out,
            intervals_left_out,
            metered,
            steps,
            places,
            prices,
        })
    }
}

async fn event(
    snapshot: &LakeSnapshot,
    resource: &str,
    key: String,
) -> anyhow::Result<Option<Event>> {
    let filter = EventFilter {
        key: Some(key.clone()),
        resource: Some(resource.to_owned()),
        status: Some(turnpike_schemas::arrow::status::ACCEPTED.to_owned()),
        ..EventFilter::default()
    };
    let columns = ["origin", "position", "time", "kind", "raw"];
    let batches = snapshot.events(&filter, Some(&columns), 1).await.context("reading the event")?;
    let event = rows(&batches).next().map(|row| {
        let text = visible(row.bytes("raw").unwrap_or_default());
        let cut = text.chars().count() > EXCERPT_CHARS;
        let excerpt: String = text.chars().take(EXCERPT_CHARS).collect();
        Event {
            key,
            time: row.instant("time"),
            kind: row.text("kind").unwrap_or_default().to_owned(),
            place: place(
                row.text("origin").unwrap_or_default(),
                row.long("position").unwrap_or_default(),
            ),
            excerpt: if cut { format!("{excerpt}…") } else { excerpt },
        }
    });
    Ok(event)
}

/// The places of the charge's usage, where its price counts units. Gathers all of the account again,
/// as a run does.
async fn places(
    app: &App,
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    invoice: &Invoice,
    charge: &Charge,
    window: &Window,
    as_of: Instant,
) -> anyhow::Result<Vec<Placement>> {
    let rates = rates_of(book, charge);
    if charge.kind != LineKind::Usage || !rates.iter().any(|rate| rate.counts_units()) {
        return Ok(Vec::new());
    }
    let (view, window, account) = (snapshot.clone(), *window, invoice.account.id.clone());
    let book = Arc::new(book.clone());
    let mut places = app
        .on_engine(async move {
            let only = Some(vec![account.clone()]);
            let bill = LiveBill::open_for(&view, book, window, as_of, only).await?;
            Ok(bill.placements(&account, as_of)?)
        })
        .await
        .context("placing the usage among that of the account")?;
    places.retain(|place| {
        let key = &place.key;
        key.resource == charge.resource
            && key.meter == charge.meter
            && key.site == charge.site
            && key.project == charge.project
            && key.attributes == charge.attributes
            && key.tariff_version == charge.tariff_version
    });
    Ok(places)
}

/// The rates of the charge's version that may have priced it.
fn rates_of<'a>(book: &'a PriceBook, charge: &Charge) -> Vec<&'a Rate> {
    let version = book.tariff(&charge.tariff).and_then(|tariff| {
        tariff.versions.iter().find(|version| version.id == charge.tariff_version)
    });
    let rates = version.into_iter().flat_map(|version| &version.rates);
    rates.filter(|rate| rate.applies(&charge.meter, &charge.attributes)).collect()
}

/// Whether a line prices the usage of the charge, or adjusts what it comes to.
fn is_of_usage(line: &RatedLine, invoice: &Invoice, charge: &Charge) -> bool {
    line.account == invoice.account.id
        && line.resource == charge.resource
        && line.meter == charge.meter
        && line.site == charge.site
        && line.project == charge.project
        && line.attributes == charge.attributes
        && line.tariff_version == charge.tariff_version
}

/// The meter that events report.
fn metered(book: &PriceBook, meter: &MeterId) -> MeterId {
    let derived = book.meters.get(meter).and_then(|meter| meter.derived.as_ref());
    derived.map_or_else(|| meter.clone(), |derived| derived.of.clone())
}

/// The points of the series that price the charge: from the one in force at its start.
fn series_prices(book: &PriceBook, charge: &Charge) -> Vec<(Instant, i64)> {
    let priced = rates_of(book, charge).into_iter();
    let series = priced.filter_map(|rate| match &rate.model {
        PriceModel::Series { series } => book.price_series(series),
        _ => None,
    });
    let (start, end) = (charge.service_period.start(), charge.service_period.end());
    let mut found = Vec::new();
    for series in series.take(1) {
        let inside = series.points.iter().filter(|(from, _)| start < *from && *from < end);
        found.extend(series.at(start).map(|price| (start, price)));
        found.extend(inside.copied());
    }
    found
}
