//! Per unit: quantity x price, linear.
//!
//! `amount = quantity x price_nano / (unit x 10^scale x per_seconds x 10^9)`, exactly. The price per
//! second is never computed: 0.0416 per hour has no finite one.

use turnpike_schemas::Amount;

use super::{Price, PriceTerm};
use crate::parked::{ParkCode, ParkReason};

pub struct PerUnit;

impl Price for PerUnit {
    fn amount(&self, term: &PriceTerm<'_>) -> Result<Amount, ParkReason> {
        let too_large = || {
            let text = format!(
                "the amount of {} for meter `{}` is too large",
                term.key.resource, term.key.meter
            );
            ParkReason::new(ParkCode::Overflow, text)
        };
        let divisor = 10_i128
            .checked_pow(term.meter.scale)
            .and_then(|scale| scale.checked_mul(i128::from(term.rate.unit.base_units)))
            .and_then(|unit| unit.checked_mul(i128::from(term.key.per_seconds)))
            .ok_or_else(too_large)?;
        Amount::from_price(term.gathered.quantity, term.rate.price_nano, divisor, term.currency)
            .map_err(|_| too_large())
    }
}
