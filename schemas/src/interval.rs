//! [`UsageInterval`]: what metering makes of events, and the only thing prices are applied to.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::ResourceState;
use crate::{Aggregation, Instant, MeterId, OwnerRef, ResourceId};

/// Who holds a resource, where, and with which attributes: what a price may depend on besides time.
/// Shared by all intervals of a stretch in which nothing of it changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    pub resource: ResourceId,
    pub resource_kind: String,
    pub parent: Option<ResourceId>,
    pub owner: Option<OwnerRef>,
    pub project: Option<String>,
    pub site: Option<String>,
    pub region: Option<String>,
    pub source: String,
    pub attributes: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// A quantity of one meter over `[start, end)`.
///
/// Held meters: `quantity` was held all the time. Sums: `quantity` was consumed, and counts at the
/// last microsecond before `end` (a report is complete when its window ends).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageInterval {
    pub holder: Arc<Holder>,
    pub meter: MeterId,
    pub aggregation: Aggregation,
    pub state: ResourceState,
    pub start: Instant,
    pub end: Instant,
    pub quantity: i64,
    pub scale: u32,
    /// Pre-aggregated: seconds held inside the window, whose place in it is unknown.
    pub seconds: Option<i64>,
    /// No evidence reaches the end of this interval: the source should have reported by then.
    pub estimated: bool,
}
