//! [`Tariff`]: a price list, its dated [`TariffVersion`]s and their [`Rate`]s.

mod adjustment;
mod model;
mod when;
mod wide;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use adjustment::{
    Adjustment, AdjustmentKind, AdjustmentScope, CapacityLimit, CapacityTier, DayCount, Fee,
    FeeAmount, FeeEvery, Pool, Proration,
};
pub use model::{
    BlockPolicy, BlockTier, COST_DECIMALS, Dynamic, DynamicBasis, HashMapCost, HashMapGroup,
    HashMapKind, HashMapRule, Package, PercentTier, Percentage, PriceModel, PriceSeries, Tier,
    TierBasis, Tiers, WideNumber, ZeroUsage,
};
pub use when::{EVERY_DAY, TimeOfUse, WEEK_SECONDS, WEEKEND, WORKING_DAYS};

use crate::event::ResourceState;
use crate::{
    Currency, HoldClass, Instant, MeterId, PriceUnit, RoundTo, Rounding, TariffId, TariffVersionId,
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

/// The price of a meter, where its conditions are met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub meter: MeterId,
    /// What makes it the same rate in a later version of the tariff: units counted by tiers,
    /// packages and allowances go on across versions. Empty: the meter and the conditions do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Attributes that must be equal for this rate to apply; the first rate that applies is taken.
    pub conditions: BTreeMap<String, String>,
    /// Where, and of which kind of resource, as conditions.
    #[serde(default, skip_serializing_if = "Place::is_anywhere")]
    pub place: Place,
    /// When; empty means always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimeOfUse>,
    #[serde(default, skip_serializing_if = "is_per_unit")]
    pub model: PriceModel,
    /// Nano-currency per price unit and `per`, or per package; 0 where the model has its own prices.
    pub price_nano: i64,
    pub unit: PriceUnit,
    pub per: Per,
    /// What the units are summed over before the model prices them. A linear price is the same for
    /// every pool.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pool: Pool,
    /// Each window of so many seconds of the local day is priced alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<i64>,
    /// How the units of a pool are rounded before they are priced; exact where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_units: Option<UnitRounding>,
    pub tax_category: TaxCategoryId,
}

fn is_per_unit(model: &PriceModel) -> bool {
    *model == PriceModel::PerUnit
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where a rate applies. `None`: anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_kind: Option<String>,
}

impl Place {
    pub fn is_anywhere(&self) -> bool {
        *self == Self::default()
    }
}

/// Units become a multiple of `step_nano`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRounding {
    pub step_nano: i64,
    pub to: RoundTo,
}

impl Rate {
    /// A linear price, anywhere and always.
    pub fn linear(
        meter: MeterId,
        price_nano: i64,
        unit: PriceUnit,
        per: Per,
        tax_category: TaxCategoryId,
    ) -> Self {
        Self {
            meter,
            name: String::new(),
            conditions: BTreeMap::new(),
            place: Place::default(),
            times: Vec::new(),
            model: PriceModel::PerUnit,
            price_nano,
            unit,
            per,
            pool: Pool::Account,
            window_seconds: None,
            round_units: None,
            tax_category,
        }
    }

    /// Whether the price of a unit depends on how many came before it in the month, so that usage of
    /// several months must not be summed.
    pub fn counts_units(&self) -> bool {
        let linear = matches!(
            self.model,
            PriceModel::PerUnit
                | PriceModel::Series { .. }
                | PriceModel::Dynamic(_)
                | PriceModel::HashMap { .. }
        );
        !linear || self.round_units.is_some()
    }

    pub fn applies(&self, meter: &MeterId, attributes: &BTreeMap<String, String>) -> bool {
        &self.meter == meter
            && self.conditions.iter().all(|(key, value)| attributes.get(key) == Some(value))
    }
}

/// How much of a continuous holding is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HoldingTime {
    /// At least so many seconds, counted in the period in which the holding starts.
    #[serde(default)]
    pub minimum_seconds: i64,
    /// Every started step of so many seconds, counted from the start of the holding or of the
    /// period. 0 and 1: exact seconds.
    #[serde(default)]
    pub step_seconds: i64,
}

/// What a line stands for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// Each resource has its own lines.
    #[default]
    Resource,
    /// Lines of a project's resources are summed.
    Project,
    /// Lines of all the account's resources are summed.
    Account,
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
    /// Minimum and step of continuous holdings, by meter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holding: BTreeMap<MeterId, HoldingTime>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fees: Vec<Fee>,
    /// In the order in which they apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjustments: Vec<Adjustment>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub detail: Detail,
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
    /// The tariff that prices what this one does not: its version in force at the same instant. Hold,
    /// holding times and what is included are inherited by meter; fees and adjustments are those of
    /// the tariffs before this one, then its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<TariffId>,
    /// In order of `valid_from`.
    pub versions: Vec<TariffVersion>,
}
