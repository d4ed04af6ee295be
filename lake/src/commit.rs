//! Committing: compare and set on the very version that a commit follows.
//!
//! A commit is planned from the state at version S and written to version S+1 only if that name is
//! free, so nothing can come between what was compared and what was written. delta-rs's own commit
//! loop rebases onto later versions instead, and accepts a writer that refreshed its snapshot but
//! holds an old offset.

use std::collections::HashMap;
use std::time::Duration;

use deltalake_core::kernel::transaction::{CommitData, TransactionError};
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::logstore::CommitOrBytes;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use tokio::sync::MutexGuard;
use turnpike_schemas::Instant;
use uuid::Uuid;

use crate::LakeError;
use crate::error::is_lost_write;
use crate::log::{COMMIT_MARK, LOG_FOLDER, LogState, Table};

/// Lost races before a commit gives up. Each one means that another writer did commit; with ten
/// writers a hundred losses in a row do not happen by chance.
const RACES_MAX: u32 = 100;
/// Failed writes before a commit gives up: a full or broken disk rarely heals in between.
const FAILURES_MAX: u32 = 3;
const FAILURE_PAUSE: Duration = Duration::from_millis(50);

/// What to commit after a state, or why not to.
pub(crate) enum Plan<R> {
    Commit { actions: Vec<Action>, txns: Vec<(String, i64)> },
    Refuse(R),
}

/// What became of a plan.
pub(crate) enum Outcome<R> {
    Committed(i64),
    Refused(R),
}

impl Table {
    /// Plans and writes one commit. `plan` sees each state that the commit might follow and is
    /// asked again after a lost race. An error of this function means that nobody knows: the next
    /// call finds out.
    pub(crate) async fn commit<R>(
        &self,
        mut plan: impl FnMut(&LogState) -> Result<Plan<R>, LakeError>,
    ) -> Result<Outcome<R>, LakeError> {
        let token = Uuid::now_v7().to_string();
        let mut state = self.refreshed().await?;
        let (mut races, mut failures) = (0, 0);
        loop {
            let (actions, txns) = match plan(&state)? {
                Plan::Commit { actions, txns } => (actions, txns),
                Plan::Refuse(reason) => return Ok(Outcome::Refused(reason)),
            };
            let version = state.version + 1;
            let data = self.commit_data(actions, txns, &token);
            let Err(error) = self.write_commit(version, &data).await else {
                self.apply(&mut state, version, data.actions)?;
                return Ok(Outcome::Committed(version));
            };
            if is_lost_write(&error) {
                let (table, attempts) = (self.spec.name, races + failures + 1);
                return Err(LakeError::Commit { table, version, attempts, source: error.into() });
            }
            // Whatever the error says, only the log knows whether the commit is there.
            if let Some(version) = self.find(&mut state, &token).await? {
                self.sync_commit(version).await?;
                return Ok(Outcome::Committed(version));
            }
            if matches!(error, TransactionError::VersionAlreadyExists(_)) {
                races += 1;
            } else {
                failures += 1;
                tokio::time::sleep(FAILURE_PAUSE * failures).await;
            }
            if races >= RACES_MAX || failures >= FAILURES_MAX {
                let (table, attempts) = (self.spec.name, races + failures);
                return Err(LakeError::Commit { table, version, attempts, source: error.into() });
            }
        }
    }

    /// Writes the first commit, unless another process is faster.
    pub(crate) async fn create(&self, buckets: u32, now: Instant) -> Result<(), LakeError> {
        let (protocol, metadata) = self.spec.first_actions(buckets, now)?;
        let operation = DeltaOperation::Create {
            mode: SaveMode::ErrorIfExists,
            location: self.log_store.root_url().clone(),
            protocol: protocol.clone(),
            metadata: metadata.clone(),
        };
        let actions = vec![Action::Protocol(protocol), Action::Metadata(metadata)];
        let token = Uuid::now_v7().to_string();
        let data = mark(actions, Vec::new(), operation, &token);
        match self.write_commit(0, &data).await {
            Ok(()) | Err(TransactionError::VersionAlreadyExists(_)) => Ok(()),
            Err(error) => Err(LakeError::Create { table: self.spec.name, source: error.into() }),
        }
    }

    async fn write_commit(&self, version: i64, data: &CommitData) -> Result<(), TransactionError> {
        let number = u64::try_from(version).expect("versions are counted from 0");
        let bytes = CommitOrBytes::LogBytes(data.get_bytes()?);
        self.log_store.write_commit_entry(number, bytes, Uuid::nil()).await
    }

    fn commit_data(
        &self,
        actions: Vec<Action>,
        txns: Vec<(String, i64)>,
        token: &str,
    ) -> CommitData {
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(self.spec.partitions.iter().map(|name| (*name).into()).collect()),
            predicate: None,
        };
        let txns = txns.into_iter().map(|(app, version)| Transaction::new(app, version)).collect();
        mark(actions, txns, operation, token)
    }

    async fn find(
        &self,
        state: &mut MutexGuard<'_, LogState>,
        token: &str,
    ) -> Result<Option<i64>, LakeError> {
        let tokens = self.advance(state).await?;
        Ok(tokens.into_iter().find(|(_, found)| found == token).map(|(version, _)| version))
    }

    /// Makes a commit durable whose writing failed after it became visible.
    async fn sync_commit(&self, version: i64) -> Result<(), LakeError> {
        let path = self.folder.join(LOG_FOLDER).join(commit_name(version));
        let disk = self.disk.clone();
        let table = self.spec.name;
        tokio::task::spawn_blocking(move || disk.sync(&path))
            .await
            .map_err(|source| LakeError::Task { operation: "commit", source: source.into() })?
            .map_err(|source| LakeError::NotDurable { table, version, source: source.into() })
    }
}

/// Marks a commit with the attempt that made it and the number of its lines, itself included: one
/// that a power cut ended between two lines could not be told otherwise.
fn mark(
    actions: Vec<Action>,
    txns: Vec<Transaction>,
    operation: DeltaOperation,
    token: &str,
) -> CommitData {
    let lines = actions.len() + txns.len() + 1;
    let mark = serde_json::json!({ "token": token, "lines": lines });
    CommitData::new(actions, operation, HashMap::from([(COMMIT_MARK.into(), mark)]), txns)
}

/// The file name of a commit.
pub(crate) fn commit_name(version: i64) -> String {
    format!("{version:020}.json")
}
