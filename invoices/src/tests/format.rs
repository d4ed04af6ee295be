use chrono::NaiveDate;
use chrono_tz::Tz;
use turnpike_schemas::meter::GIB;
use turnpike_schemas::{Aggregation, Money, Per, Period, PriceUnit};

use super::{currency, instant};
use crate::format;

fn unit(name: &str, base_units: i64) -> PriceUnit {
    PriceUnit { name: name.to_owned(), base_units }
}

/// U+202F is hard to see, so tables write `_` for it, and `-` for U+2212.
fn plain(text: &str) -> String {
    text.replace('\u{202f}', "_").replace('\u{2212}', "-")
}

#[test]
fn money_shows_its_decimals_and_currency() {
    let check = |minor: i64, code: &str, expect: &str| {
        let text = format::money(&Money::from_minor(minor, currency(code)));
        assert_eq!(plain(&text), expect);
    };
    check(0, "EUR", "0.00 EUR");
    check(5, "EUR", "0.05 EUR");
    check(123_456, "EUR", "1_234.56 EUR");
    check(-123_456_789, "EUR", "-1_234_567.89 EUR");
    check(99_999, "EUR", "999.99 EUR");
    check(1_234, "JPY", "1_234 JPY");
    check(1_234_567, "KWD", "1_234.567 KWD");
    check(i64::MIN, "EUR", "-92_233_720_368_547_758.08 EUR");
    assert!(format::money(&Money::from_minor(-1, currency("EUR"))).starts_with('\u{2212}'));
}

#[test]
fn prices_have_up_to_nine_decimals() {
    let check = |nano: i64, name: &str, per: Per, expect: &str| {
        let text = format::unit_price(nano, currency("EUR"), &unit(name, 1), per);
        assert_eq!(plain(&text), expect);
    };
    check(41_600_000, "vCPU", Per::Hour, "0.0416 EUR / vCPU·hour");
    check(1, "byte", Per::Second, "0.000000001 EUR / byte·second");
    check(12_500_000_000, "instance", Per::Month, "12.5 EUR / instance·month");
    check(1_234_000_000_000, "GiB", Per::Unit, "1_234 EUR / GiB");
    check(0, "GiB", Per::Day, "0 EUR / GiB·day");
    check(-90_000_000, "GiB", Per::Unit, "-0.09 EUR / GiB");
}

#[test]
fn quantities_are_exact_or_cut_with_a_mark() {
    let check = |quantity: i128, scale: u32, name: &str, base: i64, expect: &str| {
        assert_eq!(plain(&format::quantity(quantity, scale, &unit(name, base))), expect);
    };
    check(2_000_000, 6, "vCPU", 1, "2 vCPU");
    check(1_500_000, 6, "vCPU", 1, "1.5 vCPU");
    check(GIB.into(), 0, "GiB", GIB, "1 GiB");
    check(i128::from(GIB) / 2, 0, "GiB", GIB, "0.5 GiB");
    check(1, 0, "GiB", GIB, "0.000000… GiB");
    check(-1_000_000_000, 0, "GiB", GIB, "-0.931322… GiB");
    check(1, 0, "address", 1, "1 address");
    check(3, 0, "address", 1, "3 addresses");
    check(2, 0, "load balancer", 1, "2 load balancers");
    check(0, 0, "request", 1, "0 requests");
    check(12_345, 0, "1000 requests", 1_000, "12.345 × 1000 requests");
    check(2_500_000, 0, "million requests", 1_000_000, "2.5 million requests");
    check(i128::MAX, 9, "GiB", i64::MAX, "18_446_744_073.709551… GiB");
}

#[test]
fn priced_quantities_are_in_the_unit_of_the_price() {
    let check = |quantity: i128, scale: u32, per: Per, seconds: i64, expect: &str| {
        let vcpu = unit("vCPU", 1);
        let text = format::priced_quantity(quantity, scale, &vcpu, per, seconds);
        assert_eq!(plain(&text), expect);
    };
    check(5_356_800_000_000, 6, Per::Hour, 3_600, "1_488 vCPU·hours");
    check(3_600_000_000, 6, Per::Hour, 3_600, "1 vCPU·hour");
    check(1_000_000, 6, Per::Hour, 3_600, "0.000277… vCPU·hours");
    check(1_000_000, 6, Per::Second, 1, "1 vCPU·second");
    check(2_682_000, 0, Per::Month, 2_682_000, "1 vCPU·month");
    check(43_200, 0, Per::Day, 86_400, "0.5 vCPU·days");
    check(7, 0, Per::Unit, 1, "7 vCPU");
}

#[test]
fn holdings_that_divide_evenly_show_level_and_time() {
    let check = |quantity: i128, seconds: i64, expect: Option<&str>| {
        let text = format::held(Aggregation::Held, quantity, 0, &unit("vCPU", 1), seconds);
        assert_eq!(text.as_deref().map(plain).as_deref(), expect);
    };
    check(5_356_800, 2_678_400, Some("2 vCPU × 744 h 00 min 00 s"));
    check(-3_600, 3_600, Some("-1 vCPU × 1 h 00 min 00 s"));
    check(7, 2, None);
    check(7, 0, None);
    let sum = format::held(Aggregation::Sum, 4, 0, &unit("GiB", 1), 2);
    assert_eq!(sum, None);
}

#[test]
fn durations_days_and_percentages() {
    let duration = |seconds: i64, expect: &str| {
        assert_eq!(plain(&format::duration(seconds)), expect);
    };
    duration(0, "0 h 00 min 00 s");
    duration(59, "0 h 00 min 59 s");
    duration(3_661, "1 h 01 min 01 s");
    duration(2_682_000, "745 h 00 min 00 s");
    duration(31_536_000, "8_760 h 00 min 00 s");
    duration(-61, "-0 h 01 min 01 s");

    let percent = |ppm: u32, expect: &str| assert_eq!(format::percent(ppm), expect);
    percent(333_330, "33.333 %");
    percent(200_000, "20 %");
    percent(1, "0.0001 %");
    percent(0, "0 %");
    percent(1_000_000, "100 %");

    let date = NaiveDate::from_ymd_opt(2026, 10, 1).expect("date");
    assert_eq!(format::day(date), "1 Oct 2026");
}

#[test]
fn instants_name_their_zone_and_a_time_that_comes_twice_its_offset() {
    let check = |utc: &str, zone: Tz, expect: &str| {
        assert_eq!(format::instant(instant(utc), zone), expect);
    };
    let paris = Tz::Europe__Paris;
    check("2026-09-30T22:00:00Z", paris, "1 Oct 2026, 00:00 (Europe/Paris)");
    check("2026-10-14T01:12:45.7Z", paris, "14 Oct 2026, 03:12:45 (Europe/Paris)");
    check("2026-10-25T00:30:00Z", paris, "25 Oct 2026, 02:30 UTC+02:00 (Europe/Paris)");
    check("2026-10-25T01:30:00Z", paris, "25 Oct 2026, 02:30 UTC+01:00 (Europe/Paris)");
    check("2026-10-25T02:30:00Z", paris, "25 Oct 2026, 03:30 (Europe/Paris)");
    check("2026-10-01T00:00:00Z", Tz::UTC, "1 Oct 2026, 00:00 (UTC)");
}

#[test]
fn periods_of_whole_days_show_both_days() {
    let check = |start: &str, end: &str, zone: Tz, expect: &str| {
        let period = Period::new(instant(start), instant(end)).expect("period");
        assert_eq!(format::period(&period, zone), expect);
    };
    let paris = Tz::Europe__Paris;
    check(
        "2026-09-30T22:00:00Z",
        "2026-10-31T23:00:00Z",
        paris,
        "1 Oct 2026 – 31 Oct 2026 (Europe/Paris)",
    );
    check("2026-09-30T22:00:00Z", "2026-10-01T22:00:00Z", paris, "1 Oct 2026 (Europe/Paris)");
    check(
        "2026-09-30T22:00:00Z",
        "2026-10-01T22:00:01Z",
        paris,
        "1 Oct 2026, 00:00 – 2 Oct 2026, 00:00:01 (Europe/Paris)",
    );
    check(
        "2026-10-01T00:00:00Z",
        "2026-11-01T00:00:00Z",
        Tz::UTC,
        "1 Oct 2026 – 31 Oct 2026 (UTC)",
    );
}
