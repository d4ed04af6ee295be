//! A simulated hosting provider: seeded, deterministic, as untidy as a real one.
//!
//! Owns: which customers and resources there are, what happens to them, what their systems report
//! of it and how it is delivered; the price book that fits.
//! Does not own: how any of it is read (`ingest`) or billed.
//! Invariants: the same settings give the same bytes; exactly as many lines are written as were
//! asked for; memory depends on the number of resources, not on that of events; no clock.

mod actor;
mod book;
mod names;
mod plan;
mod provider;
mod random;
pub mod sink;
mod stamp;
mod stream;
mod wire;

use chrono::{Datelike, Months, NaiveDate};
use turnpike_schemas::Instant;

pub use book::book_text;
pub use plan::PlanError;
pub use stream::Written;

/// What to simulate.
#[derive(Debug, Clone, Copy)]
pub struct SimulateSettings {
    pub seed: u64,
    /// Accounts of the book. One more customer is unknown to it.
    pub accounts: u32,
    /// Lines written, those that are doubled or broken included.
    pub events: u64,
    /// Calendar months that are covered, the one of `until` included.
    pub months: u32,
    pub until: Instant,
}

/// Lines that no adapter can read: each gives a dead letter of its own kind.
const BROKEN: [&[u8]; 8] = [
    br#"{"specversion":"1.0","id":"cut-off","source":"/kvm/milano-1/agent-03","type":"dev.turn"#,
    b"plain text that somebody piped into the topic",
    br#"{"specversion":"1.0","id":"thirty-digits","source":"/objects/lyon-1/agent-01","type":"dev.turnpike.usage.snapshot.v1","time":"2026-01-01T00:00:00Z","data":{"resource":{"kind":"bucket","id":"b-30"},"held":[{"meter":"object-storage","quantity":123456789012345678901234567890,"unit":"byte"}]}}"#,
    br#"{"specversion":"1.0","id":"tomorrow","source":"/kvm/milano-1/agent-05","type":"dev.turnpike.usage.transition.v1","time":"2999-01-01T00:00:00Z","data":{"resource":{"kind":"instance","id":"i-future"},"state":"active"}}"#,
    br#"{"specversion":"1.0","source":"/net/osaka-1/agent-02","type":"dev.turnpike.usage.delta.v1","time":"2026-01-01T00:00:00Z","data":{"resource":{"kind":"public-ip","id":"no-id"}}}"#,
    br#"{"specversion":"1.0","id":"no-such-kind","source":"/kvm/milano-1/agent-05","type":"dev.turnpike.usage.teleport.v1","time":"2026-01-01T00:00:00Z","data":{"resource":{"kind":"instance","id":"i-9"}}}"#,
    b"\xff\xfe not UTF-8",
    br#"{"specversion":"1.0","id":"backwards","source":"/net/lyon-1/agent-04","type":"dev.turnpike.usage.delta.v1","time":"2026-01-02T00:00:00Z","data":{"resource":{"kind":"public-ip","id":"p-1"},"window":{"start":"2026-01-02T00:00:00Z","end":"2026-01-01T00:00:00Z"},"used":[{"meter":"egress","quantity":1}]}}"#,
];

/// From two days before the first month (so that it is whole in every time zone, and begins with
/// resources that are there already) to `until`.
fn span(settings: &SimulateSettings) -> Option<actor::Span> {
    let end = settings.until.micros();
    let start = month_start(settings, settings.months.max(1) - 1)? - 2 * stamp::DAY;
    (start >= 0 && start < end).then_some(actor::Span { start, end })
}

/// The start in UTC of the month that lies so many months before that of `until`.
fn month_start(settings: &SimulateSettings, before: u32) -> Option<i64> {
    let day = settings.until.to_chrono().date_naive();
    let first = NaiveDate::from_ymd_opt(day.year(), day.month(), 1)?;
    let first = first.checked_sub_months(Months::new(before))?;
    Some(first.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

/// Writes the stream.
pub fn simulate(
    settings: &SimulateSettings,
    sink: &mut dyn sink::Sink,
    progress: &dyn Fn(u64),
) -> anyhow::Result<Written> {
    let plan = plan::plan(settings)?;
    Ok(stream::write(plan, settings, sink, progress)?)
}

#[cfg(test)]
mod tests;
