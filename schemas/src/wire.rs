//! The native usage event on the wire: a CloudEvent 1.0 whose `data` is [`NativeData`].
//!
//! The JSON Schema that producers get is generated from these types ([`json_schema`]) and compared
//! with the committed file in a test, so the document and the decoder cannot drift apart.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A quantity as its producer wrote it: the text of a JSON number or of a decimal string, so that no
/// digit passes through a float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity(pub String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        if text.starts_with('"') {
            return serde_json::from_str(text).map(Quantity).map_err(D::Error::custom);
        }
        if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Ok(Quantity(text.to_owned()));
        }
        Err(D::Error::custom("a quantity is a number or a decimal string"))
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A decimal number, exact: send a string where your JSON writer would round.",
            "type": ["string", "number"],
            "pattern": "^-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?$"
        })
    }
}

/// A native usage event in CloudEvents structured mode.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "turnpike usage event")]
pub struct NativeEvent {
    /// CloudEvents version.
    #[schemars(extend("const" = "1.0"))]
    pub specversion: String,
    /// Unique within `source`; sending an event again keeps its id.
    #[schemars(length(min = 1, max = 512))]
    pub id: String,
    /// Who reports: a hypervisor agent, a storage system.
    #[schemars(length(min = 1, max = 512))]
    pub source: String,
    /// `dev.turnpike.usage.KIND.v1`, where KIND is transition, snapshot, audit, delta, interval or
    /// correction.
    #[serde(rename = "type")]
    #[schemars(regex(
        pattern = r"^dev\.turnpike\.usage\.(transition|snapshot|audit|delta|interval|correction)\.v1$"
    ))]
    pub event_type: String,
    /// `resource_kind/resource_id`, for readers; `data.resource` decides.
    pub subject: Option<String>,
    /// When it became true, RFC 3339 with an offset or Z.
    #[schemars(extend("format" = "date-time"))]
    pub time: Option<String>,
    /// `application/json`.
    pub datacontenttype: Option<String>,
    pub data: NativePayload,
}

/// What `type` says that it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum NativePayload {
    Usage(Box<NativeData>),
    /// Of the type `dev.turnpike.usage.correction.v1`.
    Correction(NativeCorrectionData),
}

/// The payload of a native usage event.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NativeData {
    /// Sets ids of one platform apart from those of another; `native` where absent.
    pub namespace: Option<String>,
    pub resource: NativeResource,
    /// Who holds it, as the platform names it: a project or tenant id. A delete may leave it out.
    pub owner: Option<String>,
    pub project: Option<String>,
    /// The site, as the price book names it.
    pub site: Option<String>,
    pub region: Option<String>,
    /// The state from `time` on; absent: unchanged.
    pub state: Option<NativeState>,
    /// The resource is gone for good.
    #[serde(default)]
    pub terminal: bool,
    /// Since when the resource is held as described.
    #[schemars(extend("format" = "date-time"))]
    pub since: Option<String>,
    /// What an audit, delta or interval covers: half-open.
    pub window: Option<NativeWindow>,
    /// Interval only: seconds held within the window, where that is less than all of it.
    pub seconds: Option<i64>,
    /// Counters restart at a new one: a boot id.
    pub incarnation: Option<String>,
    /// Quantities held from `time` on; a meter not listed keeps its quantity.
    #[serde(default)]
    pub held: Vec<NativeMeasurement>,
    /// Quantities consumed.
    #[serde(default)]
    pub used: Vec<NativeMeasurement>,
    /// What prices may depend on: flavor, tier, class.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// The customer's own labels; given ones replace all that were known.
    pub tags: Option<BTreeMap<String, String>>,
    /// What this event changes of what was reported earlier: `amend` or `backfill`.
    pub correction: Option<NativeCorrection>,
}

/// The payload of an event that takes something back and reports nothing itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NativeCorrectionData {
    /// `retract` or `revert`.
    pub correction: NativeCorrection,
    /// The namespace of `resource`.
    pub namespace: Option<String>,
    /// What it is about, for readers; `correction.target` decides.
    pub resource: Option<NativeResource>,
}

/// A change of what was reported earlier. It takes effect whether it arrives before or after its
/// target, and in whatever order.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NativeCorrection {
    pub action: NativeAction,
    /// The event that it changes; of a revert: the correction. A backfill has none. Of several
    /// corrections of one event the one with the newest `time` has effect.
    pub target: Option<NativeTarget>,
    /// Why, for readers.
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NativeAction {
    /// The event that carries it stands in place of its target.
    Amend,
    /// Its target counts no more.
    Retract,
    /// The event that carries it was not sent when it was due.
    Backfill,
    /// The correction that is its target counts no more.
    Revert,
}

/// The identity of an event.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NativeTarget {
    #[schemars(length(min = 1, max = 512))]
    pub source: String,
    #[schemars(length(min = 1, max = 512))]
    pub id: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NativeResource {
    /// `instance`, `volume`, `bucket`, `public-ip`, `load-balancer`, `db-instance`, ...
    #[schemars(length(min = 1, max = 64))]
    pub kind: String,
    #[schemars(length(min = 1, max = 400))]
    pub id: String,
    /// The resource it hangs on, as `kind/id`.
    pub parent: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NativeState {
    Building,
    Active,
    Paused,
    Suspended,
    Stopped,
    Shelved,
    ShelvedOffloaded,
    SoftDeleted,
    Error,
    Deleted,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NativeWindow {
    #[schemars(extend("format" = "date-time"))]
    pub start: String,
    #[schemars(extend("format" = "date-time"))]
    pub end: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NativeMeasurement {
    /// A meter: `vcpu`, `memory`, `volume`, `egress`, or one of your price book.
    pub meter: String,
    pub quantity: Quantity,
    /// A unit of the meter: `GiB`; its base unit where absent.
    pub unit: Option<String>,
    /// `used` only: a counter that grows, instead of what was consumed since the last report.
    #[serde(default)]
    pub cumulative: bool,
}

/// The JSON Schema of the native event, as committed in `schemas/wire/`.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(NativeEvent);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/wire/usage-event.v1.schema.json");
        let generated = json_schema();
        if std::env::var_os("TURNPIKE_ACCEPT").is_some() {
            std::fs::write(path, &generated).expect("writes the schema");
        }
        let committed = std::fs::read_to_string(path).expect("the schema is committed");
        assert!(
            committed == generated,
            "schemas/wire is stale: run TURNPIKE_ACCEPT=1 cargo test -p turnpike-schemas"
        );
    }

    #[test]
    fn quantities_keep_every_digit() {
        let read = |text: &str| serde_json::from_str::<Quantity>(text).map(|q| q.0).ok();
        assert_eq!(read("0.1000000000000000055"), Some("0.1000000000000000055".to_owned()));
        assert_eq!(read("\"123456789012345678901234567890\"").as_deref().map(str::len), Some(30));
        assert_eq!(read("true"), None);
        assert_eq!(read("null"), None);
    }
}
