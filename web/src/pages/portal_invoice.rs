//! `GET /portal/invoices/{invoice}`: a customer's own invoice, without any split.

use crate::filters;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use askama::Template;
use chrono::NaiveDate;
use serde::Serialize;
use turnpike_schemas::invoice::TaxLine;
use turnpike_schemas::{Address, Charge, Currency, Invoice, Money, Party, Period};

use super::invoice::{Paper, printable, read};
use super::shell::{Place, Shell, Stamp};
use super::{Page, html};
use crate::access::Customer;
use crate::app::App;
use crate::reads;

#[derive(Template)]
#[template(path = "portal_invoice.html")]
struct PortalInvoiceView {
    shell: Shell,
    paper: Paper,
    as_of: Option<Stamp>,
}

pub async fn invoice(customer: Customer, app: Data<App>, key: Path<String>) -> Page {
    let invoice = read(&app, &customer.scope, &key).await?;
    let sections = reads::statement(&invoice)?.sections;
    html(&PortalInvoiceView {
        shell: Shell::portal(&app),
        paper: Paper::new(invoice, sections),
        as_of: reads::as_of(&app.state).await?.map(Stamp::utc),
    })
}

pub async fn document(customer: Customer, app: Data<App>, key: Path<String>) -> Page {
    printable(&app, &customer.scope, &key).await
}

/// What a customer's program gets: named one by one, so that a field added to invoices stays
/// inside until somebody puts it here.
#[derive(Serialize)]
pub(super) struct CustomerInvoice<'a> {
    id: &'a str,
    number: Option<&'a str>,
    status: &'static str,
    seller: CustomerSeller<'a>,
    account: &'a str,
    account_name: &'a str,
    currency: Currency,
    period: Period,
    period_label: &'a str,
    issue_date: Option<NaiveDate>,
    due_date: Option<NaiveDate>,
    charges: Vec<CustomerCharge<'a>>,
    taxes: &'a [TaxLine],
    net: Money,
    tax: Money,
    gross: Money,
    estimated: bool,
}

/// Whom to pay. What kind of party it is within the network is not the customer's business.
#[derive(Serialize)]
struct CustomerSeller<'a> {
    name: &'a str,
    address: &'a Address,
    tax_id: Option<&'a str>,
    email: Option<&'a str>,
    payment_note: Option<&'a str>,
}

#[derive(Serialize)]
struct CustomerCharge<'a> {
    line: u32,
    /// `usage`, `metered`, `fee` or `adjustment`.
    kind: &'static str,
    service: &'a str,
    description: &'a str,
    resource: &'a str,
    project: Option<&'a str>,
    site: Option<&'a str>,
    meter: &'a str,
    /// At 10^-scale base units; held meters times seconds.
    quantity: String,
    scale: u32,
    seconds: i64,
    /// Nano-currency per unit and `per`.
    price_nano: String,
    unit: &'a str,
    per: &'static str,
    service_period: Period,
    net: Money,
    estimated: bool,
}

pub async fn json(customer: Customer, app: Data<App>, key: Path<String>) -> Page {
    let invoice = read(&app, &customer.scope, &key).await?;
    Ok(HttpResponse::Ok().json(customer_invoice(&invoice)))
}

pub(super) fn customer_invoice(invoice: &Invoice) -> CustomerInvoice<'_> {
    CustomerInvoice {
        id: invoice.id.as_str(),
        number: invoice.number.as_deref(),
        status: invoice.status.as_str(),
        seller: customer_seller(&invoice.seller),
        account: invoice.account.id.as_str(),
        account_name: &invoice.account.name,
        currency: invoice.currency,
        period: invoice.period,
        period_label: &invoice.period_label,
        issue_date: invoice.issue_date,
        due_date: invoice.due_date,
        charges: invoice.charges.iter().map(customer_charge).collect(),
        taxes: &invoice.taxes,
        net: invoice.net,
        tax: invoice.tax,
        gross: invoice.gross,
        estimated: invoice.estimated,
    }
}

fn customer_seller(seller: &Party) -> CustomerSeller<'_> {
    CustomerSeller {
        name: &seller.name,
        address: &seller.address,
        tax_id: seller.tax_id.as_deref(),
        email: seller.email.as_deref(),
        payment_note: seller.payment_note.as_deref(),
    }
}

fn customer_charge(charge: &Charge) -> CustomerCharge<'_> {
    CustomerCharge {
        line: charge.line,
        kind: charge.kind.as_str(),
        service: &charge.service,
        description: &charge.description,
        resource: charge.resource.as_str(),
        project: charge.project.as_deref(),
        site: charge.site.as_deref(),
        meter: charge.meter.as_str(),
        quantity: charge.quantity.to_string(),
        scale: charge.scale,
        seconds: charge.seconds,
        price_nano: charge.price_nano.to_string(),
        unit: &charge.unit.name,
        per: charge.per.as_str(),
        service_period: charge.service_period,
        net: charge.net,
        estimated: charge.estimated,
    }
}
