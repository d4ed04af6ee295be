//! Counters: readings that grow, and reports that cover all the time since a reset.

use turnpike_schemas::event::{EventKind, Flow, Measurement};
use turnpike_schemas::{Instant, UsageInterval};

use super::event::MeteredEvent;
use super::fold::{consumed, pre_aggregated};
use super::state::{Counter, Metered};

/// Counts what a reading says beyond the last one.
pub(super) fn count(
    known: &mut Metered,
    event: &MeteredEvent,
    measurement: &Measurement,
    emit: &mut impl FnMut(UsageInterval),
) {
    let next = Counter {
        incarnation: event.incarnation.clone(),
        value: measurement.quantity,
        scale: measurement.scale,
        at: event.time,
        since: None,
    };
    if let Some(last) = known.counters.get(&measurement.meter) {
        let grown = rescaled(last.value, last.scale, next.scale)
            .filter(|value| last.incarnation == next.incarnation && *value <= next.value)
            .and_then(|value| next.value.checked_sub(value));
        let quantity = grown.unwrap_or(next.value);
        emit(consumed(known, measurement, quantity, last.at, event.time));
    }
    known.counters.insert(measurement.meter.clone(), next);
}

/// Whether an interval reports all the time since its source was reset, not since its last report:
/// it says that what it reports is so since its window's start.
pub(super) fn accumulates(event: &MeteredEvent) -> bool {
    event.kind == EventKind::Interval
        && event.window.as_ref().is_some_and(|window| event.since == Some(window.start))
}

/// Of two reports whose windows begin at the same reset the later counts less the earlier, so that
/// they add up to the last; a report of a window that follows counts in full, and so does the first.
/// What was consumed comes out as one interval, so that whoever counts events counts one. Of what was
/// held sizes and seconds may both differ: the earlier report is taken back beside the later one.
pub(super) fn accumulate(
    known: &mut Metered,
    event: &MeteredEvent,
    measurement: &Measurement,
    emit: &mut impl FnMut(UsageInterval),
) {
    let Some(window) = &event.window else { return };
    let next = Counter {
        incarnation: event.incarnation.clone(),
        value: measurement.quantity,
        scale: measurement.scale,
        at: window.end,
        since: Some(window.start),
    };
    let before = known.counters.insert(measurement.meter.clone(), next);
    let before = before.filter(|last| {
        // Durations and clocks are a little off: a window of the same reset begins nearer to the
        // start of the last one than to its end.
        let middle = last.since.map(|since| since.micros().midpoint(last.at.micros()));
        last.incarnation == event.incarnation
            && middle.is_some_and(|middle| window.start.micros() < middle)
    });
    let start = before.as_ref().map_or(window.start, |last| last.at.min(window.end));
    if measurement.flow != Flow::Held {
        let all = UsageInterval {
            start,
            ..consumed(known, measurement, measurement.quantity, start, window.end)
        };
        return match before {
            Some(last) => consumed_since(&last, all, emit),
            None => emit(all),
        };
    }
    let length = |start: Instant, end: Instant| end.floor_seconds() - start.floor_seconds();
    let part = |quantity: i64, scale: u32, seconds: i64| UsageInterval {
        start,
        end: window.end,
        scale,
        quantity,
        seconds: Some(seconds),
        ..pre_aggregated(known, event, measurement)
    };
    emit(part(measurement.quantity, measurement.scale, length(window.start, window.end)));
    if let Some(last) = before {
        let seconds = last.since.map_or(0, |since| length(since, last.at));
        emit(part(last.value, last.scale, -seconds));
    }
}

/// Emits what a report counts beyond the last one. At a scale that cannot be told in the other one
/// they stand beside each other.
fn consumed_since(last: &Counter, all: UsageInterval, emit: &mut impl FnMut(UsageInterval)) {
    let scale = all.scale.max(last.scale);
    let difference = rescaled(all.quantity, all.scale, scale)
        .zip(rescaled(last.value, last.scale, scale))
        .and_then(|(all, last)| all.checked_sub(last));
    if let Some(quantity) = difference {
        return emit(UsageInterval { quantity, scale, ..all });
    }
    emit(all.clone());
    // In two halves: the least number there is has no opposite.
    let half = last.value / 2;
    for part in [half, last.value - half] {
        emit(UsageInterval { quantity: -part, scale: last.scale, ..all.clone() });
    }
}

/// A reading at another scale: a meter that was declared after it was first reported changes it.
fn rescaled(value: i64, from: u32, to: u32) -> Option<i64> {
    let factor = 10_i64.checked_pow(from.abs_diff(to))?;
    match from <= to {
        true => value.checked_mul(factor),
        false => (value % factor == 0).then_some(value / factor),
    }
}
