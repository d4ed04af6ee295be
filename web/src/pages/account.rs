//! `GET /accounts/{account}`: one account.

use crate::filters;
use actix_web::web::{Data, Path};
use askama::Template;
use chrono_tz::Tz;
use turnpike_books::{InvoiceFilter, InvoiceSummary, ParkedRecord};
use turnpike_invoices::format;
use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{Account, AccountId, Currency, Instant, Money, Scope};

use super::shell::{Place, Shell};
use super::{Page, html};
use crate::access::{Operator, portal_link};
use crate::app::App;
use crate::error::WebError;
use crate::reads;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountView {
    shell: Shell,
    account: Account,
    seller: String,
    /// Owner or tariff, from, to.
    owners: Vec<(String, String)>,
    tariffs: Vec<(String, String)>,
    parked: Option<ParkedRecord>,
    drafts: Vec<InvoiceRow>,
    invoices: Vec<InvoiceRow>,
    /// More invoices than are shown stand there.
    invoices_address: String,
    projects: Option<ProjectsView>,
    portal_link: String,
    portal_days: u32,
}

/// An invoice in a list, with its dates written out.
pub struct InvoiceRow {
    pub summary: InvoiceSummary,
    pub issued: String,
    pub due: String,
}

impl InvoiceRow {
    pub fn new(summary: InvoiceSummary) -> Self {
        let day = |day: Option<chrono::NaiveDate>| day.map(format::day).unwrap_or_default();
        Self { issued: day(summary.issue_date), due: day(summary.due_date), summary }
    }

    /// What it is called and found by.
    pub fn key(&self) -> &str {
        self.summary.number.as_deref().unwrap_or(self.summary.id.as_str())
    }

    pub fn is_draft(&self) -> bool {
        self.summary.status == InvoiceStatus::Draft
    }
}

/// The projects on the newest invoice or draft.
struct ProjectsView {
    period_label: String,
    currency: Currency,
    rows: Vec<(Option<String>, usize, Money)>,
}

pub async fn account(operator: Operator, app: Data<App>, id: Path<String>) -> Page {
    let (state, scope) = (&app.state, &operator.scope);
    let id = AccountId::new(id.into_inner()).map_err(|_| WebError::NotFound)?;
    let account = state.books.account(scope, &id).await?.ok_or(WebError::NotFound)?;
    let parties = reads::parties(state).await?.unwrap_or_default();
    let filter = InvoiceFilter { account: Some(id.clone()), ..InvoiceFilter::default() };
    let page = state.books.invoices(scope, &filter).await?;
    let projects = projects(&app, scope, page.invoices.first()).await?;
    let rows = page.invoices.into_iter().map(InvoiceRow::new);
    let (drafts, invoices) = rows.partition(InvoiceRow::is_draft);
    let parked = state.books.parked(scope, None).await?;
    let zone = account.time_zone;
    html(&AccountView {
        shell: Shell::provider(&app, &operator, Place::Accounts),
        seller: parties.name(&account.seller).to_owned(),
        owners: account
            .owners
            .iter()
            .map(|rule| (rule.owner.to_string(), span(rule.valid_from, rule.valid_to, zone)))
            .collect(),
        tariffs: account
            .tariffs
            .iter()
            .map(|one| (one.tariff.to_string(), span(one.valid_from, one.valid_to, zone)))
            .collect(),
        parked: parked.into_iter().find(|parked| parked.account == id),
        drafts,
        invoices,
        invoices_address: crate::paging::address("/invoices", &[("q", id.as_str())]),
        projects,
        portal_link: portal_link(&state.settings, &id, state.now()),
        portal_days: state.settings.portal_link_days,
        account,
    })
}

async fn projects(
    app: &App,
    scope: &Scope,
    newest: Option<&InvoiceSummary>,
) -> Result<Option<ProjectsView>, WebError> {
    let Some(newest) = newest else {
        return Ok(None);
    };
    let invoice = app.state.books.invoice(scope, newest.id.as_str()).await?;
    let Some(invoice) = invoice else {
        return Ok(None);
    };
    let rows = reads::statement(&invoice)?.projects;
    let period_label = newest.period_label.clone();
    Ok(Some(ProjectsView { period_label, currency: newest.currency, rows }))
}

/// When something holds, in words.
fn span(from: Option<Instant>, to: Option<Instant>, zone: Tz) -> String {
    let text = |instant| format::instant(instant, zone);
    match (from, to) {
        (None, None) => "always".to_owned(),
        (Some(from), None) => format!("from {}", text(from)),
        (None, Some(to)) => format!("until {}", text(to)),
        (Some(from), Some(to)) => format!("{} to {}", text(from), text(to)),
    }
}
