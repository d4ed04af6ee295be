//! Percentages event by event: fixed parts, free events, least and greatest amounts.
//!
//! Events are taken in the order of time over the whole series, versions of the rate included. The
//! first ones are free until either the number of free events or the free units are used up; the
//! event that reaches the free units pays its fixed part and the share of what lies above them. An
//! event's amount, share and fixed part together, is then held between the least and the greatest.
//! An event of nothing is an event. Where all of them are, and no amount is bounded, nothing is due.
//!
//! An event and a later one that reverses it cancel before anything is counted. What is left below
//! zero costs what it would cost above, with the sign, and uses no free units.
//!
//! Where nothing is free, no event bears on another one, and what is reversed costs the opposite: what
//! they come to is summed as they are gathered ([`alone`]), and no event is kept.

use std::collections::BTreeMap;
use std::ops::Range;

use turnpike_schemas::tariff::Percentage;
use turnpike_schemas::{Aggregation, Fraction, parse};

use super::percentage::percent_of;
use super::tiers::{counted, magnitude};
use super::{Part, PricePool};
use crate::gather::{Events, Gathered, Step};
use crate::parked::{ParkCode, ParkReason};

pub(super) fn price(pool: &PricePool<'_>, terms: &Percentage) -> Result<Vec<Part>, ParkReason> {
    let (series, own) = pool.whole_series();
    let mut tallies: Vec<Tally> = vec![Tally::default(); pool.items.len()];
    if pool.items.iter().any(|item| item.sums.events.is_some()) && !terms.has_free() {
        for (tally, item) in tallies.iter_mut().zip(&pool.items) {
            *tally = Tally::of(item.sums.events.unwrap_or_default(), pool.divisor()?)
                .ok_or_else(|| pool.too_large("amount"))?;
        }
    } else {
        in_order(pool, terms, (&series, own), &mut tallies)?;
    }
    // Lago's rule: who has used nothing pays no fixed part, however many events said so.
    let of_something = |sums: &&Gathered| {
        sums.events.is_some_and(|events| events.of_something)
            || sums.steps.iter().any(|step| step.quantity != 0)
    };
    let is_bounded = terms.minimum_nano.is_some() || terms.maximum_nano.is_some();
    let due = is_bounded || series.iter().any(of_something);
    let mut parts = Vec::new();
    for (index, tally) in tallies.iter().enumerate() {
        let fixed = if due { tally.fixed } else { 0 };
        Tally { fixed, ..*tally }.parts(pool, terms, index, &mut parts)?;
    }
    Ok(parts)
}

/// What an event comes to by itself, at the meter's scale, so many smallest parts being one unit of
/// money. `None`: it is too large.
pub fn alone(terms: &Percentage, divisor: i128, quantity: i128) -> Option<Events> {
    let sign = if quantity < 0 { -1 } else { 1 };
    let of_something = quantity != 0;
    // Share and fixed part, times 10^9 and the smallest parts of a unit.
    let share = quantity.checked_abs()?.checked_mul(terms.rate_nano.into())?;
    let amount = i128::from(terms.fixed_nano).checked_mul(divisor)?.checked_add(share)?;
    let bound = |nano: i64| i128::from(nano).checked_mul(divisor);
    let least = terms.minimum_nano.map(bound);
    let most = terms.maximum_nano.map(bound);
    let none = Events { of_something, ..Events::default() };
    Some(match (least, most) {
        (Some(None), _) | (_, Some(None)) => return None,
        (Some(Some(least)), _) if amount < least => Events { minimum: sign, ..none },
        (_, Some(Some(most))) if amount > most => Events { maximum: sign, ..none },
        _ => Events { quantity, within: sign, ..none },
    })
}

/// Counts the events of a series one after the other.
fn in_order(
    pool: &PricePool<'_>,
    terms: &Percentage,
    (series, own): (&[&Gathered], Range<usize>),
    tallies: &mut [Tally],
) -> Result<(), ParkReason> {
    let mut events = Vec::new();
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
    for event in left(events) {
        let size = magnitude(pool, &event.units)?;
        let negative = event.units.is_negative();
        let (paid, is_free) = if negative { (size, false) } else { free.take(&size) };
        let Some(index) = event.item else { continue };
        tallies[index]
            .count(terms, &Paid { size, units: paid, is_free, negative })
            .ok_or_else(|| pool.too_large("amount"))?;
    }
    Ok(())
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
        // What an allowance took away is no event to pay for; one of nothing is.
        if !units.is_zero() || step.quantity == 0 {
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
        if event.units.is_zero() {
            continue;
        }
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
#[derive(Debug, Clone)]
struct Tally {
    units: Fraction,
    free: Fraction,
    fixed: i128,
    minimum: i128,
    maximum: i128,
}

impl Default for Tally {
    fn default() -> Self {
        let (units, free) = (Fraction::ZERO, Fraction::ZERO);
        Self { units, free, fixed: 0, minimum: 0, maximum: 0 }
    }
}

impl Tally {
    fn of(events: Events, divisor: i128) -> Option<Self> {
        let Events { quantity, within: fixed, minimum, maximum, .. } = events;
        let (units, free) = (Fraction::ratio(quantity, divisor)?, Fraction::ZERO);
        Some(Self { units, free, fixed, minimum, maximum })
    }

    fn count(&mut self, terms: &Percentage, paid: &Paid) -> Option<()> {
        let signed = |units: &Fraction| {
            if paid.negative { units.checked_neg() } else { Some(*units) }
        };
        let one = if paid.negative { -1 } else { 1 };
        let unpaid = paid.size.checked_sub(&paid.units)?;
        self.free = self.free.checked_add(&signed(&unpaid)?)?;
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
            self.units = self.units.checked_add(&signed(&paid.units)?)?;
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
        let prices = [
            (self.fixed, Some(terms.fixed_nano), "Fixed part"),
            (self.minimum, terms.minimum_nano, "Minimum"),
            (self.maximum, terms.maximum_nano, "Maximum"),
        ];
        let due = prices.iter().filter_map(|(count, price, what)| {
            price.filter(|price| *count != 0 && *price != 0).map(|price| (*count, price, what))
        });
        let due: Vec<_> = due.collect();
        if !self.units.is_zero() || !self.free.is_zero() || due.is_empty() {
            let detail = percent_of(pool, terms.rate_nano, &self.units, &self.free);
            parts.push(Part::units(pool, item, &self.units, terms.rate_nano, detail)?);
        }
        for (count, price, what) in due {
            let each = parse::scaled_to_short_decimal(i128::from(price), 9);
            let detail = pool.detail(format!("{what} of {each}"), &counted(count, "event"));
            parts.push(Part::counted(pool, item, count, price, "event", detail)?);
        }
        Ok(())
    }
}
