//! Graduated percentage: of an amount of money that the meter measures, each part at the share of
//! the tier in which it falls.

use turnpike_schemas::tariff::{PercentTier, Tier};
use turnpike_schemas::{Fraction, PriceModel};

use super::percentage::percent;
use super::tiers::{Bounds, units_text};
use super::{Part, Price, PricePool, tiers, zero_usage};
use crate::parked::ParkReason;

pub struct GraduatedPercentage;

impl Price for GraduatedPercentage {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::GraduatedPercentage { tiers, .. } = &pool.rate.model else {
            return Ok(Vec::new());
        };
        let tiers: Vec<Tier> = tiers.iter().map(to_tier).collect();
        let text = |tier: &Bounds<'_>, units: &Fraction| {
            let role = format!("{}, {}", tier.text(), percent(tier.tier.price_nano));
            pool.detail(role, &format!("of {}", units_text(units)))
        };
        let mut parts = tiers::graduated(pool, &tiers, &text)?;
        parts.extend(zero_usage::first_flat(pool));
        Ok(parts)
    }
}

/// A share is the price of one unit of money.
pub(super) fn to_tier(tier: &PercentTier) -> Tier {
    Tier { up_to_nano: tier.up_to_nano, price_nano: tier.rate_nano, flat_nano: tier.flat_nano }
}
