//! Gathering: a cut at any instant, and the order of usage, change nothing that is billed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike, Timelike};
use proptest::prelude::*;
use serde_json::json;
use turnpike_rating::gather::{GatherKey, Gathered, Harvest};
use turnpike_rating::tariff_lookup::Lookup;
use turnpike_schemas::book::HostClass;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::interval::Holder;
use turnpike_schemas::tariff::{HoldingTime, PriceSeries, TimeOfUse};
use turnpike_schemas::{
    AccountId, Aggregation, Fraction, Instant, Measure, MeterId, OwnerRef, Period, Pool, PriceBook,
    Rate, ResourceId, UsageInterval,
};

use crate::support::case;

/// 2026-10-24T00:00:00Z: the days around the end of summer time in Europe, and of the month.
const START: i64 = 1_792_800_000;
const SECONDS: i64 = 10 * 86_400;

fn at(micros: i64) -> Instant {
    Instant::from_micros(START * 1_000_000 + micros).unwrap()
}

fn meter(id: &str) -> MeterId {
    MeterId::new(id).unwrap()
}

/// Everything by which usage is cut: hours, a series, ratings of hosts, a minimum and steps, and one
/// number of a period.
fn book(zone: &str) -> PriceBook {
    let path = case::folder("properties/book.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut book = turnpike_books::parse_book(&text).unwrap();
    let tax = book.tax_categories[0].id.clone();
    let rate = |meter: &str, per: &str, more: serde_json::Value| {
        let mut rate = json!({
            "meter": meter, "conditions": {}, "price_nano": 7, "per": per,
            "unit": {"name": "unit", "base_units": 1}, "tax_category": tax
        });
        rate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rate
    };
    let night = json!({"times": [{"days": 0b101_0101, "from": 79_200, "to": 21_601}]});
    let spot = json!({"model": {"kind": "series", "series": "spot"}});
    let levels = json!({"model": {"kind": "graduated", "basis": "held", "tiers": [
        {"up_to_nano": 2_000_000_000_i64, "price_nano": 5}, {"up_to_nano": null, "price_nano": 3}
    ]}});
    let rates = json!([
        rate("vcpu", "hour", night),
        rate("vcpu", "month", json!({})),
        rate("mips", "day", json!({})),
        rate("volume", "hour", spot),
        rate("memory", "hour", levels),
        rate("image", "unit", json!({})),
        rate("backup", "unit", json!({})),
        rate("snapshot", "hour", json!({"window_seconds": 7_200})),
    ]);
    for tariff in &mut book.tariffs {
        tariff.base = None;
        for version in &mut tariff.versions {
            version.rates = serde_json::from_value(rates.clone()).unwrap();
            let holding = HoldingTime { minimum_seconds: 90, step_seconds: 3_600 };
            version.holding = [(meter("vcpu"), holding)].into();
        }
    }
    let points = (0..40).map(|n| (at(n * 21_611_300_000), n * n + 1)).collect::<Vec<_>>();
    let before = (Instant::MIN, 1);
    let points = std::iter::once(before).chain(points).collect();
    book.series = vec![PriceSeries { id: "spot".to_owned(), points }];
    let class = |from: Option<Instant>, to: Option<Instant>, micro| HostClass {
        class: "a".to_owned(),
        mips_per_vcpu_micro: Some(micro),
        mips_per_mhz_micro: None,
        valid_from: from,
        valid_to: to,
    };
    let change = at(3 * 86_400_000_000 + 7_700_000);
    book.host_classes =
        vec![class(None, Some(change), 2_500_500_000), class(Some(change), None, 3_000_000_001)];
    let measures = [
        ("image", Measure::Max, Some(Pool::Account)),
        ("backup", Measure::Percentile { window_seconds: 3_600, percent: 95 }, Some(Pool::Project)),
    ];
    for (id, measure, over) in measures {
        let mut changed = book.meters.get(&meter(id)).unwrap().clone();
        (changed.measure, changed.over) = (measure, over);
        book.meters.insert(changed);
    }
    for account in &mut book.accounts {
        account.time_zone = zone.parse().unwrap();
    }
    book
}

/// A microsecond of nothing held by one of three resources.
fn held(id: &str, resource: usize) -> UsageInterval {
    let holder = Holder {
        resource: ResourceId::new(format!("native/instance/i-{resource}")).unwrap(),
        resource_kind: "instance".to_owned(),
        parent: None,
        owner: Some(OwnerRef::new("native/t-0").unwrap()),
        project: (resource > 0).then(|| format!("p-{resource}")),
        site: None,
        region: None,
        source: "/test".to_owned(),
        attributes: [("host_class".to_owned(), "a".to_owned())].into(),
        tags: BTreeMap::new(),
    };
    UsageInterval {
        holder: Arc::new(holder),
        meter: meter(id),
        aggregation: Aggregation::Held,
        state: ResourceState::Active,
        start: at(0),
        end: at(1),
        quantity: 0,
        scale: if id == "vcpu" { 6 } else { 0 },
        seconds: None,
        estimated: false,
    }
}

fn usage() -> impl Strategy<Value = UsageInterval> {
    let meters =
        prop::sample::select(vec!["vcpu", "volume", "memory", "image", "backup", "snapshot"]);
    let times = (0..SECONDS * 1_000_000, 1..3 * 86_400_000_000_i64);
    (meters, 0..3_usize, times, -2..9_i64).prop_map(|(id, resource, (start, length), quantity)| {
        UsageInterval {
            start: at(start),
            end: at(start + length),
            quantity: if id == "vcpu" { quantity * 1_000_000 } else { quantity },
            ..held(id, resource)
        }
    })
}

/// Whether the wall clock shows any of the hours.
fn shows(times: &[TimeOfUse], local: &chrono::DateTime<chrono_tz::Tz>) -> bool {
    let second = local.num_seconds_from_midnight();
    let today = local.weekday().num_days_from_monday();
    let on = |days: u8, day: u32| days & (1 << day) != 0;
    times.is_empty()
        || times.iter().any(|hours| {
            let (begun, over) = (hours.from <= second, hours.to <= second);
            if hours.from < hours.to {
                on(hours.days, today) && begun && !over
            } else {
                on(hours.days, today) && begun || on(hours.days, (today + 6) % 7) && !over
            }
        })
}

/// Sums by key, whatever the month: quantity, seconds and worth.
type Sums = BTreeMap<GatherKey, (i128, i64, Option<Fraction>)>;

fn add_up(sums: &mut Sums, gathered: BTreeMap<GatherKey, Gathered>) {
    for (key, more) in gathered {
        let key = GatherKey { month: None, ..key };
        let sum = sums.entry(key).or_default();
        let worth = match (sum.2, more.worth) {
            (Some(own), Some(more)) => own.checked_add(&more),
            (own, more) => own.or(more),
        };
        *sum = (sum.0 + more.quantity, sum.1 + more.seconds, worth);
    }
}

/// What is billed in the days around the end of October, without the number of pieces.
fn rated(book: &PriceBook, buckets: &[Vec<UsageInterval>]) -> BTreeMap<GatherKey, Gathered> {
    rated_over(book, buckets, Period::new(at(0), at(SECONDS * 1_000_000)).unwrap())
}

fn rated_over(
    book: &PriceBook,
    buckets: &[Vec<UsageInterval>],
    span: Period,
) -> BTreeMap<GatherKey, Gathered> {
    let periods: BTreeMap<AccountId, Period> =
        book.accounts.iter().map(|account| (account.id.clone(), span)).collect();
    let lookup = Lookup::new(book, &periods);
    let mut all = Harvest::default();
    for bucket in buckets {
        let mut harvest = Harvest::default();
        for interval in bucket {
            harvest.add(&lookup, interval, &span, span.end());
        }
        all.merge(harvest);
    }
    all.resolve();
    assert!(all.parked.is_empty(), "parked: {:?}", all.parked);
    let plain = |(key, sums): (GatherKey, Gathered)| (key, Gathered { intervals: 0, ..sums });
    all.gathered.into_iter().map(plain).collect()
}

/// Usage of each resource apart, in the order in which metering hands it over: holdings in time.
fn by_resource(usage: &[UsageInterval]) -> Vec<Vec<UsageInterval>> {
    let mut found: BTreeMap<String, Vec<UsageInterval>> = BTreeMap::new();
    for interval in usage {
        found.entry(interval.holder.resource.to_string()).or_default().push(interval.clone());
    }
    let mut buckets: Vec<Vec<UsageInterval>> = found.into_values().collect();
    buckets.iter_mut().for_each(|bucket| bucket.sort_by_key(|i| (i.start, i.end, i.quantity)));
    buckets
}

fn zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["Europe/Paris", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"])
}

proptest! {
    #![proptest_config(super::cases(200))]

    #[test]
    fn a_cut_at_any_instant_changes_nothing(
        usage in prop::collection::vec(usage(), 1..8),
        cuts in prop::collection::vec(0..SECONDS * 1_000_000, 1..6),
        zone in zone(),
    ) {
        let book = book(zone);
        let cut = |interval: &UsageInterval| {
            let mut edges: Vec<Instant> = cuts.iter().map(|cut| at(*cut)).collect();
            edges.retain(|cut| interval.start < *cut && *cut < interval.end);
            edges.extend([interval.start, interval.end]);
            edges.sort_unstable();
            edges.dedup();
            let part = |pair: &[Instant]| {
                UsageInterval { start: pair[0], end: pair[1], ..interval.clone() }
            };
            edges.windows(2).map(part).collect::<Vec<_>>()
        };
        // Overlaps of one resource are no holding: only the first interval of each is vCPU.
        let usage = without_overlaps(usage);
        let parts: Vec<UsageInterval> = usage.iter().flat_map(cut).collect();
        prop_assert_eq!(rated(&book, &by_resource(&parts)), rated(&book, &by_resource(&usage)));
    }

    #[test]
    fn months_rated_alone_are_the_months_rated_at_once(
        usage in prop::collection::vec(usage(), 1..8),
        zone in zone(),
    ) {
        let book = book(zone);
        let zone = book.accounts[0].time_zone;
        let months = [10, 11].map(|month| Period::month(2026, month, zone).unwrap());
        let both = Period::new(months[0].start(), months[1].end()).unwrap();
        let buckets = by_resource(&without_overlaps(usage));
        let mut alone = BTreeMap::new();
        for month in months {
            add_up(&mut alone, rated_over(&book, &buckets, month));
        }
        let mut at_once = BTreeMap::new();
        add_up(&mut at_once, rated_over(&book, &buckets, both));
        prop_assert_eq!(alone, at_once);
    }

    #[test]
    fn each_second_has_the_first_rate_whose_hours_hold(
        hours in prop::collection::vec((0..128_u8, 0..=288_u32, 0..=288_u32), 1..4),
        // Around 01:00 UTC of the 25th, when Europe's summer time ends; Lord Howe changed on the 4th.
        start in 80_000_i64..95_000,
        length in 1..15_000_i64,
        zone in zone(),
    ) {
        let mut book = book(zone);
        let hour = |(days, from, to): &(u8, u32, u32)| {
            TimeOfUse { days: *days, from: from * 300, to: to * 300 }
        };
        let mut rates = Vec::new();
        for hours in hours.iter().map(hour) {
            let timed = &book.tariffs[0].versions[0].rates[0];
            rates.push(Rate { times: vec![hours], ..timed.clone() });
        }
        rates.push(Rate { times: Vec::new(), ..rates[0].clone() });
        for version in &mut book.tariffs[0].versions {
            version.rates.clone_from(&rates);
            version.holding.clear();
        }
        let interval = UsageInterval {
            start: at(start * 1_000_000),
            end: at((start + length) * 1_000_000),
            quantity: 1,
            ..held("vcpu", 0)
        };
        let zone = book.accounts[0].time_zone;
        let mut expect: BTreeMap<usize, i64> = BTreeMap::new();
        for second in start..start + length {
            let local = at(second * 1_000_000).to_chrono().with_timezone(&zone);
            let rate = rates.iter().position(|rate| shows(&rate.times, &local)).unwrap();
            *expect.entry(rate).or_insert(0) += 1;
        }
        let mut found: BTreeMap<usize, i64> = BTreeMap::new();
        for (key, sums) in rated(&book, &[vec![interval]]) {
            *found.entry(key.rate_index).or_insert(0) += sums.seconds;
        }
        prop_assert_eq!(found, expect);
    }

    #[test]
    fn the_order_of_buckets_changes_nothing(
        usage in prop::collection::vec(usage(), 1..10),
        zone in zone(),
    ) {
        let book = book(zone);
        let buckets = by_resource(&usage);
        let mut reversed = buckets.clone();
        reversed.reverse();
        prop_assert_eq!(rated(&book, &reversed), rated(&book, &buckets));
    }
}

/// Nothing is held twice at a time: what overlaps an earlier interval of its resource and meter is
/// left out.
fn without_overlaps(mut usage: Vec<UsageInterval>) -> Vec<UsageInterval> {
    usage.sort_by_key(|interval| (interval.start, interval.end));
    let mut ends: BTreeMap<(String, String), Instant> = BTreeMap::new();
    usage.retain(|interval| {
        let key = (interval.holder.resource.to_string(), interval.meter.to_string());
        let free = ends.get(&key).is_none_or(|end| *end <= interval.start);
        if free {
            ends.insert(key, interval.end);
        }
        free
    });
    usage
}
