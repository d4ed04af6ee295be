//! Cases of other rating engines, where their file lies beside the project. Each kind is built from
//! the case's own parameters, so that more cases of a kind need no more code.

use serde_json::Value;
use turnpike_schemas::RoundTo;
use turnpike_schemas::tariff::{BlockPolicy, BlockTier, DayCount};

use periods::*;

use super::fees::capacity;
use super::*;
use crate::price::tests::all_cases;

mod periods;

/// A kind and what rates it.
type Kind = (&'static str, fn(&Value));

/// The kinds that belong to the account stage, and how each is rated.
const KINDS: [Kind; 27] = [
    ("minimum_commitment", minimum_commitment),
    ("charge_minimum_true_up", charge_minimum),
    ("subscription_proration", subscription),
    ("unit_min", unit_minimum),
    ("volume", volume_plain),
    ("volume_min", volume_minimum),
    ("graduated_min", graduated_minimum),
    ("graduated_max", graduated_maximum),
    ("graduated", graduated_plain),
    ("graduated_with_tax", graduated_plain),
    ("usage_discount", usage_discount),
    ("windowed_commitment", windowed_commitment),
    ("time_of_day_commitment", time_of_day_commitment),
    ("day_proration_ratio", day_ratio),
    ("day_proration_change", day_change),
    ("capacity_tier", capacity_tier),
    ("capacity_tier_incremental", capacity_tier),
    ("capacity_overage", capacity_overage),
    ("base_plus_consumable", base_plus_consumable),
    ("day_count", day_count),
    ("aggregation_rounding", aggregation_rounding),
    ("unit_conversion", unit_conversion),
    ("coupon_chain", coupon_chain),
    ("prorated_sum", prorated_sum),
    ("prorated_unique_count", prorated_unique),
    ("sum", recurring_sum),
    ("late_events_period_preserving", late_events),
];

/// Kinds that are not about rating: taxes, credit notes, wallets, and what parties share.
const OF_INVOICES: [&str; 7] = [
    "taxes_with_fixed_coupon",
    "progressive_billing",
    "credit_note_unused_days",
    "credit_cap",
    "invoice_pipeline",
    "taxes_additive",
    "multi_party_split",
];

/// A price per unit that events name, up to a maximum.
fn is_dynamic(case: &Value) -> bool {
    case["model"].as_str().is_some_and(|model| model.contains("dynamic_"))
}

#[test]
fn cases_of_other_engines() {
    let cases = all_cases();
    let mut checked = 0;
    for case in &cases {
        if let Some((_, check)) = KINDS.iter().find(|(kind, _)| case["model"] == **kind) {
            check(case);
            checked += 1;
        } else if is_dynamic(case) {
            dynamic_maximum(case);
            checked += 1;
        }
    }
    println!("{checked} of {} cases are about accounts", cases.len());
}

/// No case is left out by being of a kind that nothing here knows.
#[test]
fn every_case_about_rating_is_run() {
    let (mut run, mut others) = (0, Vec::new());
    for case in all_cases() {
        let model = text(&case, "model");
        let of_account = KINDS.iter().any(|(kind, _)| *kind == model) || is_dynamic(&case);
        if of_account || crate::price::tests::cases::is_of_a_model(&case) {
            run += 1;
            continue;
        }
        assert!(OF_INVOICES.contains(&model), "nothing rates cases of `{model}`: {}", case["id"]);
        others.push(model.to_owned());
    }
    println!("{run} cases of rating are run; {} are about invoices: {others:?}", others.len());
    assert!(run >= 74, "only {run} cases");
}

#[track_caller]
fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn whole(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[track_caller]
fn expect(case: &Value, world: &World) {
    let amount = text(&case["expected"], "amount");
    let decimals = amount.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let decimals = u32::try_from(decimals).expect("decimals").max(2);
    let total = world.total().round_decimals(decimals, RoundTo::HalfAwayFromZero);
    let expect = Fraction::nano(nano(amount));
    assert_eq!(total, Some(expect), "{}: {:#?}", case["id"], world.text());
}

fn tiers_of(case: &Value) -> Rate {
    let params = &case["params"];
    let zero = match params["zero_usage_charges_first_flat"].as_bool() {
        Some(false) => ZeroUsage::Free,
        _ => ZeroUsage::FirstFlat,
    };
    let tiers = params["tiers"].as_array().expect("tiers");
    let tiers: Vec<_> = tiers
        .iter()
        .map(|tier| {
            (tier["up_to"].as_str().unwrap_or(""), text(tier, "unit_price"), text(tier, "flat_fee"))
        })
        .collect();
    graduated(&tiers, zero)
}

/// The last days of a month of so many days.
fn last_days(world: World, month_days: i64, days: i64) -> World {
    let start = match month_days {
        28 => "2026-02-01",
        29 => "2024-02-01",
        30 => "2026-04-01",
        _ => "2026-01-01",
    };
    let start = at(start);
    let day = |days: i64| start.plus_seconds(86_400 * days).expect("day").to_string();
    let world = world.period(&day(0), &day(month_days));
    world.assigned(Some(&day(month_days - days)), None)
}

/// Usage in the last second of the period.
fn used_last(world: World, units: &str) -> World {
    let end = world.period.end();
    world.used_of(units, |key, sums| {
        sums.first = end.plus_seconds(-1).expect("first");
        sums.last = end;
        key.agreement = None;
    })
}

fn minimum_commitment(case: &Value) {
    let (params, input) = (&case["params"], &case["input"]);
    let world = World::new().per_call("1").fee("Plan", text(params, "plan_monthly"), BY_DAY);
    let world = world.adjust("Least", minimum(text(params, "commitment_monthly"), BY_DAY));
    let mut world = last_days(world, whole(params, "period_days"), whole(params, "days_used"));
    for charge in input["charges"].as_array().expect("charges") {
        world = used_last(world, charge.as_str().expect("charge"));
    }
    let lines = world.lines();
    let amount = adjustments(&lines)[0].amount.round(Rounding::HalfAwayFromZero).expect("rounds");
    assert_eq!(amount.to_decimal_text(), text(&case["expected"], "amount"), "{:?}", world.text());
}

fn charge_minimum(case: &Value) {
    let params = &case["params"];
    let world = World::new().per_call(text(params, "unit_price"));
    let world = world.adjust("Least", minimum(text(params, "charge_min"), BY_DAY));
    let world = last_days(world, whole(params, "period_days"), whole(params, "days_used"));
    let world = used_last(world, text(&case["input"], "units"));
    let cents: Vec<i64> = world
        .lines()
        .iter()
        .map(|line| line.amount.round(Rounding::HalfAwayFromZero).expect("rounds").minor())
        .collect();
    let minor = |key| nano(text(&case["expected"], key)) / 10_000_000;
    assert_eq!(cents.iter().sum::<i64>(), minor("usage") + minor("true_up"));
    assert!(cents.contains(&minor("usage")) && cents.contains(&minor("true_up")));
}

fn unit_minimum(case: &Value) {
    let params = &case["params"];
    let world = World::new().per_call(text(params, "unit_price"));
    let world = world.adjust("Least", minimum(text(params, "minimum"), BY_DAY));
    expect(case, &world.used(text(&case["input"], "units")));
}

fn graduated_minimum(case: &Value) {
    let world = World::new().rate(tiers_of(case));
    let world = world.adjust("Least", minimum(text(&case["params"], "minimum"), BY_DAY));
    let lines = world.lines();
    assert_eq!(world.total(), Fraction::nano(nano(text(&case["params"], "minimum"))));
    let missing = adjustments(&lines)[0].amount.to_decimal_text(2);
    assert_eq!(missing, text(&case["expected"], "commitment"));
}

fn graduated_maximum(case: &Value) {
    let input = &case["input"];
    let world = || {
        let world = World::new().rate(tiers_of(case));
        world
            .adjust("Cap", maximum(text(&case["params"], "maximum")))
            .used(text(input, "units_before"))
    };
    world().costs(text(input, "billed_before"));
    let after = world().used(text(input, "units"));
    let more = after.total().checked_sub(&world().total());
    assert_eq!(more, Some(Fraction::nano(nano(text(&case["expected"], "amount")))));
    let lines = after.lines();
    let found = adjustments(&lines);
    let off = found.iter().map(|line| line.amount.fraction().expect("amount"));
    let off = off.fold(Fraction::ZERO, |sum, part| sum.checked_sub(&part).expect("sum"));
    assert_eq!(off, Fraction::nano(nano(text(&case["expected"], "discount"))));
}

fn graduated_plain(case: &Value) {
    let world = World::new().rate(tiers_of(case));
    let units = text(&case["input"], "units");
    expect(case, &if units == "0" { world } else { world.used(units) });
}

fn volume_of(case: &Value) -> Rate {
    let rate = tiers_of(case);
    let PriceModel::Graduated(tiers) = rate.model else { panic!("tiers") };
    Rate { model: PriceModel::Volume(tiers), ..rate }
}

fn volume_plain(case: &Value) {
    let world = World::new().rate(volume_of(case));
    let units = text(&case["input"], "units");
    expect(case, &if units == "0" { world } else { world.used(units) });
}

fn volume_minimum(case: &Value) {
    let world = World::new().rate(volume_of(case));
    let world = world.adjust("Least", minimum(text(&case["params"], "minimum"), BY_DAY));
    let units = text(&case["input"], "units");
    let world = if units == "0" { world } else { world.used(units) };
    expect(case, &world);
    let lines = world.lines();
    let missing = adjustments(&lines)[0].amount.to_decimal_text(2);
    assert_eq!(missing, text(&case["expected"], "commitment"));
}

fn usage_discount(case: &Value) {
    let input = &case["input"];
    let world = World::new().per_call("1");
    let world = world.adjust("Free", allowance(text(&case["params"], "discount_units")));
    expect(case, &world.used(text(input, "units_before")).used(text(input, "units")));
}

fn in_window(start: Instant, rate: usize) -> impl FnOnce(&mut GatherKey, &mut Gathered) {
    move |key, sums| {
        key.window = Some(start);
        key.rate_index = rate;
        sums.first = start;
        sums.last = start.plus_seconds(1).expect("last");
    }
}

fn deal(name: &str, params: &Value) -> Adjustment {
    let kind = commitment(
        text(params, "commit_per_window"),
        text(params, "overage_factor"),
        params["true_up"].as_bool().expect("true_up"),
        false,
    );
    Adjustment { windows: true, ..adjustment(name, kind) }
}

fn windowed_commitment(case: &Value) {
    let params = &case["params"];
    let mut world = World::new().per_call(text(params, "unit_price")).adjusted(deal("A", params));
    let units = case["input"]["window_units"].as_array().expect("windows");
    for (hour, units) in (0..).zip(units) {
        let start = at("2026-01-01").plus_seconds(3_600 * hour).expect("start");
        world = world.used_of(units.as_str().expect("units"), in_window(start, 0));
    }
    expect(case, &world);
}

fn time_of_day_commitment(case: &Value) {
    let (peak, other) = (&case["params"]["bucket"], &case["params"]["else"]);
    let mut world = World::new()
        .rate(named("peak", rate("calls", text(peak, "unit_price"))))
        .rate(named("else", rate("calls", text(other, "unit_price"))))
        .adjusted(of_rates(deal("Peak", peak), &["peak"]))
        .adjusted(of_rates(deal("Else", other), &["else"]));
    for window in case["input"]["windows"].as_array().expect("windows") {
        let start = window[0].as_str().expect("start").replace('Z', ":00Z");
        let hour = &start[11..16];
        let in_peak = text(peak, "from") <= hour && hour < text(peak, "to");
        let rate = if in_peak { 0 } else { 1 };
        world = world.used_of(window[1].as_str().expect("units"), in_window(at(&start), rate));
    }
    expect(case, &world);
    let lines = world.lines();
    let found = adjustments(&lines);
    let unused = found.iter().find(|line| line.detail.contains("unused")).expect("true-up");
    assert_eq!(unused.amount.to_decimal_text(2), text(&case["expected"], "true_up"));
}

fn capacity_tier(case: &Value) {
    // The meters of the case, by the place of their names.
    let meters = ["calls", "texts", "objects"];
    let tiers = case["params"]["tiers"].as_array().expect("tiers");
    let names: Vec<&String> = tiers[0]["max"].as_object().expect("limits").keys().collect();
    let limits = |tier: &Value| -> Vec<(String, String)> {
        let limits = tier["max"].as_object().into_iter().flatten();
        let place = |name: &String| names.iter().position(|known| *known == name);
        limits
            .map(|(name, most)| {
                let meter = meters[place(name).expect("name")];
                (meter.to_owned(), most.as_str().expect("limit").to_owned())
            })
            .collect()
    };
    let tiers: Vec<(Vec<(String, String)>, &str)> =
        tiers.iter().map(|tier| (limits(tier), text(tier, "price"))).collect();
    let borrowed: Vec<Vec<(&str, &str)>> = tiers
        .iter()
        .map(|(limits, _)| limits.iter().map(|(m, most)| (m.as_str(), most.as_str())).collect())
        .collect();
    let tiers: Vec<(&[(&str, &str)], &str)> =
        borrowed.iter().zip(&tiers).map(|(limits, tier)| (limits.as_slice(), tier.1)).collect();
    let mut world = World::new();
    for meter in meters {
        world = world.rate(rate(meter, "0"));
    }
    world.version().fees.push(Fee { amount: capacity(&tiers), ..fee("Base", "0", BY_DAY) });
    for (name, units) in case["input"]["peak"].as_object().expect("peak") {
        let place = names.iter().position(|known| *known == name).expect("name");
        let units = units.as_str().expect("units");
        world = world.used_of(units, |key, sums| {
            key.rate_index = place;
            // Objects are counted without decimals.
            sums.quantity /= if meters[place] == "objects" { 1_000_000 } else { 1 };
        });
    }
    let before = case["input"]["billed_before"]
        .as_str()
        .map_or(Fraction::ZERO, |before| Fraction::nano(nano(before)));
    let due = world.total().checked_sub(&before);
    assert_eq!(due, Some(Fraction::nano(nano(text(&case["expected"], "amount")))));
}

fn capacity_overage(case: &Value) {
    let params = &case["params"];
    let world = World::new().per_call(text(params, "overage"));
    let world = world.fee("Capacity", text(params, "price"), BY_DAY);
    let world = world.adjust("Included", allowance(text(params, "included")));
    expect(case, &world.used(text(&case["input"], "units")));
}

fn base_plus_consumable(case: &Value) {
    let params = &case["params"];
    let tier = |tier: &Value| BlockTier {
        size_nano: nano(text(tier, "block_size")),
        price_nano: nano(text(tier, "price_per_block")),
        blocks_max: tier["max_blocks"].as_str().map(|most| most.parse().expect("blocks")),
    };
    let tiers = params["tiers"].as_array().expect("tiers").iter().map(tier).collect();
    let policy = match text(params, "policy") {
        "TOP_TIER" => BlockPolicy::TopTier,
        _ => BlockPolicy::AllTiers,
    };
    let blocks = Rate { model: PriceModel::Blocks { policy, tiers }, ..rate("calls", "0") };
    let world = World::new().rate(blocks).fee("Base", text(params, "base"), BY_DAY);
    expect(case, &world.used(text(&case["input"], "units")));
}

fn aggregation_rounding(case: &Value) {
    let params = &case["params"];
    let to = match text(params, "function") {
        "ceil" => RoundTo::Up,
        "floor" => RoundTo::Down,
        _ => RoundTo::HalfAwayFromZero,
    };
    let decimals = usize::try_from(params["precision"].as_u64().unwrap_or(0)).expect("precision");
    let step = if decimals == 0 { "1".to_owned() } else { format!("0.{:0>decimals$}", 1) };
    let world = World::new().rate(rounded(rate("calls", "1"), &step, to));
    expect(case, &world.used(text(&case["input"], "units")));
}

fn unit_conversion(case: &Value) {
    let params = &case["params"];
    assert_eq!((text(params, "convert"), text(params, "factor")), ("divide", "1000"));
    let unit = PriceUnit { name: "1000 calls".to_owned(), base_units: 1_000 };
    let converted = Rate { unit, ..rate("calls", text(params, "unit_price")) };
    let world = World::new().rate(rounded(converted, "1", RoundTo::Up));
    expect(case, &world.used(text(&case["input"], "raw_units")));
}

fn coupon_chain(case: &Value) {
    let mut world = World::new().per_call("1").used(text(&case["input"], "amount"));
    for percent in case["params"]["percents"].as_array().expect("percents") {
        let share = nano(percent.as_str().expect("percent")) / 100;
        let share = turnpike_schemas::parse::scaled_to_decimal(share.into(), 9);
        world = world.adjust("Coupon", discount(&share));
    }
    expect(case, &world);
}

/// A price per unit up to a maximum: what is due after more units, less what was due before.
fn dynamic_maximum(case: &Value) {
    let (params, input) = (&case["params"], &case["input"]);
    let world = |units: &[&str]| {
        let world = World::new().per_call(text(params, "multiplier"));
        let world = world.adjust("Cap", maximum(text(params, "maximum")));
        units.iter().fold(world, |world, units| world.used(units)).cents()
    };
    let due = match input["cumulative_before"].as_str() {
        Some(before) => world(&[text(input, "cumulative_after")]) - world(&[before]),
        None => {
            let before = text(input, "units_before");
            world(&[before, text(input, "units")]) - world(&[before])
        }
    };
    assert_eq!(due, nano(text(&case["expected"], "amount")) / 10_000_000, "{}", case["id"]);
}
