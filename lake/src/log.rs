//! [`Table`]: one Delta table whose log this process follows commit by commit.
//!
//! delta-rs's snapshots list and replay the log on every update and its commits rebase themselves
//! on what others wrote. Here the log is read forward, one commit at a time, and a commit is made
//! for exactly one version (see `commit`), so that what was compared still holds when it lands.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deltalake_core::DeltaTable;
use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::kernel::{Action, Snapshot};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore, get_actions};
use futures::stream::{self, StreamExt};
use object_store::local::LocalFileSystem;
use tokio::sync::{Mutex, MutexGuard};
use turnpike_schemas::Instant;
use url::Url;

use crate::LakeError;
use crate::checkpoint;
use crate::data_file::DataFile;
use crate::disk::Disk;
use crate::spec::TableSpec;
use crate::store::DurableStore;

/// Commits that are read at the same time. The first ones of an advance are fewer: mostly there is none.
const READ_AT_ONCE: usize = 4;
/// Commits whose files are remembered until they are compacted; older ones are read again.
const ADDED_MAX: usize = 10_000;
pub(crate) const LOG_FOLDER: &str = "_delta_log";

pub(crate) struct Table {
    pub(crate) spec: &'static TableSpec,
    /// Absolute.
    pub(crate) folder: PathBuf,
    pub(crate) disk: Disk,
    pub(crate) log_store: LogStoreRef,
    buckets: u32,
    state: Mutex<LogState>,
}

/// What the commits up to `version` add up to.
#[derive(Debug, Clone)]
pub(crate) struct LogState {
    /// -1: no commit yet.
    pub(crate) version: i64,
    pub(crate) checkpoint: i64,
    pub(crate) txns: BTreeMap<String, i64>,
    /// The files of the table by path, where the table keeps them.
    pub(crate) files: HashMap<String, Arc<DataFile>>,
    /// The files that each commit added, of those read so far and not forgotten.
    pub(crate) added: BTreeMap<i64, Vec<Arc<DataFile>>>,
}

impl LogState {
    fn empty() -> Self {
        Self {
            version: -1,
            checkpoint: -1,
            txns: BTreeMap::new(),
            files: HashMap::new(),
            added: BTreeMap::new(),
        }
    }

    pub(crate) fn txn(&self, app: &str) -> Option<i64> {
        self.txns.get(app).copied()
    }
}

impl Table {
    pub(crate) fn new(
        spec: &'static TableSpec,
        root: &Path,
        disk: Disk,
        buckets: u32,
    ) -> Result<Self, LakeError> {
        let folder = root.join(spec.name);
        let failed = |source| LakeError::Create { table: spec.name, source };
        disk.create_folders(&folder).map_err(|source| failed(source.into()))?;
        let url = Url::from_directory_path(&folder)
            .map_err(|()| failed("the folder is no absolute path".into()))?;
        let inside = LocalFileSystem::new_with_prefix(&folder);
        let inside = inside.map_err(|source| failed(source.into()))?;
        // Two views of one disk: delta-rs writes commits below the table, checkpoints below `/`.
        let log_store = default_logstore(
            Arc::new(DurableStore::new(inside, disk.clone())),
            Arc::new(DurableStore::new(LocalFileSystem::new(), disk.clone())),
            &url,
            &StorageConfig::default(),
        );
        Ok(Self { spec, folder, disk, log_store, buckets, state: Mutex::new(LogState::empty()) })
    }

    /// Creates the table where it is missing, checks it and reads its log.
    pub(crate) async fn open(&self, now: Instant) -> Result<(), LakeError> {
        let first = match self.read_commit(0).await? {
            Some(first) => first,
            None => {
                self.create(self.buckets, now).await?;
                self.read_commit(0).await?.unwrap_or_default()
            }
        };
        let mut state = self.state.lock().await;
        *state = self.load_checkpoint(i64::MAX).await?;
        self.check(&first, state.checkpoint >= 0).await?;
        self.advance(&mut state).await?;
        Ok(())
    }

    /// Refuses a table that is not as it was made. Commits that are read one by one refuse changes
    /// themselves; what a checkpoint holds is read by the library.
    async fn check(&self, first: &[Action], has_checkpoint: bool) -> Result<(), LakeError> {
        let protocol = first.iter().find_map(|action| match action {
            Action::Protocol(protocol) => Some(protocol),
            _ => None,
        });
        let metadata = first.iter().find_map(|action| match action {
            Action::Metadata(metadata) => Some(metadata),
            _ => None,
        });
        if let (Some(protocol), Some(metadata), false) = (protocol, metadata, has_checkpoint) {
            return self.spec.check(protocol, metadata, self.buckets);
        }
        let snapshot = Snapshot::try_new(self.log_store.as_ref(), None)
            .await
            .map_err(|source| self.unreadable(0, source))?;
        self.spec.check(snapshot.protocol(), snapshot.metadata(), self.buckets)
    }

    /// The newest state; the guard keeps other tasks of this process from moving it.
    pub(crate) async fn refreshed(&self) -> Result<MutexGuard<'_, LogState>, LakeError> {
        let mut state = self.state.lock().await;
        self.advance(&mut state).await?;
        Ok(state)
    }

    /// The state as last read.
    pub(crate) async fn known(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().await
    }

    /// Reads the commits after `state.version` and returns the tokens of those that carry one.
    pub(crate) async fn advance(
        &self,
        state: &mut LogState,
    ) -> Result<Vec<(i64, String)>, LakeError> {
        let mut tokens = Vec::new();
        let mut at_once = 1;
        loop {
            let versions = (state.version + 1..).take(at_once);
            let mut read = stream::iter(versions).map(|at| self.read_commit(at)).buffered(at_once);
            while let Some(actions) = read.next().await {
                let Some(actions) = actions? else { return Ok(tokens) };
                let version = state.version + 1;
                tokens.extend(token_of(&actions).map(|token| (version, token)));
                self.apply(state, version, actions)?;
            }
            at_once = (2 * at_once).min(READ_AT_ONCE);
        }
    }

    /// Moves the state on by one commit.
    pub(crate) fn apply(
        &self,
        state: &mut LogState,
        version: i64,
        actions: Vec<Action>,
    ) -> Result<(), LakeError> {
        assert_eq!(version, state.version + 1, "commits are applied in order");
        let mut added = Vec::new();
        for action in actions {
            match action {
                Action::Txn(txn) => {
                    state.txns.insert(txn.app_id, txn.version);
                }
                Action::Add(add) => added.push(Arc::new(self.data_file(version, add)?)),
                Action::Remove(remove) => {
                    state.files.remove(&remove.path);
                }
                // Version 0 was checked when the table was opened.
                Action::Protocol(_) | Action::Metadata(_) if version > 0 => {
                    let reason = format!("commit {version} changes its protocol or metadata");
                    return Err(LakeError::Protocol { table: self.spec.name, reason });
                }
                _ => {}
            }
        }
        if self.spec.keep_files {
            state.files.extend(added.into_iter().map(|file| (file.path.clone(), file)));
        } else {
            state.added.insert(version, added);
            while state.added.len() > ADDED_MAX {
                state.added.pop_first();
            }
        }
        state.version = version;
        Ok(())
    }

    /// Forgets what commits before `version` added.
    pub(crate) async fn forget_added(&self, version: i64) {
        let mut state = self.state.lock().await;
        state.added = state.added.split_off(&version);
    }

    /// Writes a checkpoint where the log has grown by so many commits since the last one.
    pub(crate) async fn checkpoint_if_due(&self, every: i64) -> Result<(), LakeError> {
        let version = {
            let state = self.state.lock().await;
            if state.version - state.checkpoint < every {
                return Ok(());
            }
            state.version
        };
        let failed = |source| self.unreadable(version, source);
        let mut table = DeltaTable::new(self.log_store.clone());
        table.update_incremental(u64::try_from(version).ok()).await.map_err(failed)?;
        create_checkpoint(&table, None).await.map_err(failed)?;
        self.state.lock().await.checkpoint = version;
        Ok(())
    }

    /// The files that one commit added, in the commit's order.
    pub(crate) async fn added(&self, version: i64) -> Result<Vec<Arc<DataFile>>, LakeError> {
        let Some(actions) = self.read_commit(version).await? else {
            return Err(self.damaged(version, "it is missing".to_owned()));
        };
        let adds = actions.into_iter().filter_map(|action| match action {
            Action::Add(add) => Some(self.data_file(version, add).map(Arc::new)),
            _ => None,
        });
        adds.collect()
    }

    /// All files at a version, for tables that do not keep them in memory.
    pub(crate) async fn files_at(&self, version: i64) -> Result<Vec<Arc<DataFile>>, LakeError> {
        let state = self.load_checkpoint(version).await?;
        let mut files: Vec<_> = state.files.into_values().collect();
        for version in state.version + 1..=version {
            files.extend(self.added(version).await?);
        }
        Ok(files)
    }

    async fn load_checkpoint(&self, newest: i64) -> Result<LogState, LakeError> {
        let folder = self.folder.join(LOG_FOLDER);
        let with_files = self.spec.keep_files || newest < i64::MAX;
        let read = tokio::task::spawn_blocking(move || {
            for (version, path) in checkpoint::list(&folder)? {
                if version > newest {
                    continue;
                }
                match checkpoint::read(version, &path, with_files) {
                    Ok(checkpoint) => return Ok(Some(checkpoint)),
                    Err(error) => {
                        tracing::warn!(path = %path.display(), %error, "skipped a checkpoint");
                    }
                }
            }
            Ok(None)
        });
        let read: std::io::Result<_> = read
            .await
            .map_err(|source| LakeError::Task { operation: "open", source: source.into() })?;
        let mut state = LogState::empty();
        if let Some(checkpoint) = read.map_err(|source| self.unreadable(0, source))? {
            state.version = checkpoint.version;
            state.checkpoint = checkpoint.version;
            state.txns = checkpoint.txns.into_iter().collect();
            let files = checkpoint.files.into_iter().map(Arc::new);
            state.files = files.map(|file| (file.path.clone(), file)).collect();
        }
        Ok(state)
    }

    async fn read_commit(&self, version: i64) -> Result<Option<Vec<Action>>, LakeError> {
        let number = u64::try_from(version).expect("versions are counted from 0");
        let read = self.log_store.read_commit_entry(number).await;
        let Some(bytes) = read.map_err(|source| self.unreadable(version, source))? else {
            return Ok(None);
        };
        if bytes.is_empty() {
            // To other readers an empty commit is one without rows: silent loss.
            return Err(self.damaged(version, "it is empty".to_owned()));
        }
        let actions = get_actions(number, &bytes);
        actions.map(Some).map_err(|source| self.unreadable(version, source))
    }

    fn data_file(
        &self,
        version: i64,
        add: deltalake_core::kernel::Add,
    ) -> Result<DataFile, LakeError> {
        let path = add.path.clone();
        DataFile::from_add(add)
            .ok_or_else(|| self.damaged(version, format!("{path} has no count of rows")))
    }

    pub(crate) fn path_of(&self, file: &DataFile) -> PathBuf {
        self.folder.join(&file.path)
    }

    pub(crate) fn damaged(&self, version: i64, reason: String) -> LakeError {
        LakeError::Damaged { table: self.spec.name, version, reason }
    }

    fn unreadable(
        &self,
        version: i64,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> LakeError {
        LakeError::ReadLog { table: self.spec.name, version, source: source.into() }
    }
}

/// Key of turnpike's own entry in a commit's `commitInfo`.
pub(crate) const COMMIT_MARK: &str = "turnpike";

/// Which attempt of which writer made a commit.
fn token_of(actions: &[Action]) -> Option<String> {
    actions.iter().find_map(|action| match action {
        Action::CommitInfo(info) => {
            info.info.get(COMMIT_MARK)?.get("token")?.as_str().map(String::from)
        }
        _ => None,
    })
}
