//! From a record that a hypervisor or storage system sent to a row of `usage_events`.
//!
//! Owns: the sources (files, Kafka, HTTP), the three wire forms (CloudEvents, oslo.messaging, plain
//! JSON), one adapter per reporting system, the reasons for dead letters, redaction, and the
//! best-effort duplicate filter.
//!
//! Does not own: the tables and what finally counts as a duplicate (`lake`), accounts, prices,
//! how usage is metered.
//!
//! Invariants:
//! - Every record ends as at least one row: accepted, duplicate, conflict or dead. Nothing is
//!   dropped, and nothing that a record holds can stop the records after it.
//! - Rows and the progress of their source are one commit. A source is read from where the table
//!   says, never from where a broker or a local file remembers.
//! - No number passes through a float.
//! - Secrets are masked before anything is stored.

pub mod adapters;
pub mod cloudevents;
pub mod file;
pub mod http;
pub mod inventory;
pub mod json;
pub mod kafka;
pub mod kill;
pub mod metrics;
pub mod reason;
pub mod redact;
pub mod replay;

mod batch;
mod block;
mod capture;
mod check;
mod columns;
mod counts;
mod decode;
mod error;
mod fast;
mod fields;
mod filter;
mod flat;
mod gap;
mod installation;
mod long;
mod preview;
mod quantity;
mod report;
mod settings;
mod spare;
mod stop;
mod writer;

pub use adapters::{Adapter, adapters};
pub use decode::{DecodeContext, Decoded, Record, Reject, decode};
pub use error::{Fault, IngestError};
#[doc(hidden)]
pub use filter::time_identities;
pub use gap::{Gap, gaps};
pub use installation::{Installation, InvalidInstallation};
pub use metrics::{IngestMetrics, MetricsSnapshot, SECONDS_BOUNDS_MS, SecondsSnapshot};
pub use preview::to_batches;
pub use report::{IngestProgress, IngestReport};
pub use settings::{IngestSettings, Pins};
pub use stop::StopSignal;

#[cfg(test)]
pub(crate) mod tests;
