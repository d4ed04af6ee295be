//! The database behind the books.

use crate::BooksError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A cheap handle on the books.
#[derive(Debug, Clone)]
pub struct Books {
    backend: Backend,
}

impl Books {
    /// Opens `sqlite:PATH` (created where missing) or `postgres://...` and migrates it. All or
    /// nothing; a database of a newer program is refused.
    pub async fn open(url: &str) -> Result<Books, BooksError> {
        let _ = url;
        unimplemented!()
    }

    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Answers while the database does, for readiness checks.
    pub async fn ping(&self) -> Result<(), BooksError> {
        unimplemented!()
    }

    /// Waits for running work and closes every connection.
    pub async fn close(&self) {
        unimplemented!()
    }
}
