//! Drafts: one per account, period and currency, replaced at will until finalized.

use std::collections::BTreeMap;

use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::money::MoneyError;
use turnpike_schemas::{
    AccountId, Currency, Invoice, InvoiceId, Money, PartyId, Period, Scope, canonical,
};

use super::{DraftOutcome, check_invoice};
use crate::book::LOCK;
use crate::store::{RowExt, ScopeKeys, Tx, corrupt, sql};
use crate::{Books, BooksError, store};

impl Books {
    /// Stores a draft; it replaces the draft of the same account, period and currency. Its run must
    /// be recorded, and its sums must come out.
    pub async fn put_draft(&self, draft: &Invoice) -> Result<DraftOutcome, BooksError> {
        let what = "storing a draft";
        let unsound = |detail: String| BooksError::Unsound { invoice: draft.id.clone(), detail };
        if draft.status != InvoiceStatus::Draft {
            return Err(unsound("it is no draft".to_owned()));
        }
        if let Some(problem) = check_invoice(draft).into_iter().next() {
            return Err(unsound(problem));
        }
        let shares = share_sums(draft).map_err(|error| unsound(error.to_string()))?;
        let mut tx = self.write(what).await?;
        store::lock(&mut tx, LOCK).await.map_err(sql(what))?;
        if let Some((_, number)) = covering(&mut tx, draft).await.map_err(sql(what))? {
            return Ok(DraftOutcome::AlreadyInvoiced { number });
        }
        let run = sqlx::query("SELECT id FROM run WHERE id = $1")
            .bind(draft.run.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(sql(what))?;
        if run.is_none() {
            let (invoice, run) = (draft.id.clone(), draft.run.clone());
            return Err(BooksError::UnknownRun { invoice, run });
        }
        let replaced = find(&mut tx, &draft.account.id, draft.period, draft.currency)
            .await
            .map_err(sql(what))?;
        if let Some(old) = &replaced {
            remove(&mut tx, old).await.map_err(sql(what))?;
        }
        insert(&mut tx, draft).await.map_err(sql(what))?;
        for ((party, role), amount) in shares {
            insert_share(&mut tx, draft, party, role, amount).await.map_err(sql(what))?;
        }
        tx.commit().await.map_err(sql(what))?;
        Ok(replaced.map_or(DraftOutcome::Stored, DraftOutcome::Replaced))
    }

    /// The draft of an account, period and currency, so that a new draft can keep its id.
    pub async fn draft_of(
        &self,
        account: &AccountId,
        period: Period,
        currency: Currency,
    ) -> Result<Option<InvoiceId>, BooksError> {
        let what = "looking for a draft";
        let mut tx = self.snapshot(what).await?;
        find(&mut tx, account, period, currency).await.map_err(sql(what))
    }

    /// Removes a draft, such as that of an account that is parked now.
    pub async fn remove_draft(&self, scope: &Scope, id: &InvoiceId) -> Result<bool, BooksError> {
        let what = "removing a draft";
        let mut tx = self.write(what).await?;
        store::lock(&mut tx, LOCK).await.map_err(sql(what))?;
        let found = read(&mut tx, scope, id).await?.is_some();
        if found {
            remove(&mut tx, id).await.map_err(sql(what))?;
            tx.commit().await.map_err(sql(what))?;
        }
        Ok(found)
    }
}

/// What each party receives, by party and role.
fn share_sums(invoice: &Invoice) -> Result<BTreeMap<(&PartyId, &str), Money>, MoneyError> {
    let mut sums: BTreeMap<(&PartyId, &str), Money> = BTreeMap::new();
    for share in invoice.charges.iter().flat_map(|charge| &charge.shares) {
        let zero = || Money::zero(invoice.currency);
        let sum = sums.entry((&share.party, share.role.as_str())).or_insert_with(zero);
        *sum = sum.checked_add(&share.money)?;
    }
    Ok(sums)
}

/// A finalized invoice of the same account and currency that covers some of the same time.
pub(super) async fn covering(
    tx: &mut Tx,
    draft: &Invoice,
) -> Result<Option<(Period, String)>, sqlx::Error> {
    sqlx::query(
        "SELECT number, period_start, period_end FROM invoice \
         WHERE account = $1 AND currency = $2 AND period_start < $3 AND period_end > $4 \
         ORDER BY period_start LIMIT 1",
    )
    .bind(draft.account.id.as_str())
    .bind(draft.currency.code())
    .bind(draft.period.end().micros())
    .bind(draft.period.start().micros())
    .fetch_optional(&mut **tx)
    .await?
    .map(|row| Ok((row.period()?, row.text("number")?)))
    .transpose()
}

async fn find(
    tx: &mut Tx,
    account: &AccountId,
    period: Period,
    currency: Currency,
) -> Result<Option<InvoiceId>, sqlx::Error> {
    sqlx::query(
        "SELECT id FROM invoice_draft \
         WHERE account = $1 AND period_start = $2 AND period_end = $3 AND currency = $4",
    )
    .bind(account.as_str())
    .bind(period.start().micros())
    .bind(period.end().micros())
    .bind(currency.code())
    .fetch_optional(&mut **tx)
    .await?
    .map(|row| row.parsed("id"))
    .transpose()
}

pub(super) async fn read(
    tx: &mut Tx,
    scope: &Scope,
    id: &InvoiceId,
) -> Result<Option<Invoice>, BooksError> {
    let what = "reading a draft";
    let scope = ScopeKeys::of(scope);
    let row = sqlx::query(
        "SELECT canonical FROM invoice_draft \
         WHERE id = $1 AND ($2 = '' OR seller = $2) AND ($3 = '' OR account = $3)",
    )
    .bind(id.as_str())
    .bind(scope.seller)
    .bind(scope.account)
    .fetch_optional(&mut **tx)
    .await
    .map_err(sql(what))?;
    let Some(row) = row else { return Ok(None) };
    let text = row.text("canonical").map_err(sql(what))?;
    let draft = serde_json::from_str(&text);
    draft.map(Some).map_err(|error| corrupt("draft", id.as_str(), error))
}

pub(super) async fn remove(tx: &mut Tx, id: &InvoiceId) -> Result<(), sqlx::Error> {
    // Its shares go with it.
    sqlx::query("DELETE FROM invoice_draft WHERE id = $1")
        .bind(id.as_str())
        .execute(&mut **tx)
        .await
        .map(drop)
}

async fn insert(tx: &mut Tx, draft: &Invoice) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO invoice_draft (id, account, account_name, seller, seller_name, currency, \
         period_start, period_end, period_label, run, net, tax, gross, estimated, canonical) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(draft.id.as_str())
    .bind(draft.account.id.as_str())
    .bind(draft.account.name.as_str())
    .bind(draft.seller.id.as_str())
    .bind(draft.seller.name.as_str())
    .bind(draft.currency.code())
    .bind(draft.period.start().micros())
    .bind(draft.period.end().micros())
    .bind(draft.period_label.as_str())
    .bind(draft.run.as_str())
    .bind(draft.net.minor())
    .bind(draft.tax.minor())
    .bind(draft.gross.minor())
    .bind(i64::from(draft.estimated))
    .bind(canonical::to_json(draft))
    .execute(&mut **tx)
    .await
    .map(drop)
}

async fn insert_share(
    tx: &mut Tx,
    draft: &Invoice,
    party: &PartyId,
    role: &str,
    amount: Money,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO invoice_draft_share (invoice, party, role, amount) VALUES ($1, $2, $3, $4)",
    )
    .bind(draft.id.as_str())
    .bind(party.as_str())
    .bind(role)
    .bind(amount.minor())
    .execute(&mut **tx)
    .await
    .map(drop)
}
