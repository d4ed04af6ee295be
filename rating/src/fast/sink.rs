//! [`Pending`]: the sums of the resource at hand. They count only when all of its events were metered.
//!
//! Usage is metered once and summed on each [`Lane`]: by the run's own book, and by another one where
//! both are compared.

use foldhash::{HashMap, HashMapExt as _};
use turnpike_schemas::event::{Flow, ResourceState};
use turnpike_schemas::{Instant, Period};

use super::block::Numbers;
use super::fold::Sink;
use super::head::{Holder, Measure};
use super::held::{Held, Last, Places, UNKNOWN, Way};
use super::names::NONE;
use super::route::{Place, Routes, Target};
use super::tally::{Slot, Sums};
use crate::engine::View;
use crate::tariff_lookup::Lookup;

/// What a lane prices by.
pub(crate) struct Terms<'r, 'l, 'v> {
    pub(crate) lookup: &'r Lookup<'l>,
    /// What metering has to yield, and the instant past which nothing is billed.
    pub(crate) span: Period,
    pub(crate) until: Instant,
    /// Says where usage is taken to have run.
    pub(crate) view: Option<&'v View>,
}

/// One book's sums.
pub(super) struct Lane<'v> {
    pub(super) routes: Routes,
    pub(super) slots: Vec<Slot>,
    span: (i64, i64),
    pub(super) until: i64,
    view: Option<&'v View>,
    /// Where usage of a site is taken to have run: the site and its region.
    moves: HashMap<u32, Option<(u32, u32)>>,
    /// Account, slot, sums.
    pub(super) sums: Vec<(u32, u32, Sums)>,
    pub(super) intervals: u64,
}

#[derive(Default)]
pub(super) struct Pending<'v> {
    pub(super) lanes: Vec<Lane<'v>>,
    pub(super) numbers: Numbers,
    /// The general way has to meter this resource.
    pub(super) declined: bool,
}

const SECOND: i64 = 1_000_000;

#[inline]
fn seconds(micros: i64) -> i64 {
    micros.div_euclid(SECOND)
}

impl<'v> Pending<'v> {
    pub(super) fn new(terms: &[Terms<'_, '_, 'v>]) -> Self {
        let lanes = terms.iter().map(Lane::new).collect();
        Self { lanes, numbers: Numbers::default(), declined: false }
    }

    /// Takes what the fold completes, looked up lane by lane.
    pub(super) fn by<'a, 'l>(&'a mut self, lookups: &'a [&'a Lookup<'l>]) -> Summing<'a, 'v, 'l> {
        Summing { pending: self, lookups }
    }

    pub(super) fn clear(&mut self) {
        for lane in &mut self.lanes {
            lane.sums.clear();
            lane.intervals = 0;
        }
        self.declined = false;
    }

    /// From now on nothing is billed at or past `until`, and what is not looked up yet is declined.
    pub(super) fn freeze(&mut self, until: Instant) {
        for lane in &mut self.lanes {
            lane.until = until.micros();
            lane.routes.is_frozen = true;
        }
    }

    /// Ends [`Pending::freeze`].
    pub(super) fn thaw(&mut self, until: Instant) {
        for lane in &mut self.lanes {
            lane.until = until.micros();
            lane.routes.is_frozen = false;
        }
    }

    /// The instant past which nothing is billed on any lane.
    pub(super) fn until(&self) -> i64 {
        self.lanes.iter().map(|lane| lane.until).max().unwrap_or(0)
    }
}

/// `None` of any of these: the resource is declined.
impl<'v> Lane<'v> {
    fn new(terms: &Terms<'_, '_, 'v>) -> Self {
        Self {
            routes: Routes::new(terms.lookup, terms.span),
            slots: Vec::new(),
            span: (terms.span.start().micros(), terms.span.end().micros()),
            until: terms.until.micros(),
            view: terms.view.filter(|view| !view.sites.is_empty()),
            moves: HashMap::new(),
            sums: Vec::new(),
            intervals: 0,
        }
    }

    /// The account of a holder, which has exactly one.
    #[inline]
    fn account(
        &mut self,
        holder: &Holder,
        place: &mut Place,
        numbers: &mut Numbers,
    ) -> Option<u32> {
        if !place.is_known() {
            let holder = self.moved(holder, numbers)?;
            *place = self.routes.place(&holder, numbers);
        }
        place.account()
    }

    /// The holder where it is taken to be.
    fn moved(&mut self, holder: &Holder, numbers: &mut Numbers) -> Option<Holder> {
        let Some(view) = self.view.filter(|_| holder.site != NONE) else { return Some(*holder) };
        let moved = match self.moves.get(&holder.site) {
            Some(known) => *known,
            None => {
                let to = numbers.names.text(holder.site).and_then(|site| view.sites.get(site));
                let moved = match to {
                    None => None,
                    Some(to) => {
                        let region = view.book.site(to).and_then(|site| site.region.as_deref());
                        let site = numbers.names.number(to.as_str())?;
                        let region = region.map_or(Some(NONE), |name| numbers.names.number(name));
                        Some((site, region?))
                    }
                };
                self.moves.insert(holder.site, moved);
                moved
            }
        };
        Some(moved.map_or(*holder, |(site, region)| Holder { site, region, ..*holder }))
    }

    fn route(
        &mut self,
        lookup: &Lookup<'_>,
        (holder, place): (&Holder, Place),
        meter: (u32, u32),
        (held, estimated): (bool, bool),
        numbers: &mut Numbers,
    ) -> Option<u32> {
        if let Some(known) = self.routes.known(place, meter, (held, estimated)) {
            return Some(known);
        }
        let holder = self.moved(holder, numbers)?;
        self.routes.route(lookup, place, &holder, meter, (held, estimated))
    }

    /// Adds to the sum of a target and says which that is.
    fn add(&mut self, account: u32, target: Target, sums: Sums) -> Option<u32> {
        let slot = match target {
            Target::Nothing => return Some(UNKNOWN),
            Target::Declined => return None,
            Target::Slot(slot) => slot,
        };
        // The newest first: it is nearly always the same.
        let known = self.sums.iter().rposition(|known| (known.0, known.1) == (account, slot));
        let at = match known {
            Some(at) => {
                self.sums[at].2.add(&sums)?;
                at
            }
            None => {
                self.sums.push((account, slot, sums));
                self.sums.len() - 1
            }
        };
        u32::try_from(at).ok()
    }

    #[inline]
    fn held(
        &mut self,
        lookup: &Lookup<'_>,
        (holder, place): (&Holder, &mut Place),
        state: ResourceState,
        (held, way): (&HeldQuantity, &mut Way),
        (start, end): (i64, i64),
        numbers: &mut Numbers,
    ) -> Option<()> {
        if end < self.span.0 || start >= self.until {
            return Some(());
        }
        self.intervals += 1;
        let (start, end) = (start.max(self.span.0), end.min(self.until));
        if start >= end {
            return Some(());
        }
        let last = &way.last;
        if !held.estimated
            && state == last.state
            && last.start <= start
            && end <= last.end
            && let Some((_, _, sum)) = self.sums.get_mut(last.sum as usize)
        {
            return match held_sums(held.quantity, (start, end)) {
                Some(sums) => sum.add(&sums),
                None => Some(()),
            };
        }
        let account = self.account(holder, place, numbers)?;
        let route = match way.route {
            known if known != UNKNOWN && !held.estimated => known,
            _ => {
                let kind = (true, held.estimated);
                self.route(lookup, (holder, *place), held.meter, kind, numbers)?
            }
        };
        if !held.estimated {
            way.route = route;
        }
        let mut at = 0;
        while let Some(piece) = self.routes.piece(
            lookup,
            (route, state),
            (start, end),
            &mut at,
            numbers,
            &mut self.slots,
        ) {
            let span = (start.max(piece.start), end.min(piece.end));
            let Some(sums) = held_sums(held.quantity, span) else { continue };
            let sum = self.add(account, piece.target, sums)?;
            if !held.estimated {
                way.last = Last { sum, state, start: piece.start, end: piece.end };
            }
        }
        Some(())
    }

    fn consumed(
        &mut self,
        lookup: &Lookup<'_>,
        (holder, place): (&Holder, &mut Place),
        what: Measure,
        (start, end): (i64, i64),
        numbers: &mut Numbers,
    ) -> Option<()> {
        if end < self.span.0 || start >= self.until {
            return Some(());
        }
        self.intervals += 1;
        // Whole, at the last microsecond before its end.
        let before_end = if end > 0 { end - 1 } else { end };
        let at = before_end.max(start);
        if at >= self.until || at < self.span.0 {
            return Some(());
        }
        let account = self.account(holder, place, numbers)?;
        if what.quantity == 0 {
            return Some(());
        }
        let meter = (what.meter, what.scale);
        let route = self.route(lookup, (holder, *place), meter, (false, false), numbers)?;
        let found = self.routes.piece(
            lookup,
            (route, ResourceState::Active),
            (at, at + 1),
            &mut 0,
            numbers,
            &mut self.slots,
        );
        let Some(piece) = found else { return Some(()) };
        let sums = Sums {
            quantity: i128::from(what.quantity),
            seconds: 0,
            first: at,
            last: at + SECOND,
            intervals: 1,
        };
        self.add(account, piece.target, sums).map(|_| ())
    }
}

/// What is held over a span.
struct HeldQuantity {
    /// With its scale.
    meter: (u32, u32),
    quantity: i64,
    estimated: bool,
}

/// What a quantity held over a span adds; nothing where either is zero.
#[inline]
fn held_sums(quantity: i64, (start, end): (i64, i64)) -> Option<Sums> {
    let seconds = seconds(end) - seconds(start);
    (quantity != 0 && seconds != 0).then(|| Sums {
        // 64 bits by 64 bits.
        quantity: i128::from(quantity) * i128::from(seconds),
        seconds,
        first: start,
        last: end,
        intervals: 1,
    })
}

/// [`Pending`] with the look-up of each lane.
pub(super) struct Summing<'a, 'v, 'l> {
    pending: &'a mut Pending<'v>,
    lookups: &'a [&'a Lookup<'l>],
}

impl Sink for Summing<'_, '_, '_> {
    #[inline]
    fn held(
        &mut self,
        (holder, places): (&Holder, &mut Places),
        state: ResourceState,
        held: &mut Held,
        span: (i64, i64),
        estimated: bool,
    ) {
        let Pending { lanes, numbers, declined } = &mut *self.pending;
        if *declined {
            return;
        }
        let (meter, quantity) = ((held.meter, held.scale), held.quantity);
        let what = HeldQuantity { meter, quantity, estimated };
        let each = lanes.iter_mut().zip(self.lookups).zip(places).zip(&mut held.ways);
        for (((lane, lookup), place), way) in each {
            let added = lane.held(lookup, (holder, place), state, (&what, way), span, numbers);
            *declined |= added.is_none();
        }
    }

    fn consumed(
        &mut self,
        (holder, places): (&Holder, &mut Places),
        what: Measure,
        span: (i64, i64),
    ) {
        debug_assert_ne!(what.flow, Flow::Held);
        let Pending { lanes, numbers, declined } = &mut *self.pending;
        if *declined {
            return;
        }
        for ((lane, lookup), place) in lanes.iter_mut().zip(self.lookups).zip(places) {
            let added = lane.consumed(lookup, (holder, place), what, span, numbers);
            *declined |= added.is_none();
        }
    }

    fn merged(&mut self, known: u32, given: u32) -> u32 {
        self.pending.numbers.labels.merge(known, given)
    }
}
