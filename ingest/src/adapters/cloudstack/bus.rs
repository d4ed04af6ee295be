//! The usage events that CloudStack's management server publishes on its event bus (Kafka, topic
//! `cloudstack`): account, zone, what happened, to what, and when.
//!
//! - An event has no id. Its own is a hash of the resource, the event and the time: the same three
//!   are the same event, since nothing happens to one resource twice within a second.
//! - Times are seconds. Within one, what must come first is put first by microseconds, which no
//!   bill sees: a machine is created, then stopped or started, then changed, then destroyed.
//! - There are no sizes. A machine is held as one `instance` from its first event on, so that one of
//!   unknown size is seen and priced, never billed at nothing in silence. Sizes come from inventory
//!   events of the same resource, or everything is billed from usage records instead.
//! - Machines with `displayvm=false` are on the bus too, though CloudStack saves no usage of them:
//!   nothing in the event tells them apart.
//! - Assignments of network offerings and security groups name the machine and not which one of its
//!   interfaces or groups: they cannot be counted, and meter nothing.

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{EventKind, Instant, UsageEvent};

use super::NAMESPACE;
use crate::adapters::row::Row;
use crate::adapters::{Adapter, Message, make};
use crate::decode::{DecodeContext, Reject};
use crate::json::Json;

/// Reads the event bus.
pub struct Bus;

/// What an event says of its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Become(ResourceState),
    /// As it was, in another size or place.
    Touch,
    Gone,
}

/// Meaning of an event: the kind of resource, the meter that counts it, the change, and its place
/// among the events of one second.
struct Meaning {
    kind: &'static str,
    meter: Option<&'static str>,
    change: Change,
    order: i64,
}

impl Adapter for Bus {
    fn name(&self) -> &'static str {
        "cloudstack-bus"
    }

    fn reads(&self) -> &'static str {
        "Apache CloudStack event bus: machines, volumes, addresses and networks, without sizes"
    }

    fn is_verified(&self) -> bool {
        false
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        let Message::Object(json) = message else { return false };
        json.text_of("eventDateTime").is_some()
            && (json.text_of("event").is_some() || json.text_of("status").is_some())
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Object(json) = message else { return Ok(Vec::new()) };
        bus_event(json, context).map(|event| vec![event])
    }
}

fn bus_event(json: &Json<'_>, context: &DecodeContext) -> Result<UsageEvent, Reject> {
    let row = Row::from_json(json);
    let time = row.required_time("eventDateTime")?;
    let name = row.text("event").or_else(|| row.text("status")).unwrap_or_default();
    // Reports of actions and of inner states have a status: the usage event says the same again.
    let found = if row.text("status").is_none() { meaning(name) } else { None };
    let Some(found) = found else {
        return Ok(make::unmetered(origin(json.text, &row, None)?, time, name));
    };
    let id = row.required("id")?;
    let origin = origin(json.text, &row, Some(id))?;
    let time = Instant::from_micros(time.micros() + found.order).unwrap_or(time);
    let mut event = make::event(origin, EventKind::Transition, time);
    make::about(&mut event, NAMESPACE, found.kind, id)?;
    event.owner = row.text("account").map(|id| make::owner(NAMESPACE, id)).transpose()?;
    event.region = row.text("zone").map(str::to_owned);
    match found.change {
        Change::Become(state) => event.state = Some(state),
        Change::Touch => {}
        Change::Gone => {
            event.state = Some(ResourceState::Deleted);
            event.terminal = true;
        }
    }
    if let Some(meter) = found.meter.filter(|_| !event.terminal) {
        make::hold_one(&mut event, context, meter)?;
    }
    Ok(event)
}

fn origin(text: &str, row: &Row<'_>, id: Option<&str>) -> Result<make::Origin, Reject> {
    let id = match id {
        Some(id) => make::natural_id(&[id, row.required("event")?, row.required("eventDateTime")?]),
        None => make::natural_id(&[text]),
    };
    Ok(make::Origin { system: Bus.name(), source: format!("/{NAMESPACE}/bus"), id })
}

/// `None`: of no use to billing.
fn meaning(event: &str) -> Option<Meaning> {
    use Change::{Become, Gone, Touch};
    use ResourceState as S;
    if let Some(action) = event.strip_prefix("VM.") {
        let (change, order) = match action {
            // Created is not running: VM.START says that.
            "CREATE" => (Become(S::Stopped), 0),
            "STOP" => (Become(S::Stopped), 1),
            "START" => (Become(S::Active), 2),
            "UPGRADE" | "DYNAMIC_SCALE" | "DYNAMIC.SCALE" => (Touch, 3),
            // Until it is expunged it may be recovered.
            "DESTROY" => (Become(S::SoftDeleted), 4),
            "EXPUNGE" => (Gone, 5),
            _ => return None,
        };
        return Some(Meaning { kind: "instance", meter: Some("instance"), change, order });
    }
    let (kind, meter, change) = match event {
        "VOLUME.CREATE" | "VOLUME.UPLOAD" | "VOLUME.RECOVER" => ("volume", None, Become(S::Active)),
        "VOLUME.RESIZE" | "VOLUME.ATTACH" | "VOLUME.DETACH" => ("volume", None, Touch),
        "VOLUME.DELETE" | "VOLUME.DESTROY" | "VOLUME.EXPUNGE" => ("volume", None, Gone),
        "SNAPSHOT.CREATE" => ("snapshot", None, Become(S::Active)),
        "SNAPSHOT.DELETE" => ("snapshot", None, Gone),
        "VMSNAPSHOT.CREATE" => ("vm-snapshot", None, Become(S::Active)),
        "VMSNAPSHOT.DELETE" => ("vm-snapshot", None, Gone),
        "TEMPLATE.CREATE" | "ISO.CREATE" => ("image", None, Become(S::Active)),
        "TEMPLATE.COPY" | "ISO.COPY" => ("image", None, Touch),
        "TEMPLATE.DELETE" | "ISO.DELETE" => ("image", None, Gone),
        "BUCKET.CREATE" => ("bucket", None, Become(S::Active)),
        "BUCKET.DELETE" => ("bucket", None, Gone),
        "NET.IPASSIGN" => ("public-ip", Some("public-ip"), Become(S::Active)),
        "NET.IPRELEASE" => ("public-ip", None, Gone),
        "LB.CREATE" => ("load-balancer-rule", Some("load-balancer-rule"), Become(S::Active)),
        "LB.DELETE" => ("load-balancer-rule", None, Gone),
        "NET.RULEADD" => ("port-forwarding-rule", Some("port-forwarding-rule"), Become(S::Active)),
        "NET.RULEDELETE" => ("port-forwarding-rule", None, Gone),
        "VPN.USER.ADD" => ("vpn-user", Some("vpn-user"), Become(S::Active)),
        "VPN.USER.REMOVE" => ("vpn-user", None, Gone),
        "NETWORK.CREATE" => ("network", Some("network"), Become(S::Active)),
        "NETWORK.DELETE" => ("network", None, Gone),
        "VPC.CREATE" => ("vpc", Some("vpc"), Become(S::Active)),
        "VPC.DELETE" => ("vpc", None, Gone),
        _ => return None,
    };
    let order = match change {
        Become(_) => 0,
        Touch => 1,
        Gone => 2,
    };
    Some(Meaning { kind, meter, change, order })
}
