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
//! - Peaks and percentiles are a sum over the seconds of their window, which stand in the key. To them
//!   a report (a sum with a window, a counter between two readings, a time held) was used evenly over
//!   its own window; an event of an instant in the window that it lies in.
//!
//! - An event of less than nothing is a reversal. Of unique values it takes away one that was seen; to
//!   a maximum or the latest, an earlier event of so much of the same resource. Where there is none in
//!   the month or the window, nobody can say what is left: the account is parked.
//!
//! What is remembered is bounded by different values, windows, or seconds at which a sum changes, not
//! by events; of a resource, whose events may be reversed, only until it is closed.

use std::collections::BTreeMap;

use turnpike_schemas::parse::scaled_to_short_decimal;
use turnpike_schemas::{AccountId, Instant, Measure, MeterId, Period, Pool, ResourceId, TariffId};

use super::key::{GatherKey, Gathered};
use super::price::Priced;
use super::tally::Tally;
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
    /// What part of it: the events of a resource that is open.
    open: Option<ResourceId>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Over {
    Resource(ResourceId),
    Project(Option<String>),
    Site(Option<String>),
    Account,
}

impl GroupKey {
    /// The one resource that it is of.
    fn resource(&self) -> Option<&ResourceId> {
        match &self.over {
            Over::Resource(resource) => Some(resource),
            _ => self.open.as_ref(),
        }
    }
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

    /// Adds what a resource that is closed comes to.
    fn take(&mut self, key: GroupKey, group: Group) -> Result<(), ParkReason> {
        match self.others.get_mut(&key) {
            Some(known) => known.take(group).ok_or_else(|| overflow(&known.lead.1)),
            None => {
                self.others.insert(key, group);
                Ok(())
            }
        }
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
        let resource = &priced.part.interval.holder.resource;
        let by_event = !priced.part.is_held()
            && matches!(priced.meter().measure, Measure::Max | Measure::Latest);
        let period = priced.window.unwrap_or_else(|| priced.counted_period());
        let place = GroupKey {
            account: key.account.clone(),
            tariff: priced.chain.links.first().map(|link| link.tariff.id.clone()),
            meter: key.meter.clone(),
            rate: series_name(priced.term.rate),
            over,
            start: period.start(),
            open: (by_event && !of_resource).then(|| resource.clone()),
        };
        let groups = if of_resource || by_event {
            &mut self.measures.resources
        } else {
            &mut self.measures.others
        };
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
        for (mut place, mut group) in groups {
            let account = place.account.clone();
            let settled = group.settle(place.resource());
            let added = match (settled, place.open.take()) {
                (Err(reason), _) => Err(reason),
                (Ok(()), Some(_)) => self.measures.take(place, group),
                (Ok(()), None) => group.number().map(|(key, sums)| self.sum(key, sums)),
            };
            if let Err(reason) = added {
                self.park_id(account, reason);
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

    /// All events of its resource are known.
    fn settle(&mut self, resource: Option<&ResourceId>) -> Result<(), ParkReason> {
        let Some(resource) = resource else { return Ok(()) };
        self.tally.settle(resource).map_err(|quantity| {
            let reversed = scaled_to_short_decimal(quantity, self.one.ilog10());
            let text = format!(
                "{reversed} of meter `{}` for {resource} reverses no event of so much in its period",
                self.lead.1.meter
            );
            ParkReason::new(ParkCode::UnpricedMeter, text)
        })
    }

    /// The number as a sum of its own, under the key of the last usage.
    fn number(&self) -> Result<(GatherKey, Gathered), ParkReason> {
        let number = self.tally.number(self.one);
        let (quantity, per_seconds) = number.ok_or_else(|| overflow(&self.lead.1))?;
        let mut key = self.lead.1.clone();
        key.per_seconds = per_seconds;
        key.estimated = self.estimated;
        if self.several_sites {
            key.site = None;
        }
        Ok((key, Gathered { quantity, ..self.sums.clone() }))
    }
}
