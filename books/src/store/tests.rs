use sqlx::Row;

use super::testing::TestBooks;
use super::*;

#[tokio::test]
async fn opening_twice_migrates_once_and_the_settings_hold() {
    for test in TestBooks::all().await {
        let again = Books::open(&test.url).await.expect("opens again");
        again.ping().await.expect("answers");
        again.close().await;
        if test.books.backend() == Backend::Postgres {
            continue;
        }
        for (pragma, expect) in [
            ("PRAGMA synchronous", "2"),
            ("PRAGMA foreign_keys", "1"),
            ("PRAGMA recursive_triggers", "1"),
            ("PRAGMA busy_timeout", "5000"),
        ] {
            let row = sqlx::query(pragma).fetch_one(&test.books.inner.writer).await.expect(pragma);
            assert_eq!(row.get::<i64, _>(0).to_string(), expect, "{pragma}");
        }
        let row = sqlx::query("PRAGMA journal_mode").fetch_one(test.books.reader()).await;
        assert_eq!(row.expect("mode").get::<String, _>(0), "wal");
        assert!(
            sqlx::query("DELETE FROM run").execute(test.books.reader()).await.is_err(),
            "a reader writes"
        );
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    for test in TestBooks::all().await {
        test.raw("INSERT INTO schema_version (version, name) VALUES (99, 'tomorrow')")
            .await
            .expect("writes");
        let error = Books::open(&test.url).await.expect_err("is refused");
        assert!(matches!(error, BooksError::Newer { found: 99, known: 3 }), "{error}");
        assert!(!error.retry());
    }
}

#[tokio::test]
async fn a_failed_migration_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("folder");
    let url = format!("sqlite:{}", folder.path().join("books.db").display());
    // A table of the migration stands there already, so it fails half-way.
    let other = Books::open(&url).await.expect("opens");
    other.close().await;
    let test_url = super::open::test_url(&url);
    let mut connection =
        <sqlx::AnyConnection as sqlx::Connection>::connect(&test_url).await.expect("connects");
    sqlx::raw_sql("DROP TABLE audit; DROP VIEW share_entry; DELETE FROM schema_version;")
        .execute(&mut connection)
        .await
        .expect("breaks it");
    let error = Books::open(&url).await.expect_err("fails");
    assert!(matches!(error, BooksError::Migrate { name: "0001_books", .. }), "{error}");
    let row =
        sqlx::query("SELECT COUNT(*) FROM sqlite_master WHERE name IN ('audit', 'share_entry')")
            .fetch_one(&mut connection)
            .await
            .expect("counts");
    assert_eq!(row.get::<i64, _>(0), 0);
}

#[tokio::test]
async fn bad_urls_are_refused_without_their_secrets() {
    for url in ["mysql://u:secret@h/db", "sqlite::memory:", "sqlite:", "books.db"] {
        let error = Books::open(url).await.expect_err(url).to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(error.contains("is not a database"), "{error}");
    }
}

#[tokio::test]
async fn the_search_pattern_is_literal() {
    assert_eq!(crate::invoice::pattern(" 50%_! "), "%50!%!_!!%");
    assert_eq!(crate::invoice::pattern("  "), "");
}
