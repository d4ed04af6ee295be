//! A rating run, stored and recorded.

use anyhow::Context as _;
use turnpike_books::{Books, ParkedRecord, RunRecord, RunStatus, UnassignedRecord};
use turnpike_ingest::{Gap, kill};
use turnpike_lake::Lake;
use turnpike_rating::{
    Parked, RatingOutcome, RatingProgress, RatingRequest, Unassigned, Window, rate_staged,
};
use turnpike_schemas::{Instant, RatedLine, RunId};

use crate::app::{App, threads};
use crate::jobs::{gaps_of_window, new_id};

/// What a run came to.
pub struct RateReport {
    pub record: RunRecord,
    pub parked: Vec<Parked>,
    pub unassigned: Vec<Unassigned>,
    pub lines: Vec<RatedLine>,
    pub events: u64,
    pub intervals: u64,
    /// Why the period is not complete: records that were lost before they were read.
    pub gaps: Vec<Gap>,
}

/// Rates a window up to `as_of`, stores the lines in one commit and records the run.
pub async fn rate(
    app: &App,
    lake: &Lake,
    books: &Books,
    window: Window,
    as_of: Instant,
    progress: impl Fn(RatingProgress) + Send + Sync + 'static,
) -> anyhow::Result<RateReport> {
    rate_keeping(true, app, lake, books, window, as_of, progress).await
}

/// The same without keeping the lines, which may be many: the report has none.
pub async fn rate_stored(
    app: &App,
    lake: &Lake,
    books: &Books,
    window: Window,
    as_of: Instant,
    progress: impl Fn(RatingProgress) + Send + Sync + 'static,
) -> anyhow::Result<RateReport> {
    rate_keeping(false, app, lake, books, window, as_of, progress).await
}

async fn rate_keeping(
    keeps_lines: bool,
    app: &App,
    lake: &Lake,
    books: &Books,
    window: Window,
    as_of: Instant,
    progress: impl Fn(RatingProgress) + Send + Sync + 'static,
) -> anyhow::Result<RateReport> {
    let now = app.clock.now();
    let run = RunId::new(new_id("run", now)).context("naming the run")?;
    let book = books.price_book().await.context("reading the price book")?;
    let snapshot = lake.snapshot().await.context("reading the tables")?;
    kill::at("rate_after_read");
    let rating = &app.settings.rating;
    let request = RatingRequest {
        threads: threads(&app.settings),
        batch_rows: rating.batch_rows,
        memory_bytes: rating.memory_bytes,
        ..RatingRequest::new(run, window, as_of)
    };
    let target = lake.clone();
    let outcome = app
        .on_engine(async move {
            let (to, from) = (&target, &snapshot);
            let staged = rate_staged(to, from, &book, &request, &progress, keeps_lines).await?;
            kill::at("rate_before_publish");
            Ok(staged.publish(&target).await?)
        })
        .await
        .with_context(|| format!("rating {}", window.label()))?;
    kill::at("rate_before_record");
    let record = record_of(&outcome, window, as_of, now)?;
    let parked: Vec<ParkedRecord> = outcome.parked.iter().map(parked_record).collect();
    let unassigned: Vec<UnassignedRecord> =
        outcome.unassigned.iter().map(unassigned_record).collect();
    books.record_run(&record, &parked, &unassigned).await.context("recording the run")?;
    Ok(RateReport {
        record,
        parked: outcome.parked,
        unassigned: outcome.unassigned,
        lines: outcome.lines,
        events: outcome.events,
        intervals: outcome.intervals,
        gaps: gaps_of_window(lake, window).await?,
    })
}

fn record_of(
    outcome: &RatingOutcome,
    window: Window,
    as_of: Instant,
    now: Instant,
) -> anyhow::Result<RunRecord> {
    Ok(RunRecord {
        run: outcome.run.clone(),
        label: window.label(),
        as_of,
        raw_version: outcome.inputs.raw_version,
        usage_version: outcome.inputs.usage_version,
        book_hash: outcome.inputs.book_hash.clone(),
        code_version: outcome.inputs.code_version.clone(),
        result_hash: outcome.hash.clone(),
        lines: i64::try_from(outcome.totals.lines).context("counting lines")?,
        accounts: i64::try_from(outcome.totals.accounts).context("counting accounts")?,
        totals: outcome.totals.sums.values().copied().collect(),
        created_at: now,
        status: RunStatus::Complete,
    })
}

fn parked_record(parked: &Parked) -> ParkedRecord {
    ParkedRecord {
        account: parked.account.clone(),
        code: parked.reason.code.as_str().to_owned(),
        text: parked.reason.text.clone(),
    }
}

fn unassigned_record(unassigned: &Unassigned) -> UnassignedRecord {
    UnassignedRecord {
        owner: unassigned.owner.clone(),
        resource: unassigned.resource.clone(),
        meter: unassigned.meter.to_string(),
        first_seen: unassigned.first,
        seconds: unassigned.seconds,
    }
}
