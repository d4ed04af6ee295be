//! What a rating run is asked for.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use turnpike_schemas::time::utc_month_start;
use turnpike_schemas::{Account, AccountId, Instant, Period, PeriodError, RunId};

use crate::error::RatingError;

/// The stretch of time to rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// A calendar month of each account's own time zone.
    Month { year: i32, month: u32 },
    /// The same instants for every account.
    Span(Period),
}

impl Window {
    /// Reads `2026-10`.
    pub fn parse_month(text: &str) -> Result<Self, PeriodError> {
        let start = Period::parse_month(text, Tz::UTC)?.start();
        let month = start.utc_month();
        Ok(Window::Month {
            year: month.div_euclid(100),
            month: u32::try_from(month.rem_euclid(100)).expect("a month is 1 to 12"),
        })
    }

    pub fn period(&self, account: &Account) -> Result<Period, PeriodError> {
        match self {
            Window::Month { year, month } => Period::month(*year, *month, account.time_zone),
            Window::Span(period) => Ok(*period),
        }
    }

    /// The last UTC month whose rows are read: one past the window's own, since an audit that
    /// arrives later can heal what the window lost. It depends on the window alone, so that neither
    /// other accounts' time zones nor a choice of accounts changes anybody's bill.
    pub fn last_month(&self) -> i32 {
        let own = match self {
            Window::Month { year, month } => year * 100 + i32::try_from(*month).unwrap_or(12),
            Window::Span(period) => {
                Instant::from_micros(period.end().micros() - 1).unwrap_or(period.end()).utc_month()
            }
        };
        turnpike_schemas::time::next_utc_month(own)
    }

    /// `2026-10`, or the two instants.
    pub fn label(&self) -> String {
        match self {
            Window::Month { year, month } => format!("{year:04}-{month:02}"),
            Window::Span(period) => format!("{period}"),
        }
    }
}

/// A rating run to be made.
#[derive(Debug, Clone)]
pub struct RatingRequest {
    pub run: RunId,
    pub window: Window,
    /// Nothing is billed at or past this instant.
    pub as_of: Instant,
    /// `None`: all accounts of the book.
    pub accounts: Option<Vec<AccountId>>,
    /// Buckets metered at the same time.
    pub threads: usize,
    /// Rows per batch in the engine; changes speed, never figures.
    pub batch_rows: usize,
    /// Memory that the engine may take before it spills, in bytes.
    pub memory_bytes: usize,
    /// For checks: nothing goes the short way.
    pub general_only: bool,
}

impl RatingRequest {
    pub fn new(run: RunId, window: Window, as_of: Instant) -> Self {
        Self {
            run,
            window,
            as_of,
            accounts: None,
            threads: 2,
            batch_rows: 8_192,
            memory_bytes: 512 << 20,
            general_only: false,
        }
    }

    /// The period of each account asked for.
    pub fn periods(
        &self,
        accounts: &[Account],
    ) -> Result<BTreeMap<AccountId, Period>, RatingError> {
        let wanted = |id: &AccountId| self.accounts.as_ref().is_none_or(|list| list.contains(id));
        accounts
            .iter()
            .filter(|account| wanted(&account.id))
            .map(|account| Ok((account.id.clone(), self.window.period(account)?)))
            .collect()
    }

    /// The instants that any account's period covers: what metering has to yield.
    pub fn span(&self, periods: &BTreeMap<AccountId, Period>) -> Result<Period, RatingError> {
        let own = match self.window {
            Window::Month { year, month } => Period::month(year, month, Tz::UTC)?,
            Window::Span(period) => period,
        };
        let start = periods.values().map(Period::start).fold(own.start(), Instant::min);
        let end = periods.values().map(Period::end).fold(own.end(), Instant::max);
        Ok(Period::new(start, end)?)
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatingProgress {
    pub buckets_done: u32,
    pub buckets: u32,
    pub rows: u64,
}

/// The UTC months whose rows a run needs: from the first month of its span (or an earlier state) to
/// the window's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthRange {
    pub first: i32,
    pub last: i32,
}

impl MonthRange {
    pub fn of(window: &Window, span: &Period) -> Self {
        Self { first: span.start().utc_month(), last: window.last_month() }
    }

    /// The month start at which a closing state is worth keeping: that of the window, where metering
    /// had to begin earlier. It saves later runs of this month, and those of later months, from
    /// reading what lies before; a state at the window's end would be written by every run and read
    /// by one. It lies before `as_of`, so that no event that is still to come belongs before it by its
    /// order.
    pub fn state_months(&self, opening: i32, as_of: Instant) -> Vec<(i32, Instant)> {
        let start = utc_month_start(self.first).filter(|start| *start <= as_of);
        let kept = start.filter(|_| opening < self.first);
        kept.map(|start| (self.first, start)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_read_one_past_the_window_whatever_the_time_zone() {
        let at = |text: &str| Instant::parse(text).expect(text);
        let month = Window::parse_month("2026-10").expect("month");
        assert_eq!(month.last_month(), 202_611);
        assert_eq!(Window::parse_month("2026-12").expect("month").last_month(), 202_701);
        let span = |end: &str| {
            Window::Span(Period::new(at("2026-10-01T00:00:00Z"), at(end)).expect("span"))
        };
        assert_eq!(span("2026-11-01T00:00:00Z").last_month(), 202_611);
        assert_eq!(span("2026-11-01T00:00:01Z").last_month(), 202_612);
        let west = Period::new(at("2026-10-01T11:00:00Z"), at("2026-11-01T11:00:00Z"));
        let range = MonthRange::of(&month, &west.expect("period"));
        assert_eq!(range, MonthRange { first: 202_610, last: 202_611 });
    }

    #[test]
    fn a_state_is_kept_only_where_metering_began_before_the_window() {
        let range = MonthRange { first: 202_610, last: 202_611 };
        let at = |text: &str| Instant::parse(text).expect(text);
        let months = |opening, as_of: &str| {
            let kept = range.state_months(opening, at(as_of));
            kept.iter().map(|(month, _)| *month).collect::<Vec<i32>>()
        };
        assert_eq!(months(202_609, "2026-10-15T00:00:00Z"), [202_610]);
        assert_eq!(months(202_512, "2026-12-15T00:00:00Z"), [202_610]);
        assert!(months(202_610, "2026-12-15T00:00:00Z").is_empty());
        assert!(months(202_609, "2026-09-30T23:59:59Z").is_empty());
    }
}
