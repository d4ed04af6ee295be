//! [`months`]: the running month and the one before, per currency.

use turnpike_books::PeriodTotal;
use turnpike_schemas::{Instant, Scope};

use crate::error::WebError;
use crate::state::WebState;

/// One period and what its invoices sum to, a total per currency.
#[derive(Debug, Clone, Default)]
pub struct Month {
    pub label: String,
    pub totals: Vec<PeriodTotal>,
}

/// What the overview compares.
#[derive(Debug, Clone, Default)]
pub struct Months {
    pub running: Month,
    pub last: Option<Month>,
    /// Labels of all periods there are, newest first.
    pub labels: Vec<String>,
}

impl Months {
    /// Whether anything has been drafted or finalized at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// The newest month with drafts counts as running: around the turn of a month, and in a
/// demonstration, it is not the clock's.
pub async fn months(state: &WebState, scope: &Scope) -> Result<Months, WebError> {
    let totals = state.books.period_totals(scope, None).await?;
    let mut labels: Vec<String> = totals.iter().map(|total| total.period_label.clone()).collect();
    labels.dedup();
    let drafted = totals.iter().filter(|total| total.drafts > 0 && is_month(&total.period_label));
    let running = drafted
        .map(|total| total.period_label.clone())
        .max()
        .unwrap_or_else(|| label_of(state.now()));
    let last = labels
        .iter()
        .filter(|label| is_month(label) && **label < running)
        .max()
        .map(|label| month(label, &totals));
    Ok(Months { running: month(&running, &totals), last, labels })
}

fn month(label: &str, totals: &[PeriodTotal]) -> Month {
    let of_month = totals.iter().filter(|total| total.period_label == label);
    Month { label: label.to_owned(), totals: of_month.cloned().collect() }
}

fn is_month(label: &str) -> bool {
    label.len() == 7 && label.as_bytes()[4] == b'-'
}

fn label_of(now: Instant) -> String {
    let month = now.utc_month();
    format!("{:04}-{:02}", month.div_euclid(100), month.rem_euclid(100))
}
