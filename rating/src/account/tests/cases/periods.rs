//! Cases about parts of a month, days, and what goes on from one period to the next.

use super::*;

pub(super) fn subscription(case: &Value) {
    let params = &case["params"];
    let world = World::new().fee("Plan", text(params, "monthly"), BY_DAY);
    let world = last_days(world, whole(params, "period_days"), whole(params, "days_used"));
    // Taxed on what is rounded.
    let percent = i64::from(text(params, "tax_percent").parse::<u32>().expect("percent"));
    let net = world.cents();
    let gross = net + (net * percent + 50) / 100;
    assert_eq!(gross, nano(text(&case["expected"], "total")) / 10_000_000);
}

pub(super) fn day_ratio(case: &Value) {
    let (params, input) = (&case["params"], &case["input"]);
    let decimals = u32::try_from(whole(params, "decimals")).expect("decimals");
    let ratio = Some((decimals, RoundTo::HalfAwayFromZero));
    let world = World::new().fee("A", "1", Proration::Day { count: DayCount::Actual, ratio });
    let world = last_days(world, whole(input, "of"), whole(input, "days"));
    world.costs(text(&case["expected"], "ratio"));
}

/// What is billed for the month after a change, less what was billed before it.
pub(super) fn day_change(case: &Value) {
    let amount = |key: &str| {
        let price = text(&case["input"], key);
        let (count, each) = price.split_once('x').unwrap_or(("1", price));
        (nano(each) * count.parse::<i64>().expect("count")).to_string()
    };
    let as_fee = |nano: &str| {
        let nano: i64 = nano.parse().expect("nano");
        let decimal = turnpike_schemas::parse::scaled_to_decimal(nano.into(), 9);
        fee("Seats", &decimal, BY_DAY)
    };
    let params = &case["params"];
    let cents = |world: &World| -> Vec<i64> {
        let round = |line: &RatedLine| line.amount.round(Rounding::HalfAwayFromZero);
        world.lines().iter().map(|line| round(line).expect("rounds").minor()).collect()
    };
    let month = &text(params, "period_start")[..7];
    let mut world = World::new().zone(month, chrono_tz::Tz::UTC);
    world.version().fees.push(as_fee(&amount("old")));
    let before = cents(&world);
    let mut world = world.next_version(text(params, "change"));
    world.version().fees[0] = as_fee(&amount("new"));
    let after = cents(&world);
    let minor = |key: &str| nano(text(&case["expected"], key)) / 10_000_000;
    assert_eq!(after[0] - before[0], minor("credit"), "{}", case["id"]);
    assert_eq!(after[1], minor("charge"), "{}", case["id"]);
    assert_eq!(after.iter().sum::<i64>() - before[0], minor("amount"), "{}", case["id"]);
}

/// Each day costs 1.
pub(super) fn day_count(case: &Value) {
    let zone: chrono_tz::Tz = text(&case["params"], "timezone").parse().expect("zone");
    let from = text(&case["input"], "from");
    let mut world = World::new().zone(&from[..7], zone);
    let local = |text: &str| turnpike_schemas::period::parse_day_or_instant(text, zone).ok();
    let assignment = &mut world.book.accounts[0].tariffs[0];
    assignment.valid_from = local(from);
    assignment.valid_to = local(text(&case["input"], "to"));
    let world = world.fee("Day", "31", BY_DAY);
    expect(case, &world);
}

/// Held for some of the days of a month.
fn held_days(world: World, units: &str, days: i64, of: i64) -> World {
    world.used_of(units, |key, sums| {
        key.per_seconds = of * 86_400;
        sums.quantity *= i128::from(days * 86_400);
    })
}

/// Units rounded up at five decimals.
fn rounded_up() -> World {
    World::new().rate(rounded(rate("calls", "1"), "0.00001", RoundTo::Up))
}

pub(super) fn prorated_sum(case: &Value) {
    let (days, input) = (whole(&case["params"], "period_days"), &case["input"]);
    let mut world = held_days(rounded_up(), text(input, "carried"), days, days);
    for event in input["events"].as_array().expect("events") {
        world = held_days(world, text(event, "value"), whole(event, "days_remaining"), days);
    }
    expect(case, &world);
}

/// `1+21/31`: one all the month, and another for 21 of its days.
pub(super) fn prorated_unique(case: &Value) {
    let of = whole(&case["params"], "period_days");
    let mut world = rounded_up();
    for term in text(&case["input"], "unit_day_fraction_sum").split('+') {
        world = match term.split_once('/') {
            Some((days, _)) => held_days(world, "1", days.parse().expect("days"), of),
            None => held_days(world, term, of, of),
        };
    }
    expect(case, &world);
}

/// What goes on from the period before is held all of this one, and so is what is added.
pub(super) fn recurring_sum(case: &Value) {
    let input = &case["input"];
    let events = ["previous_period_events", "events"].map(|key| input[key].as_array());
    let mut world = World::new().per_call("1");
    for event in events.into_iter().flatten().flatten() {
        world = held_days(world, event.as_str().expect("units"), 30, 30);
    }
    expect(case, &world);
}

/// Each run rates every period anew, and the last one's differences are what it bills.
pub(super) fn late_events(case: &Value) {
    let runs = case["input"]["runs_cumulative_by_period"].as_array().expect("runs");
    let periods = |run: &Value| -> Vec<Fraction> {
        let sums = run.as_array().expect("periods").iter();
        let totals: Vec<Fraction> = sums
            .map(|units| {
                let world = World::new().per_call(text(&case["params"], "unit_price"));
                world.used(units.as_str().expect("units")).total()
            })
            .collect();
        let before = std::iter::once(&Fraction::ZERO).chain(&totals);
        totals.iter().zip(before).map(|(sum, last)| sum.checked_sub(last).expect("sum")).collect()
    };
    let (last, before) = runs.split_last().expect("a run");
    let before = before.last().map(periods).unwrap_or_default();
    let mut billed = periods(last);
    for (now, old) in billed.iter_mut().zip(&before) {
        *now = now.checked_sub(old).expect("difference");
    }
    let expected = case["expected"]["final_run_lines"].as_array().expect("lines");
    let lines: Vec<(i64, Fraction)> =
        (1..).zip(billed).filter(|(_, amount)| !amount.is_zero()).collect();
    let expected: Vec<(i64, Fraction)> = expected
        .iter()
        .map(|line| (whole(line, "period"), Fraction::nano(nano(text(line, "amount")))))
        .collect();
    assert_eq!(lines, expected, "{}", case["id"]);
}
