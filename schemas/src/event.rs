//! [`UsageEvent`]: one immutable fact that a source reported, in the shape every adapter makes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Instant, MeterId, OwnerRef, ResourceId};

/// What a usage event asserts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// State, size or owner changed at `time` and holds from then on.
    Transition,
    /// A poll: state and size were so at `time`, and hold from then on.
    Snapshot,
    /// True over the window: evidence that heals lost starts and stops, never a quantity.
    Audit,
    /// A quantity consumed in the window (or at `time`).
    Delta,
    /// A quantity held that the source already aggregated over the window.
    Interval,
}

/// The state of a resource. `Active` is in service: a running instance, an existing volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceState {
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
    Unknown,
}

/// How a measurement adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// Held from this instant on (or over the window of an interval).
    Held,
    /// Consumed since the last report.
    Delta,
    /// A counter that only grows within an incarnation.
    Cumulative,
}

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The word in tables and on the wire.
            #[inline]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

words!(EventKind {
    Transition = "transition",
    Snapshot = "snapshot",
    Audit = "audit",
    Delta = "delta",
    Interval = "interval",
});
words!(ResourceState {
    Building = "building",
    Active = "active",
    Paused = "paused",
    Suspended = "suspended",
    Stopped = "stopped",
    Shelved = "shelved",
    ShelvedOffloaded = "shelved-offloaded",
    SoftDeleted = "soft-deleted",
    Error = "error",
    Deleted = "deleted",
    Unknown = "unknown",
});
words!(Flow { Held = "held", Delta = "delta", Cumulative = "cumulative" });

/// One measured quantity of an event, at the meter's declared decimal scale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    pub meter: MeterId,
    pub quantity: i64,
    /// Decimals of `quantity`: the meter's scale where it is declared.
    pub scale: u32,
    pub flow: Flow,
}

/// A half-open window `[start, end)` that a report covers; `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub start: Instant,
    pub end: Instant,
}

/// What a correction does to the event that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CorrectionAction {
    /// The event that carries it stands in place of the one it names.
    Amend,
    /// The event that it names counts no more.
    Retract,
    /// The event that carries it was never sent when it was due; it names none.
    Backfill,
    /// The correction that it names counts no more.
    Revert,
}

words!(CorrectionAction {
    Amend = "amend",
    Retract = "retract",
    Backfill = "backfill",
    Revert = "revert",
});

/// An append-only change of what was reported earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    pub action: CorrectionAction,
    /// The key of the event that it names ([`UsageEvent::key`]); a backfill names none.
    pub target: Option<String>,
}

/// A second identity, for systems that send one action twice under two ids: of several events with
/// one `key`, those of another `form` than the first committed one are its duplicates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twin {
    /// The action: resource, what happened, and what tells it from its next time.
    pub key: String,
    /// The way in which it was sent: `versioned`, `legacy`, `resent`.
    pub form: String,
}

impl Twin {
    /// The text of the column `twin`.
    pub fn to_column(&self) -> String {
        format!("{}{KEY_SEPARATOR}{}", self.key, self.form)
    }
}

/// One immutable fact. Identity is (`source`, `id`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageEvent {
    /// Who reported it: a CloudEvents source such as `/openstack/nova/compute:host1`.
    pub source: String,
    /// The source's own id of the event, or one derived from its natural key.
    pub id: String,
    /// The adapter that read it: `native`, `openstack-nova`, `openstack-cinder`.
    pub system: String,
    pub kind: EventKind,
    /// `namespace/kind/id`. `None`: the event is kept but meters nothing (`unmetered`).
    pub resource: Option<ResourceId>,
    /// `instance`, `volume`, `bucket`, `public-ip`, `load-balancer`, `db-instance`, ...
    pub resource_kind: String,
    /// The resource this one hangs on: the instance of a volume.
    pub parent: Option<ResourceId>,
    /// `namespace/id` of the holder; a delete may name none.
    pub owner: Option<OwnerRef>,
    pub project: Option<String>,
    /// The site of the book, where the source knows it.
    pub site: Option<String>,
    pub region: Option<String>,
    /// When it became true. An audit: when it was observed (a terminal one: when it was deleted).
    pub time: Instant,
    pub window: Option<Window>,
    /// Since when the source says the resource is held as described (`launched_at`).
    pub since: Option<Instant>,
    /// Seconds held within the window, for pre-aggregated intervals whose place in it is unknown.
    pub seconds: Option<i64>,
    pub state: Option<ResourceState>,
    /// The resource is gone for good.
    pub terminal: bool,
    /// Counters restart at a new one: a boot id.
    pub incarnation: Option<String>,
    /// At most one per meter and flow.
    pub measurements: Vec<Measurement>,
    /// What prices may depend on: flavor, tier, class. Keys given replace those known.
    pub attributes: BTreeMap<String, String>,
    /// The customer's own labels; given ones replace all that were known.
    pub tags: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
}

/// Separates source and id in an event key: a control character, so that neither can hold it.
pub const KEY_SEPARATOR: char = '\u{1f}';

impl UsageEvent {
    /// The identity as one string.
    pub fn key(&self) -> String {
        format!("{}{KEY_SEPARATOR}{}", self.source, self.id)
    }

    /// Order among events of one instant: audits confirm what transitions said, ends come last.
    pub fn rank(&self) -> i32 {
        match (self.terminal, self.kind) {
            (true, _) => 2,
            (false, EventKind::Audit) => 1,
            (false, _) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_serde_agree() {
        for kind in EventKind::ALL {
            let json = serde_json::to_string(kind).expect("json");
            assert_eq!(json, format!("\"{}\"", kind.as_str()));
            assert_eq!(EventKind::from_word(kind.as_str()), Some(*kind));
        }
        for state in ResourceState::ALL {
            let json = serde_json::to_string(state).expect("json");
            assert_eq!(json, format!("\"{}\"", state.as_str()));
        }
        for flow in Flow::ALL {
            let json = serde_json::to_string(flow).expect("json");
            assert_eq!(json, format!("\"{}\"", flow.as_str()));
        }
    }
}
