//! What a resource holds, in numbers, and where that is priced.

use turnpike_schemas::event::ResourceState;

use super::route::Place;

/// A number that is not known yet.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// A quantity held since an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) meter: u32,
    pub(super) quantity: i64,
    pub(super) scale: u32,
    pub(super) from: i64,
    pub(super) ways: [Way; LANES],
}

/// How many books price the same usage at one go, each on a lane of its own.
pub(super) const LANES: usize = 2;

/// Of a holder on each lane.
pub(super) type Places = [Place; LANES];

pub(super) const NOWHERE: Places = [Place::UNKNOWN; LANES];

/// Where a held quantity is priced on a lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// Once that is known: it is the same until the holder changes.
    pub(super) route: u32,
    pub(super) last: Last,
}

impl Way {
    pub(super) const NONE: Self = Self { route: UNKNOWN, last: Last::NONE };
}

/// Where usage was summed last, and where more of it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    /// [`UNKNOWN`] where nothing was yet.
    pub(super) sum: u32,
    pub(super) state: ResourceState,
    /// The stretch of time within which it is the same sum.
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Last {
    pub(super) const NONE: Self =
        Self { sum: UNKNOWN, state: ResourceState::Unknown, start: 0, end: 0 };
}

impl Held {
    /// Where it is priced has to be looked at again.
    pub(super) fn forget_route(&mut self) {
        self.ways = [Way::NONE; LANES];
    }
}

/// The last reading of a counter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter {
    pub(super) meter: u32,
    pub(super) incarnation: u32,
    pub(super) value: i64,
    pub(super) scale: u32,
    pub(super) at: i64,
}
