//! [`Member`]: a meter that usage counts for, with the rates that may price it and where they change.

use turnpike_schemas::{Aggregation, Instant, PriceBook, PriceModel};

use super::piece::{Piece, has_spread};
use super::quantity;
use crate::parked::ParkReason;
use crate::tariff_lookup::clock::Clock;
use crate::tariff_lookup::{Chain, Feed, Term, Terms};

pub(super) struct Member<'a, 'b> {
    pub feed: &'b Feed<'a>,
    /// `None`: the chain does not know the meter.
    pub terms: Option<&'b Terms<'a>>,
    /// In the order in which they are asked; only the last has no hours.
    rates: Vec<&'b Term<'a>>,
}

impl<'a, 'b> Member<'a, 'b> {
    pub fn of(chain: &'b Chain<'a>, feed: &'b Feed<'a>, piece: &Piece<'_>) -> Self {
        let terms = chain.terms(&feed.meter.id);
        let mut rates = Vec::new();
        for term in terms.iter().flat_map(|terms| &terms.rates) {
            if !term.is_for(&piece.interval.holder) {
                continue;
            }
            rates.push(term);
            if term.rate.times.is_empty() {
                break;
            }
        }
        Self { feed, terms, rates }
    }

    /// Whether any rate is for such a resource, at whatever hours.
    pub fn is_priced(&self) -> bool {
        !self.rates.is_empty()
    }

    /// Whether the account's local time matters.
    pub fn needs_clock(&self) -> bool {
        let timed =
            |term: &&Term<'_>| !term.rate.times.is_empty() || term.rate.window_seconds.is_some();
        self.rates.iter().any(timed)
    }

    /// The first rate that applies at an instant.
    pub fn rate_at(&self, clock: Option<&Clock>, at: Instant) -> Option<&'b Term<'a>> {
        let applies = |term: &&&Term<'_>| {
            term.rate.times.is_empty()
                || clock.is_some_and(|clock| clock.applies(&term.rate.times, at))
        };
        self.rates.iter().find(applies).copied()
    }

    /// Adds the instants within a piece at which its rate, its price or its window may change. The
    /// points of a series are none: what it is worth is worked out from point to point.
    pub fn cuts(
        &self,
        book: &PriceBook,
        clock: Option<&Clock>,
        piece: &Piece<'_>,
        cuts: &mut Vec<Instant>,
    ) {
        let (start, end) = (piece.start, piece.end);
        for term in &self.rates {
            if let Some(clock) = clock {
                if !term.rate.times.is_empty() {
                    clock.time_cuts(&term.rate.times, start, end, cuts);
                }
                if let Some(seconds) = term.rate.window_seconds {
                    clock.window_cuts(seconds, start, end, cuts);
                }
            }
            if let PriceModel::HashMap { groups } = &term.rate.model {
                for cost in groups.values().flat_map(|group| &group.costs) {
                    cuts.extend(cost.valid_from.into_iter().chain(cost.valid_to));
                }
            }
        }
        if self.is_priced() {
            quantity::class_cuts(book, piece.interval, self.feed, cuts);
        }
    }

    /// Whether a piece counts for it: a report at its end, or over its own window.
    pub fn takes(&self, piece: &Piece<'_>) -> bool {
        let over_windows = self.feed.meter.measure.is_over_windows();
        piece.is_spread == (over_windows && has_spread(piece.interval))
    }

    /// Whether usage in the interval's state is billed.
    pub fn is_billable(&self, piece: &Piece<'_>) -> bool {
        let (meter, state) = (self.feed.meter, piece.interval.state);
        piece.interval.aggregation == Aggregation::Sum
            || self.terms.map_or_else(|| meter.hold.holds(state), |terms| terms.holds(meter, state))
    }

    pub fn is_included(&self) -> bool {
        self.terms.is_some_and(|terms| terms.included)
    }

    /// A meter that is reported as held cannot be priced as consumed, nor the other way round.
    pub fn check(&self, piece: &Piece<'_>) -> Result<(), ParkReason> {
        quantity::same_aggregation(self.feed.meter, piece.interval)
    }
}
