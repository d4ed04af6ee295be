//! What readings of counters say beyond those before them.

use super::fold::Sink;
use super::head::{Head, Holder, Measure};
use super::held::{Counter, Places};

/// Counts what a reading says beyond the last one.
pub(super) fn count(
    counters: &mut Vec<Counter>,
    head: &Head,
    time: i64,
    measure: &Measure,
    at: (&Holder, &mut Places),
    sink: &mut impl Sink,
) {
    let next = Counter {
        meter: measure.meter,
        incarnation: head.incarnation,
        value: measure.quantity,
        scale: measure.scale,
        at: time,
    };
    let Some(last) = counters.iter_mut().find(|counter| counter.meter == measure.meter) else {
        counters.push(next);
        return;
    };
    let grown = rescaled(last.value, last.scale, next.scale)
        .filter(|value| last.incarnation == next.incarnation && *value <= next.value)
        .and_then(|value| next.value.checked_sub(value));
    let quantity = grown.unwrap_or(next.value);
    sink.consumed(at, Measure { quantity, ..*measure }, (last.at, time));
    *last = next;
}

fn rescaled(value: i64, from: u32, to: u32) -> Option<i64> {
    let factor = 10_i64.checked_pow(from.abs_diff(to))?;
    match from <= to {
        true => value.checked_mul(factor),
        false => (value % factor == 0).then_some(value / factor),
    }
}
