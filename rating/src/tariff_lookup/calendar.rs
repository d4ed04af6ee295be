//! [`Calendar`]: an account's period, cut where its tariff, version, agreement or month changes,
//! with what is in force in each [`Stretch`].
//!
//! Invariants: the stretches tile the period, the second before it and the seconds after it in which
//! a holding that began in it may still fall short of its minimum. Nothing of the latter two is
//! billed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::interval::Holder;
use turnpike_schemas::tariff::{Detail, HoldingTime};
use turnpike_schemas::{
    Account, AdjustmentKind, FranchiseAgreement, Instant, Meter, MeterId, Period, PriceModel, Rate,
    TariffVersionId,
};

use super::clock::Clock;
use super::{Feed, Link, Lookup};
use crate::parked::{ParkCode, ParkReason};

/// An account's period.
#[derive(Debug)]
pub struct Calendar<'a> {
    pub account: &'a Account,
    pub period: Period,
    /// The local months that the period touches, whole.
    pub months: Vec<Period>,
    /// Whether amounts are adjusted at any time of the period, so that units are counted by month.
    pub is_adjusted: bool,
    /// Whether usage that a base prices has to tell under which versions above it, since these adjust
    /// it, or since the account moves to another tariff and counts anew there.
    pub tells_chains: bool,
    stretches: Vec<Stretch<'a>>,
    clock: OnceLock<Result<Clock, ParkReason>>,
    /// Meters with a holding time in any stretch.
    timed: BTreeSet<&'a MeterId>,
    /// Meters whose events bear on one another in any stretch: the first are free.
    ordered: BTreeSet<&'a MeterId>,
    /// Whether units are free of charge at any time of the period.
    has_allowances: bool,
}

/// Whether a stretch is billed, or only tells whether a holding goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    Before,
    Within,
    After,
}

/// Instants over which the account's tariff versions, agreement and month are the same.
#[derive(Debug)]
pub struct Stretch<'a> {
    pub start: Instant,
    pub end: Instant,
    pub position: Position,
    /// The whole local month; the period itself outside of it.
    pub month: Period,
    /// `None` where there is not exactly one answer: asking again gives the reason.
    pub chain: Option<Arc<Chain<'a>>>,
    pub agreement: Option<Option<&'a FranchiseAgreement>>,
}

/// The tariff versions that price together, the account's own first.
#[derive(Debug)]
pub struct Chain<'a> {
    pub links: Vec<Link<'a>>,
    terms: BTreeMap<&'a MeterId, Terms<'a>>,
}

/// What a chain says of one meter.
#[derive(Debug, Default)]
pub struct Terms<'a> {
    /// In the order in which they are asked.
    pub rates: Vec<Term<'a>>,
    pub included: bool,
    pub hold: Option<&'a BTreeSet<ResourceState>>,
    pub holding: HoldingTime,
}

/// A rate with the tariff version that holds it.
#[derive(Debug, Clone, Copy)]
pub struct Term<'a> {
    pub link: Link<'a>,
    pub index: usize,
    pub rate: &'a Rate,
}

impl<'a> Term<'a> {
    /// Whether the rate is for such a resource, at some time.
    pub fn is_for(&self, holder: &Holder) -> bool {
        let Rate { conditions, place, .. } = self.rate;
        let named = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        conditions.iter().all(|(key, value)| holder.attributes.get(key) == Some(value))
            && named(&place.site, holder.site.as_deref())
            && named(&place.region, holder.region.as_deref())
            && named(&place.resource_kind, Some(&holder.resource_kind))
    }
}

impl<'a> Terms<'a> {
    /// In which states a held quantity is billable.
    pub fn holds(&self, meter: &Meter, state: ResourceState) -> bool {
        self.hold.map_or_else(|| meter.hold.holds(state), |states| states.contains(&state))
    }

    /// Whether the holding time changes anything.
    fn times_holdings(&self) -> bool {
        self.holding.minimum_seconds > 0 || self.holding.step_seconds > 1
    }
}

impl<'a> Chain<'a> {
    pub fn new(links: Vec<Link<'a>>) -> Self {
        let mut terms: BTreeMap<&MeterId, Terms<'_>> = BTreeMap::new();
        // From the farthest to the account's own: the nearer replaces what answers once.
        for link in links.iter().rev() {
            let version = link.version;
            for meter in &version.included {
                terms.entry(meter).or_default().included = true;
            }
            for (meter, states) in &version.hold {
                terms.entry(meter).or_default().hold = Some(states);
            }
            for (meter, holding) in &version.holding {
                terms.entry(meter).or_default().holding = *holding;
            }
        }
        let mut settled: BTreeSet<&MeterId> = BTreeSet::new();
        for link in &links {
            for (index, rate) in link.version.rates.iter().enumerate() {
                if !settled.contains(&rate.meter) {
                    let term = Term { link: *link, index, rate };
                    terms.entry(&rate.meter).or_default().rates.push(term);
                }
            }
            // What a tariff includes, those that it inherits from do not price.
            settled.extend(&link.version.included);
        }
        Self { links, terms }
    }

    /// Whether any of them adjusts amounts.
    fn is_adjusted(&self) -> bool {
        self.links.iter().any(|link| !link.version.adjustments.is_empty())
    }

    /// The versions that price together; none where there is only one.
    pub fn versions(&self) -> Vec<TariffVersionId> {
        if self.links.len() < 2 {
            return Vec::new();
        }
        self.links.iter().map(|link| link.version.id.clone()).collect()
    }

    /// `None`: the chain does not know the meter.
    pub fn terms(&self, meter: &MeterId) -> Option<&Terms<'a>> {
        self.terms.get(meter)
    }

    /// Whether usage of a meter, with whatever attributes, is simply added up: quantity x seconds, or
    /// the quantity, on the line of a rate that holds at all hours. A new field of a rate or a meter
    /// that bears on how usage is gathered belongs into this decision.
    pub fn is_plain(&self, feeds: &[Feed<'_>]) -> bool {
        let Some((own, derived)) = feeds.split_first() else { return false };
        let untimed = |rate: &Rate| rate.times.is_empty() && rate.window_seconds.is_none();
        let plain = |terms: &Terms<'_>| {
            let whole = !terms.times_holdings();
            let adds_up = |rate: &Rate| !rate.model.is_pieced() && !rate.model.wants_steps();
            whole && terms.rates.iter().all(|term| untimed(term.rate) && adds_up(term.rate))
        };
        let unpriced =
            |feed: &Feed<'_>| self.terms(&feed.meter.id).is_none_or(|terms| terms.rates.is_empty());
        own.meter.measure.is_total()
            && self.terms(&own.meter.id).is_none_or(plain)
            && derived.iter().all(unpriced)
    }

    /// The meters whose holdings have a minimum or a step.
    fn timed(&self) -> impl Iterator<Item = &'a MeterId> {
        let timed = self.terms.iter().filter(|(_, terms)| terms.times_holdings());
        timed.map(|(meter, _)| *meter)
    }

    /// The meters of which the first events or units of a period are free.
    fn ordered(&self) -> impl Iterator<Item = &'a MeterId> {
        let ordered = |terms: &Terms<'_>| {
            terms.rates.iter().any(|term| match &term.rate.model {
                PriceModel::Percentage(terms) => terms.has_free(),
                _ => false,
            })
        };
        self.terms.iter().filter(move |(_, terms)| ordered(terms)).map(|(meter, _)| *meter)
    }

    fn has_allowances(&self) -> bool {
        let mut adjustments = self.links.iter().flat_map(|link| &link.version.adjustments);
        adjustments.any(|found| matches!(found.kind, AdjustmentKind::Allowance { .. }))
    }

    /// Of whom lines are, as the account's own tariff version says.
    pub fn detail(&self) -> Detail {
        self.links.first().map_or_else(Detail::default, |link| link.version.detail)
    }
}

impl<'a> Calendar<'a> {
    pub(super) fn new(
        lookup: &Lookup<'a>,
        account: &'a Account,
        period: Period,
    ) -> Result<Self, ParkReason> {
        let months = period.local_months(account.time_zone).map_err(too_wide)?;
        let start = period.start().plus_seconds(-1).unwrap_or(period.start());
        let end = period.end().plus_seconds(lookup.after_seconds).unwrap_or(Instant::MAX);
        let mut cuts = vec![start, period.start(), period.end(), end];
        lookup.price_cuts(account, &mut cuts);
        cuts.extend(months.iter().flat_map(|month| [month.start(), month.end()]));
        cuts.retain(|cut| start <= *cut && *cut <= end);
        cuts.sort_unstable();
        cuts.dedup();
        let stretch = |pair: &[Instant]| {
            let at = pair[0];
            let position = match at {
                at if at < period.start() => Position::Before,
                at if at < period.end() => Position::Within,
                _ => Position::After,
            };
            let month = months.iter().find(|month| month.contains(at)).unwrap_or(&period);
            Stretch {
                start: at,
                end: pair[1],
                position,
                month: *month,
                chain: lookup.shared_chain(account, at).ok(),
                agreement: lookup.agreement(account, at).ok(),
            }
        };
        let stretches: Vec<Stretch<'a>> = cuts.windows(2).map(stretch).collect();
        let chains = stretches.iter().filter_map(|stretch| stretch.chain.as_deref());
        let timed = chains.flat_map(Chain::timed).collect();
        let billed = || {
            let within = stretches.iter().filter(|stretch| stretch.position == Position::Within);
            within.filter_map(|stretch| stretch.chain.as_deref())
        };
        let ordered = billed().flat_map(Chain::ordered).collect();
        let has_allowances = billed().any(Chain::has_allowances);
        let is_adjusted = billed().any(Chain::is_adjusted);
        let own = |chain: &Chain<'a>| chain.links.first().map(|link| &link.tariff.id);
        let tells_chains = is_adjusted || billed().map(own).collect::<BTreeSet<_>>().len() > 1;
        let clock = OnceLock::new();
        Ok(Self {
            account,
            period,
            months,
            is_adjusted,
            tells_chains,
            stretches,
            clock,
            timed,
            ordered,
            has_allowances,
        })
    }

    /// The stretches that `[start, end)` touches; of an instant, the one it lies in.
    pub fn stretches(&self, start: Instant, end: Instant) -> &[Stretch<'a>] {
        let first = self.stretches.partition_point(|stretch| stretch.end <= start);
        let beyond = |stretch: &Stretch<'_>| stretch.start < end || stretch.start <= start;
        let last = self.stretches.partition_point(beyond);
        self.stretches.get(first..last).unwrap_or_default()
    }

    /// Where the calendar ends: the period's end, or some seconds after it.
    pub fn end(&self) -> Instant {
        self.stretches.last().map_or(self.period.end(), |stretch| stretch.end)
    }

    /// Whether a holding of a meter may have a minimum or a step somewhere in the calendar.
    pub fn times_holdings(&self, meter: &MeterId) -> bool {
        self.timed.contains(meter)
    }

    /// Whether each event of a meter that is priced by the event is priced without the others.
    pub fn prices_events_alone(&self, meter: &MeterId) -> bool {
        !self.has_allowances && !self.ordered.contains(meter)
    }

    /// The account's local time, worked out when it is first asked for.
    pub fn clock(&self) -> Result<&Clock, ParkReason> {
        let start = self.stretches.first().map_or(self.period.start(), |stretch| stretch.start);
        let clock = || Clock::new(self.account.time_zone, start, self.end()).map_err(too_wide);
        self.clock.get_or_init(clock).as_ref().map_err(Clone::clone)
    }

    /// The month, where a run covers several and units are counted by month.
    pub fn counted_month(&self, stretch: &Stretch<'_>) -> Option<Instant> {
        (self.months.len() > 1).then(|| stretch.month.start())
    }

    /// What of a stretch's month is in the period: what holdings and windows are counted over.
    pub fn counted_period(&self, stretch: &Stretch<'_>) -> Period {
        self.period.intersect(&stretch.month).unwrap_or(self.period)
    }
}

impl<'a> Lookup<'a> {
    /// Accounts on the same tariff versions share what these come to.
    fn shared_chain(
        &self,
        account: &'a Account,
        at: Instant,
    ) -> Result<Arc<Chain<'a>>, ParkReason> {
        let links = self.chain(account, at)?;
        let key = links.iter().map(|link| (&link.tariff.id, &link.version.id)).collect();
        let mut chains = self.chains.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let chain = chains.entry(key).or_insert_with(|| Arc::new(Chain::new(links)));
        Ok(Arc::clone(chain))
    }
}

fn too_wide(error: turnpike_schemas::PeriodError) -> ParkReason {
    ParkReason::new(ParkCode::Overflow, error.to_string())
}
