//! What an event says, in numbers.

use turnpike_schemas::event::{EventKind, Flow, ResourceState};

/// Who holds a resource, in numbers. Of an event: what it says, with [`NONE`] for what it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Holder {
    pub(super) kind: u32,
    pub(super) parent: u32,
    pub(super) owner: u32,
    pub(super) project: u32,
    pub(super) site: u32,
    pub(super) region: u32,
    pub(super) source: u32,
    pub(super) attributes: u32,
    pub(super) tags: u32,
}

/// What an event says besides its time and measurements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) kind: EventKind,
    pub(super) state: Option<ResourceState>,
    pub(super) terminal: bool,
    pub(super) window: Option<(i64, i64)>,
    pub(super) since: Option<i64>,
    pub(super) incarnation: u32,
    pub(super) said: Said,
}

/// What an event says of the holder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub(super) holder: Holder,
    pub(super) says_tags: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    pub(super) meter: u32,
    pub(super) flow: Flow,
    pub(super) quantity: i64,
    pub(super) scale: u32,
}

impl Head {
    /// Order among events of one instant, as [`turnpike_schemas::UsageEvent::rank`] says.
    pub(super) fn rank(&self) -> u8 {
        match (self.terminal, self.kind) {
            (true, _) => 2,
            (false, EventKind::Audit) => 1,
            (false, _) => 0,
        }
    }
}
