//! [`EventsEncoder`]: rows of `usage_events` as files, one for each day, that only have to be written.
//!
//! Owns: what is checked of every row, and what the commit says of the files. Encoding costs processor
//! time and touches no disk, so it is done before a commit, and while another is under way.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{Date32Type, Int32Type, TimestampMicrosecondType};
use chrono::NaiveDate;
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::{status, usage_events};
use turnpike_schemas::time::{next_utc_month, utc_month_start};
use uuid::Uuid;

use crate::LakeError;
use crate::parquet_file::{Encoded, Encoder};
use crate::spec::TableSpec;

const DAY: &str = "ingest_day";
/// Tag of a data file: the months that its accepted rows fall into, comma-separated.
pub(crate) const MONTHS_TAG: &str = "turnpike.months";
/// Tag of a data file: how many dead letters it holds. Most hold none and need not be opened to
/// find one.
pub(crate) const DEAD_TAG: &str = "turnpike.dead";

/// Rows of `usage_events` as files that are not on disk yet.
#[derive(Debug, Clone)]
pub struct EncodedEvents {
    /// By the days of their partitions.
    pub(crate) files: Vec<(NaiveDate, Arc<Encoded>)>,
}

/// Encodes rows of `usage_events` as they come, in their order.
pub struct EventsEncoder {
    spec: &'static TableSpec,
    buckets: u32,
    days: BTreeMap<i32, DayFile>,
}

struct DayFile {
    encoder: Encoder,
    months: BTreeSet<i32>,
    dead: usize,
}

impl EventsEncoder {
    pub(crate) fn new(spec: &'static TableSpec, buckets: u32) -> Self {
        Self { spec, buckets, days: BTreeMap::new() }
    }

    pub fn push(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        check_rows(rows, self.buckets)?;
        self.push_checked(rows)
    }

    pub(crate) fn push_checked(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        let days = column(rows, DAY).as_primitive::<Date32Type>().values();
        if let Some(first) = days.first().filter(|first| days.iter().all(|day| day == *first)) {
            return self.push_day(*first, rows.clone());
        }
        let distinct: BTreeSet<i32> = days.iter().copied().collect();
        for day in distinct {
            let mask: BooleanArray = days.iter().map(|at| Some(*at == day)).collect();
            self.push_day(day, compute::filter_record_batch(rows, &mask).map_err(rows_failed)?)?;
        }
        Ok(())
    }

    fn push_day(&mut self, day: i32, mut rows: RecordBatch) -> Result<(), LakeError> {
        let file = match self.days.entry(day) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(DayFile {
                encoder: Encoder::new(self.spec, &[])?,
                months: BTreeSet::new(),
                dead: 0,
            }),
        };
        add_months(&rows, &mut file.months);
        let words = column(&rows, "status").as_string::<i32>();
        file.dead += words.iter().filter(|word| *word == Some(status::DEAD)).count();
        let at = rows.schema().index_of(DAY).map_err(rows_failed)?;
        rows.remove_column(at);
        file.encoder.push(&rows)
    }

    pub fn finish(self) -> Result<EncodedEvents, LakeError> {
        let files = self.days.into_iter().map(|(day, file)| {
            let date = NaiveDate::default()
                .checked_add_signed(chrono::Duration::days(i64::from(day)))
                .ok_or_else(|| refuse(format!("{DAY} {day} is no date")))?;
            let months = file.months.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
            let partition = HashMap::from([(DAY.to_owned(), Some(date.to_string()))]);
            let tags = HashMap::from([
                (MONTHS_TAG.to_owned(), Some(months)),
                (DEAD_TAG.to_owned(), Some(file.dead.to_string())),
            ]);
            Ok((date, Arc::new(file.encoder.finish(partition, tags)?)))
        });
        Ok(EncodedEvents { files: files.collect::<Result<_, LakeError>>()? })
    }
}

/// A name that no file has. Whoever writes the same rows again takes another.
pub(crate) fn path_of(day: NaiveDate) -> String {
    format!("{DAY}={day}/part-{}.parquet", Uuid::now_v7())
}

/// What later stages take for granted of accepted rows is checked where it is written.
pub(crate) fn check_rows(rows: &RecordBatch, buckets: u32) -> Result<(), LakeError> {
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

/// The months that may get usage from these rows: duplicates are not known yet.
fn add_months(rows: &RecordBatch, months: &mut BTreeSet<i32>) {
    let words = column(rows, "status").as_string::<i32>();
    let resources = column(rows, "resource");
    let times = column(rows, "time").as_primitive::<TimestampMicrosecondType>();
    let metered = |row: &usize| words.value(*row) == status::ACCEPTED && resources.is_valid(*row);
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
