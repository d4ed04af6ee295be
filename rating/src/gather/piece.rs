//! [`Piece`]: a part of an interval within which nothing that matters to its price changes.

use turnpike_schemas::{Aggregation, Instant, UsageInterval};

#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub interval: &'a UsageInterval,
    pub start: Instant,
    pub end: Instant,
    /// A report as used evenly over its own window: for what is measured in windows of the period.
    pub is_spread: bool,
}

impl<'a> Piece<'a> {
    /// The interval before `until`. What counts at one instant (sums, pre-aggregated reports) is
    /// placed whole at the last microsecond before its end.
    pub fn of(interval: &'a UsageInterval, until: Instant) -> Option<Self> {
        if is_instant(interval) {
            let before_end =
                Instant::from_micros(interval.end.micros() - 1).unwrap_or(interval.end);
            let at = before_end.max(interval.start);
            return (at < until).then_some(Self { interval, start: at, end: at, is_spread: false });
        }
        let (start, end) = (interval.start, interval.end.min(until));
        (start < end).then_some(Self { interval, start, end, is_spread: false })
    }

    /// A report over its own window, where it has one. It is there once it is complete: before that
    /// nobody knows of it.
    pub fn spread(interval: &'a UsageInterval, until: Instant) -> Option<Self> {
        let (start, end) = (interval.start, interval.end);
        let complete = has_spread(interval) && Self::of(interval, until).is_some();
        complete.then_some(Self { interval, start, end, is_spread: true })
    }

    pub fn is_instant(&self) -> bool {
        self.start == self.end
    }

    /// The part of it in `[start, end)`.
    pub fn clipped(&self, start: Instant, end: Instant) -> Option<Self> {
        if self.is_instant() {
            return (start <= self.start && self.start < end).then_some(*self);
        }
        let (start, end) = (self.start.max(start), self.end.min(end));
        (start < end).then_some(Self { start, end, ..*self })
    }

    /// Hands out the parts between the cuts, which are left sorted.
    pub fn cut<E>(
        &self,
        cuts: &mut Vec<Instant>,
        mut part: impl FnMut(Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if cuts.is_empty() || self.is_instant() {
            return part(*self);
        }
        cuts.retain(|cut| self.start < *cut && *cut < self.end);
        cuts.push(self.end);
        cuts.sort_unstable();
        cuts.dedup();
        let mut start = self.start;
        for end in cuts.iter() {
            part(Self { start, end: *end, ..*self })?;
            start = *end;
        }
        Ok(())
    }

    /// So much of a total as has come by an instant of the interval's window, in whole parts: what lies
    /// between two instants is the difference, so that the parts of any cut add up to the whole. Odd: a
    /// report and its reversal cancel in each part.
    pub fn so_far(&self, total: i128, at: Instant) -> Option<i128> {
        let (start, end) = (self.interval.start.micros(), self.interval.end.micros());
        let length = i128::from(end) - i128::from(start);
        let past = (i128::from(at.micros()) - i128::from(start)).clamp(0, length.max(0));
        total.checked_mul(past)?.checked_div(length)
    }

    /// Whether it is held for no time. A part of a report may have no whole second of it, but some of
    /// its quantity.
    pub fn is_held_never(&self) -> bool {
        let seconds = self.interval.seconds.filter(|_| self.is_spread);
        self.is_held() && seconds.unwrap_or_else(|| self.seconds()) == 0
    }

    pub fn is_held(&self) -> bool {
        self.interval.aggregation == Aggregation::Held
    }

    /// Seconds that it is billed for: the difference of its floored ends, or what a pre-aggregated
    /// report says.
    pub fn seconds(&self) -> i64 {
        match self.interval.seconds {
            Some(seconds) if self.is_spread => {
                let by = |at: Instant| self.so_far(seconds.into(), at).unwrap_or(0);
                i64::try_from(by(self.end) - by(self.start)).unwrap_or(seconds)
            }
            Some(seconds) => seconds,
            None => self.end.floor_seconds() - self.start.floor_seconds(),
        }
    }

    /// The end of the last second that it touches.
    pub fn last_second(&self) -> Instant {
        let floored = self.end.floored();
        if floored > self.start.floored() {
            return floored;
        }
        floored.plus_seconds(1).unwrap_or(Instant::MAX)
    }
}

/// Whether a report of a sum, or of time held, says over which time.
pub(super) fn has_spread(interval: &UsageInterval) -> bool {
    is_instant(interval) && interval.start < interval.end
}

fn is_instant(interval: &UsageInterval) -> bool {
    interval.aggregation == Aggregation::Sum || interval.seconds.is_some()
}
