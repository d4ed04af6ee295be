//! `turnpike explain INVOICE LINE`: from a charge back to the events behind it.

mod show;

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use turnpike_books::Books;
use turnpike_lake::{EventFilter, LakeSnapshot};
use turnpike_rating::gather::{GatherKey, Gathered};
use turnpike_rating::{
    BreakdownStep, ExplainedInterval, LiveBill, Placement, SeriesPart, Window, breakdown,
    series_parts,
};
use turnpike_schemas::{
    Charge, Instant, Invoice, LineKind, MeterId, Period, PriceBook, PriceModel, Rate, RatedLine,
    ResourceId, Scope,
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
    /// Intervals, events and resources shown
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Of a line that stands for several resources, the one whose intervals and events are shown
    #[arg(long, value_name = "ID")]
    resource: Option<ResourceId>,
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
    /// What it costs at each price that was in force, of a series.
    parts: Vec<SeriesPart>,
    /// The resources of a line that stands for several, and what each brings to it.
    resources: Vec<(ResourceId, Gathered)>,
    resources_left_out: usize,
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
        let metered = metered(&book, &charge.meter);
        let snapshot = lake.snapshot().await.context("reading the tables")?;
        let period = charge.service_period;
        let view = snapshot.clone();
        let window =
            Window::parse_month(&invoice.period_label).unwrap_or(Window::Span(invoice.period));
        let about = About { invoice, charge, window, as_of: record.as_of };
        let (places, mut resources) = about.among_others(app, &snapshot, &book).await?;
        let resource = self.resource.clone().unwrap_or_else(|| charge.resource.clone());
        if self.resource.is_some() && !resources.iter().any(|(id, _)| *id == resource) {
            let text = format!("resource `{resource}` has no part in this line");
            return Err(fault(Kind::Data, text));
        }
        let (meter, of_book) = (metered.clone(), book.clone());
        let of = resource.clone();
        let mut intervals = app
            .on_engine(async move {
                let explained = turnpike_rating::explain(
                    &view,
                    &of_book,
                    &of,
                    &meter,
                    &window,
                    period,
                    record.as_of,
                );
                Ok(explained.await?)
            })
            .await
            .context("metering the resource again")?;
        let parts = about.parts(&book, &intervals).unwrap_or_default();
        let resources_left_out = resources.len().saturating_sub(self.limit);
        resources.truncate(self.limit);
        let intervals_left_out = intervals.len().saturating_sub(self.limit);
        intervals.truncate(self.limit);
        let mut keys = keys_of(&intervals);
        let events_left_out = keys.len().saturating_sub(self.limit);
        keys.truncate(self.limit);
        let mut events = Vec::with_capacity(keys.len());
        for key in keys {
            events.extend(event(&snapshot, resource.as_str(), key).await?);
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
            parts,
            resources,
            resources_left_out,
        })
    }
}

/// The events that began or ended intervals, each once.
fn keys_of(intervals: &[ExplainedInterval]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for interval in intervals {
        for key in [&interval.began_with, &interval.ended_with].into_iter().flatten() {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
    }
    keys
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

/// What is explained, and as a run saw it.
struct About<'a> {
    invoice: &'a Invoice,
    charge: &'a Charge,
    window: Window,
    as_of: Instant,
}

impl About<'_> {
    /// Whether something is gathered for the charge.
    fn is_of(&self, key: &GatherKey) -> bool {
        let charge = self.charge;
        key.account == self.invoice.account.id
            && key.resource == charge.resource
            && key.meter == charge.meter
            && key.site == charge.site
            && key.project == charge.project
            && key.attributes == charge.attributes
            && key.tariff_version == charge.tariff_version
            && key.agreement == charge.agreement
            && key.tax_category == charge.tax_category
    }

    /// The places of the charge's usage, where its price counts units, and the resources that it stands
    /// for, where it stands for several. Gathers all of the account again, as a run does.
    async fn among_others(
        &self,
        app: &App,
        snapshot: &LakeSnapshot,
        book: &PriceBook,
    ) -> anyhow::Result<(Vec<Placement>, Vec<(ResourceId, Gathered)>)> {
        let is_usage = matches!(self.charge.kind, LineKind::Usage | LineKind::Metered);
        let counts = rates_of(book, self.charge).iter().any(|rate| rate.counts_units());
        let collapsed = ["account", "project"].contains(&self.charge.resource_kind.as_str());
        if !is_usage || !counts && !collapsed {
            return Ok((Vec::new(), Vec::new()));
        }
        let (view, window, as_of) = (snapshot.clone(), self.window, self.as_of);
        let (account, book) = (self.invoice.account.id.clone(), Arc::new(book.clone()));
        let bill = app
            .on_engine(async move {
                let only = Some(vec![account]);
                Ok(LiveBill::open_for(&view, book, window, as_of, only).await?)
            })
            .await
            .context("gathering the usage of the account again")?;
        let account = &self.invoice.account.id;
        let mut places = Vec::new();
        if counts && self.charge.kind == LineKind::Usage {
            places = bill.placements(account, as_of).context("placing the usage")?;
            places.retain(|place| self.is_of(&place.key));
        }
        let resources = match collapsed {
            true => bill.behind(account, as_of, |key| self.is_of(key)),
            false => Vec::new(),
        };
        Ok((places, resources))
    }

    /// What it costs at each price of its series, as far as the intervals go.
    fn parts(&self, book: &PriceBook, intervals: &[ExplainedInterval]) -> Option<Vec<SeriesPart>> {
        let prices = series_prices(book, self.charge);
        let account = book.account(&self.invoice.account.id).filter(|_| !prices.is_empty())?;
        let period = self.window.period(account).ok()?;
        let until = period.end().min(self.as_of);
        let period = Period::new(period.start(), until).ok()?;
        series_parts(book, (&account.id, period), |key| self.is_of(key), &prices, intervals)
    }
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
