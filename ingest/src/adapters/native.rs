//! The native usage event: a CloudEvent of type `dev.turnpike.usage.KIND.v1`.

use std::collections::BTreeMap;

use turnpike_schemas::event::{ResourceState, Window};
use turnpike_schemas::ids::IdError;
use turnpike_schemas::meter::SCALE_UNDECLARED;
use turnpike_schemas::time::{InstantError, next_utc_month};
use turnpike_schemas::wire::{NativeCorrectionData, NativeData, NativeMeasurement, NativeState};
use turnpike_schemas::{
    EventKind, Flow, Instant, Measurement, MeterId, OwnerRef, ResourceId, UsageEvent,
};

use super::{Adapter, Message, correction, make};
use crate::cloudevents::CloudEvent;
use crate::decode::{DecodeContext, Reject};
use crate::json::Json;
use crate::quantity::{self, Written};
use crate::reason;

/// The word in `usage_events.system`.
pub(crate) const NAME: &str = "native";
pub(crate) const TYPE_PREFIX: &str = "dev.turnpike.usage.";
pub(crate) const TYPE_SUFFIX: &str = ".v1";
/// The type of an event that only takes something back.
const CORRECTION: &str = "correction";
/// Where a producer names no namespace.
pub(crate) const NAMESPACE: &str = "native";

/// Reads events in turnpike's own format.
pub struct Native;

impl Adapter for Native {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static str {
        "turnpike's own usage events: CloudEvents of type dev.turnpike.usage.KIND.v1"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::CloudEvent(event) if event.event_type.starts_with(TYPE_PREFIX))
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let Message::CloudEvent(event) = message else { return Ok(Vec::new()) };
        let kind = kind(event)?;
        let json = event
            .data
            .filter(|data| !data.is_null())
            .ok_or_else(|| Reject::new(reason::MISSING_FIELD, "data: the event has none"))?;
        let Some(kind) = kind else {
            let data: NativeCorrectionData =
                serde_json::from_str(json.text).map_err(|error| shape_error(&error, json))?;
            return correction_event(event, data).map(|event| vec![event]);
        };
        let data: NativeData =
            serde_json::from_str(json.text).map_err(|error| shape_error(&error, json))?;
        usage_event(event, kind, data, context).map(|event| vec![event])
    }
}

/// `None`: it only takes something back.
fn kind(event: &CloudEvent<'_>) -> Result<Option<EventKind>, Reject> {
    if event.specversion != "1.0" {
        return Err(invalid(format!(
            "specversion: `{}` is not 1.0",
            event.specversion.chars().take(16).collect::<String>()
        )));
    }
    event
        .event_type
        .strip_prefix(TYPE_PREFIX)
        .and_then(|rest| rest.strip_suffix(TYPE_SUFFIX))
        .and_then(|word| match word {
            CORRECTION => Some(None),
            word => EventKind::from_word(word).map(Some),
        })
        .ok_or_else(|| {
            invalid(format!(
                "type: `{}` is none of {TYPE_PREFIX}(transition|snapshot|audit|delta|interval|correction){TYPE_SUFFIX}",
                event.event_type.chars().take(80).collect::<String>()
            ))
        })
}

fn usage_event(
    envelope: &CloudEvent<'_>,
    kind: EventKind,
    data: NativeData,
    context: &DecodeContext,
) -> Result<UsageEvent, Reject> {
    contradictions(kind, &data)?;
    let namespace = data.namespace.as_deref().unwrap_or(NAMESPACE);
    plain("data.namespace", namespace)?;
    plain("data.resource.kind", &data.resource.kind)?;
    if data.resource.id.is_empty() {
        return Err(Reject::new(reason::INVALID_ID, "data.resource.id is empty"));
    }
    let resource = reference(
        "data.resource",
        format!("{namespace}/{}/{}", data.resource.kind, data.resource.id),
    )?;
    let parent = data
        .resource
        .parent
        .as_deref()
        .map(|parent| match parent.split_once('/') {
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() => {
                reference("data.resource.parent", format!("{namespace}/{parent}"))
            }
            _ => Err(invalid(format!("data.resource.parent: `{}` is not kind/id", short(parent)))),
        })
        .transpose()?;
    let owner = data.owner.as_deref().map(|owner| {
        if owner.is_empty() {
            return Err(Reject::new(reason::INVALID_ID, "data.owner is empty"));
        }
        OwnerRef::new(format!("{namespace}/{owner}"))
            .map_err(|error| invalid_id("data.owner", &error))
    });
    let window = data.window.as_ref().map(|window| {
        Ok(Window {
            start: instant("data.window.start", &window.start)?,
            end: instant("data.window.end", &window.end)?,
        })
    });
    let window = window.transpose()?;
    let time = event_time(envelope, kind, window)?;
    seconds_fit(data.seconds, window)?;
    interval_months(kind, window, data.seconds, time)?;
    let (measurements, units) = measurements(&data, context)?;
    let mut attributes = data.attributes;
    attributes.extend(units);
    let terminal = data.terminal || data.state == Some(NativeState::Deleted);
    let correction = data.correction.as_ref();
    let correction = correction.map(|given| correction::carried(envelope, given)).transpose()?;
    Ok(UsageEvent {
        source: envelope.source.clone().into_owned(),
        id: envelope.id.clone().into_owned(),
        system: Native.name().to_owned(),
        kind,
        resource: Some(resource),
        resource_kind: data.resource.kind,
        parent,
        owner: owner.transpose()?,
        project: data.project,
        site: data.site,
        region: data.region,
        time,
        window,
        since: data.since.as_deref().map(|since| instant("data.since", since)).transpose()?,
        seconds: data.seconds,
        state: if terminal { Some(ResourceState::Deleted) } else { data.state.map(state) },
        terminal,
        incarnation: data.incarnation,
        measurements,
        attributes,
        tags: data.tags,
        twin: None,
        correction,
    })
}

/// An event that meters nothing itself. It names its target, not a resource: what it is about is
/// for readers, and lies in its payload.
fn correction_event(
    envelope: &CloudEvent<'_>,
    data: NativeCorrectionData,
) -> Result<UsageEvent, Reject> {
    let given = envelope.time.as_deref().map(|time| instant("time", time)).transpose()?;
    let time = given.ok_or_else(|| missing("time: a correction needs one"))?;
    let (source, id) = (envelope.source.to_string(), envelope.id.to_string());
    let mut event = make::bare(NAME, source, id, EventKind::Transition, time);
    event.resource_kind = data.resource.map(|resource| resource.kind).unwrap_or_default();
    event.attributes.insert("event_type".to_owned(), envelope.event_type.to_string());
    event.correction = Some(correction::alone(envelope, &data.correction)?);
    Ok(event)
}

/// Combinations that the shape allows and the meaning does not.
fn contradictions(kind: EventKind, data: &NativeData) -> Result<(), Reject> {
    let word = kind.as_str();
    let windowed = matches!(kind, EventKind::Audit | EventKind::Interval);
    if windowed && data.window.is_none() {
        return Err(Reject::new(
            reason::MISSING_FIELD,
            format!("data.window: an event of kind {word} needs one"),
        ));
    }
    if windowed && !data.used.is_empty() {
        return Err(invalid(format!("data.used: an event of kind {word} consumes nothing")));
    }
    if kind == EventKind::Delta && !data.held.is_empty() {
        return Err(invalid("data.held: an event of kind delta holds nothing"));
    }
    if kind == EventKind::Delta && data.used.is_empty() {
        return Err(missing("data.used: an event of kind delta needs at least one"));
    }
    if kind == EventKind::Interval && data.held.is_empty() {
        return Err(missing("data.held: an event of kind interval needs at least one"));
    }
    if kind != EventKind::Interval && data.seconds.is_some() {
        return Err(invalid(format!("data.seconds: an event of kind {word} has none")));
    }
    if data.held.iter().any(|measurement| measurement.cumulative) {
        return Err(invalid("data.held: `cumulative` is for what is used"));
    }
    if data.terminal && data.state.is_some_and(|state| state != NativeState::Deleted) {
        return Err(invalid("data.state: a terminal event leaves the state deleted"));
    }
    Ok(())
}

/// When the event became true. What was consumed or held over a window counts at its last
/// microsecond, so that it lies in the month that it belongs to.
fn event_time(
    envelope: &CloudEvent<'_>,
    kind: EventKind,
    window: Option<Window>,
) -> Result<Instant, Reject> {
    let given = envelope.time.as_deref().map(|time| instant("time", time)).transpose()?;
    match (kind, window, given) {
        (EventKind::Delta | EventKind::Interval, Some(window), _) => {
            let last = Instant::from_micros(window.end.micros() - 1).unwrap_or(window.start);
            Ok(last.max(window.start))
        }
        (_, _, Some(time)) => Ok(time),
        (EventKind::Audit, Some(window), None) => Ok(window.end),
        (_, _, None) => {
            Err(missing(&format!("time: an event of kind {} needs one", kind.as_str())))
        }
    }
}

/// A pre-aggregated interval is kept in the month in which it ends, and rating reads one month past
/// a period: one that began before the month before would be missed there, so it is refused.
fn interval_months(
    kind: EventKind,
    window: Option<Window>,
    seconds: Option<i64>,
    time: Instant,
) -> Result<(), Reject> {
    let Some(window) = window.filter(|_| kind == EventKind::Interval && seconds.is_none()) else {
        return Ok(());
    };
    if next_utc_month(window.start.utc_month()) >= time.utc_month() {
        return Ok(());
    }
    Err(Reject::new(
        reason::BAD_WINDOW,
        format!(
            "data.window: {} to {} touches more than two UTC months; send it in parts",
            window.start, window.end
        ),
    ))
}

fn seconds_fit(seconds: Option<i64>, window: Option<Window>) -> Result<(), Reject> {
    let (Some(seconds), Some(window)) = (seconds, window) else { return Ok(()) };
    let micros = window.end.micros() - window.start.micros();
    let fits = seconds >= 0 && seconds.checked_mul(1_000_000).is_some_and(|held| held <= micros);
    if fits {
        return Ok(());
    }
    Err(Reject::new(
        reason::BAD_WINDOW,
        format!("data.seconds: {seconds} do not fit between {} and {}", window.start, window.end),
    ))
}

/// What an event measures, and the attributes that tell the units of meters which nobody has
/// declared yet.
type Measured = (Vec<Measurement>, BTreeMap<String, String>);

fn measurements(data: &NativeData, context: &DecodeContext) -> Result<Measured, Reject> {
    let mut measurements = Vec::with_capacity(data.held.len() + data.used.len());
    let mut units = BTreeMap::new();
    for (list, given) in [("held", &data.held), ("used", &data.used)] {
        for (index, measurement) in given.iter().enumerate() {
            let field = format!("data.{list}[{index}]");
            let flow = flow(list, measurement);
            let (measured, unit) = measure(&field, measurement, flow, context)?;
            units.extend(unit.map(|unit| (format!("unit:{}", measured.meter), unit)));
            measurements.push(measured);
        }
    }
    Ok((measurements, units))
}

fn flow(list: &str, measurement: &NativeMeasurement) -> Flow {
    match (list, measurement.cumulative) {
        ("held", _) => Flow::Held,
        (_, true) => Flow::Cumulative,
        (_, false) => Flow::Delta,
    }
}

/// The measurement in base units, and the unit as given where nobody has declared the meter: its
/// quantity is stored as it came, and what it counted must not be lost.
fn measure(
    field: &str,
    given: &NativeMeasurement,
    flow: Flow,
    context: &DecodeContext,
) -> Result<(Measurement, Option<String>), Reject> {
    let id = MeterId::new(given.meter.as_str())
        .map_err(|error| invalid_id(&format!("{field}.meter"), &error))?;
    let quantity_field = format!("{field}.quantity");
    let written = Written { digits: &given.quantity.0, field: &quantity_field };
    let Some(meter) = context.meters.get(&id) else {
        let quantity = quantity::read(written, 1, SCALE_UNDECLARED)?;
        let measured = Measurement { meter: id, quantity, scale: SCALE_UNDECLARED, flow };
        return Ok((measured, given.unit.clone()));
    };
    let base_units = match &given.unit {
        None => 1,
        Some(unit) => match meter.price_unit(unit) {
            Some(unit) => unit.base_units,
            None => {
                let known: Vec<&str> = meter.units.iter().map(|unit| unit.name.as_str()).collect();
                return Err(Reject::new(
                    reason::UNKNOWN_UNIT,
                    format!(
                        "{field}.unit: `{}` is no unit of {id}; it has {}",
                        short(unit),
                        known.join(", ")
                    ),
                ));
            }
        },
    };
    let quantity = quantity::read(written, base_units, meter.scale)?;
    Ok((Measurement { meter: id, quantity, scale: meter.scale, flow }, None))
}

fn state(state: NativeState) -> ResourceState {
    match state {
        NativeState::Building => ResourceState::Building,
        NativeState::Active => ResourceState::Active,
        NativeState::Paused => ResourceState::Paused,
        NativeState::Suspended => ResourceState::Suspended,
        NativeState::Stopped => ResourceState::Stopped,
        NativeState::Shelved => ResourceState::Shelved,
        NativeState::ShelvedOffloaded => ResourceState::ShelvedOffloaded,
        NativeState::SoftDeleted => ResourceState::SoftDeleted,
        NativeState::Error => ResourceState::Error,
        NativeState::Deleted => ResourceState::Deleted,
    }
}

/// A segment of a reference: not empty and without the separator.
fn plain(field: &str, text: &str) -> Result<(), Reject> {
    if text.is_empty() || text.contains('/') {
        return Err(Reject::new(
            reason::INVALID_ID,
            format!("{field}: `{}` is empty or holds a `/`", short(text)),
        ));
    }
    Ok(())
}

fn reference(field: &str, text: String) -> Result<ResourceId, Reject> {
    ResourceId::new(text).map_err(|error| invalid_id(field, &error))
}

fn instant(field: &str, text: &str) -> Result<Instant, Reject> {
    Instant::parse(text).map_err(|error| {
        let code = match error {
            InstantError::Text(_) => reason::BAD_TIME,
            InstantError::OutOfRange => reason::TIME_RANGE,
        };
        Reject::new(code, format!("{field}: {error} (`{}`)", short(text)))
    })
}

/// Names the field that serde tripped over, which its own message does not.
fn shape_error(error: &serde_json::Error, json: &Json<'_>) -> Reject {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let code = if message.starts_with("missing field") {
        reason::MISSING_FIELD
    } else {
        reason::INVALID_FIELD
    };
    // serde stops at the end of what is wrong, or just past it.
    let end = offset_of(error, json.text);
    let path = [1, 2].map(|back| json.path_at(end.saturating_sub(back)));
    let path = if path[1].len() > path[0].len() && code == reason::INVALID_FIELD {
        &path[1]
    } else {
        &path[0]
    };
    let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
    let message: String = message.chars().take(300).collect();
    Reject::new(code, format!("data{dot}{path}: {message}"))
}

fn offset_of(error: &serde_json::Error, text: &str) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    lines.map(str::len).sum::<usize>() + error.column()
}

fn invalid(message: impl Into<String>) -> Reject {
    Reject::new(reason::INVALID_FIELD, message)
}

fn missing(message: &str) -> Reject {
    Reject::new(reason::MISSING_FIELD, message)
}

fn invalid_id(field: &str, error: &IdError) -> Reject {
    Reject::new(reason::INVALID_ID, format!("{field}: {error}"))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
