//! Rating: from usage to exact, unrounded rated lines.
//!
//! Owns: metering (the fold from events to usage intervals), the look-up of account, tariff version
//! and agreement in force at an instant, the exact sums per price term, the price models, the
//! DataFusion plan that runs all of it by bucket, and the walk back from a line to its events.
//!
//! Does not own: how events were decoded or stored (`ingest`, `lake`), the price book's storage
//! (`books`; here it is a value), rounding, splitting and documents (`invoices`).
//!
//! Invariants:
//! - A run is a pure function of (lake snapshot, price book, window, as-of): the same inputs give
//!   the same hash, whatever the batch size, thread count or arrival order.
//! - Money and quantities are added and multiplied by checked functions only. DataFusion moves
//!   rows; it does no arithmetic on them.
//! - What cannot be priced parks its account with a reason, and what has no account is unassigned:
//!   nothing is billed at zero and nothing is dropped in silence.
//! - There is no clock: `as_of` is an argument.

pub mod account;
pub mod breakdown;
pub mod compare;
pub mod convert;
pub mod difference;
pub mod engine;
pub mod error;
pub mod explain;
mod fast;
pub mod gather;
mod line_digest;
mod line_view;
pub mod live;
pub mod metering;
pub mod parked;
pub mod price;
pub mod price_run;
pub mod quote;
pub mod request;
pub mod run;
mod short;
pub mod tariff_lookup;

pub use account::Placement;
pub use breakdown::{BreakdownStep, breakdown};
pub use compare::{Comparison, Terms, compare};
pub use difference::{AccountDifference, LineDifference, Side, SideKey, difference};
pub use error::RatingError;
pub use explain::{ExplainedInterval, SeriesPart, explain, series_parts};
pub use live::{Advance, LiveAccount, LiveBill};
pub use parked::{ParkReason, Parked, Unassigned};
pub use quote::{Quote, QuoteBook, QuoteError, QuoteFor, ToldUsage};
pub use request::{RatingProgress, RatingRequest, Window};
pub use run::{RatingOutcome, RunInputs, rate, rate_into, rate_staged, store};
