//! `rated_lines`: one commit per rating run.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use deltalake_core::kernel::Action;
use turnpike_schemas::RunId;
use turnpike_schemas::arrow::rated_lines;
use uuid::Uuid;

use crate::LakeError;
use crate::commit::{Outcome, Plan};
use crate::data_file::DataFile;
use crate::log::Table;
use crate::parquet_file::{self, FileParts, NewFile};
use crate::snapshot::Tables;

const RUN: &str = "run";

/// Stores the lines of a run, once: a repeat finds the run's `txn` and changes nothing.
pub(crate) async fn put(
    tables: &Arc<Tables>,
    run: &RunId,
    lines: RecordBatch,
) -> Result<(), LakeError> {
    check(&lines, run)?;
    let writer = RatedLinesWriter::new(tables.clone(), run.clone());
    if tables.rated.refreshed().await?.txn(&writer.app).is_some() {
        return Ok(());
    }
    if lines.num_rows() > 0 {
        let file =
            parquet_file::write(&tables.rated, new_file(run, 0, vec![without_run(&lines)])).await?;
        writer.files().insert(0, file);
    }
    writer.commit().await
}

/// Writes the lines of a run in parts, to files that nobody sees until the one commit that names them
/// all. Without it they are removed.
pub struct RatedLinesWriter {
    tables: Arc<Tables>,
    run: RunId,
    app: String,
    files: Mutex<BTreeMap<usize, DataFile>>,
}

impl RatedLinesWriter {
    pub(crate) fn new(tables: Arc<Tables>, run: RunId) -> Self {
        let app = format!("rate:{run}");
        Self { tables, run, app, files: Mutex::default() }
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<usize, DataFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a part; read again, the lines of all parts stand in order of their numbers.
    pub fn part(&self, number: usize) -> Result<RatedLinesPart, LakeError> {
        let file = new_file(&self.run, number, Vec::new());
        let file = FileParts::new(self.tables.rated.clone(), file)?;
        Ok(RatedLinesPart { number, run: self.run.clone(), file })
    }

    /// Ends a part. Waits for the disk on the thread that calls.
    pub fn add(&self, part: RatedLinesPart) -> Result<(), LakeError> {
        let file = part.file.finish()?;
        self.files().insert(part.number, file);
        Ok(())
    }

    /// Makes all parts lines of the run; a repeat of a run changes nothing.
    pub async fn commit(self) -> Result<(), LakeError> {
        let files: Vec<DataFile> = self.files().values().cloned().collect();
        let outcome = self.tables.rated.commit(|state| {
            Ok(match state.txn(&self.app) {
                Some(_) => Plan::Refuse(()),
                None => Plan::Commit {
                    actions: files.iter().map(|file| Action::Add(file.to_add(true))).collect(),
                    txns: vec![(self.app.clone(), 1)],
                },
            })
        });
        let outcome = outcome.await;
        if !matches!(outcome, Ok(Outcome::Refused(()))) {
            // Named now, or perhaps named: then they stay.
            self.files().clear();
        }
        outcome.map(|_| ())
    }
}

/// Lines of a part, batch by batch.
pub struct RatedLinesPart {
    number: usize,
    run: RunId,
    file: FileParts,
}

impl RatedLinesPart {
    pub fn write(&mut self, lines: &RecordBatch) -> Result<(), LakeError> {
        check(lines, &self.run)?;
        self.file.write(&without_run(lines))
    }
}

impl Drop for RatedLinesWriter {
    fn drop(&mut self) {
        for file in self.files().values() {
            // A file that stays costs space and is named by no commit.
            let _ = std::fs::remove_file(self.tables.rated.path_of(file));
        }
    }
}

/// The lines of a run in the order they were stored; none where the run is not known.
pub(crate) async fn read(table: &Table, run: &RunId) -> Result<Vec<RecordBatch>, LakeError> {
    let files = {
        let state = table.refreshed().await?;
        let of_run = |value: Option<&Option<String>>| {
            value.is_some_and(|value| value.as_deref() == Some(run.as_str()))
        };
        let files = state.files.values().filter(|file| of_run(file.partition.get(RUN)));
        let mut files = files.cloned().collect::<Vec<_>>();
        // Parts are numbered in their names.
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        files
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

/// The run is in the path.
fn without_run(lines: &RecordBatch) -> RecordBatch {
    let columns: Vec<usize> = (1..lines.num_columns()).collect();
    lines.project(&columns).expect("the columns were compared with the table's")
}

fn new_file(run: &RunId, part: usize, batches: Vec<RecordBatch>) -> NewFile {
    NewFile {
        path: format!("{RUN}={run}/lines-{part:08}-{}.parquet", Uuid::now_v7()),
        partition: HashMap::from([(RUN.to_owned(), Some(run.to_string()))]),
        tags: HashMap::new(),
        batches,
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
