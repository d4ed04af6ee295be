//! Blocks: units are sold in blocks, which each tier has a number of.
//!
//! A tier holds `size x blocks_max` units. With all tiers, each prices the blocks that fall in it,
//! its last one rounded up; what lies above a last, limited tier has no price. With the top tier,
//! the tier that the total reaches prices all units in its own blocks; above all of them, the last
//! one does.

use turnpike_schemas::tariff::{BlockPolicy, BlockTier};
use turnpike_schemas::{Fraction, PriceModel, RoundTo};

use super::tiers::{magnitude, units_text};
use super::{Part, Price, PricePool};
use crate::parked::{ParkCode, ParkReason};

pub struct Blocks;

impl Price for Blocks {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::Blocks { policy, tiers } = &pool.rate.model else {
            return Ok(Vec::new());
        };
        let spans = spans(tiers).ok_or_else(|| pool.too_large("capacity of the tiers"))?;
        match policy {
            BlockPolicy::AllTiers => all_tiers(pool, &spans),
            BlockPolicy::TopTier => top_tier(pool, &spans),
        }
    }
}

/// A tier at its place among the units.
struct Span<'a> {
    tier: &'a BlockTier,
    number: usize,
    start: Fraction,
    end: Option<Fraction>,
}

fn spans(tiers: &[BlockTier]) -> Option<Vec<Span<'_>>> {
    let mut start = Fraction::ZERO;
    let mut found = Vec::with_capacity(tiers.len());
    for (index, tier) in tiers.iter().enumerate() {
        let capacity = match tier.blocks_max {
            Some(most) => {
                let blocks = Fraction::whole(i128::from(most.max(0)));
                Some(Fraction::nano(tier.size_nano).checked_mul(&blocks)?)
            }
            None => None,
        };
        let end = match capacity {
            Some(capacity) => Some(start.checked_add(&capacity)?),
            None => None,
        };
        found.push(Span { tier, number: index + 1, start, end });
        match end {
            Some(end) => start = end,
            None => break,
        }
    }
    Some(found)
}

impl Span<'_> {
    /// Blocks of this tier among the first `units`; below zero the same with the sign.
    fn blocks(&self, units: &Fraction) -> Option<i128> {
        if units.is_negative() {
            return self.blocks(&units.checked_neg()?)?.checked_neg();
        }
        let to = self.end.map_or(*units, |end| (*units).min(end));
        if to <= self.start {
            return Some(0);
        }
        rounded_up(&to.checked_sub(&self.start)?, self.tier)
    }

    fn part(
        &self,
        pool: &PricePool<'_>,
        item: usize,
        count: i128,
        more: &str,
    ) -> Result<Part, ParkReason> {
        let size = units_text(&Fraction::nano(self.tier.size_nano));
        let role = format!("Tier {}: blocks of {size}{more}", self.number);
        let detail = pool.detail(role, &count.to_string());
        let unit = format!("block of {size} {}", pool.unit_text());
        Part::counted(pool, item, count, self.tier.price_nano, &unit, detail)
    }

    fn holds(&self, size: &Fraction) -> bool {
        self.end.is_none_or(|end| *size <= end)
    }
}

fn rounded_up(units: &Fraction, tier: &BlockTier) -> Option<i128> {
    let blocks = units.checked_div(&Fraction::nano(tier.size_nano))?.round(RoundTo::Up)?;
    i128::try_from(blocks).ok()
}

fn all_tiers(pool: &PricePool<'_>, spans: &[Span<'_>]) -> Result<Vec<Part>, ParkReason> {
    let last = pool.items.last().map_or(pool.total, |item| item.high);
    for units in [last, pool.total] {
        let size = magnitude(pool, &units)?;
        if !spans.iter().any(|span| span.holds(&size)) {
            return Err(above(pool, &units));
        }
    }
    let mut parts = Vec::new();
    for (index, item) in pool.items.iter().enumerate() {
        let before = parts.len();
        for span in spans {
            let count = difference(pool, span.blocks(&item.high), span.blocks(&item.low))?;
            if count != 0 {
                parts.push(span.part(pool, index, count, "")?);
            }
        }
        // Units within a block that another item started are shown, though they cost nothing more.
        if parts.len() == before && item.high != item.low {
            let size = magnitude(pool, &item.high)?;
            if let Some(span) = spans.iter().find(|span| span.holds(&size)) {
                parts.push(span.part(pool, index, 0, "")?);
            }
        }
    }
    Ok(parts)
}

fn top_tier(pool: &PricePool<'_>, spans: &[Span<'_>]) -> Result<Vec<Part>, ParkReason> {
    let size = magnitude(pool, &pool.total)?;
    let reached = spans.iter().find(|span| span.holds(&size)).or(spans.last());
    let Some(span) = reached else { return Ok(Vec::new()) };
    let mut parts = Vec::with_capacity(pool.items.len());
    for (index, item) in pool.items.iter().enumerate() {
        let blocks = |units: &Fraction| rounded_up(units, span.tier);
        let count = difference(pool, blocks(&item.high), blocks(&item.low))?;
        parts.push(span.part(pool, index, count, ", all units")?);
    }
    Ok(parts)
}

fn difference(
    pool: &PricePool<'_>,
    high: Option<i128>,
    low: Option<i128>,
) -> Result<i128, ParkReason> {
    high.zip(low)
        .and_then(|(high, low)| high.checked_sub(low))
        .ok_or_else(|| pool.too_large("number of blocks"))
}

fn above(pool: &PricePool<'_>, units: &Fraction) -> ParkReason {
    let text = format!(
        "{} {} of meter `{}` are more than the blocks of all its tiers",
        units_text(units),
        pool.rate.unit.name,
        pool.meter.id
    );
    ParkReason::new(ParkCode::UnknownPrice, text)
}
