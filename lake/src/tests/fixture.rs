//! Events, tables in a temporary folder, and a disk that fails on demand.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Int32Array, Int32Builder,
    Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray, StringBuilder, StructBuilder,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Int64Type};
use tempfile::TempDir;
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::{measurement_fields, status, usage_events};
use turnpike_schemas::canonical::bucket_of;
use turnpike_schemas::event::CorrectionAction;

use crate::disk::{NoProbe, Probe, Step};
use crate::{
    AppId, Append, CompactReport, CompactSettings, Lake, LakeError, LakeSettings, LakeSnapshot,
    OffsetAdvance,
};

pub(crate) const BUCKETS: u32 = 4;

/// An event as a line of a test: accepted, of system `test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) resource: Option<String>,
    /// RFC 3339.
    pub(crate) time: String,
    pub(crate) content: i64,
    pub(crate) meters: Vec<(String, i64)>,
    pub(crate) status: &'static str,
    pub(crate) reason: Option<&'static str>,
    /// Key and form.
    pub(crate) twin: Option<(String, String)>,
    /// What it does to the event of which id.
    pub(crate) correction: Option<(CorrectionAction, Option<String>)>,
}

/// An event that amends another.
pub(crate) fn amend(target: &str, event: Event) -> Event {
    Event { correction: Some((CorrectionAction::Amend, Some(target.to_owned()))), ..event }
}

/// An event that retracts or reverts another, and meters nothing.
pub(crate) fn takes(id: &str, action: CorrectionAction, target: &str, time: &str) -> Event {
    Event {
        resource: None,
        reason: Some("unmetered"),
        correction: Some((action, Some(target.to_owned()))),
        ..event(id, "", time, 0)
    }
}

/// An accepted event of one meter whose content follows from its quantity.
pub(crate) fn event(id: &str, resource: &str, time: &str, quantity: i64) -> Event {
    Event {
        id: id.to_owned(),
        resource: Some(resource.to_owned()),
        time: time.to_owned(),
        content: quantity,
        meters: vec![("vcpu".to_owned(), quantity)],
        status: status::ACCEPTED,
        reason: None,
        twin: None,
        correction: None,
    }
}

pub(crate) fn dead(reason: &'static str) -> Event {
    Event {
        status: status::DEAD,
        reason: Some(reason),
        resource: None,
        ..event("", "", "2026-10-01T00:00:00Z", 0)
    }
}

pub(crate) fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

pub(crate) fn now() -> Instant {
    instant("2026-11-21T00:00:00Z")
}

/// A batch of `usage_events`, sorted as ingest sorts.
pub(crate) fn batch(events: &[Event], buckets: u32) -> RecordBatch {
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_key(|event| {
        let bucket = event.resource.as_deref().map(|resource| bucket_of(resource, buckets));
        (bucket, event.resource.clone(), event.time.clone(), event.id.clone())
    });
    let rows = events.len();
    let text = |of: &dyn Fn(&Event) -> Option<String>| -> ArrayRef {
        Arc::new(events.iter().map(|event| of(event)).collect::<StringArray>())
    };
    let alive = |event: &Event| event.status != status::DEAD;
    let column = |field: &Arc<Field>| -> ArrayRef {
        match field.name().as_str() {
            // 2026-11-21.
            "ingest_day" => Arc::new(Date32Array::from_value(20_778, rows)),
            "position" => Arc::new(Int64Array::from_iter_values(0..rows as i64)),
            "part" => Arc::new(Int32Array::from_value(0, rows)),
            "status" => text(&|event| Some(event.status.to_owned())),
            "reason" => text(&|event| event.reason.map(String::from)),
            "system" => text(&|event| alive(event).then(|| "test".to_owned())),
            "bucket" => Arc::new(
                events
                    .iter()
                    .map(|event| Some(bucket_of(event.resource.as_deref()?, buckets) as i32))
                    .collect::<Int32Array>(),
            ),
            "source" => text(&|event| alive(event).then(|| "/test".to_owned())),
            "event_id" => text(&|event| alive(event).then(|| event.id.clone())),
            "content_hash" => Arc::new(
                events
                    .iter()
                    .map(|event| alive(event).then_some(event.content))
                    .collect::<Int64Array>(),
            ),
            "kind" => text(&|event| alive(event).then(|| "transition".to_owned())),
            "rank" => Arc::new(Int32Array::from_value(0, rows)),
            "resource" => text(&|event| event.resource.clone()),
            "time" => {
                let times = events.iter().map(|event| Some(instant(&event.time).micros()));
                Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            "twin" => {
                text(&|event| event.twin.as_ref().map(|(key, form)| format!("{key}\u{1f}{form}")))
            }
            "correction" => text(&|event| {
                event.correction.as_ref().map(|(action, _)| action.as_str().to_owned())
            }),
            "target" => text(&|event| {
                event.correction.as_ref()?.1.as_ref().map(|id| format!("/test\u{1f}{id}"))
            }),
            "terminal" => Arc::new(BooleanArray::from(vec![false; rows])),
            "measurements" => measurements(&events),
            "raw" => Arc::new(BinaryArray::from_iter_values(events.iter().map(|_| b"{}"))),
            _ => new_null_array(field.data_type(), rows),
        }
    };
    let schema = usage_events();
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

fn measurements(events: &[&Event]) -> ArrayRef {
    let fields = measurement_fields();
    let element = Field::new("element", DataType::Struct(fields.clone()), true);
    let structs = StructBuilder::from_fields(fields, events.len());
    let mut lists = ListBuilder::new(structs).with_field(element);
    for event in events {
        for (meter, quantity) in &event.meters {
            let row = lists.values();
            row.field_builder::<StringBuilder>(0).unwrap().append_value(meter);
            row.field_builder::<Int64Builder>(1).unwrap().append_value(*quantity);
            row.field_builder::<Int32Builder>(2).unwrap().append_value(6);
            row.field_builder::<StringBuilder>(3).unwrap().append_value("held");
            row.append(true);
        }
        lists.append(true);
    }
    Arc::new(lists.finish())
}

/// Tables in a folder of their own.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) lake: Lake,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with_probe(Arc::new(NoProbe)).await
    }

    pub(crate) async fn with_probe(probe: Arc<dyn Probe>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open_with(settings(folder.path()), now(), probe).await.unwrap();
        Self { folder, lake }
    }

    /// A second handle, as another process has one.
    pub(crate) async fn another(&self) -> Lake {
        self.reopen().await.unwrap()
    }

    pub(crate) async fn reopen(&self) -> Result<Lake, LakeError> {
        Lake::open(settings(self.folder.path()), now()).await
    }

    pub(crate) fn table(&self, name: &str) -> PathBuf {
        self.folder.path().join("lake").join(name)
    }

    pub(crate) fn commit_path(&self, table: &str, version: i64) -> PathBuf {
        self.table(table).join("_delta_log").join(format!("{version:020}.json"))
    }
}

pub(crate) fn settings(folder: &Path) -> LakeSettings {
    LakeSettings { buckets: BUCKETS, ..LakeSettings::new(folder.join("lake")) }
}

pub(crate) fn advance(app: &str, start: Option<i64>, end: i64) -> OffsetAdvance {
    OffsetAdvance { app: AppId::new(app), start, end }
}

/// Appends events as the next of app `a`.
pub(crate) async fn append(lake: &Lake, events: &[Event]) -> i64 {
    let start = lake.offsets(&[AppId::new("a")]).await.unwrap()[0];
    let advances = [advance("a", start, start.unwrap_or(0) + events.len() as i64)];
    let rows = batch(events, lake.buckets());
    match lake.append_events(rows, &advances).await.unwrap() {
        Append::Committed { version } => version,
        fenced => panic!("{fenced:?}"),
    }
}

pub(crate) async fn compact(lake: &Lake) -> CompactReport {
    lake.compact(&CompactSettings::default(), &|_| {}).await.unwrap()
}

/// All usage of a view as lines: bucket, month, resource, time, id, meter, quantity, place.
pub(crate) async fn usage(snapshot: &LakeSnapshot) -> Vec<String> {
    let mut lines = Vec::new();
    for bucket in 0..snapshot.buckets() {
        for batch in snapshot.scan(bucket, 0, i32::MAX).await.unwrap() {
            lines.extend(lines_of(&batch));
        }
    }
    lines
}

pub(crate) fn lines_of(batch: &RecordBatch) -> Vec<String> {
    assert_eq!(batch.schema(), turnpike_schemas::arrow::usage());
    let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
    let int = |name: &str| {
        let column = batch.column_by_name(name).unwrap();
        arrow::compute::cast(column, &DataType::Int64).unwrap().as_primitive::<Int64Type>().clone()
    };
    let (resource, key, meter) = (text("resource"), text("event_key"), text("meter"));
    let (bucket, month, time) = (int("bucket"), int("month"), int("time"));
    let (quantity, version, at) = (int("quantity"), int("raw_version"), int("raw_row"));
    let line = |row: usize| {
        format!(
            "{} {} {} {} {} {} {} {}.{}",
            bucket.value(row),
            month.value(row),
            resource.value(row),
            Instant::from_micros(time.value(row)).unwrap(),
            key.value(row).replace('\u{1f}', "|"),
            meter.iter().nth(row).flatten().unwrap_or("-"),
            quantity.iter().nth(row).flatten().unwrap_or(0),
            version.value(row),
            at.value(row),
        )
    };
    (0..batch.num_rows()).map(line).collect()
}

/// Records the steps of writes, and fails one when told to.
#[derive(Debug, Default)]
pub(crate) struct TestProbe {
    pub(crate) steps: Mutex<Vec<(Step, PathBuf)>>,
    pub(crate) failure: Mutex<Option<Failure>>,
}

/// The next write whose path ends so fails once, at this step.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) after: bool,
    pub(crate) name_ends: String,
    pub(crate) times: u32,
    /// The system's number of the error; `None`: an error without one.
    pub(crate) errno: Option<i32>,
}

impl TestProbe {
    fn hit(&self, step: Step, path: &Path, after: bool) -> io::Result<()> {
        let mut failure = self.failure.lock().unwrap();
        let Some(planned) = failure.as_mut() else { return Ok(()) };
        let name = path.to_string_lossy();
        let hit = planned.step == step && planned.after == after && planned.times > 0;
        if hit && name.ends_with(&planned.name_ends) {
            planned.times -= 1;
            let error = planned.errno.map(io::Error::from_raw_os_error);
            return Err(error.unwrap_or_else(|| io::Error::other("the test says so")));
        }
        Ok(())
    }

    pub(crate) fn fail(&self, step: Step, after: bool, name_ends: &str, times: u32) {
        let name_ends = name_ends.to_owned();
        let errno = None;
        *self.failure.lock().unwrap() = Some(Failure { step, after, name_ends, times, errno });
    }

    /// The disk loses the next such write: EIO, once.
    pub(crate) fn lose(&self, step: Step, name_ends: &str) {
        self.fail(step, false, name_ends, 1);
        if let Some(failure) = self.failure.lock().unwrap().as_mut() {
            failure.errno = Some(5);
        }
    }
}

impl Probe for TestProbe {
    fn before(&self, step: Step, path: &Path) -> io::Result<()> {
        self.hit(step, path, false)
    }

    fn after(&self, step: Step, path: &Path) -> io::Result<()> {
        self.steps.lock().unwrap().push((step, path.to_path_buf()));
        self.hit(step, path, true)
    }
}
