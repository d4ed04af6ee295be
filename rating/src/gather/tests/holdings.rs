//! Minimum and step of continuous holdings, before, at and after each boundary.

use std::sync::Arc;

use serde_json::json;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::tariff::HoldingTime;
use turnpike_schemas::{MeterId, Period, PriceBook, UsageInterval};

use super::{
    Harvest, Lookup, at, attribute, gathered, interval, october, printed, rate, with_rates,
};

fn book(minimum_seconds: i64, step_seconds: i64) -> PriceBook {
    let mut book = with_rates(json!([rate("vcpu", "hour", json!({}))]));
    let vcpu = MeterId::new("vcpu").expect("id");
    let holding = HoldingTime { minimum_seconds, step_seconds };
    book.tariffs[0].versions[0].holding.insert(vcpu, holding);
    book
}

fn held(start: &str, end: &str) -> UsageInterval {
    interval("vcpu", start, end, 1)
}

/// Seconds of October, over all lines; the quantity is one, so it is the same.
fn seconds(book: &PriceBook, usage: &[UsageInterval]) -> i64 {
    let lines = gathered(book, usage);
    let numbers = lines.iter().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, _, quantity, seconds, _] = words.as_slice() else { panic!("{line}") };
        assert_eq!(quantity, seconds, "{line}");
        seconds.parse::<i64>().expect("seconds")
    });
    numbers.sum()
}

#[test]
fn a_minimum_counts_once_per_holding() {
    let check = |usage: &[(&str, &str)], expect: i64| {
        let usage: Vec<_> = usage.iter().map(|(start, end)| held(start, end)).collect();
        assert_eq!(seconds(&book(60, 0), &usage), expect, "{usage:?}");
    };
    check(&[("2026-10-02T00:00:00Z", "2026-10-02T00:00:01Z")], 60);
    check(&[("2026-10-02T00:00:00Z", "2026-10-02T00:00:59Z")], 60);
    check(&[("2026-10-02T00:00:00Z", "2026-10-02T00:01:00Z")], 60);
    check(&[("2026-10-02T00:00:00Z", "2026-10-02T00:01:01Z")], 61);
    // Within one second nothing is held.
    check(&[("2026-10-02T00:00:00.2Z", "2026-10-02T00:00:00.7Z")], 0);
    check(&[("2026-10-02T00:00:00.2Z", "2026-10-02T00:00:01.1Z")], 60);
    // Cut anywhere it is one holding; parted by a second it is two.
    let cut = ("2026-10-02T00:00:00Z", "2026-10-02T00:00:10.5Z");
    check(&[cut, ("2026-10-02T00:00:10.5Z", "2026-10-02T00:00:20Z")], 60);
    check(&[cut, ("2026-10-02T00:00:10.9Z", "2026-10-02T00:00:20Z")], 60);
    check(&[cut, ("2026-10-02T00:00:11Z", "2026-10-02T00:00:20Z")], 120);
}

#[test]
fn a_step_begun_is_a_whole_one() {
    let check = |minimum, step, end: &str, expect: i64| {
        let usage = [held("2026-10-02T00:00:07Z", end)];
        assert_eq!(seconds(&book(minimum, step), &usage), expect, "{minimum}/{step} to {end}");
    };
    check(0, 3_600, "2026-10-02T00:00:08Z", 3_600);
    check(0, 3_600, "2026-10-02T01:00:06Z", 3_600);
    check(0, 3_600, "2026-10-02T01:00:07Z", 3_600);
    check(0, 3_600, "2026-10-02T01:00:08Z", 7_200);
    check(0, 1, "2026-10-02T00:00:08Z", 1);
    // 60/6, as calls are billed: the longer of the two counts.
    check(60, 6, "2026-10-02T00:00:08Z", 60);
    check(60, 6, "2026-10-02T00:01:07Z", 60);
    check(60, 6, "2026-10-02T00:01:08Z", 66);
    check(7_200, 3_600, "2026-10-02T00:30:07Z", 7_200);
    check(90, 60, "2026-10-02T00:01:08Z", 120);
}

#[test]
fn a_minimum_belongs_to_the_period_of_the_beginning() {
    let check = |start: &str, end: &str, expect: i64| {
        assert_eq!(seconds(&book(60, 0), &[held(start, end)]), expect, "{start} to {end}");
    };
    // Begun before: no minimum here, also where a change falls on the first second.
    check("2026-09-30T23:59:59Z", "2026-10-01T00:00:05Z", 5);
    check("2026-10-01T00:00:00Z", "2026-10-01T00:00:05Z", 60);
    let parts = [
        held("2026-09-30T23:59:00Z", "2026-10-01T00:00:00Z"),
        held("2026-10-01T00:00:00Z", "2026-10-01T00:00:05Z"),
    ];
    assert_eq!(seconds(&book(60, 0), &parts), 5);
    let apart = [held("2026-09-30T23:59:00Z", "2026-09-30T23:59:59Z"), parts[1].clone()];
    assert_eq!(seconds(&book(60, 0), &apart), 60);
    let mut stopped = parts.clone();
    stopped[0].state = ResourceState::Stopped;
    assert_eq!(seconds(&book(60, 0), &stopped), 60);
    // Going on past the end, the seconds there count against it, and are billed in November.
    check("2026-10-31T23:59:50Z", "2026-11-01T00:00:00Z", 60);
    check("2026-10-31T23:59:50Z", "2026-11-01T00:00:20Z", 40);
    check("2026-10-31T23:59:50Z", "2026-11-01T00:00:49Z", 11);
    check("2026-10-31T23:59:50Z", "2026-11-01T00:00:50Z", 10);
    check("2026-10-31T23:59:50Z", "2026-11-08T00:00:00Z", 10);
    let parts = [
        held("2026-10-31T23:59:50Z", "2026-11-01T00:00:05Z"),
        held("2026-11-01T00:00:05Z", "2026-11-01T00:00:20Z"),
    ];
    assert_eq!(seconds(&book(60, 0), &parts), 40);
    let parts = [
        held("2026-10-31T23:59:50Z", "2026-11-01T00:00:00Z"),
        held("2026-11-01T00:00:00Z", "2026-11-01T00:00:20Z"),
    ];
    assert_eq!(seconds(&book(60, 0), &parts), 40);
}

#[test]
fn a_step_counts_from_the_start_of_the_period() {
    let check = |start: &str, end: &str, expect: i64| {
        assert_eq!(seconds(&book(0, 3_600), &[held(start, end)]), expect, "{start} to {end}");
    };
    check("2026-09-30T23:30:00Z", "2026-10-01T00:10:00Z", 3_600);
    check("2026-09-30T23:30:00Z", "2026-10-01T01:00:00Z", 3_600);
    // Every second to the end is billed; what the next month begins is its own.
    check("2026-10-31T23:30:00Z", "2026-11-01T00:00:01Z", 1_800);
    check("2026-10-31T23:30:00Z", "2026-11-01T00:00:00Z", 3_600);
    check("2026-10-31T23:30:00Z", "2026-10-31T23:59:59Z", 3_600);
}

#[test]
fn what_ends_a_holding_and_what_does_not() {
    let (start, middle, end) =
        ("2026-10-02T00:00:00Z", "2026-10-02T00:00:10Z", "2026-10-02T00:00:20Z");
    let parts = [held(start, middle), held(middle, end)];
    let check = |change: &dyn Fn(&mut [UsageInterval; 2]), expect: &[&str]| {
        let mut parts = parts.clone();
        change(&mut parts);
        assert_eq!(gathered(&book(60, 0), &parts), expect);
    };
    // The last size is billed for what is added: 10 x 1 + 10 x 3 + 40 x 3.
    check(&|parts| parts[1].quantity = 3, &["vcpu standard.1/0 160 60 2"]);
    // Other attributes stand on a line of their own, which has what is added.
    let resized = attribute(held(middle, end), "flavor", "m2");
    assert_eq!(
        gathered(&book(60, 0), &[parts[0].clone(), resized]),
        ["vcpu standard.1/0 10 10 1", "vcpu standard.1/0 50 50 1"]
    );
    check(&|parts| parts[1].quantity = 0, &["vcpu standard.1/0 60 60 1"]);
    check(&|parts| parts[1].state = ResourceState::Stopped, &["vcpu standard.1/0 60 60 1"]);
    check(&|parts| parts[1].quantity = -1, &["vcpu standard.1/0 50 70 2"]);
    // A report of unknown place is no holding.
    check(
        &|parts| {
            parts[1].seconds = Some(5);
            parts[1].start = parts[0].start;
        },
        &["vcpu standard.1/0 65 65 2"],
    );
    // Another version of the tariff goes on with it, and its step is the one in force at the end.
    let mut two = super::book();
    two.tariffs[0].versions[0].valid_to = Some(at(middle));
    two.tariffs[0].versions[1].valid_from = at(middle);
    let vcpu = MeterId::new("vcpu").expect("id");
    for (version, minimum_seconds, step_seconds) in [(0, 30, 0), (1, 600, 7)] {
        let holding = HoldingTime { minimum_seconds, step_seconds };
        two.tariffs[0].versions[version].holding.insert(vcpu.clone(), holding);
    }
    assert_eq!(gathered(&two, &parts), ["vcpu standard.1/0 10 10 1", "vcpu standard.2/0 20 20 1"]);
}

#[test]
fn a_holding_that_began_without_a_holding_time_counts_from_its_beginning() {
    let (start, middle) = ("2026-10-02T00:00:00Z", "2026-10-02T00:30:00Z");
    let mut two = super::book();
    two.tariffs[0].versions[0].valid_to = Some(at(middle));
    two.tariffs[0].versions[1].valid_from = at(middle);
    let vcpu = MeterId::new("vcpu").expect("id");
    let holding = HoldingTime { minimum_seconds: 7_200, step_seconds: 3_600 };
    two.tariffs[0].versions[1].holding.insert(vcpu, holding);
    let check = |usage: &[UsageInterval], expect: &[&str]| {
        assert_eq!(gathered(&two, usage), expect, "{usage:?}");
    };
    // It began when there was no minimum; its hours began when it did.
    let first = "vcpu standard.1/0 1800 1800 1";
    check(&[held(start, "2026-10-02T00:40:00Z")], &[first, "vcpu standard.2/0 1800 1800 1"]);
    check(&[held(start, "2026-10-02T01:00:01Z")], &[first, "vcpu standard.2/0 5400 5400 1"]);
    // A second later there is one of its own, with its minimum.
    let own = held("2026-10-02T00:30:01Z", "2026-10-02T00:40:00Z");
    check(&[held(start, middle), own], &[first, "vcpu standard.2/0 7200 7200 1"]);
}

#[test]
fn what_is_still_held_has_no_end_yet() {
    let book = book(60, 3_600);
    let (span, periods) = october(&book);
    let lookup = Lookup::new(&book, &periods);
    let sums = |usage: &UsageInterval, until: &str, open: bool| {
        let mut harvest = Harvest::default();
        if open {
            harvest.add_open(&lookup, usage, &span, at(until));
        } else {
            harvest.add(&lookup, usage, &span, at(until));
        }
        harvest.close_resource();
        printed(&harvest)
    };
    let usage = held("2026-10-31T23:59:50Z", "2026-11-01T00:00:00Z");
    assert_eq!(sums(&usage, "2026-11-01T00:00:00Z", true), ["vcpu standard.1/0 10 10 1"]);
    assert_eq!(sums(&usage, "2026-11-01T00:00:00Z", false), ["vcpu standard.1/0 3600 3600 1"]);
    // A run that stops within the month does not know what comes after.
    assert_eq!(sums(&usage, "2026-10-31T23:59:55Z", false), ["vcpu standard.1/0 5 5 1"]);
}

#[test]
fn a_holding_ends_where_its_owner_leaves_the_account() {
    let mut book = book(60, 3_600);
    book.accounts[0].owners[0].valid_to = Some(at("2026-11-01T00:00:00Z"));
    let (span, periods) = october(&book);
    let lookup = Lookup::new(&book, &periods);
    let mut harvest = Harvest::default();
    // Nothing has ended it, but from November on it is nobody's: its last step has begun.
    let usage = held("2026-10-31T23:59:50Z", "2026-12-01T00:00:00Z");
    harvest.add_open(&lookup, &usage, &span, span.end());
    harvest.close_resource();
    assert_eq!(printed(&harvest), ["vcpu standard.1/0 3600 3600 1"]);
}

#[test]
fn two_months_rated_at_once_are_the_months_rated_alone() {
    let book = book(60, 45);
    let usage = [
        held("2026-09-30T23:59:30Z", "2026-10-01T00:00:20Z"),
        held("2026-10-31T23:59:40Z", "2026-11-01T00:00:10Z"),
        held("2026-11-30T23:59:50Z", "2026-12-01T00:00:05Z"),
    ];
    let rated = |start: &str, end: &str| {
        let span = Period::new(at(start), at(end)).expect("span");
        let periods = [(book.accounts[0].id.clone(), span)].into();
        let lookup = Lookup::new(&book, &periods);
        let mut harvest = Harvest::default();
        for interval in &usage {
            harvest.add(&lookup, interval, &span, span.end());
        }
        harvest.resolve();
        harvest.gathered.values().map(|sums| sums.seconds).sum::<i64>()
    };
    let october = rated("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let november = rated("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    // October: a step of 45 s, and 20 s with 30 short of the minimum. November: a step of 45 s, and
    // 10 s with 45 short.
    assert_eq!((october, november), (45 + 50, 45 + 55));
    assert_eq!(rated("2026-10-01T00:00:00Z", "2026-12-01T00:00:00Z"), october + november);
}

#[test]
fn a_resource_that_is_closed_is_forgotten() {
    let book = book(60, 0);
    let (span, periods) = october(&book);
    let lookup = Lookup::new(&book, &periods);
    let mut harvest = Harvest::default();
    for number in 0..50 {
        let mut usage = held("2026-10-02T00:00:00Z", "2026-10-02T00:00:01Z");
        let name = format!("t/instance/i-{number}");
        Arc::make_mut(&mut usage.holder).resource =
            turnpike_schemas::ResourceId::new(name).expect("id");
        harvest.add(&lookup, &usage, &span, span.end());
        assert_eq!(harvest.holdings.len(), 1);
        harvest.close_resource();
    }
    assert_eq!(harvest.gathered.values().map(|sums| sums.seconds).sum::<i64>(), 50 * 60);
}
