//! Allowances: units that cost nothing, taken in rating order (the versions in force, then first use)
//! before the price model; before the rate rounds its units or, where the tariff says so, after it.
//!
//! Of the units counted so far, as many are free as the allowance reaches; an item's free units are
//! the difference, so that an allowance that earlier usage has taken in part goes on where that
//! stopped. What is free stands on a line of its own at price 0. Where the price changes within an
//! item (a series, a price named by events), its free units are worth its mean price.

use std::collections::BTreeMap;

use turnpike_schemas::{
    Adjustment, AdjustmentKind, Fraction, LineKind, PriceBook, PriceUnit, RatedLine, RunId,
};

use super::adjust::kind_word;
use super::lines;
use super::overflow;
use super::pool::Found;
use super::scope::covers_usage;
use super::terms::{Series, Terms};
use crate::gather::{GatherKey, Gathered};
use crate::parked::ParkReason;
use crate::price::{Part, PoolItem, PricePool};

/// Decimals that the quantity of a line may have beyond its meter's.
const DECIMALS_MORE: u32 = 9;

/// Free usage of an item, in smallest parts of its meter, by allowance.
#[derive(Debug, Default)]
pub(super) struct Free<'a> {
    used: BTreeMap<&'a GatherKey, Vec<Taken<'a>>>,
    /// Of units as their rate rounds them.
    rounded: BTreeMap<&'a GatherKey, Vec<Taken<'a>>>,
}

#[derive(Debug)]
struct Taken<'a> {
    name: &'a str,
    parts: Fraction,
}

fn sum(taken: Option<&Vec<Taken<'_>>>) -> Result<Fraction, ParkReason> {
    let mut parts = taken.into_iter().flatten().map(|taken| taken.parts);
    parts.try_fold(Fraction::ZERO, |sum, parts| sum.checked_add(&parts)).ok_or_else(overflow)
}

impl<'a> Free<'a> {
    /// All smallest parts of an item that are free before units are rounded.
    pub fn parts(&self, key: &GatherKey) -> Result<Fraction, ParkReason> {
        sum(self.used.get(key))
    }

    /// Those of what units were rounded to.
    pub fn rounded_parts(&self, key: &GatherKey) -> Result<Fraction, ParkReason> {
        sum(self.rounded.get(key))
    }

    /// A priced part of an item as it is after allowances: nothing where they have taken all of it,
    /// and where its amount stands for itself, with the quantity that is left.
    pub fn left(&self, part: Part, item: &PoolItem<'_>) -> Result<Option<Part>, ParkReason> {
        if !self.used.contains_key(item.key) && !self.rounded.contains_key(item.key) {
            return Ok(Some(part));
        }
        if item.low == item.high && part.amount.is_zero() {
            return Ok(None);
        }
        if part.kind != LineKind::Metered || part.quantity != item.sums.quantity {
            return Ok(Some(part));
        }
        let rounded = self.rounded_parts(item.key)?;
        let left = Fraction::whole(part.quantity).checked_sub(&self.parts(item.key)?);
        let left = left.and_then(|left| left.checked_sub(&rounded));
        let (quantity, more) =
            left.and_then(|left| left.to_scaled(0, DECIMALS_MORE)).unwrap_or((part.quantity, 0));
        Ok(Some(Part { quantity, scale: part.scale + more, ..part }))
    }

    /// Takes every allowance off what was gathered, but for those that come after rounding.
    pub fn of(
        book: &'a PriceBook,
        terms: &Terms<'a>,
        gathered: &'a [(GatherKey, Gathered)],
    ) -> Result<Self, ParkReason> {
        Ok(Self { used: taken(book, terms, gathered, None)?, ..Self::default() })
    }

    /// Takes those off the units of items as they were rounded, in smallest parts.
    pub fn take_rounded(
        &mut self,
        book: &'a PriceBook,
        terms: &Terms<'a>,
        gathered: &'a [(GatherKey, Gathered)],
        parts: &BTreeMap<&'a GatherKey, Fraction>,
    ) -> Result<(), ParkReason> {
        self.rounded = taken(book, terms, gathered, Some(parts))?;
        Ok(())
    }

    /// The lines of an item's free units.
    pub fn lines(
        &self,
        run: &RunId,
        account: &turnpike_schemas::Account,
        pool: &PricePool<'a>,
    ) -> Result<Vec<(usize, RatedLine)>, ParkReason> {
        let mut found = Vec::new();
        for (index, item) in pool.items.iter().enumerate() {
            let taken = [self.used.get(item.key), self.rounded.get(item.key)];
            for (place, taken) in taken.into_iter().flatten().flatten().enumerate() {
                let divisor = Fraction::whole(pool.divisor()?);
                let units = taken.parts.checked_div(&divisor).ok_or_else(overflow)?;
                let part = Part::units(pool, index, &units, 0, taken.name.to_owned())?;
                let apart = format!("allowance {place}: {}", taken.name);
                found.push((index, lines::line_of(run, account, pool, &part, &apart)?));
            }
        }
        Ok(found)
    }
}

/// The smallest parts of an item, as they were rounded; without them, as they were used.
type Rounded<'r, 'a> = Option<&'r BTreeMap<&'a GatherKey, Fraction>>;

/// What the allowances take that come before rounding, or after it.
fn taken<'a>(
    book: &'a PriceBook,
    terms: &Terms<'a>,
    gathered: &'a [(GatherKey, Gathered)],
    rounded: Rounded<'_, 'a>,
) -> Result<BTreeMap<&'a GatherKey, Vec<Taken<'a>>>, ParkReason> {
    let mut taken = BTreeMap::new();
    let mut items: Vec<Found<'a>> = Vec::new();
    for month in &terms.months {
        let allowances: Vec<_> = terms
            .series(month, |version| &version.adjustments, kind_word)
            .into_iter()
            .filter(|series| series.id.word == "allowance")
            .collect();
        if allowances.is_empty() {
            continue;
        }
        if items.is_empty() {
            items.extend(gathered.iter().map(|(key, sums)| Found::of(book, key, sums)));
            items.sort_by_cached_key(|found| {
                (terms.stretch_of(found.key, found.sums), found.sums.first, found.key)
            });
        }
        let own: Vec<Found<'a>> = items
            .iter()
            .filter(|found| month.contains(found.key.month.unwrap_or(found.sums.first)))
            .copied()
            .collect();
        for series in &allowances {
            take(&mut taken, terms, series, &own, rounded)?;
        }
    }
    Ok(taken)
}

fn take<'a>(
    taken: &mut BTreeMap<&'a GatherKey, Vec<Taken<'a>>>,
    terms: &Terms<'a>,
    series: &Series<'a, Adjustment>,
    items: &[Found<'a>],
    rounded: Rounded<'_, 'a>,
) -> Result<(), ParkReason> {
    let mut pools: BTreeMap<(Option<&str>, Option<_>), Counted> = BTreeMap::new();
    for found in items {
        let Some(stretch) = terms.stretch_of(found.key, found.sums) else { continue };
        let Some(adjustment) = series.by_stretch.get(&stretch) else { continue };
        let AdjustmentKind::Allowance { quantity_nano, unit, after_rounding } = &adjustment.kind
        else {
            continue;
        };
        let Found { key, rate, .. } = found;
        if *after_rounding != rounded.is_some()
            || !covers_usage(&adjustment.scope, &key.meter, &key.service, &rate.name)
            || adjustment.windows && key.window.is_none()
        {
            continue;
        }
        let window = key.window.filter(|_| adjustment.windows);
        let pool = pools.entry((found.member(adjustment.pool), window)).or_default();
        let divisor = divisor(found, unit)?;
        let used = Fraction::whole(found.sums.quantity);
        let left = rounded
            .map_or(used, |parts| parts.get(key).copied().unwrap_or(Fraction::ZERO))
            .checked_sub(&sum(taken.get(key))?)
            .and_then(|parts| parts.checked_div(&divisor))
            .ok_or_else(overflow)?;
        let units = pool.add(&left, &Fraction::nano(*quantity_nano)).ok_or_else(overflow)?;
        if units.is_zero() {
            continue;
        }
        let parts = units.checked_mul(&divisor).ok_or_else(overflow)?;
        taken.entry(*key).or_default().push(Taken { name: &adjustment.name, parts });
    }
    Ok(())
}

/// Units that an allowance has counted, and those of them that were free.
#[derive(Debug)]
struct Counted {
    units: Fraction,
    free: Fraction,
}

impl Default for Counted {
    fn default() -> Self {
        Self { units: Fraction::ZERO, free: Fraction::ZERO }
    }
}

impl Counted {
    /// The free ones among more units. Corrections give back what they take away, in this month or
    /// in a later one: below zero as many units are free as above. Where a later version has a
    /// smaller allowance, what was free before stays so.
    fn add(&mut self, units: &Fraction, quantity: &Fraction) -> Option<Fraction> {
        self.units = self.units.checked_add(units)?;
        let reach = self.units.min(*quantity).max(quantity.checked_neg()?);
        let free = reach.checked_sub(&self.free)?;
        let free = free.max((*units).min(Fraction::ZERO)).min((*units).max(Fraction::ZERO));
        self.free = self.free.checked_add(&free)?;
        Some(free)
    }
}

/// Smallest parts of the meter in one of the allowance's units and the rate's `per`.
fn divisor(found: &Found<'_>, unit: &PriceUnit) -> Result<Fraction, ParkReason> {
    10_i128
        .checked_pow(found.meter.scale)
        .and_then(|scale| scale.checked_mul(i128::from(unit.base_units)))
        .and_then(|unit| unit.checked_mul(i128::from(found.key.per_seconds)))
        .map(Fraction::whole)
        .ok_or_else(overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowances_go_on_and_give_back() {
        let check = |items: &[(i128, i128)], expect: &[i128]| {
            let mut counted = Counted::default();
            let free: Vec<Fraction> = items
                .iter()
                .map(|(units, quantity)| {
                    let (units, quantity) = (Fraction::whole(*units), Fraction::whole(*quantity));
                    counted.add(&units, &quantity).expect("adds")
                })
                .collect();
            let expect: Vec<Fraction> = expect.iter().copied().map(Fraction::whole).collect();
            assert_eq!(free, expect, "{items:?}");
        };
        check(&[(5, 10), (15, 10)], &[5, 5]);
        check(&[(10, 10), (1, 10)], &[10, 0]);
        check(&[(20, 10), (-5, 10), (-10, 10)], &[10, 0, -5]);
        check(&[(20, 10), (-20, 10)], &[10, -10]);
        check(&[(-3, 10), (5, 10)], &[-3, 5]);
        check(&[(-15, 10), (-1, 10)], &[-10, 0]);
        // A larger allowance from the middle of the month on, then a smaller one.
        check(&[(15, 10), (10, 20), (5, 20)], &[10, 10, 0]);
        check(&[(15, 20), (10, 10)], &[15, 0]);
    }
}
