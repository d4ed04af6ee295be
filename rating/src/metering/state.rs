//! What a resource holds at an instant: the state of the fold, as stored at each month's start.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::interval::Holder;
use turnpike_schemas::{Instant, MeterId};

/// A quantity held since an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub quantity: i64,
    pub scale: u32,
    /// Where its open interval began.
    pub from: Instant,
}

/// The last reading of a counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    pub incarnation: Option<String>,
    pub value: i64,
    pub scale: u32,
    pub at: Instant,
    /// Of a report that covers all the time since a reset: when that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
}

/// All that metering knows of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metered {
    pub holder: Arc<Holder>,
    pub state: ResourceState,
    pub held: BTreeMap<MeterId, Held>,
    pub counters: BTreeMap<MeterId, Counter>,
    /// The newest instant at which an event said that the resource is held as described since that
    /// very instant: the start of a life, or of a size. Reports from before it are of the past.
    pub begun: Option<Instant>,
    /// Until when events vouch for what is held.
    pub evidence: Instant,
    /// Set while the resource is gone.
    pub ended: Option<Instant>,
}

impl Metered {
    pub fn is_gone(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether an event has said what it holds: not gone, and more than heard of.
    pub fn is_held(&self) -> bool {
        !self.is_gone() && self.state != ResourceState::Unknown
    }
}

/// Days for which the end of a resource is remembered, so that a late audit of its life does not
/// bring it back: three months, the longest delay that a monthly audit with retries can have.
const ENDED_DAYS_KEPT: i64 = 100;

/// Whether what is known is still worth keeping at a month's start.
pub(crate) fn is_remembered(known: &Metered, start: Instant) -> bool {
    known
        .ended
        .and_then(|ended| ended.plus_seconds(ENDED_DAYS_KEPT * 86_400))
        .is_none_or(|until| until >= start)
}
