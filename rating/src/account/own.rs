//! [`OwnLine`]: a line that belongs to no usage, such as a fee or a true-up.
//!
//! Its agreement is the one in force when its time begins.

use std::collections::BTreeMap;

use turnpike_schemas::{
    Aggregation, Amount, Fraction, Instant, LineKind, MeterId, Per, Period, PriceUnit, RatedLine,
    ResourceId, TaxCategoryId,
};

use super::Stage;
use super::lines::{fitting, line_id};
use crate::parked::{ParkCode, ParkReason};
use crate::tariff_lookup::Link;

/// What such a line says.
pub(super) struct OwnLine<'a> {
    pub kind: LineKind,
    /// The price list that asks for it.
    pub link: Link<'a>,
    pub subject: Subject,
    pub meter: MeterId,
    pub service: String,
    pub detail: String,
    pub attributes: BTreeMap<String, String>,
    pub tax_category: TaxCategoryId,
    /// The whole price and what it is for, for the reader; 0 where there is none.
    pub price: (i64, &'static str),
    pub amount: Fraction,
    pub period: (Instant, Instant),
    pub estimated: bool,
    /// What tells it from other lines of the account.
    pub apart: String,
}

/// Whose line it is.
pub(super) struct Subject {
    pub resource: ResourceId,
    pub resource_kind: String,
    pub project: Option<String>,
    pub site: Option<String>,
}

impl Subject {
    pub fn account(stage: &Stage<'_, '_, '_>) -> Result<Self, ParkReason> {
        Self::named("account", stage.terms.account.id.as_str())
    }

    pub fn project(name: &str) -> Result<Self, ParkReason> {
        let subject = Self::named("project", name)?;
        Ok(Self { project: Some(name.to_owned()), ..subject })
    }

    fn named(kind: &str, name: &str) -> Result<Self, ParkReason> {
        let resource = ResourceId::new(format!("{kind}:{name}"))
            .map_err(|error| ParkReason::new(ParkCode::Overflow, error.to_string()))?;
        Ok(Self { resource, resource_kind: kind.to_owned(), project: None, site: None })
    }
}

impl OwnLine<'_> {
    pub fn line(self, stage: &Stage<'_, '_, '_>) -> Result<RatedLine, ParkReason> {
        let account = stage.terms.account;
        let service_period = Period::new(self.period.0, self.period.1)
            .map_err(|error| ParkReason::new(ParkCode::Overflow, error.to_string()))?;
        let agreement = stage.lookup.agreement(account, service_period.start())?;
        let tax_category = account.tax_category.clone().unwrap_or(self.tax_category);
        if stage.lookup.book.tax_category(&tax_category).is_none() {
            let text = format!("tax category `{tax_category}` is not in the book");
            return Err(ParkReason::new(ParkCode::UnknownTaxCategory, text));
        }
        let version = &self.link.version.id;
        let start = service_period.start().to_string();
        let id = [account.id.as_str(), version.as_str(), &start, self.kind.as_str(), &self.apart];
        fitting(RatedLine {
            line_id: line_id(&[&id.join("\n"), self.subject.resource.as_str()]),
            run: stage.run.clone(),
            kind: self.kind,
            account: account.id.clone(),
            seller: account.seller.clone(),
            project: self.subject.project,
            site: self.subject.site,
            resource: self.subject.resource,
            resource_kind: self.subject.resource_kind,
            meter: self.meter,
            service: self.service,
            detail: self.detail,
            attributes: self.attributes,
            tariff: self.link.tariff.id.clone(),
            tariff_version: version.clone(),
            agreement: agreement.map(|agreement| agreement.id.clone()),
            tax_category,
            aggregation: Aggregation::Sum,
            quantity: 1,
            scale: 0,
            seconds: 0,
            price_nano: self.price.0,
            unit: PriceUnit { name: self.price.1.to_owned(), base_units: 1 },
            per: Per::Unit,
            per_seconds: 1,
            currency: stage.terms.currency,
            amount: Amount::from_fraction(self.amount, stage.terms.currency),
            service_period,
            intervals: 0,
            estimated: self.estimated,
        })
    }
}

/// What stands for a meter on lines that belong to none.
pub(super) fn no_meter(word: &'static str) -> MeterId {
    MeterId::new(word).expect("a word is a slug")
}
