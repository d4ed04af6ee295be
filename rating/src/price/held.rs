//! Tiers by what is held at each instant: a sweep over the levels of a pool's items.
//!
//! At each second the items held stand on one another in the series' order, and each takes the tiers
//! of its place in the stack. The amounts of one second add up to the price of the whole level, so
//! no order of items changes the total. Levels count in whole seconds, as all usage does. Each
//! change of a level walks all items held then: time grows with their product.

use std::collections::BTreeMap;
use std::ops::Range;

use turnpike_schemas::tariff::{Tier, TierBasis};
use turnpike_schemas::{Aggregation, Fraction};

use super::tiers::{self, Bounds};
use super::{Part, PoolItem, PricePool};
use crate::gather::Gathered;
use crate::parked::{ParkCode, ParkReason};

/// Bounds and levels are compared in 10^-9 of the meter's smallest parts.
const NANO: i128 = 1_000_000_000;

/// Whether tiers look at levels. What is not weighed by time is its own level.
pub(super) fn applies(pool: &PricePool<'_>, basis: TierBasis) -> bool {
    basis == TierBasis::Held
        && pool.meter.aggregation == Aggregation::Held
        && pool.meter.measure.is_total()
}

/// The highest level of the whole period, in price units.
pub(super) fn peak(pool: &PricePool<'_>) -> Result<Fraction, ParkReason> {
    let all = known(pool)?.0;
    let highest = highest(&all).ok_or_else(|| pool.too_large("level"))?;
    Fraction::ratio(highest, level_divisor(pool)?).ok_or_else(|| pool.too_large("level"))
}

/// What the series gathered, where all of its levels have their seconds. A report of so much for so
/// long does not say what else was held at the same time.
fn known<'a>(pool: &PricePool<'a>) -> Result<(Vec<&'a Gathered>, Range<usize>), ParkReason> {
    let (all, own) = pool.whole_series();
    if all.iter().all(|sums| is_known(sums)) { Ok((all, own)) } else { Err(unknown(pool)) }
}

/// Levels shorter than a second weigh nothing and do not matter. Time that is billed beyond the time
/// held may be on no level.
fn is_known(sums: &Gathered) -> bool {
    let weighed = sums.steps.iter().try_fold(0_i128, |sum, step| {
        let seconds = step.end.floor_seconds() - step.start.floor_seconds();
        sum.checked_add(step.quantity.checked_mul(i128::from(seconds))?)
    });
    let lasting = sums.steps.iter().all(|step| step.start < step.end);
    weighed == Some(sums.quantity) || lasting && !sums.steps.is_empty()
}

/// Smallest parts in a price unit, without time.
fn level_divisor(pool: &PricePool<'_>) -> Result<i128, ParkReason> {
    let seconds = i128::from(pool.per_seconds.max(1));
    Ok(pool.divisor()? / seconds)
}

/// By second: how the levels of items change.
type Changes = BTreeMap<i64, Vec<(usize, i128)>>;

fn changes(all: &[&Gathered]) -> Option<Changes> {
    let mut found = Changes::new();
    for (index, sums) in all.iter().enumerate() {
        for step in &sums.steps {
            let (start, end) = (step.start.floor_seconds(), step.end.floor_seconds());
            if start < end {
                found.entry(start).or_default().push((index, step.quantity));
                found.entry(end).or_default().push((index, step.quantity.checked_neg()?));
            }
        }
    }
    Some(found)
}

fn highest(all: &[&Gathered]) -> Option<i128> {
    let (mut most, mut level) = (0_i128, 0_i128);
    for (_, at) in changes(all)? {
        for (_, by) in at {
            level = level.checked_add(by)?;
        }
        most = most.max(level);
    }
    Some(most)
}

/// What one of the pool's items holds in each tier.
#[derive(Clone)]
struct Share {
    /// 10^-9 of smallest parts, times seconds; by tier.
    weighed: Vec<i128>,
    /// Flat fees of tiers that it entered first.
    entered: Vec<bool>,
}

struct Sweep {
    /// Start of each tier, and its end: 10^-9 of smallest parts.
    bounds: Vec<(i128, Option<i128>)>,
    entered: Vec<bool>,
    /// Which items of the series are the pool's; only they have shares.
    own: Range<usize>,
    shares: Vec<Share>,
    /// The highest place in the stack of any of them.
    top: i128,
}

pub(super) fn graduated(pool: &PricePool<'_>, tiers: &[Tier]) -> Result<Vec<Part>, ParkReason> {
    let too_large = || pool.too_large("level");
    let bounds = Bounds::all(tiers);
    let (all, own) = known(pool)?;
    let mut sweep = Sweep::new(pool, &bounds, own)?;
    sweep.run(changes(&all).ok_or_else(too_large)?).ok_or_else(too_large)?;
    let divisor = level_divisor(pool)?.checked_mul(NANO).ok_or_else(too_large)?;
    let top = Fraction::ratio(sweep.top, divisor).ok_or_else(too_large)?;
    tiers::reached(pool, tiers, &top)?;
    let mut parts = Vec::new();
    for (index, (item, share)) in pool.items.iter().zip(&sweep.shares).enumerate() {
        item_parts(pool, &bounds, (index, item), share, &mut parts)?;
    }
    Ok(parts)
}

impl Sweep {
    fn new(
        pool: &PricePool<'_>,
        bounds: &[Bounds<'_>],
        own: Range<usize>,
    ) -> Result<Self, ParkReason> {
        let divisor = level_divisor(pool)?;
        let scaled = |nano: i128| nano.checked_mul(divisor).ok_or_else(|| pool.too_large("tier"));
        let mut found = Vec::with_capacity(bounds.len());
        let mut start = 0;
        for tier in bounds {
            let end = tier.tier.up_to_nano.map(scaled).transpose()?;
            found.push((start, end));
            start = end.unwrap_or(start);
        }
        let none = Share { weighed: vec![0; found.len()], entered: vec![false; found.len()] };
        let entered = vec![false; found.len()];
        let shares = vec![none; own.len()];
        Ok(Self { bounds: found, entered, own, shares, top: 0 })
    }

    /// `None`: too large.
    fn run(&mut self, changes: Changes) -> Option<()> {
        let mut levels: BTreeMap<usize, i128> = BTreeMap::new();
        let mut changes = changes.into_iter().peekable();
        while let Some((at, by)) = changes.next() {
            for (item, by) in by {
                let level = levels.entry(item).or_default();
                *level = level.checked_add(by)?;
            }
            levels.retain(|_, level| *level != 0);
            if let Some((next, _)) = changes.peek() {
                self.stack(&levels, i128::from(next.checked_sub(at)?))?;
            }
        }
        Some(())
    }

    /// Adds what the items hold for so many seconds.
    fn stack(&mut self, levels: &BTreeMap<usize, i128>, seconds: i128) -> Option<()> {
        let mut low = 0_i128;
        for (item, level) in levels {
            let high = low.checked_add(level.checked_mul(NANO)?)?;
            let index = item.checked_sub(self.own.start);
            let mut share = index.and_then(|index| self.shares.get_mut(index));
            if share.is_some() {
                self.top = self.top.max(high);
            }
            for (tier, (start, end)) in self.bounds.iter().enumerate() {
                let enters = high > *start && !self.entered[tier];
                self.entered[tier] |= enters;
                let Some(share) = share.as_deref_mut() else { continue };
                let within = |place: i128| {
                    end.map_or(place, |end| place.min(end)).checked_sub(*start).map(|p| p.max(0))
                };
                let part = within(high)?.checked_sub(within(low)?)?;
                let weighed = &mut share.weighed[tier];
                *weighed = weighed.checked_add(part.checked_mul(seconds)?)?;
                share.entered[tier] |= enters;
            }
            low = high;
        }
        Some(())
    }
}

fn item_parts(
    pool: &PricePool<'_>,
    bounds: &[Bounds<'_>],
    (index, item): (usize, &PoolItem<'_>),
    share: &Share,
    parts: &mut Vec<Part>,
) -> Result<(), ParkReason> {
    let divisor = pool.divisor()?.checked_mul(NANO).ok_or_else(|| pool.too_large("unit"))?;
    let units =
        |weighed: i128| Fraction::ratio(weighed, divisor).ok_or_else(|| pool.too_large("usage"));
    let swept = share.weighed.iter().try_fold(0_i128, |sum, weighed| sum.checked_add(*weighed));
    let swept = units(swept.ok_or_else(|| pool.too_large("usage"))?)?;
    let priced = pool.difference(&item.high, &item.low)?;
    // Time billed beyond the time held, and units an allowance took, have the item's mean price.
    let factor = match (swept == priced, swept.is_zero()) {
        (true, _) => Fraction::ONE,
        (false, true) => return Err(unknown(pool)),
        (false, false) => priced.checked_div(&swept).ok_or_else(|| pool.too_large("usage"))?,
    };
    for (tier, bounds) in bounds.iter().enumerate() {
        parts.extend(bounds.flat(pool, index, i64::from(share.entered[tier]))?);
        let held = units(share.weighed[tier])?.checked_mul(&factor);
        let held = held.ok_or_else(|| pool.too_large("usage"))?;
        if !held.is_zero() {
            let detail = format!("{}, held at once", bounds.text());
            parts.push(Part::units(pool, index, &held, bounds.tier.price_nano, detail)?);
        }
    }
    Ok(())
}

fn unknown(pool: &PricePool<'_>) -> ParkReason {
    let text = format!(
        "what is held of meter `{}` is not known second by second, as the tiers of its rate need",
        pool.meter.id
    );
    ParkReason::new(ParkCode::UnknownPrice, text)
}
