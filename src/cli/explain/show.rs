//! An explained charge on the screen: its sum to the integers, and what lies behind it.

use serde_json::{Value, json};
use turnpike_invoices::format;
use turnpike_rating::gather::Gathered;
use turnpike_rating::{BreakdownStep, Placement, SeriesPart};
use turnpike_schemas::parse::scaled_to_short_decimal;
use turnpike_schemas::{Aggregation, Amount, Charge, Invoice, LineKind, ResourceId};

use super::{Event, Found};
use crate::cli::amounts::{fraction_text, total_json, total_text};
use crate::output::{Cell, Format, Table};

fn shown_key(key: &str) -> String {
    key.replace(turnpike_schemas::event::KEY_SEPARATOR, " ")
}

/// The residue of the one rounding: what the charge differs from the exact sum by.
fn residue(charge: &Charge) -> Option<Amount> {
    Amount::from_money(charge.net).ok()?.checked_sub(&charge.exact).ok()
}

pub(super) fn to_text(invoice: &Invoice, charge: &Charge, found: &Found) -> String {
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
    text.push_str(&arithmetic(invoice, charge, found));
    if found.steps.len() > 1 {
        text.push_str("\nSteps of the tariff, over all lines of this usage\n");
        text.push_str(&steps_table(&found.steps).text(Format::Table));
    }
    if !found.places.is_empty() {
        text.push_str("\nPlace among the units that are priced together\n");
        text.push_str(&places_table(&found.places).text(Format::Table));
    }
    if !found.parts.is_empty() {
        text.push_str("\nPrices in force, and what is due at each\n");
        text.push_str(&parts_table(charge, found).text(Format::Table));
    }
    text.push_str("\nRated lines\n");
    text.push_str(&lines_table(found).text(Format::Table));
    if found.metered != charge.meter {
        text.push_str(&format!("\nMeter {} is derived from {}\n", charge.meter, found.metered));
    }
    if !found.resources.is_empty() {
        text.push_str(
            "\nResources that this line stands for (--resource ID shows the intervals of one)\n",
        );
        text.push_str(&resources_table(charge, found).text(Format::Table));
        if found.resources_left_out > 0 {
            text.push_str(&format!("… and {} more (--limit)\n", found.resources_left_out));
        }
    }
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
fn arithmetic(invoice: &Invoice, charge: &Charge, found: &Found) -> String {
    let mut text = match charge.kind {
        LineKind::Usage => product(invoice, charge),
        LineKind::Metered => {
            let quantity = format::priced_quantity(
                charge.quantity,
                charge.scale,
                &charge.unit,
                charge.per,
                charge.per_seconds,
            );
            format!("  {quantity} at prices that change: each piece at its own, summed exactly\n")
        }
        LineKind::Fee | LineKind::Adjustment => {
            let mut details: Vec<&str> =
                found.lines.iter().map(|line| line.detail.as_str()).collect();
            details.dedup();
            format!("  {}: {}\n", charge.kind.as_str(), details.join("; "))
        }
    };
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

/// Usage at one price.
fn product(invoice: &Invoice, charge: &Charge) -> String {
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
    format!(
        "  {quantity} at {price}\n  = {} x {} nano / ({} base units x 10^{} x {} s x 10^9){held}\n",
        charge.quantity,
        charge.price_nano,
        charge.unit.base_units,
        charge.scale,
        charge.per_seconds,
    )
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

fn places_table(places: &[Placement]) -> Table {
    let mut table = Table::new(&["low", "high", "of", "from"]);
    for place in places {
        table.push(vec![
            Cell::Decimal(fraction_text(&place.low)),
            Cell::Decimal(fraction_text(&place.high)),
            Cell::Decimal(fraction_text(&place.total)),
            Cell::optional(place.key.window.or(place.key.month)),
        ]);
    }
    table
}

/// Price x quantity x seconds of each part, as a fraction and its decimals.
fn parts_table(charge: &Charge, found: &Found) -> Table {
    let columns =
        ["from", "to", "price", "seconds", "quantity", "amount", "numerator", "denominator"];
    let mut table = Table::new(&columns);
    for part in &found.parts {
        table.push(vec![
            Cell::text(part.from),
            Cell::text(part.to),
            Cell::Decimal(scaled_to_short_decimal(part.price_nano.into(), 9)),
            Cell::Integer(part.seconds),
            Cell::Decimal(scaled_to_short_decimal(part.quantity, charge.scale)),
            Cell::Decimal(fraction_text(&part.amount)),
            Cell::Decimal(part.amount.numerator().to_string()),
            Cell::Decimal(part.amount.denominator().to_string()),
        ]);
    }
    table
}

fn resources_table(charge: &Charge, found: &Found) -> Table {
    let mut table = Table::new(&["resource", "from", "to", "intervals", "seconds", "quantity"]);
    for (resource, sums) in &found.resources {
        table.push(vec![
            Cell::text(resource),
            Cell::text(sums.first),
            Cell::text(sums.last),
            Cell::Integer(sums.intervals),
            Cell::Integer(sums.seconds),
            Cell::Decimal(scaled_to_short_decimal(sums.quantity, charge.scale)),
        ]);
    }
    table
}

fn lines_table(found: &Found) -> Table {
    let mut table = Table::new(&[
        "rated_line",
        "kind",
        "detail",
        "from",
        "to",
        "intervals",
        "seconds",
        "quantity",
        "amount",
        "numerator",
        "denominator",
        "estimated",
    ]);
    for line in &found.lines {
        table.push(vec![
            Cell::text(&line.line_id),
            Cell::text(line.kind.as_str()),
            Cell::text(&line.detail),
            Cell::text(line.service_period.start()),
            Cell::text(line.service_period.end()),
            Cell::Integer(line.intervals),
            Cell::Integer(line.seconds),
            Cell::Decimal(scaled_to_short_decimal(line.quantity, line.scale)),
            Cell::Decimal(line.amount.to_decimal_text(12)),
            Cell::Decimal(line.amount.numerator().to_string()),
            Cell::Decimal(line.amount.denominator().to_string()),
            Cell::Flag(line.estimated),
        ]);
    }
    table
}

pub(super) fn intervals_table(found: &Found) -> Table {
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

pub(super) fn to_json(invoice: &Invoice, charge: &Charge, found: &Found) -> Value {
    let event = |event: &Event| {
        json!({
            "key": shown_key(&event.key),
            "time": event.time.map(|time| time.to_string()),
            "kind": event.kind,
            "read_at": event.place,
            "raw": event.excerpt,
        })
    };
    let events: Vec<Value> = found.events.iter().map(event).collect();
    let residue = residue(charge).map(|residue| {
        json!({
            "numerator": residue.numerator().to_string(),
            "denominator": residue.denominator().to_string(),
        })
    });
    let step = |step: &BreakdownStep| {
        json!({
            "name": step.name,
            "amount": total_json(&step.amount),
            "subtotal": total_json(&step.subtotal),
        })
    };
    let steps: Vec<Value> = found.steps.iter().map(step).collect();
    let place = |place: &Placement| {
        json!({
            "low": fraction_text(&place.low),
            "high": fraction_text(&place.high),
            "of": fraction_text(&place.total),
        })
    };
    let places: Vec<Value> = found.places.iter().map(place).collect();
    let part = |part: &SeriesPart| {
        json!({
            "from": part.from,
            "to": part.to,
            "price": scaled_to_short_decimal(part.price_nano.into(), 9),
            "seconds": part.seconds,
            "quantity": scaled_to_short_decimal(part.quantity, charge.scale),
            "numerator": part.amount.numerator().to_string(),
            "denominator": part.amount.denominator().to_string(),
        })
    };
    let parts: Vec<Value> = found.parts.iter().map(part).collect();
    let resource = |(resource, sums): &(ResourceId, Gathered)| {
        json!({
            "resource": resource,
            "from": sums.first,
            "to": sums.last,
            "intervals": sums.intervals,
            "seconds": sums.seconds,
            "quantity": scaled_to_short_decimal(sums.quantity, charge.scale),
        })
    };
    let resources: Vec<Value> = found.resources.iter().map(resource).collect();
    json!({
        "invoice": invoice.number.as_deref().unwrap_or(invoice.id.as_str()),
        "charge": charge,
        "rounding_residue": residue,
        "steps": steps,
        "places": places,
        "metered": found.metered,
        "prices": parts,
        "resources": resources,
        "rated_lines": found.lines,
        "intervals": found.intervals,
        "events": events,
    })
}
