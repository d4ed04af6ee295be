//! [`Clock`]: the local time of an account over its period, as offsets and starts of days.
//!
//! Invariants: computed once; every question is answered with integers. Hours of use go by the local
//! wall clock of each second, so an hour that a day has twice counts twice and one that it lacks not
//! at all. Windows are seconds since the start of the local day: they tile it, the last one cut at
//! the next day's start.

use chrono::{Offset, TimeZone};
use chrono_tz::Tz;
use turnpike_schemas::period::local_midnight;
use turnpike_schemas::tariff::TimeOfUse;
use turnpike_schemas::{Instant, Period, PeriodError};

const DAY: i64 = 86_400;
/// Between two looks at the offset from UTC. No zone has changed its clock twice in so short a time.
const LOOK_SECONDS: i64 = 6 * 3_600;

/// Local time over a stretch of instants.
#[derive(Debug, Clone)]
pub struct Clock {
    /// From each second of UTC on, the seconds that local time is ahead; ascending.
    offsets: Vec<(i64, i64)>,
    /// Starts of local days in seconds of UTC, ascending; the first is not after what is covered,
    /// the last is past it.
    days: Vec<i64>,
}

impl Clock {
    /// The clock of a zone over `[start, end)`.
    pub fn new(zone: Tz, start: Instant, end: Instant) -> Result<Self, PeriodError> {
        let (first, last) = (start.floor_seconds(), end.floor_seconds() + 1);
        let mut offsets = vec![(first, offset(zone, first)?)];
        let mut at = first;
        while at < last {
            let next = at.saturating_add(LOOK_SECONDS).min(last);
            let (mut before, mut after) = (at, next);
            let old = offset(zone, at)?;
            if offset(zone, next)? == old {
                at = next;
                continue;
            }
            while after - before > 1 {
                let middle = before.midpoint(after);
                if offset(zone, middle)? == old { before = middle } else { after = middle }
            }
            offsets.push((after, offset(zone, after)?));
            at = after;
        }
        Ok(Self { days: days(zone, first, last)?, offsets })
    }

    /// Whether any of the hours hold at the second of `at`. Without hours: always.
    pub fn applies(&self, times: &[TimeOfUse], at: Instant) -> bool {
        times.is_empty() || {
            let utc = at.floor_seconds();
            let local = utc.saturating_add(self.offset_at(utc));
            times.iter().any(|hours| holds(*hours, local))
        }
    }

    /// Adds the instants in `(start, end)` at which any of the hours may begin or end.
    pub fn time_cuts(
        &self,
        times: &[TimeOfUse],
        start: Instant,
        end: Instant,
        cuts: &mut Vec<Instant>,
    ) {
        let mut edges: Vec<i64> =
            times.iter().flat_map(|hours| [i64::from(hours.from), i64::from(hours.to)]).collect();
        edges.sort_unstable();
        edges.dedup();
        let (first, last) = (start.floor_seconds(), end.floor_seconds() + 1);
        let begin = self.offsets.partition_point(|(from, _)| *from <= first).saturating_sub(1);
        for (index, (from, offset)) in self.offsets.iter().enumerate().skip(begin) {
            if *from >= last {
                break;
            }
            push(*from, start, end, cuts);
            let from = first.max(*from);
            let to = self.offsets.get(index + 1).map_or(last, |(next, _)| last.min(*next));
            // The wall clock runs evenly from here to there.
            for day in (from + offset).div_euclid(DAY)..=(to + offset).div_euclid(DAY) {
                for edge in &edges {
                    let at = day * DAY + edge - offset;
                    if from <= at && at < to {
                        push(at, start, end, cuts);
                    }
                }
            }
        }
    }

    /// The window of so many seconds of the local day that `at` lies in.
    pub fn window(&self, at: Instant, seconds: i64) -> Option<Period> {
        let at = at.floor_seconds();
        let next = self.days.partition_point(|day| *day <= at);
        let (day, end) = (self.days.get(next.checked_sub(1)?)?, self.days.get(next)?);
        let since = (at - day).checked_div_euclid(seconds)?.checked_mul(seconds)?;
        let start = Instant::from_seconds(day + since).ok()?;
        let end = Instant::from_seconds((day + since).checked_add(seconds)?.min(*end)).ok()?;
        Period::new(start, end).ok()
    }

    /// Adds the instants in `(start, end)` at which windows begin.
    pub fn window_cuts(&self, seconds: i64, start: Instant, end: Instant, cuts: &mut Vec<Instant>) {
        if seconds < 1 {
            return;
        }
        let (first, last) = (start.floor_seconds(), end.floor_seconds() + 1);
        let begin = self.days.partition_point(|day| *day <= first).saturating_sub(1);
        for pair in self.days[begin..].windows(2) {
            if pair[0] >= last {
                break;
            }
            let skipped = (first - pair[0]).max(0).div_euclid(seconds) * seconds;
            let mut at = pair[0] + skipped;
            while at < pair[1].min(last) {
                push(at, start, end, cuts);
                at += seconds;
            }
        }
    }

    fn offset_at(&self, utc: i64) -> i64 {
        let after = self.offsets.partition_point(|(from, _)| *from <= utc);
        self.offsets.get(after.saturating_sub(1)).map_or(0, |(_, offset)| *offset)
    }
}

/// Whether hours hold at a local second. Those that go on past midnight are of the day they began.
fn holds(hours: TimeOfUse, local: i64) -> bool {
    let (day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    // 1970-01-01 was a Thursday.
    let on = |day: i64| hours.days >> (day + 3).rem_euclid(7) & 1 == 1;
    let (from, to) = (i64::from(hours.from), i64::from(hours.to));
    if from < to {
        return on(day) && from <= second && second < to;
    }
    on(day) && from <= second || on(day - 1) && second < to
}

fn push(at: i64, start: Instant, end: Instant, cuts: &mut Vec<Instant>) {
    cuts.extend(Instant::from_seconds(at).ok().filter(|at| start < *at && *at < end));
}

fn offset(zone: Tz, utc: i64) -> Result<i64, PeriodError> {
    let time = chrono::DateTime::from_timestamp(utc, 0).ok_or(PeriodError::OutOfRange)?;
    Ok(i64::from(zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc()))
}

/// The starts of all local days that `[first, last)` touches, and the one after.
fn days(zone: Tz, first: i64, last: i64) -> Result<Vec<i64>, PeriodError> {
    let time = chrono::DateTime::from_timestamp(first, 0).ok_or(PeriodError::OutOfRange)?;
    let mut day = time.with_timezone(&zone).date_naive();
    let mut days = Vec::new();
    // Where clocks go back at midnight the wall clock may show a day again that is over, or not yet
    // one that has begun.
    let day_before = day.pred_opt().ok_or(PeriodError::OutOfRange)?;
    if let Ok(start) = local_midnight(day_before, zone) {
        days.push(start.floor_seconds());
    }
    loop {
        let start = local_midnight(day, zone)?.floor_seconds();
        // A day that a zone has skipped begins where the next one does.
        if days.last().is_none_or(|last| *last < start) {
            days.push(start);
        }
        if start >= last {
            return Ok(days);
        }
        day = day.succ_opt().ok_or(PeriodError::OutOfRange)?;
    }
}

#[cfg(test)]
mod tests;
