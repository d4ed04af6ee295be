//! Which rates of a version are never reached, and which hours of a week have no price.
//!
//! The first rate that applies is taken. A rate asks for no more than another where its conditions
//! and its place are among the other's.

use std::collections::BTreeSet;

use turnpike_schemas::{MeterId, Rate};

use super::hours::Hours;
use super::reader::{Log, Place, listed};

/// A rate is never reached where earlier ones that ask for no more than it does take all its hours.
pub(super) fn check_reached(log: &mut Log, rate: &Rate, place: &Place, earlier: &[(Rate, Place)]) {
    let wanted = Hours::of(&rate.times);
    let mut taken = Hours::default();
    let mut lines = BTreeSet::new();
    for (other, first) in earlier.iter().filter(|(other, _)| asks_no_more(other, rate)) {
        let hours = Hours::of(&other.times);
        if hours.covers(&wanted) {
            let message = format!(
                "this rate of meter `{}` is never reached: the one on line {} applies first",
                rate.meter, first.line
            );
            return log.mistake(place, message);
        }
        taken.add(&hours);
        lines.insert(first.line);
    }
    if taken.covers(&wanted) {
        let message = format!(
            "this rate of meter `{}` is never reached: those on lines {} take all its hours",
            rate.meter,
            listed(lines.iter())
        );
        log.mistake(place, message);
    }
}

/// Where a price depends on the hour, every hour of the week needs one: usage outside would park
/// the account. What is included, or priced by a base tariff, needs none.
pub(super) fn check_hours(log: &mut Log, rates: &[(Rate, Place)], included: &BTreeSet<MeterId>) {
    let mut told: Vec<&Rate> = Vec::new();
    for (rate, place) in rates.iter().filter(|(rate, _)| !rate.times.is_empty()) {
        let same = |other: &&Rate| {
            other.meter == rate.meter
                && other.conditions == rate.conditions
                && other.place == rate.place
        };
        if included.contains(&rate.meter) || told.iter().any(same) {
            continue;
        }
        let mut priced = Hours::default();
        for (other, _) in rates.iter().filter(|(other, _)| asks_no_more(other, rate)) {
            priced.add(&Hours::of(&other.times));
        }
        if let Some(gap) = priced.first_gap() {
            told.push(rate);
            let message = format!(
                "a gap: from {gap} on, what this rate of meter `{}` is for has no price; add a \
                 rate without `times` after it",
                rate.meter
            );
            log.mistake(place, message);
        }
    }
}

fn asks_no_more(other: &Rate, rate: &Rate) -> bool {
    fn open(other: Option<&String>, own: Option<&String>) -> bool {
        other.is_none() || other == own
    }
    other.meter == rate.meter
        && other.conditions.iter().all(|(key, value)| rate.conditions.get(key) == Some(value))
        && open(other.place.site.as_ref(), rate.place.site.as_ref())
        && open(other.place.region.as_ref(), rate.place.region.as_ref())
        && open(other.place.resource_kind.as_ref(), rate.place.resource_kind.as_ref())
}
