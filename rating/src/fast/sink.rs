//! [`Pending`]: the sums of the resource at hand. They count only when all of its events were metered.

use turnpike_schemas::event::{Flow, ResourceState};

use super::block::Numbers;
use super::fold::{Held, Holder, Measure, Sink, UNKNOWN};
use super::route::{Routes, Target};
use super::tally::{Slot, Sums};

pub(super) struct Pending<'r, 'l> {
    pub(super) routes: Routes<'r, 'l>,
    pub(super) slots: Vec<Slot>,
    pub(super) numbers: Numbers,
    /// What metering has to yield, and the instant past which nothing is billed.
    pub(super) span: (i64, i64),
    pub(super) until: i64,
    /// Account, slot, sums.
    pub(super) sums: Vec<(u32, u32, Sums)>,
    pub(super) intervals: u64,
    /// The general way has to meter this resource.
    pub(super) declined: bool,
}

const SECOND: i64 = 1_000_000;

fn seconds(micros: i64) -> i64 {
    micros.div_euclid(SECOND)
}

impl Pending<'_, '_> {
    pub(super) fn clear(&mut self) {
        self.sums.clear();
        self.intervals = 0;
        self.declined = false;
    }

    /// The account of a holder; without exactly one the resource is declined.
    fn account(&mut self, holder: &Holder, place: &mut u32) -> Option<u32> {
        if *place == UNKNOWN {
            *place = self.routes.place(holder, &self.numbers);
        }
        let account = self.routes.account(*place);
        self.declined |= account.is_none();
        account
    }

    fn add(&mut self, account: u32, target: Target, sums: Sums) {
        let slot = match target {
            Target::Nothing => return,
            Target::Declined => {
                self.declined = true;
                return;
            }
            Target::Slot(slot) => slot,
        };
        // The newest first: it is nearly always the same.
        let known = self.sums.iter_mut().rev().find(|known| (known.0, known.1) == (account, slot));
        match known {
            Some((_, _, sum)) => self.declined |= sum.add(&sums).is_none(),
            None => self.sums.push((account, slot, sums)),
        }
    }
}

impl Sink for Pending<'_, '_> {
    fn held(
        &mut self,
        (holder, place): (&Holder, &mut u32),
        state: ResourceState,
        held: &mut Held,
        (start, end): (i64, i64),
        estimated: bool,
    ) {
        if self.declined || end < self.span.0 || start >= self.until {
            return;
        }
        self.intervals += 1;
        let (start, end) = (start.max(self.span.0), end.min(self.until));
        if start >= end {
            return;
        }
        let Some(account) = self.account(holder, place) else { return };
        let meter = (held.meter, held.scale);
        let route = match held.route {
            UNKNOWN => self.routes.route(*place, holder, meter, true, estimated),
            _ if estimated => self.routes.route(*place, holder, meter, true, true),
            known => Some(known),
        };
        let Some(route) = route else {
            self.declined = true;
            return;
        };
        if !estimated {
            held.route = route;
        }
        let mut at = 0;
        while let Some((target, from, to)) =
            self.routes.piece(route, state, (start, end), &mut at, &self.numbers, &mut self.slots)
        {
            let seconds = seconds(to) - seconds(from);
            if held.quantity == 0 || seconds == 0 {
                continue;
            }
            let sums = Sums {
                // 64 bits by 64 bits.
                quantity: i128::from(held.quantity) * i128::from(seconds),
                seconds,
                first: from - from.rem_euclid(SECOND),
                last: to - to.rem_euclid(SECOND),
                intervals: 1,
            };
            self.add(account, target, sums);
        }
    }

    fn consumed(
        &mut self,
        (holder, place): (&Holder, &mut u32),
        what: Measure,
        (start, end): (i64, i64),
    ) {
        if self.declined || end < self.span.0 || start >= self.until {
            return;
        }
        self.intervals += 1;
        // Whole, at the last microsecond before its end.
        let before_end = if end > 0 { end - 1 } else { end };
        let at = before_end.max(start);
        if at >= self.until || at < self.span.0 {
            return;
        }
        let Some(account) = self.account(holder, place) else { return };
        if what.quantity == 0 {
            return;
        }
        let meter = (what.meter, what.scale);
        let Some(route) = self.routes.route(*place, holder, meter, false, false) else {
            self.declined = true;
            return;
        };
        debug_assert_ne!(what.flow, Flow::Held);
        let (state, span) = (ResourceState::Active, (at, at + 1));
        let found = self.routes.piece(route, state, span, &mut 0, &self.numbers, &mut self.slots);
        let Some((target, ..)) = found else { return };
        let first = at - at.rem_euclid(SECOND);
        let sums = Sums {
            quantity: i128::from(what.quantity),
            seconds: 0,
            first,
            last: first + SECOND,
            intervals: 1,
        };
        self.add(account, target, sums);
    }

    fn merged(&mut self, known: u32, given: u32) -> u32 {
        self.numbers.labels.merge(known, given)
    }
}
