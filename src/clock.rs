//! The one place where the clock is read.
//!
//! Owns: the system clock, or a fixed instant in its place (`--now`).
//! Does not own: what is done with the time; every other crate gets it as an argument.
//! Invariants: a fixed clock never moves, so that two runs of the same command agree.

use std::sync::Arc;

use turnpike_schemas::Instant;

/// The shape in which the crates below take a clock that goes on.
pub type ClockFn = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The system clock, or a fixed instant.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    fixed: Option<Instant>,
}

impl Clock {
    pub fn new(fixed: Option<Instant>) -> Self {
        Self { fixed }
    }

    pub fn now(&self) -> Instant {
        self.fixed.unwrap_or_else(system_now)
    }

    pub fn to_fn(self) -> ClockFn {
        Arc::new(move || self.now())
    }
}

#[expect(clippy::disallowed_methods, reason = "the composition root is where the clock is read")]
fn system_now() -> Instant {
    Instant::from_chrono(chrono::Utc::now()).unwrap_or(Instant::MIN)
}
