//! How money, prices, quantities and times are written for people: English, one style everywhere.
//!
//! Thousands are set off by U+202F (narrow no-break space), decimals by a point, a negative number
//! has U+2212 (minus), and money always names its currency.

use chrono::NaiveDate;
use chrono_tz::Tz;
use turnpike_schemas::{Aggregation, Currency, Instant, Money, Per, Period, PriceUnit};

pub mod filters;

/// `1 234.56 EUR`.
pub fn money(_money: &Money) -> String { unimplemented!() }
/// `1 234.56`, for a column whose heading names the currency.
pub fn money_number(_money: &Money) -> String { unimplemented!() }
/// `0.0416 EUR`: nano-currency, up to 9 decimals, without trailing zeros.
pub fn price(_price_nano: i64, _currency: Currency) -> String { unimplemented!() }
/// `0.0416 EUR / vCPU·hour`.
pub fn unit_price(_price_nano: i64, _currency: Currency, _unit: &PriceUnit, _per: Per) -> String { unimplemented!() }
/// `2 vCPU`, `1.5 GiB`: a plain quantity at 10^-scale base units, in a unit; exact, or cut after
/// six decimals and marked `…`.
pub fn quantity(_quantity: i128, _scale: u32, _unit: &PriceUnit) -> String { unimplemented!() }
/// `1 488 vCPU·hours`, `1.5 GiB`: what is multiplied by the unit price.
pub fn priced_quantity(_quantity: i128, _scale: u32, _unit: &PriceUnit, _per: Per, _per_seconds: i64) -> String { unimplemented!() }
/// `2 vCPU × 744 h 00 min 00 s`, where a held quantity divides evenly by its seconds.
pub fn held(_aggregation: Aggregation, _quantity: i128, _scale: u32, _unit: &PriceUnit, _seconds: i64) -> Option<String> { unimplemented!() }
/// `744 h 00 min 00 s`.
pub fn duration(_seconds: i64) -> String { unimplemented!() }
/// `1 Oct 2026`.
pub fn day(_day: NaiveDate) -> String { unimplemented!() }
/// `1 Oct 2026, 00:00 (Europe/Paris)`.
pub fn instant(_instant: Instant, _zone: Tz) -> String { unimplemented!() }
/// `1 Oct 2026 – 31 Oct 2026 (Europe/Paris)` for whole local days, else both instants.
pub fn period(_period: &Period, _zone: Tz) -> String { unimplemented!() }
/// `33.333 %`.
pub fn percent(_ppm: u32) -> String { unimplemented!() }
/// `12 345.678`: a decimal text with its thousands set off and a real minus.
pub fn grouped(_decimal: &str) -> String { unimplemented!() }
