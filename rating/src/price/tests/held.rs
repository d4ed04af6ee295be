//! Tiers by what is held at each instant, worked out by hand.

use turnpike_schemas::tariff::TierBasis;
use turnpike_schemas::{Aggregation, Fraction, LineKind, Per, PriceModel, Rate};

use super::decimal;
use super::support::*;
use crate::parked::ParkCode;

const MONTH: i64 = 30 * DAY;

fn monthly(model: PriceModel) -> Rate {
    let mut rate = rate(model, "0");
    rate.per = Per::Month;
    rate
}

fn graduated() -> Rate {
    let all = vec![tier("5", "10", "100"), tier("15", "5", "50"), tier("", "2", "0")];
    monthly(PriceModel::Graduated(tiers(all, TierBasis::Held, false)))
}

fn volume() -> Rate {
    let all = vec![tier("100", "2", "10"), tier("200", "1", "0"), tier("", "0.5", "50")];
    monthly(PriceModel::Volume(tiers(all, TierBasis::Held, false)))
}

fn check(rate: &Rate, sums: &[Sum], expect: &str) {
    let meter = meter(Aggregation::Held);
    let of = |sums: &[Sum]| -> Fraction {
        total(&priced(&pool(rate, &meter, MONTH, sums)).expect("priced"))
    };
    assert_eq!(of(sums), decimal(expect), "{:?}", rate.model);
    let mut reversed = sums.to_vec();
    reversed.reverse();
    assert_eq!(of(&reversed), decimal(expect), "in another order");
}

#[test]
fn graduated_levels_are_weighed_by_time() {
    // 2 units for 21 of 30 days: 2 x 0.7 x 10 + 100.
    let first = held(0, &[(9 * DAY, MONTH, 2 * ONE)]);
    check(&graduated(), std::slice::from_ref(&first), "114");
    // 5 more for 15 days: 3 x 0.5 x 10 and 2 x 0.5 x 5 + 50.
    let second = held(1, &[(15 * DAY, MONTH, 5 * ONE)]);
    check(&graduated(), &[first, second], "184");
    // However a level is cut, and whatever it is made of.
    let parts = [
        held(0, &[(9 * DAY, 10 * DAY, 2 * ONE), (10 * DAY, MONTH, 2 * ONE)]),
        held(1, &[(15 * DAY, MONTH, 2 * ONE), (15 * DAY, MONTH, 3 * ONE)]),
    ];
    check(&graduated(), &parts, "184");
}

#[test]
fn what_is_held_in_turn_stays_in_the_first_tier() {
    // 5 units, one after the other: the level never goes above 5, the flat fee is due once.
    let sums = [held(0, &[(0, 15 * DAY, 5 * ONE)]), held(1, &[(15 * DAY, MONTH, 5 * ONE)])];
    check(&graduated(), &sums, "150");
    // One second together is one second of 5 units in the second tier, and its fee.
    let sums = [held(0, &[(0, 15 * DAY, 5 * ONE)]), held(1, &[(15 * DAY - 1, MONTH, 5 * ONE)])];
    let meter = meter(Aggregation::Held);
    let rate = graduated();
    let parts = priced(&pool(&rate, &meter, MONTH, &sums)).expect("priced");
    let second = Fraction::ratio(25, i128::from(MONTH)).expect("second");
    assert_eq!(total(&parts), decimal("200").checked_add(&second).expect("sum"));
    let fees: Vec<(usize, &str)> = parts
        .iter()
        .filter(|part| part.kind == LineKind::Fee)
        .map(|part| (part.item, part.detail.as_str()))
        .collect();
    let first = (0, "Tier 1: up to 5, flat fee");
    assert_eq!(fees, [first, (1, "Tier 2: above 5 up to 15, flat fee")]);
}

#[test]
fn the_bound_itself_belongs_to_its_tier() {
    check(&graduated(), &[held(0, &[(0, MONTH, 5 * ONE)])], "150");
    check(&graduated(), &[held(0, &[(0, MONTH, 5 * ONE + 1)])], "200.000000005");
    check(&graduated(), &[held(0, &[(0, MONTH, 20 * ONE)])], "260");
    check(&volume(), &[held(0, &[(0, MONTH, 200 * ONE)])], "200");
}

#[test]
fn volume_takes_the_tier_of_the_highest_level() {
    // 300 units at once, 198.6 unit months: 0.5 each, and 50.
    let sums = [held(0, &[(0, MONTH, 100 * ONE)]), held(1, &[(0, 1_277_856, 200 * ONE)])];
    check(&volume(), &sums, "149.3");
    // In turn: 200 at once at most, 150 unit months.
    let turns = [held(0, &[(0, 15 * DAY, 100 * ONE)]), held(1, &[(15 * DAY, MONTH, 200 * ONE)])];
    check(&volume(), &turns, "150");
}

#[test]
fn the_highest_level_is_that_of_the_whole_period() {
    let (rate, meter) = (volume(), meter(Aggregation::Held));
    let own = [held(0, &[(0, 15 * DAY, 100 * ONE)])];
    let other = [held(1, &[(15 * DAY, MONTH, 300 * ONE)])];
    let mut first = pool(&rate, &meter, MONTH, &own);
    among(&mut first, &[], &other);
    assert_eq!(total(&priced(&first).expect("priced")), decimal("75"));
    let mut last = pool(&rate, &meter, MONTH, &other);
    among(&mut last, &own, &[]);
    assert_eq!(total(&priced(&last).expect("priced")), decimal("75"));
    // Graduated: the first tier's fee was due under the version before.
    let rate = graduated();
    let mut last = pool(&rate, &meter, MONTH, &own);
    among(&mut last, &own, &[]);
    let parts = priced(&last).expect("priced");
    assert!(parts.iter().all(|part| part.kind == LineKind::Usage), "{parts:?}");
}

#[test]
fn items_of_another_rate_stand_in_the_same_stack() {
    let (rate, meter) = (graduated(), meter(Aggregation::Held));
    let other = [held(0, &[(0, MONTH, 5 * ONE)])];
    let own = [held(1, &[(0, MONTH, 5 * ONE)])];
    let mut upper = pool(&rate, &meter, MONTH, &own);
    among(&mut upper, &other, &[]);
    // The second tier and its fee: 5 x 5 + 50.
    assert_eq!(total(&priced(&upper).expect("priced")), decimal("75"));
    let mut lower = pool(&rate, &meter, MONTH, &other);
    among(&mut lower, &[], &own);
    assert_eq!(total(&priced(&lower).expect("priced")), decimal("150"));
}

#[test]
fn levels_above_a_last_closed_tier_have_no_price() {
    let closed = tiers(vec![tier("5", "1", "0")], TierBasis::Held, false);
    let (rate, meter) = (monthly(PriceModel::Graduated(closed)), meter(Aggregation::Held));
    let sums = [held(0, &[(0, 10, 3 * ONE)]), held(1, &[(9, 20, 3 * ONE)])];
    assert!(priced(&pool(&rate, &meter, MONTH, &sums[..1])).is_ok());
    let refused = priced(&pool(&rate, &meter, MONTH, &sums)).expect_err("above");
    assert_eq!(refused.code, ParkCode::UnknownPrice);
}

#[test]
fn a_report_without_its_seconds_has_no_level() {
    let meter = meter(Aggregation::Held);
    for rate in [graduated(), volume()] {
        // A level that lasts no second weighs nothing, and is none.
        let mut sums = [held(0, &[(9, 9, 900 * ONE)]), held(1, &[(0, DAY, ONE)])];
        let parts = priced(&pool(&rate, &meter, MONTH, &sums)).expect("priced");
        assert!(parts.iter().all(|part| part.detail.starts_with("Tier 1")), "{parts:?}");
        sums[0].1.quantity = ONE * 3_600;
        let refused = priced(&pool(&rate, &meter, MONTH, &sums)).expect_err("a report");
        assert_eq!(refused.code, ParkCode::UnknownPrice);
        assert!(refused.text.contains("`thing`"), "{refused}");
        sums[0].1.steps.clear();
        assert!(priced(&pool(&rate, &meter, MONTH, &sums)).is_err());
    }
}

#[test]
fn time_billed_beyond_time_held_has_the_mean_price() {
    let (rate, meter) = (graduated(), meter(Aggregation::Held));
    // 10 units for a day, billed for two: half at 10, half at 5, and both fees.
    let mut sums = [held(0, &[(0, DAY, 10 * ONE)])];
    sums[0].1.quantity *= 2;
    let parts = priced(&pool(&rate, &meter, MONTH, &sums)).expect("priced");
    assert_eq!(total(&parts), decimal("155"));
    sums[0].1.steps.clear();
    let refused = priced(&pool(&rate, &meter, MONTH, &sums)).expect_err("no levels");
    assert_eq!(refused.code, ParkCode::UnknownPrice);
}

#[test]
fn what_is_not_weighed_by_time_is_its_own_level() {
    let all = vec![tier("5", "10", "0"), tier("", "1", "0")];
    let rate = rate(PriceModel::Graduated(tiers(all, TierBasis::Held, false)), "0");
    assert_eq!(cost(&rate, &[4 * ONE, 4 * ONE]), decimal("53"));
}
