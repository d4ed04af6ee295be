//! Values of the invoice store.

use chrono::NaiveDate;
use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{
    AccountId, Currency, Instant, Invoice, InvoiceId, Money, PartyId, Period, RunId,
};

/// Whom a document is written for. A customer's shows no split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    Customer,
    Provider,
}

impl Audience {
    pub fn as_str(self) -> &'static str {
        match self {
            Audience::Customer => "customer",
            Audience::Provider => "provider",
        }
    }
}

/// What became of a draft that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftOutcome {
    Stored,
    /// It took the place of this draft of the same account, period and currency.
    Replaced(InvoiceId),
    /// Nothing was stored: this finalized invoice covers the period (or part of it) already.
    AlreadyInvoiced {
        number: String,
    },
}

/// What to finalize, when, and on whose word.
#[derive(Debug, Clone)]
pub struct FinalizeRequest<'a> {
    pub id: &'a InvoiceId,
    pub now: Instant,
    /// The local day of `now` in the account's time zone where absent.
    pub issue_date: Option<NaiveDate>,
    pub actor: &'a str,
}

/// What the maker of a finalized invoice is given, inside the finalizing transaction.
#[derive(Debug, Clone, Copy)]
pub struct NumberedDraft<'a> {
    pub draft: &'a Invoice,
    pub number: &'a str,
    pub issue_date: NaiveDate,
}

/// What the maker gives back.
#[derive(Debug, Clone)]
pub struct FinalizedInvoice {
    pub invoice: Invoice,
    pub customer_html: String,
    pub provider_html: String,
}

/// A finalized invoice as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finalized {
    pub invoice: Invoice,
    /// Its link of the series' hash chain.
    pub hash: String,
    /// `false`: it had been finalized before, and this is that invoice.
    pub fresh: bool,
}

/// An invoice as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceSummary {
    pub id: InvoiceId,
    pub status: InvoiceStatus,
    pub number: Option<String>,
    pub account: AccountId,
    pub account_name: String,
    pub seller: PartyId,
    pub seller_name: String,
    pub currency: Currency,
    pub period: Period,
    pub period_label: String,
    pub issue_date: Option<NaiveDate>,
    pub due_date: Option<NaiveDate>,
    pub net: Money,
    pub tax: Money,
    pub gross: Money,
    pub estimated: bool,
    pub run: RunId,
    pub finalized_at: Option<Instant>,
}

/// Which invoices to list. Empty: all in scope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InvoiceFilter {
    pub status: Option<InvoiceStatus>,
    pub account: Option<AccountId>,
    pub seller: Option<PartyId>,
    pub period_label: Option<String>,
    /// Part of a number, an account's id or its name, in any case.
    pub text: Option<String>,
    /// Invoices of one page, at most 1,000; 100 where zero.
    pub limit: u32,
    pub offset: u32,
}

/// One page of a list: newest period first, then by account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoicePage {
    pub invoices: Vec<InvoiceSummary>,
    /// On all pages.
    pub total: i64,
}

/// A document as it was rendered when its invoice was finalized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    pub number: String,
    pub html: String,
    pub sha256: String,
}

/// One leg of a double-entry transaction. Debits are positive, credits negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Whose ledger: the seller's.
    pub party: PartyId,
    /// `receivable`, `revenue`, `tax`, `franchise-fee`, `payable`.
    pub ledger_account: String,
    /// The account, tax category or party it is about; empty where there is none.
    pub counterpart: String,
    pub amount: Money,
}
