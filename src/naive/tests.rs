use std::collections::{BTreeMap, BTreeSet};

use turnpike_rating::Window;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{AccountId, Amount, Currency, Instant};

use super::facts::{Fact, Flow, Kind, Quantity, settle};
use super::{Answer, Question, Sums, Told, as_shown, differences, known, meter_account};

/// One vCPU-second costs a millionth of a euro, and so does one request.
const BOOK: &str = r#"
[[party]]
id = "own"
name = "Own"
kind = "franchisor"
series = "OWN"
address = { lines = ["1 rue"], postal_code = "1", city = "Paris", country = "FR" }

[[tax_category]]
id = "none"
code = "Z"
rate = "0%"

[[tariff]]
id = "t"
name = "T"
currency = "EUR"

[[tariff.version]]
valid_from = "2020-01-01T00:00:00Z"
valid_to = "2026-01-01T10:30:01Z"

[[tariff.version.rate]]
meter = "vcpu"
price = "0.0036"
per = "hour"
unit = "vCPU"
tax = "none"

[[tariff.version.rate]]
meter = "requests"
price = "0.000001"
per = "unit"
unit = "request"
tax = "none"

[[tariff.version]]
valid_from = "2026-01-01T10:30:01Z"

[[tariff.version.rate]]
meter = "vcpu"
price = "0.0036"
per = "hour"
unit = "vCPU"
tax = "none"

[[tariff.version.rate]]
meter = "requests"
price = "0.000001"
per = "unit"
unit = "request"
tax = "none"

[[account]]
id = "a"
name = "A"
seller = "own"
currency = "EUR"
time_zone = "UTC"
tariff = "t"
address = { lines = ["2 rue"], postal_code = "1", city = "Paris", country = "FR" }

[[account.owner]]
owner = "x/a"
"#;

fn micros(text: &str) -> i64 {
    Instant::parse(&format!("2026-01-01T{text}Z")).expect("a time of the day").micros()
}

fn fact(kind: Kind, time: &str, state: Option<ResourceState>) -> Fact {
    Fact {
        key: format!("{kind:?}{time}{state:?}"),
        kind,
        rank: i32::from(kind == Kind::Audit),
        time: micros(time),
        window: None,
        since: None,
        seconds: None,
        state,
        terminal: false,
        incarnation: None,
        owner: Some("x/a".to_owned()),
        attributes: BTreeMap::new(),
        quantities: Vec::new(),
        place: 0,
    }
}

fn quantity(meter: &str, quantity: i64, flow: Flow) -> Quantity {
    let scale = if meter == "vcpu" { 6 } else { 0 };
    let factor = if meter == "vcpu" { 1_000_000 } else { 1 };
    Quantity { meter: meter.to_owned(), quantity: quantity * factor, scale, flow }
}

fn active(kind: Kind, time: &str, vcpus: i64) -> Fact {
    let quantities = vec![quantity("vcpu", vcpus, Flow::Held)];
    Fact { quantities, ..fact(kind, time, Some(ResourceState::Active)) }
}

fn state(time: &str, state: ResourceState) -> Fact {
    fact(Kind::Change, time, Some(state))
}

fn deleted(kind: Kind, time: &str) -> Fact {
    Fact { terminal: true, rank: 2, ..fact(kind, time, Some(ResourceState::Deleted)) }
}

fn since(time: &str, fact: Fact) -> Fact {
    Fact { since: Some(micros(time)), ..fact }
}

fn window(start: &str, end: &str, fact: Fact) -> Fact {
    Fact { window: Some((micros(start), micros(end))), ..fact }
}

/// Meters one resource until noon of the first of January and compares millionths of a euro.
fn check(name: &str, mut facts: Vec<Fact>, expect: i64) {
    let book = turnpike_books::parse_book(BOOK).expect("a book");
    let accounts = BTreeSet::from([AccountId::new("a").expect("id")]);
    let question = Question {
        book: &book,
        window: Window::Month { year: 2026, month: 1 },
        as_of: Instant::from_micros(micros("12:00:00")).expect("noon"),
        accounts: &accounts,
    };
    settle(&mut facts);
    let account = book.accounts.first().expect("an account");
    let told = BTreeMap::from([("x/instance/1".to_owned(), Told::of(&facts))]);
    let Answer::Sums(sums) = meter_account(&question, account, &told).expect("meters") else {
        panic!("{name}: not priced");
    };
    let euro = Currency::new("EUR").expect("EUR");
    let total = Amount::sum(sums.values(), euro).expect("sums");
    let expect = Amount::from_text(&expect.to_string(), "1000000", euro).expect("amount");
    assert_eq!(total, expect, "{name}");
}

#[test]
fn lives_are_metered_by_the_second() {
    use Kind::{Audit, Change};
    use ResourceState::Stopped;
    check(
        "an hour of two",
        vec![active(Change, "10:00:00", 2), deleted(Change, "11:00:00")],
        7_200,
    );
    check("still running at noon", vec![active(Change, "11:59:50", 1)], 10);
    check(
        "a stop and a start within an hour",
        vec![
            active(Change, "10:00:00", 1),
            state("10:10:00.9", Stopped),
            state("10:20:00.1", ResourceState::Active),
            deleted(Change, "10:30:00"),
        ],
        600 + 600,
    );
    check(
        "a resize, and audits that agree",
        vec![
            active(Change, "10:00:00", 1),
            window("10:00:00", "11:00:00", active(Audit, "11:00:05", 1)),
            active(Change, "11:00:10", 4),
            deleted(Change, "11:00:20"),
        ],
        3_610 + 40,
    );
    check(
        "twice delivered",
        vec![
            active(Change, "10:00:00", 1),
            active(Change, "10:00:00", 1),
            deleted(Change, "10:00:10"),
        ],
        10,
    );
    check(
        "sub-second instants are floored, never durations",
        vec![active(Change, "10:00:00.9", 1), deleted(Change, "10:00:02.1")],
        2,
    );
}

#[test]
fn what_was_lost_or_late_is_healed() {
    use Kind::{Audit, Change};
    use ResourceState::{Building, Stopped};
    check(
        "a lost delete, healed by an audit that names its time",
        vec![
            active(Change, "10:00:00", 1),
            window("11:00:00", "12:00:00", deleted(Audit, "11:20:00")),
        ],
        4_800,
    );
    check(
        "a lost create, healed since its launch",
        vec![since("10:00:30", window("10:00:00", "11:00:00", active(Audit, "11:00:00", 1)))],
        7_170,
    );
    check(
        "a lost stop counts from the last evidence",
        vec![
            active(Change, "10:00:00", 1),
            window(
                "10:30:00",
                "11:30:00",
                Fact { state: Some(Stopped), ..active(Audit, "11:30:00", 1) },
            ),
        ],
        1_800,
    );
    check(
        "never launched",
        vec![active(Change, "10:00:00", 1)]
            .into_iter()
            .map(|f| Fact { state: Some(Building), ..f })
            .collect(),
        0,
    );
    check(
        "only a delete arrives, with its launch",
        vec![since(
            "11:00:00",
            Fact {
                quantities: vec![quantity("vcpu", 1, Flow::Held)],
                ..deleted(Change, "11:00:07")
            },
        )],
        7,
    );
    check(
        "an audit of the life that ended is late",
        vec![
            active(Change, "10:00:00", 1),
            deleted(Change, "10:30:00"),
            since("10:00:00", window("10:00:00", "11:00:00", active(Audit, "11:00:00", 1))),
        ],
        1_800,
    );
}

#[test]
fn what_is_consumed_counts_once() {
    let used = |time: &str, number, flow| {
        let quantities = vec![quantity("requests", number, flow)];
        Fact { quantities, ..fact(Kind::Delta, time, None) }
    };
    let boot = |name: &str, fact: Fact| Fact { incarnation: Some(name.to_owned()), ..fact };
    check(
        "a report after noon is not ours yet",
        vec![
            used("10:00:00", 5, Flow::Delta),
            window("11:59:00", "12:00:00", used("12:00:01", 7, Flow::Delta)),
            window("11:59:00", "12:00:01", used("12:00:02", 70, Flow::Delta)),
        ],
        12,
    );
    check(
        "a counter that starts again",
        vec![
            boot("1", used("10:00:00", 100, Flow::Cumulative)),
            boot("1", used("10:10:00", 130, Flow::Cumulative)),
            boot("2", used("10:20:00", 200, Flow::Cumulative)),
            boot("2", used("10:30:00", 50, Flow::Cumulative)),
        ],
        30 + 200 + 50,
    );
}

#[test]
fn pre_aggregated_windows_count_their_seconds() {
    let interval = |seconds| {
        let quantities = vec![quantity("vcpu", 2, Flow::Held)];
        let fact = Fact { quantities, seconds, ..fact(Kind::Interval, "11:00:00", None) };
        window("10:00:00", "11:00:00", fact)
    };
    check("all of the window", vec![interval(None)], 7_200);
    check("some of it", vec![interval(Some(60))], 120);
}

#[test]
fn every_difference_is_named() {
    let euro = Currency::new("EUR").expect("EUR");
    let sums = |pairs: &[(&str, &str)]| -> Sums {
        let amount = |text: &str| Amount::from_text(text, "3", euro).expect("amount");
        let key = |meter: &str| ("x/instance/1".to_owned(), meter.to_owned());
        pairs.iter().map(|(meter, thirds)| (key(meter), amount(thirds))).collect()
    };
    let naive = sums(&[("vcpu", "1"), ("memory", "2"), ("egress", "0")]);
    assert_eq!(differences(&naive, &naive), Vec::<String>::new());
    assert_eq!(
        differences(&naive, &sums(&[("vcpu", "2"), ("volume", "3")])),
        vec![
            "x/instance/1, memory: rated nothing, metered again 0.666666666666…",
            "x/instance/1, vcpu: rated 0.666666666666…, metered again 0.333333333333…",
            "x/instance/1, volume: rated 1, metered again nothing",
        ]
    );
}

#[test]
fn price_lists_of_other_kinds_are_named_and_not_guessed() {
    use turnpike_schemas::tariff::{Detail, HoldingTime, Package, PriceModel};
    let book = turnpike_books::parse_book(BOOK).expect("a book");
    let window = Window::Month { year: 2026, month: 1 };
    let period = window.period(&book.accounts[0]).expect("a period");
    let check = |what: Option<&str>, change: &dyn Fn(&mut turnpike_schemas::Tariff)| {
        let mut book = book.clone();
        change(&mut book.tariffs[0]);
        let found = known::beyond(&book, &book.accounts[0], &period);
        assert_eq!(found.is_some(), what.is_some(), "{found:?}");
        let found = found.unwrap_or_default();
        assert!(found.contains(what.unwrap_or_default()), "{found}");
    };
    check(None, &|_| {});
    check(Some("has a base"), &|t| t.base = Some(t.id.clone()));
    let package = Package { size_nano: 1, free_nano: 0, rounding: turnpike_schemas::RoundTo::Up };
    check(Some("`vcpu` by more than a price per unit"), &|t| {
        t.versions[1].rates[0].model = PriceModel::Package(package);
    });
    check(Some("holding times"), &|t| {
        let meter = t.versions[0].rates[0].meter.clone();
        t.versions[0].holding.insert(meter, HoldingTime::default());
    });
    check(Some("place"), &|t| {
        t.versions[0].rates[0].place.site = Some("s1".to_owned());
    });
    // What is not in force in the month does not matter.
    check(None, &|t| {
        t.versions.truncate(1);
        t.versions[0].valid_to = Some(period.start());
        t.versions[0].rates[0].model = PriceModel::Package(package);
    });
    check(None, &|t| t.versions[0].detail = Detail::Account);
}

/// Fees and adjustments have lines of their own; allowances take units away.
#[test]
fn usage_beside_fees_and_adjustments_is_metered_again() {
    let check = |case: &str, expect: Option<&str>| {
        let path = format!("{}/tests/golden/{case}/book.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the book of a case");
        let book = turnpike_books::parse_book(&text).expect("a book");
        let window = Window::Month { year: 2026, month: 10 };
        let period = window.period(&book.accounts[0]).expect("a period");
        let found = known::beyond(&book, &book.accounts[0], &period);
        assert_eq!(found.as_deref(), expect, "{case}");
    };
    check("84-fees-of-a-part-of-a-month", None);
    check("81-minimum-and-maximum", None);
    check("83-allowance-of-each-project", Some("tariff `standard` has allowances"));
}

#[test]
fn lines_of_several_resources_are_compared_by_meter() {
    let mut book = turnpike_books::parse_book(BOOK).expect("a book");
    let euro = Currency::new("EUR").expect("EUR");
    let amount = |text: &str| Amount::from_text(text, "1", euro).expect("amount");
    let sums: Sums = [("i-1", "vcpu", "1"), ("i-2", "vcpu", "2"), ("i-2", "memory", "4")]
        .map(|(resource, meter, text)| ((resource.to_owned(), meter.to_owned()), amount(text)))
        .into();
    let id = book.accounts[0].id.clone();
    assert_eq!(as_shown(&book, &id, sums.clone()).expect("sums"), sums);
    book.tariffs[0].versions[1].detail = turnpike_schemas::tariff::Detail::Account;
    let shown = as_shown(&book, &id, sums).expect("sums");
    let shown: Vec<(&str, String)> =
        shown.iter().map(|((_, meter), amount)| (meter.as_str(), amount.to_string())).collect();
    assert_eq!(shown, [("memory", "4/1 EUR".to_owned()), ("vcpu", "3/1 EUR".to_owned())]);
}
