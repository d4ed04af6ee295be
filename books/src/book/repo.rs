//! Book versions in SQL.

use std::sync::Arc;

use turnpike_schemas::{PriceBook, canonical};

use super::BookVersion;
use crate::store::{RowExt, Tx, corrupt, sql};
use crate::{Books, BooksError};

/// Held while a book is imported or an invoice finalized, so that a book never changes the terms of
/// an invoice that is being finalized.
pub(crate) const LOCK: &str = "book";

/// Version and hash of the newest book.
pub(crate) async fn newest_key(tx: &mut Tx) -> Result<Option<(i64, String)>, sqlx::Error> {
    sqlx::query("SELECT version, hash FROM book_version ORDER BY version DESC LIMIT 1")
        .fetch_optional(&mut **tx)
        .await?
        .map(|row| Ok((row.int("version")?, row.text("hash")?)))
        .transpose()
}

pub(super) async fn newest(tx: &mut Tx) -> Result<Option<BookVersion>, BooksError> {
    let what = "reading the book";
    let row = sqlx::query(
        "SELECT version, hash, text, canonical, imported_at, actor FROM book_version \
         ORDER BY version DESC LIMIT 1",
    )
    .fetch_optional(&mut **tx)
    .await
    .map_err(sql(what))?;
    let Some(row) = row else { return Ok(None) };
    let read = || -> Result<_, sqlx::Error> {
        Ok((row.int("version")?, row.text("hash")?, row.text("text")?, row.text("canonical")?))
    };
    let (version, hash, text, canonical) = read().map_err(sql(what))?;
    Ok(Some(BookVersion {
        version,
        text,
        book: parse(&hash, &canonical)?,
        hash,
        imported_at: row.instant("imported_at").map_err(sql(what))?,
        actor: row.text("actor").map_err(sql(what))?,
    }))
}

pub(super) async fn insert(tx: &mut Tx, stored: &BookVersion) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO book_version (version, hash, text, canonical, imported_at, actor) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(stored.version)
    .bind(stored.hash.as_str())
    .bind(stored.text.as_str())
    .bind(canonical::to_json(&stored.book))
    .bind(stored.imported_at.micros())
    .bind(stored.actor.as_str())
    .execute(&mut **tx)
    .await
    .map(drop)
}

impl Books {
    /// The book with this hash, parsed once.
    pub(crate) async fn cached_book(
        &self,
        tx: &mut Tx,
        hash: &str,
    ) -> Result<Option<Arc<PriceBook>>, BooksError> {
        if let Some(book) = self.cache().get(hash) {
            return Ok(Some(book));
        }
        let what = "reading a book";
        let row = sqlx::query("SELECT canonical FROM book_version WHERE hash = $1 LIMIT 1")
            .bind(hash)
            .fetch_optional(&mut **tx)
            .await
            .map_err(sql(what))?;
        let Some(row) = row else { return Ok(None) };
        let canonical = row.text("canonical").map_err(sql(what))?;
        let book = Arc::new(parse(hash, &canonical)?);
        self.cache().put(hash, book.clone());
        Ok(Some(book))
    }
}

fn parse(hash: &str, canonical: &str) -> Result<PriceBook, BooksError> {
    serde_json::from_str(canonical).map_err(|error| corrupt("the book", hash, error))
}
