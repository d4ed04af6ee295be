//! The fold of [`crate::metering`] over numbers instead of texts, step by step the same.
//!
//! It does not take pre-aggregated intervals; whoever calls it gives those to the general fold. A
//! property test holds both to the same sums and states.

use turnpike_schemas::book::OpenIntervals;
use turnpike_schemas::event::{EventKind, Flow, ResourceState};

use super::block::Block;
use super::column::NO_LONG;
use super::counting::count;
use super::head::{Head, Holder, Measure};
use super::held::{Counter, Held, LANES, NOWHERE, Places, Way};
use super::names::NONE;

/// What is known of a resource. Instants that are not known are [`NO_LONG`].
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) seen: bool,
    pub(super) holder: Holder,
    places: Places,
    pub(super) state: ResourceState,
    pub(super) held: Vec<Held>,
    pub(super) counters: Vec<Counter>,
    pub(super) begun: i64,
    pub(super) evidence: i64,
    pub(super) ended: i64,
    /// Whether an event that says the same as the last one changes neither holder nor state.
    settled: bool,
}

/// Takes what the fold completes.
pub(super) trait Sink {
    fn held(
        &mut self,
        at: (&Holder, &mut Places),
        state: ResourceState,
        held: &mut Held,
        span: (i64, i64),
        estimated: bool,
    );
    fn consumed(&mut self, at: (&Holder, &mut Places), what: Measure, span: (i64, i64));
    /// Labels after some were given.
    fn merged(&mut self, known: u32, given: u32) -> u32;
}

impl Default for Known {
    fn default() -> Self {
        Self {
            seen: false,
            holder: Holder::default(),
            places: NOWHERE,
            state: ResourceState::Unknown,
            held: Vec::new(),
            counters: Vec::new(),
            begun: NO_LONG,
            evidence: 0,
            ended: NO_LONG,
            settled: false,
        }
    }
}

fn is_sizing(kind: EventKind) -> bool {
    matches!(kind, EventKind::Transition | EventKind::Snapshot | EventKind::Audit)
}

impl Known {
    /// Forgets all, for the next resource.
    pub(super) fn clear(&mut self) {
        self.seen = false;
        self.places = NOWHERE;
        self.state = ResourceState::Unknown;
        self.held.clear();
        self.counters.clear();
        self.begun = NO_LONG;
        self.evidence = 0;
        self.ended = NO_LONG;
        self.settled = false;
    }

    /// Whether an event told of it.
    pub(super) fn is_seen(&self) -> bool {
        self.seen
    }

    pub(super) fn source(&self) -> u32 {
        self.holder.source
    }

    pub(super) fn owner(&self) -> u32 {
        self.holder.owner
    }

    #[inline]
    fn is_gone(&self) -> bool {
        self.ended != NO_LONG
    }

    fn is_held(&self) -> bool {
        self.seen && !self.is_gone() && self.state != ResourceState::Unknown
    }

    /// Takes the next event in order; `says_same` where it says what the one before said.
    #[inline]
    pub(super) fn take(
        &mut self,
        head: &Head,
        says_same: bool,
        (time, what): (i64, &[Measure]),
        sink: &mut impl Sink,
    ) {
        if !says_same || !self.settled {
            self.apply(head, time, what, sink);
            self.settled = self.is_settled_by(head);
            return;
        }
        // What is left of applying it.
        let mut consumes = false;
        for measure in what {
            match measure.flow {
                Flow::Held => self.hold(measure, time, sink),
                _ => consumes = true,
            }
        }
        self.evidence = self.evidence.max(time);
        if consumes {
            self.consume(head, time, what, |_| true, sink);
        }
    }

    /// Takes rows that are an event each, say what the event before said and measure nothing but what is
    /// held; tells at which row something else comes.
    #[inline]
    pub(super) fn take_readings(
        &mut self,
        block: &Block,
        rows: std::ops::Range<usize>,
        sink: &mut impl Sink,
    ) -> usize {
        let [held] = self.held.as_mut_slice() else { return rows.start };
        if !self.settled {
            return rows.start;
        }
        let (meter, scale) = (held.meter, held.scale);
        for row in rows.clone() {
            let alone = block.repeats_alone(row, rows.end);
            let Some(quantity) = block.reading(row, meter, scale).filter(|_| alone) else {
                return row;
            };
            let time = block.time(row);
            if quantity != held.quantity {
                if held.from < time {
                    let at = (&self.holder, &mut self.places);
                    sink.held(at, self.state, held, (held.from, time), false);
                }
                (held.quantity, held.from) = (quantity, held.from.max(time));
            }
            self.evidence = self.evidence.max(time);
        }
        rows.end
    }

    /// Whether all that it says of holder, state and time was taken up, so that saying it again only
    /// brings new measurements.
    fn is_settled_by(&self, head: &Head) -> bool {
        matches!(head.kind, EventKind::Transition | EventKind::Snapshot)
            && !head.terminal
            && head.since.is_none()
            && self.is_held()
            && head.state.is_none_or(|state| state == self.state)
    }

    fn apply(&mut self, head: &Head, time: i64, what: &[Measure], sink: &mut impl Sink) {
        if self.speaks_of_holding(head, what) {
            if self.is_stale(head, time) {
                self.consume(head, time, what, |flow| flow != Flow::Cumulative, sink);
                return;
            }
            match self.begins(head, time) {
                Some(start) => self.begin(head, time, what, start, sink),
                None if self.is_of_before(head, time) => {
                    if head.terminal {
                        self.consume(head, time, what, |flow| flow == Flow::Delta, sink);
                        return;
                    }
                }
                None => {
                    self.heal_building(head, time, sink);
                    let at = self.effective(head, time);
                    self.change(head, what, at, head.state, sink);
                    self.evidence = self.evidence.max(at);
                }
            }
            self.vouch(head, time);
        } else {
            self.meet(head, sink);
        }
        self.consume(head, time, what, |_| true, sink);
        if head.terminal {
            self.end(time, sink);
        }
    }

    /// Closes what is open at the end of all events.
    pub(super) fn finish(&mut self, until: i64, policy: OpenIntervals, sink: &mut impl Sink) {
        if !self.seen || self.is_gone() {
            return;
        }
        let vouched = match policy {
            OpenIntervals::UntilStop => until,
            OpenIntervals::Audited { every_seconds, missed } => every_seconds
                .checked_mul(missed)
                .and_then(|seconds| seconds.checked_mul(1_000_000))
                .and_then(|micros| self.evidence.checked_add(micros))
                .filter(|micros| turnpike_schemas::Instant::from_micros(*micros).is_ok())
                .unwrap_or(i64::MAX),
        };
        let certain = until.min(vouched);
        for held in &mut self.held {
            let from = held.from;
            if from < certain {
                sink.held(
                    (&self.holder, &mut self.places),
                    self.state,
                    held,
                    (from, certain),
                    false,
                );
            }
            let rest = from.max(certain);
            if rest < until {
                sink.held((&self.holder, &mut self.places), self.state, held, (rest, until), true);
            }
        }
    }

    fn speaks_of_holding(&self, head: &Head, what: &[Measure]) -> bool {
        let sized = || what.iter().any(|measure| measure.flow == Flow::Held);
        head.terminal || is_sizing(head.kind) && (head.state.is_some() || self.is_held() || sized())
    }

    fn is_stale(&self, head: &Head, time: i64) -> bool {
        if !self.seen || !self.is_gone() {
            return false;
        }
        let ended = self.ended;
        if head.terminal {
            return head.since.is_none_or(|since| since < ended);
        }
        match (head.since, head.kind, head.window) {
            (Some(since), EventKind::Audit, _) => since <= ended,
            (Some(since), _, _) => since < ended,
            (None, EventKind::Audit, Some((start, _))) => start < ended,
            _ => time < ended,
        }
    }

    fn is_of_before(&self, head: &Head, time: i64) -> bool {
        let (begun, Some(since)) = (self.begun, head.since) else { return false };
        if begun == NO_LONG {
            return false;
        }
        let earlier = since.div_euclid(1_000_000) < begun.div_euclid(1_000_000);
        let audit = head.kind == EventKind::Audit && !head.terminal;
        earlier && (audit || head.terminal && time <= begun)
    }

    fn heal_building(&mut self, head: &Head, time: i64, sink: &mut impl Sink) {
        let Some(since) = head.since else { return };
        if self.state == ResourceState::Building && head.state != Some(ResourceState::Building) {
            self.close_all(since.max(self.evidence).min(time), sink);
            self.state = ResourceState::Active;
        }
    }

    fn begins(&self, head: &Head, time: i64) -> Option<i64> {
        if self.is_held() {
            return None;
        }
        let window_start = match head.kind {
            EventKind::Audit => head.window.map(|(start, _)| start),
            _ => None,
        };
        let start = head.since.or(window_start).unwrap_or(time).min(time);
        Some(if self.seen && self.is_gone() { start.max(self.ended) } else { start })
    }

    fn begin(
        &mut self,
        head: &Head,
        time: i64,
        what: &[Measure],
        start: i64,
        sink: &mut impl Sink,
    ) {
        self.holder = self.first_holder(head, sink);
        self.places = NOWHERE;
        // What a resource that is gone held ended with it; sizes told before anything began stay.
        for held in &mut self.held {
            held.from = start;
            held.forget_route();
        }
        if !self.seen {
            self.counters.clear();
        }
        self.seen = true;
        self.state = ResourceState::Unknown;
        self.begun = NO_LONG;
        self.evidence = start;
        self.ended = NO_LONG;
        let now = head.state.unwrap_or(ResourceState::Active);
        if start >= time || head.kind == EventKind::Audit && !head.terminal {
            self.change(head, what, start, Some(now), sink);
            return;
        }
        let until_now = if now == ResourceState::Building { now } else { ResourceState::Active };
        self.change(head, what, start, Some(until_now), sink);
        if !head.terminal {
            self.change(head, what, time, head.state, sink);
        }
    }

    fn effective(&self, head: &Head, time: i64) -> i64 {
        if head.kind != EventKind::Audit {
            return time;
        }
        let window_start = head.window.map_or(time, |(start, _)| start);
        let since = head.since.unwrap_or(window_start);
        window_start.max(since).max(self.evidence).min(time)
    }

    fn change(
        &mut self,
        head: &Head,
        what: &[Measure],
        at: i64,
        state: Option<ResourceState>,
        sink: &mut impl Sink,
    ) {
        let holder = merged_holder(&self.holder, head, sink);
        let state = match state {
            Some(ResourceState::Deleted | ResourceState::Unknown) | None => self.state,
            Some(_) if head.terminal && self.state != ResourceState::Unknown => self.state,
            Some(state) => state,
        };
        if holder != self.holder || state != self.state {
            self.close_all(at, sink);
            if holder != self.holder {
                self.holder = holder;
                self.places = NOWHERE;
                self.held.iter_mut().for_each(Held::forget_route);
            }
            self.state = state;
        }
        if is_sizing(head.kind) {
            for measure in what.iter().filter(|measure| measure.flow == Flow::Held) {
                self.hold(measure, at, sink);
            }
        }
    }

    fn vouch(&mut self, head: &Head, time: i64) {
        let seen = match (head.kind, head.window) {
            (EventKind::Audit, Some((_, end))) => end.min(time),
            _ => time,
        };
        if head.kind != EventKind::Audit && !head.terminal && head.since == Some(time) {
            self.begun = time;
        }
        self.evidence = self.evidence.max(seen);
    }

    fn meet(&mut self, head: &Head, sink: &mut impl Sink) {
        if !self.seen {
            self.holder = self.first_holder(head, sink);
            self.places = NOWHERE;
            self.seen = true;
            self.state = ResourceState::Unknown;
            self.evidence = 0;
        } else if self.held.is_empty() && !self.is_gone() {
            let holder = merged_holder(&self.holder, head, sink);
            if holder != self.holder {
                self.holder = holder;
                self.places = NOWHERE;
            }
        }
    }

    fn consume(
        &mut self,
        head: &Head,
        time: i64,
        what: &[Measure],
        wanted: impl Fn(Flow) -> bool,
        sink: &mut impl Sink,
    ) {
        if !self.seen || what.iter().all(|measure| measure.flow == Flow::Held) {
            return;
        }
        let own = merged_holder(&self.holder, head, sink);
        let mut own_places = if own == self.holder { self.places } else { NOWHERE };
        for measure in what.iter().filter(|measure| wanted(measure.flow)) {
            let at = (&own, &mut own_places);
            match measure.flow {
                Flow::Held => {}
                Flow::Delta => sink.consumed(at, *measure, head.window.unwrap_or((time, time))),
                Flow::Cumulative => count(&mut self.counters, head, time, measure, at, sink),
            }
        }
        if own == self.holder {
            self.places = own_places;
        }
    }

    fn end(&mut self, at: i64, sink: &mut impl Sink) {
        if !self.seen {
            return;
        }
        self.close_all(at, sink);
        self.held.clear();
        self.counters.clear();
        self.state = ResourceState::Deleted;
        self.evidence = self.evidence.max(at);
        self.ended = at;
    }

    fn close_all(&mut self, at: i64, sink: &mut impl Sink) {
        for held in &mut self.held {
            if held.from < at {
                let span = (held.from, at);
                sink.held((&self.holder, &mut self.places), self.state, held, span, false);
                held.from = at;
            }
        }
    }

    #[inline]
    fn hold(&mut self, measure: &Measure, at: i64, sink: &mut impl Sink) {
        let Measure { meter, quantity, scale, .. } = *measure;
        let Some(held) = self.held.iter_mut().find(|held| held.meter == meter) else {
            self.held.push(Held { meter, quantity, scale, from: at, ways: [Way::NONE; LANES] });
            return;
        };
        if held.quantity == quantity && held.scale == scale {
            return;
        }
        if held.from < at {
            let span = (held.from, at);
            sink.held((&self.holder, &mut self.places), self.state, held, span, false);
        }
        if held.scale != scale {
            held.forget_route();
        }
        (held.quantity, held.scale, held.from) = (quantity, scale, held.from.max(at));
    }

    /// The holder at the start of a life.
    fn first_holder(&self, head: &Head, sink: &mut impl Sink) -> Holder {
        let said = head.said.holder;
        let known = if self.seen { self.holder } else { Holder::default() };
        let going_on = if self.is_gone() { Holder::default() } else { known };
        let or = |said: u32, known: u32| if said == NONE { known } else { said };
        Holder {
            kind: said.kind,
            parent: or(said.parent, going_on.parent),
            owner: or(said.owner, known.owner),
            project: or(said.project, known.project),
            site: or(said.site, known.site),
            region: or(said.region, known.region),
            source: said.source,
            attributes: sink.merged(going_on.attributes, said.attributes),
            tags: if head.said.says_tags { said.tags } else { going_on.tags },
        }
    }
}

/// The holder after an event.
fn merged_holder(known: &Holder, head: &Head, sink: &mut impl Sink) -> Holder {
    let said = &head.said.holder;
    let or = |said: u32, known: u32| if said == NONE { known } else { said };
    Holder {
        kind: known.kind,
        parent: or(said.parent, known.parent),
        owner: or(said.owner, known.owner),
        project: or(said.project, known.project),
        site: or(said.site, known.site),
        region: or(said.region, known.region),
        source: known.source,
        attributes: match said.attributes == known.attributes {
            true => known.attributes,
            false => sink.merged(known.attributes, said.attributes),
        },
        tags: if head.said.says_tags { said.tags } else { known.tags },
    }
}
