//! Amounts that gathering worked out piece by piece: one part each, which stands for itself.
//!
//! Shared by the models whose price changes with time, event or attributes. An allowance or a
//! rounding that changes an item's units takes its amount along: each unit at the item's mean price.

use turnpike_schemas::{Amount, LineKind};

use super::{Part, PoolItem, PricePool};
use crate::parked::{ParkCode, ParkReason};

/// A part for each item of the pool.
pub(super) fn parts(pool: &PricePool<'_>, detail: &str) -> Result<Vec<Part>, ParkReason> {
    let part = |(index, item): (usize, &PoolItem<'_>)| {
        let worth = item.sums.worth.ok_or_else(|| unknown(pool, item))?;
        let share = pool.share(item)?;
        let value = worth.checked_mul(&share).ok_or_else(|| pool.too_large("amount"))?;
        Ok(Part {
            item: index,
            kind: LineKind::Metered,
            quantity: item.sums.quantity,
            scale: pool.meter.scale,
            price_nano: 0,
            unit: pool.rate.unit.clone(),
            per: pool.rate.per,
            per_seconds: pool.per_seconds,
            amount: Amount::from_fraction(value, pool.currency),
            detail: detail.to_owned(),
        })
    };
    pool.items.iter().enumerate().map(part).collect()
}

fn unknown(pool: &PricePool<'_>, item: &PoolItem<'_>) -> ParkReason {
    let text = format!(
        "the usage of {} for meter `{}` was not worked out piece by piece, as its price model needs",
        item.key.resource, pool.meter.id
    );
    ParkReason::new(ParkCode::UnknownPrice, text)
}
