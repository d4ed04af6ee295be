//! Which periods are not complete: records of theirs may have been lost before they were read.

use anyhow::Context as _;
use turnpike_ingest::Gap;
use turnpike_lake::Lake;
use turnpike_rating::Window;
use turnpike_schemas::time::{next_utc_month, utc_month_start};
use turnpike_schemas::{Instant, Period};

/// The widest that a zone's clock differs from UTC: a month of an account begins and ends within it.
const ZONE_HOURS_MAX: i64 = 14;
const HOUR_MICROS: i64 = 3_600_000_000;

/// The gaps that nobody has given up.
pub async fn gaps(lake: &Lake) -> anyhow::Result<Vec<Gap>> {
    turnpike_ingest::gaps(lake).await.context("looking for gaps")
}

/// Those of which usage of a window may be missing, whatever an account's time zone.
pub async fn gaps_of_window(lake: &Lake, window: Window) -> anyhow::Result<Vec<Gap>> {
    let mut found = gaps(lake).await?;
    if let Some((start, end)) = bounds(window) {
        found.retain(|gap| gap.touches(start, end));
    }
    Ok(found)
}

/// Those of which usage of a period may be missing.
pub fn touching<'a>(gaps: &'a [Gap], period: &'a Period) -> impl Iterator<Item = &'a Gap> {
    gaps.iter().filter(|gap| gap.touches(period.start(), period.end()))
}

fn bounds(window: Window) -> Option<(Instant, Instant)> {
    match window {
        Window::Span(period) => Some((period.start(), period.end())),
        Window::Month { year, month } => {
            let month = year.checked_mul(100)?.checked_add(i32::try_from(month).ok()?)?;
            let (start, end) = (utc_month_start(month)?, utc_month_start(next_utc_month(month))?);
            let shifted = |at: Instant, hours: i64| {
                Instant::from_micros(at.micros() + hours * HOUR_MICROS).unwrap_or(at)
            };
            Some((shifted(start, -ZONE_HOURS_MAX), shifted(end, ZONE_HOURS_MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_as_wide_as_the_zones_make_it() {
        let (start, end) = bounds(Window::Month { year: 2026, month: 12 }).expect("bounds");
        assert_eq!(start.to_string(), "2026-11-30T10:00:00Z");
        assert_eq!(end.to_string(), "2027-01-01T14:00:00Z");
    }
}
