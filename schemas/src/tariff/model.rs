//! [`PriceModel`]: how the units of a pool become an amount.
//!
//! Units are price units (GiB, 1000 requests) for sums, and price units x `per` for what is held
//! (GiB-months, vCPU-hours). Numbers are integers of 10^-9, exact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Fraction, Instant, RoundTo};

/// How units become an amount. One file each in `rating/src/price/`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum PriceModel {
    /// Units x `Rate::price_nano`.
    #[default]
    PerUnit,
    /// Each unit at the price of the tier in which it falls.
    Graduated(Tiers),
    /// All units at the price of the tier that the total reaches.
    Volume(Tiers),
    /// `Rate::price_nano` for each package of `size_nano` units.
    Package(Package),
    /// A share of an amount of money that the meter measures, event by event.
    Percentage(Percentage),
    /// Each unit of an amount of money at the share of the tier in which it falls.
    GraduatedPercentage {
        tiers: Vec<PercentTier>,
        /// Without usage: whether the flat fee of the first tier is due.
        #[serde(default)]
        zero_usage: ZeroUsage,
    },
    /// Blocks of units, rounded up within each tier.
    Blocks { policy: BlockPolicy, tiers: Vec<BlockTier> },
    /// The price of a series at each second.
    Series { series: String },
    /// The event names its price in an attribute.
    Dynamic(Dynamic),
    /// Costs by service, fields and thresholds, per unit or as a lump, by group.
    HashMap { groups: BTreeMap<String, HashMapGroup> },
}

/// Tiers of graduated and volume prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tiers {
    /// Ascending; only the last may be open.
    pub tiers: Vec<Tier>,
    #[serde(default)]
    pub basis: TierBasis,
    /// Without usage: whether the flat fee of the first tier is due.
    #[serde(default)]
    pub zero_usage: ZeroUsage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The last unit of this tier, inclusive. `None`: all units above the tier before.
    #[serde(with = "super::wide::optional", default)]
    pub up_to_nano: Option<i128>,
    pub price_nano: i64,
    /// Due once when a unit falls in the tier.
    #[serde(default)]
    pub flat_nano: i64,
}

/// Which number a tier is chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TierBasis {
    /// The units of the period so far.
    #[default]
    Total,
    /// The quantity held at each instant, in price units, whatever part of the period it is held:
    /// graduated prices are those of each instant, weighed by time; a volume price is that of the
    /// highest quantity held in the period.
    Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroUsage {
    #[default]
    Free,
    FirstFlat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Units in a package.
    pub size_nano: i64,
    /// Units before the first package.
    #[serde(default)]
    pub free_nano: i64,
    /// What becomes of the last, started package.
    #[serde(default = "round_up")]
    pub rounding: RoundTo,
}

fn round_up() -> RoundTo {
    RoundTo::Up
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Percentage {
    /// The share: 1.3 % is 13,000,000.
    pub rate_nano: i64,
    /// For each event that is not free.
    #[serde(default)]
    pub fixed_nano: i64,
    /// The first events of the period are free, until either limit is reached. 0: no such limit.
    #[serde(default)]
    pub free_events: Option<i64>,
    /// The first units of the period are free, until either limit is reached. 0: no such limit.
    #[serde(default)]
    pub free_nano: Option<i64>,
    /// Least amount of one event.
    #[serde(default)]
    pub minimum_nano: Option<i64>,
    /// Greatest amount of one event.
    #[serde(default)]
    pub maximum_nano: Option<i64>,
}

impl Percentage {
    /// Whether the first events or units are free: then the order of events matters.
    pub fn has_free(&self) -> bool {
        self.free_events.is_some_and(|events| events > 0)
            || self.free_nano.is_some_and(|units| units > 0)
    }

    /// Whether each event has to be priced alone.
    pub fn is_by_event(&self) -> bool {
        self.fixed_nano != 0
            || self.free_events.is_some()
            || self.minimum_nano.is_some()
            || self.maximum_nano.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PercentTier {
    #[serde(with = "super::wide::optional", default)]
    pub up_to_nano: Option<i128>,
    pub rate_nano: i64,
    #[serde(default)]
    pub flat_nano: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockPolicy {
    /// Each tier prices the blocks that fall in it.
    AllTiers,
    /// The tier reached prices all blocks.
    TopTier,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockTier {
    /// Units in a block.
    pub size_nano: i64,
    pub price_nano: i64,
    /// `None`: no limit.
    pub blocks_max: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dynamic {
    /// The attribute of the event that holds a decimal number.
    pub attribute: String,
    pub basis: DynamicBasis,
    /// The attribute's number times this is major units of the currency.
    #[serde(default = "one_nano")]
    pub multiplier_nano: i64,
}

fn one_nano() -> i64 {
    1_000_000_000
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DynamicBasis {
    /// The attribute is the price of one unit.
    Unit,
    /// The attribute is the amount of the event as a whole; for sums only.
    Total,
}

/// A group of a HashMap: the groups' costs add up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HashMapGroup {
    pub costs: Vec<HashMapCost>,
}

/// A mapping or threshold of a HashMap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashMapCost {
    /// The attribute that it looks at; `None`: of the service as a whole.
    pub field: Option<String>,
    pub rule: HashMapRule,
    pub cost: HashMapKind,
    /// Nano-currency, or a factor of 10^-9.
    pub nano: i64,
    /// Where it has more decimals or digits than `nano` holds: the number, of which that is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<WideNumber>,
    /// Only for this project.
    #[serde(default)]
    pub project: Option<String>,
    #[serde(default)]
    pub valid_from: Option<Instant>,
    #[serde(default)]
    pub valid_to: Option<Instant>,
}

/// A decimal number: an integer of 10^-`decimals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WideNumber {
    #[serde(with = "crate::charge::text_i128")]
    pub value: i128,
    pub decimals: u32,
}

/// Decimals of a HashMap's cost: those of `CloudKitty`'s own column.
pub const COST_DECIMALS: u32 = 28;

impl HashMapCost {
    /// The cost or factor. `None` where the book is not one of ours: too many decimals.
    pub fn number(&self) -> Option<Fraction> {
        match &self.wide {
            None => Some(Fraction::nano(self.nano)),
            Some(wide) => Fraction::decimal(wide.value, wide.decimals),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "rule")]
pub enum HashMapRule {
    /// Of the service as a whole.
    Always,
    /// The attribute equals this text.
    Equals { value: String },
    /// The attribute (or the quantity, without a field) is at least this.
    AtLeast { level_nano: i64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashMapKind {
    Flat,
    Rate,
}

/// Prices that change at any second: what is sold while capacity is unused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceSeries {
    pub id: String,
    /// From each instant on, until the next; ascending. Before the first there is no price.
    pub points: Vec<(Instant, i64)>,
}

impl PriceSeries {
    /// The price in force at an instant.
    pub fn at(&self, instant: Instant) -> Option<i64> {
        let after = self.points.partition_point(|(from, _)| *from <= instant);
        after.checked_sub(1).and_then(|index| self.points.get(index)).map(|(_, price)| *price)
    }
}

impl PriceModel {
    /// Whether the price changes with time, event or attributes, so that usage is worth what its
    /// pieces are.
    pub fn is_pieced(&self) -> bool {
        matches!(
            self,
            PriceModel::Series { .. } | PriceModel::Dynamic(_) | PriceModel::HashMap { .. }
        )
    }

    /// Whether an event of no units may cost something.
    pub fn prices_nothing(&self) -> bool {
        match self {
            PriceModel::Percentage(percentage) => percentage.is_by_event(),
            PriceModel::Dynamic(dynamic) => dynamic.basis == DynamicBasis::Total,
            _ => false,
        }
    }

    /// Whether each event, or each level held, is looked at alone.
    pub fn wants_steps(&self) -> bool {
        match self {
            PriceModel::Percentage(percentage) => percentage.is_by_event(),
            PriceModel::Graduated(tiers) | PriceModel::Volume(tiers) => {
                tiers.basis == TierBasis::Held
            }
            _ => false,
        }
    }
}

impl Tier {
    pub fn up_to(&self) -> Option<Fraction> {
        self.up_to_nano.map(Fraction::nano)
    }
}
