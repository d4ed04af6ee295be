//! Local months and days tile time in every zone: no second between two of them, none in both.

use chrono::{Datelike, NaiveDate};
use chrono_tz::{TZ_VARIANTS, Tz};
use turnpike_schemas::period::local_midnight;
use turnpike_schemas::{Instant, Period};

const YEARS: std::ops::RangeInclusive<i32> = 2020..=2040;

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn local_day(second: i64, zone: Tz) -> NaiveDate {
    Instant::from_seconds(second).unwrap().to_chrono().with_timezone(&zone).date_naive()
}

#[test]
fn months_tile_in_every_zone() {
    for zone in TZ_VARIANTS {
        let mut end = None;
        let mut seconds = 0;
        for (year, month) in YEARS.flat_map(|year| (1..=12).map(move |month| (year, month))) {
            let period = Period::month(year, month, zone).unwrap();
            assert!(end.is_none_or(|end| end == period.start()), "{zone} {year}-{month}");
            assert_eq!(period.local_months(zone).unwrap(), [period], "{zone} {year}-{month}");
            seconds += period.seconds();
            end = Some(period.end());
        }
        let whole =
            Period::days(day(*YEARS.start(), 1, 1), day(*YEARS.end() + 1, 1, 1), zone).unwrap();
        assert_eq!(seconds, whole.seconds(), "{zone}");
    }
}

#[test]
fn days_tile_in_every_zone_and_begin_where_the_clock_says_so() {
    let mut changes = 0;
    for zone in TZ_VARIANTS {
        let first = day(*YEARS.start(), 1, 1);
        let mut start = local_midnight(first, zone).unwrap().floor_seconds();
        for date in first.iter_days().take_while(|date| date.year() <= *YEARS.end()) {
            let next = date.succ_opt().unwrap();
            let end = local_midnight(next, zone).unwrap().floor_seconds();
            let hours = end - start;
            if hours != 86_400 {
                changes += 1;
                // The clock agrees, on both sides of both ends.
                assert_eq!(local_day(start, zone), date, "{zone} {date}");
                assert_eq!(local_day(end - 1, zone), date, "{zone} {date}");
                assert_eq!(local_day(end, zone), next, "{zone} {date}");
                assert!((20 * 3_600..=28 * 3_600).contains(&hours), "{zone} {date}: {hours} s");
            }
            start = end;
        }
    }
    assert!(changes > 5_000, "only {changes} days of another length were met");
}
