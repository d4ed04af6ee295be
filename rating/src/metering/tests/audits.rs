//! Audits: what they confirm, heal and must not reopen.

use super::*;

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
