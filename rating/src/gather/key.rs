//! What a rated line sums over.

use std::collections::BTreeMap;

use serde::Serialize;
use turnpike_schemas::{
    AccountId, AgreementId, Instant, MeterId, ResourceId, TariffId, TariffVersionId, TaxCategoryId,
};

/// What is the same for all usage of one rated line, in the order in which lines are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct GatherKey {
    pub account: AccountId,
    pub service: String,
    pub project: Option<String>,
    pub resource: ResourceId,
    pub meter: MeterId,
    pub site: Option<String>,
    pub attributes: BTreeMap<String, String>,
    pub tariff: TariffId,
    pub tariff_version: TariffVersionId,
    /// Which rate of the version.
    pub rate_index: usize,
    pub per_seconds: i64,
    pub agreement: Option<AgreementId>,
    pub tax_category: TaxCategoryId,
    pub estimated: bool,
}

/// Sums over the usage of one rated line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    pub resource_kind: String,
    /// Quantity x seconds of held meters, the quantity of sums; at the meter's scale.
    pub quantity: i128,
    pub seconds: i64,
    pub first: Instant,
    pub last: Instant,
    pub intervals: i64,
}

impl Gathered {
    /// Adds `other`; `None` on overflow, and then nothing is changed.
    pub fn add(&mut self, other: &Gathered) -> Option<()> {
        let quantity = self.quantity.checked_add(other.quantity)?;
        let seconds = self.seconds.checked_add(other.seconds)?;
        self.intervals = self.intervals.checked_add(other.intervals)?;
        self.quantity = quantity;
        self.seconds = seconds;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        Some(())
    }
}
