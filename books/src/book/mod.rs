//! The book: a TOML file that people write, and its append-only versions.
//!
//! Dates of a book are RFC 3339 instants or days. A day is midnight in UTC, and in an `[[account]]`
//! midnight in the account's time zone. All ends are open: `[valid_from, valid_to)`.
//!
//! A version of the book may say anything that an earlier one did not, with one exception, which
//! `terms` keeps: what a finalized invoice was made from.

mod check_account;
mod check_adjustment;
mod check_agreement;
mod check_capacity;
mod check_fee;
mod check_hashmap;
mod check_meter;
mod check_model;
mod check_party;
mod check_rate;
mod check_reach;
mod check_scope;
mod check_series;
mod check_source;
mod check_tariff;
mod check_tiers;
pub mod cloudkitty;
mod countries;
pub mod edit;
mod hours;
mod known;
mod number;
mod parse;
mod reader;
mod repo;
mod span;
pub(crate) mod terms;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use turnpike_schemas::{Instant, PriceBook};

use crate::store::sql;
use crate::{Books, BooksError, ImportError, audit, store};

pub use parse::{parse_book, read_book};

/// Where each tariff version and agreement stands: (kind, id) to line and path.
type Places = BTreeMap<(&'static str, String), (usize, String)>;

pub(crate) use repo::{LOCK, newest_key};

const TARIFF_VERSION: &str = "tariff version";
const AGREEMENT: &str = "agreement";

/// One mistake in a book file (or something to be warned of), where it stands and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// `tariff[0].version[1].rate[2].price`; empty for the file as a whole.
    pub path: String,
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// A book as read, with what is allowed but worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedBook {
    pub book: PriceBook,
    /// Gaps, accounts without a currency: imported, and parked by rating where they matter.
    pub warnings: Vec<Mistake>,
    places: Places,
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

impl BookCounts {
    pub fn of(book: &PriceBook) -> Self {
        let versions = || book.tariffs.iter().flat_map(|tariff| &tariff.versions);
        Self {
            parties: book.parties.len(),
            sites: book.sites.len(),
            accounts: book.accounts.len(),
            meters: book.meters.iter().count(),
            tariffs: book.tariffs.len(),
            tariff_versions: versions().count(),
            rates: versions().map(|version| version.rates.len()).sum(),
            agreements: book.agreements.len(),
            tax_categories: book.tax_categories.len(),
        }
    }
}

impl Books {
    /// Imports a book file as the newest version. All or nothing: with one mistake nothing changes.
    /// What finalized invoices were made from must stand in it unchanged (see `terms`).
    pub async fn import(
        &self,
        text: &str,
        now: Instant,
        actor: &str,
    ) -> Result<ImportReport, ImportError> {
        let parsed = read_book(text).map_err(ImportError::Mistakes)?;
        let hash = parsed.book.hash();
        let counts = BookCounts::of(&parsed.book);
        let what = "importing a book";
        let mut tx = self.write(what).await?;
        store::lock(&mut tx, repo::LOCK).await.map_err(sql(what))?;
        let newest = repo::newest_key(&mut tx).await.map_err(sql(what))?;
        let last = newest.as_ref().map_or(0, |(version, _)| *version);
        if let Some((version, known)) = newest
            && known == hash
        {
            let warnings = parsed.warnings;
            return Ok(ImportReport { changed: false, version, hash, counts, warnings });
        }
        let used = terms::used(&mut tx).await.map_err(sql(what))?;
        let mistakes = terms::check_kept(&parsed, &used);
        if !mistakes.is_empty() {
            return Err(ImportError::Mistakes(mistakes));
        }
        let version = last + 1;
        let stored = BookVersion {
            version,
            hash: hash.clone(),
            text: text.to_owned(),
            book: parsed.book,
            imported_at: now,
            actor: actor.to_owned(),
        };
        repo::insert(&mut tx, &stored).await.map_err(sql(what))?;
        let detail = turnpike_schemas::canonical::to_json(&BTreeMap::from([("hash", &hash)]));
        audit::record(&mut tx, now, actor, "import-book", &format!("book {version}"), &detail)
            .await
            .map_err(sql(what))?;
        tx.commit().await.map_err(sql(what))?;
        Ok(ImportReport { changed: true, version, hash, counts, warnings: parsed.warnings })
    }

    /// The newest book; [`BooksError::NoBook`] before the first import. Whole, so it takes no scope:
    /// it is for rating and drafting, and pages of others read [`Books::account`].
    pub async fn price_book(&self) -> Result<PriceBook, BooksError> {
        let mut tx = self.snapshot("reading the book").await?;
        let newest = repo::newest_key(&mut tx).await.map_err(sql("reading the book"))?;
        let (_, hash) = newest.ok_or(BooksError::NoBook)?;
        let book = self.cached_book(&mut tx, &hash).await?;
        book.map(|book| (*book).clone()).ok_or(BooksError::NoBook)
    }

    pub async fn price_book_by_hash(&self, hash: &str) -> Result<Option<PriceBook>, BooksError> {
        let mut tx = self.snapshot("reading a book").await?;
        let book = self.cached_book(&mut tx, hash).await?;
        Ok(book.map(|book| (*book).clone()))
    }

    /// The newest version with its text, for `book show`.
    pub async fn newest_book(&self) -> Result<Option<BookVersion>, BooksError> {
        let mut tx = self.snapshot("reading the book").await?;
        repo::newest(&mut tx).await
    }
}

#[cfg(test)]
mod tests;
