//! [`StopSignal`]: asks a running source to drain and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag shared by whoever asks a source to stop and the source itself; it cannot be taken back.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    stopped: Arc<AtomicBool>,
    parent: Option<Arc<StopSignal>>,
}

impl StopSignal {
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that this one stops too, and that leaves this one alone.
    pub(crate) fn child(&self) -> Self {
        Self { stopped: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
            || self.parent.as_ref().is_some_and(|parent| parent.is_stopped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stops_with_its_parent_and_not_the_other_way_round() {
        let parent = StopSignal::new();
        let (first, second) = (parent.child(), parent.clone().child());
        first.stop();
        assert!(first.is_stopped() && !parent.is_stopped() && !second.is_stopped());
        parent.clone().stop();
        assert!(parent.is_stopped() && second.is_stopped());
    }
}
