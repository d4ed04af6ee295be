//! OpenStack notifications, which arrive over oslo.messaging from every service.
//!
//! Each service that is billed has an adapter of its own; whatever else one reports is accepted as
//! `unmetered`, so that an operator sees that it arrived and that nobody bills it.

pub mod cinder;
pub mod envelope;
pub mod fields;
pub mod glance;
pub mod neutron;
pub mod nova;
pub mod octavia;
pub mod swift;
pub mod time;
pub mod trove;

mod nova_bandwidth;
mod nova_volume_usage;
mod twin;

use sha2::{Digest, Sha256};
use turnpike_schemas::event::Window;
use turnpike_schemas::{
    EventKind, Flow, Instant, Measurement, MeterId, OwnerRef, ResourceId, UsageEvent,
};

use super::{Adapter, Message, make};
use crate::decode::{DecodeContext, Reject};
use crate::json::{Json, Value};
use crate::reason;
use crate::redact::is_request_id;

/// Sets ids of OpenStack apart from those of other platforms.
pub const NAMESPACE: &str = "openstack";

/// A notification out of its envelope. Services, listeners and old buses place the id and the
/// timestamp at the top or under `metadata`.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    pub event_type: &'a str,
    pub message_id: Option<&'a str>,
    pub publisher_id: Option<&'a str>,
    pub timestamp: Option<&'a str>,
    /// The request that it is part of. It stands in the context, of which it alone is stored.
    pub request_id: Option<&'a str>,
    pub payload: &'a Json<'a>,
}

impl<'a> Notification<'a> {
    /// `None`: not a notification.
    pub fn from_json(json: &'a Json<'a>) -> Option<Self> {
        let event_type = json.text_of("event_type").filter(|text| !text.is_empty())?;
        let payload = json.get("payload")?;
        let text = |key: &str| {
            let metadata = json.get("metadata");
            json.text_of(key)
                .or_else(|| metadata.and_then(|metadata| metadata.text_of(key)))
                .filter(|text| !text.is_empty())
        };
        Some(Self {
            event_type,
            message_id: text("message_id"),
            publisher_id: text("publisher_id"),
            timestamp: text("timestamp"),
            request_id: request_id(json),
            payload,
        })
    }

    /// When the service sent it.
    pub fn sent(&self) -> Result<Option<Instant>, Reject> {
        self.timestamp.map(|text| time::parse("timestamp", text)).transpose()
    }

    pub fn required_sent(&self) -> Result<Instant, Reject> {
        self.sent()?.ok_or_else(|| {
            Reject::new(reason::MISSING_FIELD, "timestamp: the notification has none")
        })
    }

    /// The id of the notification; of one that carries none, a hash of what it says.
    fn id(&self) -> String {
        match self.message_id {
            Some(id) => id.to_owned(),
            None => {
                let mut hash = Sha256::new();
                for part in [self.event_type, self.timestamp.unwrap_or_default(), self.payload.text]
                {
                    hash.update(part);
                    hash.update([0]);
                }
                format!("sha256:{}", &hex::encode(hash.finalize())[..32])
            }
        }
    }

    /// An event of this notification about nothing yet. The source names the service, not the
    /// host: a resource that moves keeps its identity, and some services name no publisher.
    fn event(&self, service: &str, system: &str, kind: EventKind, time: Instant) -> UsageEvent {
        make::bare(system, format!("/{NAMESPACE}/{service}"), self.id(), kind, time)
    }

    /// The event of a notification that meters nothing; its type is kept to count by.
    fn unmetered(&self, service: &str, system: &str) -> Result<UsageEvent, Reject> {
        let sent = self.required_sent()?;
        let mut event = self.event(service, system, EventKind::Transition, sent);
        let event_type = self.event_type.chars().take(200).collect();
        event.attributes.insert("event_type".to_owned(), event_type);
        Ok(event)
    }
}

fn request_id<'a>(json: &'a Json<'a>) -> Option<&'a str> {
    let within = |key: &str| json.get(key).and_then(|context| context.text_of("request_id"));
    let flat = json.text_of("_context_request_id");
    let found = flat.or_else(|| within("_context")).or_else(|| within("ctxt"));
    found.or_else(|| within("metadata")).filter(|id| is_request_id(id))
}

/// Accepts what no other OpenStack adapter reads.
pub struct Other;

impl Adapter for Other {
    fn name(&self) -> &'static str {
        "openstack"
    }

    fn reads(&self) -> &'static str {
        "all other OpenStack notifications: kept, metering nothing"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::Notification(_))
    }

    fn adapt(&self, message: &Message<'_>, _: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Notification(notification) = message else { return Ok(Vec::new()) };
        let service = notification.event_type.split('.').next().unwrap_or_default();
        let service: String = service.chars().take(64).collect();
        notification.unmetered(&service, self.name()).map(|event| vec![event])
    }
}

fn resource(kind: &str, id: &str) -> Result<ResourceId, Reject> {
    ResourceId::new(format!("{NAMESPACE}/{kind}/{id}"))
        .map_err(|error| Reject::new(reason::INVALID_ID, error.to_string()))
}

fn owner(tenant: &str) -> Result<OwnerRef, Reject> {
    OwnerRef::new(format!("{NAMESPACE}/{tenant}"))
        .map_err(|error| Reject::new(reason::INVALID_ID, error.to_string()))
}

/// The object within a versioned notification's wrapper, or the flat object itself.
fn unwrapped<'a>(json: &'a Json<'a>) -> &'a Json<'a> {
    match json.get("nova_object.data") {
        Some(data) if matches!(data.value, Value::Object(_)) => data,
        _ => json,
    }
}

/// Says whose the resource is; in OpenStack whoever pays is also the project.
fn belongs_to(event: &mut UsageEvent, tenant: Option<&str>) -> Result<(), Reject> {
    if let Some(tenant) = tenant {
        event.owner = Some(owner(tenant)?);
        event.project = Some(tenant.to_owned());
    }
    Ok(())
}

/// Adds a quantity in base units, where there is one.
fn measure(event: &mut UsageEvent, meter: &'static str, flow: Flow, quantity: Option<i64>) {
    let Some(quantity) = quantity else { return };
    let meter = MeterId::new(meter).expect("built-in meter ids are slugs");
    event.measurements.push(Measurement { meter, quantity, scale: 0, flow });
}

/// Adds an attribute, where there is one.
fn attribute(event: &mut UsageEvent, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        event.attributes.insert(name.to_owned(), value.to_owned());
    }
}

/// What was consumed over a window counts at its last microsecond, when its report was complete.
fn last_instant(window: Window) -> Instant {
    let last = Instant::from_micros(window.end.micros() - 1).unwrap_or(window.start);
    last.max(window.start)
}
