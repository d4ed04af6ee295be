//! Databases of tests: a fresh one each, in SQLite and, where a server is named, in PostgreSQL.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AnyConnection, Connection};

use super::Backend;
use crate::Books;

/// Names a PostgreSQL database that tests may make schemas in, as its owner and a superuser:
/// `postgres://USER@HOST:PORT/NAME`.
const SERVER: &str = "TURNPIKE_TEST_POSTGRES";

/// The name of a schema cannot be a parameter, so it goes by way of a setting.
const FRESH_SCHEMA: &str = "DO $$ BEGIN \
     EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', current_setting('turnpike.schema')); \
     EXECUTE format('CREATE SCHEMA %I', current_setting('turnpike.schema')); END $$";

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
        let mut admin = AnyConnection::connect(&server).await.expect("connects");
        sqlx::query("SELECT set_config('turnpike.schema', $1, false)")
            .bind(name.as_str())
            .execute(&mut admin)
            .await
            .expect("names the schema");
        sqlx::raw_sql(FRESH_SCHEMA).execute(&mut admin).await.expect("makes the schema");
        admin.close().await.expect("closes");
        let url = format!("{server}?options[search_path]={name}");
        let books = Books::open(&url).await.expect("opens");
        Some(Self { books, url, _folder: None })
    }

    /// Every database there is to test on.
    pub async fn all() -> Vec<Self> {
        let mut all = vec![Self::sqlite().await];
        all.extend(Self::postgres().await);
        all
    }

    pub async fn connect(&self) -> AnyConnection {
        let url = match self.books.backend() {
            Backend::Sqlite => super::open::test_url(&self.url),
            Backend::Postgres => self.url.clone(),
        };
        AnyConnection::connect(&url).await.expect("connects")
    }

    /// Runs SQL behind the back of the books, as a careless hand would.
    pub async fn raw(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        let mut connection = self.connect().await;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        connection.close().await
    }

    /// Runs SQL as a hostile hand would, who may do anything: without triggers and foreign keys.
    pub async fn tamper(&self, sql: &'static str) {
        let mut connection = self.connect().await;
        let unguarded = match self.books.backend() {
            Backend::Sqlite => {
                "PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON; \
                 DELETE FROM sqlite_schema WHERE type = 'trigger'; PRAGMA writable_schema = RESET;"
            }
            Backend::Postgres => "SET session_replication_role = replica",
        };
        sqlx::raw_sql(unguarded).execute(&mut connection).await.expect("takes the guards off");
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("tampers");
        connection.close().await.expect("closes");
    }
}
