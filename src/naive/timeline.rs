//! The time line of one resource: what was held from which instant on, and what was consumed when.

use std::collections::BTreeMap;

use turnpike_schemas::event::ResourceState;

use super::facts::{Fact, Flow, Kind, Quantity};

/// What is so from an instant on. `None` as state: nobody has said what is held.
#[derive(Debug, Clone, Default)]
pub struct Now {
    pub state: Option<ResourceState>,
    pub owner: Option<String>,
    pub attributes: BTreeMap<String, String>,
    /// Quantity and scale by meter.
    pub held: BTreeMap<String, (i64, u32)>,
}

/// A quantity that counts at one instant.
#[derive(Debug, Clone)]
pub struct Used {
    pub at: i64,
    pub now: Now,
    pub meter: String,
    pub quantity: i64,
    pub scale: u32,
    /// Held for so many seconds somewhere in a window; `None`: consumed.
    pub seconds: Option<i64>,
}

/// A quantity that its source says was held over all of a window.
#[derive(Debug, Clone)]
pub struct Reported {
    pub start: i64,
    pub end: i64,
    pub now: Now,
    pub meter: String,
    pub quantity: i64,
    pub scale: u32,
}

#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// In order; what stands last among equal times holds.
    pub points: Vec<(i64, Now)>,
    pub used: Vec<Used>,
    pub reported: Vec<Reported>,
}

impl Timeline {
    /// What holds at an instant.
    pub fn at(&self, instant: i64) -> Option<&Now> {
        let after = self.points.partition_point(|(time, _)| *time <= instant);
        after.checked_sub(1).map(|index| &self.points[index].1)
    }
}

/// Where the story of a resource stands between two events.
#[derive(Default)]
struct Story {
    line: Timeline,
    now: Now,
    seen: bool,
    evidence: i64,
    /// The newest instant at which a life or a size was said to begin.
    begun: Option<i64>,
    ended: Option<i64>,
    /// The last reading of each counter.
    counters: BTreeMap<String, Reading>,
    /// The last report of each meter that is reported since a reset, as it was used.
    totals: BTreeMap<String, (Used, i64, Option<String>)>,
}

/// A counter as it stood at an instant.
struct Reading {
    boot: Option<String>,
    value: i64,
    scale: u32,
    at: i64,
}

/// Tells the story of a resource from its events, which are in order.
pub fn timeline(facts: &[Fact]) -> Timeline {
    let mut story = Story::default();
    for fact in facts {
        story.tell(fact);
    }
    story.line
}

impl Story {
    fn is_alive(&self) -> bool {
        self.seen && self.ended.is_none() && self.now.state.is_some()
    }

    fn tell(&mut self, fact: &Fact) {
        let describes = matches!(fact.kind, Kind::Change | Kind::Audit);
        let says = fact.state.is_some()
            || fact.quantities.iter().any(|quantity| quantity.flow == Flow::Held);
        if fact.terminal || describes && (says || self.is_alive()) {
            if self.is_stale(fact) || self.is_alive() && fact.terminal && self.is_of_before(fact) {
                // Nothing about what is held, but what it used was used.
                self.count(fact, false);
                return;
            }
            if !self.is_alive() {
                self.begin(fact);
            } else if !self.is_of_before(fact) {
                self.finish_building(fact);
                let at = self.effective(fact);
                self.set(fact, at, fact.state);
                self.evidence = self.evidence.max(at);
            }
            if fact.kind == Kind::Change && !fact.terminal && fact.since == Some(fact.time) {
                self.begun = Some(fact.time);
            }
            let seen_until = match (fact.kind, fact.window) {
                (Kind::Audit, Some((_, end))) => end.min(fact.time),
                _ => fact.time,
            };
            self.evidence = self.evidence.max(seen_until);
        } else if self.ended.is_none() && self.now.held.is_empty() {
            // A report of consumption says whose it is, as long as nothing is held.
            self.name(fact);
            self.seen = true;
        }
        self.count(fact, true);
        if fact.terminal {
            self.end(fact.time);
        }
    }

    /// An event about a life that is over.
    fn is_stale(&self, fact: &Fact) -> bool {
        let Some(ended) = self.ended else { return false };
        match (fact.since, fact.kind, fact.window) {
            (Some(since), Kind::Audit, _) if !fact.terminal => since <= ended,
            (Some(since), _, _) => since < ended,
            (None, _, _) if fact.terminal => true,
            (None, Kind::Audit, Some((start, _))) => start < ended,
            _ => fact.time < ended,
        }
    }

    /// An audit or an end of a life or size that has been followed by another, to the second.
    fn is_of_before(&self, fact: &Fact) -> bool {
        let (Some(begun), Some(since)) = (self.begun, fact.since) else { return false };
        let before = since.div_euclid(1_000_000) < begun.div_euclid(1_000_000);
        match (fact.terminal, fact.kind) {
            (true, _) => before && fact.time <= begun,
            (false, Kind::Audit) => before,
            _ => false,
        }
    }

    /// Building, and then held since an instant: it came into service there.
    fn finish_building(&mut self, fact: &Fact) {
        let Some(since) = fact.since else { return };
        let building = Some(ResourceState::Building);
        if self.now.state == building && fact.state != building {
            self.now.state = Some(ResourceState::Active);
            self.line.points.push((since.max(self.evidence).min(fact.time), self.now.clone()));
        }
    }

    /// From when on a difference counts: audits tell late of what they missed.
    fn effective(&self, fact: &Fact) -> i64 {
        if fact.kind != Kind::Audit {
            return fact.time;
        }
        let start = fact.window.map_or(fact.time, |(start, _)| start);
        start.max(fact.since.unwrap_or(start)).max(self.evidence).min(fact.time)
    }

    /// The first that is heard of a life: it may have begun before this event.
    fn begin(&mut self, fact: &Fact) {
        let window_start =
            if fact.kind == Kind::Audit { fact.window.map(|(start, _)| start) } else { None };
        let start = fact.since.or(window_start).unwrap_or(fact.time).min(fact.time);
        let start = self.ended.map_or(start, |ended| start.max(ended));
        if self.ended.is_some() {
            // Another life: attributes were the old one's, the owner is kept until named anew.
            self.now.attributes.clear();
        }
        // What an inventory told before anything began is kept; an end leaves nothing.
        self.now.state = None;
        self.begun = None;
        self.ended = None;
        self.seen = true;
        self.evidence = start;
        let state = fact.state.unwrap_or(ResourceState::Active);
        if start >= fact.time || fact.kind == Kind::Audit && !fact.terminal {
            self.set(fact, start, Some(state));
            return;
        }
        let before = if state == ResourceState::Building { state } else { ResourceState::Active };
        self.set(fact, start, Some(before));
        if !fact.terminal {
            self.set(fact, fact.time, fact.state);
        }
    }

    fn name(&mut self, fact: &Fact) {
        if fact.owner.is_some() {
            self.now.owner.clone_from(&fact.owner);
        }
        self.now.attributes.extend(fact.attributes.clone());
    }

    /// From `at` on it is as the event says.
    fn set(&mut self, fact: &Fact, at: i64, state: Option<ResourceState>) {
        self.name(fact);
        let known = self.now.state.is_some();
        match state {
            Some(ResourceState::Deleted | ResourceState::Unknown) | None => {}
            // The state in the report of an end is the one after it.
            Some(_) if fact.terminal && known => {}
            Some(state) => self.now.state = Some(state),
        }
        if matches!(fact.kind, Kind::Change | Kind::Audit) {
            for Quantity { meter, quantity, scale, flow } in &fact.quantities {
                if *flow == Flow::Held {
                    self.now.held.insert(meter.clone(), (*quantity, *scale));
                }
            }
        }
        self.line.points.push((at, self.now.clone()));
    }

    /// What the event says was used, by whom it names: `whole` is false for one that comes too late
    /// to say anything else.
    fn count(&mut self, fact: &Fact, whole: bool) {
        let standing = self.now.clone();
        self.name(fact);
        let (start, end) = fact.window.unwrap_or((fact.time, fact.time));
        for Quantity { meter, quantity, scale, flow } in &fact.quantities {
            match (flow, fact.kind) {
                (Flow::Delta, _) => {
                    self.used((end - 1).max(start), meter, *quantity, *scale, None);
                }
                _ if !whole => {}
                (_, Kind::Interval)
                    if fact.since.is_some()
                        && fact.window.map(|(start, _)| start) == fact.since =>
                {
                    self.replace(fact, meter, *quantity, *scale, *flow == Flow::Held);
                }
                (Flow::Held, Kind::Interval) => self.report(fact, meter, *quantity, *scale),
                (Flow::Held, _) => {}
                (Flow::Cumulative, _) => self.read(fact, meter, *quantity, *scale),
            }
        }
        self.now = standing;
    }

    fn used(&mut self, at: i64, meter: &str, quantity: i64, scale: u32, seconds: Option<i64>) {
        let (meter, now) = (meter.to_owned(), self.now.clone());
        self.line.used.push(Used { at, now, meter, quantity, scale, seconds });
    }

    fn report(&mut self, fact: &Fact, meter: &str, quantity: i64, scale: u32) {
        let (start, end) = fact.window.unwrap_or((fact.time, fact.time));
        let state = fact.state.filter(|state| *state != ResourceState::Deleted);
        let state = Some(state.unwrap_or(ResourceState::Active));
        let now = Now { state, ..self.now.clone() };
        let meter = meter.to_owned();
        match fact.seconds {
            Some(_) => self.line.used.push(Used {
                at: (end - 1).max(start),
                now,
                meter,
                quantity,
                scale,
                seconds: fact.seconds,
            }),
            None => self.line.reported.push(Reported { start, end, now, meter, quantity, scale }),
        }
    }

    /// A report of all the time since a reset takes the place of the last one that began then.
    fn replace(&mut self, fact: &Fact, meter: &str, quantity: i64, scale: u32, held: bool) {
        let (start, end) = fact.window.unwrap_or((fact.time, fact.time));
        let seconds = end.div_euclid(1_000_000) - start.div_euclid(1_000_000);
        let state = fact.state.filter(|state| *state != ResourceState::Deleted);
        let now = Now { state: state.or(Some(ResourceState::Active)), ..self.now.clone() };
        let total = Used {
            at: (end - 1).max(start),
            now: if held { now } else { self.now.clone() },
            meter: meter.to_owned(),
            quantity,
            scale,
            seconds: held.then_some(seconds),
        };
        self.line.used.push(total.clone());
        let (boot, mine) = (fact.incarnation.clone(), total.clone());
        let last = self.totals.insert(meter.to_owned(), (total, start, boot));
        let Some((last, began, boot)) = last else { return };
        let nearer_to_its_start = 2 * start < began + last.at + 1;
        if nearer_to_its_start && boot == fact.incarnation {
            self.line.used.push(Used {
                at: mine.at,
                now: mine.now,
                quantity: if held { last.quantity } else { -last.quantity },
                seconds: last.seconds.map(|seconds| -seconds),
                ..last
            });
        }
    }

    /// A counter: the first reading is where it starts, a smaller one or another boot starts anew.
    fn read(&mut self, fact: &Fact, meter: &str, value: i64, scale: u32) {
        let boot = fact.incarnation.clone();
        let reading = Reading { boot, value, scale, at: fact.time };
        let Some(last) = self.counters.insert(meter.to_owned(), reading) else { return };
        // In whole units of the finer of the two scales.
        let finer = last.scale.max(scale);
        let whole = |value: i64, scale: u32| i128::from(value) * 10_i128.pow(finer - scale);
        let grown = whole(value, scale) - whole(last.value, last.scale);
        let goes_on = last.boot == fact.incarnation && grown >= 0;
        let used = match i64::try_from(grown / 10_i128.pow(finer - scale)) {
            Ok(used) if goes_on && grown % 10_i128.pow(finer - scale) == 0 => used,
            _ => value,
        };
        self.used((fact.time - 1).max(last.at), meter, used, scale, None);
    }

    fn end(&mut self, at: i64) {
        self.ended = Some(at);
        self.evidence = self.evidence.max(at);
        self.now.held.clear();
        self.now.state = Some(ResourceState::Deleted);
        self.counters.clear();
        self.totals.clear();
        self.line.points.push((at, self.now.clone()));
    }
}
