//! Times as OpenStack services write them: with a `T` or a space, with or without a fraction, with
//! `Z`, `+00:00`, `+0000` or nothing, which means UTC.

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

fn micros(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (date, rest) = date(bytes)?;
    let (first, rest) = rest.split_first()?;
    if !matches!(first, b'T' | b't' | b' ') {
        return None;
    }
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = number(rest.strip_prefix(b":")?, 2)?;
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

fn date(bytes: &[u8]) -> Option<(NaiveDate, &[u8])> {
    let (year, rest) = number(bytes, 4)?;
    let (month, rest) = number(rest.strip_prefix(b"-").unwrap_or(rest), 2)?;
    let (day, rest) = number(rest.strip_prefix(b"-").unwrap_or(rest), 2)?;
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(year).ok()?,
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
    )?;
    Some((date, rest))
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
    fn the_forms_that_openstack_writes_are_read() {
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
        check("1969-12-31T23:59:59Z", "time_range");
        check("0001-01-01T00:00:00Z", "time_range");
        check("9999-01-01T00:00:00Z", "time_range");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:+. -]{0,32}") {
            let _ = parse("t", &text);
        }
    }
}
