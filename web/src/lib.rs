//! The pages: dashboard of the provider, portal of the customers, health and metrics; and the
//! interface through which programs send usage events.
//!
//! Owns: routes, views, templates, static files, sessions, portal links and API keys (`access`), response
//! headers, error pages, the metrics registry.
//!
//! Does not own: any SQL, how money is summed, rounded or written, what the background jobs do
//! (they report through [`Status`]).
//!
//! Invariants:
//! - Every read of accounts and invoices takes a [`turnpike_schemas::Scope`], made from who asks
//!   and nothing else. A foreign id is answered exactly like a missing one.
//! - A customer never sees a split, nor any party but the seller.
//! - Every page works without scripts, which only add comfort; no page has an inline
//!   script or style, and no template turns escaping off.
//! - Causes of failures go to the log, never into a page: a page has a request id.

mod access;
mod api;
mod app;
mod assets;
mod chart;
mod envelope;
mod error;
mod filters;
mod metrics;
mod pages;
mod paging;
mod reads;
mod serve;
mod settings;
mod state;
mod status;
#[cfg(test)]
mod tests;

pub use access::{MintedKey, mint_key, portal_link};
pub use metrics::Metrics;
pub use serve::{ServeError, serve, serve_admin};
pub use settings::{SECRET_CHARS_MIN, Secret, SecretError, WebSettings};
pub use state::{Clock, WebState};
pub use status::{IngestCounts, JobStatus, ServiceStatus, SourceStatus, Status, StatusBoard};
