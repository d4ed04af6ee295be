//! Makes events of a record as its mapping says.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use turnpike_schemas::event::{EventKind, ResourceState, Window};
use turnpike_schemas::time::next_utc_month;
use turnpike_schemas::{Instant, OwnerRef, ResourceId, UsageEvent};

use super::format::{Id, Mapping, Recognise, Rule};
use super::path::{Path, Scope, Template, scalar};
use super::value;
use crate::adapters::make;
use crate::decode::{DecodeContext, Reject};
use crate::json::{Json, Value};
use crate::reason;

/// Items that the lists of one record may hold together.
const ITEMS_MAX: usize = 100_000;
/// Why an item of which the mapping says nothing meters nothing.
const NO_RULE: &str = "no rule applies";

/// Whether a record is what `recognise` describes: its marks, and those of every item in its lists.
pub fn fits(recognise: &Recognise, record: &Json<'_>) -> bool {
    let scope = Scope { record, named: Vec::new(), here: record };
    value::all_hold(&recognise.all, &scope) && items(recognise, &scope).is_some()
}

/// All events of a record.
pub fn events(
    mapping: &Mapping,
    recognise: &Recognise,
    record: &Json<'_>,
    context: &DecodeContext,
) -> Result<Vec<UsageEvent>, Reject> {
    let scope = Scope { record, named: Vec::new(), here: record };
    let items = items(recognise, &scope).unwrap_or_default();
    let mut events = make::Events::default();
    for item in &items {
        let mut any = false;
        for rule in mapping.event.iter().filter(|rule| value::all_hold(&rule.when, item)) {
            any = true;
            events.push(Making { mapping, rule, scope: item, context }.event()?)?;
        }
        if !any && let Some(rule) = mapping.event.first() {
            let making = Making { mapping, rule, scope: item, context };
            events.push(making.unmetered(NO_RULE, None)?)?;
        }
    }
    if events.is_empty() {
        let text = format!("the {} record holds no item", mapping.name);
        return Err(Reject::new(reason::MISSING_FIELD, text));
    }
    Ok(events.into_vec())
}

/// The items of the record's lists; `None`: one of them is not what it should be.
fn items<'j>(recognise: &'j Recognise, scope: &Scope<'j>) -> Option<Vec<Scope<'j>>> {
    let mut items = vec![scope.clone()];
    for each in &recognise.each {
        let mut next = Vec::new();
        for item in &items {
            for here in each.list.find(item) {
                let mut named = item.named.clone();
                named.push((each.name.as_str(), here));
                let inner = Scope { record: scope.record, named, here };
                if !value::all_hold(&each.all, &inner) || next.len() >= ITEMS_MAX {
                    return None;
                }
                next.push(inner);
            }
        }
        items = next;
    }
    Some(items)
}

/// One event in the making.
struct Making<'m, 'j> {
    mapping: &'m Mapping,
    rule: &'m Rule,
    scope: &'m Scope<'j>,
    context: &'m DecodeContext,
}

impl Making<'_, '_> {
    fn event(&self) -> Result<UsageEvent, Reject> {
        let rule = self.rule;
        let skip = rule.skip.iter().find(|skip| value::all_hold(&skip.when, self.scope));
        if let Some(skip) = skip {
            return self.unmetered(&skip.because, None);
        }
        rule.expect.iter().try_for_each(|expect| value::expected(expect, self.scope))?;
        let window = rule.window.as_ref();
        let window = window.map(|spec| value::window(spec, self.scope, self.context));
        let window = window.transpose()?;
        if let Some((settled, window)) = rule.settled.as_ref().zip(window) {
            let by = value::required(&settled.by, self.scope, self.context)?;
            if window.end.plus_seconds(settled.seconds).is_none_or(|end| end > by) {
                return self.unmetered("its window is not over yet", Some(by));
            }
        }
        let time = self.time(window)?;
        in_two_months(rule.kind, window.filter(|_| !rule.accumulates), time)?;
        let kind = self.required("resource_kind", &rule.resource_kind)?;
        plain("resource_kind", &kind)?;
        let id = self.required("resource", &rule.resource)?;
        let (measurements, units) = self.measurements()?;
        let mut attributes = units;
        for (name, template) in &rule.attributes {
            attributes.extend(self.optional(Some(template)).map(|text| (name.clone(), text)));
        }
        let state = rule.state.as_ref().map(|state| value::state(state, self.scope)).transpose()?;
        let since = rule.since.as_ref();
        let since = since.map(|since| value::instant(since, self.scope, self.context));
        let stamp = window.filter(|_| rule.stamped).map_or(time, |window| window.end);
        let id_text = if rule.stamped { format!("{}/{stamp}", self.id()?) } else { self.id()? };
        let mut event = self.bare(id_text, time)?;
        event.resource = Some(self.reference("resource", &kind, &id)?);
        event.resource_kind = kind;
        event.parent = self.parent()?;
        event.owner = self.owner()?;
        event.project = self.optional(rule.project.as_ref());
        event.site = self.optional(rule.site.as_ref());
        event.region = self.optional(rule.region.as_ref());
        event.window = window;
        event.since = since.transpose()?.flatten();
        if rule.accumulates {
            event.since = window.map(|window| window.start);
        }
        event.state = if rule.terminal { Some(ResourceState::Deleted) } else { state };
        event.terminal = rule.terminal || state == Some(ResourceState::Deleted);
        event.incarnation = self.optional(rule.incarnation.as_ref());
        event.measurements = measurements;
        event.attributes = attributes;
        event.tags = rule.tags.as_ref().and_then(|path| labels(path.first(self.scope)?));
        Ok(event)
    }

    /// An event about nothing, kept with the reason why.
    fn unmetered(&self, because: &str, seen: Option<Instant>) -> Result<UsageEvent, Reject> {
        let time = match seen {
            Some(seen) => Some(seen),
            None => self.any_time()?,
        };
        let time = time.unwrap_or(self.context.now);
        // Not the id of the event that it may become, and one for each time it was seen.
        let text = self.scope.here.text;
        let hash = hex::encode(Sha256::digest(format!("{time}\u{1f}{because}\u{1f}{text}")));
        let mut event = self.bare(format!("unmetered/{}", &hash[..32]), time)?;
        let kind = match because {
            NO_RULE => self.mapping.name.clone(),
            _ => format!("{}/{}", self.mapping.name, self.rule.name),
        };
        event.attributes.insert("event_type".to_owned(), kind);
        event.attributes.insert("unmetered_because".to_owned(), because.to_owned());
        Ok(event)
    }

    fn bare(&self, id: String, time: Instant) -> Result<UsageEvent, Reject> {
        let source = self.required("source", &self.rule.source)?;
        Ok(make::bare(&self.mapping.name, source, id, self.rule.kind, time))
    }

    /// What was consumed or held over a window counts at its last microsecond, so that it lies in
    /// the month that it belongs to.
    fn time(&self, window: Option<Window>) -> Result<Instant, Reject> {
        let of_window = matches!(self.rule.kind, EventKind::Delta | EventKind::Interval);
        match (&self.rule.time, window) {
            (_, Some(window)) if of_window => {
                let last = Instant::from_micros(window.end.micros() - 1).unwrap_or(window.start);
                Ok(last.max(window.start))
            }
            (Some(time), _) => value::required(time, self.scope, self.context),
            (None, Some(window)) => Ok(window.end),
            (None, None) => Err(Reject::new(reason::MISSING_FIELD, "time: the record has none")),
        }
    }

    /// Whatever instant the record gives.
    fn any_time(&self) -> Result<Option<Instant>, Reject> {
        let rule = self.rule;
        let window = rule.window.iter().flat_map(|window| [&window.end, &window.start]).flatten();
        for time in rule.time.iter().chain(window) {
            if let Some(time) = value::instant(time, self.scope, self.context)? {
                return Ok(Some(time));
            }
        }
        Ok(None)
    }

    fn id(&self) -> Result<String, Reject> {
        match &self.rule.id {
            Id::Text(template) => self.required("id", template),
            Id::Hash { hash } => {
                let mut digest = Sha256::new();
                digest.update(&self.rule.name);
                for path in hash {
                    let found = path.first(self.scope).ok_or_else(|| absent("id", path))?;
                    digest.update([0]);
                    digest.update(scalar(found).unwrap_or(found.text));
                }
                Ok(format!("sha256:{}", &hex::encode(digest.finalize())[..32]))
            }
        }
    }

    fn measurements(&self) -> Result<(Vec<turnpike_schemas::Measurement>, Labels), Reject> {
        let (mut measurements, mut units) = (Vec::new(), BTreeMap::new());
        for spec in &self.rule.measure {
            let Some((measured, unit)) = value::measure(spec, self.scope, self.context)? else {
                continue;
            };
            units.extend(unit.map(|unit| (format!("unit:{}", measured.meter), unit)));
            measurements.push(measured);
        }
        Ok((measurements, units))
    }

    fn parent(&self) -> Result<Option<ResourceId>, Reject> {
        let Some(parent) = &self.rule.parent else { return Ok(None) };
        let Some(id) = self.optional(Some(&parent.id)) else { return Ok(None) };
        self.reference("parent", &parent.kind, &id).map(Some)
    }

    fn owner(&self) -> Result<Option<OwnerRef>, Reject> {
        let Some(owner) = self.optional(self.rule.owner.as_ref()) else { return Ok(None) };
        OwnerRef::new(format!("{}/{owner}", self.mapping.namespace))
            .map(Some)
            .map_err(|error| Reject::new(reason::INVALID_ID, format!("owner: {error}")))
    }

    fn reference(&self, field: &str, kind: &str, id: &str) -> Result<ResourceId, Reject> {
        if id.is_empty() {
            return Err(Reject::new(reason::INVALID_ID, format!("{field}: the id is empty")));
        }
        ResourceId::new(format!("{}/{kind}/{id}", self.mapping.namespace))
            .map_err(|error| Reject::new(reason::INVALID_ID, format!("{field}: {error}")))
    }

    fn required(&self, field: &str, template: &Template) -> Result<String, Reject> {
        let filled = template.fill(self.scope).map_err(|path| absent(field, path))?;
        Ok(filled.into_owned())
    }

    fn optional(&self, template: Option<&Template>) -> Option<String> {
        let text = template?.fill(self.scope).ok()?.into_owned();
        (!text.is_empty()).then_some(text)
    }
}

type Labels = BTreeMap<String, String>;

fn labels(json: &Json<'_>) -> Option<Labels> {
    let text = |json: &Json<'_>| match &json.value {
        Value::Text(text) => text.clone().into_owned(),
        _ => json.text.to_owned(),
    };
    let entries = json.entries()?.iter();
    Some(entries.map(|(name, value)| (name.to_string(), text(value))).collect())
}

/// A pre-aggregated interval is kept in the month in which it ends, and rating reads one month past
/// a period: one that began before the month before would be missed there.
fn in_two_months(kind: EventKind, window: Option<Window>, time: Instant) -> Result<(), Reject> {
    let Some(window) = window.filter(|_| kind == EventKind::Interval) else { return Ok(()) };
    if next_utc_month(window.start.utc_month()) >= time.utc_month() {
        return Ok(());
    }
    let text =
        format!("the window {} to {} touches more than two UTC months", window.start, window.end);
    Err(Reject::new(reason::BAD_WINDOW, text))
}

fn absent(field: &str, path: &Path) -> Reject {
    Reject::new(reason::MISSING_FIELD, format!("{}: is absent ({field})", path.text))
}

fn plain(field: &str, text: &str) -> Result<(), Reject> {
    if text.is_empty() || text.contains('/') {
        let short: String = text.chars().take(80).collect();
        let text = format!("{field}: `{short}` is empty or holds a `/`");
        return Err(Reject::new(reason::INVALID_ID, text));
    }
    Ok(())
}
