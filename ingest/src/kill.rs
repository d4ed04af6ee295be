//! Named points at which fault tests end the process as a power cut would: nothing is unwound,
//! flushed or closed.
//!
//! `TURNPIKE_KILL_AT=after_commit:3` aborts at the third pass of the point `after_commit`. The
//! variable is read once; without it a point costs one atomic load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// All points, in the order in which a batch passes them.
pub const POINTS: [&str; 5] =
    ["after_poll", "after_decode", "before_parquet", "after_commit", "before_offset_commit"];

/// Further points, which only a submission by HTTP passes, after all others.
pub const HTTP_POINTS: [&str; 1] = ["before_answer"];

/// The points of a rating run: nothing is read, nothing is stored, stored but not recorded.
pub const RATE_POINTS: [&str; 3] = ["rate_after_read", "rate_before_publish", "rate_before_record"];

struct Kill {
    point: String,
    pass: u64,
    passed: AtomicU64,
}

static KILL: OnceLock<Option<Kill>> = OnceLock::new();

/// Aborts here if the environment asks for it.
pub fn at(point: &'static str) {
    let Some(kill) = KILL.get_or_init(from_environment) else { return };
    if kill.point == point && kill.passed.fetch_add(1, Ordering::Relaxed) + 1 == kill.pass {
        std::process::abort();
    }
}

fn from_environment() -> Option<Kill> {
    let text = std::env::var("TURNPIKE_KILL_AT").ok()?;
    let (point, pass) = text.split_once(':').unwrap_or((&text, "1"));
    Some(Kill { point: point.to_owned(), pass: pass.parse().ok()?, passed: AtomicU64::new(0) })
}
