//! Percentages event by event, worked out by hand.

use turnpike_schemas::tariff::Percentage;
use turnpike_schemas::{Aggregation, Fraction, PriceModel, Rate};

use super::support::*;
use super::{decimal, nano, quantity};
use crate::parked::ParkCode;

fn terms(percent: &str, fixed: &str) -> Percentage {
    Percentage { rate_nano: nano(percent) / 100, fixed_nano: nano(fixed), ..Percentage::default() }
}

fn rate_of(terms: Percentage) -> Rate {
    assert!(terms.is_by_event());
    rate(PriceModel::Percentage(terms), "0")
}

/// Events one second apart, dealt in turn to so many items.
fn sums(events: &[&str], items: usize) -> Vec<Sum> {
    let mut dealt: Vec<Vec<(i64, i128)>> = vec![Vec::new(); items];
    for (second, units) in (0..).zip(events) {
        let item = usize::try_from(second).expect("second") % items;
        dealt[item].push((second, quantity(units)));
    }
    dealt.iter().enumerate().map(|(index, events)| consumed(index, events)).collect()
}

fn check(terms: Percentage, events: &[&str], expect: &str) {
    let (rate, meter) = (rate_of(terms), meter(Aggregation::Sum));
    for items in 1..=3 {
        let mut sums = sums(events, items);
        let of = |sums: &[Sum]| -> Fraction {
            total(&priced(&pool(&rate, &meter, 1, sums)).expect("priced"))
        };
        assert_eq!(of(&sums), decimal(expect), "{events:?} over {items} items of {terms:?}");
        sums.reverse();
        assert_eq!(of(&sums), decimal(expect), "{events:?} over {items} items, reversed");
    }
}

#[test]
fn a_fixed_part_counts_events() {
    // 1 % of 40 + 4 x 5.
    check(terms("1", "5"), &["10", "10", "10", "10"], "20.4");
    check(terms("0", "5"), &["10"], "5");
    // A reversed event leaves nothing; a part given back takes its own fixed part along.
    check(terms("1", "5"), &["10", "30", "-10"], "5.3");
    check(terms("1", "5"), &["10", "-10"], "0");
    check(terms("1", "5"), &["30", "-10"], "0.2");
}

#[test]
fn events_are_free_until_either_limit() {
    let free = |events: Option<i64>, units: Option<&str>| Percentage {
        free_events: events,
        free_nano: units.map(nano),
        ..terms("1.3", "2")
    };
    let four = &["50", "100", "250", "400"];
    // Two events within 250; the third reaches it: 1.3 % of 800 - 250, and two fixed parts.
    check(free(Some(3), Some("250")), four, "11.15");
    check(free(None, Some("250")), four, "11.15");
    // One event: 1.3 % of 750 and three fixed parts.
    check(free(Some(1), Some("250")), four, "15.75");
    check(free(Some(3), None), four, "7.2");
    check(free(Some(4), Some("1000")), four, "0");
    // The event that reaches the limit pays its fixed part, and nothing by share.
    check(free(None, Some("150")), &["50", "100"], "2");
    // Zero is no limit of its own.
    check(free(Some(0), Some("250")), four, "11.15");
    check(free(Some(0), Some("0")), four, "18.4");
}

#[test]
fn one_event_costs_at_least_and_at_most() {
    let bounded = |fixed: &str, free: Option<&str>| Percentage {
        minimum_nano: Some(nano("1.75")),
        maximum_nano: Some(nano("12")),
        free_nano: free.map(nano),
        ..terms("2.99", fixed)
    };
    // 1.75 + 2.392 + 12.
    check(bounded("0", None), &["10", "80", "10000"], "16.142");
    // With a fixed part of 2: 2.299, 4.392 and the greatest.
    check(bounded("2", None), &["10", "80", "10000"], "18.691");
    // 90 free: the first is free, of the second 0 are left, which is less than the least.
    check(bounded("0", Some("90")), &["10", "80", "10000"], "13.75");
    check(bounded("0", None), &["10", "10000", "-10000", "-10"], "0");
    check(bounded("0", None), &["-10"], "-1.75");
}

#[test]
fn the_parts_of_a_percentage_say_what_they_are() {
    let (meter, all) = (meter(Aggregation::Sum), ["50", "100", "250", "400", "1", "90000"]);
    let rate = rate_of(Percentage {
        free_nano: Some(nano("250")),
        minimum_nano: Some(nano("2.5")),
        maximum_nano: Some(nano("100")),
        ..terms("1.3", "2")
    });
    let sums = sums(&all, 1);
    let parts = priced(&pool(&rate, &meter, 1, &sums)).expect("priced");
    let told: Vec<&str> = parts.iter().map(|part| part.detail.as_str()).collect();
    let expected = [
        "1.3 % (of 550, 250 free)",
        "Fixed part of 2 (2 events)",
        "Minimum of 2.5 (1 event)",
        "Maximum of 100 (1 event)",
    ];
    assert_eq!(told, expected);
    assert_eq!(total(&parts), decimal("113.65"));
}

#[test]
fn free_events_of_an_earlier_version_are_used_up() {
    let rate = rate_of(Percentage { free_events: Some(2), ..terms("10", "0") });
    let meter = meter(Aggregation::Sum);
    let before = [consumed(0, &[(0, 5 * ONE)])];
    let own = [consumed(1, &[(1, 7 * ONE), (2, 9 * ONE)])];
    let mut later = pool(&rate, &meter, 1, &own);
    among(&mut later, &before, &[]);
    assert_eq!(total(&priced(&later).expect("priced")), decimal("0.9"));
}

#[test]
fn an_event_of_nothing_is_an_event() {
    let free = |events: i64| Percentage { free_events: Some(events), ..terms("1.3", "2") };
    let least = Percentage { minimum_nano: Some(nano("1.75")), ..terms("1.3", "0") };
    check(terms("1.3", "2"), &["0", "100"], "5.3");
    check(terms("1.3", "2"), &["0", "0", "100"], "7.3");
    check(least, &["0"], "1.75");
    check(least, &["0", "0"], "3.5");
    // It uses up a free event. Two of them do not reverse one another.
    check(free(1), &["0", "100"], "3.3");
    check(free(2), &["0", "0", "100"], "3.3");
    // Where nothing was used at all there is no fixed part, as with Lago.
    check(terms("1.3", "2"), &["0", "0"], "0");
}

#[test]
fn without_its_events_an_item_has_no_price() {
    let (rate, meter) = (rate_of(terms("1", "1")), meter(Aggregation::Sum));
    let mut sums = sums(&["10"], 1);
    sums[0].1.steps.clear();
    let refused = priced(&pool(&rate, &meter, 1, &sums)).expect_err("no events");
    assert_eq!(refused.code, ParkCode::UnknownPrice);
    assert!(refused.text.contains("t/thing/0"), "{refused}");
}

#[test]
fn an_allowance_takes_events_along() {
    let (rate, meter) = (rate_of(terms("10", "1")), meter(Aggregation::Sum));
    let sums = sums(&["10", "20"], 2);
    let mut pool = pool(&rate, &meter, 1, &sums);
    // All of the first item is allowed, and half of the second: 10 % of 10 + 1.
    for (item, (low, high)) in pool.items.iter_mut().zip([("0", "0"), ("0", "10")]) {
        item.low = decimal(low);
        item.high = decimal(high);
    }
    assert_eq!(total(&priced(&pool).expect("priced")), decimal("2"));
}
