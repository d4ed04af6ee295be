//! Appending events: one commit holds the rows and how far their sources got.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{Date32Type, Int32Type, TimestampMicrosecondType};
use chrono::NaiveDate;
use deltalake_core::kernel::Action;
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::{status, usage_events};
use turnpike_schemas::time::{next_utc_month, utc_month_start};
use uuid::Uuid;

use crate::commit::{Outcome, Plan};
use crate::data_file::DataFile;
use crate::log::{LogState, Table};
use crate::parquet_file::{self, NewFile};
use crate::{AppId, Append, LakeError, OffsetAdvance};

const DAY: &str = "ingest_day";
/// Tag of a data file: the months that its accepted rows fall into, comma-separated.
pub(crate) const MONTHS_TAG: &str = "turnpike.months";
/// Tag of a data file: how many dead letters it holds. Most hold none and need not be opened to
/// find one.
pub(crate) const DEAD_TAG: &str = "turnpike.dead";

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
    // The commit compares again; this look only saves writing files for a lost cause.
    if let Some(fenced) = compare(&*table.refreshed().await?, advances) {
        return Ok(fenced);
    }
    let mut files = Vec::new();
    for file in split_by_day(&rows)? {
        files.push(parquet_file::write(table, file).await?);
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

/// What later stages take for granted of accepted rows is checked where it is written.
fn check_rows(rows: &RecordBatch, buckets: u32) -> Result<(), LakeError> {
    if rows.schema().fields() != usage_events().fields() {
        return Err(refuse("its columns are not those of usage_events".to_owned()));
    }
    let words = column(rows, "status").as_string::<i32>();
    let known = |word: &str| status::ALL.contains(&word);
    if let Some(word) = words.iter().find(|word| !word.is_some_and(known)) {
        return Err(refuse(format!("a row has status {word:?}")));
    }
    if column(rows, DAY).null_count() > 0 {
        return Err(refuse(format!("a row has no {DAY}")));
    }
    let accepted: BooleanArray =
        words.iter().map(|word| Some(word == Some(status::ACCEPTED))).collect();
    let broken = |name: &str, part: &BooleanArray| -> Result<bool, LakeError> {
        let null = compute::is_null(column(rows, name)).map_err(rows_failed)?;
        Ok(compute::and(part, &null).map_err(rows_failed)?.true_count() > 0)
    };
    for name in ["source", "event_id", "content_hash", "time"] {
        if broken(name, &accepted)? {
            return Err(refuse(format!("an accepted row has no {name}")));
        }
    }
    let metered = compute::is_not_null(column(rows, "resource")).map_err(rows_failed)?;
    let metered = compute::and(&accepted, &metered).map_err(rows_failed)?;
    for name in ["bucket", "kind", "rank"] {
        if broken(name, &metered)? {
            return Err(refuse(format!("an accepted row with a resource has no {name}")));
        }
    }
    let limit = i32::try_from(buckets).unwrap_or(i32::MAX);
    let outside = |bucket: &i32| !(0..limit).contains(bucket);
    match column(rows, "bucket").as_primitive::<Int32Type>().iter().flatten().find(outside) {
        Some(bucket) => Err(refuse(format!("a row lies in bucket {bucket} of {buckets}"))),
        None => check_times(rows),
    }
}

fn check_times(rows: &RecordBatch) -> Result<(), LakeError> {
    let times = column(rows, "time").as_primitive::<TimestampMicrosecondType>();
    match times.iter().flatten().find(|micros| Instant::from_micros(*micros).is_err()) {
        Some(micros) => Err(refuse(format!("a row has the time {micros} microseconds"))),
        None => Ok(()),
    }
}

fn split_by_day(rows: &RecordBatch) -> Result<Vec<NewFile>, LakeError> {
    let days = column(rows, DAY).as_primitive::<Date32Type>();
    let distinct: BTreeSet<i32> = days.values().iter().copied().collect();
    let mut files = Vec::new();
    for day in &distinct {
        let part = if distinct.len() == 1 {
            rows.clone()
        } else {
            let mask: BooleanArray = days.values().iter().map(|at| Some(at == day)).collect();
            compute::filter_record_batch(rows, &mask).map_err(rows_failed)?
        };
        files.push(day_file(*day, part)?);
    }
    Ok(files)
}

fn day_file(day: i32, mut rows: RecordBatch) -> Result<NewFile, LakeError> {
    let date = NaiveDate::default()
        .checked_add_signed(chrono::Duration::days(i64::from(day)))
        .ok_or_else(|| refuse(format!("{DAY} {day} is no date")))?;
    let months = months_of(&rows);
    let words = column(&rows, "status").as_string::<i32>();
    let dead = words.iter().filter(|word| *word == Some(status::DEAD)).count();
    let at = rows.schema().index_of(DAY).map_err(rows_failed)?;
    rows.remove_column(at);
    let months = months.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    Ok(NewFile {
        path: format!("{DAY}={date}/part-{}.parquet", Uuid::now_v7()),
        partition: HashMap::from([(DAY.to_owned(), Some(date.to_string()))]),
        tags: HashMap::from([
            (MONTHS_TAG.to_owned(), Some(months)),
            (DEAD_TAG.to_owned(), Some(dead.to_string())),
        ]),
        batches: vec![rows],
        order: &[],
    })
}

/// The months that may get usage from these rows: duplicates are not known yet.
fn months_of(rows: &RecordBatch) -> BTreeSet<i32> {
    let words = column(rows, "status").as_string::<i32>();
    let resources = column(rows, "resource");
    let times = column(rows, "time").as_primitive::<TimestampMicrosecondType>();
    let metered = |row: &usize| words.value(*row) == status::ACCEPTED && resources.is_valid(*row);
    let mut months = BTreeSet::new();
    // Most rows fall into the month of the row before.
    let mut same = 0..0;
    for micros in (0..rows.num_rows()).filter(metered).map(|row| times.value(row)) {
        if same.contains(&micros) {
            continue;
        }
        let Ok(instant) = Instant::from_micros(micros) else { continue };
        let month = instant.utc_month();
        months.insert(month);
        let bounds = utc_month_start(month).zip(utc_month_start(next_utc_month(month)));
        same = bounds.map_or(0..0, |(start, end)| start.micros()..end.micros());
    }
    months
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    rows.column_by_name(name).expect("the columns were compared with the table's")
}

fn refuse(reason: String) -> LakeError {
    LakeError::Batch { operation: "append", table: "usage_events", reason }
}

fn rows_failed(source: arrow::error::ArrowError) -> LakeError {
    LakeError::Rows { operation: "append", table: "usage_events", source: source.into() }
}
