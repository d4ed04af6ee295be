//! Days, instants, periods and durations as text, in a named time zone.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use chrono::{DateTime, LocalResult, NaiveDate, Offset, TimeZone, Timelike};
use chrono_tz::Tz;
use turnpike_schemas::period::local_midnight;
use turnpike_schemas::{Instant, Period};

/// `1 Oct 2026`.
pub fn day(day: NaiveDate) -> String {
    day.format("%-d %b %Y").to_string()
}

/// `1 Oct 2026, 00:00 (Europe/Paris)`.
pub fn instant(instant: Instant, zone: Tz) -> String {
    format!("{} ({zone})", local_time(instant, zone))
}

/// `1 Oct 2026, 00:00`, for places that name the zone once. Seconds are shown where they are not
/// zero, and the offset where the local clock shows that time twice.
pub fn local_time(instant: Instant, zone: Tz) -> String {
    let local = instant.to_chrono().with_timezone(&zone);
    let pattern = if local.second() == 0 { "%-d %b %Y, %H:%M" } else { "%-d %b %Y, %H:%M:%S" };
    let text = local.format(pattern).to_string();
    match zone.from_local_datetime(&local.naive_local()) {
        LocalResult::Ambiguous(..) => format!("{text} UTC{}", offset(&local)),
        LocalResult::Single(_) | LocalResult::None => text,
    }
}

fn offset(local: &DateTime<Tz>) -> String {
    local.offset().fix().to_string()
}

/// `1 Oct 2026 – 31 Oct 2026 (Europe/Paris)` for whole local days, both named days included;
/// else both instants.
pub fn period(period: &Period, zone: Tz) -> String {
    format!("{} ({zone})", period_local(period, zone))
}

/// [`period`] for places that name the zone once.
pub fn period_local(period: &Period, zone: Tz) -> String {
    match whole_days(period, zone) {
        Some((first, last)) if first == last => day(first),
        Some((first, last)) => format!("{} – {}", day(first), day(last)),
        None => {
            format!("{} – {}", local_time(period.start(), zone), local_time(period.end(), zone))
        }
    }
}

/// The first and the last day, where the period starts and ends at local midnights.
fn whole_days(period: &Period, zone: Tz) -> Option<(NaiveDate, NaiveDate)> {
    let first = midnight_of(period.start(), zone)?;
    let end = midnight_of(period.end(), zone)?;
    Some((first, end.pred_opt()?))
}

fn midnight_of(instant: Instant, zone: Tz) -> Option<NaiveDate> {
    let day = instant.to_chrono().with_timezone(&zone).date_naive();
    (local_midnight(day, zone).ok()? == instant).then_some(day)
}

/// `744 h 00 min 00 s`.
pub fn duration(seconds: i64) -> String {
    let magnitude = seconds.unsigned_abs();
    let sign = if seconds < 0 { "\u{2212}" } else { "" };
    let hours = super::grouped(&magnitude.div_euclid(3_600).to_string());
    let minutes = magnitude.rem_euclid(3_600).div_euclid(60);
    format!("{sign}{hours} h {minutes:02} min {:02} s", magnitude.rem_euclid(60))
}
