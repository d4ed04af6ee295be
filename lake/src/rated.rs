//! `rated_lines`: one commit per rating run.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use deltalake_core::kernel::Action;
use turnpike_schemas::RunId;
use turnpike_schemas::arrow::rated_lines;
use uuid::Uuid;

use crate::LakeError;
use crate::commit::{Outcome, Plan};
use crate::log::Table;
use crate::parquet_file::{self, NewFile};

const RUN: &str = "run";

/// Stores the lines of a run, once: a repeat finds the run's `txn` and changes nothing.
pub(crate) async fn put(table: &Table, run: &RunId, lines: RecordBatch) -> Result<(), LakeError> {
    let app = format!("rate:{run}");
    check(&lines, run)?;
    if table.refreshed().await?.txn(&app).is_some() {
        return Ok(());
    }
    let mut files = Vec::new();
    if lines.num_rows() > 0 {
        files.push(parquet_file::write(table, new_file(run, &lines)).await?);
    }
    let outcome = table.commit(|state| {
        Ok(match state.txn(&app) {
            Some(_) => Plan::Refuse(()),
            None => Plan::Commit {
                actions: files.iter().map(|file| Action::Add(file.to_add(true))).collect(),
                txns: vec![(app.clone(), 1)],
            },
        })
    });
    if let Outcome::Refused(()) = outcome.await? {
        for file in &files {
            // A file that stays costs space and is named by no commit.
            let _ = tokio::fs::remove_file(table.path_of(file)).await;
        }
    }
    Ok(())
}

/// The lines of a run in the order they were stored; none where the run is not known.
pub(crate) async fn read(table: &Table, run: &RunId) -> Result<Vec<RecordBatch>, LakeError> {
    let files = {
        let state = table.refreshed().await?;
        let of_run = |value: Option<&Option<String>>| {
            value.is_some_and(|value| value.as_deref() == Some(run.as_str()))
        };
        let files = state.files.values().filter(|file| of_run(file.partition.get(RUN)));
        files.cloned().collect::<Vec<_>>()
    };
    let batches = parquet_file::read_all(table, files).await?.concat();
    let with_run = |batch: &RecordBatch| {
        let runs = std::iter::repeat_n(run.as_str(), batch.num_rows());
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(runs))];
        columns.extend(batch.columns().iter().cloned());
        RecordBatch::try_new(rated_lines(), columns)
    };
    batches.iter().map(with_run).collect::<Result<_, _>>().map_err(|source| LakeError::Rows {
        operation: "read",
        table: "rated_lines",
        source: source.into(),
    })
}

fn new_file(run: &RunId, lines: &RecordBatch) -> NewFile {
    let columns: Vec<usize> = (1..lines.num_columns()).collect();
    NewFile {
        path: format!("{RUN}={run}/lines-{}.parquet", Uuid::now_v7()),
        partition: HashMap::from([(RUN.to_owned(), Some(run.to_string()))]),
        tags: HashMap::new(),
        batches: vec![lines.project(&columns).expect("the columns were compared with the table's")],
        order: &[],
    }
}

fn check(lines: &RecordBatch, run: &RunId) -> Result<(), LakeError> {
    let refuse =
        |reason: String| Err(LakeError::Batch { operation: "put", table: "rated_lines", reason });
    if lines.schema().fields() != rated_lines().fields() {
        return refuse("its columns are not those of rated_lines".to_owned());
    }
    match lines.column(0).as_string::<i32>().iter().all(|at| at == Some(run.as_str())) {
        true => Ok(()),
        false => refuse(format!("a line is not of run {run}")),
    }
}
