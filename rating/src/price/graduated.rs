//! Graduated: each unit at the price of the tier in which it falls.
//!
//! The units are those of the period so far, or (`TierBasis::Held`) what is held at each instant,
//! each level weighed by its time.

use turnpike_schemas::PriceModel;

use super::{Part, Price, PricePool, held, tiers, zero_usage};
use crate::parked::ParkReason;

pub struct Graduated;

impl Price for Graduated {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::Graduated(terms) = &pool.rate.model else {
            return Ok(Vec::new());
        };
        if held::applies(pool, terms.basis) {
            return held::graduated(pool, &terms.tiers);
        }
        let mut parts = tiers::graduated(pool, &terms.tiers, &|tier, _| tier.text())?;
        parts.extend(zero_usage::first_flat(pool));
        Ok(parts)
    }
}
