//! What is due without usage: the flat fee of a first tier, where the tariff says so.

use turnpike_schemas::tariff::{Tier, ZeroUsage};
use turnpike_schemas::{Amount, Currency, Fraction, LineKind, PriceModel, Rate};

use super::graduated_percentage::to_tier;
use super::tiers::Bounds;
use super::{Part, PricePool};

/// The flat fee of the first tier, of a rate that charges it even for no usage at all.
pub fn flat_of_nothing(rate: &Rate, currency: Currency) -> Option<Amount> {
    let flat_nano = flat_of_nothing_nano(rate)?;
    Some(Amount::from_fraction(Fraction::nano(flat_nano), currency))
}

/// The same in nano-currency.
pub fn flat_of_nothing_nano(rate: &Rate) -> Option<i64> {
    first(rate).map(|tier| tier.flat_nano)
}

/// How the line of [`flat_of_nothing`] explains itself.
pub fn flat_of_nothing_text(rate: &Rate) -> String {
    let tier = first(rate).map(|tier| [tier]);
    let bounds = tier.as_ref().and_then(|tier| Bounds::all(tier).pop().map(|b| b.text()));
    bounds.map_or_else(String::new, |text| format!("{text}, flat fee"))
}

fn first(rate: &Rate) -> Option<Tier> {
    let (tier, zero_usage) = match &rate.model {
        PriceModel::Graduated(terms) | PriceModel::Volume(terms) => {
            (terms.tiers.first().copied(), terms.zero_usage)
        }
        PriceModel::GraduatedPercentage { tiers, zero_usage } => {
            (tiers.first().map(to_tier), *zero_usage)
        }
        _ => return None,
    };
    tier.filter(|tier| zero_usage == ZeroUsage::FirstFlat && tier.flat_nano != 0)
}

/// The same where there was usage and it came to nothing: once, on the first item of the period.
pub(super) fn first_flat(pool: &PricePool<'_>) -> Option<Part> {
    if !pool.total.is_zero() || !pool.before().is_empty() || pool.items.is_empty() {
        return None;
    }
    let amount = flat_of_nothing(pool.rate, pool.currency)?;
    let detail = format!("{} without usage", flat_of_nothing_text(pool.rate));
    Some(Part::flat(pool, 0, LineKind::Fee, amount, detail))
}
