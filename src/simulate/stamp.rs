//! Writing instants as the systems do, fast: a simulated stream writes several per event.

use std::fmt::Write as _;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Year, month and day of a day counted from 1970 (Howard Hinnant's `civil_from_days`).
pub fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn digits(text: &mut String, value: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = u8::try_from(value / 10_i64.pow(place) % 10).unwrap_or(0);
        text.push(char::from(b'0' + digit));
    }
}

fn to_seconds(text: &mut String, micros: i64, middle: char) {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    let second = micros.rem_euclid(DAY) / SECOND;
    digits(text, year, 4);
    text.push('-');
    digits(text, month, 2);
    text.push('-');
    digits(text, day, 2);
    text.push(middle);
    digits(text, second / 3_600, 2);
    text.push(':');
    digits(text, second / 60 % 60, 2);
    text.push(':');
    digits(text, second % 60, 2);
}

/// `2026-10-01T00:00:00.000001Z`, the fraction only where there is one.
pub fn rfc3339(text: &mut String, micros: i64) {
    to_seconds(text, micros, 'T');
    let fraction = micros.rem_euclid(SECOND);
    if fraction != 0 {
        text.push('.');
        digits(text, fraction, 6);
    }
    text.push('Z');
}

/// `2026-10-01T00:00:00Z`: Nova's fields have whole seconds.
pub fn nova(text: &mut String, micros: i64) {
    to_seconds(text, micros, 'T');
    text.push('Z');
}

/// `2026-10-01 00:00:00.000001`: the envelope's naive UTC, without a fraction of zero.
pub fn oslo(text: &mut String, micros: i64) {
    to_seconds(text, micros, ' ');
    let fraction = micros.rem_euclid(SECOND);
    if fraction != 0 {
        text.push('.');
        digits(text, fraction, 6);
    }
}

/// `2026-10-01T00:00:00.000001+00:00`: Cinder's fields.
pub fn cinder(text: &mut String, micros: i64) {
    to_seconds(text, micros, 'T');
    let _ = write!(text, ".{:06}+00:00", micros.rem_euclid(SECOND));
}

/// `2026-10-01`.
pub fn day(micros: i64) -> String {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use turnpike_schemas::Instant;

    #[test]
    fn instants_read_back() {
        let check = |text: &str| {
            let instant = Instant::parse(text).expect(text);
            let mut written = String::new();
            rfc3339(&mut written, instant.micros());
            assert_eq!(written, text);
            assert_eq!(day(instant.micros()), text[..10]);
        };
        check("1970-01-01T00:00:00Z");
        check("2026-11-21T06:59:59.000001Z");
        check("2028-02-29T23:59:59Z");
        check("2100-03-01T00:00:00.999999Z");
    }
}
