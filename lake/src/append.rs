//! Appending events: one commit holds the rows and how far their sources got.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use deltalake_core::kernel::Action;

use crate::commit::{Outcome, Plan};
use crate::data_file::DataFile;
use crate::event_files::{EncodedEvents, EventsEncoder, check_rows, path_of};
use crate::log::{LogState, Table};
use crate::{AppId, Append, LakeError, OffsetAdvance, parquet_file};

/// Writes the rows and commits them where every source partition stands at its start.
pub(crate) async fn append(
    table: &Table,
    buckets: u32,
    rows: RecordBatch,
    advances: &[OffsetAdvance],
    marks: &[(AppId, i64)],
) -> Result<Append, LakeError> {
    check_advances(advances)?;
    check_rows(&rows, buckets)?;
    // This look and the next only save work for a lost cause: the commit compares again.
    if let Some(fenced) = compare(&*table.refreshed().await?, advances) {
        return Ok(fenced);
    }
    let mut encoder = EventsEncoder::new(table.spec, buckets);
    let encode = move || encoder.push_checked(&rows).and_then(|()| encoder.finish());
    let encoded = tokio::task::spawn_blocking(encode).await;
    let encoded =
        encoded.map_err(|source| LakeError::Task { operation: "encode", source: source.into() })?;
    append_encoded(table, &encoded?, advances, marks).await
}

/// Writes the files and commits them where every source partition stands at its start.
pub(crate) async fn append_encoded(
    table: &Table,
    events: &EncodedEvents,
    advances: &[OffsetAdvance],
    marks: &[(AppId, i64)],
) -> Result<Append, LakeError> {
    check_advances(advances)?;
    if let Some(fenced) = compare(&*table.refreshed().await?, advances) {
        return Ok(fenced);
    }
    let mut files = Vec::new();
    for (day, file) in &events.files {
        files.push(parquet_file::write_encoded(table, path_of(*day), Arc::clone(file)).await?);
    }
    let moved = advances.iter().map(|advance| (&advance.app, advance.end));
    let marked = marks.iter().map(|(app, mark)| (app, *mark));
    let txns: Vec<_> =
        moved.chain(marked).map(|(app, number)| (app.as_str().to_owned(), number)).collect();
    let outcome = table.commit(|state| {
        Ok(match compare(state, advances) {
            Some(fenced) => Plan::Refuse(fenced),
            None => Plan::Commit {
                actions: files.iter().map(|file| Action::Add(file.to_add(true))).collect(),
                txns: txns.clone(),
            },
        })
    });
    match outcome.await? {
        Outcome::Committed(version) => Ok(Append::Committed { version }),
        Outcome::Refused(fenced) => {
            // The log was read past the version that would have named them: nobody will.
            remove_files(table, &files).await;
            Ok(fenced)
        }
    }
}

fn compare(state: &LogState, advances: &[OffsetAdvance]) -> Option<Append> {
    let moved = advances.iter().find(|advance| state.txn(advance.app.as_str()) != advance.start)?;
    Some(Append::Fenced {
        app: moved.app.clone(),
        expected: moved.start,
        found: state.txn(moved.app.as_str()),
    })
}

async fn remove_files(table: &Table, files: &[DataFile]) {
    for file in files {
        // A file that stays costs space and is named by no commit.
        let _ = tokio::fs::remove_file(table.path_of(file)).await;
    }
}

fn check_advances(advances: &[OffsetAdvance]) -> Result<(), LakeError> {
    let mut apps = BTreeSet::new();
    for OffsetAdvance { app, start, end } in advances {
        if !apps.insert(app) {
            return Err(refuse(format!("{app} advances twice")));
        }
        if start.is_some_and(|start| start > *end) {
            return Err(refuse(format!("{app} goes back from {start:?} to {end}")));
        }
    }
    if apps.is_empty() {
        return Err(refuse("it advances no source, so a repeat could not be told".to_owned()));
    }
    Ok(())
}

fn refuse(reason: String) -> LakeError {
    LakeError::Batch { operation: "append", table: "usage_events", reason }
}
