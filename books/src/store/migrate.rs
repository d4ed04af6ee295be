//! Migrations: one folder of DDL per dialect, applied all or nothing.

use sqlx::Row;

use super::{Backend, Books, sql};
use crate::BooksError;

struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// In order. A published migration is never edited; a change is a new one.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "0001_books",
        sqlite: include_str!("../../migrations/sqlite/0001_books.sql"),
        postgres: include_str!("../../migrations/postgres/0001_books.sql"),
    },
    Migration {
        version: 2,
        name: "0002_keys",
        sqlite: include_str!("../../migrations/sqlite/0002_keys.sql"),
        postgres: include_str!("../../migrations/postgres/0002_keys.sql"),
    },
    Migration {
        version: 3,
        name: "0003_run_totals",
        sqlite: include_str!("../../migrations/sqlite/0003_run_totals.sql"),
        postgres: include_str!("../../migrations/postgres/0003_run_totals.sql"),
    },
];

/// Keeps two processes from migrating one PostgreSQL database at once. Any number will do, as long
/// as it stays the same: these are the letters `turnpike`.
const ADVISORY_LOCK: i64 = 0x7475_726e_7069_6b65;

/// Brings the schema to the newest version, in one transaction for all that is missing.
pub(super) async fn run(books: &Books) -> Result<(), BooksError> {
    let what = "preparing the migration of the books";
    let mut tx = books.write(what).await?;
    if books.backend() == Backend::Postgres {
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(ADVISORY_LOCK)
            .execute(&mut *tx)
            .await
            .map_err(sql(what))?;
    }
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, name TEXT NOT NULL)",
    )
    .execute(&mut *tx)
    .await
    .map_err(sql(what))?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM schema_version")
        .fetch_one(&mut *tx)
        .await
        .map_err(sql(what))?;
    let found: i64 = row.try_get(0).map_err(sql(what))?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > known {
        return Err(BooksError::Newer { found, known });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        let text = match books.backend() {
            Backend::Sqlite => migration.sqlite,
            Backend::Postgres => migration.postgres,
        };
        let failed = |source| BooksError::Migrate { name: migration.name, source };
        sqlx::raw_sql(text).execute(&mut *tx).await.map_err(failed)?;
        sqlx::query("INSERT INTO schema_version (version, name) VALUES ($1, $2)")
            .bind(migration.version)
            .bind(migration.name)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
    }
    tx.commit().await.map_err(sql("committing the migration of the books"))
}
