//! Glance: images, held from the upload of their data to their deletion. Sizes are bytes.
//!
//! `image.create` makes a name without data: nothing is held until `image.upload`, `image.activate`
//! or an update that shows the image in service. `image.send` counts the bytes of a download, also of
//! one that broke off; it is billed to the image's owner, like any traffic of a resource, with the
//! attribute `traffic` = `image`, by which a tariff tells it from traffic to the internet.
//! `image.exists` is an audit of one owner's images, spread over pages.

use turnpike_schemas::event::{ResourceState, Window};
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::fields::Fields;
use super::{Notification, attribute, belongs_to, measure, resource};
use crate::adapters::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};
use crate::json::Json;

const SERVICE: &str = "glance";
const KIND: &str = "image";

/// Reads notifications about images.
pub struct Glance;

impl Adapter for Glance {
    fn name(&self) -> &'static str {
        "openstack-glance"
    }

    fn reads(&self) -> &'static str {
        "OpenStack Glance notifications: images and their downloads, with audits"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::Notification(notification)
            if notification.event_type.starts_with("image."))
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Notification(notification) = message else { return Ok(Vec::new()) };
        let data = Fields::new(notification.payload, "payload");
        match notification.event_type {
            // A failed upload is told as a text.
            _ if !notification.payload.is_object() => {}
            "image.create" | "image.update" | "image.upload" | "image.activate"
            | "image.delete" => {
                return image(notification, data, self.name()).map(|event| vec![event]);
            }
            "image.send" => return sent(notification, data, self.name()).map(|event| vec![event]),
            "image.exists" => {
                let found = audited(notification, data, self.name())?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            _ => {}
        }
        notification.unmetered(SERVICE, self.name()).map(|event| vec![event])
    }
}

fn image(
    notification: &Notification<'_>,
    data: Fields<'_>,
    system: &str,
) -> Result<UsageEvent, Reject> {
    let id = data.required_text("id")?;
    let terminal = notification.event_type == "image.delete";
    let deleted = data.time("deleted_at")?.filter(|_| terminal);
    let time = match deleted {
        Some(time) => time,
        None => notification.required_sent()?,
    };
    let mut event = notification.event(SERVICE, system, EventKind::Transition, time);
    event.resource = Some(resource(KIND, id)?);
    event.resource_kind = KIND.to_owned();
    event.terminal = terminal;
    belongs_to(&mut event, data.text("owner")?)?;
    describe(&mut event, data)?;
    Ok(event)
}

/// One page of an audit: an event for each of its images.
fn audited(
    notification: &Notification<'_>,
    data: Fields<'_>,
    system: &str,
) -> Result<Vec<UsageEvent>, Reject> {
    let read = |key: &str| data.time(key)?.ok_or_else(|| data.missing(key));
    let window =
        Window { start: read("audit_period_beginning")?, end: read("audit_period_ending")? };
    let owner = data.text("owner")?;
    let images = data.present("images").and_then(Json::items).unwrap_or_default();
    let each = images.iter().map(|json| {
        let image = Fields::new(json, "payload.images[]");
        let id = image.required_text("id")?;
        let deleted = image.time("deleted_at")?;
        let time = match deleted {
            Some(time) => time,
            None => notification.sent()?.unwrap_or(window.end),
        };
        let mut event = notification.event(SERVICE, system, EventKind::Audit, time);
        event.id = format!("{}/{id}", event.id);
        event.resource = Some(resource(KIND, id)?);
        event.resource_kind = KIND.to_owned();
        event.window = Some(window);
        event.since = image.time("created_at")?.filter(|since| *since <= time);
        event.terminal = deleted.is_some();
        belongs_to(&mut event, image.text("owner")?.or(owner))?;
        describe(&mut event, image)?;
        Ok(event)
    });
    each.collect()
}

fn describe(event: &mut UsageEvent, data: Fields<'_>) -> Result<(), Reject> {
    let status = data.text("status")?.unwrap_or_default();
    event.state = Some(match status {
        _ if event.terminal => ResourceState::Deleted,
        // No data yet, or none any more.
        "queued" | "saving" | "uploading" | "importing" | "killed" => ResourceState::Building,
        // Also deactivated ones, and those whose deletion is delayed: their data is stored.
        _ => ResourceState::Active,
    });
    measure(event, KIND, Flow::Held, data.quantity("size", 1, 0)?);
    attribute(event, "disk_format", data.text("disk_format")?);
    Ok(())
}

fn sent(
    notification: &Notification<'_>,
    data: Fields<'_>,
    system: &str,
) -> Result<UsageEvent, Reject> {
    let id = data.required_text("image_id")?;
    let bytes = data.quantity("bytes_sent", 1, 0)?.ok_or_else(|| data.missing("bytes_sent"))?;
    let time = notification.required_sent()?;
    let mut event = notification.event(SERVICE, system, EventKind::Delta, time);
    event.resource = Some(resource(KIND, id)?);
    event.resource_kind = KIND.to_owned();
    belongs_to(&mut event, data.text("owner_id")?)?;
    measure(&mut event, "egress", Flow::Delta, Some(bytes));
    attribute(&mut event, "traffic", Some("image"));
    Ok(event)
}
