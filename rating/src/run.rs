//! A rating run: meter every bucket, gather, price per account, and hash the result.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use turnpike_lake::{Lake, LakeSnapshot, RatedLinesWriter};
use turnpike_schemas::{AccountId, Period, PriceBook, RatedLine, RunId, canonical};

use crate::convert;
use crate::engine::{self, Found, Job, View};
use crate::error::RatingError;
use crate::fast::Tally;
use crate::gather::Harvest;
use crate::metering::{FOLD_VERSION, Metered};
use crate::parked::{Parked, Unassigned};
use crate::price_run::{KeptLines, LineSink, LineTotals, PartLines, PriceRun};
use crate::request::{RatingProgress, RatingRequest};
use crate::tariff_lookup::Lookup;

#[cfg(test)]
mod tests;

/// Version of what rating computes: part of a run's inputs.
pub const CODE_VERSION: &str = "4";

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
    /// In canonical order; none where they were handed over ([`rate_into`]).
    pub lines: Vec<RatedLine>,
    pub totals: LineTotals,
    pub parked: Vec<Parked>,
    pub unassigned: Vec<Unassigned>,
    /// SHA-256 over the lines, parked and unassigned usage, without the run's id.
    pub hash: String,
    pub inputs: RunInputs,
    pub periods: BTreeMap<AccountId, Period>,
    pub rows: u64,
    pub events: u64,
    /// Events that went the short way.
    pub short_events: u64,
    /// Times that rows were spilled to the disk, where memory was short.
    pub spills: u64,
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
    let kept = Arc::new(KeptLines::default());
    let mut outcome = rate_into(snapshot, book, request, progress, kept.clone()).await?;
    let kept = Arc::into_inner(kept).expect("the run has ended and gave its lines up");
    outcome.lines = kept.into_lines();
    Ok(outcome)
}

/// Rates a window and hands its lines over instead of keeping them: the outcome has none.
pub async fn rate_into(
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    request: &RatingRequest,
    progress: &(dyn Fn(RatingProgress) + Send + Sync),
    sink: Arc<dyn LineSink>,
) -> Result<RatingOutcome, RatingError> {
    Ok(rated(snapshot, book, Vec::new(), request, progress, sink).await?.0)
}

/// What usage comes to in another view; its lines were handed over.
#[derive(Debug)]
pub(crate) struct ViewOutcome {
    pub(crate) parked: Vec<Parked>,
    pub(crate) unassigned: Vec<Unassigned>,
}

/// Another view of the same usage, and who takes its lines.
pub(crate) struct Viewed {
    pub(crate) view: View,
    pub(crate) sink: Arc<dyn LineSink>,
}

/// [`rate_into`], with other views of the same usage, which is metered once.
pub(crate) async fn rated(
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    viewed: Vec<Viewed>,
    request: &RatingRequest,
    progress: &(dyn Fn(RatingProgress) + Send + Sync),
    sink: Arc<dyn LineSink>,
) -> Result<(RatingOutcome, Vec<ViewOutcome>), RatingError> {
    let periods = request.periods(&book.accounts)?;
    let span = request.span(&periods)?;
    let (book, periods) = (Arc::new(book.clone()), Arc::new(periods));
    let (views, sinks): (Vec<View>, Vec<_>) =
        viewed.into_iter().map(|viewed| (viewed.view, viewed.sink)).unzip();
    let views = Arc::new(views);
    let job = Job {
        snapshot: snapshot.clone(),
        session: engine::session(request.batch_rows, request.memory_bytes)?,
        book: Arc::clone(&book),
        periods: Arc::clone(&periods),
        span,
        request: request.clone(),
        masked: snapshot.masked().await?,
        views: Arc::clone(&views),
    };
    let mut found = engine::meter_all(job, progress).await?;
    let inputs = RunInputs {
        raw_version: snapshot.raw_version(),
        usage_version: snapshot.usage_version(),
        book_hash: book.hash(),
        code_version: CODE_VERSION.to_owned(),
    };
    let request = request.clone();
    let task = tokio::task::spawn_blocking(move || {
        let harvests = std::mem::take(&mut found.views);
        let tallies = std::mem::take(&mut found.view_tallies);
        let all = views.iter().zip(harvests).zip(tallies).zip(sinks);
        let viewed = all.map(|(((view, harvest), tallies), sink)| {
            view_outcome(view, &request, harvest, &tallies, &*sink)
        });
        let viewed = viewed.collect::<Result<_, _>>()?;
        let lookup = Lookup::new(&book, &periods).billed_until(request.as_of);
        Ok((priced_outcome(&lookup, &request, inputs, found, &*sink)?, viewed))
    });
    match task.await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(RatingError::Cancelled(error)),
    }
}

fn view_outcome(
    view: &View,
    request: &RatingRequest,
    mut harvest: Harvest,
    tallies: &[Tally],
    sink: &dyn LineSink,
) -> Result<ViewOutcome, RatingError> {
    let lookup = Lookup::new(&view.book, &view.periods).billed_until(request.as_of);
    let (run, threads) = (&request.run, request.threads);
    PriceRun { lookup: &lookup, run, tallies, threads, sink }.price(&mut harvest)?;
    let parked = harvest.parked();
    Ok(ViewOutcome { parked, unassigned: harvest.unassigned.into_values().collect() })
}

fn priced_outcome(
    lookup: &Lookup<'_>,
    request: &RatingRequest,
    inputs: RunInputs,
    found: Found,
    sink: &dyn LineSink,
) -> Result<RatingOutcome, RatingError> {
    let Found { mut harvest, tallies, rows, events, short_events, spills, states, .. } = found;
    let pricing =
        PriceRun { lookup, run: &request.run, tallies: &tallies, threads: request.threads, sink };
    let (totals, digests) = pricing.price(&mut harvest)?;
    let parked = harvest.parked();
    let unassigned: Vec<Unassigned> = harvest.unassigned.into_values().collect();
    Ok(RatingOutcome {
        run: request.run.clone(),
        hash: hash(&digests, &parked, &unassigned),
        lines: Vec::new(),
        totals,
        parked,
        unassigned,
        inputs,
        periods: lookup.periods.clone(),
        rows,
        events,
        short_events,
        spills,
        intervals: harvest.intervals,
        states,
    })
}

/// The lines of what was gathered. What they come to, which may be too much to add up, is not asked.
pub(crate) fn priced(lookup: &Lookup<'_>, run: &RunId, harvest: &mut Harvest) -> Vec<RatedLine> {
    let sink = KeptLines::default();
    let pricing = PriceRun { lookup, run, tallies: &[], threads: 1, sink: &sink };
    let _ = pricing.price(harvest);
    sink.into_lines()
}

/// The hash of a run: over the digest of each account's lines, in order, and what was not billed.
fn hash(digests: &[u8], parked: &[Parked], unassigned: &[Unassigned]) -> String {
    let mut digest = Sha256::new();
    digest.update(digests);
    digest.update(canonical::to_json(parked));
    digest.update(canonical::to_json(unassigned));
    hex::encode(digest.finalize())
}

/// Stores a run's lines in one commit, then the states it found. The states are a saving, not a
/// result: a run without them is complete.
pub async fn store(lake: &Lake, outcome: &RatingOutcome) -> Result<(), RatingError> {
    lake.put_rated_lines(&outcome.run, convert::lines_to_batch(&outcome.lines)?).await?;
    store_states(lake, outcome).await
}

/// A run whose lines are on disk, but named by no commit: nobody sees any of it.
pub struct StagedRun {
    outcome: RatingOutcome,
    sink: StoredLines,
}

/// Rates a window and writes its lines as they are priced; `keeps_lines` keeps all of them as well.
/// Without [`StagedRun::publish`] they are removed again.
pub async fn rate_staged(
    lake: &Lake,
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    request: &RatingRequest,
    progress: &(dyn Fn(RatingProgress) + Send + Sync),
    keeps_lines: bool,
) -> Result<StagedRun, RatingError> {
    let kept = keeps_lines.then(KeptLines::default);
    let sink = Arc::new(StoredLines { writer: lake.rated_lines_writer(&request.run), kept });
    let outcome = rate_into(snapshot, book, request, progress, sink.clone()).await?;
    let sink = Arc::into_inner(sink).expect("the run has ended and gave its lines up");
    Ok(StagedRun { outcome, sink })
}

impl StagedRun {
    /// Makes the lines those of the run in one commit, then stores the states it found.
    pub async fn publish(self, lake: &Lake) -> Result<RatingOutcome, RatingError> {
        let Self { mut outcome, sink } = self;
        sink.writer.commit().await?;
        outcome.lines = sink.kept.map(KeptLines::into_lines).unwrap_or_default();
        store_states(lake, &outcome).await?;
        Ok(outcome)
    }
}

/// Writes lines to files that no commit names yet.
struct StoredLines {
    writer: RatedLinesWriter,
    kept: Option<KeptLines>,
}

impl LineSink for StoredLines {
    fn part(&self) -> PartLines {
        match &self.kept {
            Some(kept) => kept.part().with_table(),
            None => PartLines::default().with_table(),
        }
    }

    fn take(&self, part: usize, mut lines: PartLines) -> Result<(), RatingError> {
        if let Some(table) = lines.take_table()? {
            self.writer.add(part, &table)?;
        }
        match &self.kept {
            Some(kept) => kept.take(part, lines),
            None => Ok(()),
        }
    }
}

async fn store_states(lake: &Lake, outcome: &RatingOutcome) -> Result<(), RatingError> {
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
