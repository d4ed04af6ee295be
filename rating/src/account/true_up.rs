//! The line for what a pool falls short of: one, on the account or the pool's member.
//!
//! It is taxed as the first line of its pool, and stands under the service and the meter that all of
//! them have in common. Without usage the tariff's first rate in its scope says how it is taxed.

use std::collections::BTreeMap;

use turnpike_schemas::{
    Adjustment, Amount, Fraction, Instant, LineKind, MeterId, Period, Pool, Rounding, TaxCategoryId,
};

use super::Stage;
use super::adjust::PoolKey;
use super::entry::Entry;
use super::own::{OwnLine, Subject, no_meter};
use super::scope::{Origin, covers_usage};
use super::terms::{Series, Spell};
use crate::parked::{ParkCode, ParkReason};

/// The service of what belongs to several.
const SEVERAL: &str = "Account";
/// The meter of what belongs to several.
const ADJUSTMENT: &str = "adjustment";

/// What is missing, and of what.
pub(super) struct TrueUp<'t> {
    pub what: &'static str,
    pub text: &'t str,
    pub amount: Fraction,
    pub missing: Fraction,
    /// The time of its window, where that is known without usage.
    pub window: Option<(Instant, Instant)>,
}

impl TrueUp<'_> {
    /// Its line, on the way through the adjustments after it.
    pub fn entry<'a>(
        &self,
        stage: &Stage<'_, '_, 'a>,
        series: &Series<'a, Adjustment>,
        month: &Period,
        key: &PoolKey,
        (entries, members): (&[Entry<'a>], &[usize]),
    ) -> Result<Entry<'a>, ParkReason> {
        let inside: Vec<&Spell<'a, Adjustment>> =
            series.spells.iter().filter(|spell| spell.inside).collect();
        let (Some(lead), Some(last)) = (inside.first(), inside.last()) else {
            return Err(super::overflow());
        };
        let lines: Vec<&Entry<'a>> = members.iter().map(|member| &entries[*member]).collect();
        let scope = &lead.item.scope;
        let (service, meter) = common(stage, lead.item, &lines);
        let tax_category = match lines.first() {
            Some(first) => first.line.tax_category.clone(),
            None => tax_without_usage(stage, lead)?,
        };
        let amount = Amount::from_fraction(self.amount, stage.terms.currency)
            .round(Rounding::HalfAwayFromZero)
            .map_err(|_| super::overflow())?;
        let days = if self.text.is_empty() { String::new() } else { format!(", {}", self.text) };
        let own = OwnLine {
            kind: LineKind::Adjustment,
            link: lead.link,
            subject: subject(stage, lead.item.pool, key, &lines)?,
            meter,
            service,
            detail: format!("{}{days}: {} {amount}", lead.item.name, self.what),
            attributes: BTreeMap::new(),
            tax_category,
            price: (0, ADJUSTMENT),
            amount: self.missing,
            period: time(key, &lines).or(self.window).unwrap_or((lead.start, last.end)),
            estimated: lines.iter().any(|entry| entry.line.estimated),
            apart: format!("{} {} {} {:?}", series.id.word, series.id.nth, series.id.name, key),
        };
        let of_account = lead.item.pool == Pool::Account || key.0.is_none();
        Ok(Entry {
            line: own.line(stage)?,
            net: self.missing,
            stretch: Some(lead.stretch),
            month: month.start(),
            window: key.1,
            origin: Origin::TrueUp { scope },
            of_account,
        })
    }
}

/// A window's true-up is of the time used in it.
fn time(key: &PoolKey, lines: &[&Entry<'_>]) -> Option<(Instant, Instant)> {
    key.1?;
    let start = lines.iter().map(|entry| entry.line.service_period.start()).min()?;
    let end = lines.iter().map(|entry| entry.line.service_period.end()).max()?;
    Some((start, end))
}

fn subject(
    stage: &Stage<'_, '_, '_>,
    pool: Pool,
    key: &PoolKey,
    lines: &[&Entry<'_>],
) -> Result<Subject, ParkReason> {
    match (pool, &key.0, lines.first()) {
        (Pool::Project, Some(project), _) => Subject::project(project),
        (Pool::Site, Some(site), _) => {
            Ok(Subject { site: Some(site.clone()), ..Subject::account(stage)? })
        }
        (Pool::Resource, Some(_), Some(first)) => Ok(Subject {
            resource: first.line.resource.clone(),
            resource_kind: first.line.resource_kind.clone(),
            project: first.line.project.clone(),
            site: first.line.site.clone(),
        }),
        _ => Subject::account(stage),
    }
}

/// The service and the meter that the lines share, or without lines those that the scope names.
fn common(
    stage: &Stage<'_, '_, '_>,
    adjustment: &Adjustment,
    lines: &[&Entry<'_>],
) -> (String, MeterId) {
    let scope = &adjustment.scope;
    let meters = &stage.lookup.book.meters;
    let (services, named): (Vec<&str>, Vec<&MeterId>) = if lines.is_empty() {
        let of_meters = scope.meters.iter().filter_map(|id| meters.get(id));
        let services = scope.services.iter().map(String::as_str);
        let services = services.chain(of_meters.map(|meter| meter.service.as_str()));
        (services.collect(), scope.meters.iter().collect())
    } else {
        let services = lines.iter().map(|entry| entry.line.service.as_str());
        (services.collect(), lines.iter().map(|entry| &entry.line.meter).collect())
    };
    let service = one_of(&services).copied().unwrap_or(SEVERAL);
    let meter = one_of(&named).map_or_else(|| no_meter(ADJUSTMENT), |meter| (*meter).clone());
    (service.to_owned(), meter)
}

fn one_of<T: PartialEq>(all: &[T]) -> Option<&T> {
    all.first().filter(|first| all.iter().all(|other| other == *first))
}

fn tax_without_usage<'a>(
    stage: &Stage<'_, '_, 'a>,
    lead: &Spell<'a, Adjustment>,
) -> Result<TaxCategoryId, ParkReason> {
    let scope = &lead.item.scope;
    let links = stage.terms.stretches.get(lead.stretch).map_or(&[][..], |found| &found.links);
    // Its own price list, then the more special ones, then what they are based on.
    let mut versions = vec![lead.link.version];
    versions.extend(links.iter().rev().map(|link| link.version));
    let rates = || versions.iter().flat_map(|version| &version.rates);
    let in_scope = rates().find(|rate| {
        let service = stage.lookup.book.meters.get(&rate.meter);
        let service = service.map_or("", |meter| meter.service.as_str());
        covers_usage(scope, &rate.meter, service, &rate.name)
    });
    let any = in_scope.or_else(|| rates().next()).map(|rate| &rate.tax_category);
    let fees = || versions.iter().flat_map(|version| &version.fees);
    any.or_else(|| fees().next().map(|fee| &fee.tax_category)).cloned().ok_or_else(|| {
        let text = format!(
            "tariff version `{}` has neither a rate nor a fee that says how `{}` is taxed",
            lead.link.version.id, lead.item.name
        );
        ParkReason::new(ParkCode::UnknownTaxCategory, text)
    })
}
