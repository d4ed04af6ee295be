//! Values of a book with a form of their own: shares, durations, instants, words. Decimal numbers
//! are those of `number`.

use chrono_tz::Tz;
use toml::de::DeValue;
use turnpike_schemas::agreement::PPM;
use turnpike_schemas::parse::decimal_to_scaled;
use turnpike_schemas::period::parse_day_or_instant;
use turnpike_schemas::{Currency, Instant, PeriodError};

use super::reader::{At, Log, Raw, Table, listed, parse_at, wrong_type};

/// Decimals of a percentage: parts per million.
const PERCENT_DECIMALS: u32 = 4;
const DURATION: &str = "a duration such as \"15m\", \"1h\" or \"1h30m\"";
pub(super) const DAY_SECONDS: i64 = 86_400;

/// A share of the whole in parts per million, from `"33.333%"`.
pub(super) fn percent(table: &mut Table<'_, '_>, log: &mut Log, key: &'static str) -> Option<u32> {
    let allowed = "a percentage such as \"33.333%\", from 0% to 100%, with at most 4 decimals";
    let Some(raw) = table.raw(log, key) else { return table.missing(log, key, allowed) };
    let DeValue::String(text) = raw.value else {
        return wrong_type(log, &raw.place, key, raw.value, allowed);
    };
    let ppm = text
        .strip_suffix('%')
        .and_then(|number| decimal_to_scaled(number.trim_end(), PERCENT_DECIMALS).ok())
        .and_then(|ppm| u32::try_from(ppm).ok())
        .filter(|ppm| *ppm <= PPM);
    if ppm.is_none() {
        log.mistake(&raw.place, format!("`{key}` is `{}`; write {allowed}", short(text)));
    }
    ppm
}

/// The word for a currency that is not decided yet.
const NO_CURRENCY: &str = "none";

/// `currency`, which is a code, or `"none"` where the book says that `whose` are to be parked.
pub(super) fn currency(table: &mut Table<'_, '_>, log: &mut Log, whose: &str) -> Option<Currency> {
    let Some(text) = table.text_opt(log, "currency") else {
        if !table.has("currency") {
            let allowed = format!(
                "a code such as \"EUR\", or \"{NO_CURRENCY}\" where {whose} are to be parked"
            );
            return table.missing(log, "currency", &allowed);
        }
        return None;
    };
    if text.value == NO_CURRENCY {
        log.warn(&text.place, format!("no currency: {whose} will be parked"));
        return None;
    }
    parse_at(log, text).map(|at| at.value)
}

/// Seconds, from `"90s"`, `"15m"`, `"1h"`, `"1d"` or a sequence such as `"1h30m"`.
pub(super) fn duration(table: &mut Table<'_, '_>, log: &mut Log, key: &'static str) -> Option<i64> {
    if table.raw(log, key).is_none() {
        return table.missing(log, key, DURATION);
    }
    duration_opt(table, log, key)
}

pub(super) fn duration_opt(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
) -> Option<i64> {
    let allowed = DURATION;
    let raw = table.raw(log, key)?;
    let DeValue::String(text) = raw.value else {
        return wrong_type(log, &raw.place, key, raw.value, allowed);
    };
    let seconds = duration_seconds(text);
    if seconds.is_none() {
        log.mistake(&raw.place, format!("`{key}` is `{}`; write {allowed}", short(text)));
    }
    seconds
}

fn duration_seconds(text: &str) -> Option<i64> {
    let mut seconds = 0_i64;
    let mut digits = String::new();
    for character in text.chars() {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        let factor = match character {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let count: i64 = digits.parse().ok()?;
        seconds = seconds.checked_add(count.checked_mul(factor)?)?;
        digits.clear();
    }
    (digits.is_empty() && seconds > 0).then_some(seconds)
}

/// Seconds of a window: a whole number of them makes a day.
pub(super) fn window(table: &mut Table<'_, '_>, log: &mut Log, key: &'static str) -> Option<i64> {
    let seconds = duration_opt(table, log, key)?;
    if DAY_SECONDS % seconds == 0 {
        return Some(seconds);
    }
    let place = table.place_of(log, key);
    let message =
        format!("`{key}` does not divide a day; write one such as \"5m\", \"1h\", \"1d\"");
    log.mistake(&place, message);
    None
}

/// An RFC 3339 instant, or a day, which is its midnight in `zone`. As a string or as TOML's own
/// date. Whole seconds only, since rating floors every instant to its second.
pub(super) fn instant(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    zone: Tz,
) -> Option<At<Instant>> {
    let raw = table.raw(log, key)?;
    instant_of(log, key, raw, zone)
}

pub(super) fn instant_of(
    log: &mut Log,
    key: &str,
    raw: Raw<'_, '_>,
    zone: Tz,
) -> Option<At<Instant>> {
    let allowed = "an instant such as 2026-01-01T00:00:00Z or a day such as 2026-01-01";
    let text = match raw.value {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        other => return wrong_type(log, &raw.place, key, other, allowed),
    };
    match parse_day_or_instant(&text, zone) {
        Ok(instant) if instant.floored() == instant => {
            Some(At { value: instant, place: raw.place })
        }
        Ok(_) => {
            log.mistake(&raw.place, format!("`{key}` is `{text}`; only whole seconds are allowed"));
            None
        }
        Err(PeriodError::OutOfRange) => {
            log.mistake(&raw.place, format!("`{key}` lies outside the years 1970 to 2999"));
            None
        }
        Err(_) => {
            log.mistake(&raw.place, format!("`{key}` is `{}`; write {allowed}", short(&text)));
            None
        }
    }
}

/// A whole number within bounds.
pub(super) fn integer(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    bounds: std::ops::RangeInclusive<i64>,
) -> Option<i64> {
    let raw = table.raw(log, key)?;
    integer_of(log, key, &raw, bounds)
}

pub(super) fn integer_of(
    log: &mut Log,
    key: &str,
    raw: &Raw<'_, '_>,
    bounds: std::ops::RangeInclusive<i64>,
) -> Option<i64> {
    let allowed = format!("a whole number from {} to {}", bounds.start(), bounds.end());
    let DeValue::Integer(number) = raw.value else {
        return wrong_type(log, &raw.place, key, raw.value, &allowed);
    };
    let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
    let value = value.filter(|value| bounds.contains(value));
    if value.is_none() {
        log.mistake(&raw.place, format!("`{key}` is {}; write {allowed}", short(number.as_str())));
    }
    value
}

/// One of a few words; `None` where the key is absent or the word is none of them.
pub(super) fn word<T: Copy>(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    words: &[(&str, T)],
) -> Option<T> {
    let text = table.text_opt(log, key)?;
    let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
    if found.is_none() {
        let allowed = listed(words.iter().map(|(word, _)| word));
        let message = format!("`{key}` is `{}`; allowed are {allowed}", short(&text.value));
        log.mistake(&text.place, message);
    }
    found
}

/// [`word`] for a key that must be there.
pub(super) fn word_needed<T: Copy>(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    words: &[(&str, T)],
) -> Option<T> {
    if !table.has(key) {
        table.raw(log, key);
        let allowed = listed(words.iter().map(|(word, _)| word));
        return table.missing(log, key, &format!("one of {allowed}"));
    }
    word(table, log, key, words)
}

/// Enough of a text to be recognised in a message.
pub(super) fn short(text: &str) -> String {
    text.chars().take(48).collect()
}

#[cfg(test)]
mod tests {
    use super::duration_seconds;

    #[test]
    fn durations_are_sums_of_their_parts() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(duration_seconds(text), expect);
        check("1h", Some(3_600));
        check("1h30m", Some(5_400));
        check("1d", Some(86_400));
        check("90s", Some(90));
        check("", None);
        check("90", None);
        check("0s", None);
        check("h", None);
        check("1w", None);
        check("99999999999999999999d", None);
    }
}
