//! [`Form`]: what lines have in common that differ in account, project and resource alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use foldhash::HashMap;
use turnpike_schemas::{
    AgreementId, Currency, Instant, LineKind, Meter, MeterId, Pool, PriceBook, Rate, TariffId,
    TariffVersionId, TaxCategoryId, canonical,
};

use crate::account::{detail, line_id, series_name};
use crate::gather::GatherKey;
use crate::line_digest::TermsDigest;
use crate::line_view::LineTerms;
use crate::price::{Whole, WholeTier, role_of};

/// A key without account, project and resource: the rest is in the order of [`GatherKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct FormKey<'t> {
    service: &'t str,
    meter: &'t MeterId,
    site: Option<&'t str>,
    attributes: &'t BTreeMap<String, String>,
    tariff: &'t TariffId,
    tariff_version: &'t TariffVersionId,
    rate_index: usize,
    chain: &'t [TariffVersionId],
    per_seconds: i64,
    month: Option<Instant>,
    window: Option<Instant>,
    agreement: Option<&'t AgreementId>,
    tax_category: &'t TaxCategoryId,
    estimated: bool,
}

impl<'t> FormKey<'t> {
    fn of(key: &'t GatherKey) -> Self {
        // Named one by one, so that a field that is added has to be thought of.
        let GatherKey {
            account: _,
            service,
            project: _,
            resource: _,
            meter,
            site,
            attributes,
            tariff,
            tariff_version,
            rate_index,
            chain,
            per_seconds,
            month,
            window,
            agreement,
            tax_category,
            estimated,
        } = key;
        Self {
            service,
            meter,
            site: site.as_deref(),
            attributes,
            tariff,
            tariff_version,
            rate_index: *rate_index,
            chain,
            per_seconds: *per_seconds,
            month: *month,
            window: *window,
            agreement: agreement.as_ref(),
            tax_category,
            estimated: *estimated,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Form<'t, 'l> {
    pub(super) key: &'t GatherKey,
    resource_kind: &'t str,
    pub(super) rate: &'l Rate,
    pub(super) meter: &'l Meter,
    pub(super) currency: Currency,
    pub(super) valid_from: Instant,
    /// Numbers of what is the same: the version of a tariff, and the units counted on together.
    pub(super) version: u32,
    pub(super) series: u32,
    /// Places among services, meters and keys, in their order.
    pub(super) service_rank: u32,
    pub(super) meter_rank: u32,
    pub(super) rank: u32,
    whole: Whole,
    texts: OnceLock<FormTexts<'t>>,
}

/// What the lines of a form say.
#[derive(Debug)]
pub(super) struct FormTexts<'t> {
    /// Of the key's text, what comes after the resource.
    pub(super) price: String,
    pub(super) tiers: Vec<TierTexts<'t>>,
}

#[derive(Debug)]
pub(super) struct TierTexts<'t> {
    pub(super) terms: LineTerms<'t>,
    pub(super) digest: TermsDigest,
    pub(super) apart: String,
}

impl<'t, 'l: 't> Form<'t, 'l> {
    pub(super) fn whole(&self) -> &Whole {
        &self.whole
    }

    /// Worked out when it is asked for first: a run may rate few of the accounts that were metered.
    pub(super) fn texts(&self) -> &FormTexts<'t> {
        self.texts.get_or_init(|| {
            let mut price = String::new();
            line_id::put_price(self.key, &mut price);
            let tier = |(number, tier): (usize, &WholeTier)| {
                let terms = self.terms(number);
                let digest = TermsDigest::of(&terms);
                TierTexts { terms, digest, apart: role_of(&tier.detail).to_owned() }
            };
            let tiers = self.whole.tiers().iter().enumerate().map(tier).collect();
            FormTexts { price, tiers }
        })
    }

    fn terms(&self, tier: usize) -> LineTerms<'t> {
        let (key, rate, meter): (&'t GatherKey, &'l Rate, &'l Meter) =
            (self.key, self.rate, self.meter);
        let tier = &self.whole.tiers()[tier];
        LineTerms {
            kind: LineKind::Usage,
            site: key.site.as_deref(),
            resource_kind: self.resource_kind,
            meter: &key.meter,
            service: &key.service,
            detail: Cow::Owned(detail(rate, &tier.detail)),
            attributes: &key.attributes,
            attributes_text: canonical::labels_to_json(&key.attributes),
            tariff: &key.tariff,
            tariff_version: &key.tariff_version,
            agreement: key.agreement.as_ref(),
            tax_category: &key.tax_category,
            aggregation: meter.aggregation,
            scale: meter.scale,
            price_nano: tier.price_nano,
            unit: &rate.unit,
            per: rate.per,
            per_seconds: key.per_seconds,
            currency: self.currency,
            estimated: key.estimated,
        }
    }
}

/// The forms of a run while they are found. `None`: what is priced so has to go the general way.
#[derive(Debug, Default)]
pub(super) struct Forms<'t, 'l> {
    list: Vec<Option<Form<'t, 'l>>>,
    numbers: HashMap<(FormKey<'t>, &'t str), u32>,
    versions: HashMap<(&'t TariffId, &'t TariffVersionId), u32>,
    series: HashMap<SeriesKey<'t>, (u32, Pool)>,
    names: HashMap<*const Rate, String>,
}

/// What units are counted on by, but for the account's member ([`crate::account`]).
type SeriesKey<'t> = (&'t MeterId, String, Option<Instant>, Option<Instant>);

impl<'t, 'l: 't> Forms<'t, 'l> {
    /// The number of a key's form.
    pub(super) fn number(
        &mut self,
        book: &'l PriceBook,
        key: &'t GatherKey,
        resource_kind: &'t str,
    ) -> u32 {
        let name = (FormKey::of(key), resource_kind);
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let form = self.form(book, key, resource_kind);
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(form);
        self.numbers.insert(name, number);
        number
    }

    fn form(
        &mut self,
        book: &'l PriceBook,
        key: &'t GatherKey,
        resource_kind: &'t str,
    ) -> Option<Form<'t, 'l>> {
        let tariff = book.tariff(&key.tariff)?;
        let version = tariff.versions.iter().find(|version| version.id == key.tariff_version)?;
        let rate = version.rates.get(key.rate_index)?;
        let meter = book.meters.get(&key.meter)?;
        let whole = Whole::of(rate, meter, key.per_seconds)?;
        let name = self.names.entry(std::ptr::from_ref(rate)).or_insert_with(|| series_name(rate));
        let series = (&key.meter, name.clone(), key.month, key.window);
        let next = u32::try_from(self.series.len()).ok()?;
        let (series, pool) = *self.series.entry(series).or_insert((next, rate.pool));
        if pool != rate.pool {
            // Members of two kinds in one series: names of one might be those of the other.
            return None;
        }
        let next = u32::try_from(self.versions.len()).ok()?;
        let of_version = *self.versions.entry((&key.tariff, &key.tariff_version)).or_insert(next);
        Some(Form {
            key,
            resource_kind,
            rate,
            meter,
            currency: tariff.currency?,
            valid_from: version.valid_from,
            version: of_version,
            series,
            service_rank: 0,
            meter_rank: 0,
            rank: 0,
            whole,
            texts: OnceLock::new(),
        })
    }

    /// The forms by number, with their ranks.
    pub(super) fn ranked(mut self) -> Vec<Option<Form<'t, 'l>>> {
        let mut forms: Vec<&mut Form<'t, 'l>> = self.list.iter_mut().flatten().collect();
        rank_by(
            &mut forms,
            |form| form.key.service.as_str(),
            |form, rank| form.service_rank = rank,
        );
        rank_by(&mut forms, |form| &form.key.meter, |form, rank| form.meter_rank = rank);
        rank_by(&mut forms, |form| FormKey::of(form.key), |form, rank| form.rank = rank);
        self.list
    }
}

/// Numbers forms by something in its order: equal things have equal numbers.
fn rank_by<'t, 'l, K: Ord>(
    forms: &mut [&mut Form<'t, 'l>],
    by: impl Fn(&Form<'t, 'l>) -> K,
    mut put: impl FnMut(&mut Form<'t, 'l>, u32),
) {
    forms.sort_by_key(|form| by(form));
    let mut rank = 0;
    for at in 0..forms.len() {
        if at > 0 && by(forms[at - 1]) != by(forms[at]) {
            rank += 1;
        }
        put(forms[at], rank);
    }
}
