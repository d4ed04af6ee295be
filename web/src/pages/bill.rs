//! `GET /accounts/{account}/bill/json` and `GET /portal/bill/json`: what is owed at this instant.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use turnpike_schemas::{Account, AccountId, Instant, Invoice, Period};

use super::Page;
use super::portal_invoice::customer_invoice;
use crate::access::{Customer, Operator};
use crate::app::App;
use crate::error::WebError;
use crate::reads::{self, Owed};

#[derive(Serialize)]
struct Bill<'a, I: Serialize> {
    account: &'a AccountId,
    period_label: &'a str,
    period: Period,
    as_of: Instant,
    raw_version: i64,
    /// Nothing is billed while it is; the reason is for the provider.
    parked: bool,
    reason: Option<String>,
    invoice: Option<I>,
}

pub async fn of_account(operator: Operator, app: Data<App>, id: Path<String>) -> Page {
    let id = AccountId::new(id.into_inner()).map_err(|_| WebError::NotFound)?;
    let account = app.state.books.account(&operator.scope, &id).await?;
    let account = account.ok_or(WebError::NotFound)?;
    let owed = reads::owed(&app, &account).await?;
    let reason = owed.parked.as_ref().map(ToString::to_string);
    Ok(HttpResponse::Ok().json(bill::<&Invoice>(&account, &owed, reason, owed.invoice.as_ref())))
}

/// Without the split, and without the reasons that are the provider's.
pub async fn of_customer(customer: Customer, app: Data<App>) -> Page {
    let account = app.state.books.account(&customer.scope, &customer.account).await?;
    let account = account.ok_or(WebError::NotFound)?;
    let owed = reads::owed(&app, &account).await?;
    let invoice = owed.invoice.as_ref().map(customer_invoice);
    Ok(HttpResponse::Ok().json(bill(&account, &owed, None, invoice)))
}

fn bill<'a, I: Serialize>(
    account: &'a Account,
    owed: &'a Owed,
    reason: Option<String>,
    invoice: Option<I>,
) -> Bill<'a, I> {
    Bill {
        account: &account.id,
        period_label: &owed.label,
        period: owed.period,
        as_of: owed.as_of,
        raw_version: owed.raw_version,
        parked: owed.parked.is_some(),
        reason,
        invoice,
    }
}
