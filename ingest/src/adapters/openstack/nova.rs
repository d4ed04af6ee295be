//! Nova: instances, from versioned notifications (`instance.*`) and from the flat ones that most
//! clouds still send (`compute.instance.*`).
//!
//! When a notification takes effect:
//! - `create.end`: `launched_at`. Without it the instance never ran, whatever the name says.
//! - `resize_finish.end`: `launched_at`, which Nova sets anew there. Flavor fields change in
//!   notifications before it, so `resize_prep`, `resize` and `resize_finish.start` meter nothing.
//! - `delete.end`: `terminated_at`, else `deleted_at`.
//! - All others carry no time of their own: the timestamp of the notification.
//! - `exists`: an audit of its window; of a deleted instance, the end of it. What traffic it tells
//!   is an event of its own.
//!
//! With `notification_format=both` each action comes in both formats; its twin is named by request,
//! that of an audit by its window.
//!
//! Locking, live migration, evacuation, attaching and the like change nothing that is held: they
//! are kept as `unmetered`. So is `instance.update`, which shows flavors and states in the midst of
//! an action.

use turnpike_schemas::event::{ResourceState, Twin, Window};
use turnpike_schemas::meter::{GIB, MIB};
use turnpike_schemas::{EventKind, Flow, Instant, Measurement, MeterId, UsageEvent};

use super::fields::Fields;
use super::{
    Notification, attribute, belongs_to, measure, nova_bandwidth, nova_volume_usage, resource,
    twin, unwrapped,
};
use crate::adapters::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};
use crate::reason;
use crate::redact::is_request_id;

pub(super) const SERVICE: &str = "nova";
/// A reverted resize takes effect at `launched_at` where Nova has set it anew, which is moments
/// before the notification; an older one is that of the resize.
const REVERT_LAUNCH_SECONDS_MAX: i64 = 3_600;
/// Decimals at which vCPUs are stored.
const VCPU_SCALE: u32 = 6;

/// Reads instance notifications.
pub struct Nova;

/// What a notification says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    /// The instance is now in this state, whatever the payload still says.
    Become(ResourceState),
    /// The instance is now in the state that the payload says.
    Report,
    ResizeFinish,
    ResizeRevert,
    Delete,
    Exists,
}

impl Adapter for Nova {
    fn name(&self) -> &'static str {
        "openstack-nova"
    }

    fn reads(&self) -> &'static str {
        "OpenStack Nova notifications, versioned and legacy: instances, with audits and traffic"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        let Message::Notification(notification) = message else { return false };
        notification.event_type.starts_with("compute.")
            || instance_event(notification.event_type).is_some()
            || notification.event_type == nova_volume_usage::EVENT_TYPE
            || notification.payload.text_of("nova_object.namespace") == Some("nova")
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Notification(notification) = message else { return Ok(Vec::new()) };
        if notification.event_type == nova_volume_usage::EVENT_TYPE {
            return nova_volume_usage::event(notification, self.name()).map(|event| vec![event]);
        }
        let known = instance_event(notification.event_type)
            .and_then(|name| action(name).map(|action| (name, action)));
        let Some((name, action)) = known else {
            return notification.unmetered(SERVICE, self.name()).map(|event| vec![event]);
        };
        let data = Fields::new(unwrapped(notification.payload), "payload");
        let mut event = instance(notification, data, action, self.name())?;
        let traffic = nova_bandwidth::event(notification, data, &event)?;
        event.twin = twin(notification, data, name, &event)?;
        Ok(std::iter::once(event).chain(traffic).collect())
    }
}

/// The part of an event type after `instance.`, in either spelling.
fn instance_event(event_type: &str) -> Option<&str> {
    event_type.strip_prefix("compute.").unwrap_or(event_type).strip_prefix("instance.")
}

fn action(name: &str) -> Option<Action> {
    use ResourceState as S;
    Some(match name {
        "create.end" => Action::Create,
        "power_off.end" => Action::Become(S::Stopped),
        "pause.end" => Action::Become(S::Paused),
        "suspend.end" => Action::Become(S::Suspended),
        "shelve.end" => Action::Become(S::Shelved),
        "shelve_offload.end" => Action::Become(S::ShelvedOffloaded),
        "soft_delete.end" => Action::Become(S::SoftDeleted),
        // A hard reboot starts a stopped instance.
        "power_on.end" | "unpause.end" | "resume.end" | "unshelve.end" | "restore.end"
        | "rebuild.end" | "rescue.end" | "unrescue.end" | "reboot.end" | "resize_confirm.end"
        | "resize.confirm.end" => Action::Report,
        "resize_finish.end" | "finish_resize.end" => Action::ResizeFinish,
        "resize_revert.end" | "resize.revert.end" => Action::ResizeRevert,
        "delete.end" => Action::Delete,
        "exists" => Action::Exists,
        _ => return None,
    })
}

/// The format of a notification, as Nova's setting calls it.
pub(super) fn form(notification: &Notification<'_>) -> &'static str {
    match notification.payload.get("nova_object.data") {
        Some(_) => "versioned",
        None => "legacy",
    }
}

/// Both formats tell of an action with one request id. Where its context was lost, only an action
/// that has a time of its own is told from its next time.
fn twin(
    notification: &Notification<'_>,
    data: Fields<'_>,
    name: &str,
    event: &UsageEvent,
) -> Result<Option<Twin>, Reject> {
    let what = match name {
        "finish_resize.end" => "resize_finish.end",
        "resize.confirm.end" => "resize_confirm.end",
        "resize.revert.end" => "resize_revert.end",
        name => name,
    };
    let request = match notification.request_id {
        Some(request) => Some(request),
        None => data.text("request_id")?.filter(|id| is_request_id(id)),
    };
    let own_time = match what {
        "create.end" | "resize_finish.end" => event.since,
        "delete.end" => data.time("terminated_at")?.or(data.time("deleted_at")?),
        _ => None,
    };
    let which = match event.window {
        Some(window) => Some(twin::window(window)),
        None => request.map(str::to_owned).or_else(|| own_time.map(twin::second)),
    };
    let resource = event.resource.as_ref();
    Ok(resource.and_then(|resource| twin::of(resource, what, which, form(notification))))
}

fn instance(
    notification: &Notification<'_>,
    data: Fields<'_>,
    action: Action,
    system: &str,
) -> Result<UsageEvent, Reject> {
    let id = match data.text("uuid")? {
        Some(id) => id,
        None => data.required_text("instance_id")?,
    };
    let launched = data.time("launched_at")?;
    let gone = match data.time("terminated_at")? {
        Some(time) => Some(time),
        None => data.time("deleted_at")?,
    };
    let never_ran = launched.is_none() && data.has_key("launched_at");
    let window = if action == Action::Exists { Some(window(data)?) } else { None };
    let reported = reported_state(data)?;
    let terminal = match action {
        Action::Delete => true,
        Action::Exists => gone.is_some() || reported == Some(ResourceState::Deleted),
        _ => false,
    };
    let time = time(notification, action, launched, gone.filter(|_| terminal), window)?;
    let kind = if window.is_some() { EventKind::Audit } else { EventKind::Transition };
    let mut event = notification.event(SERVICE, system, kind, time);
    event.resource = Some(resource("instance", id)?);
    event.resource_kind = "instance".to_owned();
    belongs_to(&mut event, data.text("tenant_id")?)?;
    event.window = window;
    event.since = launched;
    event.terminal = terminal;
    event.state = Some(match action {
        _ if terminal => ResourceState::Deleted,
        _ if never_ran => ResourceState::Building,
        Action::Become(state) => state,
        _ => reported.unwrap_or(ResourceState::Active),
    });
    describe(&mut event, data)?;
    Ok(event)
}

fn window(data: Fields<'_>) -> Result<Window, Reject> {
    let period = match data.present("audit_period") {
        Some(period) => Fields::new(unwrapped(period), "payload.audit_period"),
        None => data,
    };
    let read = |key: &str| period.time(key)?.ok_or_else(|| period.missing(key));
    Ok(Window { start: read("audit_period_beginning")?, end: read("audit_period_ending")? })
}

fn time(
    notification: &Notification<'_>,
    action: Action,
    launched: Option<Instant>,
    gone: Option<Instant>,
    window: Option<Window>,
) -> Result<Instant, Reject> {
    if let Some(gone) = gone {
        return Ok(gone);
    }
    match (action, launched, window) {
        (Action::Create | Action::ResizeFinish, Some(launched), _) => Ok(launched),
        (Action::ResizeRevert, Some(launched), _) => {
            let sent = notification.required_sent()?;
            let recent = launched <= sent
                && launched.plus_seconds(REVERT_LAUNCH_SECONDS_MAX).is_some_and(|end| sent <= end);
            Ok(if recent { launched } else { sent })
        }
        (_, _, Some(window)) => Ok(notification.sent()?.unwrap_or(window.end)),
        _ => notification.required_sent(),
    }
}

fn reported_state(data: Fields<'_>) -> Result<Option<ResourceState>, Reject> {
    use ResourceState as S;
    let Some(word) = data.text("state")? else { return Ok(None) };
    Ok(Some(match word {
        // A resize that awaits its confirmation; of an instance that was off it stays off.
        "resized" if data.text("power_state")? == Some("shutdown") => S::Stopped,
        "active" | "rescued" | "resized" => S::Active,
        "building" | "initialized" => S::Building,
        "paused" => S::Paused,
        "suspended" => S::Suspended,
        "stopped" => S::Stopped,
        "shelved" => S::Shelved,
        "shelved_offloaded" => S::ShelvedOffloaded,
        "soft-delete" | "soft_delete" | "soft-deleted" | "soft_deleted" => S::SoftDeleted,
        "error" => S::Error,
        "deleted" => S::Deleted,
        _ => {
            return Err(Reject::new(
                reason::UNKNOWN_STATE,
                format!(
                    "payload.state: `{}` is no state of an instance",
                    word.chars().take(40).collect::<String>()
                ),
            ));
        }
    }))
}

/// What the instance holds and what its price may depend on. The flavor is the instance's own:
/// `image_meta` describes the instance that its image was made from.
fn describe(event: &mut UsageEvent, data: Fields<'_>) -> Result<(), Reject> {
    let flavor = data.present("flavor").filter(|flavor| flavor.is_object());
    let (sizes, name) = match flavor {
        Some(flavor) => (Fields::new(unwrapped(flavor), "payload.flavor"), "name"),
        None => (data, "instance_type"),
    };
    measure(event, "instance", Flow::Held, Some(1));
    if let Some(quantity) = sizes.quantity("vcpus", 1, VCPU_SCALE)? {
        let meter = MeterId::new("vcpu").expect("built-in meter ids are slugs");
        event.measurements.push(Measurement {
            meter,
            quantity,
            scale: VCPU_SCALE,
            flow: Flow::Held,
        });
    }
    measure(event, "memory", Flow::Held, sizes.quantity("memory_mb", MIB, 0)?);
    measure(event, "root-disk", Flow::Held, sizes.quantity("root_gb", GIB, 0)?);
    measure(event, "ephemeral-disk", Flow::Held, sizes.quantity("ephemeral_gb", GIB, 0)?);
    attribute(event, "flavor", sizes.text(name)?);
    attribute(event, "os_type", data.text("os_type")?);
    attribute(event, "availability_zone", data.text("availability_zone")?);
    event.tags = data.labels("metadata");
    Ok(())
}
