//! A quote on the screen: its lines, what each step adds, the exact total and what rounding makes
//! of it.

use anyhow::Context as _;
use serde_json::{Value, json};
use turnpike_invoices::format;
use turnpike_rating::{BreakdownStep, Quote, QuoteBook, breakdown};
use turnpike_schemas::{Currency, Invoice, InvoiceId, RatedLine, Rounding, RunId, Total, WideSum};

use crate::cli::amounts::{amount_text, price_cell, total_json, total_text, unit_text, units_cell};
use crate::output::{self, Cell, Format, Record, Table};

/// What a quote comes to.
struct Sums {
    currency: Currency,
    steps: Vec<BreakdownStep>,
    exact: Total,
    rounding: Rounding,
    /// The invoice of just these lines: each charge rounded, then taxes.
    invoice: Invoice,
}

pub fn text(of: &QuoteBook, run: &RunId, quote: &Quote, format: Format) -> anyhow::Result<String> {
    let sums = sums(of, run, quote)?;
    Ok(match format {
        Format::Csv => lines_table(&quote.lines).text(format),
        Format::Json => output::pretty(&to_json(of, quote, sums.as_ref())),
        Format::Table | Format::Html => to_text(of, quote, sums.as_ref()),
    })
}

/// `None`: there is nothing to sum.
fn sums(of: &QuoteBook, run: &RunId, quote: &Quote) -> anyhow::Result<Option<Sums>> {
    let Some(first) = quote.lines.first() else { return Ok(None) };
    let currency = first.currency;
    let steps = breakdown(&of.book, &quote.lines, currency).context("summing the lines")?;
    let exact = WideSum::of(quote.lines.iter().map(|line| &line.amount)).total(currency);
    let rounding = of.book.tariff(&first.tariff).map(|tariff| tariff.rounding).unwrap_or_default();
    let id = InvoiceId::new(run.as_str()).context("naming the draft")?;
    let label = of.window.label();
    let invoice =
        turnpike_invoices::draft(&of.book, run, &of.account, of.period, &label, &quote.lines, id)
            .context("drafting the invoice of the quote")?;
    Ok(Some(Sums { currency, steps, exact, rounding, invoice }))
}

fn lines_table(lines: &[RatedLine]) -> Table {
    let mut table = Table::new(&[
        "service", "project", "site", "resource", "meter", "detail", "kind", "quantity", "unit",
        "price", "amount", "currency",
    ]);
    for line in lines {
        table.push(vec![
            Cell::text(&line.service),
            Cell::optional(line.project.as_ref()),
            Cell::optional(line.site.as_ref()),
            Cell::text(&line.resource),
            Cell::text(&line.meter),
            Cell::text(&line.detail),
            Cell::text(line.kind.as_str()),
            units_cell(line),
            Cell::text(unit_text(line)),
            price_cell(line),
            Cell::Decimal(amount_text(&line.amount)),
            Cell::text(line.currency),
        ]);
    }
    table
}

/// For people: without what is the same everywhere.
fn short_table(lines: &[RatedLine]) -> Table {
    let mut table = Table::new(&[
        "service", "resource", "meter", "detail", "quantity", "unit", "price", "amount",
    ]);
    for line in lines {
        let resource = line.resource.as_str();
        let resource = resource.strip_prefix("quote/usage/").unwrap_or(resource);
        table.push(vec![
            Cell::text(&line.service),
            Cell::text(resource),
            Cell::text(&line.meter),
            Cell::text(&line.detail),
            units_cell(line),
            Cell::text(unit_text(line)),
            price_cell(line),
            Cell::Decimal(amount_text(&line.amount)),
        ]);
    }
    table
}

fn steps_table(steps: &[BreakdownStep]) -> Table {
    let mut table = Table::new(&["step", "amount", "subtotal"]);
    for step in steps {
        table.push(vec![
            Cell::text(&step.name),
            Cell::Decimal(total_text(&step.amount)),
            Cell::Decimal(total_text(&step.subtotal)),
        ]);
    }
    table
}

fn head(of: &QuoteBook, quote: &Quote) -> Record {
    let mut versions: Vec<&str> =
        quote.lines.iter().map(|line| line.tariff_version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    Record::default()
        .with("account", Cell::text(&of.account))
        .with("tariff_versions", Cell::text(versions.join(", ")))
        .with("period", Cell::text(of.window.label()))
        .with("from", Cell::text(of.period.start()))
        .with("to", Cell::text(of.period.end()))
        .with("time_zone", Cell::text(of.account().time_zone.name()))
        .with("intervals", Cell::count(quote.intervals))
        .with("outside", Cell::count(quote.outside))
}

fn to_text(of: &QuoteBook, quote: &Quote, sums: Option<&Sums>) -> String {
    let mut text = head(of, quote).text(Format::Table);
    if let Some(reason) = &quote.parked {
        text.push_str(&format!("\nnothing is priced: {reason}\n"));
    }
    let Some(sums) = sums else {
        if quote.parked.is_none() {
            text.push_str("\nnothing is due\n");
        }
        return text;
    };
    text.push('\n');
    text.push_str(&short_table(&quote.lines).text(Format::Table));
    text.push('\n');
    text.push_str(&steps_table(&sums.steps).text(Format::Table));
    text.push('\n');
    text.push_str(&totals(sums).text(Format::Table));
    text
}

fn totals(sums: &Sums) -> Record {
    let rounded = sums.exact.amount.round(sums.rounding);
    let rounded = rounded.map_or_else(|error| error.to_string(), |money| format::money(&money));
    Record::default()
        .with("exact", Cell::Decimal(format!("{} {}", total_text(&sums.exact), sums.currency)))
        .with("rounded", Cell::Decimal(rounded))
        .with("invoiced_net", Cell::Decimal(format::money(&sums.invoice.net)))
        .with("invoiced_tax", Cell::Decimal(format::money(&sums.invoice.tax)))
        .with("invoiced_gross", Cell::Decimal(format::money(&sums.invoice.gross)))
}

fn to_json(of: &QuoteBook, quote: &Quote, sums: Option<&Sums>) -> Value {
    let mut object: Value =
        serde_json::from_str(&head(of, quote).text(Format::Json)).unwrap_or_default();
    object["lines"] = quote.lines.iter().map(line_json).collect();
    object["parked"] = match &quote.parked {
        Some(reason) => json!({ "code": reason.code.as_str(), "reason": reason.text }),
        None => Value::Null,
    };
    object["steps"] = sums.map_or_else(
        || json!([]),
        |sums| {
            let step = |step: &BreakdownStep| {
                json!({
                    "name": step.name,
                    "amount": total_json(&step.amount),
                    "subtotal": total_json(&step.subtotal),
                })
            };
            sums.steps.iter().map(step).collect()
        },
    );
    object["total"] = sums.map_or(Value::Null, |sums| {
        let mut total = total_json(&sums.exact);
        let rounded =
            sums.exact.amount.round(sums.rounding).ok().map(|money| money.to_decimal_text());
        total["rounded"] = json!(rounded);
        total["rounding"] = json!(sums.rounding.as_str());
        total
    });
    object["invoice"] = sums.map_or(Value::Null, |sums| {
        json!({
            "net": sums.invoice.net.to_decimal_text(),
            "tax": sums.invoice.tax.to_decimal_text(),
            "gross": sums.invoice.gross.to_decimal_text(),
            "currency": sums.currency.code(),
        })
    });
    object
}

/// A rated line with what people and programs ask first beside its integers.
pub fn line_json(line: &RatedLine) -> Value {
    let mut object = serde_json::to_value(line).unwrap_or_default();
    let text = |cell: Cell| match cell {
        Cell::Decimal(text) => json!(text),
        _ => Value::Null,
    };
    object["units"] = text(units_cell(line));
    object["unit_name"] = json!(unit_text(line));
    object["price"] = text(price_cell(line));
    object["exact"] = json!(amount_text(&line.amount));
    object
}
