//! `GET /`: the provider's overview.

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
use crate::reads::{self, Breakdown, CurrencyBreakdown, Months, Parties};
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
    let (status, parties) = (state.status.look(), reads::parties(state).await?);
    let mut parked = state.books.parked(scope, None).await?;
    let mut unassigned = state.books.unassigned(scope, None).await?;
    parked.truncate(ATTENTION_ROWS);
    unassigned.truncate(ATTENTION_ROWS);
    html(&OverviewView {
        shell: Shell::provider(&app, &operator, Place::Overview),
        empty: months.is_empty(),
        has_book: parties.is_some(),
        as_of: reads::as_of(state).await?.map(Stamp::utc),
        currencies: currencies(&months, &breakdown, &parties.unwrap_or_default()),
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

fn currencies(months: &Months, breakdown: &Breakdown, parties: &Parties) -> Vec<CurrencyView> {
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
        let split = split(running.as_ref(), last.as_ref(), parties);
        CurrencyView { currency, running, last, breakdown, chart, split }
    };
    known.into_iter().map(view).collect()
}

fn split(
    running: Option<&PeriodTotal>,
    last: Option<&PeriodTotal>,
    parties: &Parties,
) -> Vec<SplitRow> {
    let mut rows: Vec<SplitRow> = Vec::new();
    for (total, is_running) in [(running, true), (last, false)] {
        for share in total.map(|total| total.shares.as_slice()).unwrap_or_default() {
            let party = parties.name(&share.party);
            let same = |row: &SplitRow| row.party == party && row.role == share.role;
            let index = rows.iter().position(same).unwrap_or_else(|| {
                let (party, role) = (party.to_owned(), share.role.clone());
                rows.push(SplitRow { party, role, running: None, last: None });
                rows.len().saturating_sub(1)
            });
            let cell = if is_running { &mut rows[index].running } else { &mut rows[index].last };
            *cell = Some(share.amount);
        }
    }
    // The franchisor's part first: it is what the network lives on.
    rows.sort_by(|a, b| (&b.role, &a.party).cmp(&(&a.role, &b.party)));
    rows
}
