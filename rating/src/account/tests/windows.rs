//! Windows that are counted alone, with usage and without.

use turnpike_schemas::tariff::{EVERY_DAY, TimeOfUse};

use super::*;

fn in_window(start: Instant) -> impl FnOnce(&mut GatherKey, &mut Gathered) {
    move |key, sums| {
        key.window = Some(start);
        sums.first = start;
        sums.last = start.plus_seconds(1).expect("last");
    }
}

#[test]
fn windows_without_usage_fall_short_too() {
    // As Flexprice does it: 4 is trued up to 10, 16 are 10 and 6 twice, and 22 hours of the day have
    // their 10 each.
    let kind = || commitment("10", "2", true, false);
    let day = |unused_windows: bool| {
        let deal = Adjustment { windows: true, unused_windows, ..adjustment("Deal", kind()) };
        let hourly = Rate { window_seconds: Some(3_600), ..rate("calls", "2") };
        let world = World::new().period("2026-01-01", "2026-02-01").rate(hourly);
        let world = world.assigned(Some("2026-01-01"), Some("2026-01-02")).adjusted(deal);
        let hour = |hour: i64| at("2026-01-01").plus_seconds(3_600 * hour).expect("start");
        world.used_of("2", in_window(hour(9))).used_of("8", in_window(hour(17)))
    };
    day(false).costs("32");
    day(true).costs("252");
    let lines = day(true).lines();
    let of_an_hour = |line: &&RatedLine| line.service_period.seconds() == 3_600;
    let unused: BTreeMap<_, _> = lines
        .iter()
        .filter(of_an_hour)
        .map(|line| (line.service_period.start(), line.detail.as_str()))
        .collect();
    assert_eq!(unused.len(), 22);
    assert!(unused.values().all(|detail| detail.contains("unused of")), "{unused:?}");
}

#[test]
fn windows_without_usage_are_those_of_the_hours_of_the_rate() {
    // Of a day's hours three are the peak's, and what is left for the other rate are 21 of 10 each.
    let hours = TimeOfUse { days: EVERY_DAY, from: 9 * 3_600, to: 12 * 3_600 };
    let hourly = |rate: Rate| Rate { window_seconds: Some(3_600), ..rate };
    let peak = Rate { times: vec![hours], ..named("peak", rate("calls", "2")) };
    let deal = |rates: &[&str]| Adjustment {
        windows: true,
        unused_windows: true,
        ..of_rates(adjustment("Deal", commitment("10", "2", true, false)), rates)
    };
    let world = |rates: &[&str]| {
        World::new()
            .period("2026-01-01", "2026-02-01")
            .rate(hourly(peak.clone()))
            .rate(hourly(named("else", rate("calls", "1"))))
            .assigned(Some("2026-01-01"), Some("2026-01-02"))
            .adjusted(deal(rates))
    };
    world(&["peak"]).costs("30");
    world(&["else"]).costs("210");
    world(&["peak", "else"]).costs("240");
}
