//! Price models: from the units of a pool to exact amounts. One file each.
//!
//! A pool's items stand in one order, each at its place `[low, high)` among the units of the pool.
//! Whatever is counted over a pool (tiers, packages, blocks) prices an item as the difference of the
//! price up to `high` and the price up to `low`: the parts of all items add up to the price of the
//! whole, however usage was cut, and each part stays with its resource and site.
//!
//! Corrections have negative units, and a pool may end below zero. Every price is odd: so many units
//! less cost what so many units cost, with the other sign. A reversal cancels to zero in the same
//! month, and in a later one too.

mod blocks;
pub mod dynamic;
pub mod events;
mod graduated;
mod graduated_percentage;
pub mod hashmap;
mod held;
mod metered;
mod package;
mod part;
mod per_unit;
mod percentage;
mod row;
pub mod series;
#[cfg(test)]
pub(crate) mod tests;
mod tiers;
mod volume;
mod whole;
mod zero_usage;

use std::ops::Range;
use std::sync::Arc;

use turnpike_schemas::{Amount, Currency, Fraction, Meter, Per, PriceModel, Rate};

pub use graduated::Graduated;
pub use part::Part;
pub(crate) use part::role_of;
pub use per_unit::PerUnit;
pub(crate) use whole::{Whole, WholeTier};
pub use zero_usage::{flat_of_nothing, flat_of_nothing_nano, flat_of_nothing_text};

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
    /// All that the same series gathered, under earlier and later versions of its rate too, in order,
    /// and which of it stands here. Other pools price the others, but free events, levels held and
    /// fees due once look at the whole period. Empty: there is nothing else.
    pub series: Arc<[&'a Gathered]>,
    pub place: Range<usize>,
}

impl<'a> PricePool<'a> {
    /// What the series gathered before this pool's items.
    pub fn before(&self) -> &[&'a Gathered] {
        self.series.get(..self.place.start).unwrap_or_default()
    }

    /// All that the series gathered, and which of it are this pool's items.
    pub fn whole_series(&self) -> (Vec<&'a Gathered>, Range<usize>) {
        if self.series.is_empty() {
            return (self.items.iter().map(|item| item.sums).collect(), 0..self.items.len());
        }
        (self.series.to_vec(), self.place.clone())
    }

    /// Smallest parts of the meter in one unit: base units, decimals and seconds.
    pub fn divisor(&self) -> Result<i128, ParkReason> {
        10_i128
            .checked_pow(self.meter.scale)
            .and_then(|scale| scale.checked_mul(i128::from(self.rate.unit.base_units)))
            .and_then(|unit| unit.checked_mul(i128::from(self.per_seconds)))
            .ok_or_else(|| self.too_large("unit"))
    }

    /// What units are of, as a person says it: `GiB`, `vCPU hours`.
    pub fn unit_text(&self) -> String {
        match self.rate.per {
            Per::Unit => self.rate.unit.name.clone(),
            per => format!("{} {}s", self.rate.unit.name, per.as_str()),
        }
    }

    /// What a part is, with its own numbers in brackets. Without them where each window is priced
    /// alone: lines that say the same are one charge, rounded once.
    fn detail(&self, role: String, numbers: &str) -> String {
        if self.rate.window_seconds.is_some() { role } else { format!("{role} ({numbers})") }
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
    let (model, whole): (&dyn Price, bool) = match &rate.model {
        PriceModel::PerUnit => (&PerUnit, true),
        PriceModel::Graduated(tiers) => (&Graduated, !tiers.tiers.is_empty()),
        PriceModel::Volume(tiers) => (&volume::Volume, !tiers.tiers.is_empty()),
        PriceModel::Package(package) => (&package::Package, package.size_nano > 0),
        PriceModel::Percentage(_) => (&percentage::Percentage, true),
        PriceModel::GraduatedPercentage { tiers, .. } => {
            (&graduated_percentage::GraduatedPercentage, !tiers.is_empty())
        }
        PriceModel::Blocks { tiers, .. } => {
            let sized = tiers.iter().all(|tier| tier.size_nano > 0);
            (&blocks::Blocks, !tiers.is_empty() && sized)
        }
        PriceModel::Series { .. } => (&series::Series, true),
        PriceModel::Dynamic(_) => (&dynamic::Dynamic, true),
        PriceModel::HashMap { .. } => (&hashmap::HashMap, true),
    };
    if whole {
        return Ok(model);
    }
    let text = format!("the price model of meter `{}` has no tiers or sizes", rate.meter);
    Err(ParkReason::new(ParkCode::UnpricedMeter, text))
}
