//! However usage is cut into events and resources, a pool costs what it costs as a whole: what counts
//! units (tiers, packages, blocks) telescopes.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use turnpike_rating::account::price_account;
use turnpike_rating::gather::{GatherKey, Gathered, Harvest};
use turnpike_rating::tariff_lookup::Lookup;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::interval::Holder;
use turnpike_schemas::tariff::{
    BlockPolicy, BlockTier, Package, PriceModel, Tier, TierBasis, Tiers, UnitRounding, ZeroUsage,
};
use turnpike_schemas::{
    Aggregation, Amount, Instant, MeterId, OwnerRef, Period, PriceBook, ResourceId, RoundTo, RunId,
    UsageInterval,
};

use crate::support::case;

const RESOURCES: u32 = 3;

fn book(model: PriceModel, rounded: bool) -> PriceBook {
    let path = case::folder("properties/book.toml");
    let mut book = turnpike_books::parse_book(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let rates = book.tariffs.iter_mut().flat_map(|tariff| &mut tariff.versions);
    for rate in rates.flat_map(|version| &mut version.rates) {
        if rate.meter.as_str() == "egress" {
            rate.model = model.clone();
            rate.unit.base_units = 1_000;
            rate.name = "traffic".to_owned();
            rate.round_units = rounded.then_some(UnitRounding {
                step_nano: 1_000_000_000,
                to: RoundTo::HalfAwayFromZero,
            });
        }
    }
    book
}

/// One report of a resource: so many bytes, at a second of October.
fn consumed(number: usize, bytes: i64, resource: u32) -> UsageInterval {
    let start = Instant::parse("2026-10-20T00:00:00Z").unwrap();
    let at = start.plus_seconds(i64::try_from(number).unwrap()).unwrap();
    UsageInterval {
        holder: Arc::new(Holder {
            resource: ResourceId::new(format!("native/instance/i-{resource}")).unwrap(),
            resource_kind: "instance".to_owned(),
            parent: None,
            owner: Some(OwnerRef::new("native/t-0").unwrap()),
            project: None,
            site: None,
            region: None,
            source: "/test".to_owned(),
            attributes: BTreeMap::new(),
            tags: BTreeMap::new(),
        }),
        meter: MeterId::new("egress").unwrap(),
        aggregation: Aggregation::Sum,
        scale: 0,
        state: ResourceState::Active,
        start: at,
        end: at,
        quantity: bytes,
        seconds: None,
        estimated: false,
    }
}

/// The exact total of the first account in October.
fn total(book: &PriceBook, usage: &[UsageInterval]) -> Amount {
    let account = book.accounts.iter().find(|account| account.id.as_str() == "a0").unwrap();
    let span = Period::month(2026, 10, account.time_zone).unwrap();
    let periods = BTreeMap::from([(account.id.clone(), span)]);
    let lookup = Lookup::new(book, &periods);
    let mut harvest = Harvest::default();
    for interval in usage {
        harvest.add(&lookup, interval, &span, span.end());
    }
    harvest.resolve();
    assert!(harvest.parked.is_empty(), "parked: {:?}", harvest.parked);
    let gathered: Vec<(GatherKey, Gathered)> = harvest.gathered.into_iter().collect();
    let run = RunId::new("run-1").unwrap();
    let lines = price_account(&lookup, &run, account, &gathered).unwrap();
    Amount::sum(lines.iter().map(|line| &line.amount), account.currency.unwrap()).unwrap()
}

fn nano() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 1..=1_000_i64, 1..=5_000_000_000_i64]
}

fn tiers() -> impl Strategy<Value = Tiers> {
    let bounds = prop::collection::btree_set(1..4_000_000_000_000_i64, 0..4);
    (bounds, prop::collection::vec((nano(), nano()), 5)).prop_map(|(bounds, prices)| {
        let bounds = bounds.into_iter().map(Some).chain([None]);
        let tiers = bounds.zip(prices).map(|(up_to_nano, (price_nano, flat_nano))| Tier {
            up_to_nano: up_to_nano.map(Into::into),
            price_nano,
            flat_nano,
        });
        Tiers { tiers: tiers.collect(), basis: TierBasis::Total, zero_usage: ZeroUsage::Free }
    })
}

fn blocks() -> impl Strategy<Value = PriceModel> {
    let tier = (1..90_000_000_000_i64, nano(), prop::option::of(1..40_i64));
    let policy = prop::sample::select(vec![BlockPolicy::AllTiers, BlockPolicy::TopTier]);
    (policy, prop::collection::vec(tier, 1..4)).prop_map(|(policy, tiers)| {
        let last = tiers.len() - 1;
        let tier = |(at, (size_nano, price_nano, blocks_max))| BlockTier {
            size_nano,
            price_nano,
            // Only the last tier is open.
            blocks_max: if at == last { None } else { Some(Option::unwrap_or(blocks_max, 7)) },
        };
        PriceModel::Blocks { policy, tiers: tiers.into_iter().enumerate().map(tier).collect() }
    })
}

fn package() -> impl Strategy<Value = PriceModel> {
    let rounding = prop::sample::select(vec![
        RoundTo::Up,
        RoundTo::Down,
        RoundTo::HalfAwayFromZero,
        RoundTo::HalfEven,
    ]);
    (1..90_000_000_000_i64, nano(), rounding).prop_map(|(size_nano, free_nano, rounding)| {
        PriceModel::Package(Package { size_nano, free_nano, rounding })
    })
}

fn model() -> impl Strategy<Value = PriceModel> {
    prop_oneof![
        1 => Just(PriceModel::PerUnit),
        3 => tiers().prop_map(PriceModel::Graduated),
        2 => tiers().prop_map(PriceModel::Volume),
        2 => package(),
        3 => blocks(),
    ]
}

proptest! {
    #![proptest_config(super::cases(300))]

    #[test]
    fn a_pool_costs_the_same_however_its_usage_is_cut(
        model in model(),
        rounded in any::<bool>(),
        parts in prop::collection::vec((1..900_000_i64, 0..RESOURCES), 1..9),
    ) {
        let book = book(model, rounded);
        let whole: i64 = parts.iter().map(|(bytes, _)| bytes).sum();
        let cut: Vec<UsageInterval> = parts
            .iter()
            .enumerate()
            .map(|(number, (bytes, resource))| consumed(number, *bytes, *resource))
            .collect();
        let mut reversed = cut.clone();
        reversed.reverse();
        let at_once = total(&book, &[consumed(0, whole, 0)]);
        prop_assert_eq!(total(&book, &cut), at_once);
        prop_assert_eq!(total(&book, &reversed), at_once);
    }
}
