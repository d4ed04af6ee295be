//! [`Charge`]: a group of rated lines on an invoice, rounded once and split among the parties.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Aggregation, AgreementId, Amount, LineKind, MeterId, Money, PartyId, Per, Period, PriceUnit,
    ResourceId, Rounding, TariffId, TariffVersionId, TaxCategoryId,
};

/// One party's part of a charge. Shares sum to the charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub party: PartyId,
    /// `royalty` or `proceeds`.
    pub role: String,
    pub weight_ppm: u32,
    pub money: Money,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Its place on the invoice, from 1.
    pub line: u32,
    #[serde(default)]
    pub kind: LineKind,
    pub service: String,
    pub description: String,
    pub resource: ResourceId,
    pub resource_kind: String,
    pub project: Option<String>,
    pub site: Option<String>,
    pub meter: MeterId,
    pub attributes: BTreeMap<String, String>,
    pub tariff: TariffId,
    pub tariff_version: TariffVersionId,
    pub agreement: Option<AgreementId>,
    pub tax_category: TaxCategoryId,
    pub aggregation: Aggregation,
    /// As on a rated line: quantity x seconds for held meters, at 10^-scale base units.
    #[serde(with = "text_i128")]
    pub quantity: i128,
    pub scale: u32,
    pub seconds: i64,
    pub price_nano: i64,
    pub unit: PriceUnit,
    pub per: Per,
    pub per_seconds: i64,
    pub service_period: Period,
    /// The exact sum of its rated lines.
    pub exact: Amount,
    pub rounding: Rounding,
    /// `exact`, rounded once.
    pub net: Money,
    pub shares: Vec<Share>,
    /// The rated lines it sums.
    pub rated_lines: Vec<String>,
    pub estimated: bool,
}

/// JSON numbers end at 2^53 for many readers, so wide integers travel as strings.
pub mod text_i128 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
