//! Reading of invoices, each time within a scope.

use sqlx::any::AnyRow;
use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{Currency, Invoice, InvoiceId, Scope};

use super::{
    Audience, InvoiceFilter, InvoicePage, InvoiceSummary, Posting, StoredDocument, postings,
};
use crate::store::{RowExt, ScopeKeys, Tx, corrupt, sql};
use crate::{Books, BooksError};

/// Invoices of a page where the filter does not say, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;

impl Books {
    /// A draft or finalized invoice, by id or number. A customer gets it without the split: no
    /// shares and no agreements.
    pub async fn invoice(
        &self,
        scope: &Scope,
        id_or_number: &str,
    ) -> Result<Option<Invoice>, BooksError> {
        let what = "reading an invoice";
        let keys = ScopeKeys::of(scope);
        let row = sqlx::query(
            "SELECT canonical FROM invoice_entry WHERE (id = $1 OR number = $1) \
             AND ($2 = '' OR seller = $2) AND ($3 = '' OR account = $3)",
        )
        .bind(id_or_number)
        .bind(keys.seller)
        .bind(keys.account)
        .fetch_optional(self.reader())
        .await
        .map_err(sql(what))?;
        let Some(row) = row else { return Ok(None) };
        let text = row.text("canonical").map_err(sql(what))?;
        let mut invoice: Invoice =
            serde_json::from_str(&text).map_err(|error| corrupt("invoice", id_or_number, error))?;
        if !scope.sees_split() {
            for charge in &mut invoice.charges {
                charge.shares.clear();
                charge.agreement = None;
            }
        }
        Ok(Some(invoice))
    }

    pub async fn invoices(
        &self,
        scope: &Scope,
        filter: &InvoiceFilter,
    ) -> Result<InvoicePage, BooksError> {
        let what = "listing invoices";
        let mut tx = self.snapshot(what).await?;
        let total = count(&mut tx, scope, filter).await.map_err(sql(what))?;
        let rows = page(&mut tx, scope, filter).await.map_err(sql(what))?;
        let invoices = rows.iter().map(summary).collect::<Result<_, _>>().map_err(sql(what))?;
        Ok(InvoicePage { invoices, total })
    }

    /// The document of a finalized invoice. The provider's is absent for a customer.
    pub async fn document(
        &self,
        scope: &Scope,
        id_or_number: &str,
        audience: Audience,
    ) -> Result<Option<StoredDocument>, BooksError> {
        let what = "reading a document";
        if audience == Audience::Provider && !scope.sees_split() {
            return Ok(None);
        }
        let keys = ScopeKeys::of(scope);
        sqlx::query(
            "SELECT invoice.number AS number, document.html AS html, document.sha256 AS sha256 \
             FROM invoice JOIN invoice_document AS document ON document.invoice = invoice.id \
             WHERE (invoice.id = $1 OR invoice.number = $1) AND document.audience = $2 \
             AND ($3 = '' OR invoice.seller = $3) AND ($4 = '' OR invoice.account = $4)",
        )
        .bind(id_or_number)
        .bind(audience.as_str())
        .bind(keys.seller)
        .bind(keys.account)
        .fetch_optional(self.reader())
        .await
        .and_then(|row| row.as_ref().map(stored_document).transpose())
        .map_err(sql(what))
    }

    /// The postings of a finalized invoice; none for a customer.
    pub async fn postings(
        &self,
        scope: &Scope,
        id: &InvoiceId,
    ) -> Result<Vec<Posting>, BooksError> {
        let what = "reading postings";
        if !scope.sees_split() {
            return Ok(Vec::new());
        }
        let mut tx = self.snapshot(what).await?;
        if finalized(&mut tx, scope, id).await?.is_none() {
            return Ok(Vec::new());
        }
        postings::read(&mut tx, id).await.map_err(sql(what))
    }
}

fn stored_document(row: &AnyRow) -> Result<StoredDocument, sqlx::Error> {
    Ok(StoredDocument {
        number: row.text("number")?,
        html: row.text("html")?,
        sha256: row.text("sha256")?,
    })
}

/// A finalized invoice with its hash.
pub(super) async fn finalized(
    tx: &mut Tx,
    scope: &Scope,
    id: &InvoiceId,
) -> Result<Option<(Invoice, String)>, BooksError> {
    let what = "reading an invoice";
    let keys = ScopeKeys::of(scope);
    let row = sqlx::query(
        "SELECT canonical, hash FROM invoice \
         WHERE id = $1 AND ($2 = '' OR seller = $2) AND ($3 = '' OR account = $3)",
    )
    .bind(id.as_str())
    .bind(keys.seller)
    .bind(keys.account)
    .fetch_optional(&mut **tx)
    .await
    .map_err(sql(what))?;
    let Some(row) = row else { return Ok(None) };
    let text = row.text("canonical").map_err(sql(what))?;
    let invoice =
        serde_json::from_str(&text).map_err(|error| corrupt("invoice", id.as_str(), error))?;
    Ok(Some((invoice, row.text("hash").map_err(sql(what))?)))
}

/// The filter as keys of a query; empty means any.
struct FilterKeys<'a> {
    status: &'a str,
    account: &'a str,
    seller: &'a str,
    period_label: &'a str,
    pattern: String,
}

fn keys(filter: &InvoiceFilter) -> FilterKeys<'_> {
    FilterKeys {
        status: filter.status.map_or("", InvoiceStatus::as_str),
        account: filter.account.as_ref().map_or("", |id| id.as_str()),
        seller: filter.seller.as_ref().map_or("", |id| id.as_str()),
        period_label: filter.period_label.as_deref().unwrap_or(""),
        pattern: pattern(filter.text.as_deref().unwrap_or("")),
    }
}

/// A `LIKE` pattern that finds a text anywhere; empty for an empty text.
pub(crate) fn pattern(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

async fn count(tx: &mut Tx, scope: &Scope, filter: &InvoiceFilter) -> Result<i64, sqlx::Error> {
    let (scope, keys) = (ScopeKeys::of(scope), keys(filter));
    sqlx::query(
        "SELECT COUNT(*) AS total FROM invoice_entry \
         WHERE ($1 = '' OR seller = $1) AND ($2 = '' OR account = $2) \
         AND ($3 = '' OR status = $3) AND ($4 = '' OR account = $4) \
         AND ($5 = '' OR seller = $5) AND ($6 = '' OR period_label = $6) \
         AND ($7 = '' OR lower(account) LIKE lower($7) ESCAPE '!' \
         OR lower(account_name) LIKE lower($7) ESCAPE '!' \
         OR lower(number) LIKE lower($7) ESCAPE '!')",
    )
    .bind(scope.seller)
    .bind(scope.account)
    .bind(keys.status)
    .bind(keys.account)
    .bind(keys.seller)
    .bind(keys.period_label)
    .bind(keys.pattern)
    .fetch_one(&mut **tx)
    .await?
    .int("total")
}

async fn page(
    tx: &mut Tx,
    scope: &Scope,
    filter: &InvoiceFilter,
) -> Result<Vec<AnyRow>, sqlx::Error> {
    let (scope, keys) = (ScopeKeys::of(scope), keys(filter));
    let limit = if filter.limit == 0 { PAGE } else { filter.limit.min(PAGE_MAX) };
    sqlx::query(
        "SELECT id, status, number, account, account_name, seller, seller_name, currency, \
         period_start, period_end, period_label, issue_date, due_date, net, tax, gross, estimated, \
         run, finalized_at FROM invoice_entry \
         WHERE ($1 = '' OR seller = $1) AND ($2 = '' OR account = $2) \
         AND ($3 = '' OR status = $3) AND ($4 = '' OR account = $4) \
         AND ($5 = '' OR seller = $5) AND ($6 = '' OR period_label = $6) \
         AND ($7 = '' OR lower(account) LIKE lower($7) ESCAPE '!' \
         OR lower(account_name) LIKE lower($7) ESCAPE '!' \
         OR lower(number) LIKE lower($7) ESCAPE '!') \
         ORDER BY period_label DESC, account, period_start DESC, id LIMIT $8 OFFSET $9",
    )
    .bind(scope.seller)
    .bind(scope.account)
    .bind(keys.status)
    .bind(keys.account)
    .bind(keys.seller)
    .bind(keys.period_label)
    .bind(keys.pattern)
    .bind(i64::from(limit))
    .bind(i64::from(filter.offset))
    .fetch_all(&mut **tx)
    .await
}

fn summary(row: &AnyRow) -> Result<InvoiceSummary, sqlx::Error> {
    let currency: Currency = row.parsed("currency")?;
    let finalized = row.text("status")? == InvoiceStatus::Finalized.as_str();
    Ok(InvoiceSummary {
        id: row.parsed("id")?,
        status: if finalized { InvoiceStatus::Finalized } else { InvoiceStatus::Draft },
        number: row.text_opt("number")?,
        account: row.parsed("account")?,
        account_name: row.text("account_name")?,
        seller: row.parsed("seller")?,
        seller_name: row.text("seller_name")?,
        currency,
        period: row.period()?,
        period_label: row.text("period_label")?,
        issue_date: row.day_opt("issue_date")?,
        due_date: row.day_opt("due_date")?,
        net: row.money("net", currency)?,
        tax: row.money("tax", currency)?,
        gross: row.money("gross", currency)?,
        estimated: row.int("estimated")? != 0,
        run: row.parsed("run")?,
        finalized_at: row.instant_opt("finalized_at")?,
    })
}
