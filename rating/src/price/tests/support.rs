//! Pools made by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::tariff::{BlockTier, PercentTier, Tier, TierBasis, Tiers, ZeroUsage};
use turnpike_schemas::{
    AccountId, Aggregation, Amount, Currency, Fraction, HoldClass, Instant, Measure, Meter,
    MeterId, Per, PriceModel, PriceUnit, Rate, ResourceId, TariffId, TariffVersionId,
    TaxCategoryId,
};

use super::nano;
use crate::gather::{GatherKey, Gathered, Step};
use crate::parked::ParkReason;
use crate::price::{Part, PoolItem, PricePool, model_of};

/// Decimals of the meter's quantities: those of all prices and bounds.
pub const SCALE: u32 = 9;
pub const ONE: i128 = 1_000_000_000;
pub const DAY: i64 = 86_400;

/// One gathered sum with its key.
pub type Sum = (GatherKey, Gathered);

pub fn at(second: i64) -> Instant {
    Instant::from_seconds(1_790_000_000 + second).expect("instant")
}

pub fn meter(aggregation: Aggregation) -> Meter {
    let unit = PriceUnit { name: "unit".to_owned(), base_units: 1 };
    Meter {
        id: MeterId::new("thing").expect("id"),
        name: "Thing".to_owned(),
        service: "Things".to_owned(),
        unit: "unit".to_owned(),
        scale: SCALE,
        aggregation,
        hold: HoldClass::Existing,
        units: vec![unit],
        measure: Measure::Total,
        over: None,
        derived: None,
    }
}

pub fn rate(model: PriceModel, price: &str) -> Rate {
    let unit = PriceUnit { name: "unit".to_owned(), base_units: 1 };
    let mut rate = Rate::linear(
        MeterId::new("thing").expect("id"),
        nano(price),
        unit,
        Per::Unit,
        TaxCategoryId::new("standard").expect("id"),
    );
    rate.model = model;
    rate
}

pub fn key(index: usize) -> GatherKey {
    GatherKey {
        account: AccountId::new("a1").expect("id"),
        service: "Things".to_owned(),
        project: None,
        resource: ResourceId::new(format!("t/thing/{index}")).expect("id"),
        meter: MeterId::new("thing").expect("id"),
        site: None,
        attributes: BTreeMap::new(),
        tariff: TariffId::new("standard").expect("id"),
        tariff_version: TariffVersionId::new("standard.1").expect("id"),
        chain: Vec::new(),
        rate_index: 0,
        per_seconds: 1,
        month: None,
        window: None,
        agreement: None,
        tax_category: TaxCategoryId::new("standard").expect("id"),
        estimated: false,
    }
}

/// What was consumed by one resource, event by event: `(second, quantity)`.
pub fn consumed(index: usize, events: &[(i64, i128)]) -> Sum {
    let steps: Vec<Step> = events
        .iter()
        .map(|(second, quantity)| Step {
            start: at(*second),
            end: at(*second),
            quantity: *quantity,
        })
        .collect();
    (key(index), gathered(steps.iter().map(|step| step.quantity).sum(), steps))
}

/// What one resource held: `(from, to, quantity)`.
pub fn held(index: usize, levels: &[(i64, i64, i128)]) -> Sum {
    let weighed = levels.iter().map(|(from, to, level)| i128::from(to - from) * level).sum();
    let steps = levels
        .iter()
        .map(|(from, to, quantity)| Step { start: at(*from), end: at(*to), quantity: *quantity })
        .collect();
    (key(index), gathered(weighed, steps))
}

fn gathered(quantity: i128, steps: Vec<Step>) -> Gathered {
    Gathered {
        resource_kind: "thing".to_owned(),
        quantity,
        seconds: 0,
        first: steps.iter().map(|step| step.start).min().unwrap_or(at(0)),
        last: steps.iter().map(|step| step.end).max().unwrap_or(at(0)),
        intervals: 1,
        worth: None,
        steps,
        events: None,
    }
}

/// A pool of these sums from its start on.
pub fn pool<'a>(rate: &'a Rate, meter: &'a Meter, per: i64, sums: &'a [Sum]) -> PricePool<'a> {
    let mut pool = PricePool {
        rate,
        meter,
        currency: Currency::new("EUR").expect("currency"),
        per_seconds: per,
        items: Vec::new(),
        total: Fraction::ZERO,
        series: Arc::default(),
        place: 0..0,
    };
    let divisor = pool.divisor().expect("divisor");
    for (key, sums) in sums {
        let units = Fraction::ratio(sums.quantity, divisor).expect("units");
        let low = pool.total;
        pool.total = low.checked_add(&units).expect("total");
        pool.items.push(PoolItem { key, sums, low, high: pool.total });
    }
    pool
}

/// The pool among what other versions of its rate gathered.
pub fn among<'a>(pool: &mut PricePool<'a>, before: &'a [Sum], after: &'a [Sum]) {
    let own: Vec<&Gathered> = pool.items.iter().map(|item| item.sums).collect();
    pool.place = before.len()..before.len() + own.len();
    let others = |sums: &'a [Sum]| sums.iter().map(|(_, sums)| sums);
    pool.series = others(before).chain(own).chain(others(after)).collect();
}

pub fn priced(pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
    let parts = model_of(pool.rate)?.price(pool)?;
    for part in &parts {
        explains_itself(part);
    }
    let names: std::collections::BTreeSet<_> =
        parts.iter().map(|part| (part.item, part.role())).collect();
    assert_eq!(names.len(), parts.len(), "the roles of an item's parts differ: {parts:?}");
    Ok(parts)
}

/// What the invoice's check computes again.
fn explains_itself(part: &Part) {
    if part.kind != turnpike_schemas::LineKind::Usage {
        return;
    }
    let scale = 10_i128.pow(part.scale);
    let divisor = scale * i128::from(part.unit.base_units) * i128::from(part.per_seconds);
    let amount =
        Amount::from_price(part.quantity, part.price_nano, divisor, part.amount.currency());
    assert_eq!(amount.as_ref(), Ok(&part.amount), "{part:?}");
}

pub fn total(parts: &[Part]) -> Fraction {
    parts.iter().fold(Fraction::ZERO, |sum, part| {
        sum.checked_add(&part.amount.fraction().expect("amount")).expect("sum")
    })
}

/// What sums of one consumed meter cost.
pub fn cost(rate: &Rate, quantities: &[i128]) -> Fraction {
    let sums: Vec<Sum> =
        quantities.iter().enumerate().map(|(i, q)| consumed(i, &[(0, *q)])).collect();
    let meter = meter(Aggregation::Sum);
    total(&priced(&pool(rate, &meter, 1, &sums)).expect("priced"))
}

pub fn tier(up_to: &str, price: &str, flat: &str) -> Tier {
    Tier {
        up_to_nano: (!up_to.is_empty()).then(|| nano(up_to).into()),
        price_nano: nano(price),
        flat_nano: nano(flat),
    }
}

pub fn percent_tier(up_to: &str, percent: &str, flat: &str) -> PercentTier {
    let tier = tier(up_to, "0", flat);
    PercentTier {
        up_to_nano: tier.up_to_nano,
        rate_nano: nano(percent) / 100,
        flat_nano: tier.flat_nano,
    }
}

pub fn block(size: &str, price: &str, most: Option<i64>) -> BlockTier {
    BlockTier { size_nano: nano(size), price_nano: nano(price), blocks_max: most }
}

pub fn tiers(tiers: Vec<Tier>, basis: TierBasis, first_flat: bool) -> Tiers {
    let zero_usage = if first_flat { ZeroUsage::FirstFlat } else { ZeroUsage::Free };
    Tiers { tiers, basis, zero_usage }
}
