//! What is due of a monthly price for parts of the month.
//!
//! Parts of one fee or adjustment are looked at together and in order: a day that two of them share
//! belongs to the first, so that the days of a month are never counted twice.

use chrono_tz::Tz;
use turnpike_schemas::period::local_midnight;
use turnpike_schemas::tariff::DayCount;
use turnpike_schemas::{Fraction, Instant, Period};

use super::overflow;
use super::terms::Spell;
use crate::parked::{ParkCode, ParkReason};

pub(super) use turnpike_schemas::tariff::Proration;

/// Days of a month that is taken to have thirty.
const THIRTY: usize = 30;

/// A part's share of the whole price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Portion {
    pub ratio: Fraction,
    /// `24 of 31 days`; empty for the whole and for what is counted in seconds.
    pub text: String,
}

/// The share of each spell of a month. Spells outside the run's period have none, and of a price
/// that is not prorated the first spell inside has all.
pub(super) fn portions<T>(
    spells: &[Spell<'_, T>],
    proration: impl Fn(&T) -> Proration,
    month: &Period,
    zone: Tz,
) -> Result<Vec<Portion>, ParkReason> {
    let nothing = || Portion { ratio: Fraction::ZERO, text: String::new() };
    let first_inside = spells.iter().position(|spell| spell.inside);
    let by_day = |spell: &Spell<'_, T>| matches!(proration(spell.item), Proration::Day { .. });
    let starts = if spells.iter().any(by_day) { day_starts(month, zone)? } else { Vec::new() };
    let mut counted = 0;
    let mut portions = Vec::with_capacity(spells.len());
    for (place, spell) in spells.iter().enumerate() {
        let before = counted;
        counted += days_begun(&starts, spell.start, spell.end, before_day(&starts, spells, place));
        if !spell.inside {
            portions.push(nothing());
            continue;
        }
        portions.push(match proration(spell.item) {
            Proration::None if first_inside == Some(place) => {
                Portion { ratio: Fraction::ONE, text: String::new() }
            }
            Proration::None => nothing(),
            Proration::Second => {
                let seconds = spell.end.floor_seconds() - spell.start.floor_seconds();
                let ratio = Fraction::ratio(seconds.into(), month.seconds().into());
                Portion { ratio: ratio.ok_or_else(overflow)?, text: String::new() }
            }
            Proration::Day { count, ratio } => {
                let exact = days_ratio(before, counted, starts.len(), count)?;
                let rounded = match ratio {
                    Some((decimals, to)) => exact.round_decimals(decimals, to),
                    None => Some(exact),
                };
                let of = match count {
                    DayCount::Actual => starts.len(),
                    DayCount::Thirty => THIRTY,
                };
                let days = i128::try_from(of)
                    .ok()
                    .and_then(|of| exact.checked_mul(&Fraction::whole(of)))
                    .ok_or_else(overflow)?;
                let text = if exact == Fraction::ONE {
                    String::new()
                } else {
                    format!("{days} of {of} days")
                };
                Portion { ratio: rounded.ok_or_else(overflow)?, text }
            }
        });
    }
    Ok(portions)
}

/// The first instants of the local days of a month. A day that a zone skips has none.
fn day_starts(month: &Period, zone: Tz) -> Result<Vec<Instant>, ParkReason> {
    let bad = |_| ParkReason::new(ParkCode::Overflow, format!("no local days in {month}"));
    let mut day = month.start().to_chrono().with_timezone(&zone).date_naive();
    let mut starts = Vec::new();
    loop {
        let start = local_midnight(day, zone).map_err(bad)?;
        if start >= month.end() {
            return Ok(starts);
        }
        if starts.last() != Some(&start) {
            starts.push(start);
        }
        day = day.succ_opt().ok_or_else(overflow)?;
    }
}

/// The place of the local day that holds an instant.
fn day_of(starts: &[Instant], at: Instant) -> usize {
    starts.partition_point(|start| *start <= at).saturating_sub(1)
}

/// The first day that the spells before have not counted.
fn before_day<T>(starts: &[Instant], spells: &[Spell<'_, T>], place: usize) -> usize {
    let last = place.checked_sub(1).and_then(|before| spells.get(before));
    last.map_or(0, |spell| day_of(starts, last_second(spell.end)) + 1)
}

fn last_second(end: Instant) -> Instant {
    end.plus_seconds(-1).unwrap_or(end)
}

/// Days begun in `[start, end)`, from day `least` on.
fn days_begun(starts: &[Instant], start: Instant, end: Instant, least: usize) -> usize {
    let first = day_of(starts, start).max(least);
    (day_of(starts, last_second(end)) + 1).saturating_sub(first)
}

/// From the days counted before to those counted with it. Of a month taken to have thirty days the
/// thirty-first costs nothing, and the whole month is the whole price, also of February.
fn days_ratio(
    before: usize,
    after: usize,
    month_days: usize,
    count: DayCount,
) -> Result<Fraction, ParkReason> {
    let part = |days: usize| {
        let (days, of) = match count {
            DayCount::Actual => (days, month_days),
            DayCount::Thirty if days >= month_days => (THIRTY, THIRTY),
            DayCount::Thirty => (days.min(THIRTY), THIRTY),
        };
        Fraction::ratio(i128::try_from(days).ok()?, i128::try_from(of).ok()?)
    };
    part(after)
        .zip(part(before))
        .and_then(|(after, before)| after.checked_sub(&before))
        .ok_or_else(overflow)
}
