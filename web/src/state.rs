//! [`WebState`]: what every request handler has at hand.

use std::sync::Arc;

use turnpike_books::Books;
use turnpike_ingest::http::Submitter;
use turnpike_lake::Lake;
use turnpike_schemas::Instant;

use crate::{Metrics, Status, WebSettings};

/// The clock is an argument, here as everywhere: only the root reads the real one.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

#[derive(Clone)]
pub struct WebState {
    pub books: Books,
    pub lake: Lake,
    pub clock: Clock,
    pub settings: WebSettings,
    pub status: Arc<dyn Status>,
    pub metrics: Metrics,
    /// Where events go that come by HTTP.
    pub submitter: Submitter,
}

impl WebState {
    pub fn now(&self) -> Instant {
        (self.clock)()
    }
}
