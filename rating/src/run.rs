//! A rating run: meter every bucket, gather, price per account, and hash the result.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use turnpike_lake::{Lake, LakeSnapshot};
use turnpike_schemas::{AccountId, Period, PriceBook, RatedLine, ResourceId, RunId, canonical};

use crate::account::price_account;
use crate::convert;
use crate::engine::{self, BucketResult, MeterTask, View};
use crate::error::RatingError;
use crate::gather::{GatherKey, Gathered, Harvest};
use crate::metering::{FOLD_VERSION, Metered};
use crate::parked::{Parked, Unassigned};
use crate::request::{MonthRange, RatingProgress, RatingRequest};
use crate::tariff_lookup::Lookup;

#[cfg(test)]
mod tests;

/// Version of what rating computes: part of a run's inputs.
pub const CODE_VERSION: &str = "1";

/// What a run was computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInputs {
    pub raw_version: i64,
    pub usage_version: i64,
    pub book_hash: String,
    pub code_version: String,
}

/// What a run comes to.
#[derive(Debug)]
pub struct RatingOutcome {
    pub run: RunId,
    /// In canonical order.
    pub lines: Vec<RatedLine>,
    pub parked: Vec<Parked>,
    pub unassigned: Vec<Unassigned>,
    /// SHA-256 over the lines, parked and unassigned usage, without the run's id.
    pub hash: String,
    pub inputs: RunInputs,
    pub periods: BTreeMap<AccountId, Period>,
    pub rows: u64,
    pub events: u64,
    pub intervals: u64,
    /// Per month start and bucket: what is known there, to be stored ([`store`]).
    pub states: BTreeMap<i32, BTreeMap<u32, Vec<Metered>>>,
}

/// Rates a window. Pure: reads the snapshot and writes nothing.
pub async fn rate(
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    request: &RatingRequest,
    progress: &(dyn Fn(RatingProgress) + Send + Sync),
) -> Result<RatingOutcome, RatingError> {
    Ok(rate_views(snapshot, book, Vec::new(), request, progress).await?.0)
}

/// What usage comes to in another view.
#[derive(Debug)]
pub struct ViewOutcome {
    pub lines: Vec<RatedLine>,
    pub parked: Vec<Parked>,
    pub unassigned: Vec<Unassigned>,
}

/// [`rate`], with other views of the same usage, which is metered once.
pub async fn rate_views(
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    views: Vec<View>,
    request: &RatingRequest,
    progress: &(dyn Fn(RatingProgress) + Send + Sync),
) -> Result<(RatingOutcome, Vec<ViewOutcome>), RatingError> {
    let periods = request.periods(&book.accounts)?;
    let span = request.span(&periods)?;
    let session = engine::session(request.batch_rows, request.memory_bytes)?;
    let (book_shared, periods_shared) = (Arc::new(book.clone()), Arc::new(periods.clone()));
    let views = Arc::new(views);
    let done = Mutex::new(RatingProgress { buckets_done: 0, buckets: snapshot.buckets(), rows: 0 });
    let buckets = stream::iter(0..snapshot.buckets()).map(|bucket| {
        let (session, done) = (&session, &done);
        let (book, periods) = (Arc::clone(&book_shared), Arc::clone(&periods_shared));
        let views = Arc::clone(&views);
        async move {
            let task = task_of(snapshot, bucket, book, periods, span, views, request).await?;
            let result = engine::meter_bucket(session, snapshot, task).await?;
            let mut now = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            now.buckets_done += 1;
            now.rows += result.rows;
            progress(*now);
            Ok::<BucketResult, RatingError>(result)
        }
    });
    let mut results: Vec<BucketResult> =
        buckets.buffer_unordered(request.threads.max(1)).try_collect().await?;
    let mut harvests: Vec<Harvest> = views.iter().map(|_| Harvest::default()).collect();
    for result in &mut results {
        harvests.iter_mut().zip(result.views.drain(..)).for_each(|(all, own)| all.merge(own));
    }
    let viewed = views.iter().zip(harvests);
    let outcomes = viewed.map(|(view, harvest)| view_outcome(view, request, harvest));
    let outcomes = outcomes.collect();
    Ok((assemble(snapshot, book, request, periods, results), outcomes))
}

fn view_outcome(view: &View, request: &RatingRequest, mut harvest: Harvest) -> ViewOutcome {
    let lookup = Lookup::new(&view.book, &view.periods).billed_until(request.as_of);
    let lines = priced(&lookup, &request.run, &mut harvest);
    let parked = harvest.parked();
    ViewOutcome { lines, parked, unassigned: harvest.unassigned.into_values().collect() }
}

async fn task_of(
    snapshot: &LakeSnapshot,
    bucket: u32,
    book: Arc<PriceBook>,
    periods: Arc<BTreeMap<AccountId, Period>>,
    span: Period,
    views: Arc<Vec<View>>,
    request: &RatingRequest,
) -> Result<MeterTask, RatingError> {
    // The calendars of a view's accounts may begin the month earlier.
    let earliest = views.iter().min_by_key(|view| view.span.start());
    let reach = earliest.map(|view| view.span).filter(|reach| reach.start() < span.start());
    let range = MonthRange::of(&request.window, &reach.unwrap_or(span));
    let stored = snapshot.state(bucket, range.first, FOLD_VERSION).await?;
    let (opening_month, opening) = match stored {
        Some((month, batches)) => (month, convert::states_from_batches(&batches)?),
        None => {
            let first = snapshot.months().first().copied().unwrap_or(range.first);
            (first.min(range.first), Vec::new())
        }
    };
    let opening: BTreeMap<ResourceId, Metered> =
        opening.into_iter().map(|known| (known.holder.resource.clone(), known)).collect();
    Ok(MeterTask {
        bucket,
        masked: snapshot.masked().await?,
        book,
        periods,
        span,
        until: span.end().min(request.as_of),
        months: MonthRange { first: opening_month, last: range.last },
        state_months: range.state_months(opening_month, request.as_of),
        opening,
        views,
        result: Mutex::new(BucketResult::default()),
    })
}

fn assemble(
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    request: &RatingRequest,
    periods: BTreeMap<AccountId, Period>,
    results: Vec<BucketResult>,
) -> RatingOutcome {
    let mut harvest = Harvest::default();
    let mut states: BTreeMap<i32, BTreeMap<u32, Vec<Metered>>> = BTreeMap::new();
    let (mut rows, mut events) = (0_u64, 0_u64);
    for result in results {
        rows += result.rows;
        events += result.events;
        // Buckets open at different months: one that began later knows nothing of earlier starts.
        for (month, known) in result.states {
            states.entry(month).or_default().insert(result.bucket, known);
        }
        harvest.merge(result.harvest);
    }
    let lookup = Lookup::new(book, &periods).billed_until(request.as_of);
    let lines = priced(&lookup, &request.run, &mut harvest);
    let parked = harvest.parked();
    let unassigned: Vec<Unassigned> = harvest.unassigned.into_values().collect();
    RatingOutcome {
        run: request.run.clone(),
        hash: hash(&lines, &parked, &unassigned),
        lines,
        parked,
        unassigned,
        inputs: RunInputs {
            raw_version: snapshot.raw_version(),
            usage_version: snapshot.usage_version(),
            book_hash: book.hash(),
            code_version: CODE_VERSION.to_owned(),
        },
        periods,
        rows,
        events,
        intervals: harvest.intervals,
        states,
    }
}

/// Prices every account of the run that is not parked: what was gathered for it, and what is due
/// without usage. An account whose amounts fail is parked whole: no line of it is kept.
pub(crate) fn priced(lookup: &Lookup<'_>, run: &RunId, harvest: &mut Harvest) -> Vec<RatedLine> {
    harvest.resolve();
    let mut by_account: BTreeMap<AccountId, Vec<(GatherKey, Gathered)>> =
        lookup.periods.keys().map(|id| (id.clone(), Vec::new())).collect();
    for (key, sums) in std::mem::take(&mut harvest.gathered) {
        by_account.entry(key.account.clone()).or_default().push((key, sums));
    }
    let mut lines = Vec::new();
    for (id, gathered) in by_account {
        if harvest.parked.contains_key(&id) {
            continue;
        }
        let account = lookup.book.account(&id).expect("an account of the run is in the book");
        match price_account(lookup, run, account, &gathered) {
            Ok(priced) => lines.extend(priced),
            Err(reason) => harvest.park_id(id, reason),
        }
    }
    lines
}

fn hash(lines: &[RatedLine], parked: &[Parked], unassigned: &[Unassigned]) -> String {
    let nameless = RunId::new("-").expect("a dash is a slug");
    let mut digest = Sha256::new();
    for line in lines {
        let line = RatedLine { run: nameless.clone(), ..line.clone() };
        digest.update(canonical::to_json(&line));
        digest.update(b"\n");
    }
    digest.update(canonical::to_json(parked));
    digest.update(canonical::to_json(unassigned));
    hex::encode(digest.finalize())
}

/// Stores a run's lines in one commit, then the states it found. The states are a saving, not a
/// result: a run without them is complete.
pub async fn store(lake: &Lake, outcome: &RatingOutcome) -> Result<(), RatingError> {
    lake.put_rated_lines(&outcome.run, convert::lines_to_batch(&outcome.lines)?).await?;
    for (month, buckets) in &outcome.states {
        let raw_version = outcome.inputs.raw_version;
        let batches = buckets
            .iter()
            .map(|(bucket, known)| {
                Ok((*bucket, convert::states_to_batch(*bucket, *month, known, raw_version)?))
            })
            .collect::<Result<Vec<_>, RatingError>>()?;
        lake.put_states(*month, batches, raw_version, FOLD_VERSION).await?;
    }
    Ok(())
}
