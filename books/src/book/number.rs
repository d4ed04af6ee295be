//! Decimal numbers of a book: exact integers of a power of ten, or a mistake.
//!
//! From strings or TOML integers. A float is refused: 0.0416 has no exact binary form, so what was
//! meant could only be guessed.

use toml::de::DeValue;
use turnpike_schemas::parse::{DecimalError, decimal_to_scaled, decimal_wide};
use turnpike_schemas::tariff::{COST_DECIMALS, WideNumber};

use super::reader::{Log, Raw, Table, wrong_type};
use super::value::short;

/// What a number may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// As a message calls it: `a price`.
    what: &'static str,
    decimals: u32,
    sign: Sign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Any,
    ZeroOrMore,
    MoreThanZero,
}

const fn nano(what: &'static str, sign: Sign) -> Form {
    Form { what, decimals: 9, sign }
}

/// Nano-currency per unit.
pub(super) const PRICE: Form = nano("a price", Sign::ZeroOrMore);
/// Nano-currency that an adjustment is about; with nothing it would do nothing.
pub(super) const AMOUNT: Form = nano("an amount", Sign::MoreThanZero);
/// A HashMap's cost: below zero it lowers what others of its group come to.
pub(super) const COST: Form = Form { what: "a cost", decimals: COST_DECIMALS, sign: Sign::Any };
/// A HashMap's factor.
pub(super) const COST_FACTOR: Form =
    Form { what: "a factor", decimals: COST_DECIMALS, sign: Sign::ZeroOrMore };
pub(super) const FACTOR: Form = nano("a factor", Sign::ZeroOrMore);
/// Units of something that cannot be empty: a tier, a package, a step.
pub(super) const SIZE: Form = nano("a size", Sign::MoreThanZero);
pub(super) const UNITS: Form = nano("a number of units", Sign::ZeroOrMore);
pub(super) const LEVEL: Form = nano("a level", Sign::Any);
pub(super) const MIPS: Form = Form { what: "a rating", decimals: 6, sign: Sign::MoreThanZero };

impl Form {
    fn allowed(&self) -> String {
        let Form { decimals, .. } = self;
        format!("a decimal string such as \"0.0416\", with at most {decimals} decimals")
    }
}

pub(super) fn needed(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    form: &Form,
) -> Option<i64> {
    let Some(raw) = table.raw(log, key) else {
        return table.missing(log, key, &form.allowed());
    };
    of(log, key, &raw, form)
}

pub(super) fn optional(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    form: &Form,
) -> Option<i64> {
    let raw = table.raw(log, key)?;
    of(log, key, &raw, form)
}

pub(super) fn of(log: &mut Log, key: &str, raw: &Raw<'_, '_>, form: &Form) -> Option<i64> {
    read(log, key, raw, form, |text| from_text(text, form))
}

/// The most of a bound or an amount in whole units: with nine decimals it fits in 90 bits.
const WHOLE_MOST: i128 = 1_000_000_000_000_000_000;

/// A bound or an amount: an integer of 10^-9 that may be larger than a price.
pub(super) fn large_needed(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    form: &Form,
) -> Option<i128> {
    if table.raw(log, key).is_none() {
        return table.missing(log, key, &form.allowed());
    }
    large_optional(table, log, key, form)
}

pub(super) fn large_optional(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    form: &Form,
) -> Option<i128> {
    let raw = table.raw(log, key)?;
    read(log, key, &raw, form, |text| large_from_text(text, form))
}

pub(super) fn large_from_text(text: &str, form: &Form) -> Result<i128, String> {
    let nano = decimal_wide(text, 9).and_then(|(value, decimals)| {
        let nano = value.checked_mul(10_i128.pow(9 - decimals));
        nano.filter(|nano| nano.abs() <= WHOLE_MOST * i128::from(WHOLE_NANO))
            .ok_or_else(|| DecimalError::OutOfRange(text.to_owned()))
    });
    match nano {
        Err(DecimalError::OutOfRange(_)) => {
            Err(format!("`{}`; {} is at most {WHOLE_MOST}", short(text), form.what))
        }
        nano => checked(text, nano, form, |nano| *nano),
    }
}

/// A number of more digits than 64 bits hold.
pub(super) fn wide_optional(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    form: &Form,
) -> Option<WideNumber> {
    let raw = table.raw(log, key)?;
    read(log, key, &raw, form, |text| {
        let (value, decimals) = checked(text, decimal_wide(text, form.decimals), form, |n| n.0)?;
        Ok(WideNumber { value, decimals })
    })
}

fn read<T>(
    log: &mut Log,
    key: &str,
    raw: &Raw<'_, '_>,
    form: &Form,
    from_text: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let text = match raw.value {
        DeValue::String(text) => text.as_ref(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => {
            let number = number.as_str();
            let message = format!(
                "`{key}` is a float, which is not exact: write it as a string, \"{number}\""
            );
            log.mistake(&raw.place, message);
            return None;
        }
        other => return wrong_type(log, &raw.place, key, other, &form.allowed()),
    };
    match from_text(text) {
        Ok(value) => Some(value),
        Err(problem) => {
            log.mistake(&raw.place, format!("`{key}` is {problem}"));
            None
        }
    }
}

/// Reads a number, or says what is wrong with it: the end of a sentence that starts with `is`.
pub(super) fn from_text(text: &str, form: &Form) -> Result<i64, String> {
    checked(text, decimal_to_scaled(text, form.decimals), form, |value| (*value).into())
}

fn checked<T>(
    text: &str,
    read: Result<T, DecimalError>,
    form: &Form,
    of: impl Fn(&T) -> i128,
) -> Result<T, String> {
    let Form { what, decimals, sign } = form;
    match read {
        Ok(value) if of(&value) < 0 && *sign == Sign::ZeroOrMore => {
            Err(format!("{text}; {what} is zero or more"))
        }
        Ok(value) if of(&value) <= 0 && *sign == Sign::MoreThanZero => {
            Err(format!("{text}; {what} is more than zero"))
        }
        Ok(value) => Ok(value),
        Err(DecimalError::TooManyDecimals { .. }) => {
            Err(format!("`{}`; at most {decimals} decimals are kept", short(text)))
        }
        Err(DecimalError::OutOfRange(_)) => {
            let most = turnpike_schemas::parse::scaled_to_short_decimal(i64::MAX.into(), *decimals);
            Err(format!("`{}`; {what} is at most {most}", short(text)))
        }
        Err(_) => Err(format!("`{}`; write {}", short(text), form.allowed())),
    }
}

/// Decimals of a percentage, so that 1 % is 10^7 of 10^-9.
const PERCENT_DECIMALS: u32 = 7;
/// The whole, of 10^-9.
pub(super) const WHOLE_NANO: i64 = 1_000_000_000;

/// A share in 10^-9, from `"1.3%"`: 13,000,000. From zero to `most`, where there is one.
pub(super) fn percent(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    most: Option<i64>,
) -> Option<i64> {
    let bounds = if most.is_some() { "above 0% and up to 100%" } else { "0% or more" };
    let allowed = format!("a percentage such as \"1.3%\", {bounds}, with at most 7 decimals");
    let Some(raw) = table.raw(log, key) else { return table.missing(log, key, &allowed) };
    let DeValue::String(text) = raw.value else {
        return wrong_type(log, &raw.place, key, raw.value, &allowed);
    };
    let nano = text
        .strip_suffix('%')
        .and_then(|number| decimal_to_scaled(number.trim_end(), PERCENT_DECIMALS).ok())
        .filter(|nano| most.map_or(*nano >= 0, |most| 0 < *nano && *nano <= most));
    if nano.is_none() {
        log.mistake(&raw.place, format!("`{key}` is `{}`; write {allowed}", short(text)));
    }
    nano
}
