//! Parties, sites and accounts: who sells, where, and who is billed.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Currency, Instant, OwnerRef, PartyId, SiteId, TariffId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyKind {
    Franchisor,
    MasterFranchisee,
    Franchisee,
}

/// A postal address as it stands on an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Address {
    pub lines: Vec<String>,
    pub postal_code: String,
    pub city: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// Franchisor, master franchisee or franchisee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    pub id: PartyId,
    pub name: String,
    pub kind: PartyKind,
    pub address: Address,
    /// VAT identification number.
    pub tax_id: Option<String>,
    pub email: Option<String>,
    /// Prefix of its invoice numbers: `LYO` gives `LYO-2026-000001`.
    pub invoice_series: String,
    /// Days from issue to due date.
    pub payment_days: u32,
    pub payment_note: Option<String>,
}

/// A data centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    pub id: SiteId,
    pub name: String,
    pub party: PartyId,
    pub region: Option<String>,
}

/// Says that what an owner holds is billed to this account, over `[valid_from, valid_to)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRule {
    pub owner: OwnerRef,
    pub valid_from: Option<Instant>,
    pub valid_to: Option<Instant>,
}

/// Which tariff prices the account's usage, over `[valid_from, valid_to)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffAssignment {
    pub tariff: TariffId,
    pub valid_from: Option<Instant>,
    pub valid_to: Option<Instant>,
}

/// The party billed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    /// The home franchisee (or the franchisor itself) that sells to it.
    pub seller: PartyId,
    /// `None` where the book does not say: the account is parked, never guessed.
    pub currency: Option<Currency>,
    /// Its local calendar: months and days of its invoices.
    #[serde(with = "crate::time::zone_name")]
    pub time_zone: Tz,
    pub address: Address,
    pub tax_id: Option<String>,
    pub email: Option<String>,
    pub owners: Vec<OwnerRule>,
    pub tariffs: Vec<TariffAssignment>,
    /// A tax category that replaces those of the tariff, such as a reverse charge.
    pub tax_category: Option<crate::TaxCategoryId>,
}
