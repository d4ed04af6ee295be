//! Times in all the forms in which systems write them:
//! - `2026-10-01T00:00:00Z`, with a `T` or a space, with or without a fraction, the date and the clock
//!   with or without their signs, and with `Z`, `+00:00`, `+0000` or nothing, which means UTC;
//! - `06/Feb/2019:00:00:38 +0000`, as access logs do;
//! - `01/31/26 00:00:00`, month first, as usage reports do;
//! - `1795229086.78`: seconds since 1970, of nine digits at least, so that no year is taken for one.
//!
//! What is finer than a microsecond is cut off. `0`, which means that something has not ended, is no
//! time: whoever reads such a field asks for it first.

use chrono::NaiveDate;
use turnpike_schemas::Instant;

use crate::decode::Reject;
use crate::reason;

/// Reads a time; `field` names it in the message of a refusal.
pub fn parse(field: &str, text: &str) -> Result<Instant, Reject> {
    let short: String = text.chars().take(48).collect();
    let micros = micros(text.trim_ascii()).ok_or_else(|| {
        Reject::new(
            reason::BAD_TIME,
            format!("{field}: `{short}` is no time such as 2026-10-01 00:00:00.000000"),
        )
    })?;
    Instant::from_micros(micros).map_err(|_| {
        Reject::new(
            reason::TIME_RANGE,
            format!("{field}: `{short}` lies outside the years 1970 to 2999"),
        )
    })
}

/// Digits of seconds since 1970: from the year 1973 on, and no more than the years that are read.
const EPOCH_DIGITS: std::ops::RangeInclusive<usize> = 9..=11;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

fn micros(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    epoch(bytes)
        .or_else(|| of_date(date(bytes), b"Tt "))
        .or_else(|| of_date(log_date(bytes), b":"))
        .or_else(|| of_date(report_date(bytes), b" "))
}

/// Seconds since 1970 with an optional fraction.
fn epoch(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !EPOCH_DIGITS.contains(&digits) {
        return None;
    }
    let (seconds, rest) = number(bytes, digits)?;
    let (fraction, rest) = fraction(rest)?;
    rest.is_empty().then(|| seconds * 1_000_000 + fraction)
}

/// The clock and the offset after a date, from which one of `separators` sets them apart.
fn of_date(date: Option<(NaiveDate, &[u8])>, separators: &[u8]) -> Option<i64> {
    let (date, rest) = date?;
    let (first, rest) = rest.split_first()?;
    if !separators.contains(first) {
        return None;
    }
    let (hour, rest) = number(rest, 2)?;
    let colon = rest.starts_with(b":");
    let (minute, rest) = number(past_colon(rest, colon)?, 2)?;
    let (second, rest) = number(past_colon(rest, colon)?, 2)?;
    // 60 is a leap second: it is the first of the next minute.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, rest) = fraction(rest)?;
    let offset = offset(rest)?;
    let days = i64::from(date.to_epoch_days());
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    seconds.checked_mul(1_000_000)?.checked_add(fraction)
}

/// A clock has a colon between its parts, or none at all.
fn past_colon(bytes: &[u8], colon: bool) -> Option<&[u8]> {
    if colon { bytes.strip_prefix(b":") } else { Some(bytes) }
}

fn date(bytes: &[u8]) -> Option<(NaiveDate, &[u8])> {
    let (year, rest) = number(bytes, 4)?;
    let (month, rest) = number(rest.strip_prefix(b"-").unwrap_or(rest), 2)?;
    let (day, rest) = number(rest.strip_prefix(b"-").unwrap_or(rest), 2)?;
    Some((day_of(year, month, day)?, rest))
}

/// `06/Feb/2019`.
fn log_date(bytes: &[u8]) -> Option<(NaiveDate, &[u8])> {
    let (day, rest) = number(bytes, 2)?;
    let (name, rest) = rest.strip_prefix(b"/")?.split_at_checked(3)?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let (year, rest) = number(rest.strip_prefix(b"/")?, 4)?;
    Some((day_of(year, i64::try_from(month).ok()? + 1, day)?, rest))
}

/// `01/31/26` or `01/31/2026`: the month stands first.
fn report_date(bytes: &[u8]) -> Option<(NaiveDate, &[u8])> {
    let (month, rest) = number(bytes, 2)?;
    let (day, rest) = number(rest.strip_prefix(b"/")?, 2)?;
    let rest = rest.strip_prefix(b"/")?;
    let (year, rest) = match number(rest, 4) {
        Some(found) => found,
        None => {
            let (year, rest) = number(rest, 2)?;
            (year + 2_000, rest)
        }
    };
    Some((day_of(year, month, day)?, rest))
}

fn day_of(year: i64, month: i64, day: i64) -> Option<NaiveDate> {
    let month = u32::try_from(month).ok()?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, u32::try_from(day).ok()?)
}

fn number(bytes: &[u8], digits: usize) -> Option<(i64, &[u8])> {
    let (head, rest) = bytes.split_at_checked(digits)?;
    let mut value = 0;
    for byte in head {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some((value, rest))
}

/// Microseconds of an optional fraction; what is finer is cut off.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 9 {
        return None;
    }
    let (fraction, rest) = rest.split_at(digits);
    let digit = |place: usize| fraction.get(place).map_or(0, |byte| i64::from(byte - b'0'));
    Some(((0..6).fold(0, |value, place| value * 10 + digit(place)), rest))
}

/// Seconds east of UTC.
fn offset(bytes: &[u8]) -> Option<i64> {
    let bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
    let (sign, rest) = match bytes.split_first() {
        None => return Some(0),
        Some((b'Z' | b'z', [])) => return Some(0),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        Some(_) => return None,
    };
    let (hours, rest) = number(rest, 2)?;
    let (minutes, rest) = number(rest.strip_prefix(b":").unwrap_or(rest), 2)?;
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_systems_write_are_read() {
        let check = |text: &str, expect: &str| {
            let got = parse("t", text).map(|time| time.to_string()).map_err(|reject| reject.code);
            assert_eq!(got, Ok(expect.to_owned()), "{text}");
        };
        check("2012-10-29T13:42:11Z", "2012-10-29T13:42:11Z");
        check("2026-11-21 02:47:15.921566", "2026-11-21T02:47:15.921566Z");
        check("2026-11-21 02:47:15", "2026-11-21T02:47:15Z");
        check("2016-08-31 23:32:11+00:00", "2016-08-31T23:32:11Z");
        check("2016-03-07T16:23:08", "2016-03-07T16:23:08Z");
        check("2022-04-22T23:02:14.000000", "2022-04-22T23:02:14Z");
        check("2026-01-01 10:00:00 +0000", "2026-01-01T10:00:00Z");
        check("2009-09-15T00:00:00-0700", "2009-09-15T07:00:00Z");
        check("20260101T10:00:00Z", "2026-01-01T10:00:00Z");
        check("2026-01-01T21:29:54.9052539Z", "2026-01-01T21:29:54.905253Z");
        check("20260101T100000Z", "2026-01-01T10:00:00Z");
        check("06/Feb/2019:00:00:38 +0000", "2019-02-06T00:00:38Z");
        check("06/Feb/2019:00:00:38 -0500", "2019-02-06T05:00:38Z");
        check("01/31/26 00:00:00", "2026-01-31T00:00:00Z");
        check("01/31/2026 23:59:59", "2026-01-31T23:59:59Z");
        check("1795229086.7876775", "2026-11-21T02:44:46.787677Z");
        check("1795229086", "2026-11-21T02:44:46Z");
        check("999999999", "2001-09-09T01:46:39Z");
        check("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z");
        check("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z");
    }

    #[test]
    fn other_texts_are_refused() {
        let check = |text: &str, code: &str| {
            assert_eq!(parse("t", text).map_err(|reject| reject.code), Err(code), "{text}");
        };
        check("", "bad_time");
        check("yesterday", "bad_time");
        check("2026-13-01T00:00:00Z", "bad_time");
        check("2026-02-29T00:00:00Z", "bad_time");
        check("2026-01-01T24:00:00Z", "bad_time");
        check("2026-01-01T10:00:00.Z", "bad_time");
        check("2026-01-01T10:00:00X", "bad_time");
        check("2026-01-01T10:00:00+25:00", "bad_time");
        check("31/01/26 00:00:00", "bad_time");
        check("06/Fev/2019:00:00:38 +0000", "bad_time");
        check("2026-01-01T10:0000Z", "bad_time");
        check("0", "bad_time");
        check("2026", "bad_time");
        check("1795229086.", "bad_time");
        check("-1795229086", "bad_time");
        check("99999999999", "time_range");
        check("1969-12-31T23:59:59Z", "time_range");
        check("0001-01-01T00:00:00Z", "time_range");
        check("9999-01-01T00:00:00Z", "time_range");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:+./FebJan -]{0,32}") {
            let _ = parse("t", &text);
        }
    }
}
