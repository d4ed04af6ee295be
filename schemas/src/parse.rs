//! Exact reading and writing of decimal numbers as scaled integers.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    #[error("`{0}` is not a decimal number of at most 28 digits")]
    Text(String),
    #[error("`{text}` has more than {decimals} decimals")]
    TooManyDecimals { text: String, decimals: u32 },
    #[error("`{0}` does not fit in 64 bits at its scale")]
    OutOfRange(String),
}

/// Reads a decimal exactly into an integer of `scale` decimals: (`12.34`, 2) is 1234. Anything that
/// would need rounding is an error. Exponents (`1e3`) are read exactly too, since JSON allows them.
pub fn decimal_to_scaled(text: &str, scale: u32) -> Result<i64, DecimalError> {
    let short = || text.chars().take(48).collect::<String>();
    let decimal = read_decimal(text)?.normalize();
    if decimal.scale() > scale {
        return Err(DecimalError::TooManyDecimals { text: short(), decimals: scale });
    }
    let factor = scale
        .checked_sub(decimal.scale())
        .and_then(|power| 10_i128.checked_pow(power))
        .ok_or_else(|| DecimalError::OutOfRange(short()))?;
    decimal
        .mantissa()
        .checked_mul(factor)
        .and_then(|value| i64::try_from(value).ok())
        .ok_or_else(|| DecimalError::OutOfRange(short()))
}

/// Digits that a wide decimal may have: they always fit in 128 bits.
const WIDE_DIGITS_MAX: usize = 38;

/// Reads a decimal of up to 38 digits exactly as (value, decimals), with trailing zeros removed:
/// for costs of more decimals than a price has. Anything that would need rounding is an error.
pub fn decimal_wide(text: &str, decimals_max: u32) -> Result<(i128, u32), DecimalError> {
    let short = || text.chars().take(48).collect::<String>();
    let error = || DecimalError::Text(short());
    let (value, decimals) = if text.contains(['e', 'E']) {
        decimal_parts(text)?
    } else {
        let plain = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let fraction = fraction.trim_end_matches('0');
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) || plain.ends_with('.') {
            return Err(error());
        }
        let digits = format!("{whole}{fraction}");
        if digits.trim_start_matches('0').len() > WIDE_DIGITS_MAX {
            return Err(error());
        }
        let value: i128 = digits.parse().map_err(|_| error())?;
        let value = if plain.len() == text.len() { value } else { value.saturating_neg() };
        (value, u32::try_from(fraction.len()).map_err(|_| error())?)
    };
    if decimals > decimals_max {
        return Err(DecimalError::TooManyDecimals { text: short(), decimals: decimals_max });
    }
    Ok((value, decimals))
}

/// Reads a decimal exactly as (value, decimals), with trailing zeros removed: `2.50` is (25, 1).
pub fn decimal_parts(text: &str) -> Result<(i128, u32), DecimalError> {
    let decimal = read_decimal(text)?.normalize();
    Ok((decimal.mantissa(), decimal.scale()))
}

fn read_decimal(text: &str) -> Result<Decimal, DecimalError> {
    let error = || DecimalError::Text(text.chars().take(48).collect());
    let plain = text.strip_prefix('-').unwrap_or(text);
    if !plain.starts_with(|c: char| c.is_ascii_digit()) || plain.contains('_') {
        return Err(error());
    }
    if plain.contains(['e', 'E']) {
        let decimal = Decimal::from_scientific(text).map_err(|_| error())?;
        // `from_scientific` may round a long mantissa; accept only what it can give back.
        let mantissa = plain.split(['e', 'E']).next().unwrap_or_default();
        let digits = mantissa.chars().filter(char::is_ascii_digit).count();
        return if digits <= 18 && decimal.mantissa().to_i128().is_some() {
            Ok(decimal)
        } else {
            Err(error())
        };
    }
    // Zeros at the end are no digits: a column of 28 decimals writes 16 with 30 of them.
    let text = match text.contains('.') {
        true if text.ends_with('0') => text.trim_end_matches('0').trim_end_matches('.'),
        _ => text,
    };
    Decimal::from_str_exact(text).map_err(|_| error())
}

/// Writes an integer of `scale` decimals: (1234, 2) is `12.34`.
pub fn scaled_to_decimal(value: i128, scale: u32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs().to_string();
    let Ok(scale) = usize::try_from(scale) else {
        return format!("{sign}{digits}");
    };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let width = scale.saturating_add(1);
    let padded = format!("{digits:0>width$}");
    let (whole, decimals) = padded.split_at(padded.len().saturating_sub(scale));
    format!("{sign}{whole}.{decimals}")
}

/// [`scaled_to_decimal`] without trailing zeros: (1500, 3) is `1.5`.
pub fn scaled_to_short_decimal(value: i128, scale: u32) -> String {
    let text = scaled_to_decimal(value, scale);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_refused() {
        let check = |text: &str, scale: u32, expect: Option<i64>| {
            assert_eq!(decimal_to_scaled(text, scale).ok(), expect, "{text} at {scale}");
        };
        check("12.34", 2, Some(1234));
        check("12.340", 2, Some(1234));
        check("12.345", 2, None);
        check("-0.000001", 6, Some(-1));
        check("1e3", 0, Some(1000));
        check("1.5e-3", 4, Some(15));
        check("9223372036854775807", 0, Some(i64::MAX));
        check("9223372036854775808", 0, None);
        check("123456789012345678901234567890", 0, None);
        check("", 0, None);
        check("1_000", 0, None);
        check("NaN", 0, None);
        check("+1", 0, None);
        check(" 1", 0, None);
        check("16.0000000000000000000000000000", 9, Some(16_000_000_000));
        check("0.1000000000000000000000000000", 9, Some(100_000_000));
        check("100", 0, Some(100));
        check("1e400", 0, None);
    }

    #[test]
    fn wide_decimals_have_38_digits() {
        let check = |text: &str, expect: Option<(i128, u32)>| {
            assert_eq!(decimal_wide(text, 28).ok(), expect, "{text}");
        };
        check("16.0000000000000000000000000000", Some((16, 0)));
        check("-0.0000000000000000000000000001", Some((-1, 28)));
        let digits = "1234567890.1234567890123456789012345678";
        check(digits, Some((12_345_678_901_234_567_890_123_456_789_012_345_678, 28)));
        check("0.00000000000000000000000000001", None);
        check("12345678901.1234567890123456789012345678", None);
        check("1e-9", Some((1, 9)));
        check("0.50", Some((5, 1)));
        for bad in ["", ".", "-", "1.", ".5", "1.2.3", "+1", "1_0", " 1", "1,5", "--1"] {
            check(bad, None);
        }
    }

    #[test]
    fn scaled_integers_print_their_decimals() {
        assert_eq!(scaled_to_decimal(5, 2), "0.05");
        assert_eq!(scaled_to_decimal(-1234, 2), "-12.34");
        assert_eq!(scaled_to_short_decimal(1_500, 3), "1.5");
        assert_eq!(scaled_to_short_decimal(2_000, 3), "2");
        assert_eq!(scaled_to_short_decimal(200, 0), "200");
    }
}
