//! Waiting for a condition. The only place in the tests that pauses, and never as a guess of how
//! long something takes: the pause lies between two looks, or is a fault's own length.

use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `probe` gives a value, and fails the test, naming `what`, once `limit` has passed.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "waited {} s for {what}", limit.as_secs());
        thread::sleep(PAUSE);
    }
}

/// Lets a fault last: how long a broker is away is what a test is about, and nothing that it waits
/// for.
pub fn pass(time: Duration) {
    thread::sleep(time);
}
