//! Gathering: usage intervals, cut where who pays or the price changes, summed exactly per price.
//!
//! Held quantities are summed as quantity x seconds in checked `i128`, where seconds are the
//! difference of two floored instants: pieces of an interval add up to the whole, exactly.
//!
//! - An interval is cut at what changes its account, then at the account's [`Calendar`] (tariff
//!   versions, agreements, months), then at hours of use, windows and ratings of host classes, where
//!   a rate has them. In each piece the first rate that applies is taken ([`member`]).
//! - Usage of a meter counts for it and for each meter derived of it that the chain prices. One that
//!   none of them prices is a gap, unless the chain includes it.
//! - What a measure makes of a period ([`measure`]) and what a holding falls short of its minimum or
//!   step ([`holding`]) is known when the resource, or all of the account, has been seen:
//!   [`Harvest::close_resource`] and [`Harvest::resolve`] add it to the sums.

mod holding;
mod key;
mod measure;
mod member;
mod piece;
mod price;
mod quantity;
mod subject;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod windows;
mod worth;

use std::collections::BTreeMap;

use turnpike_schemas::{Account, AccountId, Instant, Period, UsageInterval};

pub use key::{Events, GatherKey, Gathered, Step};

use crate::parked::{ParkCode, ParkReason, Parked, Unassigned};
use crate::tariff_lookup::{Feed, Lookup, Ownership};
use holding::Holdings;
use measure::Measures;
use piece::Piece;
use price::Context;

/// What gathering makes of the intervals of one or more buckets.
#[derive(Debug, Clone, Default)]
pub struct Harvest {
    pub gathered: BTreeMap<GatherKey, Gathered>,
    /// The first reason (in canonical order) for each account that cannot be priced.
    pub parked: BTreeMap<AccountId, ParkReason>,
    pub unassigned: BTreeMap<(Option<String>, String, String), Unassigned>,
    pub intervals: u64,
    /// Of resources that are being metered.
    holdings: Holdings,
    measures: Measures,
}

/// An interval as it is handed over, and up to where it counts.
#[derive(Clone, Copy)]
struct Handed<'a> {
    interval: &'a UsageInterval,
    until: Instant,
    /// Nothing has ended it: it ends where what is known does.
    open: bool,
}

impl Harvest {
    /// Adds an interval, clipped to `[span.start, until)`.
    pub fn add<'a>(
        &mut self,
        lookup: &Lookup<'a>,
        interval: &UsageInterval,
        span: &Period,
        until: Instant,
    ) {
        self.take(lookup, span, Handed { interval, until, open: false });
    }

    /// Adds an interval that nothing has ended: it goes on at `until`.
    pub fn add_open<'a>(
        &mut self,
        lookup: &Lookup<'a>,
        interval: &UsageInterval,
        span: &Period,
        until: Instant,
    ) {
        self.take(lookup, span, Handed { interval, until, open: true });
    }

    fn take<'a>(&mut self, lookup: &Lookup<'a>, span: &Period, handed: Handed<'_>) {
        let Handed { interval, until, .. } = handed;
        let counts = span.start() <= interval.end && interval.start < until;
        self.intervals += u64::from(counts);
        // Past what is rated only the end of a holding is of interest.
        let seen = until.plus_seconds(lookup.after_seconds()).unwrap_or(Instant::MAX);
        if interval.end < span.start() || interval.start >= seen {
            return;
        }
        let Some(whole) = Piece::of(interval, seen) else { return };
        let owner = interval.holder.owner.as_ref();
        let mut cuts = Vec::new();
        lookup.owner_cuts(owner, &mut cuts);
        let mut each = |piece: Piece<'_>| {
            match lookup.ownership(owner, piece.start) {
                Ownership::Nobody => self.unassigned(&piece, span.start(), until),
                Ownership::One(account) => self.add_for_account(lookup, account, &piece, handed),
                Ownership::Several(accounts) => {
                    if let Some(piece) = piece.clipped(span.start(), until) {
                        self.several(lookup, &accounts, &piece);
                    }
                }
            }
            Ok::<(), ParkReason>(())
        };
        // Each part parks its own account, so there is nothing left to fail.
        let _ = whole.cut(&mut cuts, &mut each);
        self.spread(lookup, handed);
    }

    /// Adds a report to what is measured in windows, as used evenly over its own window. What lies
    /// before the period is of none of its windows.
    fn spread<'a>(&mut self, lookup: &Lookup<'a>, handed: Handed<'_>) {
        let Handed { interval, until, .. } = handed;
        let over_windows = |feed: &Feed<'_>| feed.meter.measure.is_over_windows();
        if !lookup.feeds(&interval.meter).iter().any(over_windows) {
            return;
        }
        let Some(whole) = Piece::spread(interval, until) else { return };
        let owner = interval.holder.owner.as_ref();
        let mut cuts = Vec::new();
        lookup.owner_cuts(owner, &mut cuts);
        let _ = whole.cut(&mut cuts, |piece| {
            // Nobody's usage, and that of several, is told of at the report's end.
            if let Ownership::One(account) = lookup.ownership(owner, piece.start) {
                self.add_for_account(lookup, account, &piece, handed);
            }
            Ok::<(), ParkReason>(())
        });
    }

    /// The resource's intervals have all been added: nothing of it is open any more. Without this the
    /// sums are the same once resolved, but what is remembered of each resource stays in memory.
    pub fn close_resource(&mut self) {
        self.end_holdings();
        let measures = self.measures.take_resources();
        self.add_measured(measures);
    }

    /// Adds what is known only when all usage has been seen, and brings steps into their order: the
    /// sums are then complete, whatever the order of buckets.
    pub fn resolve(&mut self) {
        self.close_resource();
        let measures = self.measures.take_all();
        self.add_measured(measures);
        for sums in self.gathered.values_mut() {
            sums.settle();
        }
    }

    /// Adds what another bucket gathered.
    pub fn merge(&mut self, mut other: Harvest) {
        other.close_resource();
        self.intervals += other.intervals;
        for (key, gathered) in other.gathered {
            self.sum(key, gathered);
        }
        for reason in self.measures.merge(other.measures) {
            self.park_id(reason.0, reason.1);
        }
        for (account, reason) in other.parked {
            self.park_id(account, reason);
        }
        // A resource lives in one bucket, so these keys never meet.
        self.unassigned.extend(other.unassigned);
    }

    pub fn parked(&self) -> Vec<Parked> {
        let parked = self.parked.iter();
        parked
            .map(|(account, reason)| Parked { account: account.clone(), reason: reason.clone() })
            .collect()
    }

    pub fn park_id(&mut self, account: AccountId, reason: ParkReason) {
        let kept = self.parked.entry(account).or_insert_with(|| reason.clone());
        // The least reason is kept, so that the order of buckets does not show.
        if reason < *kept {
            *kept = reason;
        }
    }

    fn park(&mut self, account: &Account, reason: ParkReason) {
        self.park_id(account.id.clone(), reason);
    }

    /// Adds to the sums of a key; what is too large parks the account.
    pub(crate) fn sum(&mut self, key: GatherKey, next: Gathered) {
        match self.gathered.get_mut(&key) {
            Some(sums) => {
                if sums.add(&next).is_none() {
                    let reason = overflow(&key);
                    self.park_id(key.account, reason);
                }
            }
            None => {
                self.gathered.insert(key, next);
            }
        }
    }

    fn unassigned(&mut self, piece: &Piece<'_>, start: Instant, until: Instant) {
        let Some(piece) = piece.clipped(start, until) else { return };
        let holder = &piece.interval.holder;
        let key = (
            holder.owner.as_ref().map(ToString::to_string),
            holder.resource.to_string(),
            piece.interval.meter.to_string(),
        );
        let seconds = if piece.is_held() { piece.seconds() } else { 0 };
        let entry = self.unassigned.entry(key).or_insert_with(|| Unassigned {
            owner: holder.owner.clone(),
            resource: holder.resource.clone(),
            meter: piece.interval.meter.clone(),
            first: piece.start,
            seconds: 0,
        });
        entry.first = entry.first.min(piece.start);
        entry.seconds = entry.seconds.saturating_add(seconds);
    }

    fn several(&mut self, lookup: &Lookup<'_>, accounts: &[&Account], piece: &Piece<'_>) {
        let names: Vec<&str> = accounts.iter().map(|account| account.id.as_str()).collect();
        let owner = piece.interval.holder.owner.as_ref();
        let owner = owner.map(ToString::to_string).unwrap_or_default();
        let text = format!("owner `{owner}` belongs to {}", names.join(" and "));
        for account in accounts {
            if lookup.periods.get(&account.id).is_some_and(|period| overlaps(period, piece)) {
                self.park(account, ParkReason::new(ParkCode::OwnerOverlap, &*text));
            }
        }
    }

    fn add_for_account<'a>(
        &mut self,
        lookup: &Lookup<'a>,
        account: &'a Account,
        piece: &Piece<'_>,
        handed: Handed<'_>,
    ) {
        let calendar = match lookup.calendar(account) {
            None => return,
            Some(Ok(calendar)) => calendar,
            Some(Err(reason)) => return self.park(account, reason.clone()),
        };
        // A report that ends past the account's own period is of the next one, whatever others' are.
        let complete = || Piece::spread(handed.interval, handed.until.min(calendar.period.end()));
        if piece.is_spread && complete().is_none() {
            return;
        }
        // Where the run stops within the period, what goes on there is not over.
        let stopped = handed.until < calendar.period.end();
        let end = if stopped { handed.until } else { calendar.end() };
        // Where the owner goes to another account, or to none, the account's holding ends.
        let seen = handed.until.plus_seconds(lookup.after_seconds()).unwrap_or(Instant::MAX);
        let open = handed.open && handed.interval.end.min(seen) <= piece.end
            || stopped && handed.until <= piece.end;
        let Some(piece) = piece.clipped(Instant::MIN, end) else { return };
        for stretch in calendar.stretches(piece.start, piece.end) {
            let Some(part) = piece.clipped(stretch.start, stretch.end) else { continue };
            let open = open && part.end == piece.end;
            let context = Context { lookup, calendar, stretch, until: handed.until, open };
            if let Err(reason) = self.price(&context, &part) {
                self.park(account, reason);
            }
        }
    }
}

fn overlaps(period: &Period, piece: &Piece<'_>) -> bool {
    period.contains(piece.start) || piece.start < period.end() && period.start() < piece.end
}

pub(crate) fn overflow(key: &GatherKey) -> ParkReason {
    let text =
        format!("the usage of {} for meter `{}` is too large to sum", key.resource, key.meter);
    ParkReason::new(ParkCode::Overflow, text)
}
