//! The worked examples of other systems, as far as they are about price models.

use serde_json::Value;
use turnpike_schemas::tariff::{
    BlockPolicy, BlockTier, Dynamic, DynamicBasis, Package, PercentTier, Percentage, Tier,
    TierBasis, ZeroUsage,
};
use turnpike_schemas::{Aggregation, Currency, Fraction, Per, PriceModel, Rate, RoundTo};

use super::support::*;
use super::{all_cases, decimal, nano, quantity};
use crate::price::{dynamic, flat_of_nothing};

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// The text of a number, or the one taken where there is none.
fn or<'a>(value: &'a Value, absent: &'a str) -> &'a str {
    value.as_str().unwrap_or(absent)
}

fn tiers_of(params: &Value) -> Vec<Tier> {
    let tier_of = |value: &Value| {
        tier(or(&value["up_to"], ""), or(&value["unit_price"], "0"), or(&value["flat_fee"], "0"))
    };
    params.as_array().into_iter().flatten().map(tier_of).collect()
}

fn percent_tiers(params: &Value) -> Vec<PercentTier> {
    let tier_of = |value: &Value| {
        percent_tier(
            or(&value["up_to"], ""),
            or(&value["rate_percent"], "0"),
            or(&value["flat_fee"], "0"),
        )
    };
    params.as_array().into_iter().flatten().map(tier_of).collect()
}

fn block_of(value: &Value) -> BlockTier {
    let most = value["max_blocks"].as_str().map(|most| most.parse().expect("blocks"));
    block(or(&value["block_size"], ""), or(&value["price_per_block"], ""), most)
}

fn policy(params: &Value) -> BlockPolicy {
    if params["policy"] == "TOP_TIER" { BlockPolicy::TopTier } else { BlockPolicy::AllTiers }
}

fn blocks(params: &Value, tiers: &Value) -> Rate {
    let tiers = match tiers {
        Value::Array(tiers) => tiers.iter().map(block_of).collect(),
        one => vec![block_of(one)],
    };
    rate(PriceModel::Blocks { policy: policy(params), tiers }, "0")
}

fn graduated(tiers_of_case: Vec<Tier>) -> Rate {
    // Of the systems the cases are from, those that bill a first flat without usage do so always.
    rate(PriceModel::Graduated(tiers(tiers_of_case, TierBasis::Total, true)), "0")
}

fn volume(tiers_of_case: Vec<Tier>, basis: TierBasis) -> Rate {
    rate(PriceModel::Volume(tiers(tiers_of_case, basis, true)), "0")
}

fn package(params: &Value) -> Rate {
    let terms = Package {
        size_nano: nano(or(&params["package_size"], "")),
        free_nano: nano(or(&params["free_units"], "0")),
        rounding: RoundTo::Up,
    };
    rate(PriceModel::Package(terms), or(&params["package_price"], "1"))
}

fn percentage(params: &Value) -> Rate {
    let terms = Percentage {
        rate_nano: nano(or(&params["rate_percent"], "")) / 100,
        fixed_nano: nano(or(&params["fixed_per_event"], "0")),
        free_events: params["free_events"].as_i64(),
        free_nano: params["free_units_total"].as_str().map(nano),
        minimum_nano: params["per_transaction_min"].as_str().map(nano),
        maximum_nano: params["per_transaction_max"].as_str().map(nano),
    };
    rate(PriceModel::Percentage(terms), "0")
}

/// What so many units cost; without any, what is due nevertheless.
fn units_cost(rate: &Rate, units: &str) -> Fraction {
    if decimal(units).is_zero() {
        let eur = Currency::new("EUR").expect("currency");
        let flat = flat_of_nothing(rate, eur);
        return flat.map_or(Fraction::ZERO, |flat| flat.fraction().expect("flat"));
    }
    cost(rate, &[quantity(units)])
}

fn plus(left: Fraction, right: Fraction) -> Fraction {
    left.checked_add(&right).expect("sum")
}

fn minus(left: Fraction, right: Fraction) -> Fraction {
    left.checked_sub(&right).expect("difference")
}

/// What is booked when so many units become so many: in one pool, and as two runs.
fn rerated(rate: &Rate, input: &Value) -> Fraction {
    let (before, after) = (or(&input["cumulative_before"], ""), or(&input["cumulative_after"], ""));
    let difference = minus(units_cost(rate, after), units_cost(rate, before));
    if !matches!(rate.model, PriceModel::Volume(_)) {
        let parts = [quantity(before), quantity(after) - quantity(before)];
        assert_eq!(cost(rate, &parts), units_cost(rate, after), "tiers telescope");
    }
    difference
}

/// Events in the order of the case, one item each.
fn event_cost(rate: &Rate, amounts: &[String]) -> Fraction {
    let sums: Vec<Sum> = amounts
        .iter()
        .enumerate()
        .map(|(index, amount)| {
            consumed(index, &[(i64::try_from(index).expect("index"), quantity(amount))])
        })
        .collect();
    total(&priced(&pool(rate, &meter(Aggregation::Sum), 1, &sums)).expect("priced"))
}

/// Full units place an event in the tiers, its prorated share weighs what it costs there.
fn prorated_by_event(params: &Value, input: &Value) -> Fraction {
    let rate = graduated(tiers_of(&params["tiers"]));
    let (full, prorated) = (texts(&input["event_units"]), texts(&input["event_units_prorated"]));
    if full.is_empty() {
        return units_cost(&rate, "0");
    }
    let sums: Vec<Sum> = full
        .iter()
        .enumerate()
        .map(|(index, units)| consumed(index, &[(0, quantity(units))]))
        .collect();
    let parts = priced(&pool(&rate, &meter(Aggregation::Sum), 1, &sums)).expect("priced");
    let weighed = |part: &crate::price::Part| {
        let amount = part.amount.fraction().expect("amount");
        if part.kind == turnpike_schemas::LineKind::Fee {
            return amount;
        }
        let share = decimal(&prorated[part.item]).checked_div(&decimal(&full[part.item]));
        amount.checked_mul(&share.expect("share")).expect("weighed")
    };
    parts.iter().map(weighed).fold(Fraction::ZERO, plus)
}

fn second_of(text: &str, start: &str) -> i64 {
    let at = |text: &str| {
        let text =
            if text.contains('T') { format!("{text}Z") } else { format!("{text}T00:00:00Z") };
        turnpike_schemas::Instant::parse(&text).expect("instant").floor_seconds()
    };
    at(text) - at(start)
}

/// Levels that last from their event to the end of the period.
fn levels(input: &Value, start: &str, end: &str) -> Vec<Sum> {
    let until = second_of(end, start);
    let level = |(index, event): (usize, &Value)| {
        let (from, by) = (text(&event[0]), text(&event[1]));
        held(index, &[(second_of(&from, start), until, quantity(&by))])
    };
    input["events"].as_array().into_iter().flatten().enumerate().map(level).collect()
}

fn held_cost(mut rate: Rate, sums: &[Sum], start: &str, end: &str) -> Fraction {
    rate.per = Per::Month;
    let meter = meter(Aggregation::Held);
    let pool = pool(&rate, &meter, second_of(end, start), sums);
    total(&priced(&pool).expect("priced"))
}

fn held_to(rate: Rate, case: &Value) -> Fraction {
    let (params, input) = (&case["params"], &case["input"]);
    let start = or(&params["period_start"], "2023-09-01");
    let end = or(&params["period_end_exclusive"], "2023-10-01");
    held_cost(rate, &levels(input, start, end), start, end)
}

/// 300 units at once, weighed by time as the case says.
fn volume_prorated(params: &Value, input: &Value) -> Fraction {
    let rate = volume(tiers_of(&params["tiers"]), TierBasis::Held);
    let (full, weighed) =
        (quantity(or(&input["units_full"], "")), or(&input["units_prorated"], ""));
    let mut sums = [held(0, &[(0, 30 * DAY, full)])];
    sums[0].1.quantity = quantity(weighed) * i128::from(30 * DAY);
    held_cost(rate, &sums, "2023-09-01", "2023-10-01")
}

/// Each unit of several has tiers of its own.
fn multi_unit(params: &Value, input: &Value) -> Fraction {
    let units = input.as_object().into_iter().flatten();
    units.filter(|(unit, _)| *unit != "billed_before").fold(Fraction::ZERO, |sum, (unit, units)| {
        let tiers = if params["tier"].is_null() { &params[unit] } else { &params["tier"][unit] };
        plus(sum, units_cost(&blocks(params, tiers), &text(units)))
    })
}

fn filtered(params: &Value, input: &Value) -> Fraction {
    let events = input["events"].as_array().into_iter().flatten();
    events.fold(Fraction::ZERO, |sum, event| {
        let price =
            or(&params["filters"][or(&event["cloud"], "")], or(&params["default_unit_price"], ""));
        plus(sum, units_cost(&rate(PriceModel::PerUnit, price), or(&event["value"], "")))
    })
}

fn dynamic_total(input: &Value) -> Fraction {
    let terms = Dynamic {
        attribute: "cents".to_owned(),
        basis: DynamicBasis::Total,
        multiplier_nano: nano("0.01"),
    };
    let named = [("cents".to_owned(), text(&input["precise_total_amount_cents"]))];
    let units = decimal(or(&input["units"], ""));
    dynamic::worth(&terms, &named.into_iter().collect(), &units).expect("worth")
}

/// Each bucket priced alone.
fn buckets(rate: &Rate, input: &Value) -> Fraction {
    let each = texts(&input["bucket_values"]);
    each.iter().fold(Fraction::ZERO, |sum, units| plus(sum, units_cost(rate, units)))
}

fn conversion(params: &Value, input: &Value) -> Fraction {
    let terms =
        Package { size_nano: nano(or(&params["factor"], "")), free_nano: 0, rounding: RoundTo::Up };
    let rate = rate(PriceModel::Package(terms), or(&params["unit_price"], ""));
    units_cost(&rate, or(&input["raw_units"], ""))
}

/// What the case's model costs, and which of its figures that is; `None`: not a price model.
fn figure(case: &Value) -> Option<(Fraction, &'static str)> {
    let (params, input) = (&case["params"], &case["input"]);
    let (all, units) = (&params["tiers"], or(&input["units"], "0"));
    let unit_price = || rate(PriceModel::PerUnit, or(&params["unit_price"], "1"));
    let graduated = || graduated(tiers_of(all));
    let volume = || volume(tiers_of(all), TierBasis::Total);
    let value = match case["model"].as_str()? {
        "standard" | "unit" => units_cost(&unit_price(), units),
        "graduated" | "graduated_with_tax" => units_cost(&graduated(), units),
        "volume" => units_cost(&volume(), units),
        "volume_min" => return Some((units_cost(&volume(), units), "usage")),
        "volume_prorated" => volume_prorated(params, input),
        "package" => units_cost(&package(params), units),
        "package_count" => return Some((units_cost(&package(params), units), "packages")),
        "percentage" | "percentage_min_max" | "percentage_with_tax" => {
            event_cost(&percentage(params), &texts(&input["event_amounts"]))
        }
        "graduated_percentage" => {
            let zero_usage = ZeroUsage::FirstFlat;
            let model = PriceModel::GraduatedPercentage { tiers: percent_tiers(all), zero_usage };
            units_cost(&rate(model, "0"), units)
        }
        "dynamic" => dynamic_total(input),
        "graduated_prorated" => prorated_by_event(params, input),
        "graduated_prorated_daily" => {
            let terms = tiers(tiers_of(all), TierBasis::Held, true);
            held_to(rate(PriceModel::Graduated(terms), "0"), case)
        }
        "weighted_sum" | "weighted_sum_standard" => held_to(unit_price(), case),
        "standard_with_filters" => filtered(params, input),
        "standard_grouped_by" => {
            let groups = input["events_per_group"].as_object()?;
            groups
                .values()
                .fold(Fraction::ZERO, |sum, n| plus(sum, units_cost(&unit_price(), &text(n))))
        }
        "unit_conversion" => conversion(params, input),
        "rerate_unit" => rerated(&unit_price(), input),
        "rerate_volume" => rerated(&volume(), input),
        "rerate_package" => rerated(&package(params), input),
        "rerate_graduated" => rerated(&graduated(), input),
        "consumable_blocks" => units_cost(&blocks(params, all), units),
        "consumable_incremental" => {
            let gross = units_cost(&blocks(params, params), units);
            minus(gross, decimal(&text(&input["billed_before"])))
        }
        "consumable_blocks_multi_unit" => multi_unit(params, input),
        "consumable_blocks_multi_unit_incremental" => {
            minus(multi_unit(params, input), decimal(&text(&input["billed_before"])))
        }
        "graduated_versioned" => {
            let terms = tiers(tiers_of(&params["tiers_v1"]), TierBasis::Total, false);
            units_cost(&rate(PriceModel::Graduated(terms), "0"), units)
        }
        "base_plus_consumable" => {
            plus(decimal(or(&params["base"], "")), units_cost(&blocks(params, all), units))
        }
        "bucketed_max_standard" => buckets(&unit_price(), input),
        "bucketed_max_package" => buckets(&package(params), input),
        "bucketed_max_graduated" => buckets(&graduated(), input),
        "bucketed_max_volume" => buckets(&volume(), input),
        _ => return None,
    };
    Some((value, "amount"))
}

/// Some figures are printed rounded.
fn rounded(value: Fraction, case: &Value, expected: &str) -> Fraction {
    let rounds = case["params"]["round"].is_string()
        || case["model"] == "weighted_sum_standard" && expected.contains('.');
    if !rounds {
        return value;
    }
    let decimals = expected.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let decimals = u32::try_from(decimals).expect("decimals");
    value.round_decimals(decimals, RoundTo::HalfAwayFromZero).expect("rounds")
}

/// Whether a case is about a price model.
pub(crate) fn is_of_a_model(case: &Value) -> bool {
    figure(case).is_some()
}

#[test]
fn price_models_give_the_figures_of_other_systems() {
    let cases = all_cases();
    let mut checked = 0;
    for case in &cases {
        let id = case["id"].as_str().expect("id");
        let Some((value, named)) = figure(case) else { continue };
        let expected = text(&case["expected"][named]);
        assert_eq!(rounded(value, case, &expected), decimal(&expected), "{id}");
        checked += 1;
    }
    println!("{checked} of {} cases are about price models", cases.len());
    assert!(checked >= 50, "only {checked} of {} cases", cases.len());
}

#[test]
fn the_lines_of_blocks_are_those_of_other_systems() {
    let cases = all_cases();
    let lined = cases.iter().filter(|case| case["model"] == "consumable_blocks");
    let mut checked = 0;
    for case in lined.filter(|case| case["expected"]["lines"].is_array()) {
        let rate = blocks(&case["params"], &case["params"]["tiers"]);
        let sums = [consumed(0, &[(0, quantity(or(&case["input"]["units"], "")))])];
        let meter = meter(Aggregation::Sum);
        let parts = priced(&pool(&rate, &meter, 1, &sums)).expect("priced");
        let amounts: Vec<Fraction> =
            parts.iter().map(|part| part.amount.fraction().expect("amount")).collect();
        let lines = texts(&case["expected"]["lines"]);
        let expected: Vec<Fraction> = lines.iter().map(|line| decimal(line)).collect();
        assert_eq!(amounts, expected, "{}", case["id"]);
        checked += 1;
    }
    assert!(checked >= 3, "only {checked} cases have lines");
}
