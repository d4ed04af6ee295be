//! Package: units are sold in packages, and what becomes of a started one is said.
//!
//! An item brings the packages up to its last unit less those before its first: a package that an
//! earlier item started costs nothing more.

use turnpike_schemas::tariff::Package as Terms;
use turnpike_schemas::{Fraction, PriceModel};

use super::tiers::units_text;
use super::{Part, Price, PricePool};
use crate::parked::ParkReason;

pub struct Package;

impl Price for Package {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::Package(terms) = &pool.rate.model else {
            return Ok(Vec::new());
        };
        let size = units_text(&Fraction::nano(terms.size_nano));
        let unit = format!("package of {size} {}", pool.unit_text());
        let free = match terms.free_nano {
            0 => String::new(),
            free => format!(", the first {} free", units_text(&Fraction::nano(free))),
        };
        let mut parts = Vec::with_capacity(pool.items.len());
        for (index, item) in pool.items.iter().enumerate() {
            let packages = |units: &Fraction| {
                packages(terms, units).ok_or_else(|| pool.too_large("number of packages"))
            };
            let count = packages(&item.high)?
                .checked_sub(packages(&item.low)?)
                .ok_or_else(|| pool.too_large("number of packages"))?;
            let units = units_text(&pool.difference(&item.high, &item.low)?);
            let numbers = format!("{count} for {units} units{free}");
            let detail = pool.detail(format!("Packages of {size}"), &numbers);
            parts.push(Part::counted(pool, index, count, pool.rate.price_nano, &unit, detail)?);
        }
        Ok(parts)
    }
}

/// Packages of the first `units`; below zero the same with the sign.
fn packages(terms: &Terms, units: &Fraction) -> Option<i128> {
    if units.is_negative() {
        return packages(terms, &units.checked_neg()?)?.checked_neg();
    }
    let paid = units.checked_sub(&Fraction::nano(terms.free_nano))?;
    if paid.is_negative() {
        return Some(0);
    }
    let count = paid.checked_div(&Fraction::nano(terms.size_nano))?.round(terms.rounding)?;
    i128::try_from(count).ok()
}
