//! The database behind the books: one text of queries for SQLite and PostgreSQL.
//!
//! sqlx's `Any` driver carries both. It knows `BIGINT` and `TEXT` alike in the two, which is all the
//! tables use, and passes `BEGIN IMMEDIATE` through. Where the dialects would lock a row in
//! different words (`FOR UPDATE` is unknown to SQLite), an `UPDATE ... RETURNING` or an upsert does
//! it in one text: the row stays locked until the end of the transaction in PostgreSQL, and SQLite
//! has but one writer.

pub(crate) mod bulk;
mod migrate;
mod open;
mod row;
mod scope;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::{Any, AnyPool, Transaction};
use turnpike_schemas::PriceBook;

use crate::BooksError;

pub(crate) use row::RowExt;
pub(crate) use scope::ScopeKeys;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A cheap handle on the books.
#[derive(Debug, Clone)]
pub struct Books {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    /// SQLite: the one connection that writes. PostgreSQL: the same pool as `reader`.
    writer: AnyPool,
    reader: AnyPool,
    cache: Mutex<BookCache>,
}

/// Books parsed already, by hash; their text never changes.
#[derive(Debug, Default)]
pub(crate) struct BookCache(Vec<(String, Arc<PriceBook>)>);

/// The newest book, that of the run being invoiced, and two to spare.
const CACHED_BOOKS_MAX: usize = 4;

impl BookCache {
    pub(crate) fn get(&self, hash: &str) -> Option<Arc<PriceBook>> {
        self.0.iter().find(|(known, _)| known == hash).map(|(_, book)| book.clone())
    }

    pub(crate) fn put(&mut self, hash: &str, book: Arc<PriceBook>) {
        if self.0.len() >= CACHED_BOOKS_MAX {
            self.0.remove(0);
        }
        self.0.push((hash.to_owned(), book));
    }
}

pub(crate) type Tx = Transaction<'static, Any>;

impl Books {
    /// Opens `sqlite:PATH` (created where missing) or `postgres://...` and migrates it. All or
    /// nothing; a database of a newer program is refused.
    pub async fn open(url: &str) -> Result<Books, BooksError> {
        let (backend, writer, reader) = open::connect(url).await?;
        let books =
            Books { inner: Arc::new(Inner { backend, writer, reader, cache: Mutex::default() }) };
        migrate::run(&books).await?;
        Ok(books)
    }

    pub fn backend(&self) -> Backend {
        self.inner.backend
    }

    /// Answers while the database does, for readiness checks.
    pub async fn ping(&self) -> Result<(), BooksError> {
        sqlx::query("SELECT 1")
            .fetch_all(self.reader())
            .await
            .map(drop)
            .map_err(sql("asking the books for a sign of life"))
    }

    /// Waits for running work and closes every connection.
    pub async fn close(&self) {
        self.inner.reader.close().await;
        self.inner.writer.close().await;
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, BookCache> {
        self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reader(&self) -> &AnyPool {
        &self.inner.reader
    }

    /// A transaction that writes. On SQLite it takes the write lock at once: one that read first
    /// and then wanted to write could fail without having waited.
    pub(crate) async fn write(&self, what: &'static str) -> Result<Tx, BooksError> {
        match self.inner.backend {
            Backend::Sqlite => self.inner.writer.begin_with("BEGIN IMMEDIATE").await,
            Backend::Postgres => self.inner.writer.begin().await,
        }
        .map_err(sql(what))
    }

    /// A transaction that sees one state of the books, however long it reads.
    pub(crate) async fn snapshot(&self, what: &'static str) -> Result<Tx, BooksError> {
        match self.inner.backend {
            Backend::Sqlite => self.inner.reader.begin_with("BEGIN").await,
            Backend::Postgres => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                self.inner.reader.begin_with(begin).await
            }
        }
        .map_err(sql(what))
    }
}

/// Holds the row `name` until the transaction ends, so that what is read and then written stays
/// true in between.
pub(crate) async fn lock(tx: &mut Tx, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO lock_row (name, taken) VALUES ($1, 1) \
         ON CONFLICT (name) DO UPDATE SET taken = lock_row.taken + 1",
    )
    .bind(name)
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Names the operation that a database error stopped.
pub(crate) fn sql(what: &'static str) -> impl Fn(sqlx::Error) -> BooksError {
    move |source| BooksError::Sql { what, source }
}

pub(crate) fn corrupt(what: &'static str, subject: &str, detail: impl ToString) -> BooksError {
    BooksError::Corrupt { what, subject: subject.to_owned(), detail: detail.to_string() }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
