//! Invoices: drafts that are replaced at will, finalized ones that never change again.

mod entity;

use turnpike_schemas::{AccountId, Currency, Invoice, InvoiceId, Period, Scope};

use crate::{Books, BooksError, BoxError, FinalizeError};

pub use entity::*;

/// Every sum of an invoice that does not come out: shares to their charge, charges and taxes to the
/// totals. Empty for a sound one. Rated lines are not looked at.
pub fn check_invoice(invoice: &Invoice) -> Vec<String> {
    let _ = invoice;
    unimplemented!()
}

impl Books {
    /// Stores a draft; it replaces the draft of the same account, period and currency. Its run must
    /// be recorded.
    pub async fn put_draft(&self, draft: &Invoice) -> Result<DraftOutcome, BooksError> {
        let _ = draft;
        unimplemented!()
    }

    /// The draft of an account, period and currency, so that a new draft can keep its id.
    pub async fn draft_of(
        &self,
        account: &AccountId,
        period: Period,
        currency: Currency,
    ) -> Result<Option<InvoiceId>, BooksError> {
        let _ = (account, period, currency);
        unimplemented!()
    }

    /// Removes a draft, such as that of an account that is parked now.
    pub async fn remove_draft(&self, scope: &Scope, id: &InvoiceId) -> Result<bool, BooksError> {
        let _ = (scope, id);
        unimplemented!()
    }

    /// Finalizes a draft in one transaction: the next number of the seller's series of the issue
    /// date's year, the invoice that `make` returns, its documents, flat rows, postings and audit
    /// entry. When `make` fails, nothing is stored and the number stays free. Finalizing twice
    /// returns the same invoice.
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
        let _ = (scope, request, make);
        unimplemented!()
    }

    /// A draft or finalized invoice, by id or number. A customer gets it without the split: no
    /// shares and no agreements.
    pub async fn invoice(
        &self,
        scope: &Scope,
        id_or_number: &str,
    ) -> Result<Option<Invoice>, BooksError> {
        let _ = (scope, id_or_number);
        unimplemented!()
    }

    pub async fn invoices(
        &self,
        scope: &Scope,
        filter: &InvoiceFilter,
    ) -> Result<InvoicePage, BooksError> {
        let _ = (scope, filter);
        unimplemented!()
    }

    /// The document of a finalized invoice. The provider's is absent for a customer.
    pub async fn document(
        &self,
        scope: &Scope,
        id_or_number: &str,
        audience: Audience,
    ) -> Result<Option<StoredDocument>, BooksError> {
        let _ = (scope, id_or_number, audience);
        unimplemented!()
    }

    /// The postings of a finalized invoice; none for a customer.
    pub async fn postings(
        &self,
        scope: &Scope,
        id: &InvoiceId,
    ) -> Result<Vec<Posting>, BooksError> {
        let _ = (scope, id);
        unimplemented!()
    }
}
