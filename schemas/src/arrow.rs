//! Arrow schemas of the tables. Delta has no unsigned and no 256-bit decimal types and this file
//! keeps to what it has; every column is nullable in Delta, what is required is said here.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn int(name: &str) -> Field {
    Field::new(name, DataType::Int32, true)
}

fn flag(name: &str) -> Field {
    Field::new(name, DataType::Boolean, true)
}

fn instant(name: &str) -> Field {
    Field::new(name, instant_type(), true)
}

fn wide(name: &str) -> Field {
    Field::new(name, DataType::Decimal128(38, 0), true)
}

/// Microseconds in UTC.
pub fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Fields of one element of `usage_events.measurements`.
pub fn measurement_fields() -> Fields {
    Fields::from(vec![text("meter"), long("quantity"), int("scale"), text("flow")])
}

/// What ended a record's way at ingest.
pub mod status {
    /// Stored as usage (or as a fact that meters nothing, with reason `unmetered`).
    pub const ACCEPTED: &str = "accepted";
    /// The same event as one already accepted; kept without its payload.
    pub const DUPLICATE: &str = "duplicate";
    /// The key of an accepted event with other content; kept with its payload, never metered.
    pub const CONFLICT: &str = "conflict";
    /// Could not be read; kept with its payload and the reason.
    pub const DEAD: &str = "dead";
    /// Says that the dead letter with this origin and position was read after all, into the rows
    /// beside this one.
    pub const REPLAYED: &str = "replayed";
    /// Says that the dead letter with this origin and position was given up; `error` says why.
    pub const DISCARDED: &str = "discarded";

    pub const ALL: [&str; 6] = [ACCEPTED, DUPLICATE, CONFLICT, DEAD, REPLAYED, DISCARDED];
}

/// `usage_events`: raw, append-only, partitioned by `ingest_day`. One row per event that a record
/// held, and exactly one row for a record that is a dead letter.
pub fn usage_events() -> SchemaRef {
    let measurement = Field::new("element", DataType::Struct(measurement_fields()), true);
    Arc::new(Schema::new(vec![
        Field::new("ingest_day", DataType::Date32, true),
        instant("ingested_at"),
        // Where it was read: the app id of the source partition, the offset (or line) in it, and
        // the place within a record that holds several events.
        text("origin"),
        long("position"),
        int("part"),
        text("status"),
        text("reason"),
        text("error"),
        text("system"),
        int("bucket"),
        text("source"),
        text("event_id"),
        long("content_hash"),
        text("kind"),
        int("rank"),
        text("resource"),
        text("resource_kind"),
        text("parent"),
        text("owner"),
        text("project"),
        text("site"),
        text("region"),
        instant("time"),
        instant("window_start"),
        instant("window_end"),
        instant("since"),
        long("seconds"),
        text("state"),
        flag("terminal"),
        text("incarnation"),
        Field::new("measurements", DataType::List(Arc::new(measurement)), true),
        text("attributes"),
        text("tags"),
        // The second identity of an action that is sent twice under two ids: key, separator, form.
        text("twin"),
        // Of a correction what it does, and the key of the event that it does it to.
        text("correction"),
        text("target"),
        Field::new("raw", DataType::Binary, true),
    ]))
}

/// Partition column of `usage_events`.
pub const USAGE_EVENTS_PARTITIONS: [&str; 1] = ["ingest_day"];

/// `usage`: one row per resource, meter and instant (one row without a meter where an event
/// measures nothing), partitioned by (`bucket`, `month`), sorted by [`USAGE_ORDER`]. Each event key
/// stands in it once.
pub fn usage() -> SchemaRef {
    Arc::new(Schema::new(vec![
        int("bucket"),
        int("month"),
        text("resource"),
        instant("time"),
        int("rank"),
        text("event_key"),
        text("meter"),
        text("flow"),
        long("quantity"),
        int("scale"),
        text("kind"),
        text("state"),
        flag("terminal"),
        instant("window_start"),
        instant("window_end"),
        instant("since"),
        long("seconds"),
        text("incarnation"),
        text("resource_kind"),
        text("parent"),
        text("owner"),
        text("project"),
        text("site"),
        text("region"),
        text("source"),
        text("attributes"),
        text("tags"),
        long("content_hash"),
        // The commit of `usage_events` that holds the event, and the row within that commit.
        long("raw_version"),
        long("raw_row"),
    ]))
}

pub const USAGE_PARTITIONS: [&str; 2] = ["bucket", "month"];

/// The order of rows within a bucket and month, ascending, nulls first.
pub const USAGE_ORDER: [&str; 6] = ["resource", "time", "rank", "event_key", "meter", "flow"];

/// `usage_state`: what every resource of a bucket held at the first instant of a UTC month,
/// partitioned by (`bucket`, `month`). A bucket without open resources has one row with a null
/// `resource`, so that "nothing was held" differs from "not computed".
pub fn usage_state() -> SchemaRef {
    Arc::new(Schema::new(vec![
        int("bucket"),
        int("month"),
        text("resource"),
        text("owner"),
        text("state"),
        // The metering state as canonical JSON; its shape belongs to `rating`.
        text("detail"),
        // The versions it was computed from.
        long("raw_version"),
        text("fold"),
    ]))
}

pub const USAGE_STATE_PARTITIONS: [&str; 2] = ["bucket", "month"];

/// `rated_lines`: exact, unrounded priced usage, one commit per run, partitioned by `run`.
pub fn rated_lines() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("run"),
        text("line_id"),
        text("kind"),
        text("account"),
        text("seller"),
        text("project"),
        text("site"),
        text("resource"),
        text("resource_kind"),
        text("meter"),
        text("service"),
        text("detail"),
        text("attributes"),
        text("tariff"),
        text("tariff_version"),
        text("agreement"),
        text("tax_category"),
        text("aggregation"),
        wide("quantity"),
        int("scale"),
        long("seconds"),
        long("price_nano"),
        text("unit"),
        long("unit_base"),
        text("per"),
        long("per_seconds"),
        text("currency"),
        // The exact amount in lowest terms, in major units.
        wide("amount_numerator"),
        wide("amount_denominator"),
        instant("service_start"),
        instant("service_end"),
        long("intervals"),
        flag("estimated"),
    ]))
}

pub const RATED_LINES_PARTITIONS: [&str; 1] = ["run"];
