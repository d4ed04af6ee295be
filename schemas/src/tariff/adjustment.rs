//! [`Adjustment`]: what changes an account's amounts after (an allowance: before) they are priced,
//! in the one order in which the tariff lists them. [`Fee`]: what is due without usage.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ZeroUsage;
use crate::{MeterId, PriceUnit, RoundTo, TaxCategoryId};

/// One step of the visible list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// As it stands on the line: `Volume discount`.
    pub name: String,
    #[serde(flatten)]
    pub kind: AdjustmentKind,
    #[serde(default)]
    pub scope: AdjustmentScope,
    /// What an allowance, a minimum, a maximum or a commitment is counted over.
    #[serde(default)]
    pub pool: Pool,
    /// Counted over each window of so many seconds alone, as the rates' `window` cuts them.
    #[serde(default)]
    pub windows: bool,
    /// Where windows are counted alone, those without usage too fall short of what is due in each.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unused_windows: bool,
}

/// Which lines it bears on. Empty lists mean all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AdjustmentScope {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub meters: BTreeSet<MeterId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<String>,
    /// Names of rates.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rates: BTreeSet<String>,
    /// Whether fees are among them. With meters, services and rates all empty: everything is, unless
    /// it is of usage alone.
    #[serde(default)]
    pub fees: bool,
    /// Usage, and no fees.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub usage_only: bool,
}

impl AdjustmentScope {
    pub fn is_everything(&self) -> bool {
        self.is_open() && !self.usage_only
    }

    /// Whether it names no meter, service or rate.
    pub fn is_open(&self) -> bool {
        self.meters.is_empty() && self.services.is_empty() && self.rates.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "adjust")]
pub enum AdjustmentKind {
    /// Units of a meter that cost nothing, taken before the price model. In `unit` x the rate's `per`.
    Allowance {
        #[serde(with = "super::wide")]
        quantity_nano: i128,
        unit: PriceUnit,
        /// Off the units as a rate rounds them; otherwise before they are rounded.
        #[serde(default, skip_serializing_if = "is_false")]
        after_rounding: bool,
    },
    /// A share off each line: 10 % is 100,000,000.
    Discount { rate_nano: i64 },
    /// A sum off the pool, at most what the lines come to.
    Credit {
        #[serde(with = "super::wide")]
        amount_nano: i128,
    },
    /// What the pool falls short of is billed as a true-up.
    Minimum {
        #[serde(with = "super::wide")]
        amount_nano: i128,
        #[serde(default)]
        proration: Proration,
    },
    /// What the pool exceeds is taken off.
    Maximum {
        #[serde(with = "super::wide")]
        amount_nano: i128,
        #[serde(default)]
        proration: Proration,
    },
    /// Usage up to the amount is covered; what is above costs `overage_nano` times its price.
    Commitment {
        #[serde(with = "super::wide")]
        amount_nano: i128,
        #[serde(default = "one_nano")]
        overage_nano: i64,
        /// What is not used is billed nevertheless.
        #[serde(default)]
        true_up: bool,
        /// The committed amount has been paid already: only overage is billed.
        #[serde(default)]
        prepaid: bool,
        #[serde(default)]
        proration: Proration,
    },
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn one_nano() -> i64 {
    1_000_000_000
}

/// What usage is summed over before it is priced or adjusted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    #[default]
    Account,
    Project,
    Site,
    Resource,
}

/// What is due of a price for a part of its period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Proration {
    /// The whole price, however short the part.
    None,
    /// Seconds over the seconds of the period.
    #[default]
    Second,
    /// Local calendar days over those of the period; a day of 23 or 25 hours is one day, and a day
    /// begun is a whole one.
    Day {
        #[serde(default)]
        count: DayCount,
        /// Decimals of the ratio, and how it is rounded to them; exact where absent.
        #[serde(default)]
        ratio: Option<(u32, RoundTo)>,
    },
}

/// The days that a month is taken to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DayCount {
    #[default]
    Actual,
    /// Thirty, whatever the month.
    Thirty,
}

/// A price without usage: recurring, or once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fee {
    /// As it stands on the line, and what makes it the same fee in a later version.
    pub name: String,
    pub service: String,
    pub tax_category: TaxCategoryId,
    pub every: FeeEvery,
    #[serde(default)]
    pub proration: Proration,
    pub amount: FeeAmount,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeeEvery {
    /// Each local calendar month in which the tariff is in force for the account.
    Month,
    /// Once, when the tariff comes into force for the account.
    Once,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum FeeAmount {
    Flat {
        #[serde(with = "super::wide")]
        amount_nano: i128,
    },
    /// The price of the lowest tier into which the units of every meter named fit.
    Capacity {
        tiers: Vec<CapacityTier>,
        /// Where nothing of any meter named is used.
        #[serde(default = "first_tier", skip_serializing_if = "is_first_tier")]
        zero_usage: ZeroUsage,
    },
}

fn first_tier() -> ZeroUsage {
    ZeroUsage::FirstFlat
}

fn is_first_tier(zero_usage: &ZeroUsage) -> bool {
    *zero_usage == first_tier()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityTier {
    /// The most units of each meter; a meter that is not named is not limited. Empty: no limit.
    pub up_to: Vec<CapacityLimit>,
    #[serde(with = "super::wide")]
    pub amount_nano: i128,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityLimit {
    pub meter: MeterId,
    #[serde(with = "super::wide")]
    pub quantity_nano: i128,
    pub unit: PriceUnit,
}
