//! [`Piece`]: a part of an interval within which nothing that matters to its price changes.

use turnpike_schemas::{Aggregation, Instant, UsageInterval};

#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub interval: &'a UsageInterval,
    pub start: Instant,
    pub end: Instant,
}

impl<'a> Piece<'a> {
    /// The interval before `until`. What counts at one instant (sums, pre-aggregated reports) is
    /// placed whole at the last microsecond before its end.
    pub fn of(interval: &'a UsageInterval, until: Instant) -> Option<Self> {
        if is_instant(interval) {
            let before_end =
                Instant::from_micros(interval.end.micros() - 1).unwrap_or(interval.end);
            let at = before_end.max(interval.start);
            return (at < until).then_some(Self { interval, start: at, end: at });
        }
        let end = interval.end.min(until);
        (interval.start < end).then_some(Self { interval, start: interval.start, end })
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

    pub fn is_held(&self) -> bool {
        self.interval.aggregation == Aggregation::Held
    }

    /// Seconds that it is billed for: the difference of its floored ends, or what a pre-aggregated
    /// report says.
    pub fn seconds(&self) -> i64 {
        match self.interval.seconds {
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

fn is_instant(interval: &UsageInterval) -> bool {
    interval.aggregation == Aggregation::Sum || interval.seconds.is_some()
}
