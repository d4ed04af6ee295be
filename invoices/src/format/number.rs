//! Money, prices and quantities as text. Nothing is rounded here: what does not end within the
//! decimals shown is cut and marked with `…`.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use turnpike_schemas::parse::{scaled_to_decimal, scaled_to_short_decimal};
use turnpike_schemas::{Aggregation, Currency, Money, Per, PriceUnit};

/// Sets off thousands: narrow, and never broken over two lines.
const GROUP: char = '\u{202f}';
const MINUS: char = '\u{2212}';
/// Decimals of a quantity on a page. A microhour of anything is below any price in use.
const QUANTITY_DECIMALS_MAX: u32 = 6;
/// Decimals of parts per million in a percentage.
const PERCENT_DECIMALS: u32 = 4;
/// Decimals of nano-currency.
const PRICE_DECIMALS: u32 = 9;

/// `1 234.56 EUR`.
pub fn money(money: &Money) -> String {
    format!("{} {}", money_number(money), money.currency())
}

/// `1 234.56`, for a column whose heading names the currency.
pub fn money_number(money: &Money) -> String {
    grouped(&money.to_decimal_text())
}

/// `0.0416 EUR`: nano-currency with up to nine decimals, without trailing zeros.
pub fn price(price_nano: i64, currency: Currency) -> String {
    format!("{} {currency}", grouped(&scaled_to_short_decimal(price_nano.into(), PRICE_DECIMALS)))
}

/// `0.0416 EUR / vCPU·hour`.
pub fn unit_price(price_nano: i64, currency: Currency, unit: &PriceUnit, per: Per) -> String {
    let price = price(price_nano, currency);
    match per {
        Per::Unit => format!("{price} / {}", unit.name),
        held => format!("{price} / {}·{}", unit.name, held.as_str()),
    }
}

/// `2 vCPU`, `1.5 GiB`: a quantity at 10^-scale base units, in `unit`.
pub fn quantity(quantity: i128, scale: u32, unit: &PriceUnit) -> String {
    let divisor = base_divisor(scale, unit);
    let number = ratio(quantity, divisor);
    let name = unit_name(&unit.name, is_one(quantity, divisor));
    format!("{number}{}{name}", joint(&unit.name))
}

/// `1 488 vCPU·hours`, `1.5 GiB`: what the unit price is multiplied by.
pub fn priced_quantity(
    quantity: i128,
    scale: u32,
    unit: &PriceUnit,
    per: Per,
    per_seconds: i64,
) -> String {
    if per == Per::Unit {
        return self::quantity(quantity, scale, unit);
    }
    let divisor =
        base_divisor(scale, unit).and_then(|divisor| divisor.checked_mul(per_seconds.into()));
    let number = ratio(quantity, divisor);
    let plural = if is_one(quantity, divisor) { "" } else { "s" };
    format!("{number}{}{}·{}{plural}", joint(&unit.name), unit.name, per.as_str())
}

/// `2 vCPU × 744 h 00 min 00 s`, where a held quantity divides evenly by its seconds.
///
/// The product is always true. A holding that changed and still divides evenly is written with its
/// mean.
pub fn held(
    aggregation: Aggregation,
    quantity: i128,
    scale: u32,
    unit: &PriceUnit,
    seconds: i64,
) -> Option<String> {
    if aggregation != Aggregation::Held || seconds < 1 {
        return None;
    }
    if quantity.checked_rem(seconds.into())? != 0 {
        return None;
    }
    let level = quantity.checked_div(seconds.into())?;
    Some(format!("{} × {}", self::quantity(level, scale, unit), super::duration(seconds)))
}

/// `33.333 %`.
pub fn percent(ppm: u32) -> String {
    format!("{} %", scaled_to_short_decimal(ppm.into(), PERCENT_DECIMALS))
}

/// `12 345.678`: a decimal text with its thousands set off and a real minus.
pub fn grouped(decimal: &str) -> String {
    let (sign, plain) = match decimal.strip_prefix('-') {
        Some(rest) => (Some(MINUS), rest),
        None => (None, decimal),
    };
    let digits = plain.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = plain.split_at(digits);
    let mut text = String::with_capacity(decimal.len().saturating_add(digits));
    text.extend(sign);
    for (index, digit) in whole.chars().enumerate() {
        let left = digits.saturating_sub(index);
        if index > 0 && left.is_multiple_of(3) {
            text.push(GROUP);
        }
        text.push(digit);
    }
    text.push_str(rest);
    text
}

fn base_divisor(scale: u32, unit: &PriceUnit) -> Option<i128> {
    10_i128.checked_pow(scale)?.checked_mul(unit.base_units.into())
}

fn is_one(quantity: i128, divisor: Option<i128>) -> bool {
    divisor == Some(quantity)
}

/// The fraction in decimals. One beyond 128 bits is left as the fraction it is: nothing on a page
/// is worth a wrong number.
fn ratio(numerator: i128, divisor: Option<i128>) -> String {
    let whole = |value: i128| scaled_to_decimal(value, 0);
    match divisor {
        Some(divisor) => decimals(numerator, divisor)
            .unwrap_or_else(|| format!("{}/{}", whole(numerator), whole(divisor))),
        None => whole(numerator),
    }
}

fn decimals(numerator: i128, divisor: i128) -> Option<String> {
    let magnitude = numerator.checked_abs()?;
    let mut text = String::new();
    if numerator < 0 {
        text.push('-');
    }
    text.push_str(&magnitude.checked_div(divisor)?.to_string());
    let mut rest = magnitude.checked_rem(divisor)?;
    for place in 0..QUANTITY_DECIMALS_MAX {
        if rest == 0 {
            break;
        }
        if place == 0 {
            text.push('.');
        }
        let scaled = rest.checked_mul(10)?;
        text.push_str(&scaled.checked_div(divisor)?.to_string());
        rest = scaled.checked_rem(divisor)?;
    }
    if rest != 0 {
        text.push('…');
    }
    Some(grouped(&text))
}

/// Between a number and a unit: a unit that is itself a number (`1000 requests`) needs a sign.
fn joint(unit: &str) -> &'static str {
    if unit.starts_with(|c: char| c.is_ascii_digit()) { " × " } else { " " }
}

/// Words take a plural, symbols (`vCPU`, `GiB`) do not.
fn unit_name(name: &str, one: bool) -> String {
    let is_word =
        name.len() > 3 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b' ' || b == b'-');
    match name {
        _ if one || !is_word => name.to_owned(),
        _ if name.ends_with("ss") => format!("{name}es"),
        _ if name.ends_with('s') => name.to_owned(),
        _ => format!("{name}s"),
    }
}
