//! Price models: from the exact sums of one price term to an exact amount. One file each.

mod per_unit;

use turnpike_schemas::{Amount, Currency, Meter, Rate};

pub use per_unit::PerUnit;

use crate::gather::{GatherKey, Gathered};
use crate::parked::ParkReason;

/// What a price model is given: one gathered sum with the terms that price it.
#[derive(Debug, Clone, Copy)]
pub struct PriceTerm<'a> {
    pub key: &'a GatherKey,
    pub gathered: &'a Gathered,
    pub meter: &'a Meter,
    pub rate: &'a Rate,
    pub currency: Currency,
}

/// A price model.
pub trait Price: Sync {
    /// The exact amount, or why it has none.
    fn amount(&self, term: &PriceTerm<'_>) -> Result<Amount, ParkReason>;
}

/// The model of a rate. Per-unit prices are the only ones so far.
pub fn model_of(_rate: &Rate) -> &'static dyn Price {
    &PerUnit
}
