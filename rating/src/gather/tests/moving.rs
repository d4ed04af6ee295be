//! Prices that change with time, event or attributes, and models that look at each event or level.

use serde_json::json;
use turnpike_schemas::tariff::{HoldingTime, PriceSeries};
use turnpike_schemas::{Fraction, MeterId, PriceBook, UsageInterval};

use super::{Harvest, Lookup, at, attribute, gathered, interval, october, rate, rated, with_rates};

fn book(meter: &str, per: &str, model: serde_json::Value) -> PriceBook {
    let mut book = with_rates(json!([rate(meter, per, json!({"model": model, "price_nano": 0}))]));
    book.series = vec![PriceSeries {
        id: "spot".to_owned(),
        points: vec![
            (at("2026-10-01T00:00:00Z"), 3_600_000_000),
            (at("2026-10-02T00:00:05Z"), 7_200_000_000),
        ],
    }];
    book
}

/// What October's first line is worth, with its steps as `start end quantity`.
fn first(book: &PriceBook, usage: &[UsageInterval]) -> (Option<Fraction>, Vec<String>) {
    let (span, periods) = october(book);
    let lookup = Lookup::new(book, &periods);
    let mut harvest = Harvest::default();
    usage.iter().for_each(|usage| harvest.add(&lookup, usage, &span, span.end()));
    harvest.resolve();
    assert!(harvest.parked.is_empty(), "{:?}", harvest.parked);
    assert_eq!(harvest.gathered.len(), 1);
    let (_, sums) = harvest.gathered.pop_first().expect("a line");
    let steps = sums.steps.iter().map(|s| format!("{} {} {}", s.start, s.end, s.quantity));
    (sums.worth, steps.collect())
}

fn fraction(n: i128, d: i128) -> Option<Fraction> {
    Fraction::ratio(n, d)
}

#[test]
fn a_series_is_worth_its_price_at_each_second() {
    let book = book("vcpu", "hour", json!({"kind": "series", "series": "spot"}));
    let vcpu = |end: &str| interval("vcpu", "2026-10-02T00:00:00Z", end, 2_000_000);
    // Two vCPU at 0.001 a second, then 0.002.
    let check = |end: &str, n: i128| {
        assert_eq!(first(&book, &[vcpu(end)]).0, fraction(n, 1_000), "{end}");
    };
    check("2026-10-02T00:00:04Z", 8);
    check("2026-10-02T00:00:05Z", 10);
    check("2026-10-02T00:00:06Z", 14);
    let early = interval("vcpu", "2026-10-01T00:00:00Z", "2026-10-01T00:00:01Z", 1_000_000);
    assert_eq!(first(&book, std::slice::from_ref(&early)).0, fraction(1, 1_000));
    let mut none = book.clone();
    none.series[0].points.remove(0);
    let text = gathered(&none, &[early]);
    assert!(text[0].contains("`spot` has no price at"), "{text:?}");
    none.series.clear();
    let text = gathered(&none, &[vcpu("2026-10-02T00:00:04Z")]);
    assert!(text[0].contains("price series `spot` is not in the book"), "{text:?}");
}

#[test]
fn what_a_minimum_adds_has_the_last_price() {
    let mut book = book("vcpu", "hour", json!({"kind": "series", "series": "spot"}));
    let holding = HoldingTime { minimum_seconds: 10, step_seconds: 0 };
    let vcpu = MeterId::new("vcpu").expect("id");
    book.tariffs[0].versions[0].holding.insert(vcpu, holding);
    let usage = interval("vcpu", "2026-10-02T00:00:00Z", "2026-10-02T00:00:06Z", 1_000_000);
    // 5 s at 0.001, 1 s at 0.002, and 4 s more at 0.002.
    assert_eq!(first(&book, &[usage]).0, fraction(15, 1_000));
}

#[test]
fn events_that_name_their_price_stand_on_one_line() {
    let model = |basis| json!({"kind": "dynamic", "attribute": "price", "basis": basis});
    let sold = |price: &str, quantity| {
        let usage = interval("requests", "2026-10-02T00:00:00Z", "2026-10-02T00:00:00Z", quantity);
        attribute(usage, "price", price)
    };
    let usage = [sold("0.5", 3), sold("0.25", 2), sold("-1", 1)];
    let unit = book("requests", "unit", model("unit"));
    assert_eq!(first(&unit, &usage).0, fraction(1, 1));
    let total = book("requests", "unit", model("total"));
    assert_eq!(first(&total, &usage).0, fraction(-1, 4));
    let unnamed = interval("requests", "2026-10-02T00:00:00Z", "2026-10-02T00:00:00Z", 1);
    assert!(gathered(&unit, &[unnamed])[0].contains("no attribute `price`"));
    // Of what is held only a unit can have a price.
    let held = |basis| {
        let book = book("vcpu", "hour", model(basis));
        let usage = interval("vcpu", "2026-10-02T00:00:00Z", "2026-10-02T00:30:00Z", 2_000_000);
        rated(&book, &[attribute(usage, "price", "0.5")])
    };
    assert_eq!(held("unit"), ["standard.1 1800 3600000000 1/2 EUR"]);
    assert_eq!(held("total"), ["parked unpriced_meter"]);
}

#[test]
fn a_reversal_of_a_named_amount_cancels() {
    let model = json!({"kind": "dynamic", "attribute": "cents", "basis": "total", "multiplier_nano": 10_000_000});
    let book = book("requests", "unit", model);
    let sold = |cents: &str, quantity| {
        let usage = interval("requests", "2026-10-02T00:00:00Z", "2026-10-02T00:00:00Z", quantity);
        attribute(usage, "cents", cents)
    };
    assert_eq!(first(&book, &[sold("40.2", 20)]).0, fraction(402, 1_000));
    assert_eq!(first(&book, &[sold("40.2", 20), sold("40.2", -20)]).0, Some(Fraction::ZERO));
    assert_eq!(first(&book, &[sold("40.2", 20), sold("-40.2", -20)]).0, Some(Fraction::ZERO));
    // An amount for nothing is a contradiction; nothing for nothing is none.
    assert_eq!(rated(&book, &[sold("40.2", 0)]), ["parked unknown_price"]);
    assert_eq!(rated(&book, &[sold("0", 0)]), ["standard.1 0 0 0/1 EUR"]);
}

#[test]
fn an_event_of_nothing_pays_its_fixed_part_and_its_minimum() {
    let events = |more: serde_json::Value, quantities: &[i64]| {
        let mut model = json!({"kind": "percentage", "rate_nano": 13_000_000});
        model.as_object_mut().expect("object").extend(more.as_object().cloned().expect("object"));
        let book = book("requests", "unit", model);
        let one = |(second, quantity): (u32, &i64)| {
            let at = format!("2026-10-02T00:00:{second:02}Z");
            interval("requests", &at, &at, *quantity)
        };
        let usage: Vec<UsageInterval> = (0..).zip(quantities).map(one).collect();
        let mut lines = rated(&book, &usage);
        lines.sort();
        lines
    };
    let fixed = json!({"fixed_nano": 2_000_000_000_i64});
    // 1.3 % of 100, and 2 for each of two events.
    let expect = ["standard.1 0 100 13/10 EUR", "standard.1 0 2 4/1 EUR"];
    assert_eq!(events(fixed.clone(), &[0, 100]), expect);
    // Of the two the first is free.
    let one_free = json!({"fixed_nano": 2_000_000_000_i64, "free_events": 1});
    let expect = ["standard.1 0 1 2/1 EUR", "standard.1 0 100 13/10 EUR"];
    assert_eq!(events(one_free, &[0, 100]), expect);
    // Who has used nothing at all pays nothing, but for a minimum of each event.
    assert_eq!(events(fixed, &[0, 0]), ["standard.1 0 0 0/1 EUR"]);
    let minimum = json!({"minimum_nano": 1_750_000_000_i64});
    assert_eq!(events(minimum, &[0]), ["standard.1 0 1 7/4 EUR"]);
}

#[test]
fn a_hashmap_is_cut_where_its_costs_change() {
    let cost = |nano: i64, from: &str, to: Option<&str>| {
        json!({"field": null, "rule": {"rule": "always"}, "cost": "flat", "nano": nano,
               "valid_from": from, "valid_to": to})
    };
    let (before, after) = ("2026-01-01T00:00:00Z", "2026-10-02T00:00:10Z");
    let costs = [cost(3_600_000_000, before, Some(after)), cost(7_200_000_000, after, None)];
    let book = book("vcpu", "hour", json!({"kind": "hash-map", "groups": {"g": {"costs": costs}}}));
    let check = |end: &str, n: i128| {
        let usage = interval("vcpu", "2026-10-02T00:00:00Z", end, 1_000_000);
        assert_eq!(first(&book, &[usage]).0, fraction(n, 1_000), "{end}");
    };
    check("2026-10-02T00:00:09Z", 9);
    check("2026-10-02T00:00:10Z", 10);
    check("2026-10-02T00:00:11Z", 12);
}

#[test]
fn steps_are_the_same_however_usage_is_cut_and_ordered() {
    let tiers = json!({
        "kind": "graduated", "basis": "held",
        "tiers": [{"up_to_nano": 1_000_000_000, "price_nano": 1}, {"up_to_nano": null, "price_nano": 2}]
    });
    let book = book("vcpu", "hour", tiers);
    let vcpu = |start: &str, end: &str, quantity| interval("vcpu", start, end, quantity);
    let (a, b, c) = ("2026-10-02T00:00:00Z", "2026-10-02T00:00:05Z", "2026-10-02T00:00:09.7Z");
    let whole = [vcpu(a, c, 2), vcpu(b, c, 3)];
    let cut = [vcpu(b, c, 3), vcpu(b, c, 2), vcpu(a, b, 2)];
    let expect = [
        "2026-10-02T00:00:00Z 2026-10-02T00:00:09Z 2",
        "2026-10-02T00:00:05Z 2026-10-02T00:00:09Z 3",
    ];
    assert_eq!(first(&book, &whole).1, expect);
    assert_eq!(first(&book, &cut).1, expect);
}

#[test]
fn each_event_is_a_step_where_another_one_bears_on_it() {
    let by_event = |more: serde_json::Value| {
        let mut model = json!({"kind": "percentage", "rate_nano": 13_000_000});
        model.as_object_mut().expect("object").extend(more.as_object().cloned().expect("object"));
        let book = book("requests", "unit", model);
        let one = |quantity| {
            interval("requests", "2026-10-02T00:00:00Z", "2026-10-02T00:00:01Z", quantity)
        };
        first(&book, &[one(5), one(5), one(-2)]).1.len()
    };
    assert_eq!(by_event(json!({"minimum_nano": 1, "free_events": 1})), 3);
    // Without free ones each is priced alone: they are counted, and none is kept.
    assert_eq!(by_event(json!({"minimum_nano": 1})), 0);
    assert_eq!(by_event(json!({})), 0);
}
