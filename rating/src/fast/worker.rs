//! [`Worker`]: meters bucket after bucket, resource after resource, into one [`Tally`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use turnpike_schemas::book::OpenIntervals;
use turnpike_schemas::{Instant, Period, ResourceId};

use super::block::Numbers;
use super::cursor::{Cursor, Event, Masked, Unread};
use super::fold::Known;
use super::route::Routes;
use super::sink::Pending;
use super::tally::Tally;
use crate::metering::{self, Metered};
use crate::tariff_lookup::Lookup;

/// What of a bucket a worker is given.
pub(crate) struct FastTask<'t> {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) opening: BTreeMap<ResourceId, Metered>,
    pub(crate) masked: &'t Masked,
    /// Resources that have rows elsewhere: the general way takes them.
    pub(crate) elsewhere: HashSet<String>,
    /// Month starts at which states are kept, ascending.
    pub(crate) state_months: &'t [(i32, Instant)],
    pub(crate) until: Instant,
}

/// What a worker leaves of a bucket besides its sums.
#[derive(Debug, Default)]
pub(crate) struct FastResult {
    pub(crate) left: Left,
    /// What was known at the start of the resources that are left.
    pub(crate) opening: BTreeMap<ResourceId, Metered>,
    pub(crate) states: BTreeMap<i32, Vec<Metered>>,
}

/// The resources that the general way has to meter.
#[derive(Debug, Default)]
pub(crate) struct Left {
    resources: BTreeSet<String>,
    /// This one and all after it.
    from: Option<String>,
}

impl Left {
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.from.is_none()
    }

    pub(crate) fn contains(&self, resource: &str) -> bool {
        self.from.as_deref().is_some_and(|from| from <= resource)
            || self.resources.contains(resource)
    }
}

/// Meters buckets on one thread. What it has learnt of the book serves the next bucket as well.
pub(crate) struct Worker<'r, 'l> {
    pending: Pending<'r, 'l>,
    tally: Tally,
    policies: HashMap<u32, OpenIntervals>,
    known: Known,
    event: Event,
    /// States of the resource at hand, by month.
    states: Vec<(i32, Metered)>,
}

impl<'r, 'l> Worker<'r, 'l> {
    pub(crate) fn new(lookup: &'r Lookup<'l>, span: Period) -> Self {
        let pending = Pending {
            routes: Routes::new(lookup, span),
            slots: Vec::new(),
            numbers: Numbers::default(),
            span: (span.start().micros(), span.end().micros()),
            until: 0,
            sums: Vec::new(),
            intervals: 0,
            declined: false,
        };
        Self {
            pending,
            tally: Tally::default(),
            policies: HashMap::new(),
            known: Known::default(),
            event: Event::empty(),
            states: Vec::new(),
        }
    }

    /// Everything is left.
    pub(crate) fn leave(task: FastTask<'_>) -> FastResult {
        let from = Some(String::new());
        let states = task.state_months.iter().map(|(month, _)| (*month, Vec::new())).collect();
        FastResult { left: Left { from, ..Left::default() }, opening: task.opening, states }
    }

    /// Rows and events metered since the last call.
    pub(crate) fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.tally.rows), std::mem::take(&mut self.tally.events))
    }

    /// The sums of all buckets.
    pub(crate) fn finish(mut self) -> Tally {
        self.tally.slots = self.pending.slots;
        self.tally.settle();
        self.tally
    }

    /// Meters a bucket.
    pub(crate) fn meter(&mut self, mut task: FastTask<'_>) -> FastResult {
        self.pending.until = task.until.micros();
        let resources = task.elsewhere.iter().cloned().collect();
        let opening = std::mem::take(&mut task.opening);
        let states = task.state_months.iter().map(|(month, _)| (*month, Vec::new())).collect();
        let left = Left { resources, from: None };
        let mut result = FastResult { left, opening, states };
        let mut name = Vec::new();
        if self.walk(&task, &mut result, &mut name).is_err() {
            // What comes before it was metered whole.
            let name = String::from_utf8(name).unwrap_or_default();
            result.left.from = Some(name);
            return result;
        }
        // Resources that no event came for.
        let quiet: Vec<ResourceId> = result.opening.keys().cloned().collect();
        for resource in &quiet {
            if result.left.contains(resource.as_str()) {
                continue;
            }
            self.begin(resource.as_str(), &result);
            self.close(&task, resource.as_str(), &mut result, 0, (0, 0));
        }
        result
    }

    fn walk(
        &mut self,
        task: &FastTask<'_>,
        result: &mut FastResult,
        name: &mut Vec<u8>,
    ) -> Result<(), Unread> {
        let keys = !task.masked.is_empty();
        let mut cursors = Vec::with_capacity(task.files.len());
        for path in &task.files {
            let mut cursor = Cursor::open(path)?;
            cursor.settle(&mut self.pending.numbers, keys)?;
            cursors.push(cursor);
        }
        let mut own = Vec::with_capacity(cursors.len());
        loop {
            let Some(least) = cursors.iter().filter_map(Cursor::resource).min() else {
                return Ok(());
            };
            name.clear();
            name.extend_from_slice(least);
            own.clear();
            let stands = |at: &usize| cursors[*at].resource() == Some(name.as_slice());
            own.extend((0..cursors.len()).filter(stands));
            let text = std::str::from_utf8(name).map_err(|_| Unread)?;
            if ResourceId::new(text).is_err() {
                return Err(Unread);
            }
            if !task.elsewhere.contains(text) {
                self.resource(task, text, &mut cursors, &own, result)?;
            }
            for at in &own {
                cursors[*at].skip(name, keys, &mut self.pending.numbers)?;
            }
        }
    }

    /// Meters one resource, whose rows `own` cursors have.
    fn resource(
        &mut self,
        task: &FastTask<'_>,
        name: &str,
        cursors: &mut [Cursor],
        own: &[usize],
        result: &mut FastResult,
    ) -> Result<(), Unread> {
        self.begin(name, result);
        let (mut month, mut rows, mut events) = (0, 0, 0);
        while !self.pending.declined {
            let Some(at) = self.next_cursor(cursors, own, name) else { break };
            let numbers = &mut self.pending.numbers;
            if !cursors[at].next(name.as_bytes(), task.masked, numbers, &mut self.event)? {
                break;
            }
            rows += self.event.rows;
            if self.event.masked {
                continue;
            }
            events += 1;
            let Some(head) = self.event.head else {
                self.pending.declined = true;
                break;
            };
            while let Some((name_of_month, start)) = task.state_months.get(month) {
                if self.event.time < start.micros() {
                    break;
                }
                self.keep_state(*name_of_month, *start, name);
                month += 1;
            }
            let Event { time, measures, .. } = &self.event;
            self.known.apply(&head, *time, measures, &mut self.pending);
        }
        self.close(task, name, result, month, (rows, events));
        Ok(())
    }

    /// The cursor with the next event. Where two events of two runs stand at one place their keys
    /// decide, which are not read here: the resource is declined.
    fn next_cursor(&mut self, cursors: &[Cursor], own: &[usize], name: &str) -> Option<usize> {
        if let [one] = own {
            return Some(*one);
        }
        let mut least: Option<((i64, u8), usize)> = None;
        for at in own {
            let cursor = &cursors[*at];
            if cursor.resource() != Some(name.as_bytes()) {
                continue;
            }
            let place = cursor.place()?;
            match least {
                Some((other, _)) if other == place => {
                    self.pending.declined = true;
                    return None;
                }
                Some((other, _)) if other < place => {}
                _ => least = Some((place, *at)),
            }
        }
        least.map(|(_, at)| at)
    }

    fn begin(&mut self, name: &str, result: &FastResult) {
        self.pending.clear();
        self.states.clear();
        self.known.clear();
        if result.opening.is_empty() {
            return;
        }
        let opening = ResourceId::new(name).ok().and_then(|name| result.opening.get(&name));
        if let Some(opening) = opening {
            let loaded = self.known.load(opening, &mut self.pending.numbers);
            self.pending.declined = loaded.is_none();
        }
    }

    /// Ends a resource: all of it counts now, or none.
    fn close(
        &mut self,
        task: &FastTask<'_>,
        name: &str,
        result: &mut FastResult,
        month: usize,
        (rows, events): (u64, u64),
    ) {
        if !self.pending.declined {
            for (name_of_month, start) in task.state_months.iter().skip(month) {
                self.keep_state(*name_of_month, *start, name);
            }
            let policy = self.policy();
            self.known.finish(self.pending.until, policy, &mut self.pending);
        }
        if self.pending.declined {
            result.left.resources.insert(name.to_owned());
            return;
        }
        let accounts = &self.pending.routes.book().accounts;
        for (account, slot, sums) in &self.pending.sums {
            let slots = &self.pending.slots;
            let owner = &accounts[*account as usize];
            self.tally.add(slots, owner, (*account, *slot), name, sums);
        }
        self.tally.intervals += self.pending.intervals;
        self.tally.rows += rows;
        self.tally.events += events;
        for (month, state) in self.states.drain(..) {
            result.states.entry(month).or_default().push(state);
        }
        if !result.opening.is_empty()
            && let Ok(name) = ResourceId::new(name)
        {
            result.opening.remove(&name);
        }
    }

    fn policy(&mut self) -> OpenIntervals {
        let source = self.known.holder.source;
        let (routes, numbers) = (&self.pending.routes, &self.pending.numbers);
        *self.policies.entry(source).or_insert_with(|| {
            routes.book().open_intervals(numbers.names.text(source).unwrap_or_default())
        })
    }

    fn keep_state(&mut self, month: i32, start: Instant, name: &str) {
        let known = self.known.to_metered(name, &self.pending.numbers);
        if let Some(known) = known.filter(|known| metering::is_remembered(known, start)) {
            self.states.push((month, known));
        }
    }
}
