//! The windows in which an adjustment is counted, whether anything is used in them or not.
//!
//! A window is one of a rate's in the adjustment's scope, at an hour at which that rate is asked: one
//! that holds, and before which no other rate of the meter takes all that it is for. It counts as far
//! as the adjustment is in force in it.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::{Adjustment, Instant, Period, Rate};

use super::Stage;
use super::overflow;
use super::scope::covers_usage;
use super::terms::{Series, Stretch};
use crate::parked::{ParkCode, ParkReason};
use crate::tariff_lookup::clock::Clock;

/// A window as far as the adjustment is in force in it, and the stretch in which that begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub start: Instant,
    pub end: Instant,
    pub stretch: usize,
}

/// The windows of a month, by where each starts.
pub(super) fn windows<'a>(
    stage: &Stage<'_, '_, 'a>,
    series: &Series<'a, Adjustment>,
    month: &Period,
) -> Result<BTreeMap<Instant, Window>, ParkReason> {
    let mut found = BTreeMap::new();
    if !series.by_stretch.values().any(|adjustment| adjustment.unused_windows) {
        return Ok(found);
    }
    let zone = stage.terms.account.time_zone;
    let clock = Clock::new(zone, month.start(), month.end())
        .map_err(|error| ParkReason::new(ParkCode::Overflow, error.to_string()))?;
    for (place, adjustment) in &series.by_stretch {
        let Some(stretch) = stage.terms.stretches.get(*place).filter(|stretch| stretch.inside)
        else {
            continue;
        };
        if !adjustment.unused_windows || !month.contains(stretch.start) {
            continue;
        }
        // The nearest price list is asked first.
        let rates = asked(stretch);
        for (index, rate) in rates.iter().enumerate() {
            let service = stage.lookup.book.meters.get(&rate.meter);
            let service = service.map_or("", |meter| meter.service.as_str());
            if !covers_usage(&adjustment.scope, &rate.meter, service, &rate.name) {
                continue;
            }
            let before: Vec<&Rate> = rates[..index]
                .iter()
                .filter(|earlier| takes_all_of(earlier, rate))
                .copied()
                .collect();
            of_rate(&clock, (*place, stretch), (*rate, before.as_slice()), &mut found)?;
        }
    }
    Ok(found)
}

/// The rates of a stretch in the order in which they are asked. What a list includes, those that it is
/// based on do not price.
fn asked<'a>(stretch: &Stretch<'a>) -> Vec<&'a Rate> {
    let mut rates = Vec::new();
    let mut included = BTreeSet::new();
    for link in stretch.links.iter().rev() {
        let own = link.version.rates.iter();
        rates.extend(own.filter(|rate| !included.contains(&rate.meter)));
        included.extend(&link.version.included);
    }
    rates
}

/// Whether whatever a rate is for is for the earlier one too, at the hours of that.
fn takes_all_of(earlier: &Rate, rate: &Rate) -> bool {
    let within = |own: &Option<String>, other: &Option<String>| own.is_none() || own == other;
    earlier.meter == rate.meter
        && earlier.conditions.iter().all(|(key, value)| rate.conditions.get(key) == Some(value))
        && within(&earlier.place.site, &rate.place.site)
        && within(&earlier.place.region, &rate.place.region)
        && within(&earlier.place.resource_kind, &rate.place.resource_kind)
}

fn of_rate(
    clock: &Clock,
    (place, stretch): (usize, &Stretch<'_>),
    (rate, before): (&Rate, &[&Rate]),
    found: &mut BTreeMap<Instant, Window>,
) -> Result<(), ParkReason> {
    let Some(seconds) = rate.window_seconds else { return Ok(()) };
    let is_asked = |at: &Instant| {
        clock.applies(&rate.times, *at)
            && !before.iter().any(|earlier| clock.applies(&earlier.times, *at))
    };
    let mut start = stretch.start;
    while start < stretch.end {
        let window = clock.window(start, seconds).ok_or_else(overflow)?;
        let end = window.end().min(stretch.end);
        let mut edges = vec![start];
        for hours in [&rate.times].into_iter().chain(before.iter().map(|earlier| &earlier.times)) {
            if !hours.is_empty() {
                clock.time_cuts(hours, start, end, &mut edges);
            }
        }
        if edges.iter().any(is_asked) {
            found.entry(window.start()).or_insert(Window { start, end, stretch: place });
        }
        start = end;
    }
    Ok(())
}
