//! What can go wrong with the books, whose fault it is and whether to try again.

use chrono::NaiveDate;
use turnpike_schemas::{AccountId, InvoiceId, Period, RunId};

use crate::book::Mistake;

/// A cause that this crate only carries.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What was asked for cannot be done; asking again changes nothing.
    Caller,
    /// The database or the disk; trying again may help.
    External,
    /// Stored data that this program should never have written.
    Us,
}

#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    #[error("`{url}` is not a database: give sqlite:PATH or postgres://USER@HOST/NAME")]
    Url { url: String },
    #[error("the books at {place} could not be opened")]
    Open {
        place: String,
        #[source]
        source: BoxError,
    },
    #[error("SQLite {found} is older than {least}, the oldest one this program trusts")]
    SqliteVersion { found: String, least: &'static str },
    #[error(
        "the books have schema version {found} and this program knows {known}: use a newer turnpike"
    )]
    Newer { found: i64, known: i64 },
    #[error("migration {name} of the books failed; nothing was changed")]
    Migrate {
        name: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("{what} failed")]
    Sql {
        what: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("{what} `{subject}` is stored in a form that cannot be read: {detail}")]
    Corrupt { what: &'static str, subject: String, detail: String },
    #[error("no book has been imported yet: run `turnpike book import FILE.toml`")]
    NoBook,
    #[error("run `{run}` is recorded already, with another result")]
    RunExists { run: RunId },
    #[error("run `{run}` was rated with book {hash}, which was never imported")]
    UnknownBook { run: RunId, hash: String },
    #[error("invoice `{invoice}` was made from run `{run}`, which is not recorded")]
    UnknownRun { invoice: InvoiceId, run: RunId },
    #[error("invoice `{invoice}` does not add up: {detail}")]
    Unsound { invoice: InvoiceId, detail: String },
}

impl BooksError {
    pub fn fault(&self) -> Fault {
        match self {
            Self::Url { .. }
            | Self::Newer { .. }
            | Self::NoBook
            | Self::RunExists { .. }
            | Self::UnknownBook { .. }
            | Self::UnknownRun { .. } => Fault::Caller,
            Self::Open { .. } | Self::SqliteVersion { .. } | Self::Sql { .. } => Fault::External,
            Self::Migrate { .. } | Self::Corrupt { .. } | Self::Unsound { .. } => Fault::Us,
        }
    }

    /// Whether the same call may succeed later without anything being changed.
    pub fn retry(&self) -> bool {
        self.fault() == Fault::External
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the book has {} mistake(s); nothing was imported", .0.len())]
    Mistakes(Vec<Mistake>),
    #[error(transparent)]
    Books(#[from] BooksError),
}

#[derive(Debug, thiserror::Error)]
pub enum FinalizeError {
    #[error("there is no draft `{0}`")]
    NotFound(InvoiceId),
    #[error("account `{account}` was invoiced for {period} already, by {number}")]
    AlreadyInvoiced { account: AccountId, period: Period, number: String },
    #[error("series {series} belongs to `{owner}`, so `{seller}` cannot number invoices in it")]
    SeriesTaken { series: String, owner: String, seller: String },
    #[error(
        "series {series} holds an invoice of {last} already, so none of {issue_date} can follow: is \
         the clock right?"
    )]
    IssueDate { series: String, last: NaiveDate, issue_date: NaiveDate },
    #[error(
        "{kind} `{id}` of this draft does not stand in the newest book with the same terms: rate \
         and draft again"
    )]
    TermsChanged { kind: &'static str, id: String },
    #[error("invoice {number} could not be made; the number stays free")]
    Make {
        number: String,
        #[source]
        source: BoxError,
    },
    #[error("invoice {number} is not the finalized form of its draft: {detail}")]
    NotTheDraft { number: String, detail: String },
    #[error(transparent)]
    Books(#[from] BooksError),
}

impl FinalizeError {
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotTheDraft { .. } => Fault::Us,
            Self::Books(error) => error.fault(),
            _ => Fault::Caller,
        }
    }
}
