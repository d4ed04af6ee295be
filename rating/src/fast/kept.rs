//! [`Kept`]: what the short way knows of resources, kept between events for the live bill.
//!
//! Invariants:
//! - A resource is kept here only while the short way could say what it comes to up to the end of the
//!   span, were nothing more told: asking what it comes to by any instant before meets no usage that
//!   was not looked up.
//! - Of finished intervals only sums are kept, of what is open the fold.

use std::collections::BTreeMap;

use foldhash::HashMap;
use turnpike_schemas::event::EventKind;
use turnpike_schemas::{Instant, Period};

use super::block::Numbers;
use super::fold::Known;
use super::head::{Head, Holder, Measure, Said};
use super::names::NONE;
use super::policies::Policies;
use super::sink::{Pending, Terms};
use super::tally::{Sums, Tally};
use super::worker::{FastResult, FastTask, Worker};
use crate::gather::{GatherKey, Gathered};
use crate::metering::{Metered, MeteredEvent};
use crate::tariff_lookup::Lookup;

/// One resource.
#[derive(Clone)]
pub(super) struct Resource {
    known: Known,
    /// Account, slot, sums.
    sums: Box<[(u32, u32, Sums)]>,
    /// Where its newest event stands among its events.
    place: (i64, u8),
}

/// What a [`Worker`] keeps of the resources of a bucket.
pub(super) struct Keeping {
    /// Events that speak of this instant or later ones are for the general way.
    pub(super) now: i64,
    pub(super) place: (i64, u8),
    resources: HashMap<Box<str>, Resource>,
}

/// All resources of a window that the short way takes.
pub(crate) struct Kept {
    pending: Pending<'static>,
    policies: Policies,
    /// By bucket.
    resources: Vec<HashMap<Box<str>, Resource>>,
    span_end: Instant,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("resources", &self.len()).finish_non_exhaustive()
    }
}

/// When all that an event says has come to pass.
fn settled(head: &Head, time: i64) -> i64 {
    head.window.map_or(time, |(_, end)| end.max(time))
}

impl Keeping {
    /// Notes the next event; false where it is not for the short way.
    pub(super) fn takes(&mut self, head: &Head, time: i64) -> bool {
        self.place = (time, head.rank());
        settled(head, time) < self.now
    }

    /// Keeps a resource whose events were all taken; false where the general way has to.
    pub(super) fn keep(
        &mut self,
        name: &str,
        known: &mut Known,
        pending: &mut Pending<'_>,
        policies: &mut Policies,
        lookup: &Lookup<'_>,
    ) -> bool {
        if !known.is_seen() {
            return true;
        }
        let resource = kept(known, self.place, pending, policies, lookup);
        resource.map(|resource| self.resources.insert(name.into(), resource)).is_some()
    }
}

/// A resource as it is kept; `None` where it cannot be said what it comes to if nothing more is told.
fn kept(
    known: &mut Known,
    place: (i64, u8),
    pending: &mut Pending<'_>,
    policies: &mut Policies,
    lookup: &Lookup<'_>,
) -> Option<Resource> {
    let sums = pending.lanes.first()?.sums.as_slice().into();
    let (until, source) = (pending.until(), known.source());
    let policy = policies.of(source, &pending.numbers, lookup.book);
    // Looks up all that may be asked for.
    known.clone().finish(until, policy, &mut pending.by(&[lookup]));
    // A copy has no spare room in its vectors.
    (!pending.declined).then(|| Resource { known: known.clone(), sums, place })
}

impl Kept {
    pub(crate) fn new(lookup: &Lookup<'_>, span: Period, buckets: u32) -> Self {
        let terms = Terms { lookup, span, until: span.end(), view: None };
        Self {
            pending: Pending::new(&[terms]),
            policies: Policies::default(),
            resources: (0..buckets).map(|_| HashMap::default()).collect(),
            span_end: span.end(),
        }
    }

    /// How many resources are kept.
    pub(crate) fn len(&self) -> usize {
        self.resources.iter().map(HashMap::len).sum()
    }

    /// Reads a bucket; what is left is for the general way.
    pub(crate) fn read(
        &mut self,
        lookup: &Lookup<'_>,
        bucket: usize,
        task: FastTask<'_>,
        now: Instant,
    ) -> FastResult {
        let resources = std::mem::take(&mut self.resources[bucket]);
        let keeping = Keeping { now: now.micros(), place: (i64::MIN, 0), resources };
        let (pending, policies) =
            (std::mem::take(&mut self.pending), std::mem::take(&mut self.policies));
        let mut worker = Worker::keeping(lookup, pending, policies, keeping);
        let result = worker.meter(task);
        let (pending, policies, keeping) = worker.into_kept();
        (self.pending, self.policies) = (pending, policies);
        self.resources[bucket] = keeping.map(|keeping| keeping.resources).unwrap_or_default();
        result
    }

    /// The names of a bucket's resources.
    pub(crate) fn names(&self, bucket: usize) -> impl Iterator<Item = &str> {
        self.resources[bucket].keys().map(AsRef::as_ref)
    }

    pub(crate) fn remove(&mut self, bucket: usize, name: &str) {
        self.resources[bucket].remove(name);
    }

    /// Takes a resource anew from what was known at the start and its events, in order. False: it is
    /// for the general way, and not kept here.
    pub(crate) fn open(
        &mut self,
        lookup: &Lookup<'_>,
        (bucket, name): (usize, &str),
        opening: Option<&Metered>,
        events: &[MeteredEvent],
        now: Instant,
    ) -> bool {
        self.resources[bucket].remove(name);
        self.pending.clear();
        let mut known = Known::default();
        if let Some(opening) = opening
            && known.load(opening, &mut self.pending.numbers).is_none()
        {
            return false;
        }
        self.take(lookup, (bucket, name), known, (i64::MIN, 0), (events, now))
    }

    /// Takes the next events of a resource, or the first. False: it is no longer kept here, and has
    /// to be folded again from its rows.
    pub(crate) fn advance(
        &mut self,
        lookup: &Lookup<'_>,
        (bucket, name): (usize, &str),
        events: &[MeteredEvent],
        now: Instant,
    ) -> bool {
        self.pending.clear();
        let Some(resource) = self.resources[bucket].remove(name) else {
            let nothing = Known::default();
            return self.take(lookup, (bucket, name), nothing, (i64::MIN, 0), (events, now));
        };
        let Some(lane) = self.pending.lanes.first_mut() else { return false };
        lane.sums.extend_from_slice(&resource.sums);
        self.take(lookup, (bucket, name), resource.known, resource.place, (events, now))
    }

    fn take(
        &mut self,
        lookup: &Lookup<'_>,
        (bucket, name): (usize, &str),
        mut known: Known,
        mut place: (i64, u8),
        (events, now): (&[MeteredEvent], Instant),
    ) -> bool {
        let mut measures = Vec::new();
        for event in events {
            let head = head_of(event, &mut self.pending.numbers, &mut measures);
            let (Some(head), time) = (head, event.time.micros()) else { return false };
            let next = (time, head.rank());
            // Two at one place stand in the order of their keys, which are not kept.
            if next <= place || settled(&head, time) >= now.micros() {
                return false;
            }
            place = next;
            known.take(&head, false, (time, &measures), &mut self.pending.by(&[lookup]));
            if self.pending.declined {
                return false;
            }
        }
        if !known.is_seen() {
            return true;
        }
        let resource = kept(&mut known, place, &mut self.pending, &mut self.policies, lookup);
        resource.map(|resource| self.resources[bucket].insert(name.into(), resource)).is_some()
    }

    /// The accounts, by number, that a resource's usage is billed to.
    pub(crate) fn accounts(&mut self, bucket: usize, name: &str) -> Vec<u32> {
        let Some(resource) = self.resources[bucket].get(name) else { return Vec::new() };
        let mut accounts: Vec<u32> = resource.sums.iter().map(|sum| sum.0).collect();
        let Pending { lanes, numbers, .. } = &mut self.pending;
        let owner = resource.known.owner();
        accounts.extend(lanes.first_mut().and_then(|lane| lane.routes.owned_by(owner, numbers)));
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }

    /// What some resources come to for an account by an instant; `None` where that is too much to be
    /// summed.
    pub(crate) fn owed<'n>(
        &mut self,
        lookup: &Lookup<'_>,
        number: u32,
        resources: impl Iterator<Item = (usize, &'n str)>,
        until: Instant,
    ) -> Option<BTreeMap<GatherKey, Gathered>> {
        let accounts = &lookup.book.accounts;
        let mut tally = Tally::default();
        self.pending.freeze(until);
        let mut fits = true;
        for (bucket, name) in resources {
            let Some(resource) = self.resources[bucket].get(name) else { continue };
            self.pending.clear();
            let Some(lane) = self.pending.lanes.first_mut() else { break };
            lane.sums.extend_from_slice(&resource.sums);
            let mut known = resource.known.clone();
            let policy = self.policies.of(known.source(), &self.pending.numbers, lookup.book);
            known.finish(until.micros(), policy, &mut self.pending.by(&[lookup]));
            fits &= !self.pending.declined;
            let Some(lane) = self.pending.lanes.first() else { break };
            for (account, slot, sums) in lane.sums.iter().filter(|sum| sum.0 == number) {
                tally.add(&lane.slots, accounts, (*account, *slot), name, sums);
            }
        }
        self.pending.thaw(self.span_end);
        let lane = self.pending.lanes.first_mut()?;
        tally.add_waiting(&lane.slots, accounts);
        tally.slots = std::mem::take(&mut lane.slots);
        tally.settle();
        let mut found = BTreeMap::new();
        let account = accounts.get(usize::try_from(number).ok()?)?;
        tally.of_account(number, account, &mut found, |_| fits = false);
        lane.slots = std::mem::take(&mut tally.slots);
        (fits && tally.overflows.is_empty()).then_some(found)
    }
}

/// What an event says, in numbers; `None` where the general way has to look.
fn head_of(
    event: &MeteredEvent,
    numbers: &mut Numbers,
    measures: &mut Vec<Measure>,
) -> Option<Head> {
    if event.kind == EventKind::Interval {
        return None;
    }
    let Numbers { names, labels, .. } = numbers;
    let mut name = |text: Option<&str>| text.map_or(Some(NONE), |text| names.number(text));
    measures.clear();
    for measurement in &event.measurements {
        measures.push(Measure {
            meter: name(Some(measurement.meter.as_str()))?,
            flow: measurement.flow,
            quantity: measurement.quantity,
            scale: measurement.scale,
        });
    }
    let holder = Holder {
        kind: name(Some(&event.resource_kind))?,
        parent: name(event.parent.as_ref().map(AsRef::as_ref))?,
        owner: name(event.owner.as_ref().map(AsRef::as_ref))?,
        project: name(event.project.as_deref())?,
        site: name(event.site.as_deref())?,
        region: name(event.region.as_deref())?,
        source: name(Some(&event.source))?,
        attributes: labels.of_map(&event.attributes)?,
        tags: event.tags.as_ref().map_or(Some(0), |tags| labels.of_map(tags))?,
    };
    Some(Head {
        kind: event.kind,
        state: event.state,
        terminal: event.terminal,
        window: event.window.map(|window| (window.start.micros(), window.end.micros())),
        since: event.since.map(|since| since.micros()),
        incarnation: name(event.incarnation.as_deref())?,
        said: Said { holder, says_tags: event.tags.is_some() },
    })
}
