//! [`Period`]: a half-open interval of UTC seconds, computed from a local calendar.

use std::fmt;

use chrono::{Datelike, Duration, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::Instant;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    #[error("a period must end after it starts: {start} to {end}")]
    Empty { start: Instant, end: Instant },
    #[error("a period starts and ends on a whole second: {0}")]
    Fraction(Instant),
    #[error("`{0}` is not a month such as 2026-10")]
    Month(String),
    #[error("`{0}` is not a day such as 2026-10-01, nor an RFC 3339 instant")]
    Day(String),
    #[error("the period lies outside the years 1970 to 2999")]
    OutOfRange,
}

/// `[start, end)` in whole UTC seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period {
    start: Instant,
    end: Instant,
}

impl Period {
    pub fn new(start: Instant, end: Instant) -> Result<Self, PeriodError> {
        if let Some(fraction) = [start, end].into_iter().find(|i| i.floored() != *i) {
            return Err(PeriodError::Fraction(fraction));
        }
        if start >= end {
            return Err(PeriodError::Empty { start, end });
        }
        Ok(Self { start, end })
    }

    /// A calendar month of a time zone: 2026-10 in Europe/Paris has 745 hours.
    pub fn month(year: i32, month: u32, zone: Tz) -> Result<Self, PeriodError> {
        let bad = || PeriodError::Month(format!("{year:04}-{month:02}"));
        let first = NaiveDate::from_ymd_opt(year, month, 1).ok_or_else(bad)?;
        let next = first.checked_add_months(chrono::Months::new(1)).ok_or_else(bad)?;
        Self::days(first, next, zone)
    }

    /// From the local midnight of one day to that of another.
    pub fn days(first: NaiveDate, end: NaiveDate, zone: Tz) -> Result<Self, PeriodError> {
        Self::new(local_midnight(first, zone)?, local_midnight(end, zone)?)
    }

    /// Reads `2026-10` in a time zone.
    pub fn parse_month(text: &str, zone: Tz) -> Result<Self, PeriodError> {
        let bad = || PeriodError::Month(text.chars().take(20).collect());
        let (year, month) = text.split_once('-').ok_or_else(bad)?;
        if year.len() != 4 || month.len() != 2 {
            return Err(bad());
        }
        Self::month(year.parse().map_err(|_| bad())?, month.parse().map_err(|_| bad())?, zone)
    }

    pub fn start(&self) -> Instant {
        self.start
    }

    pub fn end(&self) -> Instant {
        self.end
    }

    pub fn seconds(&self) -> i64 {
        self.end.floor_seconds() - self.start.floor_seconds()
    }

    pub fn contains(&self, instant: Instant) -> bool {
        self.start <= instant && instant < self.end
    }

    pub fn intersect(&self, other: &Period) -> Option<Period> {
        Self::new(self.start.max(other.start), self.end.min(other.end)).ok()
    }

    /// The local calendar months of `zone` that this period touches, whole and in order.
    pub fn local_months(&self, zone: Tz) -> Result<Vec<Period>, PeriodError> {
        let local = self.start.to_chrono().with_timezone(&zone);
        let (mut year, mut month) = (local.year(), local.month());
        let mut months = Vec::new();
        loop {
            let whole = Self::month(year, month, zone)?;
            if whole.start >= self.end {
                return Ok(months);
            }
            // A zone that skips a day can put the start into the month after.
            if whole.end > self.start {
                months.push(whole);
            }
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
    }
}

/// Reads a day (its local midnight) or an RFC 3339 instant.
pub fn parse_day_or_instant(text: &str, zone: Tz) -> Result<Instant, PeriodError> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return local_midnight(day, zone);
    }
    Instant::parse(text).map_err(|_| PeriodError::Day(text.chars().take(40).collect()))
}

/// The first instant of a local day. Where midnight does not exist (a clock put forward at 00:00,
/// or a day skipped at the date line), the first instant after the gap.
pub fn local_midnight(day: NaiveDate, zone: Tz) -> Result<Instant, PeriodError> {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    let found = match zone.from_local_datetime(&midnight) {
        LocalResult::Single(time) => time.with_timezone(&Utc),
        LocalResult::Ambiguous(first, _) => first.with_timezone(&Utc),
        LocalResult::None => end_of_gap(midnight, zone).ok_or(PeriodError::OutOfRange)?,
    };
    Instant::from_chrono(found).map_err(|_| PeriodError::OutOfRange)
}

/// The largest known gap is the day that Samoa skipped in 2011 (24 h).
const GAP_SECONDS_MAX: i64 = 25 * 3600;

fn end_of_gap(local: NaiveDateTime, zone: Tz) -> Option<chrono::DateTime<Utc>> {
    // In UTC the local clock jumps over `local` at one instant: find it by bisection between an
    // instant whose local time is before the gap and one after it.
    let (mut before, mut after) = (-GAP_SECONDS_MAX, GAP_SECONDS_MAX);
    let naive_utc = local.and_utc();
    let reached = |offset: i64| -> Option<bool> {
        let time = naive_utc.checked_add_signed(Duration::seconds(offset))?;
        Some(time.with_timezone(&zone).naive_local() >= local)
    };
    if reached(before)? || !reached(after)? {
        return None;
    }
    while after - before > 1 {
        let middle = (before + after).div_euclid(2);
        if reached(middle)? { after = middle } else { before = middle }
    }
    naive_utc.checked_add_signed(Duration::seconds(after))
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_the_hours_of_their_local_calendar() {
        let check = |month: &str, zone: Tz, start: &str, hours: i64| {
            let period = Period::parse_month(month, zone).expect(month);
            assert_eq!(period.start().to_string(), start, "{month} {zone}");
            assert_eq!(period.seconds(), hours * 3600, "{month} {zone}");
        };
        check("2026-10", Tz::UTC, "2026-10-01T00:00:00Z", 744);
        check("2026-10", Tz::Europe__Paris, "2026-09-30T22:00:00Z", 745);
        check("2026-03", Tz::Europe__Paris, "2026-02-28T23:00:00Z", 743);
        check("2028-02", Tz::UTC, "2028-02-01T00:00:00Z", 696);
        // Samoa skipped 2011-12-30.
        check("2011-12", Tz::Pacific__Apia, "2011-12-01T10:00:00Z", 720);
    }

    #[test]
    fn a_midnight_that_does_not_exist_is_the_end_of_the_gap() {
        let day = NaiveDate::from_ymd_opt(2018, 11, 4).expect("day");
        let start = local_midnight(day, Tz::America__Sao_Paulo).expect("midnight");
        assert_eq!(start.to_string(), "2018-11-04T03:00:00Z");
    }

    #[test]
    fn one_second_before_at_and_after_the_end() {
        let period = Period::parse_month("2026-10", Tz::UTC).expect("month");
        let at = |text: &str| period.contains(Instant::parse(text).expect(text));
        assert!(at("2026-10-31T23:59:59Z"));
        assert!(!at("2026-11-01T00:00:00Z"));
        assert!(!at("2026-09-30T23:59:59.999999Z"));
        assert!(at("2026-10-01T00:00:00Z"));
    }

    #[test]
    fn local_months_tile() {
        let year = Period::new(
            Instant::parse("2026-01-15T12:00:00Z").expect("start"),
            Instant::parse("2027-01-15T12:00:00Z").expect("end"),
        );
        let months = year.expect("period").local_months(Tz::Asia__Tokyo).expect("months");
        assert_eq!(months.len(), 13);
        assert!(months.windows(2).all(|pair| pair[0].end() == pair[1].start()));
    }

    #[test]
    fn bad_months_are_refused() {
        for text in ["2026", "2026-13", "26-01", "2026-1", "2026-00", ""] {
            assert!(Period::parse_month(text, Tz::UTC).is_err(), "{text}");
        }
    }
}
