//! Reads quantities exactly into a meter's base unit, or says why that cannot be.

use turnpike_schemas::parse::{decimal_parts, scaled_to_short_decimal};

use crate::decode::Reject;
use crate::reason;

/// Quantities as they come: the digits, and how a message names their place.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    pub digits: &'a str,
    pub field: &'a str,
}

/// What becomes of digits that a meter does not store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inexact {
    /// The quantity is refused.
    Refuse,
    /// The largest storable quantity that is not greater.
    Floor,
}

/// How a written quantity becomes one of a meter: exact multiples of its base unit, as a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor {
    pub base_units: i64,
    /// Written units that make `base_units`: more than one where a source counts in finer ones.
    pub per: i64,
    pub inexact: Inexact,
}

/// The integer of `scale` decimals that `written` times `base_units` is. Exact or refused.
pub fn read(written: Written<'_>, base_units: i64, scale: u32) -> Result<i64, Reject> {
    read_by(written, Factor { base_units, per: 1, inexact: Inexact::Refuse }, scale)
}

/// The integer of `scale` decimals that `written` times a factor is.
pub fn read_by(written: Written<'_>, factor: Factor, scale: u32) -> Result<i64, Reject> {
    let Written { digits, field } = written;
    let short: String = digits.chars().take(48).collect();
    if !is_number(digits) {
        return Err(Reject::new(
            reason::QUANTITY_INVALID,
            format!("{field}: `{short}` is not a decimal number"),
        ));
    }
    let out_of_range = || {
        Reject::new(
            reason::QUANTITY_RANGE,
            format!("{field}: `{short}` does not fit in 64 bits at {scale} decimals"),
        )
    };
    let imprecise = || {
        Reject::new(
            reason::QUANTITY_PRECISION,
            format!("{field}: `{short}` would have to be rounded to {scale} decimals"),
        )
    };
    let (mantissa, decimals) = match decimal_parts(digits) {
        Ok(parts) => parts,
        // More digits than a decimal holds: a long fraction needs rounding, a long whole part
        // cannot be held at all.
        Err(_) if fraction_digits(digits) > 28 => return Err(imprecise()),
        Err(_) => return Err(out_of_range()),
    };
    if mantissa < 0 {
        return Err(Reject::new(
            reason::QUANTITY_NEGATIVE,
            format!("{field}: `{}` is negative", scaled_to_short_decimal(mantissa, decimals)),
        ));
    }
    let units = mantissa.checked_mul(i128::from(factor.base_units)).ok_or_else(out_of_range)?;
    let (up, down) = (scale.saturating_sub(decimals), decimals.saturating_sub(scale));
    let power = |exponent: u32| 10_i128.checked_pow(exponent).ok_or_else(out_of_range);
    let scaled = units.checked_mul(power(up)?).ok_or_else(out_of_range)?;
    let divisor = power(down)?.checked_mul(i128::from(factor.per)).ok_or_else(out_of_range)?;
    if scaled % divisor != 0 && factor.inexact == Inexact::Refuse {
        return Err(imprecise());
    }
    i64::try_from(scaled / divisor).map_err(|_| out_of_range())
}

/// A JSON number, which is also the form of a decimal string.
fn is_number(digits: &str) -> bool {
    let plain = digits.strip_prefix('-').unwrap_or(digits);
    let (number, exponent) = match plain.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        None => (plain, "0"),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    [whole, fraction, exponent]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn fraction_digits(digits: &str) -> usize {
    let number = digits.split(['e', 'E']).next().unwrap_or_default();
    number.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('0').len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact_or_refused() {
        let check = |digits: &str, base_units: i64, scale: u32, expect: Result<i64, &str>| {
            let got = read(Written { digits, field: "q" }, base_units, scale);
            assert_eq!(got.map_err(|reject| reject.code), expect, "{digits}");
        };
        check("4", 1, 6, Ok(4_000_000));
        check("0.5", 1, 6, Ok(500_000));
        check("1.5", 1 << 30, 0, Ok(1_610_612_736));
        check("0.1", 1 << 30, 0, Err("quantity_precision"));
        check("1e3", 1, 0, Ok(1000));
        check("2.50", 1, 1, Ok(25));
        check("0.0000001", 1, 6, Err("quantity_precision"));
        check("0.00000000000000000000000000000000001", 1, 6, Err("quantity_precision"));
        check("-1", 1, 0, Err("quantity_negative"));
        check("-0", 1, 0, Ok(0));
        check("123456789012345678901234567890", 1, 0, Err("quantity_range"));
        check("9223372036854775807", 1, 0, Ok(i64::MAX));
        check("9223372036854775808", 1, 0, Err("quantity_range"));
        check("9223372036854775807", 1 << 40, 0, Err("quantity_range"));
        check("1e400", 1, 0, Err("quantity_range"));
        check("", 1, 0, Err("quantity_invalid"));
        check("many", 1, 0, Err("quantity_invalid"));
        check("1.", 1, 0, Err("quantity_invalid"));
        check("1_0", 1, 0, Err("quantity_invalid"));
        check("NaN", 1, 0, Err("quantity_invalid"));
    }

    #[test]
    fn a_factor_may_be_a_ratio_and_round_by_name_only() {
        let check = |digits: &str, per: i64, inexact: Inexact, expect: Result<i64, &str>| {
            let factor = Factor { base_units: 1 << 30, per, inexact };
            let got = read_by(Written { digits, field: "q" }, factor, 0);
            assert_eq!(got.map_err(|reject| reject.code), expect, "{digits} / {per}");
        };
        check("0.4", 1, Inexact::Refuse, Err("quantity_precision"));
        check("0.4", 1, Inexact::Floor, Ok(429_496_729));
        check("0.5", 1, Inexact::Floor, Ok(1 << 29));
        check("3", 1 << 10, Inexact::Refuse, Ok(3 << 20));
        check("1", 3, Inexact::Refuse, Err("quantity_precision"));
        check("1", 3, Inexact::Floor, Ok(357_913_941));
        check("-1", 3, Inexact::Floor, Err("quantity_negative"));
    }
}
