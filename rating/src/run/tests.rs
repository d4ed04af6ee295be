//! Runs over a lake on disk, with the states that runs leave behind.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Int32Array, Int32Builder, Int64Array,
    Int64Builder, ListBuilder, RecordBatch, StringArray, StringBuilder, StructBuilder,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field};
use turnpike_lake::{AppId, Append, Lake, LakeSettings, OffsetAdvance};
use turnpike_schemas::arrow::{measurement_fields, usage_events};
use turnpike_schemas::canonical::bucket_of;
use turnpike_schemas::{Instant, RunId};

use super::{rate, store};
use crate::gather::tests::book;
use crate::request::{RatingRequest, Window};

const BUCKETS: u32 = 2;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect(text)
}

/// One transition: one vCPU held from `time` on.
fn event(id: &str, resource: &str, time: &str) -> RecordBatch {
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let fields = measurement_fields();
    let element = Field::new("element", DataType::Struct(fields.clone()), true);
    let mut lists = ListBuilder::new(StructBuilder::from_fields(fields, 1)).with_field(element);
    let row = lists.values();
    row.field_builder::<StringBuilder>(0).expect("meter").append_value("vcpu");
    row.field_builder::<Int64Builder>(1).expect("quantity").append_value(1_000_000);
    row.field_builder::<Int32Builder>(2).expect("scale").append_value(6);
    row.field_builder::<StringBuilder>(3).expect("flow").append_value("held");
    row.append(true);
    lists.append(true);
    let lists: ArrayRef = Arc::new(lists.finish());
    let bucket = i32::try_from(bucket_of(resource, BUCKETS)).expect("bucket");
    let schema = usage_events();
    let column = |field: &Arc<Field>| -> ArrayRef {
        match field.name().as_str() {
            "ingest_day" => Arc::new(Date32Array::from(vec![20_778])),
            "position" => Arc::new(Int64Array::from(vec![0])),
            "part" | "rank" => Arc::new(Int32Array::from(vec![0])),
            "status" => text("accepted"),
            "system" => text("test"),
            "bucket" => Arc::new(Int32Array::from(vec![bucket])),
            "source" => text("/test"),
            "event_id" => text(id),
            "content_hash" => Arc::new(Int64Array::from(vec![1])),
            "kind" => text("transition"),
            "state" => text("active"),
            "owner" => text("t/p1"),
            "resource_kind" => text("instance"),
            "resource" => text(resource),
            "attributes" => text("{}"),
            "time" => Arc::new(
                TimestampMicrosecondArray::from(vec![at(time).micros()]).with_timezone("UTC"),
            ),
            "terminal" => Arc::new(BooleanArray::from(vec![false])),
            "measurements" => Arc::clone(&lists),
            "raw" => Arc::new(BinaryArray::from_iter_values([b"{}"])),
            _ => new_null_array(field.data_type(), 1),
        }
    };
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns).expect("batch")
}

async fn append(lake: &Lake, source: &str, rows: RecordBatch) {
    let advance = OffsetAdvance { app: AppId::new(source), start: None, end: 1 };
    let outcome = lake.append_events(rows, &[advance]).await.expect("appends");
    assert!(matches!(outcome, Append::Committed { .. }));
}

/// Rates a month, stores the run, and prints its lines as `resource seconds`.
async fn month(lake: &Lake, run: &str, month: &str) -> Vec<String> {
    let window = Window::parse_month(month).expect("month");
    let request =
        RatingRequest::new(RunId::new(run).expect("id"), window, at("2026-11-20T00:00:00Z"));
    let snapshot = lake.snapshot().await.expect("snapshot");
    let outcome = rate(&snapshot, &book(), &request, &|_| {}).await.expect("rates");
    store(lake, &outcome).await.expect("stores");
    assert_eq!(outcome.parked, vec![]);
    let mut lines: Vec<String> =
        outcome.lines.iter().map(|line| format!("{} {}", line.resource, line.seconds)).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_of_one_bucket_leaves_the_states_of_the_others() {
    let folder = std::env::temp_dir().join(format!("turnpike-rating-{}", std::process::id()));
    let settings = LakeSettings { buckets: BUCKETS, fsync: false, ..LakeSettings::new(&folder) };
    let lake = Lake::open(settings, at("2026-11-20T00:00:00Z")).await.expect("opens");
    let names: Vec<String> = (0..BUCKETS)
        .map(|bucket| {
            let mut names = (0..100).map(|n| format!("t/instance/i-{n}"));
            names.find(|name| bucket_of(name, BUCKETS) == bucket).expect("a name per bucket")
        })
        .collect();
    for (id, resource) in ["1", "2"].into_iter().zip(&names) {
        append(&lake, id, event(id, resource, "2026-07-05T00:00:00Z")).await;
    }
    let whole = |seconds: i64| {
        let mut lines: Vec<String> = names.iter().map(|name| format!("{name} {seconds}")).collect();
        lines.sort();
        lines
    };
    assert_eq!(month(&lake, "run-1", "2026-08").await, whole(31 * 86_400));
    append(&lake, "3", event("3", &names[1], "2026-07-06T00:00:00Z")).await;
    // The first run after the late event is right, and leaves states that must be right too.
    assert_eq!(month(&lake, "run-2", "2026-09").await, whole(30 * 86_400));
    assert_eq!(month(&lake, "run-3", "2026-09").await, whole(30 * 86_400), "September again");
    assert_eq!(month(&lake, "run-4", "2026-08").await, whole(31 * 86_400), "August again");
    let _ = std::fs::remove_dir_all(folder);
}
