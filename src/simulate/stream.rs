//! The stream itself: lives and reports in order of time, delivered late, doubled and disordered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::actor::Life;
use super::plan::{DOUBLED_EVERY, Plan, first_place};
use super::random::Random;
use super::sink::Sink;
use super::stamp::{DAY, HOUR, MINUTE, SECOND};
use super::{BROKEN, SimulateSettings, wire};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    pub events: u64,
    pub doubled: u64,
    pub late: u64,
    pub broken: u64,
    pub resources: u64,
    pub bytes: u64,
}

/// A message on its way. The number keeps the order of equal times.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Delivery {
    at: i64,
    number: u64,
    line: Box<[u8]>,
}

/// What happens next: an actor's step or report. A step goes before a report of the same time, so
/// that what has just died does not report.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    at: i64,
    is_report: bool,
    actor: usize,
    serial: u32,
}

struct Post<'a> {
    sink: &'a mut dyn Sink,
    random: Random,
    waiting: BinaryHeap<Reverse<Delivery>>,
    number: u64,
    originals: u64,
    /// Messages still to be delivered twice.
    doubles: u64,
    /// After how many originals the next broken line comes, and which.
    broken_every: u64,
    written: Written,
}

/// The provider while it runs.
struct Stream<'a> {
    plan: Plan,
    post: Post<'a>,
    /// Draws which places for reports are taken.
    chooser: Random,
    agenda: BinaryHeap<Reverse<Next>>,
    line: String,
}

/// Writes the whole stream.
pub fn write(
    plan: Plan,
    settings: &SimulateSettings,
    sink: &mut dyn Sink,
    progress: &dyn Fn(u64),
) -> std::io::Result<Written> {
    let originals = plan.originals;
    let post = Post {
        sink,
        random: Random::new(settings.seed, &[6]),
        waiting: BinaryHeap::new(),
        number: 0,
        originals: 0,
        doubles: settings.events.saturating_sub(originals + BROKEN.len() as u64),
        broken_every: (originals / (BROKEN.len() as u64 + 1)).max(1),
        written: Written::default(),
    };
    let firsts = plan.actors.iter().enumerate().filter_map(|(index, actor)| {
        let at = actor.due(&plan.span)?;
        Some(Reverse(Next { at, is_report: false, actor: index, serial: 0 }))
    });
    let agenda = firsts.collect();
    let chooser = Random::new(settings.seed, &[5]);
    let mut stream = Stream { plan, post, chooser, agenda, line: String::with_capacity(2_048) };
    let mut turns = 0_u64;
    while let Some(Reverse(next)) = stream.agenda.pop() {
        stream.post.deliver_until(next.at)?;
        if next.is_report {
            stream.report(next);
        } else {
            stream.step(next);
        }
        turns += 1;
        if turns.is_multiple_of(4_096) {
            progress(stream.post.written.events);
        }
    }
    let mut post = stream.post;
    post.deliver_until(i64::MAX)?;
    post.sink.finish()?;
    progress(post.written.events);
    Ok(post.written)
}

impl Stream<'_> {
    /// A place for a report of an actor that still lives.
    fn report(&mut self, next: Next) {
        let plan = &mut self.plan;
        let actor = &mut plan.actors[next.actor];
        if !actor.alive || actor.serial != next.serial {
            return;
        }
        // Of the places that are left, as many are taken as there are reports left.
        if self.chooser.below(plan.places) < plan.reports {
            plan.reports -= 1;
            self.line.clear();
            wire::report(&mut self.line, actor, &plan.customers, next.at, plan.grid);
            self.post.send(&self.line, next.at);
        }
        plan.places -= 1;
        let at = next.at + plan.grid;
        if at < plan.span.end {
            self.agenda.push(Reverse(Next { at, ..next }));
        }
    }

    /// A step of an actor's life.
    fn step(&mut self, next: Next) {
        let plan = &mut self.plan;
        let actor = &mut plan.actors[next.actor];
        let step = actor.step(&plan.neighbours[actor.customer]);
        if step.is_told() {
            self.line.clear();
            wire::life(&mut self.line, actor, &plan.customers, step, next.at);
            self.post.send(&self.line, next.at);
        }
        if step == Life::Create {
            self.post.written.resources += 1;
            let at = first_place(actor, plan.grid);
            if at < plan.span.end {
                let serial = actor.serial;
                let report = Next { at, is_report: true, actor: next.actor, serial };
                self.agenda.push(Reverse(report));
            }
        }
        if let Some(at) = actor.due(&plan.span) {
            self.agenda.push(Reverse(Next { at, ..next }));
        }
    }
}

impl Post<'_> {
    /// Puts a message on its way: most arrive within seconds, some after minutes and out of order,
    /// a few after days, and one of fifty twice.
    fn send(&mut self, line: &str, now: i64) {
        self.originals += 1;
        let delay = match self.random.below(1_000) {
            0..=9 => self.random.between(HOUR, 4 * DAY),
            10..=59 => self.random.between(SECOND, 30 * MINUTE),
            _ => self.random.between(0, 5 * SECOND),
        };
        self.written.late += u64::from(delay > HOUR);
        self.push(now + delay, line.as_bytes());
        if self.originals.is_multiple_of(DOUBLED_EVERY) && self.doubles > 0 {
            self.doubles -= 1;
            let again = self.random.between(SECOND, 2 * HOUR);
            self.written.doubled += 1;
            self.push(now + delay + again, line.as_bytes());
        }
        let due = usize::try_from(self.originals / self.broken_every).unwrap_or(0);
        if self.originals.is_multiple_of(self.broken_every) && due <= BROKEN.len() {
            self.written.broken += 1;
            self.push(now, BROKEN[due - 1]);
        }
    }

    fn push(&mut self, at: i64, line: &[u8]) {
        self.number += 1;
        self.waiting.push(Reverse(Delivery { at, number: self.number, line: line.into() }));
    }

    fn deliver_until(&mut self, now: i64) -> std::io::Result<()> {
        while self.waiting.peek().is_some_and(|Reverse(first)| first.at <= now) {
            let Some(Reverse(delivery)) = self.waiting.pop() else { break };
            self.written.events += 1;
            self.written.bytes += delivery.line.len() as u64 + 1;
            self.sink.write(delivery.at, &delivery.line)?;
        }
        Ok(())
    }
}
