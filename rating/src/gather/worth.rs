//! What usage is worth where its price changes with time, event or attributes: worked out piece by
//! piece, with the functions of the price models.

use turnpike_schemas::tariff::DynamicBasis;
use turnpike_schemas::{Fraction, Instant, PriceModel};

use super::price::Priced;
use super::quantity;
use crate::parked::{ParkCode, ParkReason};
use crate::price::{dynamic, hashmap, series};

/// Major units for a quantity over the whole part; `None` where the model prices units.
pub(super) fn of(
    priced: &Priced<'_, '_>,
    quantity: i128,
    per_seconds: i64,
) -> Result<Option<Fraction>, ParkReason> {
    let part = &priced.part;
    if !priced.term.rate.model.is_pieced() {
        return Ok(None);
    }
    let weighed = part.is_held() && priced.meter().measure.is_total();
    if weighed && !part.is_instant() {
        return over(priced, quantity, (part.start, part.end), per_seconds).map(Some);
    }
    let seconds = if weighed { part.seconds() } else { per_seconds };
    at_once(priced, quantity, Fraction::ratio(seconds.into(), per_seconds.into())).map(Some)
}

/// Major units for a quantity held for one more second at the part's end, at its last price.
pub(super) fn last_second(
    priced: &Priced<'_, '_>,
    per_seconds: i64,
) -> Result<Option<Fraction>, ParkReason> {
    if !priced.term.rate.model.is_pieced() {
        return Ok(None);
    }
    let end = priced.part.end.floored();
    let start = end.plus_seconds(-1).ok_or_else(|| quantity::too_large(priced.part.interval))?;
    over(priced, priced.quantity, (start, end), per_seconds).map(Some)
}

fn over(
    priced: &Priced<'_, '_>,
    quantity: i128,
    (start, end): (Instant, Instant),
    per_seconds: i64,
) -> Result<Fraction, ParkReason> {
    if let PriceModel::Series { series } = &priced.term.rate.model {
        let series = series::find(priced.context.lookup.book, series)?;
        let units = units(priced, quantity)?;
        return series::worth(series, &units, start, end, per_seconds);
    }
    let seconds = end.floor_seconds() - start.floor_seconds();
    at_once(priced, quantity, Fraction::ratio(seconds.into(), per_seconds.into()))
}

/// At the price of the part's start, for so many times the rate's `per`.
fn at_once(
    priced: &Priced<'_, '_>,
    quantity: i128,
    times: Option<Fraction>,
) -> Result<Fraction, ParkReason> {
    let units = units(priced, quantity)?;
    let (at, holder) = (priced.part.start, &priced.part.interval.holder);
    let too_large = || quantity::too_large(priced.part.interval);
    let price = match &priced.term.rate.model {
        PriceModel::Series { series } => {
            let series = series::find(priced.context.lookup.book, series)?;
            let price = series::price_at(series, at)?;
            price.checked_mul(&units).ok_or_else(too_large)?
        }
        PriceModel::Dynamic(terms) => {
            if terms.basis == DynamicBasis::Total && priced.part.is_held() {
                let text = format!(
                    "attribute `{}` cannot name the whole amount of what is held: meter `{}`",
                    terms.attribute,
                    priced.meter().id
                );
                return Err(ParkReason::new(ParkCode::UnpricedMeter, text));
            }
            dynamic::worth(terms, &holder.attributes, &units)?
        }
        PriceModel::HashMap { groups } => {
            let project = holder.project.as_deref();
            hashmap::worth(groups, &holder.attributes, project, at, &units)?
        }
        _ => Fraction::ZERO,
    };
    times.and_then(|times| price.checked_mul(&times)).ok_or_else(too_large)
}

/// A quantity in the rate's units.
fn units(priced: &Priced<'_, '_>, quantity: i128) -> Result<Fraction, ParkReason> {
    10_i128
        .checked_pow(priced.meter().scale)
        .and_then(|scale| scale.checked_mul(i128::from(priced.term.rate.unit.base_units)))
        .and_then(|smallest| Fraction::ratio(quantity, smallest))
        .ok_or_else(|| quantity::too_large(priced.part.interval))
}
