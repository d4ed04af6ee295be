//! Per unit: quantity x price, linear.
//!
//! `amount = quantity x price_nano / (unit x 10^scale x per_seconds x 10^9)`, exactly. The price per
//! second is never computed: 0.0416 per hour has no finite one.

use super::{Part, Price, PricePool};
use crate::parked::ParkReason;

pub struct PerUnit;

impl Price for PerUnit {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let linear = |(index, item): (usize, &super::PoolItem<'_>)| {
            let units = pool.difference(&item.high, &item.low)?;
            let whole =
                units.checked_mul(&turnpike_schemas::Fraction::whole(pool.divisor()?)).is_some_and(
                    |quantity| quantity == turnpike_schemas::Fraction::whole(item.sums.quantity),
                );
            if whole {
                return Part::whole(pool, index);
            }
            Part::units(pool, index, &units, pool.rate.price_nano, String::new())
        };
        pool.items.iter().enumerate().map(linear).collect()
    }
}
