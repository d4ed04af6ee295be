//! Tiers: which of the units up to a place fall in each of them.
//!
//! A tier holds the units above the bound before it up to its own, inclusive. Its flat fee is due
//! once, with the first unit that falls in it, and stands with the item that brought it. What lies
//! above a last, closed tier has no price and parks the account.

use turnpike_schemas::tariff::Tier;
use turnpike_schemas::{Fraction, LineKind, RoundTo, parse};

use super::{Part, PricePool};
use crate::parked::{ParkCode, ParkReason};

/// One tier with its number and the bound below it.
pub(super) struct Bounds<'a> {
    pub tier: &'a Tier,
    pub number: usize,
    pub start: Fraction,
}

impl Bounds<'_> {
    pub fn all(tiers: &[Tier]) -> Vec<Bounds<'_>> {
        let mut start = Fraction::ZERO;
        let mut found = Vec::with_capacity(tiers.len());
        for (index, tier) in tiers.iter().enumerate() {
            found.push(Bounds { tier, number: index + 1, start });
            match tier.up_to() {
                Some(end) => start = end,
                None => break,
            }
        }
        found
    }

    /// How many of the first `units` fall in the tier; below zero the same with the sign.
    pub fn units(&self, units: &Fraction) -> Option<Fraction> {
        if units.is_negative() {
            return self.units(&units.checked_neg()?)?.checked_neg();
        }
        let end = self.tier.up_to().map_or(*units, |end| (*units).min(end));
        if end <= self.start { Some(Fraction::ZERO) } else { end.checked_sub(&self.start) }
    }

    /// 1 where one of the first `units` falls in the tier, -1 below zero.
    fn entered(&self, units: &Fraction) -> i64 {
        if *units > self.start {
            return 1;
        }
        let below = units.is_negative() && units.checked_neg().is_some_and(|u| u > self.start);
        if below { -1 } else { 0 }
    }

    /// `Tier 2: above 10 up to 20`.
    pub fn text(&self) -> String {
        let decimal = |nano: i128| parse::scaled_to_short_decimal(nano, 9);
        let to = self.tier.up_to_nano.map(decimal);
        let from = (self.number > 1).then(|| units_text(&self.start));
        match (from, to) {
            (None, Some(to)) => format!("Tier {}: up to {to}", self.number),
            (Some(from), Some(to)) => format!("Tier {}: above {from} up to {to}", self.number),
            (Some(from), None) => format!("Tier {}: above {from}", self.number),
            (None, None) => format!("Tier {}", self.number),
        }
    }

    /// The flat fee, so many times.
    pub fn flat(
        &self,
        pool: &PricePool<'_>,
        item: usize,
        times: i64,
    ) -> Result<Option<Part>, ParkReason> {
        if times == 0 || self.tier.flat_nano == 0 {
            return Ok(None);
        }
        let value = pool.amount(&Fraction::whole(i128::from(times)), self.tier.flat_nano)?;
        let text = format!("{}, flat fee", self.text());
        Ok(Some(Part::flat(pool, item, LineKind::Fee, value, text)))
    }
}

/// Every item's units at the price of the tier in which each falls. `text` says what a part is.
pub(super) fn graduated(
    pool: &PricePool<'_>,
    tiers: &[Tier],
    text: &dyn Fn(&Bounds<'_>, &Fraction) -> String,
) -> Result<Vec<Part>, ParkReason> {
    let last = pool.items.last().map_or(pool.total, |item| item.high);
    within(pool, tiers, &last)?;
    within(pool, tiers, &pool.total)?;
    let bounds = Bounds::all(tiers);
    let mut parts = Vec::new();
    for (index, item) in pool.items.iter().enumerate() {
        for tier in &bounds {
            let units = |place: &Fraction| tier.units(place).ok_or_else(|| pool.too_large("usage"));
            let units = pool.difference(&units(&item.high)?, &units(&item.low)?)?;
            let times = tier.entered(&item.high) - tier.entered(&item.low);
            parts.extend(tier.flat(pool, index, times)?);
            if !units.is_zero() {
                let detail = text(tier, &units);
                parts.push(Part::units(pool, index, &units, tier.tier.price_nano, detail)?);
            }
        }
    }
    Ok(parts)
}

/// The tier in which the last of so many units falls.
pub(super) fn reached<'a>(
    pool: &PricePool<'_>,
    tiers: &'a [Tier],
    units: &Fraction,
) -> Result<Bounds<'a>, ParkReason> {
    let size = magnitude(pool, units)?;
    let mut all = Bounds::all(tiers).into_iter();
    all.find(|bounds| bounds.tier.up_to().is_none_or(|end| size <= end))
        .ok_or_else(|| above(pool, units))
}

fn within(pool: &PricePool<'_>, tiers: &[Tier], units: &Fraction) -> Result<(), ParkReason> {
    reached(pool, tiers, units).map(|_| ())
}

fn above(pool: &PricePool<'_>, units: &Fraction) -> ParkReason {
    let text = format!(
        "{} {} of meter `{}` lie above its last tier, which has a bound",
        units_text(units),
        pool.rate.unit.name,
        pool.meter.id
    );
    ParkReason::new(ParkCode::UnknownPrice, text)
}

pub(super) fn magnitude(pool: &PricePool<'_>, units: &Fraction) -> Result<Fraction, ParkReason> {
    if !units.is_negative() {
        return Ok(*units);
    }
    units.checked_neg().ok_or_else(|| pool.too_large("usage"))
}

/// Decimals shown of a number that does not end.
const DECIMALS_SHOWN: u32 = 9;

/// `12.5`, or `about 0.333333333`.
pub(super) fn units_text(units: &Fraction) -> String {
    if let Some((value, scale)) = units.to_scaled(0, DECIMALS_SHOWN) {
        return parse::scaled_to_short_decimal(value, scale);
    }
    let rounded = units.round_decimals(DECIMALS_SHOWN, RoundTo::HalfEven);
    match rounded.and_then(|rounded| rounded.to_scaled(0, DECIMALS_SHOWN)) {
        Some((value, scale)) => format!("about {}", parse::scaled_to_short_decimal(value, scale)),
        None => units.to_string(),
    }
}

/// `1 package`, `13 packages`.
pub(super) fn counted(count: i128, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
