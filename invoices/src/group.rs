//! [`group`]: which rated lines stand together as one charge, and in which order charges stand.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::BTreeMap;

use turnpike_schemas::amount::AmountError;
use turnpike_schemas::{
    Account, Aggregation, AgreementId, Amount, LineKind, MeterId, Per, Period, PriceUnit,
    RatedLine, ResourceId, TariffId, TariffVersionId, TaxCategoryId,
};

use crate::InvoiceError;

/// What the lines of one charge have in common: what was used, where, at which price and under
/// which terms. The currency is the invoice's.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    service: &'a str,
    project: Option<&'a str>,
    resource: &'a ResourceId,
    meter: &'a MeterId,
    kind: LineKind,
    detail: &'a str,
    resource_kind: &'a str,
    tariff: &'a TariffId,
    tariff_version: &'a TariffVersionId,
    price_nano: i64,
    unit: &'a PriceUnit,
    per: Per,
    per_seconds: i64,
    aggregation: Aggregation,
    scale: u32,
    /// A rate's conditions are met by attributes, so equal attributes mean the same rate.
    attributes: &'a BTreeMap<String, String>,
    site: Option<&'a str>,
    agreement: Option<&'a AgreementId>,
    tax_category: &'a TaxCategoryId,
}

impl<'a> Key<'a> {
    fn of(line: &'a RatedLine) -> Self {
        Self {
            service: &line.service,
            project: line.project.as_deref(),
            resource: &line.resource,
            meter: &line.meter,
            kind: line.kind,
            detail: &line.detail,
            resource_kind: &line.resource_kind,
            tariff: &line.tariff,
            tariff_version: &line.tariff_version,
            price_nano: line.price_nano,
            unit: &line.unit,
            per: line.per,
            per_seconds: line.per_seconds,
            aggregation: line.aggregation,
            scale: line.scale,
            attributes: &line.attributes,
            site: line.site.as_deref(),
            agreement: line.agreement.as_ref(),
            tax_category: &line.tax_category,
        }
    }

    /// What belongs to the account as a whole (a fee, a true-up) stands after its projects, and what
    /// belongs to several services after all of them.
    fn reading_order(&self) -> ReadingOrder<'a> {
        let of_account = is_of_account(self.resource);
        let of_several = of_account && self.meter.as_str() == OF_SEVERAL;
        (of_several, self.service, of_account, self.project, self.resource, self.meter)
    }
}

/// Whether a line stands for all of the account, not for something in it.
pub(crate) fn is_of_account(resource: &ResourceId) -> bool {
    resource.as_str().starts_with("account:")
}

/// The meter of a true-up over usage of several.
const OF_SEVERAL: &str = "adjustment";

type ReadingOrder<'a> = (bool, &'a str, bool, Option<&'a str>, &'a ResourceId, &'a MeterId);

/// The rated lines of one charge, summed. `first` stands for what they have in common.
pub(crate) struct Group<'a> {
    pub first: &'a RatedLine,
    pub lines: Vec<&'a RatedLine>,
    pub quantity: i128,
    pub seconds: i64,
    pub service_period: Period,
}

impl Group<'_> {
    pub fn exact(&self) -> Result<Amount, AmountError> {
        Amount::sum(self.lines.iter().map(|line| &line.amount), self.first.amount.currency())
    }

    pub fn line_ids(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.line_id.clone()).collect()
    }
}

/// Groups lines, in the order in which the charges stand on the invoice: service, project,
/// resource, meter, time. The order of `lines` does not matter.
pub(crate) fn group<'a>(
    account: &Account,
    lines: &'a [RatedLine],
) -> Result<Vec<Group<'a>>, InvoiceError> {
    let mut by_key: BTreeMap<Key<'a>, Vec<&'a RatedLine>> = BTreeMap::new();
    for line in lines {
        by_key.entry(Key::of(line)).or_default().push(line);
    }
    let mut groups = Vec::with_capacity(by_key.len());
    for (key, mut lines) in by_key {
        lines.sort_by_key(|line| (line.service_period.start(), line.line_id.as_str()));
        groups.push((key, sum(account, lines)?));
    }
    groups.sort_by(|(a, left), (b, right)| {
        let time = |group: &Group<'_>| group.service_period;
        a.reading_order()
            .cmp(&b.reading_order())
            .then_with(|| time(left).cmp(&time(right)))
            .then_with(|| a.cmp(b))
    });
    Ok(groups.into_iter().map(|(_, group)| group).collect())
}

fn sum<'a>(account: &Account, lines: Vec<&'a RatedLine>) -> Result<Group<'a>, InvoiceError> {
    let overflow = |what| InvoiceError::Overflow { what, account: account.id.clone() };
    let (Some(first), Some(last)) =
        (lines.first().copied(), lines.iter().map(|line| line.service_period.end()).max())
    else {
        return Err(overflow("number of rated lines"));
    };
    let quantity = lines
        .iter()
        .try_fold(0_i128, |sum, line| sum.checked_add(line.quantity))
        .ok_or_else(|| overflow("quantity of a charge"))?;
    let seconds = lines
        .iter()
        .try_fold(0_i64, |sum, line| sum.checked_add(line.seconds))
        .ok_or_else(|| overflow("seconds of a charge"))?;
    let service_period = Period::new(first.service_period.start(), last)
        .map_err(|_| overflow("service period of a charge"))?;
    Ok(Group { first, lines, quantity, seconds, service_period })
}
