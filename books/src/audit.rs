//! The audit trail: who did what to the books, and when. Append-only.

use turnpike_schemas::{Instant, Scope};

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

impl Books {
    /// The newest entries, newest first; the provider's only.
    pub async fn audit(&self, scope: &Scope, limit: u32) -> Result<Vec<AuditEntry>, BooksError> {
        let _ = (scope, limit);
        unimplemented!()
    }
}
