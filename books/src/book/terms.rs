//! What finalized invoices were made from stays as it was.
//!
//! The rule, for every tariff version and agreement that stands in a finalized invoice:
//! - every later book has it, under the same id;
//! - its terms are the same: for a tariff version the tariff, its currency and rounding, the start,
//!   the rates in their order, what is included and what is held and for how long, fees and
//!   adjustments; the same of its bases, and the meters, price series and host classes that it prices
//!   with, all of them up to the end of what was invoiced; for an agreement the parties, the start,
//!   the royalty and its exceptions in their order;
//! - only its end may move, and never to before the end of the last service period invoiced with it.
//!
//! A new price is a new version that starts where the old one is ended. Corrections of what was
//! invoiced are documents of their own. There is no way to force it.

use std::collections::BTreeMap;

use turnpike_schemas::{
    FranchiseAgreement, Instant, MeterId, PriceBook, PriceModel, Rate, Tariff, TariffVersion,
    canonical,
};

use super::{AGREEMENT, Mistake, ParsedBook, TARIFF_VERSION, check_scope};
use crate::store::{RowExt, Tx};

/// Kind and id of a tariff version or agreement.
pub(crate) type TermsKey = (&'static str, String);

/// The terms a book states under an id, up to an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub hash: String,
    /// As versions were hashed that had rates only: invoices of that time are still kept by it.
    rates_hash: Option<String>,
    pub valid_to: Option<Instant>,
}

impl Terms {
    fn is(&self, hash: &str) -> bool {
        self.hash == hash || self.rates_hash.as_deref() == Some(hash)
    }
}

/// The terms that invoices were made from, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsedTerms {
    pub kind: String,
    pub id: String,
    pub hash: String,
    /// End of the last service period invoiced with them.
    pub used_to: Instant,
    /// One of the invoices.
    pub number: String,
}

/// What a book states under a key, as far as it matters up to an instant.
pub(crate) fn at(book: &PriceBook, (kind, id): (&str, &str), until: Instant) -> Option<Terms> {
    match kind {
        TARIFF_VERSION => book.tariffs.iter().find_map(|tariff| {
            let version = tariff.versions.iter().find(|version| version.id.as_str() == id)?;
            Some(of_version(book, tariff, version, until))
        }),
        AGREEMENT => book.agreements.iter().find(|a| a.id.as_str() == id).map(of_agreement),
        _ => None,
    }
}

fn of_version(book: &PriceBook, tariff: &Tariff, version: &TariffVersion, until: Instant) -> Terms {
    let rates = canonical::to_json(&(
        &tariff.id,
        &tariff.currency,
        tariff.rounding,
        version.valid_from,
        &version.rates,
        &version.included,
        &version.hold,
    ));
    let span = (version.valid_from, until);
    let mut layers = vec![version];
    let mut bases = Vec::new();
    for base in check_scope::chain(&book.tariffs, &tariff.id).into_iter().skip(1) {
        for under in base.versions.iter().filter(|v| touches(span, Some(v.valid_from), v.valid_to))
        {
            bases.push((
                &base.id,
                within(span, Some(under.valid_from), under.valid_to),
                under_text(under),
            ));
            layers.push(under);
        }
    }
    let text = canonical::to_json(&(
        &rates,
        under_text(version),
        bases,
        of_meters(book, &layers),
        of_series(book, &layers, span),
        of_host_classes(book, &layers, span),
    ));
    Terms {
        hash: canonical::sha256_hex(text),
        rates_hash: Some(canonical::sha256_hex(rates)),
        valid_to: version.valid_to,
    }
}

/// The terms of a version that do not depend on its neighbours.
fn under_text(version: &TariffVersion) -> String {
    canonical::to_json(&(
        &version.rates,
        &version.included,
        &version.hold,
        &version.holding,
        &version.fees,
        &version.adjustments,
        version.detail,
    ))
}

type Span = (Instant, Instant);

fn touches((from, until): Span, start: Option<Instant>, end: Option<Instant>) -> bool {
    start.is_none_or(|start| start < until) && end.is_none_or(|end| from < end)
}

/// An end after the span may still move.
fn within(
    (from, until): Span,
    start: Option<Instant>,
    end: Option<Instant>,
) -> (Instant, Option<Instant>) {
    (start.map_or(from, |start| start.max(from)), end.filter(|end| *end < until))
}

/// The meters that are priced, and those that they are derived of: without their names.
fn of_meters(book: &PriceBook, layers: &[&TariffVersion]) -> BTreeMap<MeterId, String> {
    let priced = layers.iter().flat_map(|version| &version.rates).map(|rate| &rate.meter);
    let mut meters = BTreeMap::new();
    for meter in priced.filter_map(|id| book.meters.get(id)) {
        let source = meter.derived.as_ref().and_then(|derived| book.meters.get(&derived.of));
        for meter in std::iter::once(meter).chain(source) {
            let text = canonical::to_json(&(
                &meter.unit,
                meter.scale,
                meter.aggregation,
                meter.hold,
                &meter.measure,
                meter.over,
                &meter.derived,
            ));
            meters.insert(meter.id.clone(), text);
        }
    }
    meters
}

/// The points of the series in use, from the one in force at the start on.
fn of_series<'a>(
    book: &'a PriceBook,
    layers: &[&TariffVersion],
    (from, until): Span,
) -> BTreeMap<&'a str, Vec<(Instant, i64)>> {
    let mut all = BTreeMap::new();
    for rate in layers.iter().flat_map(|version| &version.rates) {
        let PriceModel::Series { series } = &rate.model else { continue };
        let Some(series) = book.price_series(series) else { continue };
        let first = series.points.partition_point(|(at, _)| *at <= from).saturating_sub(1);
        let used = series.points.iter().skip(first).filter(|(at, _)| *at < until);
        all.insert(series.id.as_str(), used.copied().collect());
    }
    all
}

/// The host classes, where a meter that is priced converts by them.
fn of_host_classes(book: &PriceBook, layers: &[&TariffVersion], span: Span) -> Vec<String> {
    let converts = |rate: &Rate| {
        let derived = book.meters.get(&rate.meter).and_then(|meter| meter.derived.as_ref());
        derived.is_some_and(|derived| derived.convert.is_some())
    };
    if !layers.iter().flat_map(|version| &version.rates).any(converts) {
        return Vec::new();
    }
    let used = book.host_classes.iter().filter(|c| touches(span, c.valid_from, c.valid_to));
    used.map(|class| {
        let (per_vcpu, per_mhz) = (class.mips_per_vcpu_micro, class.mips_per_mhz_micro);
        let valid = within(span, class.valid_from, class.valid_to);
        canonical::to_json(&(&class.class, per_vcpu, per_mhz, valid))
    })
    .collect()
}

fn of_agreement(agreement: &FranchiseAgreement) -> Terms {
    let text = canonical::to_json(&(
        &agreement.franchisor,
        &agreement.franchisee,
        agreement.valid_from,
        agreement.royalty_ppm,
        &agreement.terms,
    ));
    Terms { hash: canonical::sha256_hex(text), rates_hash: None, valid_to: agreement.valid_to }
}

/// The terms an invoice was made from, each with the end of its last service period.
pub(crate) fn of_invoice(invoice: &turnpike_schemas::Invoice) -> BTreeMap<TermsKey, Instant> {
    let mut used: BTreeMap<TermsKey, Instant> = BTreeMap::new();
    for charge in &invoice.charges {
        let end = charge.service_period.end();
        let version = (TARIFF_VERSION, charge.tariff_version.to_string());
        let agreement = charge.agreement.as_ref().map(|id| (AGREEMENT, id.to_string()));
        for key in std::iter::once(version).chain(agreement) {
            let last = used.entry(key).or_insert(end);
            *last = end.max(*last);
        }
    }
    used
}

/// All terms in use, in order of kind and id.
pub(crate) async fn used(tx: &mut Tx) -> Result<Vec<UsedTerms>, sqlx::Error> {
    sqlx::query(
        "SELECT terms.kind, terms.id, terms.hash, MAX(terms.used_to) AS used_to, \
         MIN(invoice.number) AS number \
         FROM invoice_terms AS terms JOIN invoice ON invoice.id = terms.invoice \
         GROUP BY terms.kind, terms.id, terms.hash ORDER BY terms.kind, terms.id, terms.hash",
    )
    .fetch_all(&mut **tx)
    .await?
    .iter()
    .map(|row| {
        Ok(UsedTerms {
            kind: row.text("kind")?,
            id: row.text("id")?,
            hash: row.text("hash")?,
            used_to: row.instant("used_to")?,
            number: row.text("number")?,
        })
    })
    .collect()
}

/// What else is among the terms of a tariff version.
const OF_VERSION: &str =
    "; up to the end of that invoice its bases, meters, series and host classes are final too";

/// Every term in use that a new book drops, changes or ends too early.
pub(crate) fn check_kept(parsed: &ParsedBook, used: &[UsedTerms]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for UsedTerms { kind, id, hash, used_to, number } in used {
        let entry = at(&parsed.book, (kind, id), *used_to);
        let mut places = parsed.places.iter();
        let place = places.find(|((a, b), _)| a == kind && b == id).map(|(_, place)| place.clone());
        let (line, path) = place.unwrap_or((1, String::new()));
        let message = match entry {
            None => format!("{kind} `{id}` stands in invoice {number} and must stay in the book"),
            Some(terms) if !terms.is(hash) => format!(
                "{kind} `{id}` stands in invoice {number}, so its terms are final: end it with \
                 `valid_to` and add a new one{}",
                if kind == TARIFF_VERSION { OF_VERSION } else { "" }
            ),
            Some(Terms { valid_to: Some(end), .. }) if end < *used_to => format!(
                "{kind} `{id}` was invoiced up to {used_to}, so it cannot end on {end} already"
            ),
            Some(_) => continue,
        };
        mistakes.push(Mistake { line, path, message });
    }
    mistakes.sort();
    mistakes
}
