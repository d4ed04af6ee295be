//! [`Part`]: a priced piece of an item, from which one rated line is made.

use turnpike_schemas::{Amount, Fraction, LineKind, Per, PriceUnit};

use super::PricePool;
use crate::parked::ParkReason;

/// Decimals that a line's quantity may have beyond its meter's: tier bounds have nine.
const DECIMALS_MORE: u32 = 9;

/// A detail without the numbers in brackets.
pub(crate) fn role_of(detail: &str) -> &str {
    detail.split_once(" (").map_or(detail, |(role, _)| role)
}

/// A priced piece of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Index into the pool's items.
    pub item: usize,
    pub kind: LineKind,
    /// As in a rated line: at 10^-scale base units, times seconds where it is held.
    pub quantity: i128,
    pub scale: u32,
    pub price_nano: i64,
    pub unit: PriceUnit,
    pub per: Per,
    pub per_seconds: i64,
    pub amount: Amount,
    pub detail: String,
}

impl Part {
    /// What sets the part apart from others of its item: the detail without this item's numbers, so
    /// that the lines of a later run, with more usage, are known as the same.
    pub fn role(&self) -> &str {
        role_of(&self.detail)
    }

    /// The whole of an item at one price.
    pub fn whole(pool: &PricePool<'_>, item: usize) -> Result<Self, ParkReason> {
        let sums = pool.items[item].sums;
        let amount =
            Amount::from_price(sums.quantity, pool.rate.price_nano, pool.divisor()?, pool.currency)
                .map_err(|_| pool.too_large("amount"))?;
        Ok(Self {
            item,
            kind: LineKind::Usage,
            quantity: sums.quantity,
            scale: pool.meter.scale,
            price_nano: pool.rate.price_nano,
            unit: pool.rate.unit.clone(),
            per: pool.rate.per,
            per_seconds: pool.per_seconds,
            amount,
            detail: String::new(),
        })
    }

    /// Some units of an item at one price.
    pub fn units(
        pool: &PricePool<'_>,
        item: usize,
        units: &Fraction,
        price_nano: i64,
        detail: String,
    ) -> Result<Self, ParkReason> {
        let amount = pool.amount(units, price_nano)?;
        let smallest = Fraction::whole(pool.divisor()?);
        let quantity = units.checked_mul(&smallest).ok_or_else(|| pool.too_large("usage"))?;
        let exact = quantity.to_scaled(0, DECIMALS_MORE);
        // Units that end nowhere (a rounding to thirds) have an amount that stands for itself.
        let (kind, (quantity, more)) = match exact {
            Some(exact) => (LineKind::Usage, exact),
            None => (LineKind::Metered, (pool.items[item].sums.quantity, 0)),
        };
        Ok(Self {
            item,
            kind,
            quantity,
            scale: pool.meter.scale + more,
            price_nano,
            unit: pool.rate.unit.clone(),
            per: pool.rate.per,
            per_seconds: pool.per_seconds,
            amount,
            detail,
        })
    }

    /// So many packages, blocks or events at a price each.
    pub fn counted(
        pool: &PricePool<'_>,
        item: usize,
        count: i128,
        price_nano: i64,
        unit: &str,
        detail: String,
    ) -> Result<Self, ParkReason> {
        let amount = Amount::from_price(count, price_nano, 1, pool.currency)
            .map_err(|_| pool.too_large("amount"))?;
        Ok(Self {
            item,
            kind: LineKind::Usage,
            quantity: count,
            scale: 0,
            price_nano,
            unit: PriceUnit { name: unit.to_owned(), base_units: 1 },
            per: Per::Unit,
            per_seconds: 1,
            amount,
            detail,
        })
    }

    /// An amount that no quantity explains: a flat fee, a lump.
    pub fn flat(
        pool: &PricePool<'_>,
        item: usize,
        kind: LineKind,
        amount: Amount,
        detail: String,
    ) -> Self {
        Self {
            item,
            kind,
            quantity: 1,
            scale: 0,
            price_nano: 0,
            unit: PriceUnit { name: pool.rate.unit.name.clone(), base_units: 1 },
            per: Per::Unit,
            per_seconds: 1,
            amount,
            detail,
        }
    }
}
