//! `GET /portal`: a customer's own invoices.

use crate::filters;
use actix_web::web::Data;
use askama::Template;
use turnpike_books::InvoiceFilter;

use super::account::InvoiceRow;
use super::shell::{Place, Shell, Stamp};
use super::{Page, html};
use crate::access::Customer;
use crate::app::App;
use crate::reads;

#[derive(Template)]
#[template(path = "portal.html")]
struct PortalView {
    shell: Shell,
    name: String,
    as_of: Option<Stamp>,
    drafts: Vec<InvoiceRow>,
    invoices: Vec<InvoiceRow>,
}

pub async fn portal(customer: Customer, app: Data<App>) -> Page {
    let (books, scope) = (&app.state.books, &customer.scope);
    let account = books.account(scope, &customer.account).await?;
    let page = books.invoices(scope, &InvoiceFilter::default()).await?;
    let newest = page.invoices.first().map(|invoice| invoice.account_name.clone());
    // An account that has left the book keeps its invoices, and its name on them.
    let name = account.map(|account| account.name).or(newest);
    let rows = page.invoices.into_iter().map(InvoiceRow::new);
    let (drafts, invoices) = rows.partition(InvoiceRow::is_draft);
    html(&PortalView {
        shell: Shell::portal(&app),
        name: name.unwrap_or_else(|| customer.account.to_string()),
        as_of: reads::as_of(&app.state).await?.map(Stamp::utc),
        drafts,
        invoices,
    })
}
