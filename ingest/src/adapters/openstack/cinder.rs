//! Cinder: volumes, snapshots and backups. Sizes are GiB.
//!
//! When a notification takes effect:
//! - `create.end`: `launched_at`, else `created_at`. Cinder writes the present time where
//!   `launched_at` is null, so one that lies past what it describes is not believed.
//! - `delete.end`: the timestamp; of one that `cinder-volume-usage-audit --send_actions` sends
//!   again, the instant that it gives as an empty audit period.
//! - `exists` of a deleted volume or snapshot, which gives no time of the deletion: the end of its
//!   window, so that it never stands before a report that knows better.
//! - All others: the timestamp.
//!
//! Nothing tells that snapshots changed hands together with their volume but their next audit.
//!
//! Status `error` says that a creation failed: Cinder's API reference has no other meaning of it, and
//! what fails later has words of its own (`error_extending`, `error_deleting`, ...). What was never
//! created stores nothing and is not billed. But an operator can set the status of any volume to
//! `error`; one that was launched is still stored, and is billed until it is deleted.

use turnpike_schemas::event::{ResourceState, Twin, Window};
use turnpike_schemas::meter::GIB;
use turnpike_schemas::{EventKind, Flow, Instant, UsageEvent};

use super::fields::Fields;
use super::{Notification, attribute, belongs_to, measure, resource, twin};
use crate::adapters::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};

const SERVICE: &str = "cinder";
/// How close to its own notification a `launched_at` lies that Cinder made up.
const INVENTED_SECONDS_MAX: i64 = 60;

/// Reads notifications about block storage.
pub struct Cinder;

/// One kind of thing that Cinder keeps.
struct Family {
    /// The first part of the event type, the resource kind and the meter.
    name: &'static str,
    id: &'static str,
    size: &'static str,
}

const FAMILIES: [Family; 3] = [
    Family { name: "volume", id: "volume_id", size: "size" },
    Family { name: "snapshot", id: "snapshot_id", size: "volume_size" },
    Family { name: "backup", id: "backup_id", size: "size" },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    /// Size, type or holder are others from now on, but not since the volume began.
    Change,
    /// The volume as it was all along.
    Touch,
    Delete,
    Exists,
}

impl Adapter for Cinder {
    fn name(&self) -> &'static str {
        "openstack-cinder"
    }

    fn reads(&self) -> &'static str {
        "OpenStack Cinder notifications: volumes, snapshots and backups, with audits"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::Notification(notification)
            if family(notification.event_type).is_some())
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Notification(notification) = message else { return Ok(Vec::new()) };
        let found = family(notification.event_type)
            .and_then(|(family, rest)| action(rest).map(|action| (family, action)));
        let event = match found {
            Some((family, action)) => stored(notification, family, action, self.name())?,
            None => notification.unmetered(SERVICE, self.name())?,
        };
        Ok(vec![event])
    }
}

fn family(event_type: &str) -> Option<(&'static Family, &str)> {
    let (name, rest) = event_type.split_once('.')?;
    FAMILIES.iter().find(|family| family.name == name).map(|family| (family, rest))
}

fn action(name: &str) -> Option<Action> {
    Some(match name {
        "create.end" | "manage_existing.end" | "manage_existing_snapshot.end" => Action::Create,
        "resize.end" | "retype" | "retype.end" | "revert.end" | "transfer.accept.end" => {
            Action::Change
        }
        "attach.end" | "detach.end" | "update.end" => Action::Touch,
        "delete.end" | "unmanage.end" => Action::Delete,
        "exists" => Action::Exists,
        _ => return None,
    })
}

fn stored(
    notification: &Notification<'_>,
    family: &Family,
    action: Action,
    system: &str,
) -> Result<UsageEvent, Reject> {
    let data = Fields::new(notification.payload, "payload");
    let id = data.required_text(family.id)?;
    let window = window(data)?;
    let deleted = data.time("deleted_at")?;
    let created = data.time("created_at")?;
    let launched = believed(data.time("launched_at")?, created, notification, window)?;
    let audit = if action == Action::Exists {
        Some(window.ok_or_else(|| data.missing("audit_period_beginning"))?)
    } else {
        None
    };
    let terminal =
        action == Action::Delete || audit.is_some() && (deleted.is_some() || is_gone(data));
    let began = launched.or(created);
    let time = match (action, audit) {
        (_, Some(audit)) if terminal => deleted.unwrap_or(audit.end),
        _ if terminal => match deleted.or(sent_again(window, created)) {
            Some(time) => time,
            None => notification.required_sent()?,
        },
        (Action::Create, _) => match began {
            Some(time) => time,
            None => notification.required_sent()?,
        },
        (_, Some(audit)) => notification.sent()?.unwrap_or(audit.end),
        _ => notification.required_sent()?,
    };
    let kind = if audit.is_some() { EventKind::Audit } else { EventKind::Transition };
    let mut event = notification.event(SERVICE, system, kind, time);
    event.resource = Some(resource(family.name, id)?);
    event.resource_kind = family.name.to_owned();
    event.window = audit;
    event.since = began.filter(|since| action != Action::Change && *since <= time);
    event.terminal = terminal;
    event.state = Some(match state(data, action, launched.is_some())? {
        _ if terminal => ResourceState::Deleted,
        state => state,
    });
    event.twin = twin(&event, action, created, window);
    describe(&mut event, family, data)?;
    Ok(event)
}

/// Whether an audit tells of something that was deleted within its window.
fn is_gone(data: Fields<'_>) -> bool {
    data.json.text_of("status") == Some("deleted") || data.json.text_of("deleted") == Some("True")
}

/// Creations and deletions, which happen once in a life, and which the usage audit sends again with
/// an empty period. What was taken under management it tells as created.
fn twin(
    event: &UsageEvent,
    action: Action,
    created: Option<Instant>,
    window: Option<Window>,
) -> Option<Twin> {
    let what = match action {
        Action::Create => "create",
        Action::Delete => "delete",
        Action::Change | Action::Touch | Action::Exists => return None,
    };
    let resent = window.is_some_and(|window| window.start == window.end);
    let form = if resent { "resent" } else { "live" };
    twin::of(event.resource.as_ref()?, what, created.map(twin::second), form)
}

fn window(data: Fields<'_>) -> Result<Option<Window>, Reject> {
    let start = data.time("audit_period_beginning")?;
    let end = data.time("audit_period_ending")?;
    Ok(start.zip(end).map(|(start, end)| Window { start, end }))
}

/// `launched_at`, unless Cinder made it up: it lies past the audited window, or a creation that is
/// sent again claims to have ended just now.
fn believed(
    launched: Option<Instant>,
    created: Option<Instant>,
    notification: &Notification<'_>,
    window: Option<Window>,
) -> Result<Option<Instant>, Reject> {
    let (Some(time), Some(window)) = (launched, window) else { return Ok(launched) };
    let invented = if window.start == window.end {
        let sent = notification.sent()?.unwrap_or(window.end);
        let recent = time.plus_seconds(INVENTED_SECONDS_MAX).is_some_and(|end| end >= sent);
        let long_after = created
            .and_then(|created| created.plus_seconds(INVENTED_SECONDS_MAX))
            .is_some_and(|end| end < time);
        recent && long_after
    } else {
        time > window.end
    };
    Ok(launched.filter(|_| !invented))
}

/// When the deletion happened that a usage audit sends again. Some releases give the creation
/// there, which is of no use.
fn sent_again(window: Option<Window>, created: Option<Instant>) -> Option<Instant> {
    let window = window.filter(|window| window.start == window.end)?;
    Some(window.end).filter(|end| created != Some(*end))
}

fn state(data: Fields<'_>, action: Action, launched: bool) -> Result<ResourceState, Reject> {
    let status = data.text("status")?.unwrap_or_default();
    Ok(match (action, status) {
        (Action::Create | Action::Exists, "error") if launched => ResourceState::Error,
        (Action::Create | Action::Exists, "error" | "error_managing") => ResourceState::Building,
        (Action::Exists, "creating" | "downloading" | "managing") => ResourceState::Building,
        // All other words describe something that is stored: in use, extending, failed to delete.
        _ => ResourceState::Active,
    })
}

fn describe(event: &mut UsageEvent, family: &Family, data: Fields<'_>) -> Result<(), Reject> {
    belongs_to(event, data.text("tenant_id")?)?;
    event.parent = match family.name {
        "volume" => attached_to(data).map(|server| resource("instance", server)).transpose()?,
        _ => data.text("volume_id")?.map(|volume| resource("volume", volume)).transpose()?,
    };
    measure(event, family.name, Flow::Held, data.quantity(family.size, GIB, 0)?);
    attribute(event, "tier", data.text("volume_type")?);
    attribute(event, "availability_zone", data.text("availability_zone")?);
    event.tags = data.labels("metadata");
    Ok(())
}

/// The instance of the first attachment that stands.
fn attached_to(data: Fields<'_>) -> Option<&str> {
    let attachments = data.present("volume_attachment")?.items()?;
    attachments.iter().find_map(|attachment| {
        let text = |key: &str| attachment.text_of(key).filter(|text| !text.is_empty());
        text("instance_uuid").or_else(|| text("server_id"))
    })
}
