//! Finalizing: everything that makes an invoice final happens in one transaction, or not at all.
//!
//! In order: hold the books' lock, look for what was finalized before, check that the terms still
//! stand, take the number, let the caller make the invoice, check it, write it down, seal it.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{Instant, Invoice, Scope, canonical};

use super::{
    Audience, FinalizeRequest, Finalized, FinalizedInvoice, NumberedDraft, check_invoice, draft,
    flat, postings, read,
};
use crate::book::terms::{self, TermsKey};
use crate::book::{LOCK, newest_key};
use crate::store::{RowExt, Tx, sql};
use crate::{Books, BooksError, BoxError, FinalizeError, audit, store};

const WHAT: &str = "finalizing an invoice";

/// A number taken from a series, with the hash of the invoice before it.
pub(crate) struct Taken {
    series: String,
    sequence: i64,
    previous_hash: String,
}

impl Taken {
    fn number(&self) -> String {
        number(&self.series, self.sequence)
    }
}

/// `LYO-2026-000001`: the series, then six digits or as many as it takes.
pub(crate) fn number(series: &str, sequence: i64) -> String {
    format!("{series}-{sequence:06}")
}

impl Books {
    /// Finalizes a draft in one transaction: the next number of the seller's series of the issue
    /// date's year, the invoice that `make` returns, its documents, flat rows, postings and audit
    /// entry. When `make` fails, nothing is stored and the number stays free. Finalizing twice
    /// returns the same invoice.
    ///
    /// `make` runs while the series is held: it renders and returns, it does not wait.
    pub async fn finalize<F, E>(
        &self,
        scope: &Scope,
        request: FinalizeRequest<'_>,
        make: F,
    ) -> Result<Finalized, FinalizeError>
    where
        F: FnOnce(NumberedDraft<'_>) -> Result<FinalizedInvoice, E> + Send,
        E: Into<BoxError>,
    {
        let mut tx = self.write(WHAT).await?;
        store::lock(&mut tx, LOCK).await.map_err(sql(WHAT))?;
        if let Some((invoice, hash)) = read::finalized(&mut tx, scope, request.id).await? {
            return Ok(Finalized { invoice, hash, fresh: false });
        }
        let draft = draft::read(&mut tx, scope, request.id)
            .await?
            .ok_or_else(|| FinalizeError::NotFound(request.id.clone()))?;
        if let Some((period, number)) = draft::covering(&mut tx, &draft).await.map_err(sql(WHAT))? {
            let account = draft.account.id.clone();
            return Err(FinalizeError::AlreadyInvoiced { account, period, number });
        }
        let used = self.standing_terms(&mut tx, &draft).await?;
        let issue_date = request.issue_date.unwrap_or_else(|| local_day(request.now, &draft));
        let taken = take_number(&mut tx, &draft, issue_date).await?;
        let number = taken.number();
        let made = make(NumberedDraft { draft: &draft, number: &number, issue_date }).map_err(
            |source| FinalizeError::Make { number: number.clone(), source: source.into() },
        )?;
        check_made(&draft, &made.invoice, &number, issue_date)?;
        let hash = store_all(&mut tx, &made, &taken, used, request.now).await?;
        draft::remove(&mut tx, request.id).await.map_err(sql(WHAT))?;
        let detail = canonical::to_json(&BTreeMap::from([
            ("hash", hash.as_str()),
            ("id", draft.id.as_str()),
        ]));
        audit::record(&mut tx, request.now, request.actor, "finalize-invoice", &number, &detail)
            .await
            .map_err(sql(WHAT))?;
        tx.commit().await.map_err(sql(WHAT))?;
        Ok(Finalized { invoice: made.invoice, hash, fresh: true })
    }

    /// The terms of the draft with their hashes, as both the book it was rated with and the newest
    /// one state them. Where the two differ, finalizing would put into an invoice what the book no
    /// longer says.
    async fn standing_terms(
        &self,
        tx: &mut Tx,
        draft: &Invoice,
    ) -> Result<BTreeMap<TermsKey, (String, Instant)>, FinalizeError> {
        let rated = sqlx::query("SELECT book_hash FROM run WHERE id = $1")
            .bind(draft.run.as_str())
            .fetch_one(&mut **tx)
            .await
            .and_then(|row| row.text("book_hash"))
            .map_err(sql(WHAT))?;
        let newest = newest_key(tx).await.map_err(sql(WHAT))?;
        let (_, newest) = newest.ok_or(BooksError::NoBook)?;
        let rated_book = self.cached_book(tx, &rated).await?.ok_or(BooksError::NoBook)?;
        let newest_book = if newest == rated {
            rated_book.clone()
        } else {
            self.cached_book(tx, &newest).await?.ok_or(BooksError::NoBook)?
        };
        let mut standing = BTreeMap::new();
        for (key, used_to) in terms::of_invoice(draft) {
            let at = |book| terms::at(book, (key.0, &key.1), used_to);
            let newest = at(&newest_book).filter(|newest| {
                at(&rated_book).is_some_and(|rated| rated.hash == newest.hash)
                    && newest.valid_to.is_none_or(|end| end >= used_to)
            });
            let Some(newest) = newest else {
                return Err(FinalizeError::TermsChanged { kind: key.0, id: key.1 });
            };
            standing.insert(key, (newest.hash, used_to));
        }
        Ok(standing)
    }
}

fn local_day(now: Instant, draft: &Invoice) -> NaiveDate {
    now.to_chrono().with_timezone(&draft.account.time_zone).date_naive()
}

/// Takes the next number. The row of the series stays locked until the transaction ends, and a
/// rollback gives the number back.
async fn take_number(
    tx: &mut Tx,
    draft: &Invoice,
    issue_date: NaiveDate,
) -> Result<Taken, FinalizeError> {
    let seller = &draft.seller;
    let series = format!("{}-{:04}", seller.invoice_series, issue_date.year());
    let rows = sqlx::query(
        "INSERT INTO series (name, seller, last, last_hash) VALUES ($1, $2, 1, '') \
         ON CONFLICT (name) DO UPDATE SET last = series.last + 1 \
         RETURNING seller, last, last_hash",
    )
    .bind(series.as_str())
    .bind(seller.id.as_str())
    .fetch_all(&mut **tx)
    .await
    .map_err(sql(WHAT))?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound).map_err(sql(WHAT))?;
    let owner = row.text("seller").map_err(sql(WHAT))?;
    if owner != seller.id.as_str() {
        let seller = seller.id.to_string();
        return Err(FinalizeError::SeriesTaken { series, owner, seller });
    }
    let sequence = row.int("last").map_err(sql(WHAT))?;
    let previous_hash = row.text("last_hash").map_err(sql(WHAT))?;
    if let Some(last) = issued_last(tx, &series).await?.filter(|last| *last > issue_date) {
        return Err(FinalizeError::IssueDate { series, last, issue_date });
    }
    Ok(Taken { series, sequence, previous_hash })
}

/// The issue date of the newest invoice of a series: a clock that was put back must not number an
/// invoice after it with an earlier day.
async fn issued_last(tx: &mut Tx, series: &str) -> Result<Option<NaiveDate>, FinalizeError> {
    let rows = sqlx::query("SELECT MAX(issue_date) AS issue_date FROM invoice WHERE series = $1")
        .bind(series)
        .fetch_all(&mut **tx)
        .await
        .map_err(sql(WHAT))?;
    let last = rows.first().map(|row| row.day_opt("issue_date")).transpose();
    Ok(last.map_err(sql(WHAT))?.flatten())
}

/// The maker may set status, number and dates, and nothing else.
fn check_made(
    draft: &Invoice,
    made: &Invoice,
    number: &str,
    issue_date: NaiveDate,
) -> Result<(), FinalizeError> {
    let wrong = |detail: String| FinalizeError::NotTheDraft { number: number.to_owned(), detail };
    let expected = Invoice {
        status: InvoiceStatus::Finalized,
        number: Some(number.to_owned()),
        issue_date: Some(issue_date),
        due_date: made.due_date,
        ..draft.clone()
    };
    if &expected != made {
        return Err(wrong(format!("`{}` differs", differing_field(&expected, made))));
    }
    match check_invoice(made).into_iter().next() {
        Some(problem) => Err(wrong(problem)),
        None => Ok(()),
    }
}

/// The name of the first field in which two invoices differ.
fn differing_field(expected: &Invoice, made: &Invoice) -> String {
    let fields = |invoice: &Invoice| match serde_json::to_value(invoice) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let made = fields(made);
    let differs = |(name, value): &(String, serde_json::Value)| made.get(name) != Some(value);
    let name = fields(expected).into_iter().find(differs).map(|(name, _)| name);
    name.unwrap_or_else(|| "something".to_owned())
}

/// Writes the invoice and all that goes with it; its own row last, which seals the others.
async fn store_all(
    tx: &mut Tx,
    made: &FinalizedInvoice,
    taken: &Taken,
    used: BTreeMap<TermsKey, (String, Instant)>,
    now: Instant,
) -> Result<String, BooksError> {
    let invoice = &made.invoice;
    let unsound = |detail: String| BooksError::Unsound { invoice: invoice.id.clone(), detail };
    let legs = postings::of(invoice).map_err(|error| unsound(error.to_string()))?;
    let text = canonical::to_json(invoice);
    // The text is what will be read back, so it must say the same.
    match serde_json::from_str::<Invoice>(&text) {
        Ok(back) if &back == invoice => {}
        Ok(_) => return Err(unsound("its JSON reads back as another invoice".to_owned())),
        Err(error) => return Err(unsound(format!("its JSON does not read back: {error}"))),
    }
    let hash = invoice.chain_hash(&taken.previous_hash);
    let failed = sql(WHAT);
    flat::insert(tx, &invoice.id, flat::of(invoice)).await.map_err(&failed)?;
    for (audience, html) in
        [(Audience::Customer, &made.customer_html), (Audience::Provider, &made.provider_html)]
    {
        flat::insert_document(tx, &invoice.id, audience, html).await.map_err(&failed)?;
    }
    for (key, (terms_hash, used_to)) in &used {
        flat::insert_terms(tx, &invoice.id, key, terms_hash, *used_to).await.map_err(&failed)?;
    }
    insert_invoice(tx, invoice, taken, &text, &hash, now).await.map_err(&failed)?;
    postings::insert(tx, invoice, &legs, now).await.map_err(&failed)?;
    sqlx::query("UPDATE series SET last_hash = $1 WHERE name = $2")
        .bind(hash.as_str())
        .bind(taken.series.as_str())
        .execute(&mut **tx)
        .await
        .map_err(&failed)?;
    Ok(hash)
}

async fn insert_invoice(
    tx: &mut Tx,
    invoice: &Invoice,
    taken: &Taken,
    text: &str,
    hash: &str,
    now: Instant,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO invoice (id, number, series, sequence, account, account_name, seller, \
         seller_name, currency, period_start, period_end, period_label, issue_date, due_date, run, \
         net, tax, gross, estimated, canonical, previous_hash, hash, finalized_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23)",
    )
    .bind(invoice.id.as_str())
    .bind(taken.number())
    .bind(taken.series.as_str())
    .bind(taken.sequence)
    .bind(invoice.account.id.as_str())
    .bind(invoice.account.name.as_str())
    .bind(invoice.seller.id.as_str())
    .bind(invoice.seller.name.as_str())
    .bind(invoice.currency.code())
    .bind(invoice.period.start().micros())
    .bind(invoice.period.end().micros())
    .bind(invoice.period_label.as_str())
    .bind(invoice.issue_date.map(|day| day.to_string()))
    .bind(invoice.due_date.map(|day| day.to_string()))
    .bind(invoice.run.as_str())
    .bind(invoice.net.minor())
    .bind(invoice.tax.minor())
    .bind(invoice.gross.minor())
    .bind(i64::from(invoice.estimated))
    .bind(text)
    .bind(taken.previous_hash.as_str())
    .bind(hash)
    .bind(now.micros())
    .execute(&mut **tx)
    .await
    .map(drop)
}
