//! Rates of a tariff version.

use std::collections::BTreeMap;

use toml::de::DeValue;
use turnpike_schemas::{Aggregation, Meter, Per, PriceUnit, Rate};

use super::check_tariff::Context;
use super::reader::{At, Log, Place, Table, listed, wrong_type};
use super::value;

const PERS: [(&str, Per); 5] = [
    ("second", Per::Second),
    ("hour", Per::Hour),
    ("day", Per::Day),
    ("month", Per::Month),
    ("unit", Per::Unit),
];

/// In the order of the file, since the first rate that applies is taken.
pub(super) fn rates(table: &mut Table<'_, '_>, log: &mut Log, context: &Context<'_>) -> Vec<Rate> {
    let mut rates: Vec<(Rate, Place)> = Vec::new();
    for mut inner in table.tables(log, "rate") {
        let place = inner.place.clone();
        let rate = rate(&mut inner, log, context);
        inner.finish(log);
        let Some(rate) = rate else { continue };
        check_reached(log, &rate, &place, &rates);
        rates.push((rate, place));
    }
    rates.into_iter().map(|(rate, _)| rate).collect()
}

/// A rate is never reached where an earlier one of its meter asks for no more than it does.
fn check_reached(log: &mut Log, rate: &Rate, place: &Place, earlier: &[(Rate, Place)]) {
    let shadow = earlier.iter().find(|(other, _)| {
        other.meter == rate.meter
            && other.conditions.iter().all(|(key, value)| rate.conditions.get(key) == Some(value))
    });
    if let Some((_, first)) = shadow {
        let message = format!(
            "this rate of meter `{}` is never reached: the one on line {} applies first",
            rate.meter, first.line
        );
        log.mistake(place, message);
    }
}

fn rate(table: &mut Table<'_, '_>, log: &mut Log, context: &Context<'_>) -> Option<Rate> {
    let meter = context.known.meters.named(table, log, "meter");
    let conditions = conditions(table, log);
    let price_nano = value::price(table, log, "price");
    let per = value::word_needed(table, log, "per", &PERS);
    let unit = table.text_opt(log, "unit");
    let unit_given = table.has("unit");
    let tax = context.known.taxes.named(table, log, "tax");
    // A declared meter may be missing here: it had mistakes of its own, which are reported.
    let meter = context.meters.get(&meter?.value)?;
    if let Some(per) = per {
        check_per(log, &table.place_of(log, "per"), meter, per);
    }
    let unit =
        if unit_given { price_unit(log, meter, &unit?)? } else { meter.units.first()?.clone() };
    let linear = Rate::linear(meter.id.clone(), price_nano?, unit, per?, tax?.value);
    Some(Rate { conditions, ..linear })
}

fn check_per(log: &mut Log, place: &Place, meter: &Meter, per: Per) {
    let (id, word) = (&meter.id, per.as_str());
    match (meter.aggregation, per) {
        (Aggregation::Held, Per::Unit) => log.mistake(
            place,
            format!("meter `{id}` is held over time: `per` is `second`, `hour`, `day` or `month`"),
        ),
        (Aggregation::Sum, Per::Unit) | (Aggregation::Held, _) => {}
        (Aggregation::Sum, _) => {
            log.mistake(place, format!("meter `{id}` is a sum: `per` is `unit`, not `{word}`"));
        }
    }
}

fn price_unit(log: &mut Log, meter: &Meter, unit: &At<String>) -> Option<PriceUnit> {
    let found = meter.price_unit(&unit.value);
    if found.is_none() {
        let allowed = listed(meter.units.iter().map(|unit| &unit.name));
        let message = format!(
            "meter `{}` has no unit `{}`; it has {allowed}",
            meter.id,
            value::short(&unit.value)
        );
        log.mistake(&unit.place, message);
    }
    found.cloned()
}

/// `where = { flavor = "m1.small" }`.
fn conditions(table: &mut Table<'_, '_>, log: &mut Log) -> BTreeMap<String, String> {
    let Some(inner) = table.table_opt(log, "where") else { return BTreeMap::new() };
    let mut conditions = BTreeMap::new();
    for (key, raw) in inner.entries(log) {
        match raw.value {
            DeValue::String(text) => {
                conditions.insert(key, text.to_string());
            }
            other => {
                wrong_type::<()>(log, &raw.place, &key, other, "a string");
            }
        }
    }
    conditions
}
