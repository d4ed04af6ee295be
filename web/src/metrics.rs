//! [`Metrics`]: numbers for Prometheus.

use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;

/// The registry behind `/metrics`. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds metrics of the root's own. What [`crate::Status`] reports is there already.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}
