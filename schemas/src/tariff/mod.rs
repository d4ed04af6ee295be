//! [`Tariff`]: a price list, its dated [`TariffVersion`]s and their [`Rate`]s.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::event::ResourceState;
use crate::{
    Currency, HoldClass, Instant, MeterId, PriceUnit, Rounding, TariffId, TariffVersionId,
    TaxCategoryId,
};

/// What a price is for: one price unit held for this long, or one unit consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    Second,
    Hour,
    Day,
    /// A calendar month of the account's time zone, whatever its length.
    Month,
    /// One unit consumed; for meters that are sums.
    Unit,
}

impl Per {
    /// Seconds of the fixed lengths. A day is 86,400 s, also when a local day has 23 or 25 hours.
    pub fn seconds(self) -> Option<i64> {
        match self {
            Per::Second => Some(1),
            Per::Hour => Some(3_600),
            Per::Day => Some(86_400),
            Per::Month | Per::Unit => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Per::Second => "second",
            Per::Hour => "hour",
            Per::Day => "day",
            Per::Month => "month",
            Per::Unit => "unit",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        [Per::Second, Per::Hour, Per::Day, Per::Month, Per::Unit]
            .into_iter()
            .find(|per| per.as_str() == word)
    }
}

/// One price per unit of a meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub meter: MeterId,
    /// Attributes that must be equal for this rate to apply; the first rate that applies is taken.
    pub conditions: BTreeMap<String, String>,
    /// Nano-currency per price unit and `per`.
    pub price_nano: i64,
    pub unit: PriceUnit,
    pub per: Per,
    pub tax_category: TaxCategoryId,
}

impl Rate {
    pub fn applies(&self, meter: &MeterId, attributes: &BTreeMap<String, String>) -> bool {
        &self.meter == meter
            && self.conditions.iter().all(|(key, value)| attributes.get(key) == Some(value))
    }
}

/// A dated edition of a tariff, in force over `[valid_from, valid_to)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffVersion {
    pub id: TariffVersionId,
    pub valid_from: Instant,
    /// Open end where absent.
    pub valid_to: Option<Instant>,
    pub rates: Vec<Rate>,
    /// Meters that this version declares not to be charged for. Anything neither priced nor listed
    /// here is a gap, which parks the account.
    pub included: BTreeSet<MeterId>,
    /// In which states a held meter is billable, where this differs from the meter's hold class.
    pub hold: BTreeMap<MeterId, BTreeSet<ResourceState>>,
}

impl TariffVersion {
    pub fn in_force(&self, instant: Instant) -> bool {
        self.valid_from <= instant && self.valid_to.is_none_or(|end| instant < end)
    }

    pub fn holds(&self, meter: &MeterId, class: HoldClass, state: ResourceState) -> bool {
        match self.hold.get(meter) {
            Some(states) => states.contains(&state),
            None => class.holds(state),
        }
    }
}

/// A price list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    pub id: TariffId,
    pub name: String,
    /// `None` where the book does not say: accounts on it are parked, never guessed.
    pub currency: Option<Currency>,
    pub rounding: Rounding,
    /// In order of `valid_from`.
    pub versions: Vec<TariffVersion>,
}
