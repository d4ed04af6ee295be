//! Domain types and every schema of turnpike.
//!
//! Owns: ids, currencies, exact money arithmetic, periods, meters, usage events, tariffs,
//! agreements, the price book as a value, rated lines, charges and invoices; the Arrow schemas of
//! all tables and the JSON Schema of the native event.
//!
//! Does not own: where any of these are stored, how events are decoded, how usage is metered or
//! priced.
//!
//! Invariants:
//! - No I/O, no clock, no async. Time comes in as an argument.
//! - No floating point. A quantity is an `i64` at a declared decimal scale, a price an `i64` of
//!   nano-currency, an [`Amount`] an exact fraction, [`Money`] an `i64` of minor units.
//! - The only road from [`Amount`] to [`Money`] is [`Amount::round`].
//! - A value that exists is valid: constructors return `Result`, and there are no setters.

pub mod agreement;
pub mod allocate;
pub mod amount;
pub mod arrow;
pub mod book;
pub mod canonical;
pub mod charge;
pub mod currency;
pub mod event;
pub mod fraction;
pub mod ids;
pub mod interval;
pub mod invoice;
pub mod meter;
pub mod money;
pub mod parse;
pub mod party;
pub mod period;
pub mod rated_line;
pub mod scope;
pub mod tariff;
pub mod time;
pub mod total;
pub mod wire;

pub use agreement::FranchiseAgreement;
pub use allocate::allocate;
pub use amount::{Amount, Rounding};
pub use book::PriceBook;
pub use charge::{Charge, Share};
pub use currency::Currency;
pub use event::{EventKind, Flow, Measurement, UsageEvent};
pub use fraction::{Fraction, RoundTo};
pub use ids::*;
pub use interval::UsageInterval;
pub use invoice::Invoice;
pub use meter::{Aggregation, HoldClass, Measure, Meter, PriceUnit};
pub use money::Money;
pub use party::{Account, Address, OwnerRule, Party, PartyKind, Site};
pub use period::{Period, PeriodError};
pub use rated_line::{LineKind, RatedLine};
pub use scope::Scope;
pub use tariff::{
    Adjustment, AdjustmentKind, Fee, Per, Pool, PriceModel, Rate, Tariff, TariffVersion,
};
pub use time::Instant;
pub use total::{Total, WideSum};
