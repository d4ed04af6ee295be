//! Trove: managed databases, as an instance with its flavor and the storage of its volume.
//!
//! When a notification takes effect:
//! - `create`: `launched_at`, which Trove sets to the creation, else the timestamp. It is sent only
//!   once the database serves.
//! - `modify_flavor`, `modify_volume`: `modify_at`, else the timestamp. Their `launched_at` is that
//!   same instant and tells nothing of the life's start.
//! - `delete`: `deleted_at`, else the timestamp.
//! - `exists`: an audit of its window. It tells no size of the volume, so what was known stays held;
//!   and it leaves out instances that are shut down, so absence means nothing.
//!
//! `dbaas.*` are calls of the API and meter nothing.

use turnpike_schemas::event::{ResourceState, Window};
use turnpike_schemas::meter::GIB;
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::fields::Fields;
use super::{Notification, attribute, belongs_to, measure, resource};
use crate::adapters::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};

const SERVICE: &str = "trove";
const KIND: &str = "db-instance";

/// Reads notifications about managed databases.
pub struct Trove;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Modify,
    Delete,
    Exists,
}

impl Adapter for Trove {
    fn name(&self) -> &'static str {
        "openstack-trove"
    }

    fn reads(&self) -> &'static str {
        "OpenStack Trove notifications: managed databases and their storage, with audits"
    }

    /// No capture is public: the fields are those that Trove's code sends.
    fn is_verified(&self) -> bool {
        false
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::Notification(notification)
            if ["trove.", "dbaas."].iter().any(|start| notification.event_type.starts_with(start)))
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Notification(notification) = message else { return Ok(Vec::new()) };
        let action = match notification.event_type {
            "trove.instance.create" => Action::Create,
            "trove.instance.modify_flavor" | "trove.instance.modify_volume" => Action::Modify,
            "trove.instance.delete" => Action::Delete,
            "trove.instance.exists" => Action::Exists,
            _ => return notification.unmetered(SERVICE, self.name()).map(|event| vec![event]),
        };
        database(notification, action, self.name()).map(|event| vec![event])
    }
}

fn database(
    notification: &Notification<'_>,
    action: Action,
    system: &str,
) -> Result<UsageEvent, Reject> {
    let data = Fields::new(notification.payload, "payload");
    let id = data.required_text("instance_id")?;
    let launched = data.time("launched_at")?.or(data.time("created_at")?);
    let own_time = match action {
        Action::Create => launched,
        Action::Modify => data.time("modify_at")?,
        Action::Delete => data.time("deleted_at")?,
        Action::Exists => None,
    };
    let window = if action == Action::Exists { Some(window(data)?) } else { None };
    let time = match (own_time, window) {
        (Some(time), _) => time,
        (None, Some(window)) => notification.sent()?.unwrap_or(window.end),
        (None, None) => notification.required_sent()?,
    };
    let kind = if window.is_some() { EventKind::Audit } else { EventKind::Transition };
    let mut event = notification.event(SERVICE, system, kind, time);
    event.resource = Some(resource(KIND, id)?);
    event.resource_kind = KIND.to_owned();
    belongs_to(&mut event, data.text("tenant_id")?)?;
    event.region = data.text("region")?.map(str::to_owned);
    event.window = window;
    event.since = launched.filter(|since| action != Action::Modify && *since <= time);
    event.terminal = action == Action::Delete;
    event.state = Some(match data.text("state")? {
        _ if event.terminal => ResourceState::Deleted,
        word => state(word.unwrap_or_default()),
    });
    measure(&mut event, KIND, Flow::Held, Some(1));
    measure(&mut event, "db-storage", Flow::Held, data.quantity("volume_size", GIB, 0)?);
    attribute(&mut event, "flavor", data.text("instance_type")?);
    attribute(&mut event, "datastore", data.text("service_id")?);
    attribute(&mut event, "availability_zone", data.text("availability_zone")?);
    Ok(event)
}

fn window(data: Fields<'_>) -> Result<Window, Reject> {
    let read = |key: &str| data.time(key)?.ok_or_else(|| data.missing(key));
    Ok(Window { start: read("audit_period_beginning")?, end: read("audit_period_ending")? })
}

/// Trove's words are many and grow. All but these say that the database serves, or is about to
/// again: backing up, restarting, resizing.
fn state(word: &str) -> ResourceState {
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "build" | "building" | "new" => ResourceState::Building,
        "shutdown" | "stopped" => ResourceState::Stopped,
        _ if word.starts_with("error") || word.starts_with("fail") => ResourceState::Error,
        _ => ResourceState::Active,
    }
}
