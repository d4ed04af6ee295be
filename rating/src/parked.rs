//! Accounts that cannot be priced, and usage that belongs to no account: kept, shown, never billed
//! at zero.

use std::fmt;

use serde::{Deserialize, Serialize};
use turnpike_schemas::{AccountId, Instant, MeterId, OwnerRef, ResourceId};

/// Why an account is parked. The code is stable; the text names the offender.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParkReason {
    pub code: ParkCode,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkCode {
    MissingCurrency,
    CurrencyMismatch,
    TariffGap,
    TariffOverlap,
    UnknownTariff,
    UnpricedMeter,
    UnknownMeter,
    MeterMismatch,
    QuantityScale,
    AgreementGap,
    AgreementOverlap,
    UnknownSeller,
    UnknownTaxCategory,
    OwnerOverlap,
    /// The price of a piece of usage is to be read where there is none.
    UnknownPrice,
    Overflow,
}

impl ParkCode {
    pub fn as_str(self) -> &'static str {
        match self {
            ParkCode::MissingCurrency => "missing_currency",
            ParkCode::CurrencyMismatch => "currency_mismatch",
            ParkCode::TariffGap => "tariff_gap",
            ParkCode::TariffOverlap => "tariff_overlap",
            ParkCode::UnknownTariff => "unknown_tariff",
            ParkCode::UnpricedMeter => "unpriced_meter",
            ParkCode::UnknownMeter => "unknown_meter",
            ParkCode::MeterMismatch => "meter_mismatch",
            ParkCode::QuantityScale => "quantity_scale",
            ParkCode::AgreementGap => "agreement_gap",
            ParkCode::AgreementOverlap => "agreement_overlap",
            ParkCode::UnknownSeller => "unknown_seller",
            ParkCode::UnknownTaxCategory => "unknown_tax_category",
            ParkCode::OwnerOverlap => "owner_overlap",
            ParkCode::UnknownPrice => "unknown_price",
            ParkCode::Overflow => "overflow",
        }
    }
}

impl ParkReason {
    pub fn new(code: ParkCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for ParkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.text)
    }
}

/// An account that this run could not price. None of its usage is in the run's lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Parked {
    pub account: AccountId,
    pub reason: ParkReason,
}

/// Usage whose owner no account claims.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unassigned {
    /// `None`: no event has named an owner.
    pub owner: Option<OwnerRef>,
    pub resource: ResourceId,
    pub meter: MeterId,
    pub first: Instant,
    /// Seconds held, or 0 for what was consumed.
    pub seconds: i64,
}
