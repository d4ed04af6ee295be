//! Both ways of pricing accounts beside one another, over random books and usage: the same lines, sums,
//! digests and reasons.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::tariff::{
    FeeAmount, FeeEvery, Proration, Tier, TierBasis, Tiers, UnitRounding, ZeroUsage,
};
use turnpike_schemas::{
    AccountId, Fee, Instant, MeterId, Per, Period, Pool, PriceBook, PriceModel, PriceUnit, Rate,
    RatedLine, ResourceId, RoundTo, RunId,
};

use super::{ShortLines, ShortWay};
use crate::convert;
use crate::error::RatingError;
use crate::fast::{Slot, Subject, Sums, Tally};
use crate::gather::{GatherKey, Gathered, Harvest};
use crate::parked::Parked;
use crate::price_run::{KeptLines, LineSink, LineTotals, PartLines, PriceRun, TableWriter};
use crate::tariff_lookup::Lookup;

/// A small generator: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.next(of) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.next(all.len() as u64)).expect("a place")]
    }
}

const ACCOUNTS: u32 = 6;
const METERS: [&str; 4] = ["vcpu", "memory", "egress", "volume"];
const NAMES: [&str; 4] = ["", "", "Peak \"hours\"", "Line (special)"];

fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect(text)
}

fn empty_book(numbers: &mut Numbers) -> PriceBook {
    let address = serde_json::json!({"lines": [], "postal_code": "", "city": "", "country": "FR"});
    let account = |number: u32| {
        let two = number == 4;
        let tariff = |from: Option<&str>, to: Option<&str>| serde_json::json!({"tariff": "list", "valid_from": from, "valid_to": to});
        let middle = Some("2026-01-15T00:00:00Z");
        serde_json::json!({
            "id": format!("a{number}"), "name": "A", "seller": "acme",
            "currency": (number != 5).then_some("EUR"), "time_zone": "UTC",
            "address": address.clone(), "tax_id": null, "email": null, "tax_category": null,
            "owners": [],
            "tariffs": if two {
                vec![tariff(None, middle), tariff(middle, None)]
            } else {
                vec![tariff(None, None)]
            }
        })
    };
    let version = |number: u32| {
        serde_json::json!({
            "id": format!("list.{number}"), "valid_from": format!("2026-01-0{}T00:00:00Z", number * 3),
            "valid_to": (number == 1).then_some("2026-01-06T00:00:00Z"),
            "included": [], "hold": {}, "rates": []
        })
    };
    let json = serde_json::json!({
        "parties": [{
            "id": "acme", "name": "acme", "kind": "franchisor", "tax_id": null, "email": null,
            "address": address.clone(), "invoice_series": "ACM", "payment_days": 30,
            "payment_note": null
        }],
        "sites": [],
        "accounts": (0..ACCOUNTS).map(account).collect::<Vec<_>>(),
        "meters": {},
        "tariffs": [{
            "id": "list", "name": "List", "currency": "EUR", "rounding": "half-away-from-zero",
            "versions": [version(1), version(2)]
        }],
        "agreements": [],
        "tax_categories": [{"id": "standard", "code": "S", "rate_ppm": 200_000, "note": null}],
        "sources": []
    });
    let mut book: PriceBook = serde_json::from_value(json).expect("book");
    book.meters = MeterCatalogue::builtin();
    let pool = numbers.of(&[Pool::Account, Pool::Resource, Pool::Project, Pool::Site]);
    for version in &mut book.tariffs[0].versions {
        version.rates = (0..5).map(|_| rate(numbers, pool)).collect();
        if numbers.one_in(30) {
            version.fees.push(Fee {
                name: "Support".to_owned(),
                service: "Support".to_owned(),
                tax_category: parse("standard"),
                every: FeeEvery::Month,
                proration: Proration::None,
                amount: FeeAmount::Flat { amount_nano: 5 },
            });
        }
    }
    book
}

fn rate(numbers: &mut Numbers, pool: Pool) -> Rate {
    let meter: MeterId = parse(numbers.of(&METERS));
    let unit = PriceUnit {
        name: "unit".to_owned(),
        base_units: numbers.of(&[1, 1_000, 1 << 30, 1 << 30, 7_000]),
    };
    let price = i64::try_from(numbers.next(1 << 31)).expect("price") - 1_000;
    let mut rate = Rate::linear(meter, price, unit, Per::Hour, parse("standard"));
    rate.name = numbers.of(&NAMES).to_owned();
    rate.pool = if numbers.one_in(40) { Pool::Account } else { pool };
    let tiers = tiers(numbers);
    rate.model = match numbers.next(5) {
        0 | 1 => PriceModel::Graduated(tiers),
        2 => PriceModel::Volume(tiers),
        _ => PriceModel::PerUnit,
    };
    if numbers.one_in(120) {
        rate.round_units = Some(UnitRounding { step_nano: 2_000_000_000, to: RoundTo::Up });
    }
    rate
}

fn tiers(numbers: &mut Numbers) -> Tiers {
    let mut found = Vec::new();
    let mut bound = 0_i64;
    for _ in 0..numbers.next(4) {
        bound += i64::try_from(numbers.next(90_000) + 1).expect("bound");
        found.push(Some(bound * numbers.of(&[1_000_000_000, 1_000_000_000, 10_000_000])));
        bound = found.last().copied().flatten().unwrap_or(bound * 1_000_000_000) / 1_000_000_000;
    }
    if found.is_empty() || !numbers.one_in(80) {
        found.push(None);
    }
    let tier = |up_to_nano: Option<i64>| Tier {
        up_to_nano: up_to_nano.map(Into::into),
        price_nano: i64::try_from(numbers.next(1 << 30)).expect("price"),
        flat_nano: if numbers.one_in(300) { 3_000_000_000 } else { 0 },
    };
    let tiers = found.into_iter().map(tier).collect();
    let basis = if numbers.one_in(150) { TierBasis::Held } else { TierBasis::Total };
    Tiers { tiers, basis, zero_usage: ZeroUsage::Free }
}

/// What can be summed: every rate in a few guises.
fn slots(book: &PriceBook, numbers: &mut Numbers) -> Vec<Slot> {
    let tariff = &book.tariffs[0];
    let mut slots = Vec::new();
    for version in &tariff.versions {
        for (rate_index, rate) in version.rates.iter().enumerate() {
            for _ in 0..1 + numbers.next(2) {
                let odd = numbers.of(&["plain", "a\"b", "\\", "é"]);
                let subject = numbers.of(&[Subject::Account, Subject::Resource, Subject::Named]);
                let named = subject == Subject::Named;
                let template = GatherKey {
                    account: parse("-"),
                    service: book.meters.get(&rate.meter).expect("meter").service.clone(),
                    project: numbers.one_in(3).then(|| odd.to_owned()),
                    resource: parse(if named { "project:p\"1" } else { "-" }),
                    meter: rate.meter.clone(),
                    site: numbers.one_in(3).then(|| "paris".to_owned()),
                    attributes: BTreeMap::from([("k".to_owned(), odd.to_owned())]),
                    tariff: tariff.id.clone(),
                    tariff_version: version.id.clone(),
                    rate_index,
                    chain: Vec::new(),
                    per_seconds: numbers.of(&[3_600, 3_600, 3_600, 86_400]),
                    month: None,
                    window: None,
                    agreement: numbers.one_in(4).then(|| parse("g-1")),
                    tax_category: parse("standard"),
                    estimated: numbers.one_in(5),
                };
                let resource_kind = if numbers.one_in(9) { "disk" } else { "instance" }.to_owned();
                slots.push(Slot {
                    template,
                    resource_kind,
                    subject,
                    of_account: u32::try_from(slots.len()).expect("few"),
                });
            }
        }
    }
    slots
}

fn sums(numbers: &mut Numbers, sign: i128) -> Sums {
    let start = 1_767_225_600_000_000;
    let hour = i64::try_from(numbers.next(12)).expect("hour") * 3_600_000_000;
    let first = start + hour + i64::try_from(numbers.next(1_500_000)).expect("micros");
    let size = numbers.of(&[3, 1_000_000, 1 << 45]);
    Sums {
        quantity: sign * i128::from(numbers.next(1 << 30)) * size,
        seconds: 60,
        first,
        last: first + 60_000_000,
        intervals: 2,
    }
}

/// Two workers that have metered the accounts between them.
fn tallies(book: &PriceBook, numbers: &mut Numbers) -> Vec<Tally> {
    let shared = slots(book, numbers);
    let mut of_worker = || {
        let mut slots = shared.clone();
        slots.reverse();
        slots.truncate(slots.len() - usize::try_from(numbers.next(3)).expect("few"));
        let mut all = Vec::new();
        for account in 0..ACCOUNTS {
            let sign = if numbers.one_in(15) { -1 } else { 1 };
            for _ in 0..numbers.next(7) {
                let slot = u32::try_from(numbers.next(slots.len() as u64)).expect("slot");
                let resource = numbers.of(&["r/1", "r/\"2\"", "a"]);
                all.push((account, slot, resource, sums(numbers, sign)));
            }
        }
        Tally::told(slots, &book.accounts, &all)
    };
    vec![of_worker(), of_worker()]
}

/// Keeps lines and tables.
#[derive(Default)]
struct Both {
    kept: KeptLines,
    tables: Arc<Mutex<Vec<RatedLine>>>,
}

/// Reads a table again as it is written.
struct Read(Arc<Mutex<Vec<RatedLine>>>);

impl TableWriter for Read {
    fn write(&mut self, table: &RecordBatch) -> Result<(), RatingError> {
        let read = convert::lines_from_batches(std::slice::from_ref(table))?;
        self.0.lock().expect("not poisoned").extend(read);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), RatingError> {
        Ok(())
    }
}

impl LineSink for Both {
    fn part(&self, number: usize) -> Result<PartLines, RatingError> {
        Ok(self.kept.part(number)?.with_table(Box::new(Read(self.tables.clone()))))
    }

    fn take(&self, part: usize, mut lines: PartLines) -> Result<(), RatingError> {
        lines.end_table()?;
        self.kept.take(part, lines)
    }
}

type Outcome = (Vec<RatedLine>, LineTotals, Vec<u8>, Vec<Parked>);

fn priced(lookup: &Lookup<'_>, tallies: &[Tally], mut harvest: Harvest) -> Outcome {
    let (run, sink) = (parse::<RunId>("run_1"), Both::default());
    let pricing = PriceRun { lookup, run: &run, tallies, threads: 1, sink: &sink };
    let (totals, digests) = pricing.price(&mut harvest).expect("no failure but of accounts");
    let lines = sink.kept.into_lines();
    assert_eq!(lines, *sink.tables.lock().expect("not poisoned"));
    (lines, totals, digests, harvest.parked())
}

fn gathered(book: &PriceBook, tallies: &[Tally]) -> Harvest {
    let mut found: BTreeMap<GatherKey, Gathered> = BTreeMap::new();
    for (number, account) in (0..).zip(&book.accounts) {
        for tally in tallies {
            tally.of_account(number, account, &mut found, |key| panic!("{key:?} is too large"));
        }
    }
    let mut harvest = Harvest::default();
    harvest.gathered.extend(found);
    harvest
}

#[test]
fn both_ways_price_alike() {
    let mut numbers = Numbers(11);
    let (mut short, mut declined, mut parked) = (0, 0, 0);
    for round in 0..600 {
        let book = empty_book(&mut numbers);
        let period = Period::parse_month("2026-01", chrono_tz::Tz::UTC).expect("month");
        let periods: BTreeMap<AccountId, Period> =
            book.accounts.iter().map(|account| (account.id.clone(), period)).collect();
        let lookup = Lookup::new(&book, &periods).billed_until(Instant::MAX);
        let tallies = tallies(&book, &mut numbers);
        let here = priced(&lookup, &tallies, Harvest::default());
        let there = priced(&lookup, &[], gathered(&book, &tallies));
        assert_eq!(here, there, "round {round}");
        parked += here.3.len();
        let run = parse("run_1");
        let way = ShortWay::new(&lookup, &run, &tallies);
        for (number, account) in (0..).zip(&book.accounts) {
            let mut lines = ShortLines::default();
            match way.price(number, account, &mut lines) {
                Some(()) => short += usize::from(!lines.is_empty()),
                None => declined += 1,
            }
        }
    }
    // Both must have been tried, or this says nothing.
    assert!(short > 300 && declined > 300 && parked > 30, "{short} {declined} {parked}");
}

#[test]
fn a_resource_of_the_accounts_name_is_declined_or_the_same() {
    let mut numbers = Numbers(5);
    let book = empty_book(&mut numbers);
    let name: ResourceId = parse("account:a0");
    let mut slots = slots(&book, &mut numbers);
    slots.truncate(1);
    slots[0].subject = Subject::Account;
    let mut named = slots[0].clone();
    named.subject = Subject::Named;
    named.template.resource = name;
    slots.push(named);
    let some = sums(&mut numbers, 1);
    let told = [(0, 0, "r/1", some), (0, 1, "r/1", some)];
    let tallies = [Tally::told(slots, &book.accounts, &told)];
    let period = Period::parse_month("2026-01", chrono_tz::Tz::UTC).expect("month");
    let periods = BTreeMap::from([(parse::<AccountId>("a0"), period)]);
    let lookup = Lookup::new(&book, &periods);
    let here = priced(&lookup, &tallies, Harvest::default());
    let harvest = gathered(&book, &tallies);
    assert_eq!(harvest.gathered.len(), 1);
    assert_eq!(here, priced(&lookup, &[], harvest));
}
