//! [`Whole`]: the models that most usage is priced by, in whole numbers of a meter's smallest parts.
//!
//! It may only agree with [`super::Price`] or decline: it declines whatever has a fraction of a
//! smallest part, a flat fee, units that are rounded, or a level to look at. Its bounds keep every step
//! of the other way within 256 bits, so that nothing overflows there which is priced here.

use turnpike_schemas::tariff::{Tier, TierBasis};
use turnpike_schemas::{Amount, Currency, Meter, PriceModel, Rate};

use super::tiers::Bounds;

/// The most smallest parts of a pool, and of a price unit.
const PARTS_MAX: i128 = 1 << 100;
const DIVISOR_MAX: i128 = 1 << 90;
/// Bounds of tiers are of 10^-9 units.
const NANO: i128 = 1_000_000_000;

/// A rate over smallest parts.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Smallest parts in a price unit.
    divisor: i128,
    tiers: Vec<WholeTier>,
    /// All units are priced by the tier that their total reaches.
    by_total: bool,
}

#[derive(Debug)]
pub(crate) struct WholeTier {
    /// In smallest parts.
    start: i128,
    end: Option<i128>,
    pub(crate) price_nano: i64,
    /// What the model says of a part.
    pub(crate) detail: String,
}

impl WholeTier {
    /// How many of the first `parts` fall in the tier.
    fn of_first(&self, parts: i128) -> Option<i128> {
        let end = self.end.map_or(parts, |end| parts.min(end));
        if end <= self.start { Some(0) } else { end.checked_sub(self.start) }
    }
}

impl Whole {
    /// `None`: the rate has to be priced by its model.
    pub(crate) fn of(rate: &Rate, meter: &Meter, per_seconds: i64) -> Option<Self> {
        let divisor = 10_i128
            .checked_pow(meter.scale)?
            .checked_mul(i128::from(rate.unit.base_units))?
            .checked_mul(i128::from(per_seconds))?;
        if rate.round_units.is_some() || !(1..=DIVISOR_MAX).contains(&divisor) {
            return None;
        }
        let (tiers, by_total) = match &rate.model {
            PriceModel::PerUnit => {
                let (price_nano, detail) = (rate.price_nano, String::new());
                (vec![WholeTier { start: 0, end: None, price_nano, detail }], true)
            }
            PriceModel::Graduated(terms) if terms.basis == TierBasis::Total => {
                (tiers(&terms.tiers, divisor, "")?, false)
            }
            PriceModel::Volume(terms) if terms.basis == TierBasis::Total => {
                (tiers(&terms.tiers, divisor, ", all units")?, true)
            }
            _ => return None,
        };
        Some(Self { divisor, tiers, by_total })
    }

    pub(crate) fn tiers(&self) -> &[WholeTier] {
        &self.tiers
    }

    /// Hands over the tier and the smallest parts of every part of an item, which stands at
    /// `low..high` of `total` smallest parts. `None`: the model has to look.
    pub(crate) fn price(
        &self,
        (low, high): (i128, i128),
        total: i128,
        mut each: impl FnMut(usize, i128) -> Option<()>,
    ) -> Option<()> {
        if low < 0 || high < low || total < high || total > PARTS_MAX {
            return None;
        }
        let reached = self.reached(total)?;
        if self.by_total {
            return each(reached, high.checked_sub(low)?);
        }
        self.reached(high)?;
        for (number, tier) in self.tiers.iter().enumerate() {
            let parts = tier.of_first(high)?.checked_sub(tier.of_first(low)?)?;
            if parts != 0 {
                each(number, parts)?;
            }
        }
        Some(())
    }

    /// The tier in which the last of so many parts falls.
    fn reached(&self, parts: i128) -> Option<usize> {
        self.tiers.iter().position(|tier| tier.end.is_none_or(|end| parts <= end))
    }

    /// The same as a fraction that is not in lowest terms; `None` where it does not fit in 128 bits.
    pub(crate) fn worth(&self, tier: usize, parts: i128) -> Option<(i128, i128)> {
        let numerator = parts.checked_mul(i128::from(self.tiers[tier].price_nano))?;
        Some((numerator, self.divisor.checked_mul(NANO)?))
    }

    /// The exact amount of so many smallest parts in a tier.
    pub(crate) fn amount(&self, tier: usize, parts: i128, currency: Currency) -> Option<Amount> {
        Amount::from_price(parts, self.tiers[tier].price_nano, self.divisor, currency).ok()
    }
}

fn tiers(tiers: &[Tier], divisor: i128, more: &str) -> Option<Vec<WholeTier>> {
    let parts = |nano: i128| {
        let scaled = nano.checked_mul(divisor)?;
        (nano >= 0 && scaled % NANO == 0).then_some(scaled / NANO)
    };
    let mut found = Vec::with_capacity(tiers.len());
    let mut start = 0;
    for bounds in Bounds::all(tiers) {
        let Tier { up_to_nano, price_nano, flat_nano } = *bounds.tier;
        if flat_nano != 0 {
            return None;
        }
        let end = match up_to_nano {
            Some(nano) => Some(parts(nano)?),
            None => None,
        };
        let detail = format!("{}{more}", bounds.text());
        found.push(WholeTier { start, end, price_nano, detail });
        start = end.unwrap_or(start);
    }
    (!found.is_empty()).then_some(found)
}
