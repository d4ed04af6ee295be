//! Compaction, vacuum and rating, each at its own pace.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;
use turnpike_books::Books;
use turnpike_lake::{Backlog, Lake};
use turnpike_rating::Window;
use turnpike_schemas::Instant;
use turnpike_web::StatusBoard;

use crate::app::App;
use crate::fault::describe;
use crate::jobs;
use crate::settings::SchedulerSettings;

use super::Stop;

/// Without new events the running month is rated again after this many seconds: what is held
/// becomes dearer by itself.
const IDLE_SECONDS: i64 = 3_600;

/// Between two looks at what waits for compaction: a look costs a listing of new commits.
const BACKLOG_LOOK: Duration = Duration::from_secs(1);

/// Starts the jobs whose pace is not 0.
pub fn spawn(
    app: &App,
    lake: &Lake,
    books: &Books,
    board: &Arc<StatusBoard>,
    stop: &Stop,
) -> Vec<JoinHandle<()>> {
    let scheduler = &app.settings.scheduler;
    let mut handles = Vec::new();
    if scheduler.compact_seconds > 0 {
        let (app, lake, board, stop) = (app.clone(), lake.clone(), Arc::clone(board), stop.clone());
        handles.push(tokio::spawn(async move { compactions(&app, &lake, &board, stop).await }));
    }
    if scheduler.vacuum_seconds > 0 {
        let pace = Duration::from_secs(scheduler.vacuum_seconds);
        let (app, lake, board) = (app.clone(), lake.clone(), Arc::clone(board));
        let mut stop = stop.clone();
        handles.push(tokio::spawn(async move {
            while wait(pace, &mut stop).await {
                tracked(&app, &board, "vacuum", vacuum(&app, &lake)).await;
            }
        }));
    }
    if scheduler.merge_seconds > 0 {
        let pace = Duration::from_secs(scheduler.merge_seconds);
        let (app, lake, board) = (app.clone(), lake.clone(), Arc::clone(board));
        let mut stop = stop.clone();
        handles.push(tokio::spawn(async move {
            while wait(pace, &mut stop).await {
                tracked(&app, &board, "merge", merge(&app, &lake)).await;
            }
        }));
    }
    if scheduler.rate_seconds > 0 {
        let pace = Duration::from_secs(scheduler.rate_seconds);
        let (app, lake, books, board) =
            (app.clone(), lake.clone(), books.clone(), Arc::clone(board));
        let mut stop = stop.clone();
        handles.push(tokio::spawn(async move {
            let mut last: Option<(i64, Instant)> = None;
            while wait(pace, &mut stop).await {
                let work = rate(&app, &lake, &books, &board, &mut last);
                tracked(&app, &board, "rate", work).await;
            }
        }));
    }
    handles
}

/// False once everything is to stop.
async fn wait(pace: Duration, stop: &mut Stop) -> bool {
    tokio::select! {
        () = tokio::time::sleep(pace) => !stop.is_stopped(),
        () = stop.stopped() => false,
    }
}

/// Does the work and notes how it went.
async fn tracked(
    app: &App,
    board: &StatusBoard,
    name: &'static str,
    work: impl Future<Output = anyhow::Result<()>>,
) -> bool {
    let started = app.clock.now();
    let clock = std::time::Instant::now();
    let error = work.await.err().map(|error| describe(&error));
    if let Some(error) = &error {
        tracing::error!(job = name, "{error}");
    }
    let millis = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    let done = error.is_none();
    board.job_done(name, started, millis, error);
    done
}

/// Looks at what waits, and compacts it when it is old or much.
async fn compactions(app: &App, lake: &Lake, board: &StatusBoard, mut stop: Stop) {
    let age_max = Duration::from_secs(app.settings.scheduler.compact_seconds);
    let mut pause = BACKLOG_LOOK.min(age_max);
    // The oldest commit that waits, and since when that is known here: no clock that people set.
    let mut oldest: Option<(i64, std::time::Instant)> = None;
    while wait(pause, &mut stop).await {
        let backlog = match lake.backlog().await.context("looking at what waits") {
            Ok(backlog) => backlog,
            Err(error) => {
                tracked(app, board, "compact", async { Err(error) }).await;
                pause = age_max;
                continue;
            }
        };
        board.update(|status| status.backlog = Some(backlog));
        if oldest.is_none_or(|(from, _)| from != backlog.from || backlog.commits == 0) {
            oldest = Some((backlog.from, std::time::Instant::now()));
        }
        let age = oldest.map_or(Duration::ZERO, |(_, since)| since.elapsed());
        pause = BACKLOG_LOOK.min(age_max);
        if is_due(&app.settings.scheduler, &backlog, age) {
            let done = tracked(app, board, "compact", compact(app, lake)).await;
            // What failed is not tried again at once.
            pause = if done { pause } else { age_max };
        }
    }
}

fn is_due(settings: &SchedulerSettings, backlog: &Backlog, age: Duration) -> bool {
    backlog.commits > 0
        && (age.as_secs() >= settings.compact_seconds
            || backlog.rows >= settings.compact_rows
            || backlog.bytes >= settings.compact_bytes)
}

async fn vacuum(app: &App, lake: &Lake) -> anyhow::Result<()> {
    let report = lake.vacuum(app.vacuum_retention()).await.context("vacuuming")?;
    if report.files > 0 {
        tracing::info!(files = report.files, bytes = report.bytes, "vacuumed");
    }
    Ok(())
}

/// Merges the runs of months that are over: the running one gets new runs all the time.
async fn merge(app: &App, lake: &Lake) -> anyhow::Result<()> {
    let before = app.clock.now().utc_month() - 1;
    let settings = app.compact_settings();
    let report = lake.merge(&settings, before, &|_| {}).await.context("merging runs")?;
    if report.runs_merged > 0 {
        tracing::info!(runs = report.runs_merged, left = report.runs_written, "merged runs");
    }
    Ok(())
}

async fn compact(app: &App, lake: &Lake) -> anyhow::Result<()> {
    let report = lake.compact(&app.compact_settings(), &|_| {}).await.context("compacting")?;
    if report.rows > 0 {
        tracing::info!(rows = report.rows, duplicates = report.duplicates, "compacted");
    }
    Ok(())
}

/// Rates the running month (at its turn, both months that run in some time zone) and drafts it.
async fn rate(
    app: &App,
    lake: &Lake,
    books: &Books,
    board: &StatusBoard,
    last: &mut Option<(i64, Instant)>,
) -> anyhow::Result<()> {
    if books.newest_book().await.context("reading the book")?.is_none() {
        return Ok(());
    }
    let now = app.clock.now();
    let raw_version = lake.snapshot().await.context("reading the tables")?.raw_version();
    let idle = last.is_some_and(|(version, at)| {
        version == raw_version && now.floor_seconds() - at.floor_seconds() < IDLE_SECONDS
    });
    if idle {
        return Ok(());
    }
    for window in running_months(now) {
        let report = jobs::rate(app, lake, books, window, now, |_| {}).await?;
        let (lines, parked) = (report.record.lines, report.parked.len());
        tracing::info!(run = %report.record.run, lines, parked, "rated {}", report.record.label);
        if app.settings.scheduler.draft {
            let drafts = jobs::draft_lines(books, &report.record, report.lines, None, now).await?;
            for (account, why) in &drafts.failed {
                tracing::warn!(%account, "no draft: {why}");
            }
        }
    }
    *last = Some((raw_version, now));
    board.update(|status| status.rated_as_of = Some(now));
    Ok(())
}

/// The month of an instant in the time zones furthest west and east.
fn running_months(now: Instant) -> Vec<Window> {
    let mut months = Vec::new();
    for hours in [-12, 14] {
        let month = now.plus_seconds(hours * 3_600).unwrap_or(now).utc_month();
        let window = Window::Month {
            year: month.div_euclid(100),
            month: u32::try_from(month.rem_euclid(100)).unwrap_or(1),
        };
        if !months.contains(&window) {
            months.push(window);
        }
    }
    months
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_compacted_when_it_is_old_or_much() {
        let settings = SchedulerSettings {
            compact_seconds: 60,
            compact_rows: 1_000,
            compact_bytes: 1 << 20,
            merge_seconds: 0,
            vacuum_seconds: 0,
            rate_seconds: 0,
            draft: false,
        };
        let check = |commits, rows, bytes, seconds, due| {
            let backlog = Backlog { commits, rows, bytes, ..Backlog::default() };
            let age = Duration::from_secs(seconds);
            assert_eq!(is_due(&settings, &backlog, age), due, "{backlog:?} {age:?}");
        };
        check(0, 0, 0, 1_000, false);
        check(1, 999, (1 << 20) - 1, 59, false);
        check(1, 1, 1, 60, true);
        check(1, 1_000, 1, 0, true);
        check(1, 1, 1 << 20, 0, true);
    }

    #[test]
    fn two_months_run_at_the_turn() {
        let check = |now: &str, count: usize| {
            let now = Instant::parse(now).expect("instant");
            assert_eq!(running_months(now).len(), count, "{now}");
        };
        check("2026-11-15T12:00:00Z", 1);
        check("2026-11-30T10:00:01Z", 2);
        check("2026-12-01T11:59:59Z", 2);
        check("2026-12-01T12:00:00Z", 1);
    }
}
