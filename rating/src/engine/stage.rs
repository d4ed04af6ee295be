//! The stage that meters all buckets, some at a time, each on one thread from its files to its sums.
//!
//! Of each bucket the short way ([`crate::fast`]) takes what is usual; the plan of the bucket takes
//! the resources that are left. Sums are added up as buckets end.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use datafusion::execution::context::SessionContext;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use turnpike_lake::LakeSnapshot;
use turnpike_schemas::{AccountId, Instant, Period, PriceBook, ResourceId};

use super::{MeterTask, View, meter_bucket};
use crate::convert;
use crate::error::RatingError;
use crate::fast::{FastTask, Tally, Terms, Worker};
use crate::gather::Harvest;
use crate::metering::{FOLD_VERSION, Metered};
use crate::request::{MonthRange, RatingProgress, RatingRequest};
use crate::tariff_lookup::Lookup;

/// What is metered, and under which book.
pub(crate) struct Job {
    pub(crate) snapshot: LakeSnapshot,
    pub(crate) session: SessionContext,
    pub(crate) book: Arc<PriceBook>,
    pub(crate) periods: Arc<BTreeMap<AccountId, Period>>,
    pub(crate) span: Period,
    pub(crate) request: RatingRequest,
    /// Keys of events that corrections took back or replaced.
    pub(crate) masked: Arc<HashSet<String>>,
    /// Other ways to price the same usage.
    pub(crate) views: Arc<Vec<View>>,
}

/// What all buckets come to.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) harvest: Harvest,
    /// One of each view.
    pub(crate) views: Vec<Harvest>,
    /// One of each thread.
    pub(crate) tallies: Vec<Tally>,
    /// Of each view, one of each thread.
    pub(crate) view_tallies: Vec<Vec<Tally>>,
    pub(crate) rows: u64,
    pub(crate) events: u64,
    /// Events that went the short way.
    pub(crate) short_events: u64,
    /// Times that rows were spilled.
    pub(crate) spills: u64,
    /// Per month start and bucket.
    pub(crate) states: BTreeMap<i32, BTreeMap<u32, Vec<Metered>>>,
}

/// Tells the threads to stop after the bucket at hand, when the run is cancelled.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Meters every bucket. Nothing is written.
pub(crate) async fn meter_all(
    job: Job,
    progress: &(dyn Fn(RatingProgress) + Send + Sync),
) -> Result<Found, RatingError> {
    let stop = Arc::new(AtomicBool::new(false));
    let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
    let (sender, mut done) = mpsc::unbounded_channel();
    let buckets = job.snapshot.buckets();
    let handle = Handle::current();
    let threads = tokio::task::spawn_blocking(move || run_threads(&job, &handle, &stop, &sender));
    let mut now = RatingProgress { buckets_done: 0, buckets, rows: 0 };
    while let Some(rows) = done.recv().await {
        now.buckets_done += 1;
        now.rows += rows;
        progress(now);
    }
    match threads.await {
        Ok(found) => found,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(RatingError::Cancelled(error)),
    }
}

fn run_threads(
    job: &Job,
    handle: &Handle,
    stop: &AtomicBool,
    done: &mpsc::UnboundedSender<u64>,
) -> Result<Found, RatingError> {
    let lookup = Lookup::new(&job.book, &job.periods);
    let lookups = job.views.iter().map(|view| Lookup::new(&view.book, &view.periods));
    let lookups: Vec<Lookup<'_>> = lookups.collect();
    let terms = terms(job, &lookup, &lookups);
    let all = Found {
        views: job.views.iter().map(|_| Harvest::default()).collect(),
        view_tallies: job.views.iter().map(|_| Vec::new()).collect(),
        ..Found::default()
    };
    let (next, found) = (AtomicU32::new(0), Mutex::new(Ok(all)));
    std::thread::scope(|scope| {
        for _ in 0..job.request.threads.max(1) {
            scope.spawn(|| {
                let mut worker = Worker::new(&terms);
                while !stop.load(Ordering::Relaxed) {
                    let bucket = next.fetch_add(1, Ordering::Relaxed);
                    if bucket >= job.snapshot.buckets() {
                        break;
                    }
                    let result = handle.block_on(meter_one(job, &mut worker, bucket));
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match (&mut *found, result) {
                        (Ok(all), Ok(one)) => {
                            // Whoever listened may have gone: then the run is cancelled.
                            let _ = done.send(one.rows);
                            all.add(bucket, one);
                        }
                        (_, Err(error)) => {
                            *found = Err(error);
                            stop.store(true, Ordering::Relaxed);
                        }
                        (Err(_), Ok(_)) => {}
                    }
                }
                if let Ok(all) = &mut *found.lock().unwrap_or_else(PoisonError::into_inner) {
                    all.take_tallies(worker.finish());
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Of the run's own book, then of each view.
fn terms<'r, 'l>(
    job: &'l Job,
    lookup: &'r Lookup<'l>,
    lookups: &'r [Lookup<'l>],
) -> Vec<Terms<'r, 'l, 'l>> {
    let own = Terms { lookup, span: job.span, until: job.until(), view: None };
    let views = job.views.iter().zip(lookups);
    let views = views.map(|(view, lookup)| Terms {
        lookup,
        span: view.span,
        until: view.until,
        view: Some(view),
    });
    std::iter::once(own).chain(views).collect()
}

impl Job {
    /// Nothing is billed at or past this instant.
    fn until(&self) -> Instant {
        self.span.end().min(self.request.as_of)
    }
}

impl Found {
    fn take_tallies(&mut self, tallies: Vec<Tally>) {
        let mut tallies = tallies.into_iter();
        self.tallies.extend(tallies.next());
        self.view_tallies.iter_mut().zip(tallies).for_each(|(all, own)| all.push(own));
    }

    fn add(&mut self, bucket: u32, one: OneBucket) {
        self.harvest.merge(one.harvest);
        self.views.iter_mut().zip(one.views).for_each(|(all, own)| all.merge(own));
        self.rows += one.rows;
        self.events += one.events;
        self.short_events += one.short_events;
        self.spills += one.spills;
        // Buckets open at different months: one that began later knows nothing of earlier starts.
        for (month, known) in one.states {
            self.states.entry(month).or_default().insert(bucket, known);
        }
    }
}

/// What is found of one bucket outside of the worker's sums.
#[derive(Default)]
struct OneBucket {
    harvest: Harvest,
    views: Vec<Harvest>,
    rows: u64,
    events: u64,
    short_events: u64,
    spills: u64,
    states: BTreeMap<i32, Vec<Metered>>,
}

async fn meter_one(
    job: &Job,
    worker: &mut Worker<'_, '_, '_>,
    bucket: u32,
) -> Result<OneBucket, RatingError> {
    let (snapshot, request) = (&job.snapshot, &job.request);
    // The calendars of a view's accounts may begin the month earlier.
    let earliest = job.views.iter().map(|view| view.span).min_by_key(Period::start);
    let reach = earliest.filter(|reach| reach.start() < job.span.start());
    let range = MonthRange::of(&request.window, &reach.unwrap_or(job.span));
    let (first, opening) = opening(snapshot, bucket, range.first).await?;
    let state_months = range.state_months(first, request.as_of);
    let tail = snapshot.tail(bucket, first, range.last).await?;
    let runs = snapshot.checked_runs(bucket, first, range.last)?;
    let files: Vec<PathBuf> = runs.iter().map(|run| run.path.clone()).collect();
    let task = FastTask {
        files,
        opening,
        masked: &job.masked,
        elsewhere: resources_of(&tail),
        state_months: &state_months,
    };
    let general = request.general_only || !Worker::can_take(1 + job.views.len());
    let fast = if general { Worker::leave(task) } else { worker.meter(task) };
    let (rows, events) = worker.take_counts();
    let mut one = OneBucket {
        rows,
        events,
        short_events: events,
        states: fast.states,
        ..OneBucket::default()
    };
    if fast.left.is_empty() {
        return Ok(one);
    }
    let task = MeterTask {
        bucket,
        masked: Arc::clone(&job.masked),
        book: Arc::clone(&job.book),
        periods: Arc::clone(&job.periods),
        span: job.span,
        until: job.until(),
        state_months,
        opening: fast.opening,
        left: fast.left,
        views: Arc::clone(&job.views),
        result: Mutex::default(),
    };
    let general = meter_bucket(&job.session, &runs, tail, task).await?;
    one.rows += general.rows;
    one.events += general.events;
    one.spills = general.spills;
    one.harvest = general.harvest;
    one.views = general.views;
    for (month, known) in general.states {
        one.states.entry(month).or_default().extend(known);
    }
    Ok(one)
}

/// The month that a bucket is metered from, and what was known then.
pub(crate) async fn opening(
    snapshot: &LakeSnapshot,
    bucket: u32,
    first: i32,
) -> Result<(i32, BTreeMap<ResourceId, Metered>), RatingError> {
    let Some((month, batches)) = snapshot.state(bucket, first, FOLD_VERSION).await? else {
        let oldest = snapshot.months().first().copied().unwrap_or(first);
        return Ok((oldest.min(first), BTreeMap::new()));
    };
    let known = convert::states_from_batches(&batches)?;
    let by_name = known.into_iter().map(|known| (known.holder.resource.clone(), known));
    Ok((month, by_name.collect()))
}

pub(crate) fn resources_of(tail: &[RecordBatch]) -> HashSet<String> {
    let mut names = HashSet::new();
    for batch in tail {
        let column = batch.column_by_name("resource").and_then(|c| c.as_string_opt::<i32>());
        for name in column.into_iter().flat_map(|column| column.iter().flatten()) {
            if !names.contains(name) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}
