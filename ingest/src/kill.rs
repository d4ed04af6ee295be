//! Named points at which fault tests end the process as a power cut would, nothing unwound, flushed
//! or closed, or let one thread stand still while the others go on.
//!
//! `TURNPIKE_KILL_AT=after_commit:3` aborts at the third pass of the point `after_commit`.
//! `TURNPIKE_STALL_AT=after_poll:90:FILE` makes FILE at that pass and waits until somebody removes
//! it. The variables are read once; without them a point costs one atomic load.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// All points, in the order in which a batch passes them.
pub const POINTS: [&str; 5] =
    ["after_poll", "after_decode", "before_parquet", "after_commit", "before_offset_commit"];

/// Further points, which only a submission by HTTP passes, after all others.
pub const HTTP_POINTS: [&str; 1] = ["before_answer"];

/// The points of a rating run: nothing is read, nothing is stored, stored but not recorded.
pub const RATE_POINTS: [&str; 3] = ["rate_after_read", "rate_before_publish", "rate_before_record"];

/// How often a thread that stands still looks whether it may go on.
const LOOK: Duration = Duration::from_millis(20);

/// One pass of one point.
struct Pass {
    point: String,
    number: u64,
    passed: AtomicU64,
}

impl Pass {
    fn is_now(&self, point: &str) -> bool {
        self.point == point && self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.number
    }
}

struct Faults {
    kill: Option<Pass>,
    stall: Option<(Pass, PathBuf)>,
}

static FAULTS: OnceLock<Option<Faults>> = OnceLock::new();

/// Aborts or stands still here if the environment asks for it.
pub fn at(point: &'static str) {
    let Some(faults) = FAULTS.get_or_init(from_environment) else { return };
    if faults.kill.as_ref().is_some_and(|kill| kill.is_now(point)) {
        std::process::abort();
    }
    if let Some((pass, file)) = &faults.stall
        && pass.is_now(point)
        && std::fs::write(file, point).is_ok()
    {
        while file.exists() {
            std::thread::sleep(LOOK);
        }
    }
}

fn from_environment() -> Option<Faults> {
    let kill = std::env::var("TURNPIKE_KILL_AT").ok().and_then(|text| {
        let (point, number) = text.split_once(':').unwrap_or((&text, "1"));
        pass(point, number)
    });
    let stall = std::env::var("TURNPIKE_STALL_AT").ok().and_then(|text| {
        let mut parts = text.splitn(3, ':');
        let pass = pass(parts.next()?, parts.next()?)?;
        Some((pass, PathBuf::from(parts.next()?)))
    });
    (kill.is_some() || stall.is_some()).then_some(Faults { kill, stall })
}

fn pass(point: &str, number: &str) -> Option<Pass> {
    Some(Pass { point: point.to_owned(), number: number.parse().ok()?, passed: AtomicU64::new(0) })
}
