//! [`LiveResource`]: one resource's fold, and what its finished intervals come to.

use std::collections::{BTreeSet, HashMap};

use turnpike_schemas::event::EventKind;
use turnpike_schemas::{AccountId, Instant, OwnerRef, Period};

use crate::gather::Harvest;
use crate::metering::{Fold, Metered, MeteredEvent};
use crate::tariff_lookup::Lookup;

/// The order of events of one resource, as the tables keep it.
type Position = (Instant, i32, String);

fn position(event: &MeteredEvent) -> Position {
    let rank = match (event.terminal, event.kind) {
        (true, _) => 2,
        (false, EventKind::Audit) => 1,
        (false, _) => 0,
    };
    (event.time, rank, event.key.clone())
}

/// When all that an event says has come to pass. What counts at an instant is of the bill after it.
fn settled(event: &MeteredEvent) -> Instant {
    event.window.map_or(event.time, |window| window.end.max(event.time))
}

#[derive(Debug, Default)]
pub(super) struct LiveResource {
    fold: Fold,
    /// Of finished intervals, for every account of the window.
    harvest: Harvest,
    last: Option<Position>,
    /// Events ahead of the clock, in order: a bill of an instant before them must not know them as
    /// past.
    ahead: Vec<MeteredEvent>,
}

impl LiveResource {
    pub(super) fn open(state: Option<Metered>) -> Self {
        Self { fold: Fold::open(state), ..Self::default() }
    }

    /// Whether an event belongs before what is in the sums.
    pub(super) fn is_late(&self, event: &MeteredEvent) -> bool {
        self.last.as_ref().is_some_and(|last| position(event) <= *last)
    }

    /// Takes the next events, in order and not late.
    pub(super) fn take(
        &mut self,
        events: &[MeteredEvent],
        now: Instant,
        lookup: &Lookup<'_>,
        span: &Period,
    ) {
        if self.ahead.is_empty() && events.iter().all(|event| settled(event) < now) {
            for event in events {
                self.apply(event, lookup, span);
            }
            return;
        }
        self.ahead.extend_from_slice(events);
        self.ahead.sort_by_cached_key(position);
        let due = self.ahead.iter().take_while(|event| settled(event) < now).count();
        for event in self.ahead.drain(..due).collect::<Vec<_>>() {
            self.apply(&event, lookup, span);
        }
    }

    fn apply(&mut self, event: &MeteredEvent, lookup: &Lookup<'_>, span: &Period) {
        let harvest = &mut self.harvest;
        self.fold.apply(event, &mut |interval| harvest.add(lookup, &interval, span, span.end()));
        self.last = Some(position(event));
    }

    /// All that it comes to, what is still open included, as a run finds it that bills nothing at or
    /// past `until`.
    pub(super) fn harvest(&self, lookup: &Lookup<'_>, span: &Period, until: Instant) -> Harvest {
        let mut harvest = self.harvest.clone();
        let mut fold = self.fold.clone();
        for event in &self.ahead {
            fold.apply(event, &mut |interval| harvest.add(lookup, &interval, span, until));
        }
        if let Some(known) = fold.state() {
            let policy = lookup.book.open_intervals(&known.holder.source);
            // What has no end yet goes on past what is rated.
            let beyond = until.plus_seconds(lookup.after_seconds()).unwrap_or(Instant::MAX);
            fold.finish(beyond, policy, &mut |interval| {
                harvest.add_open(lookup, &interval, span, until);
            });
        }
        harvest
    }

    /// Accounts that may have a share in it.
    pub(super) fn accounts(
        &self,
        claims: &HashMap<OwnerRef, BTreeSet<AccountId>>,
    ) -> BTreeSet<AccountId> {
        let mut accounts: BTreeSet<AccountId> =
            self.harvest.gathered.keys().map(|key| key.account.clone()).collect();
        accounts.extend(self.harvest.parked.keys().cloned());
        let held_by = self.fold.state().and_then(|known| known.holder.owner.as_ref());
        let ahead = self.ahead.iter().filter_map(|event| event.owner.as_ref());
        for owner in held_by.into_iter().chain(ahead) {
            accounts.extend(claims.get(owner).into_iter().flatten().cloned());
        }
        accounts
    }
}
