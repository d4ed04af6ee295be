//! The fold against worked lives of one resource: events in, intervals out, one line each.

use std::collections::BTreeMap;

use turnpike_schemas::book::OpenIntervals;
use turnpike_schemas::event::{EventKind, Flow, Measurement, ResourceState as State, Window};
use turnpike_schemas::{Instant, MeterId, OwnerRef, ResourceId};

use super::{Fold, MeteredEvent};

mod audits;
mod consumed;
mod lives;

/// `HH:MM:SS[.ffffff]` on 2026-01-01, or a whole instant.
fn at(text: &str) -> Instant {
    let full = if text.contains('T') { text.to_owned() } else { format!("2026-01-01T{text}Z") };
    Instant::parse(&full).expect("instant")
}

fn event(kind: EventKind, time: &str) -> MeteredEvent {
    MeteredEvent {
        resource: ResourceId::new("test/instance/i-1").expect("id"),
        time: at(time),
        key: format!("{time}-{}", kind.as_str()),
        kind,
        state: None,
        terminal: false,
        window: None,
        since: None,
        seconds: None,
        incarnation: None,
        resource_kind: "instance".to_owned(),
        parent: None,
        owner: None,
        project: None,
        site: None,
        region: None,
        source: "/test".to_owned(),
        attributes: BTreeMap::new(),
        tags: None,
        measurements: Vec::new(),
    }
}

trait Build: Sized {
    fn set(self, change: impl FnOnce(&mut MeteredEvent)) -> Self;

    fn state(self, state: State) -> Self {
        self.set(|event| event.state = Some(state))
    }
    fn since(self, since: &str) -> Self {
        self.set(|event| event.since = Some(at(since)))
    }
    fn window(self, start: &str, end: &str) -> Self {
        self.set(|event| event.window = Some(Window { start: at(start), end: at(end) }))
    }
    fn owner(self, owner: &str) -> Self {
        self.set(|event| event.owner = Some(OwnerRef::new(owner).expect("owner")))
    }
    fn boot(self, id: &str) -> Self {
        self.set(|event| event.incarnation = Some(id.to_owned()))
    }
    fn end(self) -> Self {
        self.set(|event| event.terminal = true).state(State::Deleted)
    }
    fn held(self, quantity: i64) -> Self {
        self.measure("vcpu", quantity, Flow::Held)
    }
    fn measure(self, meter: &str, quantity: i64, flow: Flow) -> Self {
        let meter = MeterId::new(meter).expect("meter");
        self.set(|event| event.measurements.push(Measurement { meter, quantity, scale: 0, flow }))
    }
}

impl Build for MeteredEvent {
    fn set(mut self, change: impl FnOnce(&mut MeteredEvent)) -> Self {
        change(&mut self);
        self
    }
}

fn transition(time: &str) -> MeteredEvent {
    event(EventKind::Transition, time)
}

fn audit(time: &str) -> MeteredEvent {
    event(EventKind::Audit, time)
}

/// Folds the events and prints each interval as `start-end quantity state [owner] [~]`, where `~`
/// marks an estimate and the day is left out.
fn intervals(events: &[MeteredEvent], until: &str, policy: OpenIntervals) -> Vec<String> {
    let mut found = Vec::new();
    let mut fold = Fold::default();
    let mut note = |interval: turnpike_schemas::UsageInterval| {
        let clock =
            |instant: Instant| instant.to_string().replace("2026-01-01T", "").replace('Z', "");
        let owner = interval.holder.owner.as_ref().map_or("", |owner| owner.as_str());
        let mark = if interval.estimated { " ~" } else { "" };
        found.push(format!(
            "{}-{} {} {}{}{owner}{mark}",
            clock(interval.start),
            clock(interval.end),
            interval.quantity,
            interval.state.as_str(),
            if owner.is_empty() { "" } else { " " },
        ));
    };
    for event in events {
        fold.apply(event, &mut note);
    }
    fold.finish(at(until), policy, &mut note);
    found
}

fn check(events: &[MeteredEvent], until: &str, expect: &[&str]) {
    assert_eq!(intervals(events, until, OpenIntervals::UntilStop), expect);
}
