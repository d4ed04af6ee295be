//! Rating runs: what each was made from and what it left unbilled.

mod repo;

use turnpike_schemas::{AccountId, Instant, OwnerRef, ResourceId, RunId, Scope, Total};

use crate::store::sql;
use crate::{Books, BooksError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    Complete,
    Failed,
}

impl RunStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Complete => "complete",
            RunStatus::Failed => "failed",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        [RunStatus::Complete, RunStatus::Failed].into_iter().find(|status| status.as_str() == word)
    }
}

/// A rating run: its inputs by version and its result by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    pub run: RunId,
    /// `2026-10`, or `FROM/TO` for a span.
    pub label: String,
    pub as_of: Instant,
    /// Version of `usage_events` read.
    pub raw_version: i64,
    /// Version of `usage` read.
    pub usage_version: i64,
    pub book_hash: String,
    pub code_version: String,
    /// SHA-256 over the canonical rated lines.
    pub result_hash: String,
    pub lines: i64,
    pub accounts: i64,
    /// Sums, at most one per currency: exact, or marked.
    pub totals: Vec<Total>,
    pub created_at: Instant,
    pub status: RunStatus,
}

/// An account that a run did not bill, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRecord {
    pub account: AccountId,
    /// A stable word: `tariff-gap`, `no-currency`.
    pub code: String,
    pub text: String,
}

/// Usage of a run that belongs to no account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnassignedRecord {
    pub owner: Option<OwnerRef>,
    pub resource: ResourceId,
    pub meter: String,
    pub first_seen: Instant,
    pub seconds: i64,
}

/// A run as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    pub record: RunRecord,
    pub parked: i64,
    pub unassigned: i64,
}

/// Runs of one answer at most.
const RUNS_MAX: u32 = 1_000;

impl Books {
    /// Records a run with what it parked and could not assign, in one transaction. The same run
    /// with the same result again changes nothing; with another result it is refused.
    pub async fn record_run(
        &self,
        record: &RunRecord,
        parked: &[ParkedRecord],
        unassigned: &[UnassignedRecord],
    ) -> Result<(), BooksError> {
        let what = "recording a run";
        let mut tx = self.write(what).await?;
        if let Some(known) = repo::find(&mut tx, &record.run).await? {
            let same = known.result_hash == record.result_hash;
            return if same { Ok(()) } else { Err(BooksError::RunExists { run: known.run }) };
        }
        let book = self.cached_book(&mut tx, &record.book_hash).await?;
        let book = book.ok_or_else(|| BooksError::UnknownBook {
            run: record.run.clone(),
            hash: record.book_hash.clone(),
        })?;
        repo::insert(&mut tx, record).await.map_err(sql(what))?;
        repo::insert_parked(&mut tx, &record.run, parked, &book).await.map_err(sql(what))?;
        repo::insert_unassigned(&mut tx, &record.run, unassigned).await.map_err(sql(what))?;
        tx.commit().await.map_err(sql(what))
    }

    /// Newest first. Runs span the network, so only the provider sees them.
    pub async fn runs(&self, scope: &Scope, limit: u32) -> Result<Vec<RunEntry>, BooksError> {
        if scope != &Scope::Provider {
            return Ok(Vec::new());
        }
        let mut tx = self.snapshot("listing runs").await?;
        repo::newest(&mut tx, None, "", limit.min(RUNS_MAX)).await
    }

    /// The newest complete run, of one label where given. The provider's only.
    pub async fn latest_run(
        &self,
        scope: &Scope,
        label: Option<&str>,
    ) -> Result<Option<RunEntry>, BooksError> {
        if scope != &Scope::Provider {
            return Ok(None);
        }
        let mut tx = self.snapshot("reading the newest run").await?;
        let newest =
            repo::newest(&mut tx, Some(RunStatus::Complete), label.unwrap_or(""), 1).await?;
        Ok(newest.into_iter().next())
    }

    /// Accounts in scope that a run parked; of the newest complete run where none is named.
    pub async fn parked(
        &self,
        scope: &Scope,
        run: Option<&RunId>,
    ) -> Result<Vec<ParkedRecord>, BooksError> {
        let what = "listing parked accounts";
        let mut tx = self.snapshot(what).await?;
        let Some(run) = repo::named_or_newest(&mut tx, run).await.map_err(sql(what))? else {
            return Ok(Vec::new());
        };
        repo::parked(&mut tx, scope, &run).await.map_err(sql(what))
    }

    /// Usage without an account; of the newest complete run where none is named. The provider's
    /// only, since what has no account has no seller either.
    pub async fn unassigned(
        &self,
        scope: &Scope,
        run: Option<&RunId>,
    ) -> Result<Vec<UnassignedRecord>, BooksError> {
        let what = "listing unassigned usage";
        if scope != &Scope::Provider {
            return Ok(Vec::new());
        }
        let mut tx = self.snapshot(what).await?;
        let Some(run) = repo::named_or_newest(&mut tx, run).await.map_err(sql(what))? else {
            return Ok(Vec::new());
        };
        repo::unassigned(&mut tx, &run).await.map_err(sql(what))
    }
}

#[cfg(test)]
pub(crate) mod tests;
