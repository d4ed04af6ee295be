//! Answers kept for requests that are sent again: an `Idempotency-Key` belongs to one API key and
//! to one request, for [`KEPT_MICROS`].

use turnpike_schemas::Instant;

use crate::store::{RowExt, Tx, sql};
use crate::{Books, BooksError};

/// An answer is replayed for this long.
pub const KEPT_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// A request that somebody else began this long ago was abandoned: requests are ended sooner.
pub const LEASE_MICROS: i64 = 120 * 1_000_000;

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    pub status: u16,
    pub body: String,
}

/// What a request with a key is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Do it, then finish or abandon it.
    New,
    /// Give this answer.
    Replay(StoredAnswer),
    /// The key was used for another request.
    Mismatch,
    /// The same request is being worked on.
    Running,
}

struct Known {
    request_hash: String,
    started_at: i64,
    answer: Option<StoredAnswer>,
}

impl Books {
    /// Begins a request. Of several at once, one is told [`Begun::New`].
    pub async fn begin_request(
        &self,
        api_key: &str,
        key: &str,
        request_hash: &str,
        owner: &str,
        now: Instant,
    ) -> Result<Begun, BooksError> {
        let what = "looking for the answer to a request";
        let mut tx = self.write(what).await?;
        // The insert locks the row of the key, so what is read next stays true.
        let inserted = sqlx::query(
            "INSERT INTO idempotency (api_key, key, request_hash, owner, started_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (api_key, key) DO NOTHING",
        )
        .bind(api_key)
        .bind(key)
        .bind(request_hash)
        .bind(owner)
        .bind(now.micros())
        .execute(&mut *tx)
        .await
        .map_err(sql(what))?;
        let begun = match inserted.rows_affected() {
            0 => begin_again(&mut tx, [api_key, key, request_hash, owner], now)
                .await
                .map_err(sql(what))?,
            _ => Begun::New,
        };
        tx.commit().await.map_err(sql(what))?;
        Ok(begun)
    }

    /// Keeps the answer to a request that was begun.
    pub async fn finish_request(
        &self,
        api_key: &str,
        key: &str,
        answer: &StoredAnswer,
    ) -> Result<(), BooksError> {
        let what = "keeping the answer to a request";
        let mut tx = self.write(what).await?;
        sqlx::query(
            "UPDATE idempotency SET status = $3, response = $4 WHERE api_key = $1 AND key = $2",
        )
        .bind(api_key)
        .bind(key)
        .bind(i64::from(answer.status))
        .bind(answer.body.as_str())
        .execute(&mut *tx)
        .await
        .map_err(sql(what))?;
        tx.commit().await.map_err(sql(what))
    }

    /// Forgets a request that came to nothing, so that it can be sent again.
    pub async fn abandon_request(&self, api_key: &str, key: &str) -> Result<(), BooksError> {
        let what = "forgetting a request";
        let mut tx = self.write(what).await?;
        sqlx::query("DELETE FROM idempotency WHERE api_key = $1 AND key = $2 AND status IS NULL")
            .bind(api_key)
            .bind(key)
            .execute(&mut *tx)
            .await
            .map_err(sql(what))?;
        tx.commit().await.map_err(sql(what))
    }

    /// Forgets what a process of this name left behind when it was killed. No other process may
    /// have the name.
    pub async fn abandon_requests_of(&self, owner: &str) -> Result<u64, BooksError> {
        let what = "forgetting requests that were cut off";
        let mut tx = self.write(what).await?;
        let done = sqlx::query("DELETE FROM idempotency WHERE owner = $1 AND status IS NULL")
            .bind(owner)
            .execute(&mut *tx)
            .await
            .map_err(sql(what))?;
        tx.commit().await.map_err(sql(what))?;
        Ok(done.rows_affected())
    }

    /// Deletes answers that are kept no longer; how many.
    pub async fn purge_requests(&self, now: Instant) -> Result<u64, BooksError> {
        let what = "deleting old answers";
        let mut tx = self.write(what).await?;
        let done = sqlx::query("DELETE FROM idempotency WHERE started_at < $1")
            .bind(now.micros().saturating_sub(KEPT_MICROS))
            .execute(&mut *tx)
            .await
            .map_err(sql(what))?;
        tx.commit().await.map_err(sql(what))?;
        Ok(done.rows_affected())
    }
}

async fn begin_again(
    tx: &mut Tx,
    [api_key, key, request_hash, owner]: [&str; 4],
    now: Instant,
) -> Result<Begun, sqlx::Error> {
    let Some(known) = known(tx, api_key, key).await? else { return Ok(Begun::Running) };
    let age = now.micros().saturating_sub(known.started_at);
    let stale = if known.answer.is_some() { age >= KEPT_MICROS } else { age >= LEASE_MICROS };
    if !stale {
        return Ok(match known {
            Known { request_hash: known, .. } if known != request_hash => Begun::Mismatch,
            Known { answer: Some(answer), .. } => Begun::Replay(answer),
            Known { answer: None, .. } => Begun::Running,
        });
    }
    sqlx::query(
        "UPDATE idempotency SET request_hash = $3, owner = $4, started_at = $5, status = NULL, \
         response = NULL WHERE api_key = $1 AND key = $2",
    )
    .bind(api_key)
    .bind(key)
    .bind(request_hash)
    .bind(owner)
    .bind(now.micros())
    .execute(&mut **tx)
    .await?;
    Ok(Begun::New)
}

/// The row of a key, held until the transaction ends.
async fn known(tx: &mut Tx, api_key: &str, key: &str) -> Result<Option<Known>, sqlx::Error> {
    let row = sqlx::query(
        "UPDATE idempotency SET owner = owner WHERE api_key = $1 AND key = $2 \
         RETURNING request_hash, started_at, status, response",
    )
    .bind(api_key)
    .bind(key)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let status = row.int_opt("status")?.and_then(|status| u16::try_from(status).ok());
    let body = row.text_opt("response")?;
    let answer = status.zip(body).map(|(status, body)| StoredAnswer { status, body });
    Ok(Some(Known {
        request_hash: row.text("request_hash")?,
        started_at: row.int("started_at")?,
        answer,
    }))
}
