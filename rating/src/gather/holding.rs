//! [`Holdings`]: continuous holdings, their minimum and their step.
//!
//! A holding is of one account, resource and meter: pieces that are billed, of a quantity above
//! zero, each beginning in the second in which the one before ended, whatever rate, size, tariff or
//! attributes change within. A stop, a quantity of zero, another account or usage that is included
//! ends it.
//!
//! - The minimum counts once, in the month in which the holding begins, against all its seconds,
//!   also those after the month: what it falls short of is added there. It is that of the tariff
//!   version in force at the beginning: one that began where there was none has none.
//! - A step counts from the start of the holding, or of the month that it goes on in: in the month in
//!   which the holding ends the started step is added. Where it goes on past the month, every second
//!   of the month is billed already, and nothing is added. It is that of the tariff version in force
//!   at the end.
//! - What is added has the quantity, the rate and the line of the last piece of that month, at its
//!   last price. Where both bear on one month, the longer counts.
//! - What is still held at the end of what is known has no end yet, and nothing is added.
//!
//! A month here is what of the local calendar month the run rates. A holding within one second is
//! none: it holds no second.

use std::collections::BTreeMap;

use turnpike_schemas::{AccountId, Fraction, Instant, MeterId, Period, ResourceId};

use super::key::{GatherKey, Gathered, Step};
use super::piece::Piece;
use super::price::Priced;
use super::{Harvest, overflow, worth};
use crate::parked::ParkReason;
use crate::tariff_lookup::Position;

pub(super) type HoldingKey = (AccountId, ResourceId, MeterId);

/// The holdings of resources that are being metered.
pub(super) type Holdings = BTreeMap<HoldingKey, Holding>;

#[derive(Debug, Clone)]
pub(super) struct Holding {
    /// In seconds.
    start: i64,
    end: i64,
    /// In force when it began; 0 where it began before the period.
    minimum: i64,
    /// What the minimum is added to, once the holding has gone on into another month.
    first: Option<Last>,
    /// `None`: nothing of it was billed yet.
    last: Option<Last>,
    is_open: bool,
}

/// The last piece billed in a month, and what one more second of it adds.
#[derive(Debug, Clone)]
struct Last {
    key: GatherKey,
    /// One second of it: quantity and worth.
    quantity: i128,
    worth: Option<Fraction>,
    /// Where the seconds added would begin.
    end: Instant,
    stepped: bool,
    step: i64,
    month: Period,
}

impl Harvest {
    /// Takes note of a part that lies around the period.
    pub(super) fn look(&mut self, priced: &Priced<'_, '_>, position: Position) {
        let key = priced.holding_key();
        let holding = Holding::of(&priced.part, 0);
        let goes_on = self.holdings.get_mut(&key).is_some_and(|known| known.goes_on(&holding));
        if !goes_on && position == Position::Before {
            self.begin(key, holding);
        }
    }

    /// Takes note of a part that is billed under a key. Says whether a holding begins with it.
    pub(super) fn watch(
        &mut self,
        priced: &Priced<'_, '_>,
        key: &GatherKey,
    ) -> Result<bool, ParkReason> {
        let place = priced.holding_key();
        let holding = Holding::of(&priced.part, priced.holding().minimum_seconds);
        let begins = !self.holdings.get_mut(&place).is_some_and(|known| known.goes_on(&holding));
        if begins {
            self.begin(place.clone(), holding);
        }
        let last = Last {
            key: key.clone(),
            quantity: priced.quantity,
            worth: worth::last_second(priced, key.per_seconds)?,
            end: priced.part.end.floored(),
            stepped: priced.term.rate.model.wants_steps(),
            step: priced.holding().step_seconds,
            month: priced.counted_period(),
        };
        if let Some(holding) = self.holdings.get_mut(&place) {
            holding.is_open = priced.context.open;
            let before = holding.last.replace(last);
            if holding.first.is_none() {
                holding.first = before.filter(|before| before.month != priced.counted_period());
            }
        }
        Ok(begins)
    }

    fn begin(&mut self, key: HoldingKey, holding: Holding) {
        if let Some(ended) = self.holdings.insert(key, holding) {
            self.end_holding(&ended);
        }
    }

    /// Ends all holdings, and adds what they fall short of.
    pub(super) fn end_holdings(&mut self) {
        for holding in std::mem::take(&mut self.holdings).into_values() {
            self.end_holding(&holding);
        }
    }

    fn end_holding(&mut self, holding: &Holding) {
        for (last, seconds) in holding.added() {
            if let Err(reason) = self.add_seconds(last, seconds) {
                self.park_id(last.key.account.clone(), reason);
            }
        }
    }

    fn add_seconds(&mut self, last: &Last, seconds: i64) -> Result<(), ParkReason> {
        let too_large = || overflow(&last.key);
        let times = i128::from(seconds);
        let quantity = last.quantity.checked_mul(times).ok_or_else(too_large)?;
        let worth = match &last.worth {
            Some(worth) => Some(worth.checked_mul(&Fraction::whole(times)).ok_or_else(too_large)?),
            None => None,
        };
        let end = last.end.plus_seconds(seconds).ok_or_else(too_large)?;
        let step = Step { start: last.end, end, quantity: last.quantity };
        let next = |sums: &Gathered| Gathered {
            resource_kind: String::new(),
            quantity,
            seconds,
            // The time of use stays what it was: what is added is billed, not used.
            first: sums.first,
            last: sums.last,
            intervals: 0,
            worth,
            steps: if last.stepped { vec![step] } else { Vec::new() },
            events: None,
        };
        // Seconds are only ever added to a line that the last piece stands on.
        let Some(sums) = self.gathered.get_mut(&last.key) else { return Ok(()) };
        let next = next(sums);
        sums.add(&next).ok_or_else(too_large)
    }
}

impl Holding {
    fn of(part: &Piece<'_>, minimum: i64) -> Self {
        let (start, end) = (part.start.floor_seconds(), part.end.floor_seconds());
        Self { start, end, minimum, first: None, last: None, is_open: false }
    }

    /// Lengthens the holding by a part that goes on with it. `false`: it does not.
    fn goes_on(&mut self, part: &Holding) -> bool {
        if part.start < self.start || self.end < part.start {
            return false;
        }
        self.end = self.end.max(part.end);
        true
    }

    /// The seconds to be added to the last piece of a month.
    fn added(&self) -> Vec<(&Last, i64)> {
        let Some(last) = self.last.as_ref().filter(|_| !self.is_open) else { return Vec::new() };
        let short = (self.minimum - (self.end - self.start)).max(0);
        let started = if self.end <= last.month.end().floor_seconds() {
            let since = self.start.max(last.month.start().floor_seconds());
            let held = self.end - since;
            let step = last.step.max(1);
            (step - held.rem_euclid(step)).rem_euclid(step)
        } else {
            0
        };
        let added = match &self.first {
            Some(first) => vec![(first, short), (last, started)],
            None => vec![(last, short.max(started))],
        };
        added.into_iter().filter(|(_, seconds)| *seconds > 0).collect()
    }
}
