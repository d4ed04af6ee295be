//! `usage_state`: what every resource of a bucket held when a month began.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use deltalake_core::kernel::Action;
use futures::stream::{self, StreamExt, TryStreamExt};
use turnpike_schemas::arrow::usage_state;
use turnpike_schemas::canonical::sha256_hex;
use uuid::Uuid;

use crate::LakeError;
use crate::commit::Plan;
use crate::data_file::DataFile;
use crate::log::{LogState, Table};
use crate::parquet_file::{self, NewFile};

/// Files written at once.
const WRITERS: usize = 2;
/// Characters of a fold's hash in file names; only those of versions of one program must differ.
const FOLD_HASH_CHARS: usize = 16;

/// A file of `usage_state`.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    pub(crate) bucket: i32,
    pub(crate) month: i32,
    /// The newest commit of `usage_events` that it was computed from.
    pub(crate) raw_version: i64,
    fold_hash: String,
    file: Arc<DataFile>,
}

pub(crate) fn states_of(state: &LogState) -> Result<Vec<StateFile>, LakeError> {
    let parse = |file: &Arc<DataFile>| {
        parse(file).ok_or_else(|| LakeError::Damaged {
            table: "usage_state",
            version: state.version,
            reason: format!("`{}` is not the name of a state", file.path),
        })
    };
    state.files.values().map(parse).collect()
}

fn parse(file: &Arc<DataFile>) -> Option<StateFile> {
    let name = file.path.rsplit('/').next()?.strip_prefix("state-")?;
    let mut parts = name.splitn(3, '-');
    Some(StateFile {
        bucket: file.partition_number("bucket")?.try_into().ok()?,
        month: file.partition_number("month")?.try_into().ok()?,
        raw_version: parts.next()?.parse().ok()?,
        fold_hash: parts.next()?.to_owned(),
        file: file.clone(),
    })
}

impl StateFile {
    pub(crate) fn is_of_fold(&self, fold: &str) -> bool {
        self.fold_hash == fold_hash(fold)
    }

    /// All columns of `usage_state`.
    pub(crate) async fn read(&self, table: &Table) -> Result<Vec<RecordBatch>, LakeError> {
        let batches = parquet_file::read_all(table, vec![self.file.clone()]).await?.concat();
        let add = |batch: &RecordBatch| {
            let constant = |value: i32| -> ArrayRef {
                Arc::new(Int32Array::from_value(value, batch.num_rows()))
            };
            let mut columns = vec![constant(self.bucket), constant(self.month)];
            columns.extend(batch.columns().iter().cloned());
            RecordBatch::try_new(usage_state(), columns)
        };
        batches.iter().map(add).collect::<Result<_, _>>().map_err(|source| LakeError::Rows {
            operation: "read",
            table: "usage_state",
            source: source.into(),
        })
    }
}

/// Replaces the states of some buckets at one month start.
pub(crate) async fn put(
    table: &Table,
    buckets: u32,
    month: i32,
    states: Vec<(u32, RecordBatch)>,
    raw_version: i64,
    fold: &str,
) -> Result<(), LakeError> {
    let mut new = Vec::new();
    for (bucket, rows) in states {
        check(&rows, bucket, buckets, month, raw_version, fold)?;
        new.push(new_state(bucket, month, rows, raw_version, fold));
    }
    if new.is_empty() {
        return Ok(());
    }
    let files = stream::iter(new)
        .map(|file| parquet_file::write(table, file))
        .buffer_unordered(WRITERS)
        .try_collect::<Vec<_>>()
        .await?;
    let outcome = table.commit(|state| {
        let mut actions = Vec::new();
        for file in &files {
            let replaced = state.files.values().filter(|old| old.partition == file.partition);
            let removes = replaced.map(|old| old.to_remove(true, file.modified));
            actions.extend(removes.map(Action::Remove));
            actions.push(Action::Add(file.to_add(true)));
        }
        Ok(Plan::<()>::Commit { actions, txns: Vec::new() })
    });
    outcome.await.map(|_| ())
}

/// Removes the states that this process knows of and that were computed from later commits than
/// there are.
pub(crate) async fn drop_after(table: &Table, raw_version: i64) -> Result<(), LakeError> {
    let late = |state: &StateFile| state.raw_version > raw_version;
    let lost: Vec<_> = states_of(&*table.known().await)?.into_iter().filter(late).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let outcome = table.commit(|state| {
        let stored = lost.iter().filter_map(|lost| state.files.get(&lost.file.path));
        let removes = stored.map(|file| Action::Remove(file.to_remove(true, file.modified)));
        Ok(Plan::<()>::Commit { actions: removes.collect(), txns: Vec::new() })
    });
    outcome.await.map(|_| ())
}

fn new_state(bucket: u32, month: i32, rows: RecordBatch, raw_version: i64, fold: &str) -> NewFile {
    let (hash, id) = (fold_hash(fold), Uuid::now_v7());
    let partition = [("bucket", bucket.to_string()), ("month", month.to_string())];
    let columns = (2..rows.num_columns()).collect::<Vec<_>>();
    NewFile {
        path: format!("bucket={bucket}/month={month}/state-{raw_version}-{hash}-{id}.parquet"),
        partition: partition.map(|(name, value)| (name.to_owned(), Some(value))).into(),
        tags: HashMap::new(),
        batches: vec![rows.project(&columns).expect("the columns were compared with the table's")],
        order: &[],
    }
}

/// What the rows say must agree with where they are put, since only the latter is looked at.
fn check(
    rows: &RecordBatch,
    bucket: u32,
    buckets: u32,
    month: i32,
    raw_version: i64,
    fold: &str,
) -> Result<(), LakeError> {
    let refuse =
        |reason: String| Err(LakeError::Batch { operation: "put", table: "usage_state", reason });
    if bucket >= buckets {
        return refuse(format!("there is no bucket {bucket} of {buckets}"));
    }
    if rows.schema().fields() != usage_state().fields() {
        return refuse("its columns are not those of usage_state".to_owned());
    }
    if rows.num_rows() == 0 {
        return refuse(format!("bucket {bucket} has no row; without resources it has a null one"));
    }
    let int = |at: usize| rows.column(at).as_primitive::<Int32Type>().iter();
    let agrees = int(0).all(|at| at.and_then(|at| u32::try_from(at).ok()) == Some(bucket))
        && int(1).all(|at| at == Some(month))
        && rows.column(6).as_primitive::<Int64Type>().iter().all(|at| at == Some(raw_version))
        && rows.column(7).as_string::<i32>().iter().all(|at| at == Some(fold));
    match agrees {
        true => Ok(()),
        false => refuse(format!("a row is not of bucket {bucket}, {month}, {raw_version}, {fold}")),
    }
}

fn fold_hash(fold: &str) -> String {
    let mut hash = sha256_hex(fold);
    hash.truncate(FOLD_HASH_CHARS);
    hash
}
