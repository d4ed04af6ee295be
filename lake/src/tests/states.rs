//! States at month starts, and rated lines.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, new_null_array};
use turnpike_schemas::RunId;
use turnpike_schemas::arrow::{rated_lines, usage_state};
use turnpike_schemas::canonical::bucket_of;

use super::fixture::*;
use crate::Lake;

fn state(bucket: u32, month: i32, raw_version: i64, fold: &str, resource: &str) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![bucket as i32])),
        Arc::new(Int32Array::from(vec![month])),
        Arc::new(StringArray::from(vec![resource])),
        Arc::new(StringArray::from(vec![None::<&str>])),
        Arc::new(StringArray::from(vec![Some("active")])),
        Arc::new(StringArray::from(vec!["{}"])),
        Arc::new(Int64Array::from(vec![raw_version])),
        Arc::new(StringArray::from(vec![fold])),
    ];
    RecordBatch::try_new(usage_state(), columns).unwrap()
}

pub(crate) async fn put(lake: &Lake, bucket: u32, month: i32, fold: &str) {
    let version = lake.snapshot().await.unwrap().raw_version();
    let rows = state(bucket, month, version, fold, "r");
    lake.put_states(month, vec![(bucket, rows)], version, fold).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_holds_until_an_earlier_event_comes() {
    let fixture = Fixture::new().await;
    let lake = &fixture.lake;
    let bucket = bucket_of("r", BUCKETS);
    let other = (0..100).map(|n| format!("s{n}")).find(|name| bucket_of(name, BUCKETS) != bucket);
    let other = other.unwrap();
    let found = async |month: i32, fold: &str| {
        let state = lake.snapshot().await.unwrap().state(bucket, month, fold).await.unwrap();
        state.map(|(month, rows)| {
            assert_eq!(rows[0].schema(), usage_state());
            month
        })
    };
    append(lake, &[event("1", "r", "2026-09-05T00:00:00Z", 1)]).await;
    put(lake, bucket, 202_610, "v1").await;
    put(lake, bucket, 202_611, "v1").await;
    assert_eq!(found(202_609, "v1").await, None);
    assert_eq!(found(202_610, "v1").await, Some(202_610));
    assert_eq!(found(202_701, "v1").await, Some(202_611));
    assert_eq!(found(202_701, "v2").await, None);

    // Later or elsewhere: both states hold, compacted or not.
    append(lake, &[event("2", "r", "2026-11-01T00:00:00Z", 1)]).await;
    append(lake, &[event("3", &other, "2026-09-01T00:00:00Z", 1)]).await;
    // Neither does a duplicate change anything.
    append(lake, &[event("1", "r", "2026-09-05T00:00:00Z", 1)]).await;
    assert_eq!(found(202_611, "v1").await, Some(202_611));
    compact(lake).await;
    assert_eq!(found(202_611, "v1").await, Some(202_611));

    // An event of October: that of November falls.
    append(lake, &[event("4", "r", "2026-10-31T23:59:59.999999Z", 1)]).await;
    assert_eq!(found(202_611, "v1").await, Some(202_610));
    compact(lake).await;
    assert_eq!(found(202_611, "v1").await, Some(202_610));
    put(lake, bucket, 202_611, "v1").await;
    assert_eq!(found(202_611, "v1").await, Some(202_611));

    // An event of September: both fall, also once merged into a run with others.
    append(lake, &[event("5", "r", "2026-09-30T00:00:00Z", 1)]).await;
    for round in 0..10 {
        assert_eq!(found(202_611, "v1").await, None);
        append(lake, &[event(&format!("x{round}"), "r", "2026-09-30T00:00:00Z", 1)]).await;
        compact(lake).await;
    }
    assert_eq!(found(202_611, "v1").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_ignores_states_from_its_future() {
    let fixture = Fixture::new().await;
    append(&fixture.lake, &[event("1", "r", "2026-09-05T00:00:00Z", 1)]).await;
    let bucket = bucket_of("r", BUCKETS);
    put(&fixture.lake, bucket, 202_610, "v1").await;
    let old = fixture.lake.snapshot().await.unwrap();
    append(&fixture.lake, &[event("2", "r", "2026-09-06T00:00:00Z", 1)]).await;
    put(&fixture.lake, bucket, 202_610, "v1").await;
    let (month, rows) = old.state(bucket, 202_610, "v1").await.unwrap().unwrap();
    assert_eq!((month, rows[0].num_rows()), (202_610, 1));
    let new = fixture.another().await.snapshot().await.unwrap();
    assert!(new.state(bucket, 202_610, "v1").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_say_other_than_where_they_go_are_refused() {
    let fixture = Fixture::new().await;
    let check = async |rows: RecordBatch, bucket: u32| {
        let put = fixture.lake.put_states(202_610, vec![(bucket, rows)], 0, "v1").await;
        assert!(put.is_err());
    };
    check(state(1, 202_610, 0, "v1", "r"), 2).await;
    check(state(9, 202_610, 0, "v1", "r"), 9).await;
    check(state(1, 202_611, 0, "v1", "r"), 1).await;
    check(state(1, 202_610, 1, "v1", "r"), 1).await;
    check(state(1, 202_610, 0, "v2", "r"), 1).await;
    check(state(1, 202_610, 0, "v1", "r").slice(0, 0), 1).await;
}

fn lines(run: &RunId, count: usize) -> RecordBatch {
    let columns = rated_lines()
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "run" => Arc::new(StringArray::from(vec![run.as_str(); count])) as ArrayRef,
            "intervals" => Arc::new(Int64Array::from_iter_values(0..count as i64)),
            _ => new_null_array(field.data_type(), count),
        })
        .collect();
    RecordBatch::try_new(rated_lines(), columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_run_are_stored_once() {
    let fixture = Fixture::new().await;
    let (run, empty, unknown) = (RunId::new("run_1"), RunId::new("run_2"), RunId::new("run_3"));
    let (run, empty, unknown) = (run.unwrap(), empty.unwrap(), unknown.unwrap());
    let other = fixture.another().await;
    for lake in [&fixture.lake, &other, &fixture.lake] {
        lake.put_rated_lines(&run, lines(&run, 3)).await.unwrap();
        lake.put_rated_lines(&empty, lines(&empty, 0)).await.unwrap();
    }
    assert_eq!(other.rated_lines(&run).await.unwrap(), [lines(&run, 3)]);
    assert!(other.rated_lines(&empty).await.unwrap().is_empty());
    assert!(other.rated_lines(&unknown).await.unwrap().is_empty());
    assert!(other.put_rated_lines(&unknown, lines(&run, 1)).await.is_err());
}
