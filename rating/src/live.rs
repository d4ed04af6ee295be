//! The live bill: what an account owes of a window at this instant.
//!
//! Owns: the fold of every resource, what its finished intervals come to, and how both advance with
//! the versions of `usage_events`. Does not own: metering, gathering or pricing; those are a run's.
//! What is usual is kept the short way ([`Kept`]), in numbers; the rest as the general way knows it.
//!
//! Invariants:
//! - The lines of an account are those of a rating run over the same snapshot, book, window and
//!   as-of. An event that comes in order advances its resource; one that comes late, or that a
//!   correction changes, has its resource folded again from its rows.
//! - Memory grows with resources and accounts. Of events only those are kept whose time lies ahead
//!   of the clock: minutes.

mod resource;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use turnpike_lake::{EventFilter, LakeSnapshot};
use turnpike_schemas::amount::AmountError;
use turnpike_schemas::arrow::status;
use turnpike_schemas::{
    AccountId, Instant, OwnerRef, Period, PriceBook, RatedLine, ResourceId, RunId,
};

use crate::account::{Placement, placements};
use crate::engine;
use crate::error::RatingError;
use crate::fast::{FastResult, FastTask, Kept};
use crate::gather::{GatherKey, Gathered, Harvest};
use crate::metering::{EventReader, Metered, MeteredEvent};
use crate::parked::ParkReason;
use crate::request::{MonthRange, RatingRequest, Window};
use crate::run::priced;
use crate::tariff_lookup::Lookup;
use resource::LiveResource;

/// All accounts of a window.
#[derive(Debug)]
pub struct LiveBill {
    book: Arc<PriceBook>,
    periods: BTreeMap<AccountId, Period>,
    span: Period,
    range: MonthRange,
    run: RunId,
    /// The newest commit of `usage_events` that is in the sums.
    raw_version: i64,
    /// The clock up to which events are in the sums.
    now: Instant,
    masked: Arc<HashSet<String>>,
    /// By bucket: from which month on its rows were folded.
    opened: Vec<i32>,
    resources: Vec<HashMap<ResourceId, LiveResource>>,
    /// All other resources. Asking what they come to needs room to sum.
    kept: Mutex<Kept>,
    /// Accounts as they are numbered in the book.
    numbers: HashMap<AccountId, u32>,
    /// Accounts that may have a share in what an owner holds.
    claims: HashMap<OwnerRef, BTreeSet<AccountId>>,
    /// Resources by the accounts that may have a share in them, with their bucket.
    members: HashMap<AccountId, BTreeSet<(usize, ResourceId)>>,
}

/// What an advance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advance {
    pub events: u64,
    /// Resources that were folded again from their rows.
    pub folded_again: u64,
}

/// What one account owes.
#[derive(Debug, Clone)]
pub struct LiveAccount {
    pub period: Period,
    pub as_of: Instant,
    /// As those of a run; none where it is parked.
    pub lines: Vec<RatedLine>,
    pub parked: Option<ParkReason>,
}

impl LiveBill {
    /// Reads a window from its opening states and rows. `now` is the clock: it never goes back.
    pub async fn open(
        snapshot: &LakeSnapshot,
        book: Arc<PriceBook>,
        window: Window,
        now: Instant,
    ) -> Result<Self, RatingError> {
        Self::open_for(snapshot, book, window, now, None).await
    }

    /// [`LiveBill::open`] for some accounts alone.
    pub async fn open_for(
        snapshot: &LakeSnapshot,
        book: Arc<PriceBook>,
        window: Window,
        now: Instant,
        accounts: Option<Vec<AccountId>>,
    ) -> Result<Self, RatingError> {
        let run = RunId::new("live")?;
        let request = RatingRequest { accounts, ..RatingRequest::new(run.clone(), window, now) };
        let periods = request.periods(&book.accounts)?;
        let span = request.span(&periods)?;
        let mut claims: HashMap<OwnerRef, BTreeSet<AccountId>> = HashMap::new();
        for account in &book.accounts {
            for rule in &account.owners {
                claims.entry(rule.owner.clone()).or_default().insert(account.id.clone());
            }
        }
        let buckets = snapshot.buckets();
        let kept = Kept::new(&Lookup::new(&book, &periods), span, buckets);
        let ids = book.accounts.iter().map(|account| account.id.clone());
        let mut live = Self {
            kept: Mutex::new(kept),
            numbers: ids.zip(0..).collect(),
            book,
            periods,
            span,
            range: MonthRange::of(&window, &span),
            run,
            raw_version: snapshot.raw_version(),
            now,
            masked: snapshot.masked().await?,
            opened: vec![i32::MAX; usize::try_from(buckets).unwrap_or(0)],
            resources: (0..buckets).map(|_| HashMap::new()).collect(),
            claims,
            members: HashMap::new(),
        };
        for bucket in 0..buckets {
            live.load(snapshot, bucket).await?;
        }
        Ok(live)
    }

    /// The newest commit of `usage_events` that is in the sums.
    pub fn raw_version(&self) -> i64 {
        self.raw_version
    }

    pub fn book(&self) -> &PriceBook {
        &self.book
    }

    /// The name of the run in its lines.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The clock up to which it is advanced.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Resources that are kept: what memory grows with.
    pub fn resources(&self) -> usize {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).len();
        kept + self.resources.iter().map(HashMap::len).sum::<usize>()
    }

    /// Takes up what was committed since, and lets the clock go on.
    pub async fn advance(
        &mut self,
        snapshot: &LakeSnapshot,
        now: Instant,
    ) -> Result<Advance, RatingError> {
        self.now = self.now.max(now);
        let mut done = Advance::default();
        if snapshot.raw_version() <= self.raw_version {
            return Ok(done);
        }
        let changed = self.corrected(snapshot).await?;
        for bucket in 0..snapshot.buckets() {
            self.advance_bucket(snapshot, bucket, &changed, &mut done).await?;
        }
        self.masked = snapshot.masked().await?;
        self.raw_version = snapshot.raw_version();
        Ok(done)
    }

    /// What an account owes at `as_of`, which the clock must not have passed; `None` where the book
    /// has no such account.
    pub fn account(
        &self,
        id: &AccountId,
        as_of: Instant,
    ) -> Result<Option<LiveAccount>, RatingError> {
        let Some(period) = self.periods.get(id).copied() else { return Ok(None) };
        let periods = BTreeMap::from([(id.clone(), period)]);
        let lookup = Lookup::new(&self.book, &periods).billed_until(as_of);
        let mut harvest = self.harvest(id, &lookup, as_of)?;
        let lines = priced(&lookup, &self.run, &mut harvest);
        let parked = harvest.parked.remove(id);
        Ok(Some(LiveAccount { period, as_of, lines, parked }))
    }

    /// Where each usage of an account stands among the units that are priced together; none where
    /// it is parked.
    pub fn placements(
        &self,
        id: &AccountId,
        as_of: Instant,
    ) -> Result<Vec<Placement>, RatingError> {
        let known = self.periods.get(id).copied().zip(self.book.account(id));
        let Some((period, account)) = known else { return Ok(Vec::new()) };
        let periods = BTreeMap::from([(id.clone(), period)]);
        let lookup = Lookup::new(&self.book, &periods).billed_until(as_of);
        let harvest = self.harvest(id, &lookup, as_of)?;
        if harvest.parked.contains_key(id) {
            return Ok(Vec::new());
        }
        let gathered: Vec<_> = harvest.gathered.into_iter().collect();
        Ok(placements(&lookup, account, &gathered).unwrap_or_default())
    }

    /// The resources behind a line that stands for several, each with what it brings to it.
    pub fn behind(
        &self,
        id: &AccountId,
        as_of: Instant,
        same: impl Fn(&GatherKey) -> bool,
    ) -> Vec<(ResourceId, Gathered)> {
        let Some(period) = self.periods.get(id).copied() else { return Vec::new() };
        let periods = BTreeMap::from([(id.clone(), period)]);
        let lookup = Lookup::new(&self.book, &periods).billed_until(as_of);
        let until = self.span.end().min(as_of);
        let mut found = Vec::new();
        for (bucket, resource) in self.members.get(id).into_iter().flatten() {
            let gathered = match self.resources.get(*bucket).and_then(|all| all.get(resource)) {
                Some(live) => {
                    let mut harvest = live.harvest(&lookup, &self.span, until);
                    harvest.resolve();
                    harvest.gathered
                }
                None => {
                    let usual = std::iter::once((*bucket, resource.as_str()));
                    self.owed(&lookup, id, usual, until).unwrap_or_default()
                }
            };
            let own = gathered.into_iter().filter(|(key, _)| same(key));
            found.extend(own.map(|(_, sums)| (resource.clone(), sums)));
        }
        found.sort_by(|a, b| (&a.0, a.1.first).cmp(&(&b.0, b.1.first)));
        found
    }

    /// All that was gathered for an account.
    fn harvest(
        &self,
        id: &AccountId,
        lookup: &Lookup<'_>,
        as_of: Instant,
    ) -> Result<Harvest, RatingError> {
        if as_of < self.now {
            return Err(RatingError::Past { to: self.now, asked: as_of });
        }
        let until = self.span.end().min(as_of);
        let mut harvest = Harvest::default();
        let mut usual = Vec::new();
        for (bucket, resource) in self.members.get(id).into_iter().flatten() {
            match self.resources.get(*bucket).and_then(|all| all.get(resource)) {
                Some(found) => harvest.merge(found.harvest(lookup, &self.span, until)),
                None => usual.push((*bucket, resource.as_str())),
            }
        }
        let owed = self.owed(lookup, id, usual.into_iter(), until);
        for (key, sums) in owed.ok_or(AmountError::Overflow)? {
            harvest.sum(key, sums);
        }
        harvest.resolve();
        // A resource may have been another account's before.
        harvest.gathered.retain(|key, _| key.account == *id);
        harvest.parked.retain(|parked, _| parked == id);
        Ok(harvest)
    }

    /// What resources that are kept the short way come to for an account; `None` where that is too
    /// much to be summed.
    fn owed<'n>(
        &self,
        lookup: &Lookup<'_>,
        id: &AccountId,
        resources: impl Iterator<Item = (usize, &'n str)>,
        until: Instant,
    ) -> Option<BTreeMap<GatherKey, Gathered>> {
        let Some(number) = self.numbers.get(id) else { return Some(BTreeMap::new()) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.owed(lookup, *number, resources, until)
    }

    /// Resources whose events a correction took away or gave back since.
    async fn corrected(&self, snapshot: &LakeSnapshot) -> Result<HashSet<ResourceId>, RatingError> {
        let masked = snapshot.masked().await?;
        let mut resources = HashSet::new();
        for key in masked.symmetric_difference(&self.masked) {
            let filter = EventFilter {
                key: Some(key.clone()),
                status: Some(status::ACCEPTED.to_owned()),
                ..EventFilter::default()
            };
            let found = snapshot.events(&filter, Some(&["resource"]), 1).await?;
            let names = found.iter().filter_map(|batch| {
                use arrow::array::{Array as _, AsArray as _};
                let names = batch.column_by_name("resource")?.as_string_opt::<i32>()?;
                (!names.is_empty() && names.is_valid(0)).then(|| names.value(0).to_owned())
            });
            for name in names {
                resources.insert(ResourceId::new(name)?);
            }
        }
        Ok(resources)
    }

    async fn advance_bucket(
        &mut self,
        snapshot: &LakeSnapshot,
        bucket: u32,
        changed: &HashSet<ResourceId>,
        done: &mut Advance,
    ) -> Result<(), RatingError> {
        let at = index(bucket);
        let rows = snapshot.scan_after(bucket, 0, self.range.last, self.raw_version).await?;
        let events = events_of(&rows)?;
        done.events += u64::try_from(events.len()).unwrap_or(u64::MAX);
        let mine = |id: &&ResourceId| {
            turnpike_schemas::canonical::bucket_of(id.as_str(), snapshot.buckets()) == bucket
        };
        let mut again: HashSet<ResourceId> = changed.iter().filter(mine).cloned().collect();
        // What comes from before the opening state is late, whatever is known of its resource.
        let opened = self.opened.get(at).copied().unwrap_or(i32::MAX);
        let early = events.iter().filter(|event| event.time.utc_month() < opened);
        again.extend(early.map(|event| event.resource.clone()));
        let mut advanced = Vec::new();
        {
            let lookup = Lookup::new(&self.book, &self.periods);
            let known = &mut self.resources[at];
            let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
            for group in events.chunk_by(|a, b| a.resource == b.resource) {
                let id = &group[0].resource;
                if again.contains(id) {
                    continue;
                }
                let taken = match known.get_mut(id) {
                    Some(live) if live.is_late(&group[0]) => false,
                    Some(live) => {
                        live.take(group, self.now, &lookup, &self.span);
                        true
                    }
                    None => kept.advance(&lookup, (at, id.as_str()), group, self.now),
                };
                if taken {
                    advanced.push(id.clone());
                } else {
                    again.insert(id.clone());
                }
            }
        }
        self.fold_again(snapshot, bucket, &again).await?;
        done.folded_again += u64::try_from(again.len()).unwrap_or(u64::MAX);
        for id in advanced.into_iter().chain(again) {
            self.enlist(at, &id);
        }
        Ok(())
    }

    /// Folds some resources of a bucket from their rows.
    async fn fold_again(
        &mut self,
        snapshot: &LakeSnapshot,
        bucket: u32,
        again: &HashSet<ResourceId>,
    ) -> Result<(), RatingError> {
        if again.is_empty() {
            return Ok(());
        }
        let (month, mut opening) = engine::opening(snapshot, bucket, self.range.first).await?;
        opening.retain(|id, _| again.contains(id));
        let names = again.iter().map(ToString::to_string).collect();
        let rows = snapshot.scan_resources(bucket, month, self.range.last, names).await?;
        for id in again {
            self.resources[index(bucket)].remove(id);
            self.kept_mut().remove(index(bucket), id.as_str());
        }
        self.fold(index(bucket), opening, &events_of(&rows)?);
        Ok(())
    }

    fn kept_mut(&mut self) -> &mut Kept {
        self.kept.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds resources from what was known of them and all of their events.
    fn fold(
        &mut self,
        at: usize,
        mut opening: BTreeMap<ResourceId, Metered>,
        events: &[MeteredEvent],
    ) {
        let lookup = Lookup::new(&self.book, &self.periods);
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        let known = &mut self.resources[at];
        let mut open = |id: &ResourceId, state: Option<Metered>, events: &[MeteredEvent]| {
            let name = (at, id.as_str());
            if !kept.open(&lookup, name, state.as_ref(), events, self.now) {
                let mut live = LiveResource::open(state);
                live.take(events, self.now, &lookup, &self.span);
                known.insert(id.clone(), live);
            }
        };
        for group in events.chunk_by(|a, b| a.resource == b.resource) {
            let id = &group[0].resource;
            open(id, opening.remove(id), group);
        }
        // Those that no event came for.
        for (id, state) in opening {
            open(&id, Some(state), &[]);
        }
    }

    /// Reads a bucket from its opening state.
    async fn load(&mut self, snapshot: &LakeSnapshot, bucket: u32) -> Result<(), RatingError> {
        let at = index(bucket);
        let (month, opening) = engine::opening(snapshot, bucket, self.range.first).await?;
        self.opened[at] = month;
        let last = self.range.last;
        let tail = snapshot.tail(bucket, month, last).await?;
        let runs = snapshot.checked_runs(bucket, month, last)?;
        let FastResult { left, mut opening, .. } = {
            let lookup = Lookup::new(&self.book, &self.periods);
            let task = FastTask {
                files: runs.into_iter().map(|run| run.path).collect(),
                opening,
                masked: &self.masked,
                elsewhere: engine::resources_of(&tail),
                state_months: &[],
            };
            let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
            kept.read(&lookup, at, task, self.now)
        };
        if !left.is_empty() {
            let rows = match left.names() {
                Some(names) => {
                    let names = names.iter().cloned().collect();
                    snapshot.scan_resources(bucket, month, last, names).await?
                }
                None => snapshot.scan(bucket, month, last).await?,
            };
            let mut events = events_of(&rows)?;
            events.retain(|event| left.contains(event.resource.as_str()));
            opening.retain(|id, _| left.contains(id.as_str()));
            self.fold(at, opening, &events);
        }
        let mut ids: Vec<ResourceId> = self.resources[at].keys().cloned().collect();
        for name in self.kept_mut().names(at) {
            ids.push(ResourceId::new(name)?);
        }
        for id in ids {
            self.enlist(at, &id);
        }
        Ok(())
    }

    /// Notes which accounts may have a share in a resource. One that has no longer is only looked at
    /// in vain.
    fn enlist(&mut self, bucket: usize, id: &ResourceId) {
        let accounts = match self.resources[bucket].get(id) {
            Some(live) => live.accounts(&self.claims),
            None => {
                let numbers = self.kept_mut().accounts(bucket, id.as_str());
                let accounts = numbers
                    .into_iter()
                    .filter_map(|number| self.book.accounts.get(usize::try_from(number).ok()?));
                accounts.map(|account| account.id.clone()).collect()
            }
        };
        for account in accounts {
            self.members.entry(account).or_default().insert((bucket, id.clone()));
        }
    }
}

fn index(bucket: u32) -> usize {
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

fn events_of(rows: &[arrow::array::RecordBatch]) -> Result<Vec<MeteredEvent>, RatingError> {
    let mut events = Vec::new();
    let mut reader = EventReader::default();
    for batch in rows {
        reader.read(batch, |event| {
            events.push(event);
            Ok(())
        })?;
    }
    events.extend(reader.finish());
    Ok(events)
}
