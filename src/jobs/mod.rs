//! What commands, demo and scheduler do alike: rate, draft, finalize.
//!
//! Owns: the order of the steps between lake, rating, books and invoices.
//! Does not own: any figure; the crates below compute them.
//! Invariants: a run is recorded in the books only after its lines are in the lake, so that a
//! recorded run can always be read.

mod finalize;
mod gaps;
mod invoice;
mod rate;
mod revision;

pub use finalize::{Accepted, FinalizeReport, finalize};
pub use gaps::{gaps, gaps_of_window, touching};
pub use invoice::{DraftReport, draft, draft_lines, drafts, lines_of, window_of};
pub use rate::{RateReport, rate, rate_stored};
pub use revision::{Against, Earlier, against};

use turnpike_schemas::Instant;
use uuid::{NoContext, Timestamp, Uuid};

/// A new id with a prefix: time-ordered, 32 hexadecimal digits.
pub fn new_id(prefix: &str, now: Instant) -> String {
    let seconds = u64::try_from(now.floor_seconds()).unwrap_or(0);
    let nanos = u32::try_from(now.micros().rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    let id = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos));
    format!("{prefix}_{}", id.simple())
}
