//! Octavia: load balancers, each held from its creation to its deletion.
//!
//! Provisioning states (`PENDING_CREATE`, `ERROR`, ...) say how far the controller is, not whether
//! the customer has the load balancer: the notification of a finished creation itself may still show
//! `PENDING_CREATE`. One that the customer has switched off is `stopped`, which a tariff may treat
//! otherwise.

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::fields::Fields;
use super::{Notification, attribute, belongs_to, measure, resource};
use crate::adapters::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};
use crate::json::Value;

const SERVICE: &str = "octavia";
const KIND: &str = "load-balancer";

/// Reads notifications about load balancers.
pub struct Octavia;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Update,
    Delete,
}

impl Adapter for Octavia {
    fn name(&self) -> &'static str {
        "openstack-octavia"
    }

    fn reads(&self) -> &'static str {
        "OpenStack Octavia notifications: load balancers"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::Notification(notification)
            if notification.event_type.starts_with("octavia."))
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Notification(notification) = message else { return Ok(Vec::new()) };
        let action = match notification.event_type {
            "octavia.loadbalancer.create.end" => Action::Create,
            "octavia.loadbalancer.update.end" => Action::Update,
            "octavia.loadbalancer.delete.end" => Action::Delete,
            _ => return notification.unmetered(SERVICE, self.name()).map(|event| vec![event]),
        };
        balancer(notification, action, self.name()).map(|event| vec![event])
    }
}

fn balancer(
    notification: &Notification<'_>,
    action: Action,
    system: &str,
) -> Result<UsageEvent, Reject> {
    let data = Fields::new(notification.payload, "payload");
    // The API writes `id`, the controller `loadbalancer_id`.
    let id = match data.text("loadbalancer_id")? {
        Some(id) => id,
        None => data.required_text("id")?,
    };
    let created = data.time("created_at")?;
    let time = match (action, created) {
        (Action::Create, Some(created)) => created,
        _ => notification.required_sent()?,
    };
    let mut event = notification.event(SERVICE, system, EventKind::Transition, time);
    event.resource = Some(resource(KIND, id)?);
    event.resource_kind = KIND.to_owned();
    belongs_to(&mut event, data.text("project_id")?)?;
    event.since = created.filter(|created| *created <= time);
    event.terminal = action == Action::Delete;
    event.state = Some(match data.present("enabled").map(|enabled| &enabled.value) {
        _ if event.terminal => ResourceState::Deleted,
        Some(Value::Bool(false)) => ResourceState::Stopped,
        _ => ResourceState::Active,
    });
    measure(&mut event, KIND, Flow::Held, Some(1));
    attribute(&mut event, "provider", data.text("provider")?);
    attribute(&mut event, "flavor", data.text("flavor_id")?);
    attribute(&mut event, "availability_zone", data.text("availability_zone")?);
    Ok(event)
}
