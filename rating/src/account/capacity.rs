//! Capacity fees: one price for the lowest tier into which the units of every meter named fit.
//!
//! Units are those gathered for the account in the month, before allowances. A meter has to have a
//! rate to be gathered: the book refuses one without, and reads one that is included as a rate at
//! price 0.

use std::collections::BTreeMap;

use turnpike_schemas::tariff::{CapacityLimit, CapacityTier};
use turnpike_schemas::{Fraction, Measure, Period};

use super::{Stage, overflow};
use crate::parked::{ParkCode, ParkReason};

/// The price of the month's tier.
pub(super) fn price(
    stage: &Stage<'_, '_, '_>,
    month: &Period,
    fee: &str,
    tiers: &[CapacityTier],
) -> Result<i128, ParkReason> {
    let mut exceeded = None;
    for tier in tiers {
        let mut fits = true;
        for limit in &tier.up_to {
            if units(stage, month, limit)? > Fraction::nano(limit.quantity_nano) {
                exceeded = Some(limit);
                fits = false;
                break;
            }
        }
        if fits {
            return Ok(tier.amount_nano);
        }
    }
    let meter = exceeded.map_or("-", |limit| limit.meter.as_str());
    let text = format!("the units of meter `{meter}` fit into no tier of fee `{fee}`");
    Err(ParkReason::new(ParkCode::UnpricedMeter, text))
}

/// Whether nothing is used of any meter that the tiers name.
pub(super) fn is_unused(
    stage: &Stage<'_, '_, '_>,
    month: &Period,
    tiers: &[CapacityTier],
) -> Result<bool, ParkReason> {
    for limit in tiers.iter().flat_map(|tier| &tier.up_to) {
        if !units(stage, month, limit)?.is_zero() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The month's units of a meter. What is no sum (a peak, a latest value) does not add up over
/// tariff versions and windows: the highest counts.
fn units(
    stage: &Stage<'_, '_, '_>,
    month: &Period,
    limit: &CapacityLimit,
) -> Result<Fraction, ParkReason> {
    let Some(meter) = stage.lookup.book.meters.get(&limit.meter) else {
        let text = format!("meter `{}` is not in the book", limit.meter);
        return Err(ParkReason::new(ParkCode::UnknownMeter, text));
    };
    let adds_up = matches!(meter.measure, Measure::Total | Measure::Count);
    let mut sums: BTreeMap<_, Fraction> = BTreeMap::new();
    for (key, gathered) in stage.gathered {
        if key.meter != limit.meter || !month.contains(key.month.unwrap_or(gathered.first)) {
            continue;
        }
        let divisor = 10_i128
            .checked_pow(meter.scale)
            .and_then(|scale| scale.checked_mul(limit.unit.base_units.into()))
            .and_then(|unit| unit.checked_mul(key.per_seconds.into()));
        let units = divisor.and_then(|divisor| Fraction::ratio(gathered.quantity, divisor));
        let apart = (!adds_up).then_some((&key.tariff, &key.tariff_version, key.window));
        let sum = sums.entry(apart).or_insert(Fraction::ZERO);
        *sum = units.and_then(|units| sum.checked_add(&units)).ok_or_else(overflow)?;
    }
    Ok(sums.into_values().fold(Fraction::ZERO, Fraction::max))
}
