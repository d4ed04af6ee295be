//! Rows of an inventory: what resources are and how big, for systems whose events do not say.
//!
//! A row becomes a snapshot at the instant of its creation in the state `unknown`, which holds sizes
//! and bills nothing: what bills is what the system's own events say of the state. Rows imported
//! later are snapshots at the time of their observation. [`crate::inventory`] makes the records.

use std::collections::BTreeMap;

use turnpike_schemas::event::{EventKind, Flow, Measurement, ResourceState};
use turnpike_schemas::{Instant, MeterId, OwnerRef, ResourceId, UsageEvent};

use super::openstack::time;
use super::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};
use crate::inventory::MARK;
use crate::json::{Json, Value};
use crate::quantity::{self, Written};
use crate::reason;

/// Reads what `turnpike inventory import` makes of a row.
pub struct Inventory;

/// Columns that are neither meters nor attributes.
const COLUMNS: [&str; 11] = [
    "system",
    "namespace",
    "kind",
    "id",
    "owner",
    "project",
    "site",
    "region",
    "created",
    "state",
    "parent",
];

impl Adapter for Inventory {
    fn name(&self) -> &'static str {
        "inventory"
    }

    fn reads(&self) -> &'static str {
        "rows of an inventory, as turnpike inventory import sends them"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::Object(json) if json.text_of("inventory") == Some(MARK))
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Object(json) = message else { return Ok(Vec::new()) };
        let observed = json.text_of("observed").unwrap_or_default();
        let observed = time::parse("observed", observed)?;
        let is_first = json.get("first").is_some_and(|first| first.value == Value::Bool(true));
        let row = json.get("row").filter(|row| row.is_object()).ok_or_else(|| {
            Reject::new(reason::INVALID_FIELD, "the row is neither an object nor one of a CSV")
        })?;
        let row = Row { row, system: json.text_of("system") };
        let created = row.text("created")?.map(|text| time::parse("created", text)).transpose()?;
        if created.is_some_and(|created| created > observed) {
            let text = format!("created: lies after the observation at {observed}");
            return Err(Reject::new(reason::INVALID_FIELD, text));
        }
        let state = row.state()?;
        let mut events = Vec::new();
        if is_first {
            events.push(row.event("created", created.unwrap_or(observed), None, context)?);
        }
        if !is_first || state.is_some() {
            events.push(row.event(&observed.to_string(), observed, state, context)?);
        }
        Ok(events)
    }
}

/// The resource that a row is about: `namespace/kind/id`. `None`: it names none.
pub fn resource_of(row: &Json<'_>, system: Option<&str>) -> Option<String> {
    let row = Row { row, system };
    let kind = row.text("kind").ok()??;
    let id = row.text("id").ok()??;
    Some(format!("{}/{kind}/{id}", row.namespace().ok()?))
}

struct Row<'a> {
    row: &'a Json<'a>,
    /// The namespace of rows that name none.
    system: Option<&'a str>,
}

impl<'a> Row<'a> {
    /// A cell as text; empty ones are absent.
    fn text(&self, column: &str) -> Result<Option<&'a str>, Reject> {
        self.row.get(column).map_or(Ok(None), |cell| text_of(column, cell))
    }

    fn required(&self, column: &str) -> Result<&'a str, Reject> {
        self.text(column)?.ok_or_else(|| {
            Reject::new(reason::MISSING_FIELD, format!("{column}: the row has none"))
        })
    }

    fn namespace(&self) -> Result<&'a str, Reject> {
        let named = self.text("namespace")?.or(self.text("system")?).or(self.system);
        named.filter(|name| !name.contains('/')).ok_or_else(|| {
            let text = "system: the row names none without a `/`, and none was given (--system)";
            Reject::new(reason::MISSING_FIELD, text)
        })
    }

    fn state(&self) -> Result<Option<ResourceState>, Reject> {
        let Some(word) = self.text("state")? else { return Ok(None) };
        let lower = word.to_ascii_lowercase();
        let known = match lower.as_str() {
            "running" => Some(ResourceState::Active),
            other => ResourceState::from_word(other),
        };
        known.map(Some).ok_or_else(|| {
            let words: Vec<&str> = ResourceState::ALL.iter().map(|state| state.as_str()).collect();
            let short: String = word.chars().take(40).collect();
            let text = format!("state: `{short}` is none of running, {}", words.join(", "));
            Reject::new(reason::UNKNOWN_STATE, text)
        })
    }

    fn event(
        &self,
        stamp: &str,
        time: Instant,
        state: Option<ResourceState>,
        context: &DecodeContext,
    ) -> Result<UsageEvent, Reject> {
        let namespace = self.namespace()?;
        let kind = self.required("kind")?;
        if kind.contains('/') {
            return Err(Reject::new(
                reason::INVALID_ID,
                format!("kind: `{}` holds a `/`", short(kind)),
            ));
        }
        let bad_id = |column: &str, error: turnpike_schemas::IdError| {
            Reject::new(reason::INVALID_ID, format!("{column}: {error}"))
        };
        let resource = format!("{namespace}/{kind}/{}", self.required("id")?);
        let owner = self.text("owner")?.map(|owner| OwnerRef::new(format!("{namespace}/{owner}")));
        let parent = self.text("parent")?;
        let parent = parent.map(|parent| ResourceId::new(format!("{namespace}/{parent}")));
        let (measurements, attributes) = self.sizes(context)?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let terminal = state == Some(ResourceState::Deleted);
        Ok(UsageEvent {
            source: format!("/inventory/{namespace}"),
            id: format!("{resource}@{stamp}"),
            system: Inventory.name().to_owned(),
            kind: EventKind::Snapshot,
            resource: Some(ResourceId::new(resource).map_err(|error| bad_id("id", error))?),
            resource_kind: kind.to_owned(),
            parent: parent.transpose().map_err(|error| bad_id("parent", error))?,
            owner: owner.transpose().map_err(|error| bad_id("owner", error))?,
            project: owned(self.text("project")?),
            site: owned(self.text("site")?),
            region: owned(self.text("region")?),
            time,
            window: None,
            since: None,
            seconds: None,
            state: Some(state.unwrap_or(ResourceState::Unknown)),
            terminal,
            incarnation: None,
            measurements,
            attributes,
            tags: None,
            twin: None,
            correction: None,
        })
    }

    /// A column that is called like a meter, perhaps with a unit in brackets, is a size; any other
    /// is an attribute.
    fn sizes(
        &self,
        context: &DecodeContext,
    ) -> Result<(Vec<Measurement>, BTreeMap<String, String>), Reject> {
        let (mut measurements, mut attributes) = (Vec::new(), BTreeMap::new());
        for (column, cell) in self.row.entries().unwrap_or_default() {
            let column = column.as_ref();
            if COLUMNS.contains(&column) {
                continue;
            }
            // Not looked for by its name: a row may have a great many columns.
            let Some(text) = text_of(column, cell)? else { continue };
            let bracket = column.split_once('[');
            let (name, unit) = bracket.map_or((column, None), |(name, unit)| (name, Some(unit)));
            let id = MeterId::new(name.trim()).ok();
            let meter = id.as_ref().and_then(|id| context.meters.get(id));
            let (Some(meter), unit) = (meter, unit.map(|unit| unit.trim_end_matches(']').trim()))
            else {
                if unit.is_some() {
                    let text =
                        format!("{}: there is no meter `{}`", short(column), short(name.trim()));
                    return Err(Reject::new(reason::INVALID_FIELD, text));
                }
                attributes.entry(column.to_owned()).or_insert_with(|| text.to_owned());
                continue;
            };
            let base_units = match unit {
                None => 1,
                Some(unit) => {
                    meter.price_unit(unit).map(|unit| unit.base_units).ok_or_else(|| {
                        let known: Vec<&str> =
                            meter.units.iter().map(|u| u.name.as_str()).collect();
                        let text = format!("{}: the meter has {}", short(column), known.join(", "));
                        Reject::new(reason::UNKNOWN_UNIT, text)
                    })?
                }
            };
            let field = short(column);
            let written = Written { digits: text, field: &field };
            let quantity = quantity::read(written, base_units, meter.scale)?;
            let (meter, scale) = (meter.id.clone(), meter.scale);
            measurements.push(Measurement { meter, quantity, scale, flow: Flow::Held });
        }
        Ok((measurements, attributes))
    }
}

fn text_of<'a>(column: &str, cell: &'a Json<'_>) -> Result<Option<&'a str>, Reject> {
    match &cell.value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Value::Number(digits) => Ok(Some(digits)),
        _ => Err(Reject::new(
            reason::INVALID_FIELD,
            format!("{}: {} where text or a number is expected", short(column), cell.kind()),
        )),
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
