//! Lives of a resource: starts, ends, changes, states and owners.

use super::*;

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
fn building_and_unknown_resources_hold_nothing_billable() {
    check(
        &[transition("10:00:00").state(State::Building).held(1)],
        "11:00:00",
        &["10:00:00-11:00:00 1 building"],
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
