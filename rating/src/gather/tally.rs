//! [`Tally`]: what of its parts a measure has to remember to come to its number.

use std::collections::BTreeMap;

use turnpike_schemas::{Instant, Measure, Period, ResourceId};

use super::price::Priced;
use super::windows::Windows;

#[derive(Debug, Clone)]
pub(super) enum Tally {
    Max(i128),
    /// Of one resource: by quantity, how many events of it nothing has reversed.
    Events(BTreeMap<i128, i128>),
    /// Second by second, by how much what is held changes.
    MaxHeld(BTreeMap<i64, i128>),
    Latest(Option<((Instant, ResourceId), i128)>),
    /// Of one resource: the events that nothing has reversed, in order; and a reversal of none.
    LatestEvents(Vec<(Instant, i128)>, Option<i128>),
    LatestHeld(i128),
    /// How often each value was seen, less how often it was taken away.
    Unique(BTreeMap<String, i128>),
    Peak(Windows),
    Percentile(Windows, u32),
}

impl Tally {
    /// Of one part.
    pub fn of(priced: &Priced<'_, '_>, period: Period, of_resource: bool) -> Option<Self> {
        let (part, quantity) = (&priced.part, priced.quantity);
        let (from, to) = (part.start.floor_seconds(), part.end.floor_seconds());
        let held = part.is_held();
        let windows = |seconds: i64| {
            let mut windows = Windows::new(period, seconds)?;
            match (held, part.is_instant()) {
                _ if part.is_spread => {
                    let seconds = if held { part.interval.seconds.unwrap_or(0) } else { 1 };
                    let total = quantity.checked_mul(seconds.into())?;
                    windows.add_evenly((part.start, part.end), |at| part.so_far(total, at))?;
                }
                (true, false) => windows.add_held(from, to, quantity)?,
                (true, true) => {
                    windows.add_at(from, quantity.checked_mul(part.seconds().into())?)?;
                }
                (false, _) => windows.add_at(from, quantity)?,
            }
            Some(windows)
        };
        Some(match &priced.meter().measure {
            Measure::Max if held && !of_resource => {
                // A report of unknown place is held for a second at its end.
                let to = to.max(from + 1);
                Tally::MaxHeld(BTreeMap::from([(from, quantity), (to, quantity.checked_neg()?)]))
            }
            Measure::Latest if held => {
                let end = period.end().min(priced.context.until).floor_seconds();
                Tally::LatestHeld(if to >= end { quantity } else { 0 })
            }
            Measure::Latest if quantity < 0 => Tally::LatestEvents(Vec::new(), Some(quantity)),
            Measure::Latest => Tally::LatestEvents(vec![(part.start, quantity)], None),
            Measure::Max if !held => {
                let size = quantity.checked_abs()?;
                Tally::Events(BTreeMap::from([(size, if quantity < 0 { -1 } else { 1 })]))
            }
            Measure::Unique { attribute } => {
                let holder = &part.interval.holder;
                let value = match attribute {
                    Some(attribute) => holder.attributes.get(attribute).cloned(),
                    None => Some(holder.resource.to_string()),
                };
                let times = if quantity < 0 && !held { -1 } else { 1 };
                Tally::Unique(value.into_iter().map(|value| (value, times)).collect())
            }
            Measure::Peak { window_seconds } => Tally::Peak(windows(*window_seconds)?),
            Measure::Percentile { window_seconds, percent } => {
                Tally::Percentile(windows(*window_seconds)?, *percent)
            }
            // Totals and counts add up, and do not come here.
            Measure::Max | Measure::Total | Measure::Count => Tally::Max(quantity),
        })
    }

    pub fn add(&mut self, other: Tally) -> Option<()> {
        match (self, other) {
            (Tally::Max(own), Tally::Max(more)) => *own = more.max(*own),
            (Tally::MaxHeld(own), Tally::MaxHeld(more)) => {
                for (second, change) in more {
                    let sum = own.entry(second).or_insert(0);
                    *sum = sum.checked_add(change)?;
                    if *sum == 0 {
                        own.remove(&second);
                    }
                }
            }
            (Tally::Events(own), Tally::Events(more)) => add_counts(own, more)?,
            (Tally::Latest(own), Tally::Latest(more)) => *own = more.max(own.take()),
            // Events of one resource come in their order.
            (Tally::LatestEvents(own, refused), Tally::LatestEvents(more, reversed)) => {
                own.extend(more);
                let Some(reversed) = reversed else { return Some(()) };
                let size = reversed.checked_neg()?;
                match own.iter().rposition(|(_, quantity)| *quantity == size) {
                    Some(last) => {
                        own.remove(last);
                    }
                    None => *refused = refused.or(Some(reversed)),
                }
            }
            (Tally::LatestHeld(own), Tally::LatestHeld(more)) => *own = own.checked_add(more)?,
            (Tally::Unique(own), Tally::Unique(more)) => add_counts(own, more)?,
            (Tally::Peak(own), Tally::Peak(more))
            | (Tally::Percentile(own, _), Tally::Percentile(more, _)) => own.merge(&more)?,
            // A meter has one measure.
            _ => {}
        }
        Some(())
    }

    /// The events of a resource come to the highest, or the last, that nothing has reversed. An error:
    /// a reversal of none of them.
    pub fn settle(&mut self, resource: &ResourceId) -> Result<(), i128> {
        *self = match self {
            Tally::Events(counts) => {
                if let Some((size, _)) = counts.iter().find(|(_, count)| **count < 0) {
                    return Err(-*size);
                }
                Tally::Max(counts.keys().next_back().copied().unwrap_or(0))
            }
            Tally::LatestEvents(_, Some(reversed)) => return Err(*reversed),
            Tally::LatestEvents(events, None) => {
                let last = events.last().copied();
                Tally::Latest(last.map(|(at, quantity)| ((at, resource.clone()), quantity)))
            }
            _ => return Ok(()),
        };
        Ok(())
    }

    /// The number, and the seconds of the window that it is a sum over.
    pub fn number(&self, one: i128) -> Option<(i128, i64)> {
        match self {
            Tally::Max(quantity) | Tally::LatestHeld(quantity) => Some((*quantity, 1)),
            Tally::Latest(last) => Some((last.as_ref().map_or(0, |(_, quantity)| *quantity), 1)),
            // Settled before.
            Tally::Events(_) | Tally::LatestEvents(..) => None,
            Tally::MaxHeld(changes) => {
                let (mut held, mut highest) = (0_i128, None);
                for change in changes.values() {
                    held = held.checked_add(*change)?;
                    highest = highest.max(Some(held));
                }
                Some((highest.unwrap_or(0), 1))
            }
            Tally::Unique(values) => {
                let seen = values.values().filter(|count| **count > 0).count();
                Some((i128::try_from(seen).ok()?.checked_mul(one)?, 1))
            }
            Tally::Peak(windows) => windows.peak().map(|mean| (mean.sum, mean.seconds)),
            Tally::Percentile(windows, percent) => {
                windows.percentile(*percent).map(|mean| (mean.sum, mean.seconds))
            }
        }
    }
}

/// Adds up how often each was there; what cancels is forgotten.
fn add_counts<K: Ord>(own: &mut BTreeMap<K, i128>, more: BTreeMap<K, i128>) -> Option<()> {
    for (key, count) in more {
        let Some(known) = own.get_mut(&key) else {
            own.insert(key, count);
            continue;
        };
        *known = known.checked_add(count)?;
        if *known == 0 {
            own.remove(&key);
        }
    }
    Some(())
}
