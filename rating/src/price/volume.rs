//! Volume: all units at the price of the tier that the total of the period reaches.
//!
//! The tier's flat fee is due once in the period, on its first item. With `TierBasis::Held` the
//! tier is that of the highest quantity held at one instant of the period, by all items of the pool
//! together; the price applies to units weighed by time, as always.

use turnpike_schemas::PriceModel;

use super::{Part, Price, PricePool, held, tiers, zero_usage};
use crate::parked::ParkReason;

pub struct Volume;

impl Price for Volume {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::Volume(terms) = &pool.rate.model else {
            return Ok(Vec::new());
        };
        let held = held::applies(pool, terms.basis);
        let reach = if held { held::peak(pool)? } else { pool.total };
        let tier = tiers::reached(pool, &terms.tiers, &reach)?;
        let mut parts = Vec::with_capacity(pool.items.len() + 1);
        // Later versions of the rate go on with a period whose fee is on a line already.
        if pool.before().is_empty() && !pool.items.is_empty() && !reach.is_zero() {
            parts.extend(tier.flat(pool, 0, if reach.is_negative() { -1 } else { 1 })?);
        }
        if !held || reach.is_zero() {
            parts.extend(zero_usage::first_flat(pool));
        }
        let detail = format!("{}, all units", tier.text());
        for (index, item) in pool.items.iter().enumerate() {
            let units = pool.difference(&item.high, &item.low)?;
            parts.push(Part::units(pool, index, &units, tier.tier.price_nano, detail.clone())?);
        }
        Ok(parts)
    }
}
