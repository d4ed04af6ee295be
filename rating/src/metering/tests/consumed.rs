//! What was consumed: sums, counters, and reports since a reset.

use super::*;

#[test]
fn counters_reset_with_their_incarnation() {
    let poll = |time: &str, boot: &str, value: i64| {
        event(EventKind::Snapshot, time).boot(boot).measure("egress", value, Flow::Cumulative)
    };
    check(
        &[
            poll("10:00:00", "b1", 1_000),
            poll("10:05:00", "b1", 5_000),
            poll("10:10:00", "b2", 700),
            poll("10:15:00", "b2", 600),
        ],
        "11:00:00",
        &[
            "10:00:00-10:05:00 4000 active",
            "10:05:00-10:10:00 700 active",
            "10:10:00-10:15:00 600 active",
        ],
    );
}

#[test]
fn traffic_before_any_audit_does_not_hide_the_start() {
    check(
        &[
            event(EventKind::Delta, "10:30:00").window("10:00:00", "10:30:00").measure(
                "egress",
                9,
                Flow::Delta,
            ),
            audit("11:00:05").since("09:00:00").window("10:00:00", "11:00:00").held(1),
        ],
        "12:00:00",
        &["10:00:00-10:30:00 9 active", "09:00:00-12:00:00 1 active"],
    );
}

fn delta(time: &str, quantity: i64) -> MeteredEvent {
    event(EventKind::Delta, time).measure("egress", quantity, Flow::Delta)
}

#[test]
fn a_counter_whose_meter_is_declared_later_goes_on() {
    let poll = |time: &str, value: i64, scale: u32| {
        event(EventKind::Snapshot, time)
            .measure("egress", value, Flow::Cumulative)
            .set(|event| event.measurements[0].scale = scale)
    };
    check(
        &[poll("10:00:00", 1_000_000_000, 6), poll("10:05:00", 1_100, 0)],
        "11:00:00",
        &["10:00:00-10:05:00 100 active"],
    );
}

#[test]
fn what_is_consumed_has_the_attributes_of_its_report() {
    let of = |event: MeteredEvent, class: &str| {
        event.set(|event| {
            event.attributes.insert("class".to_owned(), class.to_owned());
        })
    };
    let events = [
        transition("10:00:00").state(State::Active).held(1),
        of(delta("10:10:00", 7), "put"),
        of(delta("10:20:00", 8), "get"),
        delta("10:30:00", 9),
    ];
    let mut found = Vec::new();
    let mut fold = Fold::default();
    for event in &events {
        fold.apply(event, &mut |interval| {
            found.push((interval.quantity, interval.holder.attributes.get("class").cloned()));
        });
    }
    let class = |text: &str| Some(text.to_owned());
    assert_eq!(found, [(7, class("put")), (8, class("get")), (9, None)]);
}

#[test]
fn traffic_of_a_new_owner_is_not_billed_to_the_dead_one() {
    check(
        &[
            transition("10:00:00").state(State::Active).owner("t/a").held(1),
            transition("11:00:00").end(),
            delta("12:00:00", 9).owner("t/b"),
        ],
        "13:00:00",
        &["10:00:00-11:00:00 1 active t/a", "12:00:00-12:00:00 9 active t/b"],
    );
}

#[test]
fn what_was_consumed_before_an_end_is_not_lost_with_its_late_report() {
    check(
        &[
            transition("10:00:00").state(State::Active).held(1),
            transition("11:00:00").end(),
            transition("11:00:03").since("10:00:00").end().measure("egress", 9, Flow::Delta),
        ],
        "13:00:00",
        &["10:00:00-11:00:00 1 active", "11:00:03-11:00:03 9 active"],
    );
}

#[test]
fn the_last_report_of_a_resource_is_of_when_it_was_active() {
    check(
        &[event(EventKind::Interval, "10:59:59.999999")
            .window("10:00:00", "11:00:00")
            .held(2)
            .end()],
        "12:00:00",
        &["10:00:00-11:00:00 2 active"],
    );
}

/// Reports of averages over all the time since a reset: signed seconds x quantity of each.
fn averages(events: &[MeteredEvent]) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    let mut fold = Fold::default();
    for event in events {
        fold.apply(event, &mut |interval: turnpike_schemas::UsageInterval| {
            let weight = interval.seconds.unwrap_or(1);
            let span = format!("{}-{}", interval.start, interval.end);
            found.push((span.replace("2026-01-01T", ""), interval.quantity * weight));
        });
    }
    found
}

#[test]
fn reports_since_a_reset_add_up_to_the_last() {
    let report = |start: &str, end: &str, quantity: i64, flow: Flow| {
        let before_end = Instant::from_micros(at(end).micros() - 1).expect("instant");
        event(EventKind::Interval, "10:00:00")
            .set(|event| event.time = before_end)
            .since(start)
            .window(start, end)
            .measure("memory", quantity, flow)
    };
    let check = |flow: Flow, reports: &[(&str, &str, i64)], expect: i64| {
        let events: Vec<MeteredEvent> = reports
            .iter()
            .map(|(start, end, quantity)| report(start, end, *quantity, flow))
            .collect();
        let found = averages(&events);
        assert_eq!(found.iter().map(|(_, sum)| sum).sum::<i64>(), expect, "{found:?}");
    };
    // Never reset: 1000 over one hour, 600 over two, 601 over three; the start is a little off.
    let since = [
        ("10:00:00", "11:00:00", 1000),
        ("10:00:02", "12:00:00", 600),
        ("10:00:00", "13:00:00", 601),
    ];
    check(Flow::Held, &since, 601 * 3 * 3600);
    check(Flow::Held, &since[..2], 600 * 7198);
    check(Flow::Cumulative, &since, 601);
    // Reset after each: every report counts in full, though the clocks are a little off.
    let reset = [("10:00:00", "11:00:00", 1000), ("10:59:58", "12:00:00", 600)];
    check(Flow::Held, &reset, 1000 * 3600 + 600 * 3602);
    check(Flow::Cumulative, &reset, 1600);
    // A report of a window that lies after the reset.
    check(Flow::Cumulative, &[("10:00:00", "11:00:00", 5), ("11:30:00", "12:00:00", 7)], 12);
    // What was consumed is one event each, also where the meter's scale has changed.
    let each = |events: &[MeteredEvent]| {
        let found = averages(events);
        found.into_iter().map(|(_, sum)| sum).collect::<Vec<_>>()
    };
    let mut reports = [
        report("10:00:00", "11:00:00", 1000, Flow::Cumulative),
        report("10:00:00", "12:00:00", 1600, Flow::Cumulative),
        report("10:00:00", "13:00:00", 1600, Flow::Cumulative),
    ];
    assert_eq!(each(&reports), [1000, 600, 0]);
    reports[2].measurements[0].quantity = 1_601_000;
    reports[2].measurements[0].scale = 3;
    assert_eq!(each(&reports), [1000, 600, 1_000]);
    // Too large at the finer scale: beside each other.
    reports[1].measurements[0].quantity = i64::MAX;
    assert_eq!(each(&reports)[2..], [1_601_000, -(i64::MAX / 2), -(i64::MAX / 2 + 1)]);
    let found = averages(&[
        report("10:00:00", "11:00:00", 1000, Flow::Held),
        report("10:00:00", "12:00:00", 600, Flow::Held),
    ]);
    let expect = [
        ("10:00:00Z-11:00:00Z".to_owned(), 3_600_000),
        ("11:00:00Z-12:00:00Z".to_owned(), 4_320_000),
        ("11:00:00Z-12:00:00Z".to_owned(), -3_600_000),
    ];
    assert_eq!(found, expect);
}
