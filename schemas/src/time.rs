//! [`Instant`]: microseconds since 1970 in UTC, as events carry them.
//!
//! Event times keep their microseconds. Rating floors each instant to its second (never a
//! duration), so that pieces add up to the whole exactly.

use std::fmt;

use chrono::{DateTime, Datelike, SecondsFormat, TimeZone, Timelike, Utc};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstantError {
    #[error("`{0}` is not an RFC 3339 instant such as 2026-10-01T00:00:00Z")]
    Text(String),
    #[error("the instant lies outside the years 1970 to 2999")]
    OutOfRange,
}

/// An instant in UTC, in microseconds, between the years 1970 and 2999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(i64);

/// 3000-01-01T00:00:00Z. A bound keeps every later sum of seconds far from overflow.
const MICROS_END: i64 = 32_503_680_000_000_000;

impl Instant {
    /// The earliest instant there is: 1970-01-01T00:00:00Z.
    pub const MIN: Instant = Instant(0);
    /// The latest instant there is.
    pub const MAX: Instant = Instant(MICROS_END - 1);

    #[inline]
    pub fn from_micros(micros: i64) -> Result<Self, InstantError> {
        if (0..MICROS_END).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(InstantError::OutOfRange)
        }
    }

    pub fn from_seconds(seconds: i64) -> Result<Self, InstantError> {
        Self::from_micros(seconds.checked_mul(1_000_000).ok_or(InstantError::OutOfRange)?)
    }

    /// A leap second (23:59:60) is the end of the second before it: days have 86,400 seconds here, and
    /// what happened in it belongs to the day that it ends.
    pub fn from_chrono(time: DateTime<Utc>) -> Result<Self, InstantError> {
        if time.nanosecond() < 1_000_000_000 {
            return Self::from_micros(time.timestamp_micros());
        }
        let second = time.timestamp().checked_mul(1_000_000).ok_or(InstantError::OutOfRange)?;
        Self::from_micros(second.checked_add(999_999).ok_or(InstantError::OutOfRange)?)
    }

    /// Reads RFC 3339 with an offset or `Z`.
    pub fn parse(text: &str) -> Result<Self, InstantError> {
        let time = DateTime::parse_from_rfc3339(text)
            .map_err(|_| InstantError::Text(text.chars().take(40).collect()))?;
        Self::from_chrono(time.with_timezone(&Utc))
    }

    #[inline]
    pub fn micros(&self) -> i64 {
        self.0
    }

    /// The second this instant lies in: the time grid of rating.
    #[inline]
    pub fn floor_seconds(&self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant floored to its second.
    pub fn floored(&self) -> Self {
        Self(self.floor_seconds() * 1_000_000)
    }

    /// This instant moved by seconds, or `None` outside the years 1970 to 2999.
    pub fn plus_seconds(&self, seconds: i64) -> Option<Self> {
        let micros = self.0.checked_add(seconds.checked_mul(1_000_000)?)?;
        Self::from_micros(micros).ok()
    }

    pub fn to_chrono(&self) -> DateTime<Utc> {
        Utc.timestamp_micros(self.0).single().expect("bounded by the constructor")
    }

    /// The UTC month as `yyyymm`, the partition of the `usage` table.
    pub fn utc_month(&self) -> i32 {
        let time = self.to_chrono();
        time.year() * 100 + i32::try_from(time.month()).expect("a month is 1 to 12")
    }
}

impl TryFrom<String> for Instant {
    type Error = InstantError;
    fn try_from(text: String) -> Result<Self, InstantError> {
        Self::parse(&text)
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> String {
        instant.to_string()
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_chrono().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first instant of a UTC month given as `yyyymm`, or `None` where that is no month.
pub fn utc_month_start(month: i32) -> Option<Instant> {
    let start = Utc
        .with_ymd_and_hms(
            month.div_euclid(100),
            u32::try_from(month.rem_euclid(100)).ok()?,
            1,
            0,
            0,
            0,
        )
        .single()?;
    Instant::from_chrono(start).ok()
}

/// The UTC month after `yyyymm`.
pub fn next_utc_month(month: i32) -> i32 {
    if month.rem_euclid(100) == 12 { month + 89 } else { month + 1 }
}

/// A time zone as its IANA name.
pub mod zone_name {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(zone.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_parse_print_and_floor() {
        let instant = Instant::parse("2026-10-01T02:00:00.702356+02:00").expect("parses");
        assert_eq!(instant.to_string(), "2026-10-01T00:00:00.702356Z");
        assert_eq!(instant.floored().to_string(), "2026-10-01T00:00:00Z");
        assert_eq!(instant.utc_month(), 202_610);
        assert!(Instant::parse("2026-10-01T02:00:00").is_err());
        assert!(Instant::parse("1969-12-31T23:59:59Z").is_err());
        assert!(Instant::parse("3000-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn a_leap_second_ends_its_day() {
        for text in ["2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z", "2017-01-01T00:59:60+01:00"]
        {
            let instant = Instant::parse(text).expect(text);
            assert_eq!(instant.to_string(), "2016-12-31T23:59:59.999999Z", "{text}");
        }
    }

    #[test]
    fn months_follow_each_other() {
        assert_eq!(next_utc_month(202_612), 202_701);
        assert_eq!(next_utc_month(202_609), 202_610);
        assert_eq!(utc_month_start(202_610).expect("month").to_string(), "2026-10-01T00:00:00Z");
        assert!(utc_month_start(202_613).is_none());
    }
}
