//! The fold of one resource's events. The rules are in [`crate::metering`].

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::book::OpenIntervals;
use turnpike_schemas::event::{EventKind, Flow, Measurement, ResourceState};
use turnpike_schemas::interval::Holder;
use turnpike_schemas::{Aggregation, Instant, MeterId, UsageInterval};

use super::counter::{accumulate, accumulates, count};
use super::event::MeteredEvent;
use super::state::{Held, Metered};

/// The fold of one resource: what is known, and what each event adds to it.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    known: Option<Metered>,
}

impl Fold {
    /// Starts from a stored state, or from nothing.
    pub fn open(state: Option<Metered>) -> Self {
        Self { known: state }
    }

    /// What is known now. `None`: never seen.
    pub fn state(&self) -> Option<&Metered> {
        self.known.as_ref()
    }

    /// Takes the next event of the resource in order and emits the intervals that it completes.
    pub fn apply(&mut self, event: &MeteredEvent, emit: &mut impl FnMut(UsageInterval)) {
        if self.speaks_of_holding(event) {
            if self.is_stale(event) {
                // It says nothing of what is held, but what it consumed was consumed.
                self.consume(event, |flow| flow != Flow::Cumulative, emit);
                return;
            }
            match self.begins(event) {
                Some(start) => self.begin(event, start, emit),
                None if self.is_of_before(event) => {
                    // It still vouches that the resource is there.
                    if event.terminal {
                        self.consume(event, |flow| flow == Flow::Delta, emit);
                        return;
                    }
                }
                None => {
                    self.heal_building(event, emit);
                    let at = self.effective(event);
                    self.change(event, at, event.state, emit);
                    // Nothing later may reopen what is settled up to there.
                    if let Some(known) = &mut self.known {
                        known.evidence = known.evidence.max(at);
                    }
                }
            }
            self.vouch(event);
        } else {
            self.meet(event);
        }
        self.consume(event, |_| true, emit);
        if event.terminal {
            self.end(event.time, emit);
        }
    }

    /// Closes what is open at the end of all events. `until` is the last instant that may be billed;
    /// what lies past the evidence that the source's policy asks for is estimated.
    pub fn finish(
        &self,
        until: Instant,
        policy: OpenIntervals,
        emit: &mut impl FnMut(UsageInterval),
    ) {
        let Some(known) = self.known.as_ref().filter(|known| !known.is_gone()) else {
            return;
        };
        let vouched = match policy {
            OpenIntervals::UntilStop => until,
            OpenIntervals::Audited { every_seconds, missed } => every_seconds
                .checked_mul(missed)
                .and_then(|seconds| known.evidence.plus_seconds(seconds))
                .unwrap_or(Instant::MAX),
        };
        for (meter, held) in &known.held {
            let certain = until.min(vouched);
            if held.from < certain {
                emit(interval(known, meter, held, held.from, certain, false));
            }
            let rest = held.from.max(certain);
            if rest < until {
                emit(interval(known, meter, held, rest, until, true));
            }
        }
    }

    /// Whether the event says what is held, rather than only what was consumed or who it concerns.
    fn speaks_of_holding(&self, event: &MeteredEvent) -> bool {
        let sized = event.measurements.iter().any(|measurement| measurement.flow == Flow::Held);
        let held = self.known.as_ref().is_some_and(Metered::is_held);
        event.terminal || sizes(event.kind) && (event.state.is_some() || sized || held)
    }

    /// Whether the event speaks of a life that has ended.
    fn is_stale(&self, event: &MeteredEvent) -> bool {
        let Some(ended) = self.known.as_ref().and_then(|known| known.ended) else {
            return false;
        };
        if event.terminal {
            // The end is known already; another report of it changes nothing, unless a whole new
            // life lies in between.
            return event.since.is_none_or(|since| since < ended);
        }
        match (event.since, event.kind, &event.window) {
            // An audit of a life that began and ended at one instant is of that life.
            (Some(since), EventKind::Audit, _) => since <= ended,
            (Some(since), _, _) => since < ended,
            (None, EventKind::Audit, Some(window)) => window.start < ended,
            _ => event.time < ended,
        }
    }

    /// Whether an audit or an end tells of a life, or a size, that another event has replaced: it
    /// names an earlier start than the one known to have happened, and no later instant. Seconds are
    /// compared, since one source prints microseconds and another does not.
    fn is_of_before(&self, event: &MeteredEvent) -> bool {
        let begun = self.known.as_ref().and_then(|known| known.begun);
        let (Some(begun), Some(since)) = (begun, event.since) else { return false };
        let earlier = since.floor_seconds() < begun.floor_seconds();
        let audit = event.kind == EventKind::Audit && !event.terminal;
        earlier && (audit || event.terminal && event.time <= begun)
    }

    /// A resource known as building, in an event that says since when it is held: the event that it
    /// came into service was lost.
    fn heal_building(&mut self, event: &MeteredEvent, emit: &mut impl FnMut(UsageInterval)) {
        let Some(known) = &mut self.known else { return };
        let Some(since) = event.since else { return };
        if known.state == ResourceState::Building && event.state != Some(ResourceState::Building) {
            close_all(known, since.max(known.evidence).min(event.time), emit);
            known.state = ResourceState::Active;
        }
    }

    /// Where a life begins with this event, if the resource was unknown or gone.
    fn begins(&self, event: &MeteredEvent) -> Option<Instant> {
        if self.known.as_ref().is_some_and(Metered::is_held) {
            return None;
        }
        let window_start = match event.kind {
            EventKind::Audit => event.window.as_ref().map(|window| window.start),
            _ => None,
        };
        let start = event.since.or(window_start).unwrap_or(event.time).min(event.time);
        let ended = self.known.as_ref().and_then(|known| known.ended);
        Some(ended.map_or(start, |ended| start.max(ended)))
    }

    fn begin(
        &mut self,
        event: &MeteredEvent,
        start: Instant,
        emit: &mut impl FnMut(UsageInterval),
    ) {
        let before = self.known.take();
        // Sizes that an inventory told before anything began are those that it begins with.
        let told = before.iter().filter(|known| !known.is_gone()).flat_map(|known| &known.held);
        let held = told.map(|(meter, held)| (meter.clone(), Held { from: start, ..*held }));
        let held = held.collect();
        self.known = Some(Metered {
            holder: Arc::new(first_holder(before.as_ref(), event)),
            state: ResourceState::Unknown,
            held,
            counters: before.map(|known| known.counters).unwrap_or_default(),
            begun: None,
            evidence: start,
            ended: None,
        });
        let now = event.state.unwrap_or(ResourceState::Active);
        if start >= event.time || event.kind == EventKind::Audit && !event.terminal {
            // An audit's state was true over its window; anything else is true from now on.
            self.change(event, start, Some(now), emit);
            return;
        }
        // The start was lost. Until this event the resource was in service, except where the event
        // says that it is still being built.
        let until_now = if now == ResourceState::Building { now } else { ResourceState::Active };
        self.change(event, start, Some(until_now), emit);
        if !event.terminal {
            self.change(event, event.time, event.state, emit);
        }
    }

    /// From when the differences that an event shows hold.
    fn effective(&self, event: &MeteredEvent) -> Instant {
        let Some(known) = &self.known else {
            return event.time;
        };
        if event.kind != EventKind::Audit {
            return event.time;
        }
        let window_start = event.window.as_ref().map_or(event.time, |window| window.start);
        let since = event.since.unwrap_or(window_start);
        window_start.max(since).max(known.evidence).min(event.time)
    }

    /// Holds what the event says from `at` on, closing the intervals that it changes.
    fn change(
        &mut self,
        event: &MeteredEvent,
        at: Instant,
        state: Option<ResourceState>,
        emit: &mut impl FnMut(UsageInterval),
    ) {
        let Some(known) = &mut self.known else { return };
        let holder = merged_holder(&known.holder, event);
        // A terminal event shows the state after the end; before it the state was what it was.
        let state = match state {
            Some(ResourceState::Deleted | ResourceState::Unknown) | None => known.state,
            Some(_) if event.terminal && known.state != ResourceState::Unknown => known.state,
            Some(state) => state,
        };
        if holder.is_some() || state != known.state {
            close_all(known, at, emit);
            if let Some(holder) = holder {
                known.holder = Arc::new(holder);
            }
            known.state = state;
        }
        if sizes(event.kind) {
            for measurement in event.measurements.iter().filter(|m| m.flow == Flow::Held) {
                hold(known, measurement, at, emit);
            }
        }
    }

    /// Moves the evidence to where the event vouches for what is held.
    fn vouch(&mut self, event: &MeteredEvent) {
        let Some(known) = &mut self.known else { return };
        let seen = match (event.kind, &event.window) {
            (EventKind::Audit, Some(window)) => window.end.min(event.time),
            _ => event.time,
        };
        if event.kind != EventKind::Audit && !event.terminal && event.since == Some(event.time) {
            known.begun = Some(event.time);
        }
        known.evidence = known.evidence.max(seen);
    }

    /// Takes note of who holds a resource from an event that says nothing of what is held, such as a
    /// traffic report. It neither begins nor confirms a life: an audit may still tell an earlier start.
    fn meet(&mut self, event: &MeteredEvent) {
        match &mut self.known {
            None => {
                self.known = Some(Metered {
                    holder: Arc::new(first_holder(None, event)),
                    state: ResourceState::Unknown,
                    held: BTreeMap::new(),
                    counters: BTreeMap::new(),
                    begun: None,
                    evidence: Instant::MIN,
                    ended: None,
                });
            }
            Some(known) if known.held.is_empty() && !known.is_gone() => {
                if let Some(holder) = merged_holder(&known.holder, event) {
                    known.holder = Arc::new(holder);
                }
            }
            // Where quantities are held, only an event about them may change who holds them.
            Some(_) => {}
        }
    }

    /// Emits what the event says was consumed.
    fn consume(
        &mut self,
        event: &MeteredEvent,
        wanted: impl Fn(Flow) -> bool,
        emit: &mut impl FnMut(UsageInterval),
    ) {
        let Some(known) = &mut self.known else { return };
        // What a report of consumption names (class of request, owner) is of that consumption.
        let standing = Arc::clone(&known.holder);
        if let Some(own) = merged_holder(&standing, event) {
            known.holder = Arc::new(own);
        }
        for measurement in event.measurements.iter().filter(|m| wanted(m.flow)) {
            match (measurement.flow, event.kind) {
                (Flow::Held | Flow::Cumulative, EventKind::Interval) if accumulates(event) => {
                    accumulate(known, event, measurement, emit);
                }
                (Flow::Held, EventKind::Interval) => {
                    emit(pre_aggregated(known, event, measurement));
                }
                (Flow::Held, _) => {}
                (Flow::Delta, _) => {
                    let window = event.window.as_ref();
                    let start = window.map_or(event.time, |window| window.start);
                    let end = window.map_or(event.time, |window| window.end);
                    emit(consumed(known, measurement, measurement.quantity, start, end));
                }
                (Flow::Cumulative, _) => count(known, event, measurement, emit),
            }
        }
        known.holder = standing;
    }

    fn end(&mut self, at: Instant, emit: &mut impl FnMut(UsageInterval)) {
        let Some(known) = &mut self.known else { return };
        close_all(known, at, emit);
        known.held.clear();
        known.counters.clear();
        known.state = ResourceState::Deleted;
        known.evidence = known.evidence.max(at);
        known.ended = Some(at);
    }
}

fn sizes(kind: EventKind) -> bool {
    matches!(kind, EventKind::Transition | EventKind::Snapshot | EventKind::Audit)
}

/// Emits all open intervals up to `at` and opens them again there.
fn close_all(known: &mut Metered, at: Instant, emit: &mut impl FnMut(UsageInterval)) {
    for (meter, held) in &known.held {
        if held.from < at {
            emit(interval(known, meter, held, held.from, at, false));
        }
    }
    for held in known.held.values_mut() {
        held.from = held.from.max(at);
    }
}

fn hold(
    known: &mut Metered,
    measurement: &Measurement,
    at: Instant,
    emit: &mut impl FnMut(UsageInterval),
) {
    let mut next = Held { quantity: measurement.quantity, scale: measurement.scale, from: at };
    if let Some(held) = known.held.get(&measurement.meter) {
        // Time up to there is billed already.
        next.from = at.max(held.from);
        if held.quantity == next.quantity && held.scale == next.scale {
            return;
        }
        if held.from < at {
            emit(interval(known, &measurement.meter, held, held.from, at, false));
        }
    }
    known.held.insert(measurement.meter.clone(), next);
}

fn interval(
    known: &Metered,
    meter: &MeterId,
    held: &Held,
    start: Instant,
    end: Instant,
    estimated: bool,
) -> UsageInterval {
    UsageInterval {
        holder: Arc::clone(&known.holder),
        meter: meter.clone(),
        aggregation: Aggregation::Held,
        state: known.state,
        start,
        end,
        quantity: held.quantity,
        scale: held.scale,
        seconds: None,
        estimated,
    }
}

pub(super) fn consumed(
    known: &Metered,
    measurement: &Measurement,
    quantity: i64,
    start: Instant,
    end: Instant,
) -> UsageInterval {
    UsageInterval {
        holder: Arc::clone(&known.holder),
        meter: measurement.meter.clone(),
        aggregation: Aggregation::Sum,
        state: ResourceState::Active,
        start,
        end,
        quantity,
        scale: measurement.scale,
        seconds: None,
        estimated: false,
    }
}

pub(super) fn pre_aggregated(
    known: &Metered,
    event: &MeteredEvent,
    measurement: &Measurement,
) -> UsageInterval {
    let window = event.window.as_ref();
    UsageInterval {
        holder: Arc::clone(&known.holder),
        meter: measurement.meter.clone(),
        aggregation: Aggregation::Held,
        // The state in the report of an end is the one after it.
        state: event
            .state
            .filter(|state| *state != ResourceState::Deleted)
            .unwrap_or(ResourceState::Active),
        start: window.map_or(event.time, |window| window.start),
        end: window.map_or(event.time, |window| window.end),
        quantity: measurement.quantity,
        scale: measurement.scale,
        seconds: event.seconds,
        estimated: false,
    }
}

/// The holder at the start of a life. What an earlier event told of its owner and place is kept
/// where this one is silent; its attributes and tags end with the life they described.
fn first_holder(before: Option<&Metered>, event: &MeteredEvent) -> Holder {
    let known = before.map(|known| known.holder.as_ref());
    let going_on = before.filter(|known| !known.is_gone()).map(|known| known.holder.as_ref());
    let mut attributes = going_on.map(|holder| holder.attributes.clone()).unwrap_or_default();
    attributes.extend(event.attributes.clone());
    let tags = going_on.map(|holder| holder.tags.clone());
    Holder {
        resource: event.resource.clone(),
        resource_kind: event.resource_kind.clone(),
        parent: event.parent.clone().or_else(|| going_on.and_then(|h| h.parent.clone())),
        owner: event.owner.clone().or_else(|| known.and_then(|h| h.owner.clone())),
        project: event.project.clone().or_else(|| known.and_then(|h| h.project.clone())),
        site: event.site.clone().or_else(|| known.and_then(|h| h.site.clone())),
        region: event.region.clone().or_else(|| known.and_then(|h| h.region.clone())),
        source: event.source.clone(),
        attributes,
        tags: event.tags.clone().or(tags).unwrap_or_default(),
    }
}

/// The holder after the event, if it differs. Attributes given replace those known by key; tags
/// given replace all.
fn merged_holder(holder: &Holder, event: &MeteredEvent) -> Option<Holder> {
    fn differs<T: PartialEq>(known: &Option<T>, given: &Option<T>) -> bool {
        given.is_some() && known != given
    }
    let attributes_differ =
        event.attributes.iter().any(|(key, value)| holder.attributes.get(key) != Some(value));
    let changed = differs(&holder.parent, &event.parent)
        || differs(&holder.owner, &event.owner)
        || differs(&holder.project, &event.project)
        || differs(&holder.site, &event.site)
        || differs(&holder.region, &event.region)
        || event.tags.as_ref().is_some_and(|tags| tags != &holder.tags)
        || attributes_differ;
    if !changed {
        return None;
    }
    let mut next = holder.clone();
    next.parent = event.parent.clone().or(next.parent);
    next.owner = event.owner.clone().or(next.owner);
    next.project = event.project.clone().or(next.project);
    next.site = event.site.clone().or(next.site);
    next.region = event.region.clone().or(next.region);
    next.attributes.extend(event.attributes.clone());
    if let Some(tags) = &event.tags {
        next.tags = tags.clone();
    }
    Some(next)
}
