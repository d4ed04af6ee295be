//! Percentages event by event: fixed parts, free events, least and greatest amounts.
//!
//! Events are taken in the order of time over the whole series, versions of the rate included. The first ones are free until either
//! the number of free events or the free units are used up; the event that reaches the free units
//! pays its fixed part and the share of what lies above them. An event's amount, share and fixed
//! part together, is then held between the least and the greatest.
//!
//! An event and a later one that reverses it cancel before anything is counted. What is left below
//! zero costs what it would cost above, with the sign, and uses no free units.

use std::collections::BTreeMap;

use turnpike_schemas::tariff::Percentage;
use turnpike_schemas::{Aggregation, Fraction, parse};

use super::percentage::percent_of;
use super::tiers::{counted, magnitude};
use super::{Part, PricePool};
use crate::gather::{Gathered, Step};
use crate::parked::{ParkCode, ParkReason};

pub(super) fn price(pool: &PricePool<'_>, terms: &Percentage) -> Result<Vec<Part>, ParkReason> {
    let mut events = Vec::new();
    let (series, own) = pool.whole_series();
    for (_, sums) in series.iter().enumerate().filter(|(place, _)| !own.contains(place)) {
        add(pool, sums, None, &Fraction::ONE, &mut events)?;
    }
    for (index, item) in pool.items.iter().enumerate() {
        if item.sums.steps.is_empty() && item.sums.quantity != 0 {
            let text = format!(
                "the events of {} for meter `{}` were not kept, as its percentage needs",
                item.key.resource, pool.meter.id
            );
            return Err(ParkReason::new(ParkCode::UnknownPrice, text));
        }
        add(pool, item.sums, Some(index), &pool.share(item)?, &mut events)?;
    }
    let mut free = Free::new(terms);
    let mut tallies: Vec<Tally> = vec![Tally::default(); pool.items.len()];
    for event in left(events) {
        let size = magnitude(pool, &event.units)?;
        let negative = event.units.is_negative();
        let (paid, is_free) = if negative { (size, false) } else { free.take(&size) };
        let Some(index) = event.item else { continue };
        tallies[index]
            .count(terms, &Paid { size, units: paid, is_free, negative })
            .ok_or_else(|| pool.too_large("amount"))?;
    }
    let mut parts = Vec::new();
    for (index, tally) in tallies.iter().enumerate() {
        tally.parts(pool, terms, index, &mut parts)?;
    }
    Ok(parts)
}

/// An event, or a level of what is held.
struct Event {
    step: Step,
    /// `None`: of the same series, but priced by another version of the rate.
    item: Option<usize>,
    units: Fraction,
}

fn add(
    pool: &PricePool<'_>,
    sums: &Gathered,
    item: Option<usize>,
    share: &Fraction,
    events: &mut Vec<Event>,
) -> Result<(), ParkReason> {
    let divisor = pool.divisor()?;
    let held = pool.meter.aggregation == Aggregation::Held;
    for step in &sums.steps {
        let seconds = step.end.floor_seconds() - step.start.floor_seconds();
        let weight = if held && pool.meter.measure.is_total() { i128::from(seconds) } else { 1 };
        let units = step
            .quantity
            .checked_mul(weight)
            .and_then(|quantity| Fraction::ratio(quantity, divisor))
            .and_then(|units| units.checked_mul(share))
            .ok_or_else(|| pool.too_large("amount"))?;
        // What an allowance took away is no event to pay for.
        if !units.is_zero() {
            events.push(Event { step: *step, item, units });
        }
    }
    Ok(())
}

/// In order of time, without what was reversed later by the same amount. The order of events of one
/// instant does not depend on the order of items.
fn left(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| (event.step, event.item));
    // By version and by units: those that nothing has reversed yet.
    let mut open: BTreeMap<(bool, Fraction), Vec<usize>> = BTreeMap::new();
    let mut cancelled = vec![false; events.len()];
    for (index, event) in events.iter().enumerate() {
        let own = event.item.is_some();
        let reversed = event.units.checked_neg().and_then(|units| open.get_mut(&(own, units)));
        match reversed.and_then(Vec::pop) {
            Some(known) => {
                cancelled[known] = true;
                cancelled[index] = true;
            }
            None => open.entry((own, event.units)).or_default().push(index),
        }
    }
    let kept = events.into_iter().zip(cancelled).filter(|(_, cancelled)| !cancelled);
    kept.map(|(event, _)| event).collect()
}

/// What is left of the free events and units.
struct Free {
    events: Option<i64>,
    units: Option<Fraction>,
    over: bool,
}

impl Free {
    fn new(terms: &Percentage) -> Self {
        let events = terms.free_events.filter(|events| *events > 0);
        let units = terms.free_nano.filter(|units| *units > 0).map(Fraction::nano);
        Self { events, units, over: events.is_none() && units.is_none() }
    }

    /// The units of an event that are paid for, and whether it is free.
    fn take(&mut self, size: &Fraction) -> (Fraction, bool) {
        if self.over || self.events == Some(0) {
            self.over = true;
            return (*size, false);
        }
        if let Some(left) = self.units {
            if *size >= left {
                self.over = true;
                return (size.checked_sub(&left).unwrap_or(*size), false);
            }
            self.units = left.checked_sub(size);
        }
        self.events = self.events.map(|events| events - 1);
        (Fraction::ZERO, true)
    }
}

struct Paid {
    size: Fraction,
    units: Fraction,
    is_free: bool,
    negative: bool,
}

/// What the events of one item come to.
#[derive(Debug, Clone, Default)]
struct Tally {
    units: Option<Fraction>,
    free: Option<Fraction>,
    fixed: i128,
    minimum: i128,
    maximum: i128,
}

impl Tally {
    fn count(&mut self, terms: &Percentage, paid: &Paid) -> Option<()> {
        let signed = |units: &Fraction| {
            if paid.negative { units.checked_neg() } else { Some(*units) }
        };
        let plus = |sum: Option<Fraction>, units: &Fraction| {
            sum.unwrap_or(Fraction::ZERO).checked_add(&signed(units)?)
        };
        let one = if paid.negative { -1 } else { 1 };
        let unpaid = paid.size.checked_sub(&paid.units)?;
        if !unpaid.is_zero() {
            self.free = Some(plus(self.free, &unpaid)?);
        }
        if paid.is_free {
            return Some(());
        }
        let fixed = Fraction::nano(terms.fixed_nano);
        let amount = paid.units.checked_mul(&Fraction::nano(terms.rate_nano))?;
        let amount = amount.checked_add(&fixed)?;
        if terms.minimum_nano.is_some_and(|least| amount < Fraction::nano(least)) {
            self.minimum += one;
        } else if terms.maximum_nano.is_some_and(|most| amount > Fraction::nano(most)) {
            self.maximum += one;
        } else {
            self.units = Some(plus(self.units, &paid.units)?);
            self.fixed += one;
        }
        Some(())
    }

    fn parts(
        &self,
        pool: &PricePool<'_>,
        terms: &Percentage,
        item: usize,
        parts: &mut Vec<Part>,
    ) -> Result<(), ParkReason> {
        let bounded = self.minimum != 0 || self.maximum != 0;
        if self.units.is_some() || self.free.is_some() || !bounded {
            let units = self.units.unwrap_or(Fraction::ZERO);
            let free = self.free.unwrap_or(Fraction::ZERO);
            let detail = percent_of(pool, terms.rate_nano, &units, &free);
            parts.push(Part::units(pool, item, &units, terms.rate_nano, detail)?);
        }
        let prices = [
            (self.fixed, Some(terms.fixed_nano), "Fixed part"),
            (self.minimum, terms.minimum_nano, "Minimum"),
            (self.maximum, terms.maximum_nano, "Maximum"),
        ];
        for (count, price, what) in prices {
            let Some(price) = price.filter(|price| count != 0 && *price != 0) else { continue };
            let each = parse::scaled_to_short_decimal(i128::from(price), 9);
            let detail = pool.detail(format!("{what} of {each}"), &counted(count, "event"));
            parts.push(Part::counted(pool, item, count, price, "event", detail)?);
        }
        Ok(())
    }
}
