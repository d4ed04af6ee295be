//! [`Invoice`]: a finalised (or draft) document, as the value that is hashed, stored and rendered.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{Account, Charge, Currency, InvoiceId, Money, Party, Period, RunId, TaxCategoryId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvoiceStatus {
    Draft,
    Finalized,
}

impl InvoiceStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            InvoiceStatus::Draft => "draft",
            InvoiceStatus::Finalized => "finalized",
        }
    }
}

/// Tax of one category: computed on the total of its charges, never per line (EN 16931 BR-CO-17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxLine {
    pub category: TaxCategoryId,
    pub code: String,
    pub rate_ppm: u32,
    pub note: Option<String>,
    pub base: Money,
    pub tax: Money,
}

/// An invoice with all it was made from. A finalised one never re-reads today's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    pub id: InvoiceId,
    pub status: InvoiceStatus,
    /// Gapless within the seller's series; `None` on a draft.
    pub number: Option<String>,
    pub seller: Party,
    pub account: Account,
    pub currency: Currency,
    /// The rating period, in the account's local calendar.
    pub period: Period,
    /// `2026-10` where the period is a calendar month.
    pub period_label: String,
    pub issue_date: Option<NaiveDate>,
    pub due_date: Option<NaiveDate>,
    pub run: RunId,
    pub charges: Vec<Charge>,
    pub taxes: Vec<TaxLine>,
    pub net: Money,
    pub tax: Money,
    pub gross: Money,
    /// Part of it is estimated: it is finalised only when that is accepted.
    pub estimated: bool,
}

impl Invoice {
    /// SHA-256 of the canonical JSON, chained to the previous invoice of the series.
    pub fn chain_hash(&self, previous: &str) -> String {
        let text = crate::canonical::to_json(self);
        crate::canonical::sha256_hex(format!("{previous}\n{text}"))
    }
}
