//! The data-file format of a mapping, as `docs/mappings.md` describes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use turnpike_schemas::MeterId;
use turnpike_schemas::event::{EventKind, Flow, ResourceState};

use super::path::{Path, Template};
use crate::installation::Local;
use crate::quantity::Inexact;

/// One system: how its records are recognised, and the events that are made of one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The adapter's name.
    pub name: String,
    /// One line for people: what it reads.
    pub reads: String,
    /// Whether a public capture of the format was there to read.
    #[serde(default)]
    pub verified: bool,
    /// Sets ids of this system apart from those of others.
    pub namespace: String,
    /// What of the names in a record means something else in another installation of the system.
    #[serde(default)]
    pub local: Local,
    /// Each way in which a record may come; the first that fits reads it.
    pub recognise: Vec<Recognise>,
    /// Each rule whose conditions hold makes one event of an item.
    pub event: Vec<Rule>,
}

/// What a record must be like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognise {
    pub form: Form,
    /// XML: the name of the root element.
    pub element: Option<String>,
    /// Tables: columns that the heading must have.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Tables: words that mean that there is no value.
    #[serde(default)]
    pub absent: Vec<String>,
    /// CloudEvents: the types, each exact, or a prefix where it ends in `*`.
    #[serde(default)]
    pub types: Vec<String>,
    /// Conditions on the record.
    #[serde(default)]
    pub all: Vec<Condition>,
    /// Lists whose items are read one by one, each list within an item of the one before.
    #[serde(default)]
    pub each: Vec<Each>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A JSON object that is neither a CloudEvent nor a notification.
    Json,
    CloudEvent,
    /// An element and all that is in it.
    Xml,
    /// A heading and one row, separated by white space, perhaps under a line that is a time.
    Table,
    /// A heading and one row, separated by commas.
    Csv,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Each {
    /// What paths call the item: `@name`.
    pub name: String,
    pub list: Path,
    /// Conditions on every item: where one fails, the record is not recognised.
    #[serde(default)]
    pub all: Vec<Condition>,
}

/// What must be true of a field. All that is given must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub field: Path,
    pub present: Option<bool>,
    pub equals: Option<String>,
    #[serde(rename = "in")]
    pub one_of: Option<Vec<String>>,
    #[serde(rename = "not-in")]
    pub none_of: Option<Vec<String>>,
    pub starts: Option<String>,
}

/// One event of an item.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// For messages, and for those who count what is unmetered.
    pub name: String,
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Where all conditions of one hold, the item is accepted and meters nothing.
    #[serde(default)]
    pub skip: Vec<Skip>,
    pub kind: EventKind,
    pub source: Template,
    pub id: Id,
    /// Whether the instant of the event (the end of its window) belongs to the id.
    #[serde(default)]
    pub stamped: bool,
    pub resource_kind: Template,
    pub resource: Template,
    pub parent: Option<Parent>,
    pub owner: Option<Template>,
    pub project: Option<Template>,
    pub site: Option<Template>,
    pub region: Option<Template>,
    pub time: Option<Time>,
    pub window: Option<WindowOf>,
    pub since: Option<Time>,
    /// Intervals: each report is of all the time since a reset, not since the last report.
    #[serde(default)]
    pub accumulates: bool,
    pub state: Option<State>,
    #[serde(default)]
    pub terminal: bool,
    pub incarnation: Option<Template>,
    #[serde(default)]
    pub measure: Vec<Measure>,
    #[serde(default)]
    pub attributes: BTreeMap<String, Template>,
    pub tags: Option<Path>,
    /// Words that items of lists must have one of, so that one that is spelt in a new way is not
    /// left out of a sum in silence.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// A window that goes on growing: it must have been over for some time at this instant.
    pub settled: Option<Settled>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    pub when: Vec<Condition>,
    pub because: String,
}

/// The field of every item of a list is one of these.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub list: Path,
    pub field: String,
    #[serde(rename = "in")]
    pub one_of: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    pub kind: String,
    pub id: Template,
}

/// A template, or the hash of fields where the system gives no id.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Id {
    Text(Template),
    Hash { hash: Vec<Path> },
}

/// An instant: a field in one of the accepted forms.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    pub field: Path,
    pub form: TimeForm,
    /// Where the field is absent, the instant that was given for the whole file.
    #[serde(default)]
    pub or_at: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeForm {
    /// ISO 8601 with `T` or a space; without an offset it is UTC.
    Iso,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}

/// Start and end, or one of them and a duration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowOf {
    pub start: Option<Time>,
    pub end: Option<Time>,
    /// The first that is present.
    #[serde(default)]
    pub duration: Vec<Duration>,
}

/// A duration, floored to whole seconds, on which quantities are billed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duration {
    pub field: Option<Path>,
    pub form: DurationForm,
    /// In place of a field.
    pub value: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DurationForm {
    Seconds,
    /// `1.02:03:04.5`: days, hours, minutes and seconds.
    Timespan,
    /// Ten million of them are a second.
    Ticks,
}

/// A word, or a field and what its values mean.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum State {
    Word(ResourceState),
    Map(StateMap),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateMap {
    pub field: Path,
    #[serde(default)]
    pub map: BTreeMap<String, ResourceState>,
    /// Letters that the field may hold, the first that it does decides.
    #[serde(default)]
    pub holds: Vec<(String, ResourceState)>,
    /// Of all other values; without it they are refused.
    pub other: Option<ResourceState>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    pub meter: MeterId,
    /// Where several values stand there, their sum counts.
    pub field: Option<Path>,
    /// In place of a field.
    pub value: Option<String>,
    /// Taken where the field is absent.
    pub default: Option<String>,
    /// Without the field the event does not speak of this meter.
    #[serde(default)]
    pub optional: bool,
    pub flow: Flow,
    /// A unit of the meter.
    pub unit: Option<String>,
    /// Base units in one of what the field counts, in place of a unit: `1024` or `1000/3`.
    pub multiplier: Option<Ratio>,
    /// `floor` where the source shows less than the meter stores; else what is inexact is refused.
    pub round: Option<Round>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Round {
    Floor,
}

impl From<Option<Round>> for Inexact {
    fn from(round: Option<Round>) -> Self {
        match round {
            Some(Round::Floor) => Inexact::Floor,
            None => Inexact::Refuse,
        }
    }
}

/// An exact ratio of two whole numbers above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Ratio {
    pub over: i64,
    pub under: i64,
}

impl TryFrom<String> for Ratio {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (over, under) = text.split_once('/').unwrap_or((&text, "1"));
        let read = |part: &str| part.trim().parse::<i64>().ok().filter(|number| *number > 0);
        match (read(over), read(under)) {
            (Some(over), Some(under)) => Ok(Self { over, under }),
            _ => Err(format!("`{text}` is no ratio of whole numbers such as 1024 or 1000/3")),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    pub by: Time,
    pub seconds: i64,
}
