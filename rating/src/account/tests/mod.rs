//! The account stage on a small book: one account of a franchisee, one meter of calls.

mod adjustments;
mod allowances;
mod cases;
mod fees;
mod properties;
mod windows;

use std::collections::BTreeMap;

use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::tariff::{
    AdjustmentScope, FeeAmount, FeeEvery, Proration, Tier, Tiers, UnitRounding, ZeroUsage,
};
use turnpike_schemas::{
    AccountId, Adjustment, AdjustmentKind, Aggregation, Amount, Fee, Fraction, HoldClass, Instant,
    LineKind, Meter, MeterId, Per, Period, Pool, PriceBook, PriceModel, PriceUnit, Rate, RatedLine,
    ResourceId, Rounding, RunId, TariffVersion, TaxCategoryId,
};

use super::price_account;
use crate::gather::{GatherKey, Gathered};
use crate::parked::ParkReason;
use crate::tariff_lookup::Lookup;

pub(super) fn at(text: &str) -> Instant {
    let text = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    Instant::parse(&text).expect("instant")
}

/// `12.5` as nano.
pub(super) fn nano(decimal: &str) -> i64 {
    turnpike_schemas::parse::decimal_to_scaled(decimal, 9).expect(decimal)
}

/// [`nano`] of a bound or an amount.
pub(super) fn large(decimal: &str) -> i128 {
    nano(decimal).into()
}

pub(super) fn tax(id: &str) -> TaxCategoryId {
    TaxCategoryId::new(id).expect(id)
}

pub(super) fn unit() -> PriceUnit {
    PriceUnit { name: "call".to_owned(), base_units: 1 }
}

fn book() -> PriceBook {
    let address = serde_json::json!({"lines": [], "postal_code": "", "city": "", "country": "FR"});
    let party = |id: &str, kind: &str| {
        serde_json::json!({
            "id": id, "name": id, "kind": kind, "tax_id": null, "email": null,
            "address": address.clone(), "invoice_series": "ACM", "payment_days": 30,
            "payment_note": null
        })
    };
    let agreement = |id: &str, from: &str, to: Option<&str>| {
        serde_json::json!({
            "id": id, "franchisor": "acme", "franchisee": "lyon", "valid_from": from,
            "valid_to": to, "royalty_ppm": 100_000, "terms": []
        })
    };
    let json = serde_json::json!({
        "parties": [party("acme", "franchisor"), party("lyon", "franchisee")],
        "sites": [],
        "accounts": [{
            "id": "a1", "name": "A1", "seller": "lyon", "currency": "EUR", "time_zone": "UTC",
            "address": address.clone(), "tax_id": null, "email": null, "tax_category": null,
            "owners": [],
            "tariffs": [{"tariff": "list", "valid_from": null, "valid_to": null}]
        }],
        "meters": {},
        "tariffs": [{
            "id": "list", "name": "List", "currency": "EUR", "rounding": "half-away-from-zero",
            "versions": [{
                "id": "list.1", "valid_from": "2020-01-01T00:00:00Z", "valid_to": null,
                "included": [], "hold": {}, "rates": []
            }]
        }],
        "agreements": [
            agreement("old", "2020-01-01T00:00:00Z", Some("2026-01-11T00:00:00Z")),
            agreement("new", "2026-01-11T00:00:00Z", None)
        ],
        "tax_categories": [
            {"id": "reduced", "code": "S", "rate_ppm": 100_000, "note": null},
            {"id": "standard", "code": "S", "rate_ppm": 200_000, "note": null}
        ],
        "sources": []
    });
    let mut book: PriceBook = serde_json::from_value(json).expect("book");
    book.meters = MeterCatalogue::builtin();
    for (id, service) in [("calls", "Calls"), ("texts", "Texts")] {
        let id = MeterId::new(id).expect("meter");
        let calls = [("1000 calls", 1_000)];
        let meter = Meter::new(
            id,
            service,
            service,
            "call",
            6,
            Aggregation::Sum,
            HoldClass::Existing,
            &calls,
        );
        book.meters.insert(meter.expect("meter"));
    }
    book
}

/// A book, what was used, and the period of the run.
pub(super) struct World {
    pub book: PriceBook,
    pub period: Period,
    pub items: Vec<(GatherKey, Gathered)>,
    until: Instant,
}

impl World {
    /// January 2026; one version without prices.
    pub fn new() -> Self {
        let period = Period::parse_month("2026-01", chrono_tz::Tz::UTC).expect("month");
        Self { book: book(), period, items: Vec::new(), until: Instant::MAX }
    }

    pub fn period(mut self, from: &str, to: &str) -> Self {
        self.period = Period::new(at(from), at(to)).expect("period");
        self
    }

    pub fn until(self, until: &str) -> Self {
        Self { until: at(until), ..self }
    }

    pub fn zone(mut self, month: &str, zone: chrono_tz::Tz) -> Self {
        self.book.accounts[0].time_zone = zone;
        self.period = Period::parse_month(month, zone).expect("month");
        self
    }

    /// The only version, or the last one added.
    pub fn version(&mut self) -> &mut TariffVersion {
        self.book.tariffs[0].versions.last_mut().expect("a version")
    }

    /// A later version like the one before, from an instant on.
    pub fn next_version(mut self, from: &str) -> Self {
        let versions = &mut self.book.tariffs[0].versions;
        let mut next = versions.last().expect("a version").clone();
        versions.last_mut().expect("a version").valid_to = Some(at(from));
        next.valid_from = at(from);
        next.id = format!("list.{}", versions.len() + 1).parse().expect("id");
        versions.push(next);
        self
    }

    pub fn assigned(mut self, from: Option<&str>, to: Option<&str>) -> Self {
        let assignment = &mut self.book.accounts[0].tariffs[0];
        assignment.valid_from = from.map(at);
        assignment.valid_to = to.map(at);
        self
    }

    pub fn rate(mut self, rate: Rate) -> Self {
        self.version().rates.push(rate);
        self
    }

    pub fn per_call(self, price: &str) -> Self {
        self.rate(rate("calls", price))
    }

    pub fn fee(mut self, name: &str, amount: &str, proration: Proration) -> Self {
        self.version().fees.push(fee(name, amount, proration));
        self
    }

    pub fn adjust(mut self, name: &str, kind: AdjustmentKind) -> Self {
        self.version().adjustments.push(adjustment(name, kind));
        self
    }

    pub fn adjusted(mut self, adjustment: Adjustment) -> Self {
        self.version().adjustments.push(adjustment);
        self
    }

    /// Usage of the first rate of the last version, an hour after the usage before.
    pub fn used(self, units: &str) -> Self {
        self.used_of(units, |_, _| {})
    }

    pub fn used_of(
        mut self,
        units: &str,
        change: impl FnOnce(&mut GatherKey, &mut Gathered),
    ) -> Self {
        let count = i64::try_from(self.items.len()).expect("count");
        let first = at("2026-01-15").plus_seconds(3_600 * count).expect("first");
        let version = self.version().clone();
        let resource = format!("t/phone/p-{}", self.items.len() + 1);
        let mut key = GatherKey {
            account: AccountId::new("a1").expect("id"),
            service: String::new(),
            project: None,
            resource: ResourceId::new(resource).expect("id"),
            meter: MeterId::new("calls").expect("id"),
            site: None,
            attributes: BTreeMap::new(),
            tariff: self.book.tariffs[0].id.clone(),
            tariff_version: version.id.clone(),
            rate_index: 0,
            chain: Vec::new(),
            per_seconds: 1,
            month: None,
            window: None,
            agreement: Some("new".parse().expect("id")),
            tax_category: tax("standard"),
            estimated: false,
        };
        let quantity = turnpike_schemas::parse::decimal_to_scaled(units, 6).expect(units);
        let mut sums = Gathered {
            resource_kind: "phone".to_owned(),
            quantity: quantity.into(),
            seconds: 0,
            first,
            last: first.plus_seconds(1).expect("last"),
            intervals: 1,
            worth: None,
            steps: Vec::new(),
            events: None,
        };
        change(&mut key, &mut sums);
        let tariff = self.book.tariff(&key.tariff).expect("tariff");
        let version = tariff.versions.iter().find(|version| version.id == key.tariff_version);
        key.meter = version.expect("version").rates[key.rate_index].meter.clone();
        key.service = self.book.meters.get(&key.meter).expect("meter").service.clone();
        self.items.push((key, sums));
        self
    }

    pub fn rated(&self) -> Result<Vec<RatedLine>, ParkReason> {
        let account = &self.book.accounts[0];
        let periods = BTreeMap::from([(account.id.clone(), self.period)]);
        let lookup = Lookup::new(&self.book, &periods).billed_until(self.until);
        let mut items = self.items.clone();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        price_account(&lookup, &RunId::new("run").expect("id"), account, &items)
    }

    pub fn lines(&self) -> Vec<RatedLine> {
        let lines = self.rated().expect("rates");
        let mut ids: Vec<&str> = lines.iter().map(|line| line.line_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), lines.len(), "line ids are unique");
        lines
    }

    /// `kind amount detail` of each line, by kind and time.
    pub fn text(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.sort_by_key(|line| {
            (line.kind, line.service_period, line.resource.clone(), line.detail.clone())
        });
        lines
            .iter()
            .map(|line| {
                let amount = line.amount.to_decimal_text(6);
                format!("{} {amount} {}", line.kind.as_str(), line.detail).trim_end().to_owned()
            })
            .collect()
    }

    pub fn total(&self) -> Fraction {
        let lines = self.lines();
        let currency = self.book.accounts[0].currency.expect("currency");
        Amount::sum(lines.iter().map(|line| &line.amount), currency)
            .and_then(|sum| sum.fraction())
            .expect("sum")
    }

    /// The total in cents, rounded once.
    pub fn cents(&self) -> i64 {
        let currency = self.book.accounts[0].currency.expect("currency");
        let amount = Amount::from_fraction(self.total(), currency);
        amount.round(Rounding::HalfAwayFromZero).expect("rounds").minor()
    }

    #[track_caller]
    pub fn costs(&self, decimal: &str) -> &Self {
        assert_eq!(self.total(), Fraction::nano(nano(decimal)), "{:#?}", self.text());
        self
    }
}

pub(super) fn rate(meter: &str, price: &str) -> Rate {
    let meter = MeterId::new(meter).expect(meter);
    Rate::linear(meter, nano(price), unit(), Per::Unit, tax("standard"))
}

pub(super) fn named(name: &str, rate: Rate) -> Rate {
    Rate { name: name.to_owned(), ..rate }
}

pub(super) fn rounded(rate: Rate, step: &str, to: turnpike_schemas::RoundTo) -> Rate {
    Rate { round_units: Some(UnitRounding { step_nano: nano(step), to }), ..rate }
}

/// Tiers of `(up to, price, flat)`; an empty bound is open.
pub(super) fn graduated(tiers: &[(&str, &str, &str)], zero_usage: ZeroUsage) -> Rate {
    let tiers = tiers.iter().map(|(up_to, price, flat)| Tier {
        up_to_nano: (!up_to.is_empty()).then(|| large(up_to)),
        price_nano: nano(price),
        flat_nano: nano(flat),
    });
    let tiers = Tiers { tiers: tiers.collect(), basis: Default::default(), zero_usage };
    Rate { model: PriceModel::Graduated(tiers), ..rate("calls", "0") }
}

pub(super) fn fee(name: &str, amount: &str, proration: Proration) -> Fee {
    Fee {
        name: name.to_owned(),
        service: "Support".to_owned(),
        tax_category: tax("standard"),
        every: FeeEvery::Month,
        proration,
        amount: FeeAmount::Flat { amount_nano: large(amount) },
    }
}

pub(super) fn adjustment(name: &str, kind: AdjustmentKind) -> Adjustment {
    Adjustment {
        name: name.to_owned(),
        kind,
        scope: AdjustmentScope::default(),
        pool: Pool::Account,
        windows: false,
        unused_windows: false,
    }
}

pub(super) fn of_rates(adjustment: Adjustment, rates: &[&str]) -> Adjustment {
    let rates = rates.iter().map(|rate| (*rate).to_owned()).collect();
    Adjustment { scope: AdjustmentScope { rates, ..adjustment.scope }, ..adjustment }
}

pub(super) fn of_meters(adjustment: Adjustment, meters: &[&str]) -> Adjustment {
    let meters = meters.iter().map(|meter| MeterId::new(*meter).expect("meter")).collect();
    Adjustment { scope: AdjustmentScope { meters, ..adjustment.scope }, ..adjustment }
}

pub(super) fn allowance(quantity: &str) -> AdjustmentKind {
    let quantity_nano = large(quantity);
    AdjustmentKind::Allowance { quantity_nano, unit: unit(), after_rounding: false }
}

pub(super) fn discount(share: &str) -> AdjustmentKind {
    AdjustmentKind::Discount { rate_nano: nano(share) }
}

pub(super) fn credit(amount: &str) -> AdjustmentKind {
    AdjustmentKind::Credit { amount_nano: large(amount) }
}

pub(super) fn minimum(amount: &str, proration: Proration) -> AdjustmentKind {
    AdjustmentKind::Minimum { amount_nano: large(amount), proration }
}

pub(super) fn maximum(amount: &str) -> AdjustmentKind {
    AdjustmentKind::Maximum { amount_nano: large(amount), proration: Proration::Second }
}

pub(super) fn commitment(
    amount: &str,
    overage: &str,
    true_up: bool,
    prepaid: bool,
) -> AdjustmentKind {
    AdjustmentKind::Commitment {
        amount_nano: large(amount),
        overage_nano: nano(overage),
        true_up,
        prepaid,
        proration: Proration::Second,
    }
}

/// Local days over those of the month.
pub(super) const BY_DAY: Proration =
    Proration::Day { count: turnpike_schemas::tariff::DayCount::Actual, ratio: None };

pub(super) fn adjustments(lines: &[RatedLine]) -> Vec<&RatedLine> {
    lines.iter().filter(|line| line.kind == LineKind::Adjustment).collect()
}
