//! Price models: from the units of a pool to exact amounts. One file each.
//!
//! A pool's items stand in one order, each at its place `[low, high)` among the units of the pool.
//! Whatever is counted over a pool (tiers, packages, blocks) prices an item as the difference of the
//! price up to `high` and the price up to `low`: the parts of all items add up to the price of the
//! whole, however usage was cut, and each part stays with its resource and site.

pub mod dynamic;
mod graduated;
pub mod hashmap;
mod metered;
mod part;
mod per_unit;
pub mod series;
#[cfg(test)]
mod tests;

use turnpike_schemas::{Amount, Currency, Fraction, Meter, PriceModel, Rate};

pub use graduated::Graduated;
pub use part::Part;
pub use per_unit::PerUnit;

use crate::gather::{GatherKey, Gathered};
use crate::parked::{ParkCode, ParkReason};

/// One gathered sum at its place in a pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolItem<'a> {
    pub key: &'a GatherKey,
    pub sums: &'a Gathered,
    /// Units of the pool before this item, and with it: after allowances and rounding.
    pub low: Fraction,
    pub high: Fraction,
}

/// What a price model is given: the usage of one rate in one pool.
#[derive(Debug, Clone)]
pub struct PricePool<'a> {
    pub rate: &'a Rate,
    pub meter: &'a Meter,
    pub currency: Currency,
    /// Seconds of the rate's `per`: 1 for sums.
    pub per_seconds: i64,
    /// In order of first use.
    pub items: Vec<PoolItem<'a>>,
    /// All units of the series in its month, those of earlier and later tariff versions included.
    pub total: Fraction,
}

impl PricePool<'_> {
    /// Smallest parts of the meter in one unit: base units, decimals and seconds.
    pub fn divisor(&self) -> Result<i128, ParkReason> {
        10_i128
            .checked_pow(self.meter.scale)
            .and_then(|scale| scale.checked_mul(i128::from(self.rate.unit.base_units)))
            .and_then(|unit| unit.checked_mul(i128::from(self.per_seconds)))
            .ok_or_else(|| self.too_large("unit"))
    }

    pub fn too_large(&self, what: &str) -> ParkReason {
        let account = self.items.first().map_or("-", |item| item.key.account.as_str());
        let text = format!("the {what} of meter `{}` for {account} is too large", self.meter.id);
        ParkReason::new(ParkCode::Overflow, text)
    }

    /// A price times a number of units.
    pub fn amount(&self, units: &Fraction, price_nano: i64) -> Result<Amount, ParkReason> {
        units
            .checked_mul(&Fraction::nano(price_nano))
            .map(|value| Amount::from_fraction(value, self.currency))
            .ok_or_else(|| self.too_large("amount"))
    }

    /// The part of an item's own units that is priced: less than 1 after an allowance.
    pub fn share(&self, item: &PoolItem<'_>) -> Result<Fraction, ParkReason> {
        let own = Fraction::ratio(item.sums.quantity, self.divisor()?);
        let own = own.ok_or_else(|| self.too_large("usage"))?;
        let priced = self.difference(&item.high, &item.low)?;
        if own == priced || own.is_zero() {
            return Ok(Fraction::ONE);
        }
        priced.checked_div(&own).ok_or_else(|| self.too_large("usage"))
    }

    pub fn difference(&self, high: &Fraction, low: &Fraction) -> Result<Fraction, ParkReason> {
        high.checked_sub(low).ok_or_else(|| self.too_large("usage"))
    }
}

/// A price model.
pub trait Price: Sync {
    /// The exact parts, each with the item it belongs to, or why there are none.
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason>;
}

/// The model of a rate.
pub fn model_of(rate: &Rate) -> Result<&dyn Price, ParkReason> {
    match &rate.model {
        PriceModel::PerUnit => Ok(&PerUnit),
        PriceModel::Graduated(_) => Ok(&Graduated),
        PriceModel::Series { .. } => Ok(&series::Series),
        PriceModel::Dynamic(_) => Ok(&dynamic::Dynamic),
        PriceModel::HashMap { .. } => Ok(&hashmap::HashMap),
        _ => {
            let text = format!("the price model of meter `{}` cannot be rated", rate.meter);
            Err(ParkReason::new(ParkCode::UnpricedMeter, text))
        }
    }
}
