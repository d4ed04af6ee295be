//! [`Measures`]: meters whose period comes to one number: max, latest, unique, peak, percentile.
//!
//! The number is taken of all usage of a rate over a resource, project, site or account (`over`), in
//! a month of the period, or in a window of the rate. A rate is the same in the versions of a tariff
//! as in the account stage. The number is priced as the last usage in it is: its version, its
//! attributes, its agreement; its site, where all of it was at one.
//!
//! - Max of what is held over several resources is the highest sum held at one second. Latest of what
//!   is held is what is held when the month, the window or the run ends.
//! - Reports that say only how long something was held, not when, count at the end of their window.
//! - Peaks and percentiles are a sum over the seconds of their window, which stand in the key.
//!
//! What is remembered is bounded by different values, windows, or seconds at which a sum changes, not
//! by events; of a resource only until it is closed.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::{AccountId, Instant, Measure, MeterId, Period, Pool, ResourceId, TariffId};

use super::key::{GatherKey, Gathered};
use super::price::Priced;
use super::windows::Windows;
use super::{Harvest, overflow, quantity};
use crate::account::series_name;
use crate::parked::{ParkCode, ParkReason};

/// Numbers that are not known yet: of open resources, and of all else.
#[derive(Debug, Clone, Default)]
pub(super) struct Measures {
    resources: BTreeMap<GroupKey, Group>,
    others: BTreeMap<GroupKey, Group>,
}

/// What one number is taken of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupKey {
    account: AccountId,
    /// The account's own; where it moves to another the number begins anew.
    tariff: Option<TariffId>,
    meter: MeterId,
    rate: String,
    over: Over,
    /// The month or the window.
    start: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Over {
    Resource(ResourceId),
    Project(Option<String>),
    Site(Option<String>),
    Account,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    /// The key of the last usage, and when it ended.
    lead: (Instant, GatherKey),
    several_sites: bool,
    estimated: bool,
    /// All usage, without a quantity.
    sums: Gathered,
    tally: Tally,
    /// One of what is counted, at the meter's scale.
    one: i128,
}

#[derive(Debug, Clone)]
enum Tally {
    Max(i128),
    /// Second by second, by how much what is held changes.
    MaxHeld(BTreeMap<i64, i128>),
    Latest((Instant, ResourceId), i128),
    LatestHeld(i128),
    Unique(BTreeSet<String>),
    Peak(Windows),
    Percentile(Windows, u32),
}

/// Whether an event of nothing is one to this measure.
pub(super) fn counts_nothing(measure: &Measure) -> bool {
    matches!(measure, Measure::Count | Measure::Max | Measure::Latest | Measure::Unique { .. })
}

impl Measures {
    pub fn take_resources(&mut self) -> BTreeMap<GroupKey, Group> {
        std::mem::take(&mut self.resources)
    }

    pub fn take_all(&mut self) -> BTreeMap<GroupKey, Group> {
        let mut all = self.take_resources();
        all.append(&mut self.others);
        all
    }

    /// Adds what another bucket has; says which accounts have too much.
    pub fn merge(&mut self, other: Measures) -> Vec<(AccountId, ParkReason)> {
        let mut refused = Vec::new();
        for (key, group) in other.others {
            let Some(known) = self.others.get_mut(&key) else {
                self.others.insert(key, group);
                continue;
            };
            if known.take(group).is_none() {
                refused.push((key.account, overflow(&known.lead.1)));
            }
        }
        refused
    }
}

impl Harvest {
    /// Adds a part to the group that its number is taken of.
    pub(super) fn measure(
        &mut self,
        priced: &Priced<'_, '_>,
        key: GatherKey,
        sums: Gathered,
    ) -> Result<(), ParkReason> {
        if priced.term.rate.model.is_pieced() {
            let text = format!(
                "the price of meter `{}` changes within a period of which one number is taken",
                key.meter
            );
            return Err(ParkReason::new(ParkCode::UnpricedMeter, text));
        }
        let over = over(priced);
        let of_resource = matches!(over, Over::Resource(_));
        let period = priced.window.unwrap_or_else(|| priced.counted_period());
        let place = GroupKey {
            account: key.account.clone(),
            tariff: priced.chain.links.first().map(|link| link.tariff.id.clone()),
            meter: key.meter.clone(),
            rate: series_name(priced.term.rate),
            over,
            start: period.start(),
        };
        let groups =
            if of_resource { &mut self.measures.resources } else { &mut self.measures.others };
        let group = match groups.get_mut(&place) {
            Some(known) => known.take(Group::of(priced, period, key, sums, of_resource)?),
            None => {
                groups.insert(place, Group::of(priced, period, key, sums, of_resource)?);
                Some(())
            }
        };
        group.ok_or_else(|| quantity::too_large(priced.part.interval))
    }

    /// Adds the numbers that groups come to.
    pub(super) fn add_measured(&mut self, groups: BTreeMap<GroupKey, Group>) {
        for (place, group) in groups {
            match group.number() {
                Some((key, sums)) => self.sum(key, sums),
                None => self.park_id(place.account, overflow(&group.lead.1)),
            }
        }
    }
}

fn over(priced: &Priced<'_, '_>) -> Over {
    let holder = &priced.part.interval.holder;
    match priced.meter().over {
        None | Some(Pool::Resource) => Over::Resource(holder.resource.clone()),
        Some(Pool::Project) => Over::Project(holder.project.clone()),
        Some(Pool::Site) => Over::Site(holder.site.clone()),
        Some(Pool::Account) => Over::Account,
    }
}

impl Group {
    fn of(
        priced: &Priced<'_, '_>,
        period: Period,
        key: GatherKey,
        sums: Gathered,
        of_resource: bool,
    ) -> Result<Self, ParkReason> {
        let tally = Tally::of(priced, period, of_resource)
            .ok_or_else(|| quantity::too_large(priced.part.interval))?;
        Ok(Self {
            estimated: key.estimated,
            lead: (priced.part.end, key),
            several_sites: false,
            sums,
            tally,
            one: priced.one(),
        })
    }

    /// Adds another group of the same key. `None`: it is too large.
    fn take(&mut self, other: Group) -> Option<()> {
        self.sums.add(&other.sums)?;
        self.tally.add(other.tally)?;
        self.estimated |= other.estimated;
        self.several_sites |= other.several_sites || self.lead.1.site != other.lead.1.site;
        if self.lead < other.lead {
            self.lead = other.lead;
        }
        Some(())
    }

    /// The number as a sum of its own, under the key of the last usage.
    fn number(&self) -> Option<(GatherKey, Gathered)> {
        let (quantity, per_seconds) = self.tally.number(self.one)?;
        let mut key = self.lead.1.clone();
        key.per_seconds = per_seconds;
        key.estimated = self.estimated;
        if self.several_sites {
            key.site = None;
        }
        Some((key, Gathered { quantity, ..self.sums.clone() }))
    }
}

impl Tally {
    /// Of one part.
    fn of(priced: &Priced<'_, '_>, period: Period, of_resource: bool) -> Option<Self> {
        let (part, quantity) = (&priced.part, priced.quantity);
        let (from, to) = (part.start.floor_seconds(), part.end.floor_seconds());
        let held = part.is_held();
        let windows = |seconds: i64| {
            let mut windows = Windows::new(period, seconds)?;
            match (held, part.is_instant()) {
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
            Measure::Latest => {
                let resource = part.interval.holder.resource.clone();
                Tally::Latest((part.start, resource), quantity)
            }
            Measure::Unique { attribute } => {
                let holder = &part.interval.holder;
                let value = match attribute {
                    Some(attribute) => holder.attributes.get(attribute).cloned(),
                    None => Some(holder.resource.to_string()),
                };
                Tally::Unique(value.into_iter().collect())
            }
            Measure::Peak { window_seconds } => Tally::Peak(windows(*window_seconds)?),
            Measure::Percentile { window_seconds, percent } => {
                Tally::Percentile(windows(*window_seconds)?, *percent)
            }
            // Totals and counts add up, and do not come here.
            Measure::Max | Measure::Total | Measure::Count => Tally::Max(quantity),
        })
    }

    fn add(&mut self, other: Tally) -> Option<()> {
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
            // Of one resource events at one instant come in their order.
            (Tally::Latest(at, own), Tally::Latest(later, more)) if *at <= later => {
                (*at, *own) = (later, more);
            }
            (Tally::LatestHeld(own), Tally::LatestHeld(more)) => *own = own.checked_add(more)?,
            (Tally::Unique(own), Tally::Unique(more)) => own.extend(more),
            (Tally::Peak(own), Tally::Peak(more))
            | (Tally::Percentile(own, _), Tally::Percentile(more, _)) => own.merge(&more)?,
            // A meter has one measure.
            _ => {}
        }
        Some(())
    }

    /// The number, and the seconds of the window that it is a sum over.
    fn number(&self, one: i128) -> Option<(i128, i64)> {
        match self {
            Tally::Max(quantity) | Tally::Latest(_, quantity) | Tally::LatestHeld(quantity) => {
                Some((*quantity, 1))
            }
            Tally::MaxHeld(changes) => {
                let (mut held, mut highest) = (0_i128, None);
                for change in changes.values() {
                    held = held.checked_add(*change)?;
                    highest = highest.max(Some(held));
                }
                Some((highest.unwrap_or(0), 1))
            }
            Tally::Unique(values) => {
                Some((i128::try_from(values.len()).ok()?.checked_mul(one)?, 1))
            }
            Tally::Peak(windows) => windows.peak().map(|mean| (mean.sum, mean.seconds)),
            Tally::Percentile(windows, percent) => {
                windows.percentile(*percent).map(|mean| (mean.sum, mean.seconds))
            }
        }
    }
}
