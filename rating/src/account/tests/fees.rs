//! Fees: months, parts of them, capacity, once, and flat fees without usage.

use turnpike_schemas::party::TariffAssignment;
use turnpike_schemas::tariff::{CapacityLimit, CapacityTier, DayCount};
use turnpike_schemas::{RoundTo, Tariff};

use super::*;

const THIRTY: Proration = Proration::Day { count: DayCount::Thirty, ratio: None };

#[test]
fn a_fee_is_due_without_usage() {
    let world = World::new().fee("Support", "50", BY_DAY);
    world.costs("50");
    let lines = world.lines();
    let line = &lines[0];
    assert_eq!((line.kind, line.resource.as_str()), (LineKind::Fee, "account:a1"));
    assert_eq!(line.detail, "Support");
    assert_eq!(line.agreement.as_ref().map(|id| id.as_str()), Some("old"));
    assert_eq!(line.service_period, world.period);
}

/// A month, the part in force, how it is prorated, and what is due of 50.00 in cents.
#[test]
fn a_part_of_a_month_is_prorated() {
    let check = |from: Option<&str>, to: Option<&str>, proration: Proration, cents: i64| {
        let world = World::new().fee("Support", "50", proration).assigned(from, to);
        assert_eq!(world.cents(), cents, "{from:?} {to:?} {proration:?}: {:?}", world.text());
    };
    let (eighth, noon) = (Some("2026-01-08"), Some("2026-01-08T12:00:00Z"));
    check(eighth, None, BY_DAY, 3_871);
    check(noon, None, BY_DAY, 3_871);
    check(None, eighth, BY_DAY, 1_129);
    check(None, noon, BY_DAY, 1_290);
    check(None, None, BY_DAY, 5_000);
    check(eighth, None, Proration::None, 5_000);
    check(eighth, None, Proration::Second, 3_871);
    check(noon, None, Proration::Second, 3_790);
    check(None, Some("2026-01-01T00:00:01Z"), BY_DAY, 161);
    check(Some("2026-02-01"), None, BY_DAY, 0);
    check(None, Some("2026-01-01"), Proration::None, 0);
    check(eighth, None, THIRTY, 4_000);
    check(None, None, THIRTY, 5_000);
    check(Some("2026-01-02"), None, THIRTY, 5_000);
    check(Some("2026-01-03"), None, THIRTY, 4_833);
    let cut = Proration::Day { count: DayCount::Actual, ratio: Some((1, RoundTo::Down)) };
    check(eighth, None, cut, 3_500);
}

#[test]
fn the_ratio_has_the_decimals_it_is_given() {
    let nine =
        Proration::Day { count: DayCount::Actual, ratio: Some((9, RoundTo::HalfAwayFromZero)) };
    let world = World::new().fee("Support", "1", nine).assigned(Some("2026-01-09"), None);
    world.costs("0.741935484");
    assert_eq!(world.text(), ["fee 0.741935… Support, 23 of 31 days"]);
}

#[test]
fn versions_share_a_month_by_their_parts() {
    let world = World::new().fee("Support", "10", BY_DAY).next_version("2026-01-15");
    let check = |mut world: World, amount: &str, lines: &[i64]| {
        world.version().fees[0] = fee("Support", amount, BY_DAY);
        let cents: Vec<i64> = world
            .lines()
            .iter()
            .map(|line| line.amount.round(Rounding::HalfAwayFromZero).expect("rounds").minor())
            .collect();
        assert_eq!(cents, lines);
    };
    // 14 and 17 of 31 days: a rise from 10 to 20, billed as 10 already, is 5.49 more.
    check(world, "20", &[452, 1_097]);
    // In the middle of a day, that day belongs to the version before.
    let world = World::new().fee("Support", "31", BY_DAY).next_version("2026-01-15T12:00:00Z");
    check(world, "31", &[1_500, 1_600]);
    let world = World::new().fee("Support", "30", Proration::None).next_version("2026-01-15");
    world.costs("30");
    let world = World::new().fee("Support", "30", THIRTY).next_version("2026-01-16");
    world.costs("30");
    // February has 28 days, and is a whole month.
    let world = World::new().fee("Support", "30", THIRTY).period("2026-02-01", "2026-03-01");
    world.next_version("2026-02-15").costs("30");
}

#[test]
fn a_day_is_a_local_day_of_23_or_25_hours_too() {
    let zone = chrono_tz::Tz::America__New_York;
    for (month, from) in [("2026-03", "2026-03-08"), ("2026-11", "2026-11-01")] {
        let days = if month == "2026-03" { 31 } else { 30 };
        let start = turnpike_schemas::period::parse_day_or_instant(from, zone).expect("day");
        let end = start.plus_seconds(86_400).expect("end");
        let mut world = World::new().zone(month, zone).fee("Support", &days.to_string(), BY_DAY);
        let assignment = &mut world.book.accounts[0].tariffs[0];
        assignment.valid_from = Some(start);
        assignment.valid_to = Some(end);
        // 24 hours: a day of 23 hours and the beginning of the next, or a part of one of 25.
        world.costs(if month == "2026-03" { "2" } else { "1" });
    }
}

#[test]
fn runs_over_parts_of_a_month_add_up() {
    for proration in [BY_DAY, Proration::Second, Proration::None, THIRTY] {
        let part = |from: &str, to: &str| {
            World::new().fee("Support", "31", proration).period(from, to).total()
        };
        let first = part("2026-01-01", "2026-01-09T05:00:00Z");
        let second = part("2026-01-09T05:00:00Z", "2026-02-01");
        let sum = first.checked_add(&second).expect("sum");
        assert_eq!(sum, Fraction::whole(31), "{proration:?}");
    }
    World::new().fee("Support", "31", BY_DAY).period("2026-01-01", "2026-04-01").costs("93");
}

#[test]
fn nothing_is_due_at_or_past_the_instant_of_a_run() {
    let check = |until: &str, proration: Proration, expect: &str| {
        let world = World::new().fee("Support", "31", proration).until(until);
        world.adjust("Least", minimum("62", proration)).costs(expect);
    };
    check("2026-01-11", BY_DAY, "20");
    check("2026-01-11T12:00:00Z", BY_DAY, "22");
    check("2026-01-11T12:00:00Z", Proration::Second, "21");
    check("2026-01-11T12:00:00Z", Proration::None, "62");
    check("2026-01-01", Proration::None, "0");
    check("2026-03-01", BY_DAY, "62");
}

#[test]
fn what_is_due_once_is_due_when_the_tariff_comes_into_force() {
    let once = || {
        let mut world = World::new();
        world.version().fees.push(Fee { every: FeeEvery::Once, ..fee("Setup", "99", BY_DAY) });
        world
    };
    once().costs("0");
    let world = once().assigned(Some("2026-01-08T12:00:00Z"), None);
    world.costs("99");
    let period = world.lines()[0].service_period;
    assert_eq!((period.start(), period.end()), (at("2026-01-08T12:00:00Z"), at("2026-01-09")));
    once().assigned(Some("2026-01-08"), None).next_version("2026-01-20").costs("99");
    once().assigned(Some("2026-02-01"), None).costs("0");
    once().assigned(Some("2026-01-01"), None).costs("99");
    // After a gap the account is on the tariff again: it comes into force once.
    let again = |first: (Option<&str>, &str), from: &str| {
        let mut world = once().assigned(first.0, Some(first.1));
        let tariffs = &mut world.book.accounts[0].tariffs;
        tariffs.push(TariffAssignment {
            valid_from: Some(at(from)),
            valid_to: None,
            ..tariffs[0].clone()
        });
        world
    };
    again((None, "2025-11-01"), "2026-01-08").costs("0");
    again((Some("2026-01-03"), "2026-01-05"), "2026-01-08").costs("99");
    let mut world = once().assigned(Some("2025-03-01"), None).next_version("2026-01-08");
    world.book.tariffs[0].versions[0].valid_to = Some(at("2025-11-01"));
    world.costs("0");
    // A fee of a later version is not for those who are there already.
    let mut world = World::new().assigned(Some("2026-01-03"), None).next_version("2026-01-20");
    world.version().fees.push(Fee { every: FeeEvery::Once, ..fee("Setup", "99", BY_DAY) });
    world.costs("0");
}

#[test]
fn fees_of_a_base_come_first_and_go_on() {
    let mut world = World::new().fee("Network", "31", BY_DAY);
    let base = world.book.tariffs[0].clone();
    let own = Tariff {
        id: "own".parse().expect("id"),
        base: Some(base.id.clone()),
        versions: vec![TariffVersion {
            id: "own.1".parse().expect("id"),
            valid_from: at("2026-01-11"),
            fees: vec![fee("Own", "62", BY_DAY)],
            ..base.versions[0].clone()
        }],
        ..base
    };
    world.book.tariffs.push(own);
    let account = &mut world.book.accounts[0];
    let mut later = account.tariffs[0].clone();
    account.tariffs[0].valid_to = Some(at("2026-01-11T12:00:00Z"));
    later.tariff = "own".parse().expect("id");
    later.valid_from = Some(at("2026-01-11T12:00:00Z"));
    account.tariffs.push(later);
    world.costs("73");
    assert_eq!(world.text(), ["fee 31 Network", "fee 42 Own, 21 of 31 days"]);
}

#[test]
fn a_circle_of_bases_parks_the_account() {
    let mut world = World::new().fee("Support", "50", BY_DAY);
    world.book.tariffs[0].base = Some("list".parse().expect("id"));
    assert!(world.rated().expect_err("parks").text.contains("`list`"));
    world.book.tariffs[0].base = Some("gone".parse().expect("id"));
    assert!(world.rated().expect_err("parks").text.contains("`gone`"));
}

#[test]
fn a_tax_category_that_is_unknown_parks_the_account() {
    let mut world = World::new().fee("Support", "50", BY_DAY);
    world.version().fees[0].tax_category = tax("none");
    assert!(world.rated().expect_err("parks").text.contains("`none`"));
    world.book.accounts[0].tax_category = Some(tax("reduced"));
    assert_eq!(world.lines()[0].tax_category, tax("reduced"));
}

#[test]
fn time_without_a_tariff_has_no_fee_and_parks_nobody() {
    let world = World::new().fee("Support", "31", BY_DAY);
    let mut world = world.assigned(None, Some("2026-01-02"));
    world.book.accounts[0].currency = None;
    assert!(world.rated().expect_err("parks").text.contains("currency"));
    world.book.tariffs[0].versions[0].fees.clear();
    assert_eq!(world.rated().expect("nothing is due"), vec![]);
}

pub(super) fn capacity(tiers: &[(&[(&str, &str)], &str)]) -> FeeAmount {
    let limit = |(meter, quantity): &(&str, &str)| CapacityLimit {
        meter: MeterId::new(*meter).expect("meter"),
        quantity_nano: large(quantity),
        unit: unit(),
    };
    let tiers = tiers.iter().map(|(limits, amount)| CapacityTier {
        up_to: limits.iter().map(limit).collect(),
        amount_nano: large(amount),
    });
    FeeAmount::Capacity { tiers: tiers.collect(), zero_usage: ZeroUsage::FirstFlat }
}

#[test]
fn capacity_is_the_lowest_tier_that_all_fit_into() {
    let check = |open: bool, calls: &str, texts: &str, expect: Option<&str>| {
        let mut tiers: Vec<(&[(&str, &str)], &str)> =
            vec![(&[("calls", "100"), ("texts", "1000")], "10"), (&[("calls", "200")], "20")];
        if open {
            tiers.push((&[], "30"));
        }
        let mut world = World::new().per_call("0").rate(rate("texts", "0"));
        let fee = Fee { amount: capacity(&tiers), ..fee("Base", "0", BY_DAY) };
        world.version().fees.push(fee);
        let world = world.used(calls).used_of(texts, |key, _| key.rate_index = 1);
        match expect {
            Some(amount) => drop(world.costs(amount)),
            None => {
                let reason = world.rated().expect_err("parks");
                assert!(reason.text.contains("`calls`") && reason.text.contains("`Base`"));
            }
        }
    };
    check(true, "100", "1000", Some("10"));
    check(true, "0", "0", Some("10"));
    check(true, "100", "1000.5", Some("20"));
    check(true, "100.000001", "1", Some("20"));
    check(true, "200", "5000", Some("20"));
    check(true, "201", "1", Some("30"));
    check(false, "201", "1", None);
}

#[test]
fn capacity_without_usage_may_be_free() {
    let check = |zero_usage: ZeroUsage, calls: &str, expect: &str| {
        let tiers: [(&[(&str, &str)], &str); 2] = [(&[("calls", "10")], "10"), (&[], "30")];
        let FeeAmount::Capacity { tiers, .. } = capacity(&tiers) else { panic!() };
        let amount = FeeAmount::Capacity { tiers, zero_usage };
        let mut world = World::new().per_call("0");
        world.version().fees.push(Fee { amount, ..fee("Base", "0", BY_DAY) });
        if calls != "0" {
            world = world.used(calls);
        }
        world.costs(expect);
    };
    check(ZeroUsage::FirstFlat, "0", "10");
    check(ZeroUsage::Free, "0", "0");
    check(ZeroUsage::Free, "0.000001", "10");
    check(ZeroUsage::Free, "11", "30");
}

/// A tariff of its own on top of the world's.
fn on_top(mut world: World, change: impl FnOnce(&mut TariffVersion)) -> World {
    let base = world.book.tariffs[0].clone();
    let mut version = TariffVersion {
        id: "own.1".parse().expect("id"),
        rates: Vec::new(),
        fees: Vec::new(),
        ..base.versions[0].clone()
    };
    change(&mut version);
    let id: turnpike_schemas::TariffId = "own".parse().expect("id");
    world.book.accounts[0].tariffs[0].tariff = id.clone();
    let base_id = Some(base.id.clone());
    world.book.tariffs.push(Tariff { id, base: base_id, versions: vec![version], ..base });
    world
}

#[test]
fn a_base_that_prices_nothing_of_a_meter_owes_no_first_tier() {
    let tiers =
        || named("egress", graduated(&[("10", "10", "2"), ("", "5", "3")], ZeroUsage::FirstFlat));
    let world = || World::new().rate(tiers());
    on_top(world(), |_| {}).costs("2");
    // The tariff on top says that the meter is not charged for.
    on_top(world(), |own| {
        own.included.insert(MeterId::new("calls").expect("id"));
    })
    .costs("0");
    // It prices all of it: 10 calls at 0.05.
    let gold = |own: &mut TariffVersion| own.rates.push(named("gold", rate("calls", "0.05")));
    on_top(world(), gold).costs("0");
    let used = on_top(world(), gold).used_of("10", |key, _| {
        key.tariff = "own".parse().expect("id");
        key.tariff_version = "own.1".parse().expect("id");
    });
    used.costs("0.5");
    // Some of it, by an attribute or by the hour: the base prices the rest.
    on_top(world(), |own| {
        let some = BTreeMap::from([("to".to_owned(), "fr".to_owned())]);
        own.rates.push(Rate { conditions: some, ..named("gold", rate("calls", "0.05")) });
    })
    .costs("2");
    let hours = |from: u32, to: u32| turnpike_schemas::tariff::TimeOfUse {
        days: turnpike_schemas::tariff::EVERY_DAY,
        from: from * 3_600,
        to: to * 3_600,
    };
    let by_hours = |spans: &[(u32, u32)]| {
        let rates: Vec<Rate> = spans
            .iter()
            .map(|(from, to)| Rate { times: vec![hours(*from, *to)], ..rate("calls", "0.05") })
            .collect();
        on_top(world(), |own| own.rates.extend(rates))
    };
    by_hours(&[(22, 6)]).costs("2");
    by_hours(&[(22, 6), (6, 22)]).costs("0");
}

#[test]
fn a_base_owes_its_first_tier_once_the_list_above_prices_the_meter_no_more() {
    let tiers = graduated(&[("10", "10", "2"), ("", "5", "3")], ZeroUsage::FirstFlat);
    let mut world = on_top(World::new().rate(tiers), |own| own.rates.push(rate("calls", "0.05")));
    let versions = &mut world.book.tariffs[1].versions;
    let (mut first, mut next) = (versions[0].clone(), versions[0].clone());
    (first.valid_to, next.valid_from) = (Some(at("2026-01-10")), at("2026-01-10"));
    next.id = "own.2".parse().expect("id");
    next.rates.clear();
    *versions = vec![first, next];
    world.costs("2");
}

#[test]
fn a_first_tier_is_due_without_usage_where_the_tariff_says_so() {
    let tiers = |zero| graduated(&[("10", "10", "2"), ("", "5", "3")], zero);
    World::new().rate(tiers(ZeroUsage::FirstFlat)).costs("2");
    World::new().rate(tiers(ZeroUsage::Free)).costs("0");
    World::new().rate(tiers(ZeroUsage::FirstFlat)).used("1").costs("12");
    // Once, whatever the versions; and once each month.
    World::new().rate(tiers(ZeroUsage::FirstFlat)).next_version("2026-01-09").costs("2");
    let quarter = World::new().rate(tiers(ZeroUsage::FirstFlat));
    quarter.period("2026-01-01", "2026-04-01").costs("6");
    // All of its usage is free, so that no unit falls into the tier.
    let world = World::new().rate(tiers(ZeroUsage::FirstFlat));
    world.adjust("Free", allowance("5")).used("5").costs("2");
}
