//! [`Worker`]: meters bucket after bucket, resource after resource, into one [`Tally`].

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::PathBuf;

use turnpike_schemas::{Instant, ResourceId};

use super::block::{Block, Changes};
use super::cursor::{Cursor, Event, Masked, Unread};
use super::fold::Known;
use super::head::Head;
use super::held::LANES;
use super::kept::Keeping;
use super::policies::Policies;
use super::sink::{Pending, Terms};
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

    /// Its resources; `None` where there may be others.
    pub(crate) fn names(&self) -> Option<&BTreeSet<String>> {
        self.from.is_none().then_some(&self.resources)
    }

    pub(crate) fn contains(&self, resource: &str) -> bool {
        self.from.as_deref().is_some_and(|from| from <= resource)
            || self.resources.contains(resource)
    }
}

/// Meters buckets on one thread. What it has learnt of the books serves the next bucket as well.
pub(crate) struct Worker<'r, 'l, 'v> {
    pending: Pending<'v>,
    /// One of each lane.
    lookups: Vec<&'r Lookup<'l>>,
    tallies: Vec<Tally>,
    policies: Policies,
    known: Known,
    event: Event,
    /// States of the resource at hand, by month.
    states: Vec<(i32, Metered)>,
    rows: u64,
    events: u64,
    /// Where resources are kept instead of summed.
    keeping: Option<Keeping>,
}

impl<'r, 'l, 'v> Worker<'r, 'l, 'v> {
    /// Whether so many books can be priced by at one go.
    pub(crate) fn can_take(books: usize) -> bool {
        books <= LANES
    }

    /// For the run's own book first, and others.
    pub(crate) fn new(terms: &[Terms<'r, 'l, 'v>]) -> Self {
        Self {
            pending: Pending::new(terms),
            lookups: terms.iter().map(|terms| terms.lookup).collect(),
            tallies: terms
                .iter()
                .map(|terms| Tally::of_accounts(terms.lookup.book.accounts.len()))
                .collect(),
            policies: Policies::default(),
            known: Known::default(),
            event: Event::empty(),
            states: Vec::new(),
            rows: 0,
            events: 0,
            keeping: None,
        }
    }

    /// For resources that are kept.
    pub(super) fn keeping(
        lookup: &'r Lookup<'l>,
        pending: Pending<'v>,
        policies: Policies,
        keeping: Keeping,
    ) -> Self {
        let lookups = vec![lookup];
        Self { pending, lookups, policies, keeping: Some(keeping), ..Self::new(&[]) }
    }

    pub(super) fn into_kept(self) -> (Pending<'v>, Policies, Option<Keeping>) {
        (self.pending, self.policies, self.keeping)
    }

    /// Everything is left.
    pub(crate) fn leave(task: FastTask<'_>) -> FastResult {
        let from = Some(String::new());
        let states = task.state_months.iter().map(|(month, _)| (*month, Vec::new())).collect();
        FastResult { left: Left { from, ..Left::default() }, opening: task.opening, states }
    }

    /// Rows and events metered since the last call.
    pub(crate) fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.rows), std::mem::take(&mut self.events))
    }

    /// The sums of all buckets, lane by lane.
    pub(crate) fn finish(self) -> Vec<Tally> {
        let lanes = self.pending.lanes.into_iter().zip(self.lookups).zip(self.tallies);
        let settled = lanes.map(|((lane, lookup), mut tally)| {
            tally.add_waiting(&lane.slots, &lookup.book.accounts);
            tally.slots = lane.slots;
            tally.settle();
            tally
        });
        settled.collect()
    }

    /// Meters a bucket.
    pub(crate) fn meter(&mut self, mut task: FastTask<'_>) -> FastResult {
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
            self.close(&task, resource.as_str(), &mut result, &Done::default());
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
            cursors.push(Cursor::open(path, &mut self.pending.numbers, keys)?);
        }
        let mut own = Vec::with_capacity(cursors.len());
        loop {
            find_least(&cursors, &mut own);
            let Some(least) = own.first().and_then(|at| cursors[*at].resource()) else {
                cursors.into_iter().for_each(|one| one.close(&mut self.pending.numbers));
                return Ok(());
            };
            name.clear();
            name.extend_from_slice(least);
            let text = std::str::from_utf8(name).map_err(|_| Unread)?;
            if !ResourceId::is_valid(text) {
                return Err(Unread);
            }
            if task.elsewhere.is_empty() || !task.elsewhere.contains(text) {
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
        own.iter().for_each(|at| cursors[*at].begin());
        let mut done = Done::default();
        if let [one] = own {
            if let Some((block, rows)) = cursors[*one].stretch()
                && self.can_take_stretches(task)
            {
                self.stretch(block, rows, &mut done);
                self.close(task, name, result, &done);
                return Ok(());
            }
            self.events(task, name, &mut cursors[*one], None, &mut done)?;
            self.close(task, name, result, &done);
            return Ok(());
        }
        while !self.pending.declined {
            // All that comes before the next event of another run is taken at one go.
            let Some((at, until)) = self.next_cursor(task, cursors, own, name)? else { break };
            self.events(task, name, &mut cursors[at], until, &mut done)?;
        }
        self.close(task, name, result, &done);
        Ok(())
    }

    /// Whether nothing but its rows has to be looked at in a resource.
    fn can_take_stretches(&self, task: &FastTask<'_>) -> bool {
        self.keeping.is_none() && task.masked.is_empty() && task.state_months.is_empty()
    }

    /// Takes all events of a resource: as [`Worker::events`] does, of rows that lie side by side.
    fn stretch(&mut self, block: &Block, rows: Range<usize>, done: &mut Done) {
        let Self { pending, lookups, known, event, .. } = self;
        let (mut head, mut says_same): (Option<Head>, bool) = (None, false);
        let mut row = rows.start;
        while row < rows.end {
            if says_same {
                let next = known.take_readings(block, row..rows.end, &mut pending.by(lookups));
                done.rows += (next - row) as u64;
                done.events += (next - row) as u64;
                row = next;
                if pending.declined || row == rows.end {
                    return;
                }
            }
            let changes = if says_same { block.changes(row) } else { Changes::All };
            match (changes, &head) {
                (Changes::Nothing, Some(_)) => {}
                (Changes::Head, Some(last)) => head = block.head(row, Some(last.said)),
                _ => head = block.head(row, None),
            }
            let (first, repeats) = (row, says_same && changes == Changes::Nothing);
            says_same = true;
            event.measures.clear();
            loop {
                match block.measure(row) {
                    Ok(measure) => event.measures.extend(measure),
                    Err(()) => pending.declined = true,
                }
                row += 1;
                if row == rows.end || block.begins_event(row) {
                    break;
                }
                // Rows of one event say the same; who reads the next one still has to look.
                says_same &= block.changes(row) == Changes::Nothing;
            }
            done.rows += (row - first) as u64;
            done.events += 1;
            let Some(head) = head.as_ref().filter(|_| !pending.declined) else {
                pending.declined = true;
                return;
            };
            let what = (block.time(first), event.measures.as_slice());
            known.take(head, repeats, what, &mut pending.by(lookups));
            if pending.declined {
                return;
            }
        }
    }

    /// Takes the events of one run up to those that stand at `until` or later.
    fn events(
        &mut self,
        task: &FastTask<'_>,
        name: &str,
        cursor: &mut Cursor,
        until: Option<(i64, u8)>,
        done: &mut Done,
    ) -> Result<(), Unread> {
        let keys = !task.masked.is_empty();
        let mut says_same = false;
        loop {
            let numbers = &mut self.pending.numbers;
            if !cursor.next(name.as_bytes(), task.masked, numbers, &mut self.event)? {
                return Ok(());
            }
            done.rows += self.event.rows;
            if self.event.masked {
                // What it said was not taken up.
                says_same = false;
            } else {
                done.events += 1;
                let Some(head) = cursor.head().filter(|_| !self.event.is_odd) else {
                    self.pending.declined = true;
                    return Ok(());
                };
                if let Some(keeping) = &mut self.keeping
                    && !keeping.takes(head, self.event.time)
                {
                    self.pending.declined = true;
                    return Ok(());
                }
                while let Some((month, start)) = task.state_months.get(done.months) {
                    if self.event.time < start.micros() {
                        break;
                    }
                    self.keep_state(*month, *start, name);
                    done.months += 1;
                }
                let Event { time, measures, says, .. } = &self.event;
                let says_same =
                    std::mem::replace(&mut says_same, true) && *says == Changes::Nothing;
                let sink = &mut self.pending.by(&self.lookups);
                self.known.take(head, says_same, (*time, measures), sink);
                if self.pending.declined {
                    return Ok(());
                }
            }
            if let Some(until) = until {
                let numbers = &mut self.pending.numbers;
                if !cursor.is_before(until, name.as_bytes(), numbers, keys)? {
                    return Ok(());
                }
            }
        }
    }

    /// The run with the next event, and where the first of another run stands. Where two events of
    /// two runs stand at one place their keys decide, which are not read here: the resource is
    /// declined.
    fn next_cursor(
        &mut self,
        task: &FastTask<'_>,
        cursors: &mut [Cursor],
        own: &[usize],
        name: &str,
    ) -> Result<Option<NextRun>, Unread> {
        let keys = !task.masked.is_empty();
        let (mut least, mut second): (Option<((i64, u8), usize)>, _) = (None, None);
        for at in own {
            let numbers = &mut self.pending.numbers;
            let Some(place) = cursors[*at].place(name.as_bytes(), numbers, keys)? else {
                continue;
            };
            match least {
                Some((other, _)) if other == place => {
                    self.pending.declined = true;
                    return Ok(None);
                }
                Some((other, _)) if other < place => {
                    second = Some(second.map_or(place, |second: (i64, u8)| second.min(place)));
                }
                _ => {
                    second = least.map_or(second, |(other, _)| Some(other));
                    least = Some((place, *at));
                }
            }
        }
        Ok(least.map(|(_, at)| (at, second)))
    }

    fn begin(&mut self, name: &str, result: &FastResult) {
        self.pending.clear();
        self.states.clear();
        self.known.clear();
        if let Some(keeping) = &mut self.keeping {
            keeping.place = (i64::MIN, 0);
        }
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
    fn close(&mut self, task: &FastTask<'_>, name: &str, result: &mut FastResult, done: &Done) {
        if !self.pending.declined {
            for (name_of_month, start) in task.state_months.iter().skip(done.months) {
                self.keep_state(*name_of_month, *start, name);
            }
            self.complete(name);
        }
        if self.pending.declined {
            result.left.resources.insert(name.to_owned());
            return;
        }
        self.add_up(name);
        self.rows += done.rows;
        self.events += done.events;
        for (month, state) in self.states.drain(..) {
            result.states.entry(month).or_default().push(state);
        }
        if !result.opening.is_empty()
            && let Ok(name) = ResourceId::new(name)
        {
            result.opening.remove(&name);
        }
    }

    /// Closes what is open, or keeps it.
    fn complete(&mut self, name: &str) {
        let Self { pending, known, policies, .. } = self;
        // The run's own book says how its usage is metered, whatever it is compared with.
        let Some(own) = self.lookups.first() else { return };
        if let Some(keeping) = &mut self.keeping {
            let kept = keeping.keep(name, known, pending, policies, own);
            pending.declined |= !kept;
            return;
        }
        let policy = policies.of(known.source(), &pending.numbers, own.book);
        known.finish(pending.until(), policy, &mut pending.by(&self.lookups));
    }

    /// Adds what a resource comes to.
    fn add_up(&mut self, name: &str) {
        if self.keeping.is_some() {
            return;
        }
        let lanes = self.pending.lanes.iter().zip(&self.lookups).zip(&mut self.tallies);
        for ((lane, lookup), tally) in lanes {
            let accounts = &lookup.book.accounts;
            for (account, slot, sums) in &lane.sums {
                tally.add(&lane.slots, accounts, (*account, *slot), name, sums);
            }
            tally.intervals += lane.intervals;
        }
    }

    fn keep_state(&mut self, month: i32, start: Instant, name: &str) {
        let known = self.known.to_metered(name, &self.pending.numbers);
        if let Some(known) = known.filter(|known| metering::is_remembered(known, start)) {
            self.states.push((month, known));
        }
    }
}

/// The run to read from, and where the first event of another run stands.
type NextRun = (usize, Option<(i64, u8)>);

/// What of a resource was metered.
#[derive(Default)]
struct Done {
    /// Month starts that were passed.
    months: usize,
    rows: u64,
    events: u64,
}

/// The cursors that stand at the first resource by name.
fn find_least(cursors: &[Cursor], own: &mut Vec<usize>) {
    own.clear();
    let mut least: &[u8] = &[];
    for (at, cursor) in cursors.iter().enumerate() {
        let Some(name) = cursor.resource() else { continue };
        let order = if own.is_empty() { Ordering::Less } else { name.cmp(least) };
        match order {
            Ordering::Less => {
                own.clear();
                own.push(at);
                least = name;
            }
            Ordering::Equal => own.push(at),
            Ordering::Greater => {}
        }
    }
}
