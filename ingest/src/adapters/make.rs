//! Making usage events: what adapters of flat formats do alike, whatever the system.
//!
//! Invariants: a quantity is read exactly at the scale of its meter or refused; an id that a system
//! does not give is a hash of what identifies the event by nature, so that the same report read
//! twice is one event.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use turnpike_schemas::event::Window;
use turnpike_schemas::meter::SCALE_UNDECLARED;
use turnpike_schemas::{
    EventKind, Flow, Instant, Measurement, MeterId, OwnerRef, ResourceId, UsageEvent,
};

use crate::decode::{DecodeContext, Reject};
use crate::quantity::{self, Written};
use crate::reason;

/// Where an event comes from: the adapter, the reporting system and the event's id there.
#[derive(Debug, Clone)]
pub struct Origin {
    pub system: &'static str,
    pub source: String,
    pub id: String,
}

/// What the events of one record may take in all. Names that stand once in a record stand in each
/// of its events, so a megabyte might become hundreds.
const EVENTS_BYTES_MAX: usize = 64 << 20;

/// The events of a record that makes several, within bounds.
#[derive(Debug, Default)]
pub struct Events {
    made: Vec<UsageEvent>,
    bytes: usize,
}

impl Events {
    pub fn push(&mut self, event: UsageEvent) -> Result<(), Reject> {
        self.bytes += bytes_of(&event);
        if self.bytes > EVENTS_BYTES_MAX {
            let text = format!("the events of the record take more than {EVENTS_BYTES_MAX} bytes");
            return Err(Reject::new(reason::TOO_LARGE, text));
        }
        self.made.push(event);
        Ok(())
    }

    pub fn extend(&mut self, events: impl IntoIterator<Item = UsageEvent>) -> Result<(), Reject> {
        events.into_iter().try_for_each(|event| self.push(event))
    }

    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    pub fn into_vec(self) -> Vec<UsageEvent> {
        self.made
    }
}

/// What an event takes, about.
fn bytes_of(event: &UsageEvent) -> usize {
    let texts = [&event.project, &event.site, &event.region, &event.incarnation];
    let texts = texts.into_iter().flatten().map(String::len);
    let labels = event.attributes.iter().chain(event.tags.iter().flatten());
    let labels = labels.map(|(name, value)| name.len() + value.len() + size_of::<String>() * 2);
    let ids = event.resource.iter().chain(&event.parent).map(|id| id.as_str().len());
    let owner = event.owner.as_ref().map_or(0, |owner| owner.as_str().len());
    let measured = event.measurements.len() * size_of::<Measurement>();
    let rest = event.source.len() + event.id.len() + owner + measured + size_of::<UsageEvent>();
    texts.sum::<usize>() + labels.sum::<usize>() + ids.sum::<usize>() + rest
}

/// An event about nothing yet.
pub fn event(origin: Origin, kind: EventKind, time: Instant) -> UsageEvent {
    bare(origin.system, origin.source, origin.id, kind, time)
}

/// The same, of a system whose name is not known when the program is built.
pub fn bare(
    system: &str,
    source: String,
    id: String,
    kind: EventKind,
    time: Instant,
) -> UsageEvent {
    UsageEvent {
        source,
        id,
        system: system.to_owned(),
        kind,
        resource: None,
        resource_kind: String::new(),
        parent: None,
        owner: None,
        project: None,
        site: None,
        region: None,
        time,
        window: None,
        since: None,
        seconds: None,
        state: None,
        terminal: false,
        incarnation: None,
        measurements: Vec::new(),
        attributes: BTreeMap::new(),
        tags: None,
        twin: None,
        correction: None,
    }
}

/// An event that meters nothing; what it is called is kept to count by.
pub fn unmetered(origin: Origin, time: Instant, event_type: &str) -> UsageEvent {
    let mut event = event(origin, EventKind::Transition, time);
    label(&mut event, "event_type", Some(&short(event_type)));
    event
}

/// An event about a window, which counts at its last microsecond: it lies in the month that it
/// belongs to.
pub fn windowed(origin: Origin, kind: EventKind, window: Window) -> UsageEvent {
    let last = Instant::from_micros(window.end.micros() - 1).unwrap_or(window.start);
    let mut event = event(origin, kind, last.max(window.start));
    event.window = Some(window);
    event
}

/// Says whom the event is about.
pub fn about(event: &mut UsageEvent, namespace: &str, kind: &str, id: &str) -> Result<(), Reject> {
    event.resource = Some(resource(namespace, kind, id)?);
    event.resource_kind = kind.to_owned();
    Ok(())
}

pub fn resource(namespace: &str, kind: &str, id: &str) -> Result<ResourceId, Reject> {
    ResourceId::new(format!("{namespace}/{kind}/{id}"))
        .map_err(|error| Reject::new(reason::INVALID_ID, error.to_string()))
}

pub fn owner(namespace: &str, id: &str) -> Result<OwnerRef, Reject> {
    OwnerRef::new(format!("{namespace}/{id}"))
        .map_err(|error| Reject::new(reason::INVALID_ID, error.to_string()))
}

/// The id of an event that has none: a hash of what identifies it.
pub fn natural_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        // Else `ab`, `c` would be `a`, `bc`.
        hash.update([0]);
    }
    format!("sha256:{}", &hex::encode(hash.finalize())[..32])
}

/// Adds a quantity as it was written, in units of `base_units`.
pub fn measure(
    event: &mut UsageEvent,
    context: &DecodeContext,
    meter: &'static str,
    flow: Flow,
    written: Written<'_>,
    base_units: i64,
) -> Result<(), Reject> {
    let meter = MeterId::new(meter).expect("built-in meter ids are slugs");
    let scale = context.meters.get(&meter).map_or(SCALE_UNDECLARED, |meter| meter.scale);
    let quantity = quantity::read(written, base_units, scale)?;
    event.measurements.push(Measurement { meter, quantity, scale, flow });
    Ok(())
}

/// Adds one of something that is counted.
pub fn hold_one(
    event: &mut UsageEvent,
    context: &DecodeContext,
    meter: &'static str,
) -> Result<(), Reject> {
    measure(event, context, meter, Flow::Held, Written { digits: "1", field: meter }, 1)
}

/// Adds an attribute, if it is given.
pub fn label(event: &mut UsageEvent, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        event.attributes.insert(name.to_owned(), value.to_owned());
    }
}

/// Text of a record in a message or a label, cut.
pub fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

pub fn missing(field: &str) -> Reject {
    Reject::new(reason::MISSING_FIELD, format!("{field}: the report has none"))
}
