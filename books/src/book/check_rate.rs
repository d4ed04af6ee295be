//! Rates of a tariff version: for which usage, at which unit. How it is priced is `check_model`'s.

use std::collections::BTreeMap;

use toml::de::DeValue;
use turnpike_schemas::tariff::{Place as Where, UnitRounding, ZeroUsage};
use turnpike_schemas::{Aggregation, Meter, Per, Pool, PriceModel, PriceUnit, Rate, RoundTo};

use super::check_model::{self, Cell, Priced};
use super::check_tariff::Context;
use super::reader::{At, Log, Place, Table, listed, wrong_type};
use super::{check_reach, hours, number, value};

const PERS: [(&str, Per); 5] = [
    ("second", Per::Second),
    ("hour", Per::Hour),
    ("day", Per::Day),
    ("month", Per::Month),
    ("unit", Per::Unit),
];
pub(super) const POOLS: [(&str, Pool); 4] = [
    ("account", Pool::Account),
    ("project", Pool::Project),
    ("site", Pool::Site),
    ("resource", Pool::Resource),
];
pub(super) const ROUND_TO: [(&str, RoundTo); 4] = [
    ("up", RoundTo::Up),
    ("down", RoundTo::Down),
    ("half-away-from-zero", RoundTo::HalfAwayFromZero),
    ("half-even", RoundTo::HalfEven),
];

/// The rates of a version.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// In the order of the file, since the first rate that applies is taken.
    pub all: Vec<(Rate, Place)>,
    /// Whether some could not be read: then nothing can be said to be missing.
    pub incomplete: bool,
}

pub(super) fn rates(table: &mut Table<'_, '_>, log: &mut Log, context: &Context<'_>) -> Rates {
    let mut rates = Rates::default();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for mut inner in table.tables(log, "rate") {
        let name = inner.text_opt(log, "name");
        if let Some(name) = &name
            && let Some(first) = names.insert(name.value.clone(), name.place.line)
        {
            let message = format!("a rate on line {first} is named `{}` already", name.value);
            log.mistake(&name.place, message);
        }
        let name = name.map(|name| name.value).unwrap_or_default();
        let found = rate(&mut inner, log, context, &name);
        inner.finish(log);
        rates.incomplete |= found.is_empty();
        for (rate, place) in found {
            check_reach::check_reached(log, &rate, &place, &rates.all);
            rates.all.push((rate, place));
        }
    }
    rates
}

/// One rate, or all those of a matrix.
fn rate(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    name: &str,
) -> Vec<(Rate, Place)> {
    let meter = context.known.meters.named(table, log, "meter");
    // A declared meter may be missing here: it had mistakes of its own, which are reported.
    let meter = meter.and_then(|meter| context.meters.get(&meter.value));
    let conditions = conditions(table, log);
    let place = place(table, log, context);
    let times = hours::times(table, log);
    let per = per(table, log, meter);
    let unit = unit(table, log, meter);
    let pool = value::word(table, log, "pool", &POOLS).unwrap_or_default();
    let window_seconds = value::window(table, log, "window");
    let round_units = round_units(table, log);
    let bad_window = table.has("window") && window_seconds.is_none();
    let tax = context.known.taxes.named(table, log, "tax").filter(|_| !bad_window);
    let priced = check_model::read(table, log, context, meter);
    if let Some(Priced::One(model, _)) = &priced {
        if round_units.is_some() {
            check_rounded(table, log, model, meter);
        }
        if pool != Pool::Account || window_seconds.is_some() {
            check_zero_usage(table, log, model);
        }
    }
    let (Some(meter), Some(per), Some(unit), Some(tax), Some(priced)) =
        (meter, per, unit, tax, priced)
    else {
        return Vec::new();
    };
    let rate = Rate {
        name: name.to_owned(),
        conditions,
        place,
        times,
        pool,
        window_seconds,
        round_units,
        ..Rate::linear(meter.id.clone(), 0, unit, per, tax.value)
    };
    match priced {
        Priced::One(model, price_nano) => {
            vec![(Rate { model, price_nano, ..rate }, table.place.clone())]
        }
        Priced::Matrix(cells) => {
            cells.into_iter().map(|cell| (of_cell(log, &rate, &cell), cell.place)).collect()
        }
    }
}

/// Rounding units says what they come to only where a unit has one price: units of several prices,
/// by time, event or level, would be rounded at none of them.
fn check_rounded(table: &Table<'_, '_>, log: &mut Log, model: &PriceModel, meter: Option<&Meter>) {
    // Of a sum nothing is held: that is told already.
    let no_level = table.has("by") && meter.is_none_or(|m| m.aggregation == Aggregation::Sum);
    if model.is_pieced() || model.wants_steps() && !no_level {
        let message = "the units of this model are priced piece by piece, so that there is no one \
                       price at which their sum could be rounded: leave `round_units` out";
        log.mistake(&table.place_of(log, "round_units"), message);
    }
}

/// Nobody knows the members of a smaller pool than the account, nor its windows, before they use
/// anything.
fn check_zero_usage(table: &Table<'_, '_>, log: &mut Log, model: &PriceModel) {
    let zero_usage = match model {
        PriceModel::Graduated(tiers) | PriceModel::Volume(tiers) => tiers.zero_usage,
        PriceModel::GraduatedPercentage { zero_usage, .. } => *zero_usage,
        _ => ZeroUsage::Free,
    };
    if zero_usage == ZeroUsage::FirstFlat {
        let message = "without usage nobody knows which projects, sites, resources or windows would \
                       owe the fee: leave `pool` and `window` out, or `zero_usage`";
        log.mistake(&table.place_of(log, "zero_usage"), message);
    }
}

/// A matrix's rate for one row: the row's values are conditions, and part of its name.
fn of_cell(log: &mut Log, rate: &Rate, cell: &Cell) -> Rate {
    let mut rate = Rate { price_nano: cell.price_nano, ..rate.clone() };
    for (key, value) in &cell.values {
        let slot = match key.as_str() {
            "site" => Some(&mut rate.place.site),
            "region" => Some(&mut rate.place.region),
            "kind" => Some(&mut rate.place.resource_kind),
            _ => None,
        };
        let before = match slot {
            Some(slot) => slot.replace(value.clone()),
            None => rate.conditions.insert(key.clone(), value.clone()),
        };
        if before.is_some() {
            log.mistake(&cell.place, format!("`{key}` is a condition of the whole rate already"));
        }
    }
    if !rate.name.is_empty() {
        let values: Vec<&str> = cell.values.iter().map(|(_, value)| value.as_str()).collect();
        let values = if values.is_empty() { "other".to_owned() } else { values.join(", ") };
        rate.name = format!("{}: {values}", rate.name);
    }
    rate
}

/// What is consumed, or measured otherwise than by the time it is held, is priced by the unit, and
/// need not say so.
fn per(table: &mut Table<'_, '_>, log: &mut Log, meter: Option<&Meter>) -> Option<Per> {
    let by_time = meter
        .is_none_or(|meter| meter.aggregation == Aggregation::Held && meter.measure.is_total());
    if !by_time && !table.has("per") {
        table.pass_over(&["per"]);
        return Some(Per::Unit);
    }
    if meter.is_none() && !table.has("per") {
        // Which meter it is decides whether `per` may be left out.
        table.pass_over(&["per"]);
        return None;
    }
    let per = value::word_needed(table, log, "per", &PERS)?;
    let meter = meter?;
    let (id, word) = (&meter.id, per.as_str());
    let message = match (by_time, per) {
        (true, Per::Unit) => {
            format!("meter `{id}` is held over time: `per` is `second`, `hour`, `day` or `month`")
        }
        (true, _) | (false, Per::Unit) => return Some(per),
        (false, _) if meter.measure.is_total() => {
            format!("meter `{id}` is a sum: `per` is `unit`, not `{word}`")
        }
        (false, _) => {
            format!("meter `{id}` has a measure of its own: `per` is `unit`, not `{word}`")
        }
    };
    let place = table.place_of(log, "per");
    log.mistake(&place, message);
    None
}

fn unit(table: &mut Table<'_, '_>, log: &mut Log, meter: Option<&Meter>) -> Option<PriceUnit> {
    let given = table.has("unit");
    let unit = table.text_opt(log, "unit");
    let meter = meter?;
    if given { price_unit(log, meter, &unit?) } else { meter.units.first().cloned() }
}

pub(super) fn price_unit(log: &mut Log, meter: &Meter, unit: &At<String>) -> Option<PriceUnit> {
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

/// `site`, `region` and `kind`. A site is one of the book's.
fn place(table: &mut Table<'_, '_>, log: &mut Log, context: &Context<'_>) -> Where {
    let site = context.known.sites.named_opt(table, log, "site");
    let region = table.text_opt(log, "region");
    let kind = table.text_opt(log, "kind");
    Where {
        site: site.map(|site| site.value.to_string()),
        region: region.map(|region| region.value),
        resource_kind: kind.map(|kind| kind.value),
    }
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

/// `round_units = { step = "1", to = "up" }`.
fn round_units(table: &mut Table<'_, '_>, log: &mut Log) -> Option<UnitRounding> {
    let mut inner = table.table_opt(log, "round_units")?;
    let step_nano = number::needed(&mut inner, log, "step", &number::SIZE);
    let to = value::word_needed(&mut inner, log, "to", &ROUND_TO);
    inner.finish(log);
    Some(UnitRounding { step_nano: step_nano?, to: to? })
}
