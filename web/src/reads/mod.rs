//! What pages read: the books and the lake, always through a scope, and sums of what they give.

mod as_of;
mod bill;
mod breakdown;
mod event_counts;
mod months;
mod parties;
mod statement;

pub use as_of::as_of;
pub use bill::{BillCache, Owed, owed};
pub use breakdown::{Breakdown, BreakdownCache, CurrencyBreakdown, breakdown};
pub use event_counts::{EventCountsCache, event_counts};
pub use months::{Months, months};
pub use parties::{Parties, parties};
pub use statement::{Section, statement};
