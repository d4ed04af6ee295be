//! Metering: a fold from (opening state, events in time order) to (usage intervals, closing state).
//!
//! The rules, in one place:
//! - A transition or snapshot holds from its time on; what it does not mention is unchanged.
//! - A resource that was never seen, in an event that says since when it is held, was held since
//!   then: a lost start is healed.
//! - An audit confirms. Where it differs from what is known, the change is put at the latest of its
//!   window's start, the last evidence, and the instant since when the source says so.
//! - After an end nothing is held until an event that begins later. A late audit of the life that
//!   ended says nothing.
//! - Windows are evidence, never quantities. What was consumed counts at the last microsecond
//!   before its window's end, when its report was complete.
//! - A counter's first reading is its baseline; within an incarnation the difference counts, and
//!   after a reset (another incarnation, or a smaller reading) the new reading.
//! - An interval that says that it is so since its window's start reports all the time since a
//!   reset: of two that overlap the later counts less the earlier.
//! - Sizes told of a resource in the state unknown bill nothing; they are what it begins with.
//!
//! Intervals come out unclipped, in microseconds; whoever prices them floors each instant to its
//! second. Nothing here knows accounts, prices or periods.

mod counter;
mod event;
mod fold;
mod state;
#[cfg(test)]
mod tests;

pub use event::{EventReader, MeteredEvent};
pub use fold::Fold;
pub(crate) use state::is_remembered;
pub use state::{Counter, Held, Metered};

/// Version of the fold: states stored by another version are not read.
pub const FOLD_VERSION: &str = "3";
