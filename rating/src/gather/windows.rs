//! [`Windows`]: what is used in each of the even windows of a period, for peaks and percentiles.
//!
//! Invariants: windows count from the start of the period, the last one is cut at its end. What is
//! held over many whole windows is kept as where it begins and ends, so memory is bounded by the
//! pieces and by the windows, whichever are fewer. What was consumed over several is kept in each.
//! Windows without usage count as zero.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::{Fraction, Instant, Period};

#[derive(Debug, Clone)]
pub(super) struct Windows {
    /// Seconds: the period, and of each window.
    start: i64,
    end: i64,
    seconds: i64,
    /// By window: the quantity x seconds, or the quantity consumed, within it.
    within: BTreeMap<i64, i128>,
    /// By window: by how much what is held all through it differs from the window before.
    changes: BTreeMap<i64, i128>,
}

/// What a window comes to: its sum over its seconds is the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mean {
    pub sum: i128,
    pub seconds: i64,
}

impl Windows {
    /// `None`: windows of no seconds.
    pub fn new(period: Period, seconds: i64) -> Option<Self> {
        (seconds > 0).then(|| Self {
            start: period.start().floor_seconds(),
            end: period.end().floor_seconds(),
            seconds,
            within: BTreeMap::new(),
            changes: BTreeMap::new(),
        })
    }

    /// Adds a sum at one second. `None`: it is too large.
    pub fn add_at(&mut self, at: i64, sum: i128) -> Option<()> {
        let window = self.window_of(at);
        add(&mut self.within, window, sum)
    }

    /// Adds a quantity held over `[from, to)` within the period.
    pub fn add_held(&mut self, from: i64, to: i64, quantity: i128) -> Option<()> {
        let (first, last) = (self.window_of(from), self.window_of(to - 1));
        let weighed = |from: i64, to: i64| quantity.checked_mul(i128::from(to - from));
        if first == last {
            return add(&mut self.within, first, weighed(from, to)?);
        }
        let (head, tail) = (self.start_of(first + 1), self.start_of(last));
        add(&mut self.within, first, weighed(from, head)?)?;
        add(&mut self.within, last, weighed(tail, to)?)?;
        if first + 1 < last {
            add(&mut self.changes, first + 1, quantity)?;
            add(&mut self.changes, last, quantity.checked_neg()?)?;
        }
        Some(())
    }

    /// Adds what was used over a stretch within the period: in each window what has come by its end,
    /// less what had come by its start.
    pub fn add_evenly(
        &mut self,
        (from, to): (Instant, Instant),
        so_far: impl Fn(Instant) -> Option<i128>,
    ) -> Option<()> {
        let mut before = so_far(from)?;
        let mut window = self.window_of(from.floor_seconds());
        let mut at = from;
        while at < to {
            at = Instant::from_seconds(self.start_of(window + 1)).ok()?.min(to);
            let now = so_far(at)?;
            if now != before {
                add(&mut self.within, window, now.checked_sub(before)?)?;
            }
            before = now;
            window += 1;
        }
        Some(())
    }

    pub fn merge(&mut self, other: &Windows) -> Option<()> {
        for (window, sum) in &other.within {
            add(&mut self.within, *window, *sum)?;
        }
        for (window, change) in &other.changes {
            add(&mut self.changes, *window, *change)?;
        }
        Some(())
    }

    /// The highest mean of all windows.
    pub fn peak(&self) -> Option<Mean> {
        let means = self.means()?;
        means.into_iter().max_by_key(|(value, ..)| *value).map(|(_, mean, _)| mean)
    }

    /// The mean at the nearest rank: of 8,928 windows the 95th percentile is the 8,482nd from below.
    pub fn percentile(&self, percent: u32) -> Option<Mean> {
        let mut means = self.means()?;
        means.sort_by_key(|(value, ..)| *value);
        let scaled = i128::from(self.count()).checked_mul(i128::from(percent))?;
        let rank = scaled.checked_add(99)?.div_euclid(100).max(1);
        let mut below = 0_i128;
        for (_, mean, windows) in &means {
            below += i128::from(*windows);
            if rank <= below {
                return Some(*mean);
            }
        }
        means.last().map(|(_, mean, _)| *mean)
    }

    /// All means, each with how many windows in a row have it.
    fn means(&self) -> Option<Vec<(Fraction, Mean, i64)>> {
        let count = self.count();
        let mut edges: BTreeSet<i64> = BTreeSet::from([0, count - 1, count]);
        edges.extend(self.within.keys().flat_map(|window| [*window, window + 1]));
        edges.extend(self.changes.keys());
        let edges: Vec<i64> = edges.into_iter().collect();
        let mut held = 0_i128;
        let mut means = Vec::with_capacity(edges.len());
        for pair in edges.windows(2) {
            let window = pair[0];
            held = held.checked_add(self.changes.get(&window).copied().unwrap_or(0))?;
            let seconds = self.start_of(window + 1).min(self.end) - self.start_of(window);
            let within = self.within.get(&window).copied().unwrap_or(0);
            let sum = held.checked_mul(i128::from(seconds))?.checked_add(within)?;
            let value = Fraction::ratio(sum, i128::from(seconds))?;
            means.push((value, Mean { sum, seconds }, pair[1] - window));
        }
        Some(means)
    }

    fn count(&self) -> i64 {
        let seconds = self.end - self.start;
        (seconds + self.seconds - 1).div_euclid(self.seconds)
    }

    fn window_of(&self, at: i64) -> i64 {
        (at - self.start).div_euclid(self.seconds)
    }

    fn start_of(&self, window: i64) -> i64 {
        self.start + window * self.seconds
    }
}

fn add(sums: &mut BTreeMap<i64, i128>, window: i64, sum: i128) -> Option<()> {
    let entry = sums.entry(window).or_insert(0);
    *entry = entry.checked_add(sum)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(seconds: i64, length: i64) -> Windows {
        let at = |seconds| Instant::from_seconds(1_000_000 + seconds).expect("instant");
        Windows::new(Period::new(at(0), at(length)).expect("period"), seconds).expect("windows")
    }

    fn held(windows: &mut Windows, from: i64, to: i64, quantity: i128) {
        windows.add_held(1_000_000 + from, 1_000_000 + to, quantity).expect("adds");
    }

    #[test]
    fn means_are_exact_before_at_and_after_the_edges_of_windows() {
        // Ten windows of ten seconds, 4 held over [from, to): the sum of the highest.
        let check = |from: i64, to: i64, peak: i128, third_highest: i128| {
            let mut windows = windows(10, 100);
            held(&mut windows, from, to, 4);
            assert_eq!(windows.peak(), Some(Mean { sum: peak, seconds: 10 }), "{from} to {to}");
            let percentile = windows.percentile(80).expect("percentile");
            assert_eq!(percentile.sum, third_highest, "{from} to {to}");
        };
        check(0, 9, 36, 0);
        check(0, 10, 40, 0);
        check(0, 11, 40, 0);
        check(5, 15, 20, 0);
        check(5, 30, 40, 20);
        check(9, 31, 40, 4);
        check(10, 40, 40, 40);
        check(0, 100, 40, 40);
    }

    #[test]
    fn a_cut_changes_no_window() {
        let mut whole = windows(7, 100);
        held(&mut whole, 3, 95, 5);
        for cut in 4..95 {
            let mut parts = windows(7, 100);
            held(&mut parts, 3, cut, 5);
            held(&mut parts, cut, 95, 5);
            for percent in [1, 5, 50, 86, 87, 100] {
                let (left, right) = (parts.percentile(percent), whole.percentile(percent));
                assert_eq!(left, right, "cut at {cut}, {percent} percent");
            }
        }
    }

    #[test]
    fn ranks_are_the_nearest_from_below() {
        // 31 days of five minutes: 8,928 windows, of which the n-th holds n.
        let mut windows = windows(300, 31 * 86_400);
        for window in 0..8_928 {
            let sum = i128::from(window) + 1;
            windows.add_at(1_000_000 + window * 300, sum).expect("adds");
        }
        let check = |percent: u32, expect: i128| {
            assert_eq!(windows.percentile(percent).map(|mean| mean.sum), Some(expect), "{percent}");
        };
        check(95, 8_482);
        check(100, 8_928);
        check(50, 4_464);
        check(1, 90);
        check(0, 1);
        assert_eq!(windows.peak().map(|mean| mean.sum), Some(8_928));
    }

    #[test]
    fn the_last_window_may_be_short_and_silent_windows_are_zero() {
        let mut windows = windows(60, 100);
        held(&mut windows, 60, 100, 3);
        // 120 in 40 s is a mean of 3, as much as 180 in 60 s.
        assert_eq!(windows.peak(), Some(Mean { sum: 120, seconds: 40 }));
        assert_eq!(windows.percentile(50), Some(Mean { sum: 0, seconds: 60 }));
        let mut negative = self::windows(10, 100);
        negative.add_at(1_000_000, -5).expect("adds");
        assert_eq!(negative.peak().map(|mean| mean.sum), Some(0));
        assert_eq!(negative.percentile(10).map(|mean| mean.sum), Some(-5));
        assert_eq!(negative.percentile(11).map(|mean| mean.sum), Some(0));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let mut windows = windows(10, 100);
        windows.add_at(1_000_000, i128::MAX).expect("adds");
        assert_eq!(windows.add_at(1_000_001, 1), None);
        assert_eq!(windows.add_held(1_000_000, 1_000_100, i128::MAX), None);
    }
}
