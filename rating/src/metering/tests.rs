//! The fold against worked lives of one resource: events in, intervals out, one line each.

use std::collections::BTreeMap;

use turnpike_schemas::book::OpenIntervals;
use turnpike_schemas::event::{EventKind, Flow, Measurement, ResourceState as State, Window};
use turnpike_schemas::{Instant, MeterId, OwnerRef, ResourceId};

use super::{Fold, MeteredEvent};

/// `HH:MM:SS[.ffffff]` on 2026-01-01, or a whole instant.
fn at(text: &str) -> Instant {
    let full = if text.contains('T') { text.to_owned() } else { format!("2026-01-01T{text}Z") };
    Instant::parse(&full).expect("instant")
}

fn event(kind: EventKind, time: &str) -> MeteredEvent {
    MeteredEvent {
        resource: ResourceId::new("test/instance/i-1").expect("id"),
        time: at(time),
        key: format!("{time}-{}", kind.as_str()),
        kind,
        state: None,
        terminal: false,
        window: None,
        since: None,
        seconds: None,
        incarnation: None,
        resource_kind: "instance".to_owned(),
        parent: None,
        owner: None,
        project: None,
        site: None,
        region: None,
        source: "/test".to_owned(),
        attributes: BTreeMap::new(),
        tags: None,
        measurements: Vec::new(),
    }
}

trait Build: Sized {
    fn set(self, change: impl FnOnce(&mut MeteredEvent)) -> Self;

    fn state(self, state: State) -> Self {
        self.set(|event| event.state = Some(state))
    }
    fn since(self, since: &str) -> Self {
        self.set(|event| event.since = Some(at(since)))
    }
    fn window(self, start: &str, end: &str) -> Self {
        self.set(|event| event.window = Some(Window { start: at(start), end: at(end) }))
    }
    fn owner(self, owner: &str) -> Self {
        self.set(|event| event.owner = Some(OwnerRef::new(owner).expect("owner")))
    }
    fn boot(self, id: &str) -> Self {
        self.set(|event| event.incarnation = Some(id.to_owned()))
    }
    fn end(self) -> Self {
        self.set(|event| event.terminal = true).state(State::Deleted)
    }
    fn held(self, quantity: i64) -> Self {
        self.measure("vcpu", quantity, Flow::Held)
    }
    fn measure(self, meter: &str, quantity: i64, flow: Flow) -> Self {
        let meter = MeterId::new(meter).expect("meter");
        self.set(|event| event.measurements.push(Measurement { meter, quantity, scale: 0, flow }))
    }
}

impl Build for MeteredEvent {
    fn set(mut self, change: impl FnOnce(&mut MeteredEvent)) -> Self {
        change(&mut self);
        self
    }
}

fn transition(time: &str) -> MeteredEvent {
    event(EventKind::Transition, time)
}

fn audit(time: &str) -> MeteredEvent {
    event(EventKind::Audit, time)
}

/// Folds the events and prints each interval as `start-end quantity state [owner] [~]`, where `~`
/// marks an estimate and the day is left out.
fn intervals(events: &[MeteredEvent], until: &str, policy: OpenIntervals) -> Vec<String> {
    let mut found = Vec::new();
    let mut fold = Fold::default();
    let mut note = |interval: turnpike_schemas::UsageInterval| {
        let clock =
            |instant: Instant| instant.to_string().replace("2026-01-01T", "").replace('Z', "");
        let owner = interval.holder.owner.as_ref().map_or("", |owner| owner.as_str());
        let mark = if interval.estimated { " ~" } else { "" };
        found.push(format!(
            "{}-{} {} {}{}{owner}{mark}",
            clock(interval.start),
            clock(interval.end),
            interval.quantity,
            interval.state.as_str(),
            if owner.is_empty() { "" } else { " " },
        ));
    };
    for event in events {
        fold.apply(event, &mut note);
    }
    fold.finish(at(until), policy, &mut note);
    found
}

fn check(events: &[MeteredEvent], until: &str, expect: &[&str]) {
    assert_eq!(intervals(events, until, OpenIntervals::UntilStop), expect);
}

#[test]
fn a_start_and_a_delete() {
    check(
        &[transition("10:00:00").state(State::Active).held(2), transition("11:00:00").end()],
        "12:00:00",
        &["10:00:00-11:00:00 2 active"],
    );
}

#[test]
fn a_delete_that_comes_alone_heals_its_start() {
    check(
        &[transition("11:00:00").since("10:00:00").held(2).end()],
        "12:00:00",
        &["10:00:00-11:00:00 2 active"],
    );
    check(&[transition("11:00:00").end()], "12:00:00", &[]);
}

#[test]
fn a_lost_delete_is_healed_by_an_audit() {
    check(
        &[
            transition("10:00:00").state(State::Active).held(1),
            audit("11:20:00").since("10:00:00").window("11:00:00", "11:20:00").held(1).end(),
        ],
        "13:00:00",
        &["10:00:00-11:20:00 1 active"],
    );
}

#[test]
fn a_lost_create_is_healed_by_an_audit() {
    check(
        &[audit("12:00:05")
            .since("09:30:00")
            .window("11:00:00", "12:00:00")
            .state(State::Active)
            .held(1)],
        "13:00:00",
        &["09:30:00-13:00:00 1 active"],
    );
}

#[test]
fn a_resize_takes_effect_where_it_finished() {
    check(
        &[
            audit("12:00:01")
                .since("2025-09-05T14:00:00Z")
                .window("00:00:00", "12:00:00")
                .state(State::Active)
                .held(4),
            transition("20:40:49").since("20:40:49").state(State::Active).held(6),
        ],
        "21:00:00",
        &["2025-09-05T14:00:00-20:40:49 4 active", "20:40:49-21:00:00 6 active"],
    );
}

#[test]
fn overlapping_audits_are_evidence_not_quantities() {
    let seen = |time: &str, start: &str, end: &str| {
        audit(time).since("09:00:00").window(start, end).state(State::Active).held(1)
    };
    let events = [
        seen("10:30:00", "00:00:00", "10:30:00"),
        seen("11:00:05", "10:00:00", "11:00:00"),
        seen("12:00:05", "00:00:00", "12:00:00"),
    ];
    check(&events, "12:30:00", &["09:00:00-12:30:00 1 active"]);
    let policy = OpenIntervals::Audited { every_seconds: 600, missed: 1 };
    assert_eq!(
        intervals(&events, "12:30:00", policy),
        ["09:00:00-12:10:00 1 active", "12:10:00-12:30:00 1 active ~"]
    );
}

#[test]
fn a_lost_resize_shown_by_an_audit_counts_from_the_last_evidence() {
    check(
        &[
            transition("09:00:00").state(State::Active).held(1),
            audit("11:00:05").since("09:00:00").window("10:00:00", "11:00:00").held(1),
            audit("12:00:05").since("09:00:00").window("11:00:00", "12:00:00").held(2),
            transition("13:00:00").end(),
        ],
        "14:00:00",
        &["09:00:00-11:00:00 1 active", "11:00:00-13:00:00 2 active"],
    );
}

#[test]
fn an_audit_taken_after_a_change_does_not_move_it_back() {
    // Stopped at 12:00:10; the audit of the hour before is made at 12:00:30 and shows it stopped.
    check(
        &[
            transition("09:00:00").state(State::Active).held(1),
            transition("12:00:10").state(State::Stopped),
            audit("12:00:30")
                .since("09:00:00")
                .window("11:00:00", "12:00:00")
                .state(State::Stopped)
                .held(1),
        ],
        "13:00:00",
        &["09:00:00-12:00:10 1 active", "12:00:10-13:00:00 1 stopped"],
    );
}

#[test]
fn every_state_has_its_interval() {
    check(
        &[
            transition("10:00:00").state(State::Active).held(2),
            transition("10:10:00").state(State::Paused),
            transition("10:20:00").state(State::Active),
            transition("10:50:00").state(State::Stopped),
            transition("11:00:00").state(State::ShelvedOffloaded),
            transition("11:10:00").end(),
        ],
        "12:00:00",
        &[
            "10:00:00-10:10:00 2 active",
            "10:10:00-10:20:00 2 paused",
            "10:20:00-10:50:00 2 active",
            "10:50:00-11:00:00 2 stopped",
            "11:00:00-11:10:00 2 shelved-offloaded",
        ],
    );
}

#[test]
fn a_finer_start_is_kept_when_an_audit_is_coarser() {
    check(
        &[
            transition("10:00:00.702356").state(State::Active).held(1),
            audit("11:00:05").since("10:00:00").window("10:00:00", "11:00:00").held(1),
        ],
        "11:30:00",
        &["10:00:00.702356-11:30:00 1 active"],
    );
}

#[test]
fn a_change_of_owner_cuts_and_an_attachment_does_not() {
    check(
        &[
            transition("10:00:00").state(State::Active).owner("t/a").held(5),
            transition("10:15:00"),
            transition("10:30:00").owner("t/b"),
            transition("11:00:00").end(),
        ],
        "12:00:00",
        &["10:00:00-10:30:00 5 active t/a", "10:30:00-11:00:00 5 active t/b"],
    );
}

#[test]
fn a_late_audit_does_not_bring_the_dead_back_but_a_new_life_begins() {
    check(
        &[
            transition("10:00:00").state(State::Active).held(1),
            transition("11:00:00").end(),
            audit("11:00:20").since("10:00:00").window("10:00:00", "11:00:00").held(1),
            transition("11:30:00").since("11:30:00").state(State::Active).held(3),
        ],
        "12:00:00",
        &["10:00:00-11:00:00 1 active", "11:30:00-12:00:00 3 active"],
    );
}

#[test]
fn building_and_unknown_resources_hold_nothing_billable() {
    check(
        &[transition("10:00:00").state(State::Building).held(1)],
        "11:00:00",
        &["10:00:00-11:00:00 1 building"],
    );
}

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

#[test]
fn a_cut_anywhere_changes_nothing() {
    let events = [
        transition("10:00:00").state(State::Active).owner("t/a").held(2),
        audit("10:30:05").since("10:00:00").window("10:00:00", "10:30:00").held(2),
        transition("10:40:00").state(State::Stopped),
        transition("10:50:00").state(State::Active).held(4),
        transition("11:00:00").end(),
    ];
    let whole = intervals(&events, "12:00:00", OpenIntervals::UntilStop);
    for cut in 0..=events.len() {
        let mut found = Vec::new();
        let mut first = Fold::default();
        let mut note = |interval: turnpike_schemas::UsageInterval| found.push(interval);
        for event in &events[..cut] {
            first.apply(event, &mut note);
        }
        let stored = serde_json::to_string(&first.state()).expect("state is JSON");
        let mut second = Fold::open(serde_json::from_str(&stored).expect("state comes back"));
        for event in &events[cut..] {
            second.apply(event, &mut note);
        }
        second.finish(at("12:00:00"), OpenIntervals::UntilStop, &mut note);
        assert_eq!(found.len(), whole.len(), "cut before event {cut}");
    }
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
fn a_lost_start_is_healed_also_after_building() {
    check(
        &[
            transition("09:59:00").state(State::Building).held(2),
            transition("11:00:00").since("10:00:00").end(),
        ],
        "12:00:00",
        &["09:59:00-10:00:00 2 building", "10:00:00-11:00:00 2 active"],
    );
}

#[test]
fn an_older_window_never_reopens_billed_time() {
    check(
        &[
            transition("10:00:00").state(State::Active).held(1),
            audit("12:00:30").since("12:00:10").window("11:00:00", "12:00:00").held(2),
            audit("12:00:40").window("12:00:00", "12:00:40").held(3),
        ],
        "13:00:00",
        &["10:00:00-12:00:10 1 active", "12:00:10-13:00:00 3 active"],
    );
}

#[test]
fn a_resource_created_again_at_the_instant_of_its_end_lives() {
    // Rank puts the end after the start of the next life.
    check(
        &[
            transition("10:00:00").since("10:00:00").state(State::Active).owner("t/a").held(1),
            transition("11:00:00").since("11:00:00").state(State::Active).owner("t/b").held(3),
            transition("11:00:00").since("10:00:00").owner("t/a").end(),
        ],
        "12:00:00",
        &["10:00:00-11:00:00 1 active t/a", "11:00:00-12:00:00 3 active t/b"],
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

#[test]
fn an_audit_of_the_life_before_changes_nothing_of_the_next() {
    check(
        &[
            transition("10:00:00").since("10:00:00").state(State::Active).held(1),
            transition("11:00:00").since("11:00:00").state(State::Active).held(3),
            audit("11:00:05").since("10:00:00").window("10:00:00", "11:00:00").held(1),
        ],
        "12:00:00",
        &["10:00:00-11:00:00 1 active", "11:00:00-12:00:00 3 active"],
    );
}

#[test]
fn a_resize_and_a_delete_within_one_second_end_the_resource() {
    check(
        &[
            transition("10:00:00").since("10:00:00").state(State::Active).held(1),
            transition("11:00:00").since("11:00:00").state(State::Active).held(3),
            transition("11:00:00").since("11:00:00").end(),
        ],
        "12:00:00",
        &["10:00:00-11:00:00 1 active"],
    );
}

#[test]
fn an_audit_of_a_life_of_no_length_does_not_begin_another() {
    check(
        &[
            transition("10:00:00").since("10:00:00").state(State::Active).held(1),
            transition("10:00:00").since("10:00:00").end(),
            audit("11:00:05").since("10:00:00").window("10:00:00", "11:00:00").held(1),
        ],
        "12:00:00",
        &[],
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

#[test]
fn sizes_of_an_inventory_hold_once_something_runs() {
    let row =
        |time: &str, size: i64| event(EventKind::Snapshot, time).state(State::Unknown).held(size);
    // Told before the start, and changed while it runs.
    check(
        &[
            row("09:00:00", 2),
            transition("10:00:00").state(State::Active),
            row("11:00:00", 4),
            transition("12:00:00").state(State::Stopped),
            transition("13:00:00").end(),
        ],
        "14:00:00",
        &[
            "10:00:00-11:00:00 2 active",
            "11:00:00-12:00:00 4 active",
            "12:00:00-13:00:00 4 stopped",
        ],
    );
    // Told again before the start: the newest counts; a row starts nothing by itself.
    check(
        &[row("09:00:00", 2), row("09:30:00", 3), transition("10:00:00").state(State::Active)],
        "11:00:00",
        &["10:00:00-11:00:00 3 active"],
    );
    check(&[row("09:00:00", 2)], "10:00:00", &["09:00:00-10:00:00 2 unknown"]);
    // What is gone does not hand its size to the next life.
    check(
        &[
            row("09:00:00", 2),
            transition("10:00:00").state(State::Active),
            transition("11:00:00").end(),
            transition("12:00:00").state(State::Active),
        ],
        "13:00:00",
        &["10:00:00-11:00:00 2 active"],
    );
}
