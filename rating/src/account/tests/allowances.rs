//! Allowances and the rounding of units.

use turnpike_schemas::{LineKind, Pool, RoundTo};

use super::*;

#[test]
fn a_partly_used_allowance_goes_on() {
    let world = World::new().per_call("1").adjust("Free calls", allowance("10"));
    let world = world.used("5").used("15");
    world.costs("10");
    assert_eq!(world.text(), ["usage 0 Free calls", "usage 10", "usage 0 Free calls"]);
    // Quantities add up to what was used.
    let quantity: i128 =
        world.lines().iter().map(|line| line.quantity * 10_i128.pow(6 - line.scale)).sum();
    assert_eq!(quantity, 20_000_000);
}

#[test]
fn allowances_take_from_the_first_used() {
    let check = |units: &[&str], expect: &str| {
        let world = World::new().per_call("2").adjust("Free", allowance("10"));
        units.iter().fold(world, |world, units| world.used(units)).costs(expect);
    };
    check(&[], "0");
    check(&["10"], "0");
    check(&["10.5"], "1");
    check(&["4", "4", "4"], "4");
    check(&["20", "-20"], "0");
    check(&["20", "-5"], "10");
    check(&["-3", "13"], "0");
}

#[test]
fn tiers_begin_after_the_allowance() {
    let tiers = graduated(&[("10", "1", "0"), ("", "0.5", "0")], ZeroUsage::Free);
    let world = World::new().rate(tiers).adjust("Free", allowance("5")).used("20");
    // 15 units: 10 at 1, 5 at 0.5.
    world.costs("12.5");
}

#[test]
fn each_project_has_its_own_allowance() {
    let free = Adjustment { pool: Pool::Project, ..adjustment("Free", allowance("10")) };
    let of = |project: &'static str| {
        move |key: &mut GatherKey, _: &mut Gathered| key.project = Some(project.to_owned())
    };
    let world = World::new().per_call("1").adjusted(free);
    world.used_of("15", of("a")).used_of("4", of("b")).used_of("8", of("b")).costs("7");
}

#[test]
fn an_allowance_is_counted_across_versions() {
    let world = World::new().per_call("1").adjust("Free", allowance("10")).used("8");
    let mut world = world.next_version("2026-01-20");
    world.version().rates[0].price_nano = nano("3");
    let later = |_: &mut GatherKey, sums: &mut Gathered| {
        sums.first = at("2026-01-21");
        sums.last = at("2026-01-22");
    };
    world.used_of("5", later).costs("9");
}

#[test]
fn an_allowance_bears_on_its_scope_only() {
    let free = of_meters(adjustment("Free", allowance("10")), &["texts"]);
    let world = World::new().per_call("1").rate(rate("texts", "1")).adjusted(free);
    world.used("4").used_of("12", |key, _| key.rate_index = 1).costs("6");
}

#[test]
fn two_allowances_follow_each_other() {
    let world = World::new().per_call("1");
    let world = world.adjust("Free", allowance("3")).adjust("Free", allowance("4")).used("9");
    world.costs("2");
    assert_eq!(world.lines().len(), 3);
}

#[test]
fn an_allowance_of_another_unit_counts_in_it() {
    let thousand = PriceUnit { name: "1000 calls".to_owned(), base_units: 1_000 };
    let (quantity_nano, after_rounding) = (large("1.5"), false);
    let kind = AdjustmentKind::Allowance { quantity_nano, unit: thousand, after_rounding };
    World::new().per_call("1").adjust("Free", kind).used("2000").costs("500");
}

#[test]
fn free_units_of_a_changing_price_are_worth_its_mean() {
    let series = PriceModel::Series { series: "spot".to_owned() };
    let world = || {
        let rate = Rate { model: series.clone(), ..rate("calls", "0") };
        World::new().rate(rate).adjust("Free", allowance("10"))
    };
    let worth = |worth: i128| {
        move |_: &mut GatherKey, sums: &mut Gathered| sums.worth = Some(Fraction::whole(worth))
    };
    world().used_of("4", worth(8)).costs("0");
    let partly = world().used_of("4", worth(8)).used_of("10", worth(5));
    partly.costs("2");
    let quantity: i128 =
        partly.lines().iter().map(|line| line.quantity * 10_i128.pow(6 - line.scale)).sum();
    assert_eq!((quantity, partly.lines().len()), (14_000_000, 3));
}

#[test]
fn units_are_rounded_as_they_add_up() {
    let check = |step: &str, to: RoundTo, units: &[&str], expect: &str| {
        let world = World::new().rate(rounded(rate("calls", "1"), step, to));
        units.iter().fold(world, |world, units| world.used(units)).costs(expect);
    };
    check("1", RoundTo::Up, &["0.4", "0.4", "0.4"], "2");
    check("1", RoundTo::Up, &["1", "1"], "2");
    check("1", RoundTo::Down, &["0.4", "0.4", "0.4"], "1");
    check("0.01", RoundTo::HalfAwayFromZero, &["123.456"], "123.46");
    check("1", RoundTo::HalfAwayFromZero, &["123.456"], "123");
    check("1", RoundTo::HalfEven, &["2.5"], "2");
    check("1", RoundTo::Up, &["-1.4"], "-2");
    check("1", RoundTo::Up, &["1.4", "-1.4"], "0");
    check("10", RoundTo::Up, &["3", "8"], "20");
}

#[test]
fn an_allowance_may_come_after_rounding() {
    // As OpenMeter does it: 2,600 are three started thousands, of which 1.5 are free; 10 each.
    let thousand = PriceUnit { name: "1000 calls".to_owned(), base_units: 1_000 };
    let by_thousand = || Rate { unit: thousand.clone(), ..rate("calls", "10") };
    let check = |after_rounding: bool, units: &[&str], expect: &str| {
        let unit = thousand.clone();
        let kind = AdjustmentKind::Allowance { quantity_nano: large("1.5"), unit, after_rounding };
        let world =
            World::new().rate(rounded(by_thousand(), "1", RoundTo::Up)).adjust("Free", kind);
        units.iter().fold(world, |world, units| world.used(units)).costs(expect);
    };
    check(true, &["2600"], "15");
    check(false, &["2600"], "20");
    // The first resource has a thousand, the second the two that are begun beyond it.
    check(true, &["600", "2000"], "15");
    check(true, &["1400"], "5");
    check(true, &["1000"], "0");
    check(true, &["2600", "-2600"], "0");
}

#[test]
fn an_allowance_after_rounding_moves_what_comes_later() {
    // 2.2 and 2.2 are 3 and 2 as they add up; of the five the first two are free.
    let tiers = graduated(&[("2", "1", "0"), ("", "0.1", "0")], ZeroUsage::Free);
    let kind =
        AdjustmentKind::Allowance { quantity_nano: large("2"), unit: unit(), after_rounding: true };
    let world = World::new().rate(rounded(tiers, "1", RoundTo::Up)).adjust("Free", kind);
    // Three are left: two in the first tier, one in the second.
    world.used("2.2").used("2.2").costs("2.1");
}

#[test]
fn rounding_comes_after_the_allowance() {
    let world = World::new().rate(rounded(rate("calls", "1"), "1", RoundTo::Up));
    let world = world.adjust("Free", allowance("0.5")).used("2.2");
    world.costs("2");
    assert!(world.lines().iter().all(|line| line.kind == LineKind::Usage));
}
