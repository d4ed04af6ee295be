//! HashMap: costs by service, field and threshold, as `CloudKitty` rates a point.
//!
//! The groups' costs add up. Within a group:
//! - of all flat mappings that match, the highest counts, and one below zero never does;
//! - all rate mappings that match multiply it;
//! - of all thresholds reached, the one with the highest level counts, whether it looks at a field
//!   or at the quantity; at the same level the service's comes first, then the first listed;
//! - a threshold of a field adds to the flat, or multiplies; one of the service is a lump added
//!   once, or multiplies.
//!
//! A cost for the project takes the place of the general one for the same value or level, and a
//! later listed one that of an earlier. What nothing matches costs nothing. A negative quantity is
//! worth what the same quantity costs, with the sign: a reversal cancels to zero.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use turnpike_schemas::tariff::{HashMapCost, HashMapGroup, HashMapKind, HashMapRule};
use turnpike_schemas::{Fraction, Instant, PriceModel};

use super::dynamic::number;
use super::{Part, Price, PricePool, metered};
use crate::parked::{ParkCode, ParkReason};

pub struct HashMap;

impl Price for HashMap {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::HashMap { groups } = &pool.rate.model else {
            return Ok(Vec::new());
        };
        let names: Vec<&str> = groups.keys().map(String::as_str).collect();
        metered::parts(pool, &format!("HashMap {}", names.join(", ")))
    }
}

/// What the costs are looked up by.
struct Point<'a> {
    attributes: &'a BTreeMap<String, String>,
    quantity: Fraction,
}

/// What a quantity costs: the price of a point of `CloudKitty`. For what is held, it is the price
/// of one `per` of the rate, lumps included.
pub fn worth(
    groups: &BTreeMap<String, HashMapGroup>,
    attributes: &BTreeMap<String, String>,
    project: Option<&str>,
    at: Instant,
    quantity: &Fraction,
) -> Result<Fraction, ParkReason> {
    let negative = quantity.is_negative();
    let size = if negative { quantity.checked_neg() } else { Some(*quantity) };
    let point = Point { attributes, quantity: size.ok_or_else(|| overflow("quantity"))? };
    let mut total = Fraction::ZERO;
    for (name, group) in groups {
        let costs = costs_met(group, project, at, &point)?;
        let worth = group_worth(name, &costs, &point)?;
        total = total.checked_add(&worth).ok_or_else(|| overflow(name))?;
    }
    if negative { total.checked_neg().ok_or_else(|| overflow("quantity")) } else { Ok(total) }
}

/// A cost whose rule is met, and the level where it is a threshold.
struct Met<'a> {
    cost: &'a HashMapCost,
    level: Option<i64>,
}

/// Costs that are met at the instant, each in its place: the project's before the general one.
fn costs_met<'a>(
    group: &'a HashMapGroup,
    project: Option<&str>,
    at: Instant,
    point: &Point<'_>,
) -> Result<Vec<Met<'a>>, ParkReason> {
    let general = group.costs.iter().filter(|cost| cost.project.is_none());
    let own = group.costs.iter().filter(|cost| cost.project.is_some());
    let own = own.filter(|cost| cost.project.as_deref() == project);
    let mut found: Vec<Met<'_>> = Vec::new();
    for cost in general.chain(own) {
        let begun = cost.valid_from.is_none_or(|from| from <= at);
        if !begun || cost.valid_to.is_some_and(|to| to <= at) {
            continue;
        }
        let Some(level) = met(cost, point)? else { continue };
        let place =
            |other: &&mut Met<'_>| other.cost.field == cost.field && other.cost.rule == cost.rule;
        match found.iter_mut().find(place) {
            Some(known) => known.cost = cost,
            None => found.push(Met { cost, level }),
        }
    }
    Ok(found)
}

fn group_worth(name: &str, costs: &[Met<'_>], point: &Point<'_>) -> Result<Fraction, ParkReason> {
    let mut flat = Fraction::ZERO;
    let mut rate = Fraction::ONE;
    let mut threshold: Option<(i64, &HashMapCost)> = None;
    for Met { cost, level } in costs {
        let value = cost.number().ok_or_else(|| overflow(name))?;
        match (*level, cost.cost) {
            (None, HashMapKind::Flat) => flat = flat.max(value),
            (None, HashMapKind::Rate) => {
                rate = rate.checked_mul(&value).ok_or_else(|| overflow(name))?;
            }
            (Some(level), _) => {
                if threshold.is_none_or(|best| is_higher(level, cost, best)) {
                    threshold = Some((level, cost));
                }
            }
        }
    }
    combine(flat, rate, threshold.map(|(_, cost)| cost), &point.quantity)
        .ok_or_else(|| overflow(name))
}

/// (flat + field threshold) x rates x quantity + lump of the service.
fn combine(
    flat: Fraction,
    rate: Fraction,
    threshold: Option<&HashMapCost>,
    quantity: &Fraction,
) -> Option<Fraction> {
    let (mut flat, mut rate, mut lump) = (flat, rate, Fraction::ZERO);
    if let Some(cost) = threshold {
        let value = cost.number()?;
        match (cost.cost, &cost.field) {
            (HashMapKind::Rate, _) => rate = rate.checked_mul(&value)?,
            (HashMapKind::Flat, Some(_)) => flat = flat.checked_add(&value)?,
            (HashMapKind::Flat, None) => lump = value,
        }
    }
    flat.checked_mul(&rate)?.checked_mul(quantity)?.checked_add(&lump)
}

fn is_higher(level: i64, cost: &HashMapCost, best: (i64, &HashMapCost)) -> bool {
    match level.cmp(&best.0) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => cost.field.is_none() && best.1.field.is_some(),
    }
}

/// `None`: the rule is not met. A mapping has no level, a threshold has one.
fn met(cost: &HashMapCost, point: &Point<'_>) -> Result<Option<Option<i64>>, ParkReason> {
    let text = match &cost.field {
        Some(field) => match point.attributes.get(field) {
            Some(text) => Some((field, text)),
            None => return Ok(None),
        },
        None => None,
    };
    let matches = match (&cost.rule, text) {
        (HashMapRule::Always, _) => true,
        (HashMapRule::Equals { value }, Some((_, text))) => text == value,
        (HashMapRule::Equals { .. }, None) => false,
        (HashMapRule::AtLeast { level_nano }, text) => {
            let measured = match text {
                Some((field, text)) => number(field, text)?,
                None => point.quantity,
            };
            let reached = measured >= Fraction::nano(*level_nano);
            return Ok(reached.then_some(Some(*level_nano)));
        }
    };
    Ok(matches.then_some(None))
}

fn overflow(what: &str) -> ParkReason {
    ParkReason::new(ParkCode::Overflow, format!("the HashMap cost of `{what}` is too large"))
}
