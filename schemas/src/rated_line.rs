//! [`RatedLine`]: exact, unrounded priced usage with its provenance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Aggregation, AgreementId, Amount, Currency, MeterId, PartyId, Per, Period,
    PriceUnit, ResourceId, RunId, TariffId, TariffVersionId, TaxCategoryId,
};

/// What a line stands for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// Usage at one price: the amount follows from quantity and price.
    #[default]
    Usage,
    /// Usage whose price changes within the line (a series, a price named by events): the amount
    /// stands for itself, and an explanation shows its parts.
    Metered,
    /// A flat or recurring fee, or the flat part of a tier: the amount stands for itself.
    Fee,
    /// A discount, minimum, maximum or commitment: the amount stands for itself, with its sign.
    Adjustment,
}

impl LineKind {
    pub const ALL: [LineKind; 4] =
        [LineKind::Usage, LineKind::Metered, LineKind::Fee, LineKind::Adjustment];

    pub fn as_str(self) -> &'static str {
        match self {
            LineKind::Usage => "usage",
            LineKind::Metered => "metered",
            LineKind::Fee => "fee",
            LineKind::Adjustment => "adjustment",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Priced usage, a fee or an adjustment, exact.
///
/// Of kind `Usage`: `amount = quantity x price_nano / (unit.base_units x 10^scale x per_seconds x
/// 10^9)`, where `per_seconds` is 1 for sums. Usage in several tiers has a line for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatedLine {
    /// Hash of what identifies the line within its run: stable across runs of the same inputs.
    pub line_id: String,
    pub run: RunId,
    #[serde(default)]
    pub kind: LineKind,
    pub account: AccountId,
    /// Who sells: the account's home franchisee.
    pub seller: PartyId,
    pub project: Option<String>,
    /// Where it was used, as the source or the book names it.
    pub site: Option<String>,
    pub resource: ResourceId,
    pub resource_kind: String,
    pub meter: MeterId,
    pub service: String,
    /// The name of the rate, fee or adjustment, and the tier: `Tier 2: above 10 GiB`. Empty where
    /// the meter and its price say all.
    #[serde(default)]
    pub detail: String,
    pub attributes: BTreeMap<String, String>,
    pub tariff: TariffId,
    pub tariff_version: TariffVersionId,
    pub agreement: Option<AgreementId>,
    pub tax_category: TaxCategoryId,
    pub aggregation: Aggregation,
    /// Held meters: quantity x seconds; sums: the quantity. At 10^-scale base units.
    #[serde(with = "crate::charge::text_i128")]
    pub quantity: i128,
    pub scale: u32,
    /// Seconds during which anything was held: what a reader expects to see as the time used.
    pub seconds: i64,
    pub price_nano: i64,
    pub unit: PriceUnit,
    pub per: Per,
    /// Seconds of `per`: those of the local calendar month for a monthly price, 1 for sums.
    pub per_seconds: i64,
    pub currency: Currency,
    pub amount: Amount,
    /// From the first second used to the last, of what this line sums.
    pub service_period: Period,
    pub intervals: i64,
    /// Part of it lies past the last evidence of its source.
    pub estimated: bool,
}
