//! Databases of tests: a fresh one each, in SQLite and, where a server is named, in PostgreSQL.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AnyConnection, AssertSqlSafe, Connection};

use super::Backend;
use crate::Books;

/// Names a PostgreSQL server that tests may create databases in: `postgres://USER@HOST:PORT`.
const SERVER: &str = "TURNPIKE_TEST_POSTGRES";

pub(crate) struct TestBooks {
    pub books: Books,
    pub url: String,
    /// Removed with its database file when the test ends.
    _folder: Option<tempfile::TempDir>,
}

impl TestBooks {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // A path that a URL would misread.
        let path = folder.path().join("books of 100% é.db");
        let url = format!("sqlite:{}", path.display());
        let books = Books::open(&url).await.expect("opens");
        Self { books, url, _folder: Some(folder) }
    }

    /// `None` where no server is named, which is said.
    pub async fn postgres() -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let Ok(server) = std::env::var(SERVER) else {
            eprintln!("skipped on PostgreSQL: {SERVER} is not set");
            return None;
        };
        sqlx::any::install_default_drivers();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("turnpike_test_{}_{count}", std::process::id());
        let mut admin =
            AnyConnection::connect(&format!("{server}/postgres")).await.expect("connects");
        let sql = format!("DROP DATABASE IF EXISTS {name}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("drops");
        let sql = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("creates");
        let url = format!("{server}/{name}");
        let books = Books::open(&url).await.expect("opens");
        Some(Self { books, url, _folder: None })
    }

    /// Every database there is to test on.
    pub async fn all() -> Vec<Self> {
        let mut all = vec![Self::sqlite().await];
        all.extend(Self::postgres().await);
        all
    }

    /// Runs SQL behind the back of the books, as a careless or hostile hand would.
    pub async fn raw(&self, sql: &str) -> Result<(), sqlx::Error> {
        let url = match self.books.backend() {
            Backend::Sqlite => super::open::test_url(&self.url),
            Backend::Postgres => self.url.clone(),
        };
        let mut connection = AnyConnection::connect(&url).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
        connection.close().await
    }

    /// Switches off the triggers of a table, then runs SQL.
    pub async fn tamper(&self, table: &str, sql: &str) {
        let off = match self.books.backend() {
            Backend::Sqlite => ["update", "delete"]
                .map(|operation| format!("DROP TRIGGER {table}_no_{operation};"))
                .concat(),
            Backend::Postgres => format!("ALTER TABLE {table} DISABLE TRIGGER USER;"),
        };
        self.raw(&format!("{off} {sql}")).await.expect("tampers");
    }
}
