//! Placing an amount that is counted over a pool on the pool's lines.
//!
//! With f(c) what the adjustment comes to when the lines so far come to c, a line's part is the
//! difference of f after it and before it. The parts add up to f of the whole however usage was cut
//! into lines, and a correction takes back what it had brought.

use turnpike_schemas::Fraction;

use super::entry::Entry;
use super::overflow;
use crate::parked::ParkReason;

/// The parts of lines in order; lines without one are left out.
pub(super) fn place(
    entries: &[Entry<'_>],
    members: &[usize],
    of_sum: impl Fn(&Fraction) -> Option<Fraction>,
) -> Result<Vec<(usize, Fraction)>, ParkReason> {
    let mut sum = Fraction::ZERO;
    let mut before = of_sum(&sum).ok_or_else(overflow)?;
    let mut parts = Vec::new();
    for member in members {
        sum = sum.checked_add(&entries[*member].net).ok_or_else(overflow)?;
        let after = of_sum(&sum).ok_or_else(overflow)?;
        let part = after.checked_sub(&before).ok_or_else(overflow)?;
        if !part.is_zero() {
            parts.push((*member, part));
        }
        before = after;
    }
    Ok(parts)
}

/// What the members come to.
pub(super) fn total(entries: &[Entry<'_>], members: &[usize]) -> Result<Fraction, ParkReason> {
    members
        .iter()
        .try_fold(Fraction::ZERO, |sum, member| sum.checked_add(&entries[*member].net))
        .ok_or_else(overflow)
}

/// Of a sum, what lies within the first `amount`: nothing of a negative sum.
pub(super) fn within(sum: &Fraction, amount: &Fraction) -> Fraction {
    (*sum).min(*amount).max(Fraction::ZERO)
}

/// Of a sum, what lies above `amount`.
pub(super) fn above(sum: &Fraction, amount: &Fraction) -> Option<Fraction> {
    Some(sum.checked_sub(amount)?.max(Fraction::ZERO))
}
