//! Double entry: what finalizing an invoice writes into the seller's ledger.
//!
//! | leg | debit (positive) | credit (negative) |
//! |---|---|---|
//! | the customer owes | `receivable` of the account: gross | |
//! | the seller earns | | `revenue`: net |
//! | the state's part | | `tax` of each category |
//! | another party's share | `franchise-fee` of the party | `payable` to the party |
//!
//! The legs of one transaction sum to zero. Legs of nothing are not written.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use turnpike_schemas::money::MoneyError;
use turnpike_schemas::{Instant, Invoice, InvoiceId, Money, PartyId};

use super::Posting;
use crate::store::{RowExt, Tx};

/// What a transaction of the ledger comes from.
pub(crate) const SOURCE_KIND: &str = "invoice";

/// The legs of an invoice, in a fixed order.
pub(crate) fn of(invoice: &Invoice) -> Result<Vec<Posting>, MoneyError> {
    let leg = |ledger_account: &str, counterpart: &str, amount: Money| Posting {
        party: invoice.seller.id.clone(),
        ledger_account: ledger_account.to_owned(),
        counterpart: counterpart.to_owned(),
        amount,
    };
    let mut legs = vec![
        leg("receivable", invoice.account.id.as_str(), invoice.gross),
        leg("revenue", "", invoice.net.checked_neg()?),
    ];
    for line in &invoice.taxes {
        legs.push(leg("tax", line.category.as_str(), line.tax.checked_neg()?));
    }
    for (party, amount) in owed(invoice)? {
        legs.push(leg("franchise-fee", party.as_str(), amount));
        legs.push(leg("payable", party.as_str(), amount.checked_neg()?));
    }
    legs.retain(|leg| !leg.amount.is_zero());
    Ok(legs)
}

/// What the seller passes on, by party.
fn owed(invoice: &Invoice) -> Result<BTreeMap<&PartyId, Money>, MoneyError> {
    let mut owed: BTreeMap<&PartyId, Money> = BTreeMap::new();
    let shares = invoice.charges.iter().flat_map(|charge| &charge.shares);
    for share in shares.filter(|share| share.party != invoice.seller.id) {
        let sum = owed.entry(&share.party).or_insert_with(|| Money::zero(invoice.currency));
        *sum = sum.checked_add(&share.money)?;
    }
    Ok(owed)
}

/// The id of the ledger transaction of an invoice.
pub(crate) fn transaction_id(invoice: &InvoiceId) -> String {
    format!("{SOURCE_KIND}:{invoice}")
}

/// Writes the legs, then the transaction, which seals them.
pub(super) async fn insert(
    tx: &mut Tx,
    invoice: &Invoice,
    legs: &[Posting],
    at: Instant,
) -> Result<(), sqlx::Error> {
    let id = transaction_id(&invoice.id);
    for (position, leg) in (1_i64..).zip(legs) {
        sqlx::query(
            "INSERT INTO posting (ledger_transaction, leg, party, ledger_account, counterpart, \
             currency, amount) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id.as_str())
        .bind(position)
        .bind(leg.party.as_str())
        .bind(leg.ledger_account.as_str())
        .bind(leg.counterpart.as_str())
        .bind(leg.amount.currency().code())
        .bind(leg.amount.minor())
        .execute(&mut **tx)
        .await?;
    }
    sqlx::query(
        "INSERT INTO ledger_transaction (id, source_kind, source_id, party, at) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id.as_str())
    .bind(SOURCE_KIND)
    .bind(invoice.id.as_str())
    .bind(invoice.seller.id.as_str())
    .bind(at.micros())
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(crate) async fn read(tx: &mut Tx, invoice: &InvoiceId) -> Result<Vec<Posting>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT party, ledger_account, counterpart, currency, amount FROM posting \
         WHERE ledger_transaction = $1 ORDER BY leg",
    )
    .bind(transaction_id(invoice))
    .fetch_all(&mut **tx)
    .await?;
    let read = |row: &AnyRow| {
        Ok(Posting {
            party: row.parsed("party")?,
            ledger_account: row.text("ledger_account")?,
            counterpart: row.text("counterpart")?,
            amount: row.money("amount", row.parsed("currency")?)?,
        })
    };
    rows.iter().map(read).collect()
}
