//! Packages, blocks and shares of money, worked out by hand.

use turnpike_schemas::tariff::{BlockPolicy, BlockTier, Package, Percentage};
use turnpike_schemas::{Aggregation, Per, PriceModel, Rate, RoundTo};

use super::support::*;
use super::{decimal, nano, quantity};
use crate::parked::ParkCode;

fn package(size: &str, free: &str, rounding: RoundTo, price: &str) -> Rate {
    let terms = Package { size_nano: nano(size), free_nano: nano(free), rounding };
    rate(PriceModel::Package(terms), price)
}

fn blocks(policy: BlockPolicy, tiers: Vec<BlockTier>) -> Rate {
    rate(PriceModel::Blocks { policy, tiers }, "0")
}

fn check(rate: &Rate, units: &[&str], expect: &str) {
    let quantities: Vec<i128> = units.iter().map(|units| quantity(units)).collect();
    assert_eq!(cost(rate, &quantities), decimal(expect), "{units:?} of {:?}", rate.model);
}

#[test]
fn a_started_package_is_rounded_as_the_tariff_says() {
    let up = package("10", "0", RoundTo::Up, "100");
    for (units, expect) in
        [("0", "0"), ("0.000000001", "100"), ("10", "100"), ("10.1", "200"), ("121", "1300")]
    {
        check(&up, &[units], expect);
    }
    let down = package("10", "0", RoundTo::Down, "100");
    check(&down, &["9.999999999"], "0");
    check(&down, &["129"], "1200");
    check(&package("10", "0", RoundTo::HalfAwayFromZero, "100"), &["125"], "1300");
    check(&package("10", "0", RoundTo::HalfEven, "100"), &["125"], "1200");
    check(&package("10", "10", RoundTo::Up, "100"), &["121"], "1200");
    check(&package("10", "200", RoundTo::Up, "100"), &["121"], "0");
    check(&package("0.5", "0.25", RoundTo::Up, "3"), &["1"], "6");
}

#[test]
fn packages_telescope_over_items() {
    let up = package("1000", "0", RoundTo::Up, "7");
    // 1400 + 1300 are three packages, not four.
    check(&up, &["1400", "1300"], "21");
    check(&up, &["1", "8", "1"], "7");
    check(&up, &["2700", "-1300"], "14");
    check(&up, &["-1400"], "-14");
    check(&up, &["1400", "-1400"], "0");
    let sums = [consumed(0, &[(0, 121 * ONE)]), consumed(1, &[(0, 3 * ONE)])];
    let (rate, meter) = (package("10", "5", RoundTo::Up, "100"), meter(Aggregation::Sum));
    let parts = priced(&pool(&rate, &meter, 1, &sums)).expect("priced");
    assert_eq!(parts[0].detail, "Packages of 10 (12 for 121 units, the first 5 free)");
    assert_eq!((parts[0].quantity, &*parts[0].unit.name), (12, "package of 10 unit"));
    assert_eq!(parts[1].detail, "Packages of 10 (0 for 3 units, the first 5 free)");
}

#[test]
fn packages_of_what_is_held_name_their_time() {
    let mut rate = package("10", "0", RoundTo::Up, "2");
    rate.per = Per::Hour;
    // 4 units over 3 hours and 1 second: 12 unit hours and a bit, two packages.
    let sums = [held(0, &[(0, 10_801, 4 * ONE)])];
    let meter = meter(Aggregation::Held);
    let parts = priced(&pool(&rate, &meter, 3_600, &sums)).expect("priced");
    assert_eq!(total(&parts), decimal("4"));
    assert_eq!(parts[0].unit.name, "package of 10 unit hours");
    assert_eq!(parts[0].detail, "Packages of 10 (2 for about 12.001111111 units)");
}

#[test]
fn blocks_round_up_within_each_tier() {
    let all = |tiers| blocks(BlockPolicy::AllTiers, tiers);
    let small = vec![block("100", "1", Some(10)), block("1000", "3", None)];
    check(&all(small.clone()), &["0"], "0");
    check(&all(small.clone()), &["0.1"], "1");
    check(&all(small.clone()), &["1000"], "10");
    check(&all(small.clone()), &["1000.5"], "13");
    // 10 x 1 + 5 x 3.
    check(&all(small.clone()), &["5325"], "25");
    check(&all(small.clone()), &["950", "100", "4275"], "25");
    check(&all(small.clone()), &["5325", "-4325"], "10");
    check(&all(small.clone()), &["-5325"], "-25");
    let sums = [consumed(0, &[(0, 5_325 * ONE)]), consumed(1, &[(0, ONE)])];
    let (rate, meter) = (all(small), meter(Aggregation::Sum));
    let parts = priced(&pool(&rate, &meter, 1, &sums)).expect("priced");
    let told: Vec<(usize, &str)> =
        parts.iter().map(|part| (part.item, part.detail.as_str())).collect();
    let expected = [
        (0, "Tier 1: blocks of 100 (10)"),
        (0, "Tier 2: blocks of 1000 (5)"),
        (1, "Tier 2: blocks of 1000 (0)"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn the_top_tier_prices_all_blocks() {
    let top = |tiers| blocks(BlockPolicy::TopTier, tiers);
    let tiers =
        vec![block("1", "1.5", Some(10)), block("1", "1", Some(100)), block("2", "0.5", Some(5))];
    check(&top(tiers.clone()), &["10"], "15");
    check(&top(tiers.clone()), &["10.5"], "11");
    check(&top(tiers.clone()), &["110"], "110");
    // Third tier: 111 units are 56 blocks of 2.
    check(&top(tiers.clone()), &["111"], "28");
    check(&top(tiers.clone()), &["100", "11"], "28");
    // Above all of them the last one still prices.
    check(&top(tiers.clone()), &["200"], "50");
    check(&top(tiers), &["-10"], "-15");
}

#[test]
fn more_than_all_blocks_have_no_price() {
    let tiers = vec![block("1", "1", Some(10)), block("1", "2", Some(5))];
    let rate = blocks(BlockPolicy::AllTiers, tiers);
    check(&rate, &["15"], "20");
    let (meter, over) = (meter(Aggregation::Sum), [consumed(0, &[(0, 15 * ONE + 1)])]);
    let refused = priced(&pool(&rate, &meter, 1, &over)).expect_err("too many");
    assert_eq!(refused.code, ParkCode::UnknownPrice);
    let sizeless = blocks(BlockPolicy::AllTiers, vec![block("0", "1", None)]);
    assert!(crate::price::model_of(&sizeless).is_err());
}

#[test]
fn a_share_of_money_leaves_free_units_out() {
    let of = |percent: &str, free: Option<&str>| {
        let terms = Percentage {
            rate_nano: nano(percent) / 100,
            free_nano: free.map(nano),
            ..Percentage::default()
        };
        rate(PriceModel::Percentage(terms), "0")
    };
    check(&of("1.3", None), &["800"], "10.4");
    check(&of("1.3", Some("250")), &["50", "100", "250", "400"], "7.15");
    check(&of("1.3", Some("250")), &["250"], "0");
    check(&of("1.3", Some("250")), &["800", "-800"], "0");
    check(&of("1.3", Some("250")), &["-800"], "-7.15");
    let sums = [consumed(0, &[(0, 400 * ONE)]), consumed(1, &[(0, 400 * ONE)])];
    let (rate, meter) = (of("1.3", Some("250")), meter(Aggregation::Sum));
    let parts = priced(&pool(&rate, &meter, 1, &sums)).expect("priced");
    assert_eq!(parts[0].detail, "1.3 % (of 150, 250 free)");
    assert_eq!(parts[1].detail, "1.3 % (of 400)");
}

#[test]
fn windows_priced_alone_say_the_same() {
    let mut rate = package("10", "0", RoundTo::Up, "1");
    rate.window_seconds = Some(3_600);
    let meter = meter(Aggregation::Sum);
    let detail = |units: i128| {
        let sums = [consumed(0, &[(0, units * ONE)])];
        priced(&pool(&rate, &meter, 1, &sums)).expect("priced").remove(0).detail
    };
    assert_eq!((detail(9), detail(15)), ("Packages of 10".to_owned(), "Packages of 10".to_owned()));
}
