//! What a rated line sums over.

use std::collections::BTreeMap;

use serde::Serialize;
use turnpike_schemas::{
    AccountId, AgreementId, Fraction, Instant, MeterId, ResourceId, TariffId, TariffVersionId,
    TaxCategoryId,
};

/// What is the same for all usage of one rated line, in the order in which lines are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct GatherKey {
    pub account: AccountId,
    pub service: String,
    pub project: Option<String>,
    pub resource: ResourceId,
    pub meter: MeterId,
    pub site: Option<String>,
    pub attributes: BTreeMap<String, String>,
    pub tariff: TariffId,
    pub tariff_version: TariffVersionId,
    /// Which rate of the version.
    pub rate_index: usize,
    /// The versions that price together, where there are several, and any in the period adjusts amounts
    /// or the account moves to another tariff: each has its own adjustments, its own place in the order
    /// of rating, and counts units anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<TariffVersionId>,
    pub per_seconds: i64,
    /// The local month, where units are counted by month and a run covers several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<Instant>,
    /// Start of the window, where each is priced alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Instant>,
    pub agreement: Option<AgreementId>,
    pub tax_category: TaxCategoryId,
    pub estimated: bool,
}

/// Sums over the usage of one rated line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    pub resource_kind: String,
    /// Quantity x seconds of held meters, the quantity of sums; at the meter's scale.
    pub quantity: i128,
    pub seconds: i64,
    pub first: Instant,
    pub last: Instant,
    pub intervals: i64,
    /// Of prices that change with time, event or attributes: major units, summed piece by piece.
    pub worth: Option<Fraction>,
    /// Of prices that look at each event or each level alone: all of them, else none.
    pub steps: Vec<Step>,
    /// Of prices of events of which none bears on another one: what they come to, in place of steps.
    pub events: Option<Events>,
}

/// Events that are priced each alone: how many of them cost what, those below zero counting against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// Of those that cost neither the least nor the greatest amount; at the meter's scale.
    pub quantity: i128,
    pub within: i128,
    pub minimum: i128,
    pub maximum: i128,
    /// Whether any is of more or less than nothing.
    pub of_something: bool,
}

impl Events {
    fn plus(&self, other: &Events) -> Option<Self> {
        Some(Self {
            quantity: self.quantity.checked_add(other.quantity)?,
            within: self.within.checked_add(other.within)?,
            minimum: self.minimum.checked_add(other.minimum)?,
            maximum: self.maximum.checked_add(other.maximum)?,
            of_something: self.of_something || other.of_something,
        })
    }
}

/// One event consumed (`start` is `end`), or one level held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub start: Instant,
    pub end: Instant,
    /// At the meter's scale; not weighed by time.
    pub quantity: i128,
}

impl Gathered {
    /// Adds `other`; `None` on overflow, and then nothing is changed.
    pub fn add(&mut self, other: &Gathered) -> Option<()> {
        let quantity = self.quantity.checked_add(other.quantity)?;
        let seconds = self.seconds.checked_add(other.seconds)?;
        let worth = match (&self.worth, &other.worth) {
            (Some(own), Some(more)) => Some(own.checked_add(more)?),
            (own, more) => own.or(*more),
        };
        let events = match (&self.events, &other.events) {
            (Some(own), Some(more)) => Some(own.plus(more)?),
            (own, more) => own.or(*more),
        };
        self.intervals = self.intervals.checked_add(other.intervals)?;
        self.quantity = quantity;
        self.seconds = seconds;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.worth = worth;
        self.events = events;
        self.steps.extend_from_slice(&other.steps);
        Some(())
    }

    /// Brings steps into one order, and joins those that only a cut has parted: the same levels give
    /// the same steps, however usage was cut and in whatever order it came.
    pub(super) fn settle(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        self.steps.sort_unstable();
        let mut joined: Vec<Step> = Vec::with_capacity(self.steps.len());
        // Of levels that end here, by where and how much: a later one of the same may go on.
        let mut ends: BTreeMap<(Instant, i128), Vec<usize>> = BTreeMap::new();
        for step in self.steps.drain(..) {
            let before = ends.get_mut(&(step.start, step.quantity)).and_then(Vec::pop);
            let index = match before.filter(|_| step.start < step.end) {
                Some(index) => {
                    joined[index].end = step.end;
                    index
                }
                None => {
                    joined.push(step);
                    joined.len() - 1
                }
            };
            if step.start < step.end {
                ends.entry((step.end, step.quantity)).or_default().push(index);
            }
        }
        joined.sort_unstable();
        self.steps = joined;
    }
}
