//! Gathering and pricing against a small book: one account, one tariff with two versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::interval::Holder;
use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::{
    Aggregation, Instant, MeterId, OwnerRef, Period, PriceBook, ResourceId, RunId, UsageInterval,
};

use super::Harvest;
use crate::run::priced;
use crate::tariff_lookup::Lookup;

mod bounds;
mod derived;
mod holdings;
mod measures;
mod moving;
mod rates;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect(text)
}

pub(crate) fn book() -> PriceBook {
    let rate = |meter: &str, price: i64, unit: &str, base: i64, per: &str| {
        serde_json::json!({
            "meter": meter, "conditions": {}, "price_nano": price, "per": per,
            "unit": {"name": unit, "base_units": base}, "tax_category": "standard"
        })
    };
    let json = serde_json::json!({
        "parties": [{
            "id": "acme", "name": "Acme", "kind": "franchisor", "tax_id": null, "email": null,
            "address": {"lines": [], "postal_code": "", "city": "", "country": "FR"},
            "invoice_series": "ACM", "payment_days": 30, "payment_note": null
        }],
        "sites": [],
        "accounts": [{
            "id": "a1", "name": "A1", "seller": "acme", "currency": "EUR", "time_zone": "UTC",
            "address": {"lines": [], "postal_code": "", "city": "", "country": "FR"},
            "tax_id": null, "email": null, "tax_category": null,
            "owners": [{"owner": "t/p1", "valid_from": null, "valid_to": null}],
            "tariffs": [{"tariff": "standard", "valid_from": null, "valid_to": null}]
        }],
        "meters": {},
        "tariffs": [{
            "id": "standard", "name": "Standard", "currency": "EUR",
            "rounding": "half-away-from-zero",
            "versions": [
                {
                    "id": "standard.1", "valid_from": "2026-01-01T00:00:00Z",
                    "valid_to": "2026-10-10T00:02:03Z", "included": ["instance"], "hold": {},
                    "rates": [
                        rate("vcpu", 41_600_000, "vCPU", 1, "hour"),
                        rate("egress", 50_000_000, "GiB", 1 << 30, "unit"),
                        rate("volume", 80_000_000, "GiB", 1 << 30, "month")
                    ]
                },
                {
                    "id": "standard.2", "valid_from": "2026-10-10T00:02:03Z",
                    "valid_to": "2026-12-01T00:00:00Z", "included": ["instance"], "hold": {},
                    "rates": [rate("vcpu", 50_000_000, "vCPU", 1, "hour")]
                }
            ]
        }],
        "agreements": [],
        "tax_categories": [{"id": "standard", "code": "S", "rate_ppm": 200_000, "note": null}],
        "sources": []
    });
    let mut book: PriceBook = serde_json::from_value(json).expect("book");
    book.meters = MeterCatalogue::builtin();
    book
}

fn interval(meter: &str, start: &str, end: &str, quantity: i64) -> UsageInterval {
    let meters = MeterCatalogue::builtin();
    let id = MeterId::new(meter).expect("meter");
    let known = meters.get(&id);
    UsageInterval {
        holder: Arc::new(Holder {
            resource: ResourceId::new("t/instance/i-1").expect("id"),
            resource_kind: "instance".to_owned(),
            parent: None,
            owner: Some(OwnerRef::new("t/p1").expect("owner")),
            project: None,
            site: None,
            region: None,
            source: "/test".to_owned(),
            attributes: BTreeMap::new(),
            tags: BTreeMap::new(),
        }),
        aggregation: known.map_or(Aggregation::Held, |meter| meter.aggregation),
        scale: known.map_or(6, |meter| meter.scale),
        meter: id,
        state: ResourceState::Active,
        start: at(start),
        end: at(end),
        quantity,
        seconds: None,
        estimated: false,
    }
}

/// Rates October 2026 and prints the lines as `version seconds quantity amount`, then what is
/// parked and unassigned.
fn rated(book: &PriceBook, intervals: &[UsageInterval]) -> Vec<String> {
    let span = Period::new(at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z")).expect("span");
    let periods: BTreeMap<_, _> =
        book.accounts.iter().map(|account| (account.id.clone(), span)).collect();
    let mut harvest = Harvest::default();
    let lookup = Lookup::new(book, &periods);
    for interval in intervals {
        harvest.add(&lookup, interval, &span, span.end());
    }
    let lines = priced(&lookup, &RunId::new("run").expect("id"), &mut harvest);
    let lines = lines.iter().map(|line| {
        let version = line.tariff_version.as_str();
        format!("{version} {} {} {}", line.seconds, line.quantity, line.amount)
    });
    let parked = harvest.parked();
    let parked = parked.iter().map(|parked| format!("parked {}", parked.reason.code.as_str()));
    let unassigned = harvest.unassigned.values();
    let unassigned = unassigned.map(|row| format!("unassigned {} {}", row.meter, row.seconds));
    lines.chain(parked).chain(unassigned).collect()
}

/// October 2026 of each account, with nothing past it.
fn october(book: &PriceBook) -> (Period, BTreeMap<turnpike_schemas::AccountId, Period>) {
    let span = Period::new(at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z")).expect("span");
    (span, book.accounts.iter().map(|account| (account.id.clone(), span)).collect())
}

/// What October comes to before it is priced, as `meter version/rate quantity seconds intervals`,
/// with the window where there is one; then what is parked, with its text.
fn gathered(book: &PriceBook, intervals: &[UsageInterval]) -> Vec<String> {
    let (span, periods) = october(book);
    let lookup = Lookup::new(book, &periods);
    let mut harvest = Harvest::default();
    for interval in intervals {
        harvest.add(&lookup, interval, &span, span.end());
    }
    harvest.resolve();
    printed(&harvest)
}

fn printed(harvest: &Harvest) -> Vec<String> {
    let sums = harvest.gathered.iter().map(|(key, sums)| {
        let window = key.window.map(|start| format!(" {start}")).unwrap_or_default();
        format!(
            "{} {}/{}{window} {} {} {}",
            key.meter,
            key.tariff_version,
            key.rate_index,
            sums.quantity,
            sums.seconds,
            sums.intervals
        )
    });
    let parked = harvest.parked.values().map(ToString::to_string);
    sums.chain(parked).collect()
}

/// A book whose only tariff version has these rates and holds for all of 2026.
fn with_rates(rates: serde_json::Value) -> PriceBook {
    let mut book = book();
    let version = &mut book.tariffs[0].versions[0];
    version.valid_to = None;
    version.rates = serde_json::from_value(rates).expect("rates");
    book.tariffs[0].versions.truncate(1);
    book
}

/// A linear rate of a meter, with what else it says.
fn rate(meter: &str, per: &str, more: serde_json::Value) -> serde_json::Value {
    let mut rate = serde_json::json!({
        "meter": meter, "conditions": {}, "price_nano": 1_000_000_000, "per": per,
        "unit": {"name": "unit", "base_units": 1}, "tax_category": "standard"
    });
    let more = more.as_object().cloned().unwrap_or_default();
    rate.as_object_mut().expect("an object").extend(more);
    rate
}

/// The interval with its holder changed.
fn of(mut interval: UsageInterval, change: impl FnOnce(&mut Holder)) -> UsageInterval {
    change(Arc::make_mut(&mut interval.holder));
    interval
}

fn attribute(interval: UsageInterval, key: &str, value: &str) -> UsageInterval {
    of(interval, |holder| {
        holder.attributes.insert(key.to_owned(), value.to_owned());
    })
}

#[test]
fn a_price_change_at_an_odd_second_cuts_exactly() {
    // 1 vCPU over 2026-10-10 00:00:00 to 01:00:00: 123 s at 0.0416, 3477 s at 0.05 per hour.
    let usage = [interval("vcpu", "2026-10-10T00:00:00Z", "2026-10-10T01:00:00Z", 1_000_000)];
    assert_eq!(
        rated(&book(), &usage),
        ["standard.1 123 123000000 533/375000 EUR", "standard.2 3477 3477000000 1159/24000 EUR"]
    );
}

#[test]
fn instants_are_floored_so_that_pieces_add_up() {
    let whole = [interval("vcpu", "2026-10-01T00:00:00.9Z", "2026-10-01T00:00:10.2Z", 1_000_000)];
    let parts = [
        interval("vcpu", "2026-10-01T00:00:00.9Z", "2026-10-01T00:00:04.7Z", 1_000_000),
        interval("vcpu", "2026-10-01T00:00:04.7Z", "2026-10-01T00:00:10.2Z", 1_000_000),
    ];
    assert_eq!(rated(&book(), &whole), rated(&book(), &parts));
    assert_eq!(rated(&book(), &whole), ["standard.1 10 10000000 13/112500 EUR"]);
}

#[test]
fn usage_is_clipped_to_the_period() {
    let usage = [interval("vcpu", "2026-08-01T00:00:00Z", "2026-10-01T01:00:00Z", 2_000_000)];
    assert_eq!(rated(&book(), &usage), ["standard.1 3600 7200000000 52/625 EUR"]);
    let outside = [interval("vcpu", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", 1_000_000)];
    assert_eq!(rated(&book(), &outside), Vec::<String>::new());
}

#[test]
fn what_was_consumed_counts_when_its_window_is_complete() {
    let gib = 1_i64 << 30;
    let last = [interval("egress", "2026-09-30T23:00:00Z", "2026-10-01T00:00:00Z", gib)];
    assert_eq!(rated(&book(), &last), Vec::<String>::new());
    let first = [interval("egress", "2026-09-30T23:59:59Z", "2026-10-01T00:00:01Z", gib)];
    assert_eq!(rated(&book(), &first), ["standard.1 0 1073741824 1/20 EUR"]);
}

#[test]
fn a_monthly_price_divides_by_the_month_it_is_in() {
    let gib = 1_i64 << 30;
    let usage = [interval("volume", "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", gib)];
    // 0.08 per GiB-month, one of 31 days.
    assert_eq!(rated(&book(), &usage), ["standard.1 86400 92771293593600 2/775 EUR"]);
}

#[test]
fn what_cannot_be_priced_parks_its_account() {
    let vcpu = |start: &str, end: &str| interval("vcpu", start, end, 1_000_000);
    let day = ("2026-10-02T00:00:00Z", "2026-10-03T00:00:00Z");
    let check = |change: &dyn Fn(&mut PriceBook), usage: UsageInterval, expect: &str| {
        let mut book = book();
        change(&mut book);
        let good = vcpu("2026-10-01T00:00:00Z", "2026-10-01T00:00:01Z");
        assert_eq!(rated(&book, &[good, usage]), [expect]);
    };
    check(&|_| {}, interval("gpu", day.0, day.1, 1), "parked unknown_meter");
    check(&|_| {}, interval("memory", day.0, day.1, 1), "parked unpriced_meter");
    check(&|b| b.accounts[0].currency = None, vcpu(day.0, day.1), "parked missing_currency");
    check(&|b| b.tariffs[0].currency = None, vcpu(day.0, day.1), "parked missing_currency");
    check(&|b| b.accounts[0].tariffs.clear(), vcpu(day.0, day.1), "parked tariff_gap");
    check(
        &|b| b.tariffs[0].versions[0].valid_from = at("2026-10-01T12:00:00Z"),
        vcpu(day.0, day.1),
        "parked tariff_gap",
    );
    check(
        &|b| b.tariffs[0].versions[1].valid_from = at("2026-10-01T00:00:00Z"),
        vcpu(day.0, day.1),
        "parked tariff_overlap",
    );
    check(
        &|b| {
            let mut twin = b.accounts[0].clone();
            twin.id = turnpike_schemas::AccountId::new("a0").expect("id");
            twin.owners[0].valid_to = Some(at("2020-01-01T00:00:00Z"));
            b.accounts.push(twin);
            b.accounts[0].tax_category = turnpike_schemas::TaxCategoryId::new("none").ok();
        },
        vcpu(day.0, day.1),
        "parked unknown_tax_category",
    );
}

#[test]
fn the_largest_quantity_stays_exact() {
    let usage = [interval("volume", "2026-10-02T00:00:00Z", "2026-10-09T00:00:00Z", i64::MAX)];
    // (2^63 - 1) bytes x 604800 s x 0.08 / (2^30 x 2678400 s), in lowest terms.
    let expect =
        "standard.1 604800 5578295407889768408073600 64563604257983430649/416074956800 EUR";
    assert_eq!(rated(&book(), &usage), [expect]);
}

#[test]
fn unknown_owners_are_unassigned_and_included_meters_are_not_charged() {
    let mut stranger = interval("vcpu", "2026-10-02T00:00:00Z", "2026-10-02T00:01:00Z", 1);
    Arc::make_mut(&mut stranger.holder).owner = Some(OwnerRef::new("t/p9").expect("owner"));
    let included = interval("instance", "2026-10-02T00:00:00Z", "2026-10-03T00:00:00Z", 1);
    assert_eq!(rated(&book(), &[stranger, included]), ["unassigned vcpu 60"]);
}

#[test]
fn two_owners_park_also_for_usage_at_the_first_instant() {
    let mut book = book();
    let mut twin = book.accounts[0].clone();
    twin.id = turnpike_schemas::AccountId::new("a2").expect("id");
    book.accounts.push(twin);
    let usage = interval("egress", "2026-10-01T00:00:00Z", "2026-10-01T00:00:00Z", 1 << 30);
    assert_eq!(rated(&book, &[usage]), ["parked owner_overlap", "parked owner_overlap"]);
}

#[test]
fn unassigned_seconds_of_a_report_are_those_it_says() {
    let mut usage = interval("vcpu", "2026-10-02T00:00:00Z", "2026-10-03T00:00:00Z", 1_000_000);
    usage.seconds = Some(3_600);
    Arc::make_mut(&mut usage.holder).owner = None;
    assert_eq!(rated(&book(), &[usage]), ["unassigned vcpu 3600"]);
}
