//! API keys. The key itself never comes here, only its SHA-256.

use sqlx::any::AnyRow;
use turnpike_schemas::Instant;

use crate::store::{RowExt, sql};
use crate::{Books, BooksError, audit};

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Sending usage events.
    Ingest,
    /// Reading the metrics from another machine.
    Metrics,
}

impl Right {
    pub const ALL: [Right; 2] = [Right::Ingest, Right::Metrics];

    pub fn as_str(self) -> &'static str {
        match self {
            Right::Ingest => "ingest",
            Right::Metrics => "metrics",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == word)
    }
}

/// A key to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// The part that may be shown.
    pub id: String,
    pub name: String,
    /// SHA-256 of the whole key, in hex.
    pub hash: String,
    pub rights: Vec<Right>,
    /// Events sent with it are of this site.
    pub site: Option<String>,
    /// What the source of every event sent with it starts with.
    pub source_prefix: Option<String>,
}

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub key: NewApiKey,
    pub created_at: Instant,
    /// Kept to the minute.
    pub last_used_at: Option<Instant>,
    pub revoked_at: Option<Instant>,
}

impl ApiKey {
    pub fn has(&self, right: Right) -> bool {
        self.revoked_at.is_none() && self.key.rights.contains(&right)
    }
}

/// A key that is used all the time is noted once in this many microseconds.
const USED_EVERY_MICROS: i64 = 60_000_000;

const SELECT_ALL: &str = "SELECT id, name, hash, rights, site, source_prefix, created_at, \
     last_used_at, revoked_at FROM api_key ORDER BY created_at, id";
const SELECT_ONE: &str = "SELECT id, name, hash, rights, site, source_prefix, created_at, \
     last_used_at, revoked_at FROM api_key WHERE id = $1";

impl Books {
    /// Stores a new key.
    pub async fn create_key(
        &self,
        key: &NewApiKey,
        now: Instant,
        actor: &str,
    ) -> Result<(), BooksError> {
        let what = "storing an API key";
        let mut tx = self.write(what).await?;
        let rights: Vec<&str> = key.rights.iter().map(|right| right.as_str()).collect();
        sqlx::query(
            "INSERT INTO api_key (id, name, hash, rights, site, source_prefix, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(key.id.as_str())
        .bind(key.name.as_str())
        .bind(key.hash.as_str())
        .bind(rights.join(" "))
        .bind(key.site.as_deref())
        .bind(key.source_prefix.as_deref())
        .bind(now.micros())
        .execute(&mut *tx)
        .await
        .map_err(sql(what))?;
        let detail = serde_json::json!({ "name": key.name, "rights": rights }).to_string();
        audit::record(&mut tx, now, actor, "create-key", &key.id, &detail)
            .await
            .map_err(sql(what))?;
        tx.commit().await.map_err(sql(what))
    }

    /// The key of that id, revoked ones too.
    pub async fn key(&self, id: &str) -> Result<Option<ApiKey>, BooksError> {
        let what = "looking up an API key";
        let row = sqlx::query(SELECT_ONE).bind(id).fetch_optional(self.reader()).await;
        row.and_then(|row| row.as_ref().map(read).transpose()).map_err(sql(what))
    }

    /// All keys, oldest first.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, BooksError> {
        let what = "listing the API keys";
        let rows = sqlx::query(SELECT_ALL).fetch_all(self.reader()).await;
        rows.and_then(|rows| rows.iter().map(read).collect()).map_err(sql(what))
    }

    /// Whether there was such a key to revoke. A key that was revoked before stays as it was.
    pub async fn revoke_key(
        &self,
        id: &str,
        now: Instant,
        actor: &str,
    ) -> Result<bool, BooksError> {
        let what = "revoking an API key";
        let mut tx = self.write(what).await?;
        let done =
            sqlx::query("UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
                .bind(id)
                .bind(now.micros())
                .execute(&mut *tx)
                .await
                .map_err(sql(what))?;
        let revoked = done.rows_affected() > 0;
        if revoked {
            audit::record(&mut tx, now, actor, "revoke-key", id, "{}").await.map_err(sql(what))?;
        }
        tx.commit().await.map_err(sql(what))?;
        Ok(revoked)
    }

    /// Notes that a key was used, unless that was noted a moment ago.
    pub async fn key_used(&self, key: &ApiKey, now: Instant) -> Result<(), BooksError> {
        let fresh = |last: Instant| now.micros().saturating_sub(last.micros()) < USED_EVERY_MICROS;
        if key.last_used_at.is_some_and(fresh) {
            return Ok(());
        }
        let what = "noting the use of an API key";
        let mut tx = self.write(what).await?;
        sqlx::query("UPDATE api_key SET last_used_at = $2 WHERE id = $1")
            .bind(key.key.id.as_str())
            .bind(now.micros())
            .execute(&mut *tx)
            .await
            .map_err(sql(what))?;
        tx.commit().await.map_err(sql(what))
    }
}

fn read(row: &AnyRow) -> Result<ApiKey, sqlx::Error> {
    // A word that a later program wrote gives no right here.
    let rights = row.text("rights")?.split(' ').filter_map(Right::from_word).collect();
    Ok(ApiKey {
        key: NewApiKey {
            id: row.text("id")?,
            name: row.text("name")?,
            hash: row.text("hash")?,
            rights,
            site: row.text_opt("site")?,
            source_prefix: row.text_opt("source_prefix")?,
        },
        created_at: row.instant("created_at")?,
        last_used_at: row.instant_opt("last_used_at")?,
        revoked_at: row.instant_opt("revoked_at")?,
    })
}
