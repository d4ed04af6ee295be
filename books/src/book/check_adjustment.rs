//! Adjustments of a tariff version: one visible list, in the order in which they apply.

use turnpike_schemas::tariff::AdjustmentScope;
use turnpike_schemas::{Adjustment, AdjustmentKind, MeterId, PriceUnit, Rate};

use super::check_fee::proration;
use super::check_rate::{POOLS, Rates, price_unit};
use super::check_scope::{Later, of_name};
use super::check_tariff::Context;
use super::reader::{At, Log, Place, Table};
use super::{number, value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Allowance,
    Discount,
    Credit,
    Minimum,
    Maximum,
    Commitment,
}

const KINDS: [(&str, Kind); 6] = [
    ("allowance", Kind::Allowance),
    ("discount", Kind::Discount),
    ("credit", Kind::Credit),
    ("minimum", Kind::Minimum),
    ("maximum", Kind::Maximum),
    ("commitment", Kind::Commitment),
];
const KEYS: [&str; 16] = [
    "meters",
    "services",
    "rates",
    "fees",
    "pool",
    "windows",
    "quantity",
    "unit",
    "after_rounding",
    "percent",
    "amount",
    "overage",
    "true_up",
    "prepaid",
    "proration",
    "name",
];

/// The adjustments with where each stands. What can only be checked against all tariffs is put
/// into `later`.
pub(super) fn adjustments(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    rates: &Rates,
    later: &mut Vec<Later>,
) -> Vec<(Adjustment, Place)> {
    let mut all = Vec::new();
    let mut amounts_from: Option<usize> = None;
    for mut inner in table.tables(log, "adjustment") {
        let place = inner.place.clone();
        let kind = value::word_needed(&mut inner, log, "adjust", &KINDS);
        match (kind, amounts_from) {
            (Some(Kind::Allowance), Some(line)) => {
                let message = format!(
                    "an allowance takes units before they are priced, and the adjustment on line \
                     {line} changes amounts: list allowances first"
                );
                log.mistake(&place, message);
            }
            (None | Some(Kind::Allowance), _) | (Some(_), Some(_)) => {}
            (Some(_), None) => amounts_from = Some(place.line),
        }
        match kind {
            Some(kind) => {
                let found = adjustment(&mut inner, log, context, (kind, rates), later);
                all.extend(found.map(|adjustment| (adjustment, place)));
            }
            None => inner.pass_over(&KEYS),
        }
        inner.finish(log);
    }
    all
}

fn adjustment(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    (kind, rates): (Kind, &Rates),
    later: &mut Vec<Later>,
) -> Option<Adjustment> {
    let name = table.text(log, "name");
    let meters = context.known.meters.all_named(table, log, "meters");
    let named = table.texts(log, "rates");
    let mut scope = AdjustmentScope {
        meters: meters.iter().map(|meter| meter.value.clone()).collect(),
        rates: named.iter().map(|name| name.value.clone()).collect(),
        ..AdjustmentScope::default()
    };
    if kind != Kind::Allowance {
        let services = table.texts(log, "services");
        scope.services = services.iter().map(|service| service.value.clone()).collect();
        scope.fees = table.flag(log, "fees");
        scope.usage_only =
            table.has("fees") && !scope.fees && scope.is_open() && services.is_empty();
        later.extend(services.into_iter().map(Later::Service));
    }
    let pool = match kind {
        // A share of each line is the same whatever the lines are summed over.
        Kind::Discount => None,
        _ => value::word(table, log, "pool", &POOLS),
    };
    let counted = if kind == Kind::Discount { None } else { windows(table, log) };
    let (windows, unused_windows) = (counted.is_some(), counted == Some(true));
    if windows {
        let place = table.place_of(log, "windows");
        later.push(Later::Windows { scope: scope.clone(), place });
    }
    let kind = match kind {
        Kind::Allowance => {
            let of = (name.as_ref(), meters.as_slice(), &scope);
            allowance(table, log, context, of, rates, later)
        }
        kind => amount_kind(table, log, kind),
    };
    let falls_short = match kind {
        Some(AdjustmentKind::Commitment { true_up, .. }) => true_up,
        Some(AdjustmentKind::Minimum { .. }) | None => true,
        Some(_) => false,
    };
    if unused_windows && !falls_short {
        let message = "a window without usage only matters to a minimum, or to a commitment with \
                       `true_up`: say `windows = true`";
        log.mistake(&table.place_of(log, "windows"), message);
    }
    later.extend(named.into_iter().map(Later::Rate));
    Some(Adjustment {
        name: name?.value,
        kind: kind?,
        scope,
        pool: pool.unwrap_or_default(),
        windows,
        unused_windows,
    })
}

/// `windows = true` or `"used"`: those with usage; `"all"`: those without it too, which is `true` here.
fn windows(table: &mut Table<'_, '_>, log: &mut Log) -> Option<bool> {
    if table.is_text("windows") {
        return value::word(table, log, "windows", &[("used", false), ("all", true)]);
    }
    table.flag(log, "windows").then_some(false)
}

/// `{ adjust = "allowance", meters = ["egress"], quantity = "100", unit = "GB" }`.
fn allowance(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    (name, meters, scope): (Option<&At<String>>, &[At<MeterId>], &AdjustmentScope),
    rates: &Rates,
    later: &mut Vec<Later>,
) -> Option<AdjustmentKind> {
    let quantity_nano = number::large_needed(table, log, "quantity", &number::SIZE);
    let unit = table.text(log, "unit");
    let own: Vec<&Rate> = rates.all.iter().map(|(rate, _)| rate).collect();
    let ids: Vec<MeterId> = if meters.is_empty() {
        let named = scope.rates.iter().flat_map(|name| of_name(&own, name));
        named.map(|rate| rate.meter.clone()).collect()
    } else {
        meters.iter().map(|meter| meter.value.clone()).collect()
    };
    if ids.is_empty() && !table.has("meters") && !rates.incomplete {
        let message = "an allowance names the `meters` (or `rates` of this version) whose units \
                       it takes";
        log.mistake(&table.place, message);
    }
    let after_rounding = table.flag(log, "after_rounding");
    let unit = unit?;
    let mut found: Option<PriceUnit> = None;
    for meter in ids.iter().filter_map(|id| context.meters.get(id)) {
        let own = price_unit(log, meter, &unit)?;
        if found.as_ref().is_some_and(|first| first.base_units != own.base_units) {
            let message = format!("`{}` is not the same for all of its meters", unit.value);
            log.mistake(&unit.place, message);
            return None;
        }
        found = Some(own);
    }
    let found = found?;
    let place = unit.place;
    let (meters, rates) = (ids.into_iter().collect(), scope.rates.clone());
    let name = name?.value.clone();
    later.push(Later::Allowance { name, meters, rates, unit: found.clone(), place });
    Some(AdjustmentKind::Allowance { quantity_nano: quantity_nano?, unit: found, after_rounding })
}

fn amount_kind(table: &mut Table<'_, '_>, log: &mut Log, kind: Kind) -> Option<AdjustmentKind> {
    if kind == Kind::Discount {
        let rate_nano = number::percent(table, log, "percent", Some(number::WHOLE_NANO))?;
        return Some(AdjustmentKind::Discount { rate_nano });
    }
    let amount = number::large_needed(table, log, "amount", &number::AMOUNT);
    if kind == Kind::Credit {
        return Some(AdjustmentKind::Credit { amount_nano: amount? });
    }
    let proration = proration(table, log);
    match kind {
        Kind::Minimum => Some(AdjustmentKind::Minimum { amount_nano: amount?, proration }),
        Kind::Maximum => Some(AdjustmentKind::Maximum { amount_nano: amount?, proration }),
        Kind::Commitment | Kind::Allowance | Kind::Discount | Kind::Credit => {
            let overage = number::optional(table, log, "overage", &number::FACTOR);
            let true_up = table.flag(log, "true_up");
            let prepaid = table.flag(log, "prepaid");
            if true_up && prepaid {
                let message = "what is prepaid is paid whether it is used or not: leave out \
                               `true_up`";
                log.mistake(&table.place_of(log, "true_up"), message);
            }
            Some(AdjustmentKind::Commitment {
                amount_nano: amount?,
                overage_nano: overage.unwrap_or(number::WHOLE_NANO),
                true_up,
                prepaid,
                proration,
            })
        }
    }
}
