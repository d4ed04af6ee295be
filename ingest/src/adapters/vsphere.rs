//! VMware vSphere: the events of a vCenter, as an event router sends them in CloudEvents of either
//! type (`com.vmware.event.router/event` with the class as subject, `com.vmware.vsphere.CLASS.v0`), or
//! bare.
//!
//! - The time is `CreatedTime`. That of the envelope is the router's, which lags by minutes.
//! - The id is `Key` with `CreatedTime`: keys start again when a vCenter's database is reset. The
//!   source is the vCenter.
//! - The resource is the vCenter with the machine's reference (`vm-56`), which another vCenter uses
//!   for another machine; or, where a router adds `InstanceUuid` to all events, that.
//! - Power events carry no sizes. A machine is held as one `instance` from its first event on, so
//!   that one of unknown size is seen and priced. Sizes come from reconfigurations
//!   (`ConfigSpec`), from `Config.Hardware` where a router adds it, or from inventory events.
//! - vSphere knows no customers: the holder is what a router adds as `Owner`, or what inventory
//!   events name.
//! - A memory reservation is an attribute, for tariffs on reserved memory.
//! - A bare event does not name its class. It is known by its English message where that is one of
//!   power; any other is kept, metering nothing.
//! - What is missing may be null, `""`, `"None"` or, of sizes, zero.

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::meter::MIB;
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::{Adapter, Message, make, time};
use crate::cloudevents::CloudEvent;
use crate::decode::{DecodeContext, Reject};
use crate::installation::Local;
use crate::json::{Json, Value};
use crate::quantity::Written;
use crate::reason;

const NAMESPACE: &str = "vsphere";
const ROUTER: &str = "com.vmware.event.router/";
const CLASS_PREFIX: &str = "com.vmware.vsphere.";
/// Where each size stands: in a reconfiguration, and where a router adds what it looked up.
const SIZES: [(&str, &[&[&str]], i64); 2] = [
    ("vcpu", &[&["ConfigSpec", "NumCPUs"], &["Config", "Hardware", "NumCPU"]], 1),
    ("memory", &[&["ConfigSpec", "MemoryMB"], &["Config", "Hardware", "MemoryMB"]], MIB),
];
const RESERVATIONS: [&[&str]; 2] = [
    &["ConfigSpec", "MemoryAllocation", "Reservation"],
    &["Config", "MemoryAllocation", "Reservation"],
];
/// How the messages of bare events begin or end.
const MESSAGES: [(&str, &str, &str); 6] = [
    ("DRS powered on ", "", "DrsVmPoweredOnEvent"),
    ("", " is powered on", "VmPoweredOnEvent"),
    ("", " is powered off", "VmPoweredOffEvent"),
    ("", " is suspended", "VmSuspendedEvent"),
    ("Created virtual machine ", "", "VmCreatedEvent"),
    ("Removed ", "", "VmRemovedEvent"),
];

/// Reads vCenter events.
pub struct Vsphere;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Become(ResourceState),
    /// As it was, in another size or on another host.
    Touch,
    Gone,
}

impl Adapter for Vsphere {
    fn name(&self) -> &'static str {
        "vsphere"
    }

    fn reads(&self) -> &'static str {
        "VMware vSphere events of machines, from an event router or bare"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        match message {
            Message::CloudEvent(event) => {
                event.event_type.starts_with(ROUTER) || event.event_type.starts_with(CLASS_PREFIX)
            }
            Message::Object(json) => ["Key", "ChainId", "CreatedTime", "FullFormattedMessage"]
                .iter()
                .all(|name| json.get(name).is_some()),
            _ => false,
        }
    }

    fn local(&self, message: &Message<'_>) -> Local {
        // A router names the vCenter; a bare event does not, unless by the machine's own UUID.
        match message {
            Message::Object(json) if text(json, &["InstanceUuid"]).ok().flatten().is_none() => {
                Local::Ids
            }
            Message::Object(_) => Local::Source,
            _ => Local::Nothing,
        }
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let event = match message {
            Message::CloudEvent(event) => {
                let data = event.data.filter(|data| data.is_object());
                let data = data.ok_or_else(|| make::missing("data"))?;
                adapted(data, class_of(event), &event.source, context)?
            }
            Message::Object(data) => {
                adapted(data, class_by_message(data), &format!("/{NAMESPACE}"), context)?
            }
            _ => return Ok(Vec::new()),
        };
        Ok(vec![event])
    }
}

/// The class in the type, or in the subject where the type is the router's.
fn class_of<'e>(event: &'e CloudEvent<'_>) -> &'e str {
    match event.event_type.strip_prefix(CLASS_PREFIX) {
        Some(rest) => rest.split('.').next().unwrap_or_default(),
        None => event.subject.as_deref().unwrap_or_default(),
    }
}

fn class_by_message(data: &Json<'_>) -> &'static str {
    let message = data.text_of("FullFormattedMessage").unwrap_or_default().trim_ascii();
    let found = MESSAGES
        .iter()
        .find(|(begins, ends, _)| message.starts_with(begins) && message.ends_with(ends));
    found.map_or("", |(_, _, class)| class)
}

/// `None`: of no use to billing.
fn change(class: &str) -> Option<Change> {
    use ResourceState as S;
    Some(match class {
        // There is no event that a machine has resumed but this one, sent as it begins.
        "VmPoweredOnEvent" | "DrsVmPoweredOnEvent" | "VmResumingEvent" => Change::Become(S::Active),
        "VmPoweredOffEvent" => Change::Become(S::Stopped),
        "VmSuspendedEvent" => Change::Become(S::Suspended),
        "VmCreatedEvent" | "VmDeployedEvent" | "VmClonedEvent" | "VmRegisteredEvent" => {
            Change::Become(S::Stopped)
        }
        "VmReconfiguredEvent" | "VmMigratedEvent" | "DrsVmMigratedEvent" | "VmRelocatedEvent" => {
            Change::Touch
        }
        "VmRemovedEvent" | "VmUnregisteredEvent" => Change::Gone,
        _ => return None,
    })
}

fn adapted(
    data: &Json<'_>,
    class: &str,
    source: &str,
    context: &DecodeContext,
) -> Result<UsageEvent, Reject> {
    let created = text(data, &["CreatedTime"])?.ok_or_else(|| make::missing("CreatedTime"))?;
    let key = text(data, &["Key"])?.ok_or_else(|| make::missing("Key"))?;
    let at = time::parse("data.CreatedTime", created)?;
    let origin = make::Origin {
        system: Vsphere.name(),
        source: source.to_owned(),
        id: format!("{key}@{created}"),
    };
    let machine = machine(data, source)?;
    let (Some(change), Some(machine)) = (change(class), machine) else {
        let class = if class.is_empty() { "without class" } else { class };
        return Ok(make::unmetered(origin, at, class));
    };
    let mut event = make::event(origin, EventKind::Transition, at);
    make::about(&mut event, NAMESPACE, "instance", &machine)?;
    event.owner = text(data, &["Owner"])?.map(|owner| make::owner(NAMESPACE, owner)).transpose()?;
    event.region = text(data, &["Datacenter", "Name"])?.map(str::to_owned);
    describe(&mut event, change, data, context)?;
    Ok(event)
}

fn describe(
    event: &mut UsageEvent,
    change: Change,
    data: &Json<'_>,
    context: &DecodeContext,
) -> Result<(), Reject> {
    match change {
        Change::Become(state) => event.state = Some(state),
        Change::Touch => {}
        Change::Gone => {
            event.state = Some(ResourceState::Deleted);
            event.terminal = true;
            return Ok(());
        }
    }
    make::hold_one(event, context, "instance")?;
    for (meter, places, unit) in SIZES {
        if let Some(digits) = size(data, places)? {
            make::measure(
                event,
                context,
                meter,
                Flow::Held,
                Written { digits, field: meter },
                unit,
            )?;
        }
    }
    for place in RESERVATIONS {
        make::label(event, "memory_reservation_mib", text(data, place)?);
    }
    Ok(())
}

/// What identifies the machine among all of all vCenters. `None`: the event is about none.
fn machine(data: &Json<'_>, source: &str) -> Result<Option<String>, Reject> {
    if let Some(uuid) = text(data, &["InstanceUuid"])? {
        return Ok(Some(uuid.to_owned()));
    }
    let Some(reference) = text(data, &["Vm", "Vm", "Value"])? else { return Ok(None) };
    Ok(Some(match host(source) {
        Some(host) => format!("{host}/{reference}"),
        None => reference.to_owned(),
    }))
}

/// The host in the address of a vCenter, `https://10.0.0.1:443/sdk`, or whatever a router puts there.
fn host(source: &str) -> Option<&str> {
    let rest = source.split_once("//").map_or(source, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    (!host.is_empty()).then_some(host)
}

fn size<'j>(data: &'j Json<'_>, places: &[&[&str]]) -> Result<Option<&'j str>, Reject> {
    for place in places {
        // Of what a reconfiguration leaves as it is, zero is sent.
        if let Some(digits) = text(data, place)?.filter(|digits| *digits != "0") {
            return Ok(Some(digits));
        }
    }
    Ok(None)
}

/// The text at a path whose names are spelt in any case; `None` if it is absent in one of its ways.
fn text<'j>(data: &'j Json<'_>, path: &[&str]) -> Result<Option<&'j str>, Reject> {
    let mut here = data;
    for name in path {
        let entries = here.entries().unwrap_or_default();
        match entries.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            Some((_, next)) => here = next,
            None => return Ok(None),
        }
    }
    match &here.value {
        Value::Null => Ok(None),
        Value::Text(text) if matches!(text.as_ref(), "" | "None") => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        Value::Number(digits) => Ok(Some(digits)),
        _ => Err(Reject::new(
            reason::INVALID_FIELD,
            format!("data.{}: {} where a string is expected", path.join("."), here.kind()),
        )),
    }
}
