//! Fees of a tariff version, and what is due of an amount for a part of its period.

use std::collections::BTreeMap;

use turnpike_schemas::tariff::{
    CapacityLimit, CapacityTier, DayCount, FeeAmount, FeeEvery, Proration, ZeroUsage,
};
use turnpike_schemas::{Fee, RoundTo};

use super::check_rate::{ROUND_TO, price_unit};
use super::check_scope::Later;
use super::check_tariff::Context;
use super::check_tiers;
use super::reader::{At, Log, Place, Table, text_of, wrong_type};
use super::{number, value};

const EVERY: [(&str, FeeEvery); 2] = [("month", FeeEvery::Month), ("once", FeeEvery::Once)];
/// What a capacity fee comes to without usage: nothing, or its first tier.
const ZERO_USAGES: [(&str, ZeroUsage); 2] =
    [("free", ZeroUsage::Free), ("first-tier", ZeroUsage::FirstFlat)];
/// Most decimals of a ratio of days: with 9 of the price, far within what is exact.
const RATIO_DECIMALS_MAX: i64 = 18;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    None,
    Second,
    Day,
}

const BYS: [(&str, By); 3] = [("none", By::None), ("second", By::Second), ("day", By::Day)];

/// The fees. What can only be checked against all tariffs is put into `later`.
pub(super) fn fees(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    later: &mut Vec<Later>,
) -> Vec<Fee> {
    let mut fees = Vec::new();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for mut inner in table.tables(log, "fee") {
        let name = inner.text(log, "name");
        if let Some(name) = &name
            && let Some(first) = lines.insert(name.value.clone(), name.place.line)
        {
            let message = format!("a fee on line {first} is named `{}` already", name.value);
            log.mistake(&name.place, message);
        }
        fees.extend(fee(&mut inner, log, context, name, later));
        inner.finish(log);
    }
    fees
}

fn fee(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    name: Option<At<String>>,
    later: &mut Vec<Later>,
) -> Option<Fee> {
    let service = table.text(log, "service");
    let tax = context.known.taxes.named(table, log, "tax");
    let every = value::word(table, log, "every", &EVERY).unwrap_or(FeeEvery::Month);
    let mut proration = proration(table, log);
    if every == FeeEvery::Once {
        if table.has("proration") && proration != Proration::None {
            let place = table.place_of(log, "proration");
            log.mistake(&place, "a fee that is due once has no part of a period: leave it out");
        }
        proration = Proration::None;
    }
    let amount = amount(table, log, context, later);
    Some(Fee {
        name: name?.value,
        service: service?.value,
        tax_category: tax?.value,
        every,
        proration,
        amount: amount?,
    })
}

fn amount(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    later: &mut Vec<Later>,
) -> Option<FeeAmount> {
    match (table.has("amount"), table.has("tiers")) {
        (true, true) => {
            table.pass_over(&["amount", "tiers", "limited", "zero_usage"]);
            let place = table.place_of(log, "tiers");
            log.mistake(&place, "write either an `amount` or `tiers`");
            None
        }
        (_, false) => {
            table.pass_over(&["tiers"]);
            let amount_nano = number::large_needed(table, log, "amount", &number::AMOUNT)?;
            Some(FeeAmount::Flat { amount_nano })
        }
        (false, true) => capacity(table, log, context, later),
    }
}

/// `tiers = [{ up_to = { vcpu = "10", memory = "64 GiB" }, amount = "10" }, { amount = "30" }]`.
fn capacity(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    later: &mut Vec<Later>,
) -> Option<FeeAmount> {
    table.pass_over(&["amount"]);
    let limited = table.flag(log, "limited");
    let zero_usage = value::word(table, log, "zero_usage", &ZERO_USAGES);
    let zero_usage = zero_usage.unwrap_or(ZeroUsage::FirstFlat);
    let tables = check_tiers::tables(table, log)?;
    let count = tables.len();
    let mut tiers: Vec<(CapacityTier, Place)> = Vec::new();
    for mut inner in tables {
        let place = inner.place.clone();
        let up_to = limits(&mut inner, log, context, later);
        let amount_nano = number::large_needed(&mut inner, log, "amount", &number::PRICE);
        inner.finish(log);
        let (Some(up_to), Some(amount_nano)) = (up_to, amount_nano) else { continue };
        let tier = CapacityTier { up_to, amount_nano };
        if let Some((_, before)) = tiers.iter().find(|(other, _)| takes_all_of(other, &tier)) {
            let message = format!(
                "never reached: whatever fits in it fits in the tier on line {}",
                before.line
            );
            log.mistake(&place, message);
        }
        tiers.push((tier, place));
    }
    if let Some((tier, place)) = tiers.last()
        && tiers.len() == count
        && !tier.up_to.is_empty()
        && !limited
    {
        let message = "a gap: what exceeds the last tier has no price; end with a tier without \
                       `up_to`, or write `limited = true` to park such accounts";
        log.mistake(place, message);
    }
    let complete = tiers.len() == count;
    let tiers = tiers.into_iter().map(|(tier, _)| tier).collect();
    complete.then_some(FeeAmount::Capacity { tiers, zero_usage })
}

fn limits(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    later: &mut Vec<Later>,
) -> Option<Vec<CapacityLimit>> {
    let Some(inner) = table.table_opt(log, "up_to") else {
        return (!table.has("up_to")).then(Vec::new);
    };
    let mut limits = Vec::new();
    let mut complete = true;
    for (key, raw) in inner.entries(log) {
        let place = raw.place.clone();
        let limit = limit(log, context, &key, raw);
        complete &= limit.is_some();
        let meter = limit.as_ref().map(|limit| limit.meter.clone());
        later.extend(meter.map(|meter| Later::Capacity(At { value: meter, place })));
        limits.extend(limit);
    }
    complete.then_some(limits)
}

/// A number of the meter's base units, or with a unit after it: `64 GiB`.
fn limit(
    log: &mut Log,
    context: &Context<'_>,
    key: &str,
    raw: super::reader::Raw<'_, '_>,
) -> Option<CapacityLimit> {
    let name = At { value: key.to_owned(), place: raw.place.clone() };
    let id = super::reader::parse_at(log, name)?;
    let id = context.known.meters.check(log, id)?;
    let text = text_of(log, key, raw)?;
    let (quantity, unit) = match text.value.split_once(' ') {
        Some((quantity, unit)) => (quantity.to_owned(), Some(unit.trim_start().to_owned())),
        None => (text.value.clone(), None),
    };
    let quantity_nano = match number::large_from_text(&quantity, &number::SIZE) {
        Ok(quantity) => Some(quantity),
        Err(problem) => {
            log.mistake(&text.place, format!("`{key}` is {problem}"));
            None
        }
    };
    let meter = context.meters.get(&id.value)?;
    let unit = match unit {
        Some(unit) => price_unit(log, meter, &At { value: unit, place: text.place }),
        None => meter.units.first().cloned(),
    };
    Some(CapacityLimit { meter: id.value, quantity_nano: quantity_nano?, unit: unit? })
}

/// Whether whatever fits in `tier` fits in `other` too.
fn takes_all_of(other: &CapacityTier, tier: &CapacityTier) -> bool {
    let size =
        |limit: &CapacityLimit| limit.quantity_nano.saturating_mul(limit.unit.base_units.into());
    other.up_to.iter().all(|limit| {
        tier.up_to.iter().any(|own| own.meter == limit.meter && size(own) <= size(limit))
    })
}

/// `"none"`, `"second"`, `"day"`, or a table: `{ by = "day", count = "thirty", decimals = 9,
/// rounding = "half-away-from-zero" }`.
pub(super) fn proration(table: &mut Table<'_, '_>, log: &mut Log) -> Proration {
    let Some(raw) = table.raw(log, "proration") else { return Proration::default() };
    match raw.value {
        toml::de::DeValue::Table(_) => {
            let Some(mut inner) = super::reader::table_of(log, "proration", raw) else {
                return Proration::default();
            };
            let proration = proration_table(&mut inner, log);
            inner.finish(log);
            proration
        }
        toml::de::DeValue::String(_) => match value::word(table, log, "proration", &BYS) {
            Some(By::None) => Proration::None,
            Some(By::Day) => Proration::Day { count: DayCount::Actual, ratio: None },
            Some(By::Second) | None => Proration::Second,
        },
        other => {
            let wanted = "`none`, `second`, `day` or a table { by, count, decimals, rounding }";
            wrong_type::<()>(log, &raw.place, "proration", other, wanted);
            Proration::default()
        }
    }
}

fn proration_table(table: &mut Table<'_, '_>, log: &mut Log) -> Proration {
    match value::word_needed(table, log, "by", &BYS) {
        Some(By::None) => return Proration::None,
        Some(By::Second) => return Proration::Second,
        Some(By::Day) => {}
        None => {
            table.pass_over(&["count", "decimals", "rounding"]);
            return Proration::default();
        }
    }
    let counts = [("actual", DayCount::Actual), ("thirty", DayCount::Thirty)];
    let count = value::word(table, log, "count", &counts).unwrap_or_default();
    let decimals = value::integer(table, log, "decimals", 0..=RATIO_DECIMALS_MAX);
    let rounding = value::word(table, log, "rounding", &ROUND_TO);
    if table.has("rounding") && !table.has("decimals") {
        let place = table.place_of(log, "rounding");
        log.mistake(&place, "without `decimals` the ratio is exact and nothing is rounded");
    }
    let decimals = decimals.and_then(|decimals| u32::try_from(decimals).ok());
    let rounding = rounding.unwrap_or(RoundTo::HalfAwayFromZero);
    Proration::Day { count, ratio: decimals.map(|decimals| (decimals, rounding)) }
}
