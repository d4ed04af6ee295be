//! Measures: what a month, or a window of a rate, comes to as one number.

use serde_json::json;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{Measure, MeterId, Pool, PriceBook, ResourceId, UsageInterval};

use super::{
    Harvest, Lookup, at, attribute, gathered, interval, october, of, printed, rate, rated,
    with_rates,
};

/// Prices `meter` per unit, as `measure` over `over`.
fn book(meter: &str, measure: Measure, over: Option<Pool>, more: serde_json::Value) -> PriceBook {
    let mut book = with_rates(json!([rate(meter, "unit", more)]));
    let id = MeterId::new(meter).expect("id");
    let mut changed = book.meters.get(&id).expect(meter).clone();
    changed.measure = measure;
    changed.over = over;
    changed.scale = 0;
    book.meters.insert(changed);
    book
}

fn day(meter: &str, from: u32, to: u32, quantity: i64) -> UsageInterval {
    let day = |day: u32| format!("2026-10-{day:02}T00:00:00Z");
    let mut interval = interval(meter, &day(from), &day(to), quantity);
    interval.scale = 0;
    interval
}

fn on(resource: &str, interval: UsageInterval) -> UsageInterval {
    of(interval, |holder| {
        holder.resource = ResourceId::new(resource).expect("id");
        holder.project = Some(format!("p-{resource}"));
    })
}

/// Quantity, and lines, of all that October comes to.
fn number(book: &PriceBook, usage: &[UsageInterval]) -> (i128, usize) {
    let lines = gathered(book, usage);
    let quantity = |line: &String| {
        let word = line.split(' ').nth(2).expect("quantity");
        word.parse::<i128>().unwrap_or_else(|_| panic!("{line}"))
    };
    (lines.iter().map(quantity).sum(), lines.len())
}

#[test]
fn of_what_is_consumed() {
    let usage = [
        day("egress", 2, 3, 5),
        on("a", day("egress", 3, 4, 9)),
        day("egress", 4, 5, 2),
        day("egress", 5, 6, 0),
    ];
    let check = |measure: Measure, over: Option<Pool>, expect: (i128, usize)| {
        let book = book("egress", measure.clone(), over, json!({}));
        assert_eq!(number(&book, &usage), expect, "{measure:?} over {over:?}");
    };
    check(Measure::Total, None, (16, 2));
    check(Measure::Count, None, (4, 2));
    check(Measure::Max, None, (14, 2));
    check(Measure::Max, Some(Pool::Account), (9, 1));
    check(Measure::Latest, None, (9, 2));
    check(Measure::Latest, Some(Pool::Account), (0, 1));
    check(Measure::Unique { attribute: None }, None, (2, 2));
    check(Measure::Unique { attribute: None }, Some(Pool::Account), (2, 1));
    // Each over a day: of nine parts one falls into a window of five minutes now and then.
    check(Measure::Peak { window_seconds: 86_400 }, Some(Pool::Account), (9, 1));
    check(Measure::Peak { window_seconds: 300 }, Some(Pool::Account), (1, 1));
    check(Measure::Percentile { window_seconds: 86_400, percent: 95 }, None, (2, 2));
    check(Measure::Percentile { window_seconds: 86_400, percent: 100 }, None, (14, 2));
}

#[test]
fn a_report_is_used_evenly_over_its_own_window() {
    // 450 GB in every hour of October: 37.5 GB in each five minutes, however often it was read.
    let windows = |measure: Measure| book("egress", measure, Some(Pool::Account), json!({}));
    let peak = windows(Measure::Peak { window_seconds: 300 });
    let percentile = windows(Measure::Percentile { window_seconds: 300, percent: 95 });
    let report = |from: i64, hours: i64, quantity: i64| {
        let start = at("2026-10-01T00:00:00Z").plus_seconds(from * 3_600).expect("start");
        let end = start.plus_seconds(hours * 3_600).expect("end");
        UsageInterval { start, end, ..day("egress", 2, 3, quantity) }
    };
    for hours in [1, 6, 24, 744] {
        let reports: Vec<_> = (0..744 / hours)
            .map(|number| report(number * hours, hours, hours * 450_000_000_000))
            .collect();
        assert_eq!(number(&peak, &reports), (37_500_000_000, 1), "every {hours} hours");
        assert_eq!(number(&percentile, &reports), (37_500_000_000, 1), "every {hours} hours");
    }
    // 7 in an hour: none before the second window is over, and all of them by the end.
    let few = report(0, 1, 7);
    assert_eq!(number(&peak, std::slice::from_ref(&few)), (1, 1));
    let hour = windows(Measure::Peak { window_seconds: 3_600 });
    assert_eq!(number(&hour, std::slice::from_ref(&few)), (7, 1));
    // Its reversal takes back each part.
    assert_eq!(number(&peak, &[few, report(0, 1, -7)]), (0, 1));
    // Half of it was used before the month. An event of an instant has no other window.
    assert_eq!(number(&hour, &[report(-1, 2, 7_200)]), (3_600, 1));
    let event = UsageInterval { start: at("2026-10-02T00:10:00Z"), ..report(24, 0, 90) };
    let event = UsageInterval { end: event.start, ..event };
    assert_eq!(number(&peak, &[event]), (90, 1));
}

#[test]
fn a_report_is_split_where_its_price_changes() {
    // 24 in a day, which windows of a rate cut into hours.
    let window = json!({"window_seconds": 3_600});
    let peak = book("egress", Measure::Peak { window_seconds: 600 }, None, window);
    let lines = gathered(&peak, &[day("egress", 2, 3, 24 * 6)]);
    assert_eq!(lines.len(), 24);
    assert_eq!(lines[23], "egress standard.1/0 2026-10-02T23:00:00Z 1 0 1");
    // The owner is the account's from noon on: half of the day is its own.
    let mut moved = book("egress", Measure::Peak { window_seconds: 86_400 }, None, json!({}));
    moved.accounts[0].owners[0].valid_from = Some(at("2026-10-02T12:00:00Z"));
    assert_eq!(gathered(&moved, &[day("egress", 2, 3, 24)]), ["egress standard.1/0 12 0 1"]);
    // The usage itself counts whole, at the end of the report.
    let total = book("egress", Measure::Total, None, json!({}));
    assert_eq!(number(&total, &[day("egress", 2, 3, 24)]), (24, 1));
}

#[test]
fn a_report_past_the_end_is_of_the_next_period() {
    // The run goes on for accounts in other zones; this one's October is over.
    let book = book("egress", Measure::Peak { window_seconds: 3_600 }, None, json!({}));
    let (span, periods) = october(&book);
    let lookup = Lookup::new(&book, &periods);
    let quantity = |start: &str, end: &str| {
        let usage = interval("egress", start, end, 7_200);
        let mut harvest = Harvest::default();
        harvest.add(&lookup, &usage, &span, at("2026-11-01T12:00:00Z"));
        harvest.resolve();
        harvest.gathered.into_values().map(|sums| sums.quantity).collect::<Vec<_>>()
    };
    assert_eq!(quantity("2026-10-31T23:00:00Z", "2026-11-01T01:00:00Z"), Vec::<i128>::new());
    assert_eq!(quantity("2026-10-31T22:00:00Z", "2026-11-01T00:00:00Z"), vec![3_600_i128]);
}

#[test]
fn time_held_is_spread_over_the_window_of_its_report() {
    let peak = book("volume", Measure::Peak { window_seconds: 300 }, None, json!({}));
    let mut report = interval("volume", "2026-10-02T00:00:00Z", "2026-10-02T01:00:00Z", 4);
    // Four for half of the hour: 600 unit-seconds in each of twelve windows.
    report.seconds = Some(1_800);
    assert_eq!(gathered(&peak, &[report.clone()]), ["volume standard.1/0 600 1800 1"]);
    report.seconds = Some(0);
    assert_eq!(gathered(&peak, &[report]), Vec::<String>::new());
}

#[test]
fn reversals_take_one_event_away() {
    let user = |name: &str, day_of: u32, quantity| {
        attribute(day("egress", day_of, day_of + 1, quantity), "user", name)
    };
    let unique = Measure::Unique { attribute: Some("user".to_owned()) };
    let unique = book("egress", unique, Some(Pool::Account), json!({}));
    let check = |usage: &[UsageInterval], expect: i128| {
        assert_eq!(number(&unique, usage), (expect, 1), "{usage:?}");
    };
    check(&[user("a", 2, 1), user("b", 3, 1), user("b", 4, -1)], 1);
    check(&[user("a", 2, 1), user("b", 3, 1), user("b", 4, 1), user("b", 5, -1)], 2);
    check(&[user("a", 2, 1), user("a", 3, -1)], 0);
    check(&[user("a", 2, -1), user("b", 3, 1)], 1);
    for over in [None, Some(Pool::Account)] {
        let max = book("egress", Measure::Max, over, json!({}));
        let latest = book("egress", Measure::Latest, over, json!({}));
        let check = |values: &[i64], highest: i128, last: i128| {
            let usage: Vec<_> =
                (2..).zip(values).map(|(on, v)| day("egress", on, on + 1, *v)).collect();
            assert_eq!(number(&max, &usage), (highest, 1), "{values:?}");
            assert_eq!(number(&latest, &usage), (last, 1), "{values:?}");
        };
        check(&[5, 9, -9], 5, 5);
        check(&[9, 5, -9], 5, 5);
        check(&[5, 7, 5, -5], 7, 7);
        check(&[9, 9, -9], 9, 9);
        check(&[4, -4], 0, 0);
        check(&[4, 0], 4, 0);
        // What was not there cannot be taken away.
        for book in [&max, &latest] {
            let refused = gathered(book, &[day("egress", 2, 3, 5), day("egress", 4, 5, -3)]);
            let text = "unpriced_meter: -3 of meter `egress` for t/instance/i-1 reverses no event";
            assert!(refused.iter().any(|line| line.starts_with(text)), "{refused:?}");
        }
    }
    // One resource does not reverse what another one told.
    let max = book("egress", Measure::Max, Some(Pool::Account), json!({}));
    let refused = gathered(&max, &[day("egress", 2, 3, 5), on("a", day("egress", 4, 5, -5))]);
    assert!(refused.iter().any(|line| line.contains("reverses no event")), "{refused:?}");
}

#[test]
fn of_what_is_held() {
    // 4 from the 2nd to the 12th, 6 from then to the end, and 3 of another one for three days.
    let usage = [
        day("volume", 2, 12, 4),
        interval("volume", "2026-10-12T00:00:00Z", "2026-12-01T00:00:00Z", 6),
        on("a", day("volume", 10, 13, 3)),
    ];
    let check = |measure: Measure, over: Option<Pool>, expect: (i128, usize)| {
        let book = book("volume", measure.clone(), over, json!({}));
        assert_eq!(number(&book, &usage), expect, "{measure:?} over {over:?}");
    };
    check(Measure::Max, None, (9, 2));
    check(Measure::Max, Some(Pool::Account), (9, 1));
    check(Measure::Max, Some(Pool::Project), (9, 2));
    // What is held when October ends: the other one is gone.
    check(Measure::Latest, None, (6, 2));
    check(Measure::Latest, Some(Pool::Account), (6, 1));
    check(Measure::Count, None, (2, 2));
    check(Measure::Peak { window_seconds: 3_600 }, Some(Pool::Account), (9 * 3_600, 1));
    // 31 days: 1 of none, 8 of 4, 2 of 7, 1 of 9, 19 of 6.
    let percentile = |percent| Measure::Percentile { window_seconds: 86_400, percent };
    check(percentile(1), Some(Pool::Account), (0, 1));
    check(percentile(4), Some(Pool::Account), (4 * 86_400, 1));
    check(percentile(29), Some(Pool::Account), (4 * 86_400, 1));
    check(percentile(30), Some(Pool::Account), (6 * 86_400, 1));
    check(percentile(90), Some(Pool::Account), (6 * 86_400, 1));
    check(percentile(95), Some(Pool::Account), (7 * 86_400, 1));
    check(percentile(100), Some(Pool::Account), (9 * 86_400, 1));
}

#[test]
fn unique_counts_values_of_an_attribute() {
    let unique = |over| {
        book("egress", Measure::Unique { attribute: Some("user".to_owned()) }, over, json!({}))
    };
    let seen = |user: &str, from: u32| attribute(day("egress", from, from + 1, 1), "user", user);
    let usage = [
        seen("ann", 2),
        seen("bob", 3),
        seen("ann", 4),
        on("a", seen("ann", 5)),
        day("egress", 6, 7, 1),
    ];
    assert_eq!(number(&unique(None), &usage), (3, 2));
    assert_eq!(number(&unique(Some(Pool::Account)), &usage), (2, 1));
}

#[test]
fn holdings_are_counted_where_they_begin() {
    let book = book("volume", Measure::Count, None, json!({}));
    let check = |usage: &[UsageInterval], expect: i128| {
        assert_eq!(number(&book, usage).0, expect, "{usage:?}");
    };
    check(&[day("volume", 2, 3, 4), day("volume", 3, 4, 5)], 1);
    check(&[day("volume", 2, 3, 4), day("volume", 4, 5, 4)], 2);
    check(&[interval("volume", "2026-09-30T23:59:59Z", "2026-10-02T00:00:00Z", 1)], 0);
    check(&[interval("volume", "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", 1)], 1);
    check(
        &[
            interval("volume", "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", 1),
            interval("volume", "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", 2),
        ],
        0,
    );
    check(&[interval("volume", "2026-10-31T23:59:59Z", "2026-11-02T00:00:00Z", 1)], 1);
    let mut gone = day("volume", 2, 3, 4);
    gone.state = ResourceState::Deleted;
    check(&[gone, day("volume", 3, 4, 4)], 1);
}

#[test]
fn each_window_of_a_rate_has_its_own_number() {
    let window = json!({"window_seconds": 86_400});
    let max = book("egress", Measure::Max, None, window.clone());
    let at_noon = |day: u32, quantity| {
        let noon = format!("2026-10-{day:02}T12:00:00Z");
        let mut usage = interval("egress", &noon, &noon, quantity);
        usage.scale = 0;
        usage
    };
    let usage = [at_noon(2, 9), at_noon(2, 4), at_noon(3, 10)];
    assert_eq!(
        gathered(&max, &usage),
        [
            "egress standard.1/0 2026-10-02T00:00:00Z 9 0 2",
            "egress standard.1/0 2026-10-03T00:00:00Z 10 0 1",
        ]
    );
    let latest = book("volume", Measure::Latest, None, window);
    assert_eq!(
        gathered(&latest, &[interval("volume", "2026-10-02T06:00:00Z", "2026-10-03T06:00:00Z", 7)]),
        [
            "volume standard.1/0 2026-10-02T00:00:00Z 7 64800 1",
            "volume standard.1/0 2026-10-03T00:00:00Z 0 21600 1",
        ]
    );
}

#[test]
fn a_number_stands_with_the_last_usage_whatever_version_and_order() {
    let mut two = super::book();
    let id = MeterId::new("vcpu").expect("id");
    let mut vcpu = two.meters.get(&id).expect("vcpu").clone();
    vcpu.measure = Measure::Max;
    two.meters.insert(vcpu);
    // The version changes on the 10th at 00:02:03; the highest was before.
    let high = interval("vcpu", "2026-10-02T00:00:00Z", "2026-10-03T00:00:00Z", 8);
    let low = interval("vcpu", "2026-10-10T00:00:00Z", "2026-10-10T00:03:00Z", 2);
    let expect = ["vcpu standard.2/0 8 86580 3"];
    assert_eq!(gathered(&two, &[high.clone(), low.clone()]), expect);
    assert_eq!(gathered(&two, &[low, high]), expect);
}

#[test]
fn buckets_merge_to_the_same_numbers() {
    for measure in [
        Measure::Max,
        Measure::Latest,
        Measure::Unique { attribute: None },
        Measure::Peak { window_seconds: 7_200 },
        Measure::Percentile { window_seconds: 7_200, percent: 60 },
    ] {
        for meter in ["volume", "egress"] {
            let book = book(meter, measure.clone(), Some(Pool::Account), json!({}));
            let usage = [
                on("a", day(meter, 2, 20, 5)),
                on("b", day(meter, 4, 9, 7)),
                on("c", day(meter, 8, 28, 1)),
            ];
            let (span, periods) = october(&book);
            let lookup = Lookup::new(&book, &periods);
            let sums = |order: &[usize]| {
                let mut all = Harvest::default();
                for index in order {
                    let mut bucket = Harvest::default();
                    bucket.add(&lookup, &usage[*index], &span, span.end());
                    all.merge(bucket);
                }
                all.resolve();
                (printed(&all), all.gathered)
            };
            let whole = gathered(&book, &usage);
            assert_eq!(sums(&[0, 1, 2]).0, whole, "{measure:?}");
            assert_eq!(sums(&[2, 0, 1]), sums(&[0, 1, 2]), "{measure:?}");
        }
    }
}

#[test]
fn a_number_over_several_sites_has_none() {
    let book = book("egress", Measure::Max, Some(Pool::Account), json!({}));
    let (span, periods) = october(&book);
    let lookup = Lookup::new(&book, &periods);
    let at_site = |site: &str, from| {
        of(day("egress", from, from + 1, 1), |holder| holder.site = Some(site.to_owned()))
    };
    let site = |usage: &[UsageInterval]| {
        let mut harvest = Harvest::default();
        usage.iter().for_each(|usage| harvest.add(&lookup, usage, &span, span.end()));
        harvest.resolve();
        let (key, _) = harvest.gathered.pop_first().expect("a line");
        assert_eq!(key.resource.as_str(), "account:a1");
        key.site
    };
    assert_eq!(site(&[at_site("lyo", 2), at_site("lyo", 3)]).as_deref(), Some("lyo"));
    assert_eq!(site(&[at_site("lyo", 2), at_site("par", 3)]), None);
}

#[test]
fn a_mean_stands_over_the_seconds_of_its_window() {
    let book = book("egress", Measure::Peak { window_seconds: 300 }, None, json!({}));
    let (span, periods) = october(&book);
    let lookup = Lookup::new(&book, &periods);
    let mut harvest = Harvest::default();
    let mut usage = interval("egress", "2026-10-02T00:00:00Z", "2026-10-02T00:05:00Z", 1_000);
    usage.end = at("2026-10-02T00:05:00Z");
    harvest.add(&lookup, &usage, &span, span.end());
    harvest.resolve();
    let (key, sums) = harvest.gathered.pop_first().expect("a line");
    assert_eq!((key.per_seconds, sums.quantity), (300, 1_000));
    assert_eq!(rated(&book, &[usage]), ["standard.1 0 1000 10/3 EUR"]);
}

#[test]
fn a_number_is_priced_by_the_unit_not_by_time() {
    let check = |per: &str| {
        let mut book = book("volume", Measure::Max, None, json!({}));
        book.tariffs[0].versions[0].rates[0].per = serde_json::from_value(json!(per)).expect("per");
        let usage = [day("volume", 2, 3, 9), on("a", day("volume", 4, 6, 4))];
        let expect = ["standard.1 86400 9 9/1 EUR", "standard.1 172800 4 4/1 EUR"];
        assert_eq!(rated(&book, &usage), expect, "{per}");
    };
    check("unit");
    check("month");
}

#[test]
fn a_moving_price_has_no_number_to_bear_on() {
    let model = json!({"model": {"kind": "series", "series": "spot"}});
    let book = book("egress", Measure::Max, None, model);
    assert_eq!(
        gathered(&book, &[day("egress", 2, 3, 1)]),
        [
            "unpriced_meter: the price of meter `egress` changes within a period of which one number \
          is taken"
        ]
    );
}
