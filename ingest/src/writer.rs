//! Rows as a record batch of `usage_events`, in the order in which compaction merges them.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Int32Builder,
    Int64Builder, ListBuilder, RecordBatch, StringBuilder, StructBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use turnpike_schemas::arrow::{measurement_fields, usage_events};
use turnpike_schemas::canonical::labels_to_json;
use turnpike_schemas::event::Twin;
use turnpike_schemas::{Instant, Measurement, UsageEvent};

use crate::batch::Row;
use crate::error::IngestError;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The rows, sorted, as one batch.
pub(crate) fn record_batch(mut rows: Vec<Row>, now: Instant) -> Result<RecordBatch, IngestError> {
    rows.sort_by(order);
    columns(&rows, now).map_err(IngestError::Batch)
}

/// Events by (bucket, resource, time, rank, key), then those that meter nothing, dead letters last.
/// Deliveries of one event stay in the order in which they came.
fn order(a: &Row, b: &Row) -> Ordering {
    let place = |row: &Row| (row.event.is_none(), row.bucket.is_none(), row.bucket);
    place(a).cmp(&place(b)).then_with(|| match (&a.event, &b.event) {
        (Some(a), Some(b)) => event_order(a, b),
        _ => (&a.origin, a.position, a.part).cmp(&(&b.origin, b.position, b.part)),
    })
}

fn event_order(a: &UsageEvent, b: &UsageEvent) -> Ordering {
    // No id holds a control character, so (source, id) orders as the key that joins them with one.
    let resource = |event: &UsageEvent| event.resource.as_ref().map(|id| id.as_str().to_owned());
    let by_resource = match (&a.resource, &b.resource) {
        (Some(a), Some(b)) => a.as_str().cmp(b.as_str()),
        _ => resource(a).cmp(&resource(b)),
    };
    by_resource
        .then_with(|| a.time.cmp(&b.time))
        .then_with(|| a.rank().cmp(&b.rank()))
        .then_with(|| a.source.cmp(&b.source))
        .then_with(|| a.id.cmp(&b.id))
}

type EventText = fn(&UsageEvent) -> Option<&str>;
type EventInstant = fn(&UsageEvent) -> Option<Instant>;

fn columns(rows: &[Row], now: Instant) -> Result<RecordBatch, ArrowError> {
    let day = i32::try_from(now.micros().div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX);
    let mut days = Date32Builder::with_capacity(rows.len());
    days.append_value_n(day, rows.len());
    let text = |get: EventText| event_text(rows, get);
    let instant =
        |get: EventInstant| instants(rows.iter().map(|row| row.event.as_deref().and_then(get)));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(days.finish()),
        instants(rows.iter().map(|_| Some(now))),
        texts(rows.iter().map(|row| Some(row.origin.as_ref()))),
        longs(rows.iter().map(|row| Some(row.position))),
        ints(rows.iter().map(|row| Some(row.part))),
        texts(rows.iter().map(|row| Some(row.status))),
        texts(rows.iter().map(|row| row.reason)),
        texts(rows.iter().map(|row| row.error.as_deref())),
        texts(rows.iter().map(|row| row.system.as_deref())),
        ints(rows.iter().map(|row| row.bucket.and_then(|bucket| i32::try_from(bucket).ok()))),
        text(|event| Some(&event.source)),
        text(|event| Some(&event.id)),
        longs(rows.iter().map(|row| row.content_hash)),
        text(|event| Some(event.kind.as_str())),
        ints(rows.iter().map(|row| row.event.as_ref().map(|event| event.rank()))),
        text(|event| event.resource.as_ref().map(AsRef::as_ref)),
        text(|event| Some(&event.resource_kind)),
        text(|event| event.parent.as_ref().map(AsRef::as_ref)),
        text(|event| event.owner.as_ref().map(AsRef::as_ref)),
        text(|event| event.project.as_deref()),
        text(|event| event.site.as_deref()),
        text(|event| event.region.as_deref()),
        instant(|event| Some(event.time)),
        instant(|event| event.window.map(|window| window.start)),
        instant(|event| event.window.map(|window| window.end)),
        instant(|event| event.since),
        longs(rows.iter().map(|row| row.event.as_ref().and_then(|event| event.seconds))),
        text(|event| event.state.map(|state| state.as_str())),
        flags(rows.iter().map(|row| row.event.as_ref().map(|event| event.terminal))),
        text(|event| event.incarnation.as_deref()),
        measurements(rows),
        labels(rows, |event| {
            (!event.attributes.is_empty()).then(|| labels_to_json(&event.attributes))
        }),
        labels(rows, |event| event.tags.as_ref().map(labels_to_json)),
        labels(rows, |event| event.twin.as_ref().map(Twin::to_column)),
        text(|event| event.correction.as_ref().map(|correction| correction.action.as_str())),
        text(|event| event.correction.as_ref()?.target.as_deref()),
        payloads(rows),
    ];
    RecordBatch::try_new(usage_events(), arrays)
}

fn event_text(rows: &[Row], get: EventText) -> ArrayRef {
    texts(rows.iter().map(|row| row.event.as_deref().and_then(get)))
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn labels(rows: &[Row], get: impl Fn(&UsageEvent) -> Option<String>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    rows.iter().for_each(|row| builder.append_option(row.event.as_deref().and_then(&get)));
    Arc::new(builder.finish())
}

fn longs(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let mut builder = Int64Builder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn ints(values: impl Iterator<Item = Option<i32>>) -> ArrayRef {
    let mut builder = Int32Builder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn flags(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    let mut builder = BooleanBuilder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn instants(values: impl Iterator<Item = Option<Instant>>) -> ArrayRef {
    let mut builder = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    values.for_each(|value| builder.append_option(value.map(|instant| instant.micros())));
    Arc::new(builder.finish())
}

fn payloads(rows: &[Row]) -> ArrayRef {
    let mut builder = BinaryBuilder::new();
    rows.iter().for_each(|row| builder.append_option(row.raw.as_deref()));
    Arc::new(builder.finish())
}

fn measurements(rows: &[Row]) -> ArrayRef {
    let fields = measurement_fields();
    let element = Field::new("element", DataType::Struct(fields.clone()), true);
    let mut list =
        ListBuilder::new(StructBuilder::from_fields(fields, rows.len())).with_field(element);
    for row in rows {
        let given = row.event.as_ref().map(|event| event.measurements.as_slice());
        for measurement in given.unwrap_or_default() {
            append_measurement(list.values(), measurement);
        }
        list.append(given.is_some());
    }
    Arc::new(list.finish())
}

fn append_measurement(builder: &mut StructBuilder, measurement: &Measurement) {
    fn column<T: ArrayBuilder>(builder: &mut StructBuilder, place: usize) -> &mut T {
        builder.field_builder(place).expect("the builder is made of measurement_fields()")
    }
    column::<StringBuilder>(builder, 0).append_value(measurement.meter.as_str());
    column::<Int64Builder>(builder, 1).append_value(measurement.quantity);
    column::<Int32Builder>(builder, 2)
        .append_value(i32::try_from(measurement.scale).expect("a scale is at most 9"));
    column::<StringBuilder>(builder, 3).append_value(measurement.flow.as_str());
    builder.append(true);
}
