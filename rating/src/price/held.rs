//! Tiers by what is held at each instant: a sweep over the levels of a pool's items.
//!
//! At each second the items held stand on one another in the series' order, and each takes the tiers
//! of its place in the stack. The amounts of one second add up to the price of the whole level, so
//! no order of items changes the total. Levels count in whole seconds, as all usage does.
//!
//! Between two changes of any level each tier holds a row of whole items, and parts of the items at its
//! bounds. So a change costs the tiers times the logarithm of the items, however many are held: for how
//! long each stood wholly in a tier is known from sums over the row, and is weighed when its own level
//! changes.

use std::collections::BTreeMap;
use std::ops::Range;

use turnpike_schemas::tariff::{Tier, TierBasis};
use turnpike_schemas::{Aggregation, Fraction};

use super::row::Row;
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
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// What is held at an instant, and for how long it stood.
struct Stack {
    /// By item.
    levels: Vec<i128>,
    row: Row,
    /// By tier: the seconds for which each item stood wholly in it, as changes from the item before.
    within: Vec<Row>,
    /// By item of the pool and tier: those of these seconds that are weighed.
    settled: Vec<Vec<i128>>,
}

pub(super) fn graduated(pool: &PricePool<'_>, tiers: &[Tier]) -> Result<Vec<Part>, ParkReason> {
    let too_large = || pool.too_large("level");
    let bounds = Bounds::all(tiers);
    let (all, own) = known(pool)?;
    let mut sweep = Sweep::new(pool, &bounds, own)?;
    let changes = changes(&all).ok_or_else(too_large)?;
    let is_above = all.iter().flat_map(|sums| &sums.steps).all(|step| step.quantity >= 0);
    let swept = if is_above { sweep.run(changes, all.len()) } else { sweep.walk(changes) };
    swept.ok_or_else(too_large)?;
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
    fn run(&mut self, changes: Changes, items: usize) -> Option<()> {
        let mut stack = Stack {
            levels: vec![0; items],
            row: Row::new(items),
            within: vec![Row::new(items + 1); self.bounds.len()],
            settled: vec![vec![0; self.bounds.len()]; self.own.len()],
        };
        let mut changes = changes.into_iter().peekable();
        while let Some((at, by)) = changes.next() {
            for (item, by) in by {
                self.settle(&mut stack, item)?;
                stack.levels[item] = stack.levels[item].checked_add(by)?;
                stack.row.add(item, by)?;
            }
            if let Some((next, _)) = changes.peek() {
                self.stand(&mut stack, i128::from(next.checked_sub(at)?))?;
            }
        }
        self.own.clone().try_for_each(|item| self.settle(&mut stack, item))
    }

    /// Weighs the time in which an item stood wholly in a tier since its level changed last.
    fn settle(&mut self, stack: &mut Stack, item: usize) -> Option<()> {
        let index = item.checked_sub(self.own.start);
        let Some(share) = index.and_then(|index| self.shares.get_mut(index)) else {
            return Some(());
        };
        let settled = stack.settled.get_mut(index?)?;
        let level = stack.levels[item].checked_mul(NANO)?;
        for ((seconds, before), weighed) in stack.within.iter().zip(settled).zip(&mut share.weighed)
        {
            let now = seconds.before(item + 1)?;
            *weighed = weighed.checked_add(level.checked_mul(now.checked_sub(*before)?)?)?;
            *before = now;
        }
        Some(())
    }

    /// Lets the levels stand for so many seconds.
    fn stand(&mut self, stack: &mut Stack, seconds: i128) -> Option<()> {
        let (own, row) = (self.own.clone(), &stack.row);
        let low = row.before(own.start)?;
        let high = row.before(own.end)?;
        if high > low {
            self.top = self.top.max(high.checked_mul(NANO)?);
        }
        for tier in 0..self.bounds.len() {
            let (start, end) = self.bounds[tier];
            // Places are whole smallest parts: above a bound is above its whole part.
            let Some((first, below)) = row.first_above(start.div_euclid(NANO)) else { break };
            let last = end.and_then(|end| row.first_above(end.div_euclid(NANO)));
            let beyond = last.map_or(stack.levels.len(), |(item, _)| item);
            if !self.entered[tier] {
                self.entered[tier] = true;
                if let Some(share) = self.share(first) {
                    share.entered[tier] = true;
                }
            }
            for (item, below) in [(first, below)].into_iter().chain(last) {
                let (low, level) = (below.checked_mul(NANO)?, stack.levels[item]);
                let high = low.checked_add(level.checked_mul(NANO)?)?;
                let part = end.map_or(high, |end| high.min(end)).checked_sub(low.max(start))?;
                if let Some(share) = self.share(item) {
                    let weighed = &mut share.weighed[tier];
                    *weighed = weighed.checked_add(part.max(0).checked_mul(seconds)?)?;
                }
                if beyond == first {
                    break;
                }
            }
            if first + 1 < beyond {
                stack.within[tier].add(first + 1, seconds)?;
                stack.within[tier].add(beyond, seconds.checked_neg()?)?;
            }
        }
        Some(())
    }

    fn share(&mut self, item: usize) -> Option<&mut Share> {
        item.checked_sub(self.own.start).and_then(|index| self.shares.get_mut(index))
    }

    /// The same item by item: a level below zero has no place in a row.
    fn walk(&mut self, changes: Changes) -> Option<()> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Levels of items one after the other, and then all over again.
        #[test]
        fn the_row_and_the_walk_agree(
            steps in proptest::collection::vec((0_usize..9, 0_i64..40, 1_i64..20, 0_i128..7), 0..40),
            widths in proptest::collection::vec(1_i128..9, 0..4),
            (from, length) in (0_usize..5, 0_usize..5),
        ) {
            let mut changes = Changes::new();
            for (item, start, seconds, level) in steps {
                changes.entry(start).or_default().push((item, level));
                changes.entry(start + seconds).or_default().push((item, -level));
            }
            let mut bounds = Vec::new();
            let mut start = 0;
            for width in widths {
                // Thirds of smallest parts, so that bounds lie within them too.
                let end = start + width * NANO / 3;
                bounds.push((start, Some(end)));
                start = end;
            }
            bounds.push((start, None));
            let none = Share { weighed: vec![0; bounds.len()], entered: vec![false; bounds.len()] };
            let sweep = || Sweep {
                entered: vec![false; bounds.len()],
                bounds: bounds.clone(),
                own: from..from + length,
                shares: vec![none.clone(); length],
                top: 0,
            };
            let (mut fast, mut slow) = (sweep(), sweep());
            fast.run(changes.clone(), 9).expect("fits");
            slow.walk(changes).expect("fits");
            prop_assert_eq!(fast.shares, slow.shares);
            prop_assert_eq!((fast.top, fast.entered), (slow.top, slow.entered));
        }
    }
}
