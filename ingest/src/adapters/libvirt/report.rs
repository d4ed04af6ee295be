//! [`Report`]: one thing that the agent says about one domain, from any of its shapes.

use std::collections::BTreeMap;

use turnpike_schemas::{EventKind, Instant, UsageEvent};

use super::{Libvirt, NAMESPACE};
use crate::adapters::{Adapter, make, time};
use crate::decode::Reject;
use crate::json::{Json, Value};
use crate::reason;

/// Names of libvirt's life-cycle events, by number.
const EVENTS: [&str; 9] = [
    "Defined",
    "Undefined",
    "Started",
    "Suspended",
    "Resumed",
    "Stopped",
    "Shutdown",
    "PMSuspended",
    "Crashed",
];

/// What `domstats` prints, by its names: `vcpu.current`, `net.0.rx.bytes`.
pub(super) type Values = BTreeMap<String, String>;

#[derive(Debug)]
pub(super) enum Said {
    Event { event: usize, detail: u64 },
    Stats(Values),
}

#[derive(Debug)]
pub(super) struct Report {
    pub uuid: String,
    pub time: Instant,
    /// The host, or the address of the connection where the agent names none.
    pub host: String,
    owner: Option<String>,
    /// Host and domain id: a boot.
    incarnation: Option<String>,
    /// The agent has seen the domain move to another host.
    pub has_migrated: bool,
    /// The domain has no definition: when it stops, it is gone.
    pub is_transient: bool,
    id: String,
    pub said: Said,
}

impl Report {
    pub fn from_json(json: &Json<'_>) -> Result<Self, Reject> {
        let said = match json.text_of("kind") {
            Some("lifecycle") => lifecycle(json)?,
            Some("info") => Said::Stats(info(json)?),
            _ => match json.get("stats") {
                Some(stats) => Said::Stats(values(stats)),
                None => Said::Stats(values(json)),
            },
        };
        let mut report = Self::new(|name| scalar(json.get(name)?), said)?;
        let what = json.text_of("kind").unwrap_or("domstats");
        let event = scalar_at(json, "event").or_else(|| scalar_at(json, "event_id"));
        let detail = scalar_at(json, "detail");
        report.identify(what, &event.unwrap_or_default(), &detail.unwrap_or_default());
        Ok(report)
    }

    /// A block that `virsh domstats` prints. The lines `uuid=` and `observed_at=` are not virsh's:
    /// whoever runs it adds them.
    pub fn from_text(text: &str) -> Result<Self, Reject> {
        let pairs = text.lines().filter_map(|line| line.trim_ascii().split_once('='));
        let values: Values =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut report = Self::new(|name| values.get(name).cloned(), Said::Stats(values.clone()))?;
        report.identify("domstats", "", "");
        Ok(report)
    }

    fn new(get: impl Fn(&str) -> Option<String>, said: Said) -> Result<Self, Reject> {
        let get = |name: &str| get(name).filter(|text| !text.is_empty());
        let required = |name: &str| get(name).ok_or_else(|| make::missing(name));
        let host = get("host").or_else(|| get("uri")).unwrap_or_else(|| "local".to_owned());
        Ok(Self {
            uuid: required("uuid")?.to_lowercase(),
            time: time::parse("observed_at", &required("observed_at")?)?,
            owner: get("owner"),
            incarnation: get("domain_id").map(|id| format!("{host}#{id}")),
            has_migrated: get("migrated").is_some_and(|text| text == "true"),
            is_transient: get("persistent").is_some_and(|text| text == "false"),
            id: String::new(),
            host,
            said,
        })
    }

    fn identify(&mut self, what: &str, event: &str, detail: &str) {
        let time = self.time.to_string();
        self.id = make::natural_id(&[&self.uuid, what, event, detail, &time]);
    }

    /// An event about the domain, or about a part of it.
    pub fn event(&self, kind: EventKind, part: Option<(&str, &str)>) -> Result<UsageEvent, Reject> {
        let id = match part {
            Some((of, name)) => format!("{}:{of}/{name}", self.id),
            None => self.id.clone(),
        };
        let source = format!("/{NAMESPACE}/{}", self.host);
        let origin = make::Origin { system: Libvirt.name(), source, id };
        let mut event = make::event(origin, kind, self.time);
        match part {
            Some((of, name)) => {
                make::about(&mut event, NAMESPACE, of, &format!("{}/{name}", self.uuid))?;
                event.parent = Some(make::resource(NAMESPACE, "instance", &self.uuid)?);
            }
            None => make::about(&mut event, NAMESPACE, "instance", &self.uuid)?,
        }
        event.owner =
            self.owner.as_deref().map(|owner| make::owner(NAMESPACE, owner)).transpose()?;
        event.incarnation = self.incarnation.clone();
        Ok(event)
    }
}

fn lifecycle(json: &Json<'_>) -> Result<Said, Reject> {
    let named = json.text_of("event").and_then(|name| EVENTS.iter().position(|it| *it == name));
    let numbered = || {
        let number = scalar_at(json, "event_id")?.parse().ok()?;
        (number < EVENTS.len()).then_some(number)
    };
    let event = named.or_else(numbered).ok_or_else(|| {
        Reject::new(reason::INVALID_FIELD, "event: no event of libvirt is called so")
    })?;
    let detail = scalar_at(json, "detail").and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Said::Event { event, detail })
}

/// `[state, maximum memory KiB, memory KiB, virtual CPUs, CPU time ns]`.
fn info(json: &Json<'_>) -> Result<Values, Reject> {
    const NAMES: [&str; 5] =
        ["state.state", "balloon.maximum", "balloon.current", "vcpu.current", "cpu.time"];
    let items = json.get("info").and_then(Json::items).ok_or_else(|| make::missing("info"))?;
    let pairs = NAMES.iter().zip(items);
    Ok(pairs.filter_map(|(name, item)| Some(((*name).to_owned(), scalar(item)?))).collect())
}

/// Statistics by the names of `domstats`, whether they came so or as the Go binding nests them.
fn values(stats: &Json<'_>) -> Values {
    let mut values = Values::new();
    for (name, field) in stats.entries().unwrap_or_default() {
        match (name.as_ref(), &field.value) {
            ("Block" | "Net", Value::List(items)) => {
                let family = name.to_lowercase();
                values.insert(format!("{family}.count"), items.len().to_string());
                for (index, item) in items.iter().enumerate() {
                    set(&mut values, item, &format!("{family}.{index}."), PARTS);
                }
            }
            ("Vcpu", Value::List(items)) => {
                values.insert("vcpu.current".to_owned(), items.len().to_string());
            }
            ("Cpu", Value::Object(_)) => set(&mut values, field, "cpu.", &[("Time", "time")]),
            ("Balloon", Value::Object(_)) => {
                set(&mut values, field, "balloon.", &[("Current", "current")]);
            }
            ("State", Value::Object(_)) => {
                set(&mut values, field, "state.", &[("State", "state"), ("Reason", "reason")]);
            }
            _ => {
                if let Some(text) = scalar(field) {
                    values.insert(name.to_string(), text);
                }
            }
        }
    }
    values
}

const PARTS: &[(&str, &str)] = &[
    ("Name", "name"),
    ("RdReqs", "rd.reqs"),
    ("WrReqs", "wr.reqs"),
    ("RdBytes", "rd.bytes"),
    ("WrBytes", "wr.bytes"),
    ("Capacity", "capacity"),
    ("Physical", "physical"),
    ("RxBytes", "rx.bytes"),
    ("TxBytes", "tx.bytes"),
];

/// Copies the fields that the binding says are set: of others it gives a zero.
fn set(values: &mut Values, object: &Json<'_>, prefix: &str, names: &[(&str, &str)]) {
    for (theirs, ours) in names {
        let is_set = object.get(&format!("{theirs}Set")).is_none_or(|it| it.text == "true");
        if let Some(text) = object.get(theirs).and_then(scalar).filter(|_| is_set) {
            values.insert(format!("{prefix}{ours}"), text);
        }
    }
}

fn scalar_at(json: &Json<'_>, name: &str) -> Option<String> {
    json.get(name).and_then(scalar)
}

fn scalar(field: &Json<'_>) -> Option<String> {
    match &field.value {
        Value::Text(text) => Some(text.clone().into_owned()),
        Value::Number(_) | Value::Bool(_) => Some(field.text.to_owned()),
        _ => None,
    }
}
