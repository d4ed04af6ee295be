//! `GET /invoices/{invoice}`: one invoice with its split, its document and its JSON.

use crate::filters;
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use askama::Template;
use turnpike_books::Audience as StoredAudience;
use turnpike_invoices::{Audience, format};
use turnpike_schemas::invoice::{InvoiceStatus, TaxLine};
use turnpike_schemas::{Charge, Invoice, Money, PartyId, Scope, Share};

use super::shell::{Place, Shell, Stamp};
use super::{Page, html};
use crate::access::Operator;
use crate::app::App;
use crate::error::WebError;
use crate::reads;

#[derive(Template)]
#[template(path = "invoice.html")]
struct InvoiceView {
    shell: Shell,
    paper: Paper,
    split: Vec<SplitView>,
    as_of: Option<Stamp>,
}

struct SplitView {
    party: String,
    role: String,
    money: Money,
}

/// What provider and customer both see of an invoice.
pub struct Paper {
    pub key: String,
    pub invoice: Invoice,
    pub period: String,
    pub issued: Option<String>,
    pub due: Option<String>,
    pub sections: Vec<SectionView>,
    pub taxes: Vec<TaxView>,
}

pub struct SectionView {
    pub service: String,
    pub net: Money,
    pub charges: Vec<ChargeView>,
}

pub struct ChargeView {
    pub line: u32,
    pub description: String,
    pub resource: String,
    pub place: String,
    pub quantity: String,
    pub held: Option<String>,
    pub price: String,
    pub net: Money,
    pub estimated: bool,
    pub shares: Vec<Share>,
}

pub struct TaxView {
    pub name: String,
    pub note: Option<String>,
    pub base: Money,
    pub tax: Money,
}

impl Paper {
    pub fn new(invoice: Invoice, sections: Vec<reads::Section>) -> Self {
        let section = |section: reads::Section| SectionView {
            service: section.service,
            net: section.net,
            charges: section.charges.iter().map(ChargeView::new).collect(),
        };
        Self {
            key: invoice.number.clone().unwrap_or_else(|| invoice.id.to_string()),
            period: format::period(&invoice.period, invoice.account.time_zone),
            issued: invoice.issue_date.map(format::day),
            due: invoice.due_date.map(format::day),
            sections: sections.into_iter().map(section).collect(),
            taxes: invoice.taxes.iter().map(TaxView::new).collect(),
            invoice,
        }
    }

    pub fn is_draft(&self) -> bool {
        self.invoice.status == InvoiceStatus::Draft
    }
}

impl ChargeView {
    fn new(charge: &Charge) -> Self {
        let (quantity, held) = format::charge_quantity(charge);
        let (price, per) = format::charge_price(charge);
        let places: Vec<&str> =
            [charge.project.as_deref(), charge.site.as_deref()].into_iter().flatten().collect();
        Self {
            line: charge.line,
            description: charge.description.clone(),
            resource: charge.resource.to_string(),
            place: places.join(" · "),
            quantity,
            held,
            price: format!("{price} {per}").trim().to_owned(),
            net: charge.net,
            estimated: charge.estimated,
            shares: charge.shares.clone(),
        }
    }
}

impl TaxView {
    fn new(line: &TaxLine) -> Self {
        Self {
            name: format!("{} {}", line.code, format::percent(line.rate_ppm)),
            note: line.note.clone(),
            base: line.base,
            tax: line.tax,
        }
    }
}

pub async fn invoice(operator: Operator, app: Data<App>, key: Path<String>) -> Page {
    let invoice = read(&app, &operator.scope, &key).await?;
    let statement = reads::statement(&invoice)?;
    let parties = reads::parties(&app.state).await?.unwrap_or_default();
    let split = |(party, role, money): (PartyId, String, Money)| SplitView {
        party: parties.name(&party).to_owned(),
        role,
        money,
    };
    html(&InvoiceView {
        shell: Shell::provider(&app, &operator, Place::Invoices),
        paper: Paper::new(invoice, statement.sections),
        split: statement.split.into_iter().map(split).collect(),
        as_of: reads::as_of(&app.state).await?.map(Stamp::utc),
    })
}

/// `GET /invoices/{invoice}/document`: as the customer gets it on paper, with the split.
pub async fn document(operator: Operator, app: Data<App>, key: Path<String>) -> Page {
    printable(&app, &operator.scope, &key).await
}

/// `GET /invoices/{invoice}/json`: the value that is hashed and stored.
pub async fn json(operator: Operator, app: Data<App>, key: Path<String>) -> Page {
    let invoice = read(&app, &operator.scope, &key).await?;
    let body = turnpike_schemas::canonical::to_json(&invoice);
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

pub async fn read(app: &App, scope: &Scope, key: &str) -> Result<Invoice, WebError> {
    app.state.books.invoice(scope, key).await?.ok_or(WebError::NotFound)
}

/// The stored document of a finalized invoice, or one made of the draft.
pub async fn printable(app: &App, scope: &Scope, key: &str) -> Page {
    let invoice = read(app, scope, key).await?;
    let (stored, made) = match scope.sees_split() {
        true => (StoredAudience::Provider, Audience::Provider),
        false => (StoredAudience::Customer, Audience::Customer),
    };
    let body = match invoice.status {
        InvoiceStatus::Draft => turnpike_invoices::html(&invoice, made)?,
        InvoiceStatus::Finalized => {
            let document = app.state.books.document(scope, key, stored).await?;
            document.ok_or(WebError::NotFound)?.html
        }
    };
    // The document brings its style sheet along, which the pages' own policy would refuse.
    let policy = turnpike_invoices::document_policy(&body);
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .body(body))
}
