//! [`PriceBook`]: everything rating and invoicing need to know besides usage, as one value.
//!
//! A rating run is a pure function of (lake snapshot, price book, period), so the book is handed
//! over whole and its hash is stored with the run.

use serde::{Deserialize, Serialize};

use crate::meter::MeterCatalogue;
use crate::tariff::PriceSeries;
use crate::{
    Account, AccountId, FranchiseAgreement, Instant, OwnerRef, Party, PartyId, Site, SiteId,
    Tariff, TariffId, TaxCategoryId,
};

/// A tax category with its rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxCategory {
    pub id: TaxCategoryId,
    /// Duty or tax category code of UNTDID 5305, as EN 16931 uses it: S, Z, E, AE, ...
    pub code: String,
    pub rate_ppm: u32,
    /// Why nothing is charged, where the rate is zero (BT-120).
    pub note: Option<String>,
}

/// What a host of a class is rated at, over `[valid_from, valid_to)`: MIPS of one vCPU and of one
/// MHz, at 10^-6. The classes of a network are measured once, so that capacity is sold in one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostClass {
    pub class: String,
    pub mips_per_vcpu_micro: Option<i64>,
    pub mips_per_mhz_micro: Option<i64>,
    pub valid_from: Option<Instant>,
    pub valid_to: Option<Instant>,
}

/// What an interval without an end means, per source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode")]
pub enum OpenIntervals {
    /// Held until told otherwise: billed to the period's end.
    UntilStop,
    /// The source reports every so often. Past the last evidence plus `missed` reports, usage is
    /// estimated.
    Audited { every_seconds: i64, missed: i64 },
}

/// The policy for open intervals of all sources whose name starts with `prefix`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePolicy {
    pub prefix: String,
    pub open: OpenIntervals,
}

/// The price book at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PriceBook {
    /// In order of id, like every list here.
    pub parties: Vec<Party>,
    pub sites: Vec<Site>,
    pub accounts: Vec<Account>,
    pub meters: MeterCatalogue,
    pub tariffs: Vec<Tariff>,
    pub agreements: Vec<FranchiseAgreement>,
    pub tax_categories: Vec<TaxCategory>,
    /// The first policy whose prefix matches is taken; without one, `until_stop`.
    pub sources: Vec<SourcePolicy>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<PriceSeries>,
    /// In order of class and start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_classes: Vec<HostClass>,
}

impl PriceBook {
    pub fn party(&self, id: &PartyId) -> Option<&Party> {
        self.parties.iter().find(|party| &party.id == id)
    }

    pub fn site(&self, id: &SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| &site.id == id)
    }

    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| &account.id == id)
    }

    pub fn tariff(&self, id: &TariffId) -> Option<&Tariff> {
        self.tariffs.iter().find(|tariff| &tariff.id == id)
    }

    pub fn price_series(&self, id: &str) -> Option<&PriceSeries> {
        self.series.iter().find(|series| series.id == id)
    }

    pub fn tax_category(&self, id: &TaxCategoryId) -> Option<&TaxCategory> {
        self.tax_categories.iter().find(|category| &category.id == id)
    }

    /// Accounts that any rule gives this owner to, at whatever time.
    pub fn accounts_of<'a>(&'a self, owner: &'a OwnerRef) -> impl Iterator<Item = &'a Account> {
        self.accounts
            .iter()
            .filter(move |account| account.owners.iter().any(|rule| &rule.owner == owner))
    }

    pub fn open_intervals(&self, source: &str) -> OpenIntervals {
        self.sources
            .iter()
            .find(|policy| source.starts_with(&policy.prefix))
            .map_or(OpenIntervals::UntilStop, |policy| policy.open)
    }

    /// SHA-256 of the book's canonical text.
    pub fn hash(&self) -> String {
        crate::canonical::sha256_hex(crate::canonical::to_json(self))
    }
}
