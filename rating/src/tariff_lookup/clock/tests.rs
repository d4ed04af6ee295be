//! Local hours and windows against the wall clock itself, second by second where it jumps.

use chrono::{Datelike, TimeZone, Timelike};
use chrono_tz::Tz;
use turnpike_schemas::tariff::{EVERY_DAY, TimeOfUse, WEEKEND, WORKING_DAYS};
use turnpike_schemas::{Instant, Period};

use super::{Clock, offset};

fn at(text: &str) -> Instant {
    Instant::parse(text).expect(text)
}

fn hours(days: u8, from: u32, to: u32) -> TimeOfUse {
    TimeOfUse { days, from: from * 60, to: to * 60 }
}

fn clock(zone: Tz, start: &str, end: &str) -> Clock {
    Clock::new(zone, at(start), at(end)).expect("clock")
}

/// What the wall clock shows, the plain way.
fn holds_by_wall_clock(zone: Tz, times: &[TimeOfUse], at: Instant) -> bool {
    let local = at.to_chrono().with_timezone(&zone);
    let second = local.num_seconds_from_midnight();
    let today = local.weekday().num_days_from_monday();
    let yesterday = (today + 6) % 7;
    times.iter().any(|hours| {
        let on = |day: u32| hours.days & (1 << day) != 0;
        if hours.from < hours.to {
            on(today) && (hours.from..hours.to).contains(&second)
        } else {
            on(today) && second >= hours.from || on(yesterday) && second < hours.to
        }
    })
}

#[test]
fn hours_begin_and_end_at_their_second() {
    let clock = clock(Tz::Europe__Paris, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let check = |hours: TimeOfUse, instant: &str, expect: bool| {
        assert_eq!(clock.applies(&[hours], at(instant)), expect, "{hours:?} at {instant}");
    };
    // 2026-10-05 is a Monday; Paris is two hours ahead.
    let office = hours(WORKING_DAYS, 9 * 60, 12 * 60);
    check(office, "2026-10-05T06:59:59.999999Z", false);
    check(office, "2026-10-05T07:00:00Z", true);
    check(office, "2026-10-05T09:59:59.999999Z", true);
    check(office, "2026-10-05T10:00:00Z", false);
    check(office, "2026-10-03T08:00:00Z", false);
    // Friday night is Friday's until Saturday 06:00, and Sunday has none.
    let night = hours(0b001_0000, 22 * 60, 6 * 60);
    check(night, "2026-10-02T19:59:59Z", false);
    check(night, "2026-10-02T20:00:00Z", true);
    check(night, "2026-10-03T03:59:59Z", true);
    check(night, "2026-10-03T04:00:00Z", false);
    check(night, "2026-10-03T20:00:00Z", false);
    // From midnight to midnight, said in two ways.
    check(hours(WEEKEND, 0, 24 * 60), "2026-10-02T21:59:59Z", false);
    check(hours(WEEKEND, 0, 24 * 60), "2026-10-02T22:00:00Z", true);
    check(hours(WEEKEND, 0, 24 * 60), "2026-10-04T21:59:59Z", true);
    check(hours(WEEKEND, 0, 24 * 60), "2026-10-04T22:00:00Z", false);
    check(hours(WEEKEND, 0, 0), "2026-10-04T21:59:59Z", true);
    check(hours(WEEKEND, 0, 0), "2026-10-04T22:00:00Z", false);
    assert!(clock.applies(&[], at("2026-10-04T22:00:00Z")));
}

#[test]
fn days_of_23_and_25_hours_hold_the_hours_that_their_clock_shows() {
    let seconds = |start: &str, end: &str, times: &[TimeOfUse]| {
        let clock = clock(Tz::Europe__Paris, start, end);
        let mut cuts = vec![at(start), at(end)];
        clock.time_cuts(times, at(start), at(end), &mut cuts);
        cuts.sort_unstable();
        cuts.dedup();
        let held = cuts.windows(2).filter(|pair| clock.applies(times, pair[0]));
        held.map(|pair| pair[1].floor_seconds() - pair[0].floor_seconds()).sum::<i64>()
    };
    let nights = [hours(EVERY_DAY, 0, 6 * 60)];
    // 2026-10-25 has 02:00 to 03:00 twice, 2026-03-29 not at all.
    let (long, short) = ("2026-10-24T22:00:00Z", "2026-03-28T23:00:00Z");
    assert_eq!(seconds(long, "2026-10-25T23:00:00Z", &nights), 7 * 3_600);
    assert_eq!(seconds(short, "2026-03-29T22:00:00Z", &nights), 5 * 3_600);
    let lost = [hours(EVERY_DAY, 2 * 60, 3 * 60)];
    assert_eq!(seconds(long, "2026-10-25T23:00:00Z", &lost), 2 * 3_600);
    assert_eq!(seconds(short, "2026-03-29T22:00:00Z", &lost), 0);
    // Hours that begin in what is lost begin where the clock goes on.
    let half = [hours(EVERY_DAY, 2 * 60 + 30, 4 * 60)];
    assert_eq!(seconds(short, "2026-03-29T22:00:00Z", &half), 3_600);
    assert_eq!(seconds(long, "2026-10-25T23:00:00Z", &half), 3_600 + 1_800 + 1_800);
}

#[test]
fn windows_tile_each_local_day() {
    let windows = |start: &str, end: &str, seconds: i64| {
        let clock = clock(Tz::Europe__Paris, start, end);
        let mut cuts = vec![at(start), at(end)];
        clock.window_cuts(seconds, at(start), at(end), &mut cuts);
        cuts.sort_unstable();
        cuts.dedup();
        for pair in cuts.windows(2) {
            let window = clock.window(pair[0], seconds).expect("window");
            assert!(window.contains(pair[0]) && pair[1] <= window.end(), "{pair:?} in {window}");
        }
        cuts.len() - 1
    };
    let day = ("2026-10-04T22:00:00Z", "2026-10-05T22:00:00Z");
    assert_eq!(windows(day.0, day.1, 3_600), 24);
    assert_eq!(windows(day.0, day.1, 86_400), 1);
    assert_eq!(windows("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 3_600), 25);
    assert_eq!(windows("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 86_400), 2);
    assert_eq!(windows("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 3_600), 23);
    // What begins within a window belongs to it.
    assert_eq!(windows("2026-10-05T07:30:00Z", "2026-10-05T09:30:00Z", 3_600), 3);
    let clock = clock(Tz::Europe__Paris, day.0, day.1);
    let starts = |instant: &str| clock.window(at(instant), 7_200).expect("window").start();
    assert_eq!(starts("2026-10-05T01:59:59.9Z"), at("2026-10-05T00:00:00Z"));
    assert_eq!(starts("2026-10-05T02:00:00Z"), at("2026-10-05T02:00:00Z"));
}

/// Every change of the clock of a zone between two years, in seconds of UTC.
fn changes(zone: Tz, first: i64, last: i64) -> Vec<i64> {
    let start = Instant::from_seconds(first).expect("start");
    let end = Instant::from_seconds(last).expect("end");
    let clock = Clock::new(zone, start, end).expect("clock");
    clock.offsets.iter().skip(1).map(|(at, _)| *at).collect()
}

#[test]
fn every_change_of_every_clock_from_2020_to_2040_tiles() {
    let (first, last) = (at("2020-01-01T00:00:00Z"), at("2041-01-01T00:00:00Z"));
    let times = [
        vec![hours(EVERY_DAY, 0, 3 * 60), hours(WORKING_DAYS, 22 * 60, 2 * 60 + 30)],
        vec![hours(WEEKEND, 23 * 60 + 30, 30), hours(EVERY_DAY, 60, 2 * 60)],
    ];
    let mut seen = 0;
    for zone in chrono_tz::TZ_VARIANTS {
        for change in changes(zone, first.floor_seconds(), last.floor_seconds()) {
            seen += 1;
            assert_ne!(offset(zone, change), offset(zone, change - 1), "{zone} at {change}");
            let around = |seconds: i64| Instant::from_seconds(change + seconds).expect("instant");
            let (start, end) = (around(-90_000), around(90_000));
            let clock = Clock::new(zone, start, end).expect("clock");
            for times in &times {
                tiles(&clock, zone, times, start, end);
            }
            months_and_windows_tile(&clock, zone, start, end);
        }
    }
    // Some 140 zones (with their other names) change twice a year.
    assert!(seen > 5_000, "only {seen} changes");
}

/// Between two cuts the hours hold or do not, as the wall clock says at each quarter of an hour and
/// next to each cut.
fn tiles(clock: &Clock, zone: Tz, times: &[TimeOfUse], start: Instant, end: Instant) {
    let mut cuts = vec![start, end];
    clock.time_cuts(times, start, end, &mut cuts);
    cuts.sort_unstable();
    cuts.dedup();
    for pair in cuts.windows(2) {
        let expect = clock.applies(times, pair[0]);
        let (from, to) = (pair[0].floor_seconds(), pair[1].floor_seconds());
        let grid = (from.div_euclid(900) + 1..=to.div_euclid(900)).map(|quarter| quarter * 900);
        for second in grid.filter(|second| *second < to).chain([from, to - 1]) {
            let at = Instant::from_seconds(second).expect("instant");
            assert_eq!(holds_by_wall_clock(zone, times, at), expect, "{zone} at {at}");
        }
    }
}

/// Months and windows part the time without gap or overlap, and windows lie within their month.
fn months_and_windows_tile(clock: &Clock, zone: Tz, start: Instant, end: Instant) {
    let months = Period::new(start, end).expect("period").local_months(zone).expect("months");
    assert!(months.windows(2).all(|pair| pair[0].end() == pair[1].start()), "{zone}: {months:?}");
    assert!(months[0].start() <= start && end <= months[months.len() - 1].end(), "{zone}");
    let mut cuts = vec![start, end];
    clock.window_cuts(3_600, start, end, &mut cuts);
    cuts.extend(months.iter().map(Period::start).filter(|at| start < *at && *at < end));
    cuts.sort_unstable();
    cuts.dedup();
    let mut sum = 0;
    let mut before: Option<Period> = None;
    for pair in cuts.windows(2) {
        let window = clock.window(pair[0], 3_600).expect("window");
        assert!(window.start() <= pair[0] && pair[1] <= window.end(), "{zone}: {pair:?}");
        let follows = before.is_none_or(|before| before.end() == window.start());
        assert!(follows, "{zone}: {before:?} then {window:?}");
        before = Some(window);
        sum += pair[1].floor_seconds() - pair[0].floor_seconds();
    }
    assert_eq!(sum, end.floor_seconds() - start.floor_seconds(), "{zone}");
}

#[test]
fn a_zone_that_skips_a_day_still_tiles() {
    // Samoa skipped 2011-12-30.
    let clock = clock(Tz::Pacific__Apia, "2011-12-29T10:00:00Z", "2012-01-01T10:00:00Z");
    let mut cuts = Vec::new();
    clock.window_cuts(86_400, at("2011-12-29T10:00:00Z"), at("2012-01-01T10:00:00Z"), &mut cuts);
    assert_eq!(cuts, [at("2011-12-30T10:00:00Z"), at("2011-12-31T10:00:00Z")]);
    let friday = hours(0b001_0000, 0, 24 * 60);
    let local = Tz::Pacific__Apia.with_ymd_and_hms(2011, 12, 31, 0, 0, 0).single();
    assert_eq!(local.map(|time| time.timestamp()), Some(at(&cuts[0].to_string()).floor_seconds()));
    assert!(!clock.applies(&[friday], cuts[0]));
}
