//! `GET /`: the provider's overview.

use std::sync::Arc;

use crate::filters;
use actix_web::web::Data;
use askama::Template;
use turnpike_books::{ParkedRecord, PeriodTotal, UnassignedRecord};
use turnpike_lake::FinalCounts;
use turnpike_schemas::{Currency, Money};

use super::shell::{Place, Shell, Stamp};
use super::{Page, html};
use crate::access::Operator;
use crate::app::App;
use crate::chart::{BarChart, by_site};
use crate::error::WebError;
use crate::reads::{self, Breakdown, CurrencyBreakdown, Months};
use crate::{JobStatus, SourceStatus};

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewView {
    shell: Shell,
    empty: bool,
    has_book: bool,
    as_of: Option<Stamp>,
    running: String,
    last: Option<String>,
    currencies: Vec<CurrencyView>,
    counts: Option<FinalCounts>,
    watermark: Option<Stamp>,
    lag: Option<i64>,
    sources: Vec<SourceStatus>,
    jobs: Vec<JobStatus>,
    parked: Vec<ParkedRecord>,
    unassigned: Vec<UnassignedRecord>,
}

/// What stands under one currency: they are never added up.
struct CurrencyView {
    currency: Currency,
    running: Option<PeriodTotal>,
    last: Option<PeriodTotal>,
    breakdown: Option<CurrencyBreakdown>,
    chart: Option<BarChart>,
    split: Vec<SplitRow>,
}

/// What one party receives in one role.
struct SplitRow {
    party: String,
    role: String,
    running: Option<Money>,
    last: Option<Money>,
}

/// Rows shown here; the rest stands on its own page.
const ATTENTION_ROWS: usize = 5;

pub async fn overview(operator: Operator, app: Data<App>) -> Page {
    let (state, scope) = (&app.state, &operator.scope);
    let months = reads::months(state, scope).await?;
    let breakdown = reads::breakdown(state, &app.breakdowns, scope, &months.running.label).await?;
    let status = state.status.look();
    let mut parked = state.books.parked(scope, None).await?;
    let mut unassigned = state.books.unassigned(scope, None).await?;
    parked.truncate(ATTENTION_ROWS);
    unassigned.truncate(ATTENTION_ROWS);
    html(&OverviewView {
        shell: Shell::provider(&app, &operator, Place::Overview),
        empty: months.is_empty(),
        has_book: state.books.newest_book().await?.is_some(),
        as_of: reads::as_of(state).await?.map(Stamp::utc),
        currencies: currencies(&months, &breakdown)?,
        running: months.running.label,
        last: months.last.map(|month| month.label),
        counts: reads::event_counts(state, &app.event_counts, scope).await?,
        watermark: status.watermark().map(Stamp::utc),
        lag: status.lag(),
        sources: status.sources,
        jobs: status.jobs,
        parked,
        unassigned,
    })
}

fn currencies(months: &Months, breakdown: &Arc<Breakdown>) -> Result<Vec<CurrencyView>, WebError> {
    let last = months.last.as_ref().map(|month| month.totals.as_slice()).unwrap_or_default();
    let totals = months.running.totals.iter().chain(last);
    let mut known: Vec<Currency> = totals.map(|total| total.currency).collect();
    known.sort();
    known.dedup();
    let of = |totals: &[PeriodTotal], currency: Currency| {
        totals.iter().find(|total| total.currency == currency).cloned()
    };
    let view = |currency: Currency| {
        let (running, last) = (of(&months.running.totals, currency), of(last, currency));
        let breakdown = breakdown.iter().find(|one| one.currency == currency).cloned();
        let chart = breakdown.as_ref().map(by_site);
        let split = split(running.as_ref(), last.as_ref());
        CurrencyView { currency, running, last, breakdown, chart, split }
    };
    Ok(known.into_iter().map(view).collect())
}

fn split(running: Option<&PeriodTotal>, last: Option<&PeriodTotal>) -> Vec<SplitRow> {
    let mut rows: Vec<SplitRow> = Vec::new();
    let shares =
        |total: Option<&PeriodTotal>| total.map(|total| total.shares.clone()).unwrap_or_default();
    for (shares, is_running) in [(shares(running), true), (shares(last), false)] {
        for share in shares {
            let same = |row: &SplitRow| row.party == share.party.as_str() && row.role == share.role;
            let index = rows.iter().position(same).unwrap_or_else(|| {
                let (party, role) = (share.party.to_string(), share.role.clone());
                rows.push(SplitRow { party, role, running: None, last: None });
                rows.len().saturating_sub(1)
            });
            let cell = if is_running { &mut rows[index].running } else { &mut rows[index].last };
            *cell = Some(share.amount);
        }
    }
    rows.sort_by(|a, b| (&a.party, &a.role).cmp(&(&b.party, &b.role)));
    rows
}
