//! [`LineView`]: a rated line whose texts belong to others, for whoever hashes or stores lines without
//! keeping them.
//!
//! What many lines have in common stands in [`LineTerms`], so that it is worked out once for all of
//! them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use turnpike_schemas::{
    AccountId, Aggregation, AgreementId, Amount, Currency, LineKind, MeterId, PartyId, Per, Period,
    PriceUnit, RatedLine, ResourceId, RunId, TariffId, TariffVersionId, TaxCategoryId, canonical,
};

use crate::error::RatingError;

/// What lines of one price have in common, whoever's they are.
#[derive(Debug, Clone)]
pub struct LineTerms<'a> {
    pub kind: LineKind,
    pub site: Option<&'a str>,
    pub resource_kind: &'a str,
    pub meter: &'a MeterId,
    pub service: &'a str,
    pub detail: Cow<'a, str>,
    pub attributes: &'a BTreeMap<String, String>,
    /// The attributes as the table has them.
    pub attributes_text: String,
    pub tariff: &'a TariffId,
    pub tariff_version: &'a TariffVersionId,
    pub agreement: Option<&'a AgreementId>,
    pub tax_category: &'a TaxCategoryId,
    pub aggregation: Aggregation,
    pub scale: u32,
    pub price_nano: i64,
    pub unit: &'a PriceUnit,
    pub per: Per,
    pub per_seconds: i64,
    pub currency: Currency,
    pub estimated: bool,
}

/// A rated line ([`RatedLine`]).
#[derive(Debug, Clone, Copy)]
pub struct LineView<'a> {
    pub line_id: &'a str,
    pub run: &'a RunId,
    pub account: &'a AccountId,
    pub seller: &'a PartyId,
    pub project: Option<&'a str>,
    pub resource: &'a str,
    pub terms: &'a LineTerms<'a>,
    pub quantity: i128,
    pub seconds: i64,
    pub amount: &'a Amount,
    pub service_period: Period,
    pub intervals: i64,
}

impl<'a> LineTerms<'a> {
    pub fn of(line: &'a RatedLine) -> Self {
        Self {
            kind: line.kind,
            site: line.site.as_deref(),
            resource_kind: &line.resource_kind,
            meter: &line.meter,
            service: &line.service,
            detail: Cow::Borrowed(&line.detail),
            attributes: &line.attributes,
            attributes_text: canonical::labels_to_json(&line.attributes),
            tariff: &line.tariff,
            tariff_version: &line.tariff_version,
            agreement: line.agreement.as_ref(),
            tax_category: &line.tax_category,
            aggregation: line.aggregation,
            scale: line.scale,
            price_nano: line.price_nano,
            unit: &line.unit,
            per: line.per,
            per_seconds: line.per_seconds,
            currency: line.currency,
            estimated: line.estimated,
        }
    }
}

impl<'a> LineView<'a> {
    /// A line with its own terms.
    pub fn of(line: &'a RatedLine, terms: &'a LineTerms<'a>) -> Self {
        // Named one by one, so that a field that is added has to be thought of: it belongs here or to
        // the terms, and into the digest.
        let RatedLine {
            line_id,
            run,
            account,
            seller,
            project,
            resource,
            quantity,
            seconds,
            amount,
            service_period,
            intervals,
            kind: _,
            site: _,
            resource_kind: _,
            meter: _,
            service: _,
            detail: _,
            attributes: _,
            tariff: _,
            tariff_version: _,
            agreement: _,
            tax_category: _,
            aggregation: _,
            scale: _,
            price_nano: _,
            unit: _,
            per: _,
            per_seconds: _,
            currency: _,
            estimated: _,
        } = line;
        Self {
            line_id,
            run,
            account,
            seller,
            project: project.as_deref(),
            resource: resource.as_str(),
            terms,
            quantity: *quantity,
            seconds: *seconds,
            amount,
            service_period: *service_period,
            intervals: *intervals,
        }
    }

    /// The line with texts of its own.
    pub fn to_line(self) -> Result<RatedLine, RatingError> {
        let terms = self.terms;
        Ok(RatedLine {
            line_id: self.line_id.to_owned(),
            run: self.run.clone(),
            kind: terms.kind,
            account: self.account.clone(),
            seller: self.seller.clone(),
            project: self.project.map(str::to_owned),
            site: terms.site.map(str::to_owned),
            resource: ResourceId::new(self.resource)?,
            resource_kind: terms.resource_kind.to_owned(),
            meter: terms.meter.clone(),
            service: terms.service.to_owned(),
            detail: terms.detail.clone().into_owned(),
            attributes: terms.attributes.clone(),
            tariff: terms.tariff.clone(),
            tariff_version: terms.tariff_version.clone(),
            agreement: terms.agreement.cloned(),
            tax_category: terms.tax_category.clone(),
            aggregation: terms.aggregation,
            quantity: self.quantity,
            scale: terms.scale,
            seconds: self.seconds,
            price_nano: terms.price_nano,
            unit: terms.unit.clone(),
            per: terms.per,
            per_seconds: terms.per_seconds,
            currency: terms.currency,
            amount: *self.amount,
            service_period: self.service_period,
            intervals: self.intervals,
            estimated: terms.estimated,
        })
    }
}
