//! `GET /invoices`: drafts and invoices, filtered, searched and paged in the address.

use crate::filters;
use actix_web::web::{Data, Query};
use askama::Template;
use serde::Deserialize;
use turnpike_books::InvoiceFilter;
use turnpike_schemas::invoice::InvoiceStatus;

use super::account::InvoiceRow;
use super::shell::{Place, Shell};
use super::{Page, html};
use crate::access::Operator;
use crate::app::App;
use crate::paging::{PAGE_ROWS, Paging, address};
use crate::reads;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvoicesQuery {
    #[serde(default)]
    q: String,
    status: Option<InvoiceStatus>,
    #[serde(default)]
    period: String,
    #[serde(default)]
    page: usize,
}

impl InvoicesQuery {
    fn status(&self) -> &'static str {
        self.status.map(InvoiceStatus::as_str).unwrap_or_default()
    }

    fn filter(&self, page: usize) -> InvoiceFilter {
        let given = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        InvoiceFilter {
            status: self.status,
            period_label: given(&self.period),
            text: given(&self.q),
            limit: u32::try_from(PAGE_ROWS).unwrap_or(u32::MAX),
            offset: u32::try_from(Paging::offset(page)).unwrap_or(u32::MAX),
            ..InvoiceFilter::default()
        }
    }
}

/// A filter that is one click away.
struct Chip {
    name: String,
    address: String,
    on: bool,
}

#[derive(Template)]
#[template(path = "invoices.html")]
struct InvoicesView {
    shell: Shell,
    q: String,
    status: &'static str,
    period: String,
    statuses: Vec<Chip>,
    periods: Vec<Chip>,
    invoices: Vec<InvoiceRow>,
    paging: Paging,
    filtered: bool,
}

/// Periods offered as chips; older ones are found by their address.
const PERIODS: usize = 12;

pub async fn invoices(operator: Operator, app: Data<App>, query: Query<InvoicesQuery>) -> Page {
    let query = query.into_inner();
    let (state, scope) = (&app.state, &operator.scope);
    let labels = reads::months(state, scope).await?.labels;
    let mut found = state.books.invoices(scope, &query.filter(query.page)).await?;
    let total = usize::try_from(found.total).unwrap_or_default();
    let here = of(&query, query.status(), &query.period);
    let paging = Paging::new(query.page, total, &here);
    if found.invoices.is_empty() && total > 0 {
        // Past the last page: the last one is shown.
        found = state.books.invoices(scope, &query.filter(paging.page)).await?;
    }
    html(&InvoicesView {
        shell: Shell::provider(&app, &operator, Place::Invoices),
        status: query.status(),
        statuses: statuses(&query),
        periods: periods(&query, labels),
        invoices: found.invoices.into_iter().map(InvoiceRow::new).collect(),
        paging,
        filtered: here != "/invoices",
        period: query.period,
        q: query.q,
    })
}

fn of(query: &InvoicesQuery, status: &str, period: &str) -> String {
    address("/invoices", &[("q", &query.q), ("status", status), ("period", period)])
}

fn statuses(query: &InvoicesQuery) -> Vec<Chip> {
    [("All", ""), ("Drafts", "draft"), ("Finalized", "finalized")]
        .into_iter()
        .map(|(name, status)| Chip {
            name: name.to_owned(),
            address: of(query, status, &query.period),
            on: query.status() == status,
        })
        .collect()
}

fn periods(query: &InvoicesQuery, labels: Vec<String>) -> Vec<Chip> {
    let every = Chip {
        name: "Every period".to_owned(),
        address: of(query, query.status(), ""),
        on: query.period.is_empty(),
    };
    let chip = |label: String| Chip {
        address: of(query, query.status(), &label),
        on: query.period == label,
        name: label,
    };
    std::iter::once(every).chain(labels.into_iter().take(PERIODS).map(chip)).collect()
}
