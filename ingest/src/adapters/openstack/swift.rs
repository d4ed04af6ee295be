//! Swift: requests, as its telemetry middleware tells them in the form of CADF, and what accounts
//! hold, as Ceilometer polls it.
//!
//! A request is named by its CADF id: the same request in a second notification is a duplicate. It
//! is billed to the project that made it, as Ceilometer does, and an anonymous one to the project of
//! the account that answered it. One that failed is kept as `unmetered`. Requests and holdings are
//! two resources, so that the kind of a request (`op`) does not stick to what is stored.
//!
//! Samples of containers repeat those of their account and are not read.

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::fields::Fields;
use super::{Notification, attribute, belongs_to, measure, resource, time};
use crate::adapters::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};
use crate::json::Json;
use crate::reason;

const SERVICE: &str = "swift";
const REQUEST: &str = "objectstore.http.request";
/// What an account holds, and what is asked of it.
const ACCOUNT: &str = "object-account";
const REQUESTS: &str = "object-requests";
/// Swift puts it before the project to name an account.
const ACCOUNT_PREFIX: &str = "AUTH_";
/// What polling agents send, and what Ceilometer publishes.
const SAMPLES: [&str; 3] = ["telemetry.polling", "telemetry.api", "metering"];

/// Reads notifications about object storage.
pub struct Swift;

impl Adapter for Swift {
    fn name(&self) -> &'static str {
        "openstack-swift"
    }

    fn reads(&self) -> &'static str {
        "OpenStack Swift: requests (CADF), and object storage polled by Ceilometer"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::Notification(notification)
            if notification.event_type == REQUEST || samples(notification).is_some())
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Notification(notification) = message else { return Ok(Vec::new()) };
        if notification.event_type == REQUEST {
            return request(notification, self.name()).map(|event| vec![event]);
        }
        let mut events = Vec::new();
        for json in samples(notification).unwrap_or_default() {
            events.extend(sample(notification, Fields::new(json, "sample"), self.name())?);
        }
        if events.is_empty() {
            events.push(notification.unmetered(SERVICE, self.name())?);
        }
        Ok(events)
    }
}

fn request(notification: &Notification<'_>, system: &str) -> Result<UsageEvent, Reject> {
    let data = Fields::new(notification.payload, "payload");
    let id = data.required_text("id")?;
    if data.required_text("outcome")? != "success" {
        let mut event = notification.unmetered(SERVICE, system)?;
        event.id = id.to_owned();
        return Ok(event);
    }
    let target = data.object("target", "payload.target").ok_or_else(|| data.missing("target"))?;
    let account = account(target)?;
    let time = match data.time("eventTime")? {
        Some(time) => time,
        None => notification.required_sent()?,
    };
    let mut event = notification.event(SERVICE, system, EventKind::Delta, time);
    event.id = id.to_owned();
    event.resource = Some(resource(REQUESTS, account)?);
    event.resource_kind = REQUESTS.to_owned();
    event.parent = Some(resource(ACCOUNT, account)?);
    let requester = match data.object("initiator", "payload.initiator") {
        Some(initiator) => initiator.text("project_id")?,
        None => None,
    };
    belongs_to(&mut event, Some(requester.unwrap_or(account)))?;
    measure(&mut event, "requests", Flow::Delta, Some(1));
    for json in data.present("measurements").and_then(Json::items).unwrap_or_default() {
        moved(&mut event, Fields::new(json, "payload.measurements[]"))?;
    }
    let op = target.text("action")?.map(str::to_ascii_lowercase);
    attribute(&mut event, "op", op.as_deref());
    Ok(event)
}

/// The project of the account. The middleware cuts the prefix off, and all else where it finds
/// none; then the path still tells the account.
fn account(target: Fields<'_>) -> Result<&str, Reject> {
    let path = match target.object("metadata", "payload.target.metadata") {
        Some(metadata) => metadata.text("path")?,
        None => None,
    };
    let in_path = path.and_then(|path| path.trim_start_matches('/').split('/').nth(1));
    let found = target.text("id")?.or(in_path).filter(|account| !account.is_empty());
    let account = found.ok_or_else(|| target.missing("id"))?;
    let project = account.strip_prefix(ACCOUNT_PREFIX);
    Ok(project.filter(|project| !project.is_empty()).unwrap_or(account))
}

/// Bytes that a request carried. Metrics that we do not bill are passed over.
fn moved(event: &mut UsageEvent, measurement: Fields<'_>) -> Result<(), Reject> {
    let Some(metric) = measurement.object("metric", "payload.measurements[].metric") else {
        return Ok(());
    };
    let meter = match metric.text("name")? {
        Some("storage.objects.outgoing.bytes") => "egress",
        Some("storage.objects.incoming.bytes") => "ingress",
        _ => return Ok(()),
    };
    in_unit(metric.text("unit")?, "B")?;
    measure(event, meter, Flow::Delta, measurement.quantity("result", 1, 0)?);
    Ok(())
}

/// The list of samples that a notification carries.
fn samples<'a>(notification: &Notification<'a>) -> Option<&'a [Json<'a>]> {
    if !SAMPLES.contains(&notification.event_type) {
        return None;
    }
    let payload = notification.payload;
    payload.items().or_else(|| payload.get("samples")?.items())
}

/// What an account held when it was polled; `None` of samples of other things.
fn sample(
    notification: &Notification<'_>,
    data: Fields<'_>,
    system: &str,
) -> Result<Option<UsageEvent>, Reject> {
    let (meter, unit) = match data.json.text_of("counter_name") {
        Some("storage.objects.size") => ("object-storage", "B"),
        Some("storage.objects") => ("objects", "object"),
        _ => return Ok(None),
    };
    in_unit(data.text("counter_unit")?, unit)?;
    let account = data.required_text("resource_id")?;
    let at = match data.text("timestamp")? {
        Some(text) => time::parse("sample.timestamp", text)?,
        None => notification.required_sent()?,
    };
    let mut event = notification.event(SERVICE, system, EventKind::Snapshot, at);
    // Each sample has an id of its own; without it, account and meter tell it from its fellows.
    event.id = match data.text("message_id")? {
        Some(id) => id.to_owned(),
        None => format!("{}/{account}/{meter}", event.id),
    };
    event.resource = Some(resource(ACCOUNT, account)?);
    event.resource_kind = ACCOUNT.to_owned();
    belongs_to(&mut event, Some(data.text("project_id")?.unwrap_or(account)))?;
    event.state = Some(ResourceState::Active);
    let held = data.quantity("counter_volume", 1, 0)?;
    measure(&mut event, meter, Flow::Held, held);
    Ok(Some(event))
}

/// Refuses a unit that would make another quantity of the number.
fn in_unit(unit: Option<&str>, expected: &str) -> Result<(), Reject> {
    match unit.filter(|unit| *unit != expected) {
        None => Ok(()),
        Some(unit) => Err(Reject::new(
            reason::UNKNOWN_UNIT,
            format!(
                "unit: `{}` where `{expected}` is expected",
                unit.chars().take(40).collect::<String>()
            ),
        )),
    }
}
