//! Notifications of buckets: an object was created or removed.
//!
//! They meter nothing. What a bucket holds cannot be told from them: an object that replaces another
//! does not say the size that it frees, a removal says no size at all, and they come at least once
//! and in any order. Bytes held come from usage reports or from polls of the bucket. Each
//! notification is kept, so that an operator sees that they arrive.

use std::borrow::Cow;

use turnpike_schemas::UsageEvent;

use super::{S3, required, text};
use crate::adapters::{Adapter, Message, make, time};
use crate::decode::{DecodeContext, Reject};
use crate::installation::Local;
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
        match json.get("Records").and_then(Json::items) {
            Some(records) => records.iter().any(is_record),
            None => is_record(json),
        }
    }

    fn local(&self, _: &Message<'_>) -> Local {
        // Buckets of two stores may have one name.
        Local::Ids
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Object(json) = message else { return Ok(Vec::new()) };
        match json.get("Records").and_then(Json::items) {
            Some(records) => records.iter().map(noted).collect(),
            None => noted(json).map(|event| vec![event]),
        }
    }

    fn records<'m>(&self, message: &Message<'m>) -> Vec<Cow<'m, str>> {
        let Message::Object(json) = message else { return Vec::new() };
        super::listed(json)
    }
}

fn is_record(json: &Json<'_>) -> bool {
    json.get("s3").is_some_and(Json::is_object)
        && ["eventSource", "eventName", "eventTime"].iter().any(|name| json.get(name).is_some())
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
