//! The books: everything turnpike keeps in SQL.
//!
//! Owns: the book file (TOML) and its append-only versions, rating runs with their parked accounts
//! and unassigned usage, draft and finalized invoices with their numbers, hashes and documents,
//! double-entry postings, the audit trail; keys of programs and the answers kept for them; the
//! reading models of pages and commands.
//!
//! Does not own: usage events and rated lines (the lake), how usage is priced, how charges are
//! grouped, rounded and split, how a document looks.
//!
//! Invariants:
//! - Every write is one transaction; a write that fails leaves nothing behind, no number either.
//! - A finalized invoice, its lines, shares, taxes, postings and documents, the audit trail and the
//!   versions of the book are never updated or deleted; triggers refuse it in both databases.
//! - The canonical JSON of a finalized invoice is the truth. The flat rows beside it serve queries,
//!   and [`Books::verify`] proves that they agree.
//! - Reading takes a [`turnpike_schemas::Scope`]: what is foreign is as absent as what is missing.
//! - No clock: every time comes in as an argument.

mod access;
mod audit;
mod book;
mod error;
mod invoice;
mod overview;
mod run;
mod store;
mod verify;

pub use access::{ApiKey, Begun, NewApiKey, Right, StoredAnswer};
pub use audit::AuditEntry;
pub use book::{
    BookCounts, BookVersion, ImportReport, Mistake, ParsedBook, cloudkitty, edit, parse_book,
    read_book,
};
pub use error::{BooksError, BoxError, Fault, FinalizeError, ImportError};
pub use invoice::{
    Audience, DraftOutcome, FinalizeRequest, Finalized, FinalizedInvoice, InvoiceFilter,
    InvoicePage, InvoiceSummary, NumberedDraft, Posting, StoredDocument, check_invoice,
};
pub use overview::{AccountSummary, PartyTotal, PeriodTotal};
pub use run::{ParkedRecord, RunEntry, RunRecord, RunStatus, UnassignedRecord};
pub use store::{Backend, Books};
pub use verify::{Finding, VerifyCounts, VerifyReport};
