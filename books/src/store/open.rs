//! Connections: how each database is set up before anything is asked of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Row};

use super::{Backend, sql};
use crate::BooksError;

/// The SQLite that the binary carries; older ones are known to corrupt a WAL under concurrent
/// checkpoints, so one linked in by mistake is refused.
const SQLITE_LEAST: &str = "3.51.3";
/// Readers of one process. SQLite's readers do not block each other; pages need few.
const SQLITE_READERS_MAX: u32 = 8;
/// PostgreSQL allows 100 by default, for everybody.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;
/// How long a caller waits for a connection. A finalizing transaction takes milliseconds, so a
/// queue this long means that the database stands still.
const ACQUIRE_SECONDS_MAX: u64 = 30;

/// `recursive_triggers` makes REPLACE fire the triggers that refuse deletes.
const SQLITE_WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON;";
const SQLITE_READER: &str =
    "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA query_only = ON;";

pub(super) async fn connect(url: &str) -> Result<(Backend, AnyPool, AnyPool), BooksError> {
    sqlx::any::install_default_drivers();
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = sqlite_path(path.strip_prefix("//").unwrap_or(path))
            .ok_or_else(|| BooksError::Url { url: place(url) })?;
        return sqlite(&path).await;
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let pool = options(POSTGRES_CONNECTIONS_MAX).connect(url).await.map_err(opening(url))?;
        return Ok((Backend::Postgres, pool.clone(), pool));
    }
    Err(BooksError::Url { url: place(url) })
}

async fn sqlite(path: &Path) -> Result<(Backend, AnyPool, AnyPool), BooksError> {
    let shown = format!("sqlite:{}", path.display());
    let failed = |source: std::io::Error| BooksError::Open {
        place: shown.clone(),
        source: Box::new(source),
    };
    // An absolute path without dots, since a URL would resolve them in its own way.
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(failed)?;
    let folder = parent.canonicalize().map_err(failed)?;
    let file = folder.join(path.file_name().unwrap_or_default());
    let url = format!("sqlite://{}", escaped(&file));

    let writer = options(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SQLITE_WRITER).execute(&mut *connection).await.map(drop)
            })
        })
        .connect(&format!("{url}?mode=rwc"))
        .await
        .map_err(opening(&shown))?;
    check_version(&writer).await?;
    let reader = options(SQLITE_READERS_MAX)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SQLITE_READER).execute(&mut *connection).await.map(drop)
            })
        })
        .connect(&format!("{url}?mode=rw"))
        .await
        .map_err(opening(&shown))?;
    Ok((Backend::Sqlite, writer, reader))
}

fn options(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(ACQUIRE_SECONDS_MAX))
}

async fn check_version(pool: &AnyPool) -> Result<(), BooksError> {
    let what = "asking SQLite for its version";
    let row = sqlx::query("SELECT sqlite_version()").fetch_one(pool).await.map_err(sql(what))?;
    let found: String = row.try_get(0).map_err(sql(what))?;
    if version_parts(&found) < version_parts(SQLITE_LEAST) {
        return Err(BooksError::SqliteVersion { found, least: SQLITE_LEAST });
    }
    Ok(())
}

fn version_parts(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// The path of a `sqlite:` URL. Databases in memory are refused: they would not outlive the
/// process, and each connection would see its own.
fn sqlite_path(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    let named = path.file_name().is_some_and(|name| !name.is_empty());
    (named && !text.contains(":memory:") && !text.contains('?')).then_some(path)
}

/// Percent-encodes what a URL would read as something else.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                text.push(char::from(*byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

fn opening(url: &str) -> impl FnOnce(sqlx::Error) -> BooksError + use<> {
    let place = place(url);
    move |source| BooksError::Open { place, source: Box::new(source) }
}

/// A URL without what may be secret: user, password and parameters.
fn place(url: &str) -> String {
    let plain = url.split('?').next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            format!("{scheme}://{host}")
        }
        None => plain.to_owned(),
    }
}

/// A `sqlite:` URL as sqlx reads it.
#[cfg(test)]
pub(super) fn test_url(url: &str) -> String {
    let path = url.strip_prefix("sqlite:").expect("a SQLite URL");
    format!("sqlite://{}?mode=rw", escaped(Path::new(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        let check = |url: &str, shown: &str| assert_eq!(place(url), shown);
        check("postgres://me:p@ss@db.example/books?password=x", "postgres://db.example/books");
        check("sqlite:/var/lib/books.db", "sqlite:/var/lib/books.db");
        check("mysql://root@localhost/x", "mysql://localhost/x");
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(version_parts("3.51.10") > version_parts("3.51.3"));
        assert!(version_parts("3.9.0") < version_parts("3.51.3"));
    }

    #[test]
    fn paths_are_escaped_and_memory_is_refused() {
        assert_eq!(escaped(Path::new("/a b/ü?.db")), "/a%20b/%C3%BC%3F.db");
        assert!(sqlite_path(":memory:").is_none());
        assert!(sqlite_path("").is_none());
        assert!(sqlite_path("books.db").is_some());
    }
}
