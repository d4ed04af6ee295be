//! `turnpike explain INVOICE LINE`: from a charge back to the events behind it.

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use turnpike_books::Books;
use turnpike_invoices::format;
use turnpike_lake::{EventFilter, LakeSnapshot};
use turnpike_rating::{ExplainedInterval, Window};
use turnpike_schemas::parse::scaled_to_short_decimal;
use turnpike_schemas::{Aggregation, Amount, Charge, Instant, Invoice, RatedLine, Scope};

use crate::app::App;
use crate::cli::dead_letters::visible;
use crate::fault::{Kind, fault};
use crate::jobs;
use crate::output::{self, Cell, Format, Table};
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
            Format::Json => output::pretty(&to_json(&invoice, charge, &found)),
            Format::Csv => intervals_table(&found).text(Format::Csv),
            Format::Table | Format::Html => to_text(&invoice, charge, &found),
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
        let mut lines = jobs::lines_of(&lake, &invoice.run).await?;
        lines.retain(|line| charge.rated_lines.contains(&line.line_id));
        let record = crate::cli::invoice::run_record(books, None, Some(&invoice.run)).await?;
        let book = books.price_book_by_hash(&record.book_hash).await.context("reading the book")?;
        let book = book.ok_or_else(|| {
            fault(Kind::Data, format!("the book of run {} is not stored", record.run))
        })?;
        let snapshot = lake.snapshot().await.context("reading the tables")?;
        let (resource, meter) = (charge.resource.clone(), charge.meter.clone());
        let (period, view) = (charge.service_period, snapshot.clone());
        let window =
            Window::parse_month(&invoice.period_label).unwrap_or(Window::Span(invoice.period));
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
        Ok(Found { lines, intervals, events, events_left_out, intervals_left_out })
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

fn shown_key(key: &str) -> String {
    key.replace(turnpike_schemas::event::KEY_SEPARATOR, " ")
}

/// The residue of the one rounding: what the charge differs from the exact sum by.
fn residue(charge: &Charge) -> Option<Amount> {
    Amount::from_money(charge.net).ok()?.checked_sub(&charge.exact).ok()
}

fn to_text(invoice: &Invoice, charge: &Charge, found: &Found) -> String {
    let title = invoice.number.clone().unwrap_or_else(|| format!("draft {}", invoice.id));
    let mut text = format!(
        "Line {} of {title}: {} ({})\n{}, meter {}, tariff version {}\n\n",
        charge.line,
        charge.description,
        charge.service,
        charge.resource,
        charge.meter,
        charge.tariff_version,
    );
    text.push_str(&arithmetic(invoice, charge));
    text.push_str("\nRated lines\n");
    text.push_str(&lines_table(found).text(Format::Table));
    text.push_str("\nIntervals\n");
    text.push_str(&intervals_table(found).text(Format::Table));
    if found.intervals_left_out > 0 {
        text.push_str(&format!("… and {} more (--limit)\n", found.intervals_left_out));
    }
    text.push_str("\nEvents\n");
    for event in &found.events {
        let time = event.time.map(|time| time.to_string()).unwrap_or_default();
        text.push_str(&format!(
            "{time}  {}  {}\n  {}\n  {}\n",
            event.kind,
            event.place,
            shown_key(&event.key),
            event.excerpt
        ));
    }
    if found.events_left_out > 0 {
        text.push_str(&format!("… and {} more (--limit)\n", found.events_left_out));
    }
    text
}

/// The sum to the integers: quantity x price / divisor, its rounding and the split.
fn arithmetic(invoice: &Invoice, charge: &Charge) -> String {
    let quantity = format::priced_quantity(
        charge.quantity,
        charge.scale,
        &charge.unit,
        charge.per,
        charge.per_seconds,
    );
    let price = format::unit_price(charge.price_nano, invoice.currency, &charge.unit, charge.per);
    let held = match charge.aggregation {
        Aggregation::Held => " (quantity x seconds)",
        Aggregation::Sum => "",
    };
    let mut text = format!(
        "  {quantity} at {price}\n  = {} x {} nano / ({} base units x 10^{} x {} s x 10^9){held}\n",
        charge.quantity,
        charge.price_nano,
        charge.unit.base_units,
        charge.scale,
        charge.per_seconds,
    );
    text.push_str(&format!(
        "  = {} / {} {}\n  = {}\n  rounded once ({}): {}",
        charge.exact.numerator(),
        charge.exact.denominator(),
        invoice.currency,
        charge.exact.to_decimal_text(18),
        charge.rounding.as_str(),
        format::money(&charge.net),
    ));
    if let Some(residue) = residue(charge) {
        text.push_str(&format!(", residue {}", residue.to_decimal_text(18)));
    }
    text.push('\n');
    for share in &charge.shares {
        text.push_str(&format!(
            "  {} {}: {} of it is {}\n",
            share.party,
            share.role,
            format::percent(share.weight_ppm),
            format::money(&share.money)
        ));
    }
    text
}

fn lines_table(found: &Found) -> Table {
    let mut table = Table::new(&[
        "rated_line",
        "from",
        "to",
        "intervals",
        "seconds",
        "quantity",
        "amount",
        "estimated",
    ]);
    for line in &found.lines {
        table.push(vec![
            Cell::text(&line.line_id),
            Cell::text(line.service_period.start()),
            Cell::text(line.service_period.end()),
            Cell::Integer(line.intervals),
            Cell::Integer(line.seconds),
            Cell::Decimal(scaled_to_short_decimal(line.quantity, line.scale)),
            Cell::Decimal(line.amount.to_decimal_text(12)),
            Cell::Flag(line.estimated),
        ]);
    }
    table
}

fn intervals_table(found: &Found) -> Table {
    let mut table = Table::new(&[
        "start",
        "end",
        "quantity",
        "state",
        "owner",
        "estimated",
        "began_with",
        "ended_with",
    ]);
    for interval in &found.intervals {
        let quantity = scaled_to_short_decimal(interval.quantity.into(), interval.scale);
        table.push(vec![
            Cell::text(interval.start),
            Cell::text(interval.end),
            Cell::Decimal(quantity),
            Cell::text(interval.state.as_str()),
            Cell::optional(interval.owner.as_ref()),
            Cell::Flag(interval.estimated),
            Cell::optional(interval.began_with.as_deref().map(shown_key)),
            Cell::optional(interval.ended_with.as_deref().map(shown_key)),
        ]);
    }
    table
}

fn to_json(invoice: &Invoice, charge: &Charge, found: &Found) -> Value {
    let events: Vec<Value> = found
        .events
        .iter()
        .map(|event| {
            json!({
                "key": shown_key(&event.key),
                "time": event.time.map(|time| time.to_string()),
                "kind": event.kind,
                "read_at": event.place,
                "raw": event.excerpt,
            })
        })
        .collect();
    let residue = residue(charge).map(|residue| {
        json!({
            "numerator": residue.numerator().to_string(),
            "denominator": residue.denominator().to_string(),
        })
    });
    json!({
        "invoice": invoice.number.as_deref().unwrap_or(invoice.id.as_str()),
        "charge": charge,
        "rounding_residue": residue,
        "rated_lines": found.lines,
        "intervals": found.intervals,
        "events": events,
    })
}
