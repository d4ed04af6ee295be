//! Graduated: each unit at the price of the tier in which it falls.
//!
//! A tier holds the units above the bound before it up to its own, inclusive. Its flat fee is due
//! once, with the first unit that falls in it, and stands with the item that brought it.

use turnpike_schemas::tariff::{Tier, Tiers};
use turnpike_schemas::{Amount, Fraction, LineKind, PriceModel};

use super::{Part, Price, PricePool};
use crate::parked::ParkReason;

pub struct Graduated;

impl Price for Graduated {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::Graduated(Tiers { tiers, .. }) = &pool.rate.model else {
            return Ok(Vec::new());
        };
        let mut parts = Vec::new();
        for (index, item) in pool.items.iter().enumerate() {
            for piece in pieces(tiers, &item.low, &item.high) {
                let units = pool.difference(&piece.high, &piece.low)?;
                let detail = tier_text(tiers, piece.tier);
                if piece.enters && tiers[piece.tier].flat_nano != 0 {
                    let flat = Fraction::nano(tiers[piece.tier].flat_nano);
                    let amount = Amount::from_fraction(flat, pool.currency);
                    let text = format!("{detail}, flat fee");
                    parts.push(Part::flat(pool, index, LineKind::Fee, amount, text));
                }
                let price = tiers[piece.tier].price_nano;
                parts.push(Part::units(pool, index, &units, price, detail)?);
            }
        }
        Ok(parts)
    }
}

/// The units of `[low, high)` that fall in one tier.
pub(super) struct TierPiece {
    pub tier: usize,
    pub low: Fraction,
    pub high: Fraction,
    /// Whether no unit before `low` fell in this tier.
    pub enters: bool,
}

/// Cuts `[low, high)` at the tiers' bounds.
pub(super) fn pieces(tiers: &[Tier], low: &Fraction, high: &Fraction) -> Vec<TierPiece> {
    let mut found = Vec::new();
    let mut start = Fraction::ZERO;
    for (tier, bounds) in tiers.iter().enumerate() {
        let end = bounds.up_to();
        let from = (*low).max(start);
        let to = end.map_or(*high, |end| (*high).min(end));
        if from < to {
            found.push(TierPiece { tier, low: from, high: to, enters: from == start });
        }
        match end {
            Some(end) => start = end,
            None => break,
        }
    }
    found
}

/// `Tier 2: above 10 GiB`.
pub(super) fn tier_text(tiers: &[Tier], tier: usize) -> String {
    let bound = |index: usize| {
        let nano = tiers.get(index).and_then(|tier| tier.up_to_nano)?;
        Some(turnpike_schemas::parse::scaled_to_short_decimal(nano.into(), 9))
    };
    let below = tier.checked_sub(1).and_then(bound);
    match (below, bound(tier)) {
        (None, Some(to)) => format!("Tier {}: up to {to}", tier + 1),
        (Some(from), Some(to)) => format!("Tier {}: above {from} up to {to}", tier + 1),
        (Some(from), None) => format!("Tier {}: above {from}", tier + 1),
        (None, None) => format!("Tier {}", tier + 1),
    }
}
