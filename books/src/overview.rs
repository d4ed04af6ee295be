//! Reading models of pages: accounts with what they were billed, totals per period.

use turnpike_schemas::{Account, AccountId, Currency, Money, PartyId, Scope};

use crate::run::ParkedRecord;
use crate::{Books, BooksError};

/// An account of the newest book (or of an invoice, where the book has dropped it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSummary {
    pub id: AccountId,
    pub name: String,
    pub seller: PartyId,
    pub currency: Option<Currency>,
    /// Finalized ones.
    pub invoices: i64,
    pub drafts: i64,
    /// Number, period label and gross of the newest finalized invoice.
    pub last: Option<(String, String, Money)>,
    /// Why the newest complete run did not bill it.
    pub parked: Option<ParkedRecord>,
}

/// What a party receives of a period's charges, by role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyTotal {
    pub party: PartyId,
    pub role: String,
    pub amount: Money,
}

/// Sums of the invoices of one period and currency, drafts included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodTotal {
    pub period_label: String,
    pub currency: Currency,
    pub finalized: i64,
    pub drafts: i64,
    /// Of `finalized` and `drafts`, those with estimated usage.
    pub estimated: i64,
    pub net: Money,
    pub tax: Money,
    pub gross: Money,
    /// Empty for a customer.
    pub shares: Vec<PartyTotal>,
}

impl Books {
    /// In order of id.
    pub async fn accounts(&self, scope: &Scope) -> Result<Vec<AccountSummary>, BooksError> {
        let _ = scope;
        unimplemented!()
    }

    /// An account of the newest book.
    pub async fn account(
        &self,
        scope: &Scope,
        id: &AccountId,
    ) -> Result<Option<Account>, BooksError> {
        let _ = (scope, id);
        unimplemented!()
    }

    /// Newest period first; of one period label where given.
    pub async fn period_totals(
        &self,
        scope: &Scope,
        period_label: Option<&str>,
    ) -> Result<Vec<PeriodTotal>, BooksError> {
        let _ = (scope, period_label);
        unimplemented!()
    }
}
