//! The audit trail: who did what to the books, and when. Append-only.

use turnpike_schemas::{Instant, Scope};

use crate::store::{RowExt, Tx, sql};
use crate::{Books, BooksError};

/// One entry of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Instant,
    pub actor: String,
    /// `import-book`, `finalize-invoice`.
    pub action: String,
    pub object: String,
    /// A JSON object.
    pub detail: String,
}

/// Entries of one answer at most.
const ENTRIES_MAX: u32 = 1_000;

impl Books {
    /// The newest entries, newest first; the provider's only.
    pub async fn audit(&self, scope: &Scope, limit: u32) -> Result<Vec<AuditEntry>, BooksError> {
        let what = "reading the audit trail";
        if scope != &Scope::Provider {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "SELECT at, actor, action, object, detail FROM audit ORDER BY id DESC LIMIT $1",
        )
        .bind(i64::from(limit.min(ENTRIES_MAX)))
        .fetch_all(self.reader())
        .await
        .map_err(sql(what))?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(AuditEntry {
                at: row.instant("at")?,
                actor: row.text("actor")?,
                action: row.text("action")?,
                object: row.text("object")?,
                detail: row.text("detail")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(sql(what))
    }
}

/// Adds an entry within the transaction that does what it tells of.
pub(crate) async fn record(
    tx: &mut Tx,
    at: Instant,
    actor: &str,
    action: &str,
    object: &str,
    detail: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO audit (at, actor, action, object, detail) VALUES ($1, $2, $3, $4, $5)")
        .bind(at.micros())
        .bind(actor)
        .bind(action)
        .bind(object)
        .bind(detail)
        .execute(&mut **tx)
        .await
        .map(drop)
}
