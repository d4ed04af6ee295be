//! Neutron: floating IPs, and the traffic that the metering agent counts per label.
//!
//! A floating IP is held from its creation to its deletion, associated or not. The deletion names
//! only its id: whose it was is known from before. The address that a router's gateway takes is
//! nobody's order and not billed.
//!
//! `l3.meter` counts since the report before it. Its `first_update` may be that of the label rather
//! than of the report, so the window is `time` seconds long where that is given. The agent reports
//! a label on which nothing moved with the times of its last report: that is kept as `unmetered`.
//! Where it counts by router and label (`granular_traffic_data`), it tells the same bytes again by
//! label, by router and by project; only the finest is billed.

use turnpike_schemas::event::{ResourceState, Window};
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::fields::Fields;
use super::{Notification, attribute, belongs_to, last_instant, measure, resource};
use crate::adapters::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};
use crate::json::Json;
use crate::reason;

const SERVICE: &str = "neutron";
const ADDRESS: &str = "public-ip";
const LABEL: &str = "metering-label";

/// Notifications of Neutron begin with what they are about. Those of nova-network, which it
/// replaced, begin with `network.floating_ip`.
const SUBJECTS: [&str; 14] = [
    "floatingip",
    "l3",
    "router",
    "network",
    "subnet",
    "subnetpool",
    "port",
    "security_group",
    "security_group_rule",
    "metering_label",
    "metering_label_rule",
    "address_scope",
    "trunk",
    "network_segment_range",
];

/// Reads notifications about networks.
pub struct Neutron;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Update,
    Delete,
}

impl Adapter for Neutron {
    fn name(&self) -> &'static str {
        "openstack-neutron"
    }

    fn reads(&self) -> &'static str {
        "OpenStack Neutron notifications: floating IPs, and traffic by metering label"
    }

    /// No capture is public: the format is that of the API and of the agent's documentation.
    fn is_verified(&self) -> bool {
        false
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        let Message::Notification(notification) = message else { return false };
        let subject = notification.event_type.split_once('.').map(|(subject, _)| subject);
        subject.is_some_and(|subject| SUBJECTS.contains(&subject))
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Notification(notification) = message else { return Ok(Vec::new()) };
        let action = match notification.event_type {
            "floatingip.create.end" | "network.floating_ip.allocate" => Action::Create,
            "floatingip.update.end" => Action::Update,
            "floatingip.delete.end" | "network.floating_ip.deallocate" => Action::Delete,
            "l3.meter" | "l3.meter.label_router" => {
                return traffic(notification, self.name()).map(|event| vec![event]);
            }
            _ => return notification.unmetered(SERVICE, self.name()).map(|event| vec![event]),
        };
        addresses(notification, action, self.name())
    }
}

/// One address, or the several that were made by one request.
fn addresses(
    notification: &Notification<'_>,
    action: Action,
    system: &str,
) -> Result<Vec<UsageEvent>, Reject> {
    let payload = Fields::new(notification.payload, "payload");
    let several = payload.present("floatingips").and_then(Json::items).unwrap_or_default();
    if several.is_empty() {
        let inner = payload.object("floatingip", "payload.floatingip").unwrap_or(payload);
        return address(notification, payload, inner, action, system).map(|event| vec![event]);
    }
    let each = several.iter().map(|json| {
        let inner = Fields::new(json, "payload.floatingips[]");
        let mut event = address(notification, inner, inner, action, system)?;
        event.id = format!("{}/{}", event.id, inner.required_text("id")?);
        Ok(event)
    });
    each.collect()
}

/// `outer` is the payload, `inner` what of it describes the address.
fn address(
    notification: &Notification<'_>,
    outer: Fields<'_>,
    inner: Fields<'_>,
    action: Action,
    system: &str,
) -> Result<UsageEvent, Reject> {
    let named = inner.text("id")?.or(outer.text("floatingip_id")?);
    // nova-network names the address itself.
    let id = named.or(outer.text("floating_ip")?).ok_or_else(|| outer.missing("floatingip_id"))?;
    let created = inner.time("created_at")?;
    let time = match (action, created) {
        (Action::Create, Some(created)) => created,
        _ => notification.required_sent()?,
    };
    let mut event = notification.event(SERVICE, system, EventKind::Transition, time);
    event.resource = Some(resource(ADDRESS, id)?);
    event.resource_kind = ADDRESS.to_owned();
    belongs_to(&mut event, tenant(inner)?)?;
    event.since = created.filter(|created| *created <= time);
    event.terminal = action == Action::Delete;
    event.state = Some(if event.terminal { ResourceState::Deleted } else { ResourceState::Active });
    measure(&mut event, ADDRESS, Flow::Held, Some(1));
    Ok(event)
}

/// Older releases write `tenant_id`, newer ones both.
fn tenant(data: Fields<'_>) -> Result<Option<&str>, Reject> {
    Ok(match data.text("project_id")? {
        Some(project) => Some(project),
        None => data.text("tenant_id")?,
    })
}

/// The traffic of a label since its last report. Label, times and host name the report: one that is
/// sent again under another message id is a duplicate.
fn traffic(notification: &Notification<'_>, system: &str) -> Result<UsageEvent, Reject> {
    let data = Fields::new(notification.payload, "payload");
    let label = match data.text("resource_id")? {
        Some(label) => label,
        None => data.required_text("label_id")?,
    };
    let bytes = data.quantity("bytes", 1, 0)?.ok_or_else(|| data.missing("bytes"))?;
    if bytes == 0 {
        return notification.unmetered(SERVICE, system);
    }
    let window = window(data)?;
    let time = match window {
        Some(window) => last_instant(window),
        None => notification.required_sent()?,
    };
    let mut event = notification.event(SERVICE, system, EventKind::Delta, time);
    if window.is_some() {
        let part = |key: &str| Ok(data.text(key)?.unwrap_or("-"));
        event.id = format!(
            "l3.meter/{label}/{}/{}/{}",
            part("first_update")?,
            part("last_update")?,
            part("host")?
        );
    }
    event.resource = Some(resource(LABEL, label)?);
    event.resource_kind = LABEL.to_owned();
    belongs_to(&mut event, tenant(data)?)?;
    event.window = window;
    let direction = direction(data)?;
    measure(&mut event, direction, Flow::Delta, Some(bytes));
    attribute(&mut event, "direction", Some(direction));
    attribute(&mut event, "label", data.text("label_name")?);
    Ok(event)
}

fn window(data: Fields<'_>) -> Result<Option<Window>, Reject> {
    let Some(end) = data.epoch("last_update")? else { return Ok(None) };
    let lasted = data.quantity("time", 1, 0)?;
    let counted = lasted.and_then(|seconds| end.plus_seconds(-seconds));
    let start = match counted {
        Some(start) => start,
        None => data.epoch("first_update")?.unwrap_or(end),
    };
    Ok(Some(Window { start: start.min(end), end }))
}

/// The meter of a label's direction. The agent of plain Neutron does not tell it: what leaves is
/// what is sold, so that is what an untold direction means.
fn direction(data: Fields<'_>) -> Result<&'static str, Reject> {
    match data.text("direction")? {
        None => Ok("egress"),
        Some(word) if word.eq_ignore_ascii_case("egress") => Ok("egress"),
        Some(word) if word.eq_ignore_ascii_case("ingress") => Ok("ingress"),
        Some(word) => Err(Reject::new(
            reason::INVALID_FIELD,
            format!(
                "payload.direction: `{}` is neither ingress nor egress",
                word.chars().take(40).collect::<String>()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_times_has_no_window() {
        let json = Json::parse(r#"{"bytes": 1}"#).expect("json");
        assert_eq!(window(Fields::new(&json, "payload")), Ok(None));
        let json = Json::parse(r#"{"first_update": 10, "last_update": 40}"#).expect("json");
        let second = |seconds| turnpike_schemas::Instant::from_seconds(seconds).expect("instant");
        let expect = Window { start: second(10), end: second(40) };
        assert_eq!(window(Fields::new(&json, "payload")), Ok(Some(expect)));
    }
}
