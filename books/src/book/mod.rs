//! The book: a TOML file that people write, and its versions.

use std::collections::BTreeMap;
use std::fmt;

use turnpike_schemas::{Instant, PriceBook};

use crate::{Books, BooksError, ImportError};

/// One mistake in a book file (or something to be warned of), where it stands and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// `tariff[0].version[1].rate[2].price`.
    pub path: String,
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.path, self.message)
    }
}

/// A book as read, with what is allowed but worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedBook {
    pub book: PriceBook,
    /// Gaps, accounts without a currency: imported, and parked by rating where they matter.
    pub warnings: Vec<Mistake>,
    /// Where each tariff version and agreement stands: (kind, id) to line and path.
    pub(crate) places: BTreeMap<(&'static str, String), (usize, String)>,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// `false`: the newest version says the same already, so nothing was written.
    pub changed: bool,
    /// The version now in force, from 1.
    pub version: i64,
    pub hash: String,
    pub counts: BookCounts,
    pub warnings: Vec<Mistake>,
}

/// How much a book holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BookCounts {
    pub parties: usize,
    pub sites: usize,
    pub accounts: usize,
    /// Built-in ones included.
    pub meters: usize,
    pub tariffs: usize,
    pub tariff_versions: usize,
    pub rates: usize,
    pub agreements: usize,
    pub tax_categories: usize,
}

/// One stored version of the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookVersion {
    pub version: i64,
    pub hash: String,
    /// The file as it was imported.
    pub text: String,
    pub book: PriceBook,
    pub imported_at: Instant,
    pub actor: String,
}

/// Reads a book file. Every mistake of the file is reported at once, in order of line.
pub fn parse_book(text: &str) -> Result<PriceBook, Vec<Mistake>> {
    read_book(text).map(|parsed| parsed.book)
}

/// [`parse_book`], with the warnings.
pub fn read_book(text: &str) -> Result<ParsedBook, Vec<Mistake>> {
    let _ = text;
    unimplemented!()
}

impl BookCounts {
    pub fn of(book: &PriceBook) -> Self {
        let _ = book;
        unimplemented!()
    }
}

impl Books {
    /// Imports a book file as the newest version. All or nothing: with one mistake nothing changes.
    pub async fn import(
        &self,
        text: &str,
        now: Instant,
        actor: &str,
    ) -> Result<ImportReport, ImportError> {
        let _ = (text, now, actor);
        unimplemented!()
    }

    /// The newest book; [`BooksError::NoBook`] before the first import.
    pub async fn price_book(&self) -> Result<PriceBook, BooksError> {
        unimplemented!()
    }

    pub async fn price_book_by_hash(&self, hash: &str) -> Result<Option<PriceBook>, BooksError> {
        let _ = hash;
        unimplemented!()
    }

    /// The newest version with its text, for `book show`.
    pub async fn newest_book(&self) -> Result<Option<BookVersion>, BooksError> {
        unimplemented!()
    }
}
