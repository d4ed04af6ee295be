//! Compaction and rating, each at its own pace.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;
use turnpike_books::Books;
use turnpike_lake::Lake;
use turnpike_rating::Window;
use turnpike_schemas::Instant;
use turnpike_web::StatusBoard;

use crate::app::App;
use crate::fault::describe;
use crate::jobs;

use super::Stop;

/// Without new events the running month is rated again after this many seconds: what is held
/// becomes dearer by itself.
const IDLE_SECONDS: i64 = 3_600;

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
        let pace = Duration::from_secs(scheduler.compact_seconds);
        let (app, lake, board) = (app.clone(), lake.clone(), Arc::clone(board));
        let mut stop = stop.clone();
        handles.push(tokio::spawn(async move {
            while wait(pace, &mut stop).await {
                tracked(&app, &board, "compact", compact(&app, &lake)).await;
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
) {
    let started = app.clock.now();
    let clock = std::time::Instant::now();
    let error = work.await.err().map(|error| describe(&error));
    if let Some(error) = &error {
        tracing::error!(job = name, "{error}");
    }
    let millis = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    board.job_done(name, started, millis, error);
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
        let report = jobs::rate(app, lake, books, window, now, None, |_| {}).await?;
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
