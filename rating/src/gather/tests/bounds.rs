//! Quantities at the end of what can be counted: exact up to there, and parked beyond.

use serde_json::json;
use turnpike_schemas::{Measure, MeterId, Pool};

use super::{gathered, interval, rate, rated, with_rates};

const START: &str = "2026-10-02T00:00:00Z";

#[test]
fn sums_past_the_largest_number_park_their_account() {
    let mut book = with_rates(json!([rate("mips", "hour", json!({}))]));
    let vcpu = MeterId::new("vcpu").expect("id");
    book.tariffs[0].versions[0].included.insert(vcpu);
    let mips = |quantity| interval("mips", START, "2026-10-03T00:00:00Z", quantity);
    let largest = i128::from(i64::MAX) * 86_400;
    let line =
        |times: i128| format!("mips standard.1/0 {} {} {times}", largest * times, 86_400 * times);
    assert_eq!(gathered(&book, &[mips(i64::MAX)]), [line(1)]);
    assert_eq!(gathered(&book, &[mips(i64::MAX), mips(i64::MAX)]), [line(2)]);
    // At another scale the same number of units is ten times as many smallest parts.
    let mut coarse = mips(i64::MAX);
    coarse.scale = 0;
    let exact = format!("mips standard.1/0 {} 86400 1", largest * 1_000_000);
    assert_eq!(gathered(&book, &[coarse.clone()]), [exact]);
    // 2^63 x 10^9 x 86,400 seconds is 8 x 10^32; what a report says it was held for can be more.
    let meter = book.meters.get(&MeterId::new("mips").expect("id")).expect("mips").clone();
    book.meters.insert(turnpike_schemas::Meter { scale: 9, ..meter });
    coarse.seconds = Some(i64::MAX);
    let parked = "overflow: the usage of t/instance/i-1 for meter `mips` is too large to sum";
    assert_eq!(gathered(&book, &[coarse.clone()]), [parked]);
    coarse.seconds = Some(1_000_000_000);
    let many: Vec<_> = (0..20).map(|_| coarse.clone()).collect();
    let found = gathered(&book, &many);
    assert_eq!(found.last().map(String::as_str), Some(parked), "sums over 10^38");
    assert_eq!(rated(&book, &many), ["parked overflow"]);
    let meter = book.meters.get(&MeterId::new("mips").expect("id")).expect("mips").clone();
    book.meters.insert(turnpike_schemas::Meter { scale: 20, ..meter });
    assert_eq!(gathered(&book, &[coarse]), [parked], "more decimals than there is room for");
}

#[test]
fn numbers_of_a_period_that_are_too_large_park_their_account() {
    for (measure, over) in [
        (Measure::Max, Some(Pool::Account)),
        (Measure::Latest, Some(Pool::Account)),
        (Measure::Peak { window_seconds: 86_400 }, None),
    ] {
        let mut book = with_rates(json!([rate("volume", "unit", json!({}))]));
        let id = MeterId::new("volume").expect("id");
        let meter = book.meters.get(&id).expect("volume").clone();
        let scale = 19;
        book.meters.insert(turnpike_schemas::Meter { scale, measure, over, ..meter });
        let usage = interval("volume", START, "2026-11-03T00:00:00Z", i64::MAX);
        let found = gathered(&book, &[usage.clone(), usage]);
        let last = found.last().map(String::as_str).unwrap_or_default();
        assert!(last.starts_with("overflow: the usage of"), "{found:?}");
    }
}

#[test]
fn a_reversal_cancels_to_zero() {
    let book = with_rates(json!([rate("egress", "unit", json!({}))]));
    let egress = |quantity| interval("egress", START, "2026-10-03T00:00:00Z", quantity);
    let usage = [egress(i64::MAX), egress(-i64::MAX)];
    assert_eq!(gathered(&book, &usage), ["egress standard.1/0 0 0 2"]);
    assert_eq!(rated(&book, &usage), ["standard.1 0 0 0/1 EUR"]);
}
