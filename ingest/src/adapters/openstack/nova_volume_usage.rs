//! `volume.usage`, which Nova sends of attached volumes: reads and writes counted since the volume
//! was first attached. It is about Cinder's resource, so the counters stand beside its size.
//!
//! Reads and writes are added up: the meters do not tell them apart.

use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::fields::Fields;
use super::{Notification, belongs_to, measure, resource, twin, unwrapped};
use crate::decode::Reject;

pub const EVENT_TYPE: &str = "volume.usage";

pub fn event(notification: &Notification<'_>, system: &str) -> Result<UsageEvent, Reject> {
    let data = Fields::new(unwrapped(notification.payload), "payload");
    let id = data.required_text("volume_id")?;
    let refreshed = data.time("last_refreshed")?;
    let time = match refreshed {
        Some(time) => time,
        None => notification.required_sent()?,
    };
    let mut event = notification.event(super::nova::SERVICE, system, EventKind::Snapshot, time);
    let volume = resource("volume", id)?;
    event.twin =
        twin::of(&volume, EVENT_TYPE, refreshed.map(twin::second), super::nova::form(notification));
    event.resource = Some(volume);
    event.resource_kind = "volume".to_owned();
    let server = match data.text("instance_uuid")? {
        Some(server) => Some(server),
        None => data.text("instance_id")?,
    };
    event.parent = server.map(|server| resource("instance", server)).transpose()?;
    let tenant = match data.text("tenant_id")? {
        Some(tenant) => Some(tenant),
        None => data.text("project_id")?,
    };
    belongs_to(&mut event, tenant)?;
    let operations = data.sum(&["reads", "writes"])?.ok_or_else(|| data.missing("reads"))?;
    measure(&mut event, "disk-ops", Flow::Cumulative, Some(operations));
    measure(&mut event, "disk-io", Flow::Cumulative, data.sum(&["read_bytes", "write_bytes"])?);
    Ok(event)
}
