//! Notifications of buckets: an object was created or removed.
//!
//! They meter nothing. What a bucket holds cannot be told from them: an object that replaces another
//! does not say the size that it frees, a removal says no size at all, and they come at least once
//! and in any order. Bytes held come from usage reports or from polls of the bucket. Each
//! notification is kept, so that an operator sees that they arrive.

use turnpike_schemas::UsageEvent;

use super::{S3, required, text};
use crate::adapters::{Adapter, Message, make, time};
use crate::decode::{DecodeContext, Reject};
use crate::json::Json;

/// Accepts notifications of buckets.
pub struct S3Event;

impl Adapter for S3Event {
    fn name(&self) -> &'static str {
        "s3-event"
    }

    fn reads(&self) -> &'static str {
        "S3 bucket notifications: kept, metering nothing"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        let Message::Object(json) = message else { return false };
        let records = json.get("Records").and_then(Json::items).unwrap_or_default();
        records.first().is_some_and(|record| record.get("s3").is_some_and(Json::is_object))
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Object(json) = message else { return Ok(Vec::new()) };
        let records = json.get("Records").and_then(Json::items).unwrap_or_default();
        records.iter().map(noted).collect()
    }
}

fn noted(record: &Json<'_>) -> Result<UsageEvent, Reject> {
    let name = required(record, &["eventName"])?;
    let when = required(record, &["eventTime"])?;
    let part = |path: &[&str]| text(record, path).unwrap_or_default();
    let id = make::natural_id(&[
        name,
        when,
        part(&["responseElements", "x-amz-request-id"]),
        part(&["s3", "bucket", "name"]),
        part(&["s3", "object", "key"]),
        part(&["s3", "object", "sequencer"]),
    ]);
    let source = format!("/{S3}/notifications/{}", part(&["awsRegion"]));
    let origin = make::Origin { system: S3Event.name(), source, id };
    Ok(make::unmetered(origin, time::parse("eventTime", when)?, name))
}
