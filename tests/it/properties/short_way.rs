//! The short way from usage to sums agrees with the general one, whatever was reported.

use std::fmt::Write as _;

use proptest::prelude::*;
use tempfile::TempDir;
use turnpike_ingest::{IngestSettings, file};
use turnpike_lake::{CompactSettings, Lake, LakeSettings};
use turnpike_rating::{RatingOutcome, RatingRequest, Terms, Window, compare, rate, store};
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::tariff::{Detail, Tier, TierBasis, Tiers, ZeroUsage};
use turnpike_schemas::{
    Instant, MeterId, Per, PriceBook, PriceModel, Rate, RunId, SiteId, TaxCategoryId,
};

use crate::support::case;

/// What an event says, each part by a small number: 0 is nothing.
#[derive(Debug, Clone)]
struct Told {
    resource: u32,
    /// Half hours from the start, few enough that events meet.
    step: i64,
    micros: i64,
    kind: u32,
    state: usize,
    owner: u32,
    place: u32,
    labels: u32,
    since: i64,
    window: i64,
    boot: u32,
    held: u32,
    used: u32,
    quantity: u32,
}

/// 2026-09-25T00:00:00Z.
const START: i64 = 1_790_294_400;
const STEPS: i64 = 51 * 48;

fn told() -> impl Strategy<Value = Told> {
    let step = prop_oneof![3 => 0..STEPS, 2 => (0..STEPS / 97).prop_map(|step| step * 97)];
    let micros = prop_oneof![3 => Just(0), 1 => 0..1_000_000_i64];
    let who = (0..5_u32, step, micros, 0..10_u32, 0..16_usize);
    let what = (0..8_u32, 0..6_u32, 0..6_u32, 0..8_i64, 0..4_i64, 0..3_u32);
    (who, what, 0..7_u32, 0..6_u32, 0..4_u32).prop_map(
        |(
            (resource, step, micros, kind, state),
            (owner, place, labels, since, window, boot),
            held,
            used,
            quantity,
        )| {
            Told {
                resource,
                step,
                micros,
                kind,
                state,
                owner,
                place,
                labels,
                since,
                window,
                boot,
                held,
                used,
                quantity,
            }
        },
    )
}

fn stamp(step: i64, micros: i64) -> String {
    Instant::from_micros((START + step * 1_800) * 1_000_000 + micros).unwrap().to_string()
}

fn line(number: usize, told: &Told) -> String {
    let kind = match told.kind {
        0..=3 => "transition",
        4 => "snapshot",
        5 | 6 => "audit",
        7 | 8 => "delta",
        _ => "interval",
    };
    let time = stamp(told.step, told.micros);
    let mut data = format!(r#""resource":{{"kind":"instance","id":"i-{}"}}"#, told.resource);
    let mut add = |text: &str| write!(data, ",{text}").unwrap();
    match told.owner {
        0 | 1 => {}
        6 => add(r#""owner":"t-2""#),
        7 => add(r#""owner":"stranger""#),
        owner => add(&format!(r#""owner":"t-{}""#, owner % 2)),
    }
    match told.place {
        1 => add(r#""site":"lyon-1","region":"south""#),
        2 => add(r#""project":"web""#),
        3 => add(r#""project":"shop","site":"lyon-1""#),
        _ => {}
    }
    match told.labels {
        1 => add(r#""attributes":{"flavor":"big"}"#),
        2 => add(r#""attributes":{"flavor":"small","tier":"ssd"}"#),
        3 => add(r#""attributes":{"tier":"hdd"},"tags":{"team":"a"}"#),
        4 => add(r#""tags":{}"#),
        _ => {}
    }
    if kind != "delta" && kind != "interval" {
        if told.state == 15 && kind != "snapshot" {
            add(r#""terminal":true"#);
        } else if let Some(state) = ResourceState::ALL.get(told.state) {
            add(&format!(r#""state":"{}""#, state.as_str()));
        }
        if told.since > 5 {
            add(&format!(
                r#""since":"{}""#,
                stamp((told.step - told.since + 6).max(0), told.micros)
            ));
        }
    }
    if matches!(kind, "audit" | "interval") || kind == "delta" && told.window > 0 {
        let start = stamp((told.step - told.window * 3).max(0), 0);
        add(&format!(r#""window":{{"start":"{start}","end":"{time}"}}"#));
    }
    if told.boot > 0 {
        add(&format!(r#""incarnation":"boot-{}""#, told.boot));
    }
    add(&quantities(kind, told));
    format!(
        r#"{{"specversion":"1.0","id":"e-{number}","source":"/s-{}","type":"dev.turnpike.usage.{kind}.v1","time":"{time}","data":{{{data}}}}}"#,
        told.resource % 2,
    )
}

fn quantities(kind: &str, told: &Told) -> String {
    let quantity = told.quantity;
    let held = match told.held {
        1 | 2 => format!(r#"{{"meter":"vcpu","quantity":"{quantity}.5"}}"#),
        3 => format!(r#"{{"meter":"volume","quantity":{quantity}}}"#),
        4 | 5 => format!(
            r#"{{"meter":"vcpu","quantity":{quantity}}},{{"meter":"memory","quantity":7}},{{"meter":"volume","quantity":3,"unit":"GiB"}}"#
        ),
        _ => String::new(),
    };
    let used = match told.used {
        1 => format!(r#"{{"meter":"egress","quantity":{}}}"#, i64::from(quantity) - 1),
        2 => format!(r#"{{"meter":"cpu-time","quantity":{quantity}00,"cumulative":true}}"#),
        3 => format!(
            r#"{{"meter":"cpu-time","quantity":{quantity}7,"cumulative":true}},{{"meter":"egress","quantity":5,"unit":"GB"}}"#
        ),
        _ => String::new(),
    };
    match kind {
        "delta" if used.is_empty() => r#""used":[{"meter":"egress","quantity":1}]"#.to_owned(),
        "delta" => format!(r#""used":[{used}]"#),
        "interval" => r#""held":[{"meter":"vcpu","quantity":1}]"#.to_owned(),
        _ => format!(r#""held":[{held}],"used":[{used}]"#),
    }
}

/// A correction of an earlier event.
fn correction(number: usize, target: usize, told: &Told) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"c-{number}","source":"/fix","type":"dev.turnpike.usage.correction.v1","time":"2026-11-20T00:00:00Z","data":{{"correction":{{"action":"retract","target":{{"source":"/s-{}","id":"e-{target}"}}}}}}}}"#,
        told.resource % 2,
    )
}

/// How prices are made and usage is stored.
#[derive(Debug, Clone, Copy)]
struct Case {
    detail: Detail,
    tiers: bool,
    /// A rate that the short way does not take.
    hours: bool,
    retracts: bool,
    files: usize,
    buckets: u32,
    threads: usize,
    states: bool,
    audited: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let detail = prop::sample::select(vec![Detail::Resource, Detail::Project, Detail::Account]);
    let flags = (any::<bool>(), 0..4_u32, 0..4_u32, any::<bool>(), any::<bool>());
    (detail, flags, 1..4_usize, 1..3_u32, 1..3_usize).prop_map(
        |(detail, (tiers, hours, retracts, states, audited), files, buckets, threads)| Case {
            detail,
            tiers,
            hours: hours == 0,
            retracts: retracts == 0,
            files,
            buckets,
            threads,
            states,
            audited,
        },
    )
}

fn book(case: &Case) -> PriceBook {
    let text = std::fs::read_to_string(case::folder("properties/book.toml")).unwrap();
    let mut book = turnpike_books::parse_book(&text).unwrap();
    let tax = TaxCategoryId::new("standard").unwrap();
    let meter = |name: &str| MeterId::new(name).unwrap();
    let unit = |name: &str, unit: &str| {
        book.meters.get(&meter(name)).unwrap().price_unit(unit).unwrap().clone()
    };
    let (hour, gib) = (unit("cpu-time", "hour"), unit("volume", "GiB"));
    let tier = |up_to_nano, price_nano| Tier { up_to_nano, price_nano, flat_nano: 0 };
    for version in &mut book.tariffs[0].versions {
        let mut flavored = version.rates[0].clone();
        flavored.conditions.insert("flavor".to_owned(), "big".to_owned());
        version.rates.insert(0, flavored);
        version.rates.push(Rate::linear(
            meter("cpu-time"),
            10_000_000,
            hour.clone(),
            Per::Unit,
            tax.clone(),
        ));
        version.included.insert(meter("memory"));
        version.detail = case.detail;
        if case.tiers {
            let volume = version.rates.iter_mut().find(|rate| rate.meter.as_str() == "volume");
            let volume = volume.unwrap();
            volume.unit = gib.clone();
            volume.model = PriceModel::Graduated(Tiers {
                tiers: vec![tier(Some(500_000_000), 90_000_000), tier(None, 70_000_000)],
                basis: TierBasis::Total,
                zero_usage: ZeroUsage::default(),
            });
        }
        if case.hours {
            version.rates[0].window_seconds = Some(3_600);
        }
    }
    if case.audited {
        book.sources.push(turnpike_schemas::book::SourcePolicy {
            prefix: "/s-1".to_owned(),
            open: turnpike_schemas::book::OpenIntervals::Audited {
                every_seconds: 3_600,
                missed: 2,
            },
        });
    }
    book
}

fn now() -> Instant {
    Instant::parse("2026-12-01T00:00:00Z").unwrap()
}

async fn rated(
    lake: &Lake,
    book: &PriceBook,
    case: &Case,
    month: u32,
    general: bool,
) -> RatingOutcome {
    let run = RunId::new("run").unwrap();
    let request = RatingRequest {
        threads: case.threads,
        general_only: general,
        ..RatingRequest::new(run, Window::Month { year: 2026, month }, now())
    };
    rate(&lake.snapshot().await.unwrap(), book, &request, &|_| {}).await.unwrap()
}

/// Other terms: dearer, with a rate of the place that Lyon's usage is taken to have run at.
fn other_terms(book: &PriceBook) -> Terms {
    let mut book = book.clone();
    let mut site = book.sites[0].clone();
    site.id = SiteId::new("milano-1").unwrap();
    site.region = Some("north".to_owned());
    book.sites.push(site);
    for version in &mut book.tariffs[0].versions {
        let mut there = version.rates[1].clone();
        there.place.region = Some("north".to_owned());
        there.price_nano += 1_000_000;
        for rate in &mut version.rates {
            rate.price_nano += 7;
        }
        version.rates.insert(0, there);
    }
    let sites = vec![("lyon-1".to_owned(), SiteId::new("milano-1").unwrap())];
    Terms { book: Some(book), sites, ..Terms::default() }
}

/// What is compared is the same both ways, and each side is what a run bills.
async fn both_terms(lake: &Lake, book: &PriceBook, case: &Case) -> Result<(), TestCaseError> {
    let terms = other_terms(book);
    let snapshot = lake.snapshot().await.unwrap();
    let mut found = Vec::new();
    for general_only in [true, false] {
        let request = RatingRequest {
            threads: case.threads,
            general_only,
            ..RatingRequest::new(
                RunId::new("run").unwrap(),
                Window::Month { year: 2026, month: 10 },
                now(),
            )
        };
        found.push(compare(&snapshot, book, &terms, &request, &|_| {}).await.unwrap());
    }
    prop_assert_eq!(&found[0].old, &found[1].old);
    prop_assert_eq!(&found[0].new, &found[1].new);
    prop_assert_eq!(&found[0].parked_old, &found[1].parked_old);
    prop_assert_eq!(&found[0].parked_new, &found[1].parked_new);
    prop_assert_eq!(&found[0].unassigned, &found[1].unassigned);
    Ok(())
}

/// Rates October and November both ways; how many events went the short way.
async fn compared(all: &[Told], case: &Case) -> Result<u64, TestCaseError> {
    let folder = TempDir::new().unwrap();
    let settings = LakeSettings {
        buckets: case.buckets,
        fsync: false,
        ..LakeSettings::new(folder.path().join("lake"))
    };
    let lake = Lake::open(settings, now()).await.unwrap();
    let book = book(case);
    let mut lines: Vec<String> = all.iter().enumerate().map(|(n, told)| line(n, told)).collect();
    if case.retracts {
        let wrong = all.iter().enumerate().step_by(5);
        lines.extend(wrong.map(|(target, told)| correction(target, target, told)));
    }
    for (number, part) in lines.chunks(lines.len().div_ceil(case.files)).enumerate() {
        let path = folder.path().join(format!("{number}.jsonl"));
        std::fs::write(&path, part.join("\n")).unwrap();
        let settings = IngestSettings { meters: book.meters.clone(), ..IngestSettings::default() };
        file::ingest(&lake, &path, &settings, now(), &|_| {}).await.unwrap();
        lake.compact(&CompactSettings::default(), &|_| {}).await.unwrap();
    }
    both_terms(&lake, &book, case).await?;
    let mut short = 0;
    for month in [10, 11] {
        let general = rated(&lake, &book, case, month, true).await;
        let both = rated(&lake, &book, case, month, false).await;
        prop_assert_eq!(general.short_events, 0);
        short += both.short_events;
        prop_assert_eq!(&both.parked, &general.parked);
        prop_assert_eq!(&both.unassigned, &general.unassigned);
        prop_assert_eq!(&both.lines, &general.lines);
        prop_assert_eq!(&both.hash, &general.hash);
        let counts = |outcome: &RatingOutcome| (outcome.rows, outcome.events, outcome.intervals);
        prop_assert_eq!(counts(&both), counts(&general));
        let sorted = |outcome: &RatingOutcome| {
            let mut states: Vec<_> = outcome.states.clone().into_iter().collect();
            for (_, buckets) in &mut states {
                for known in buckets.values_mut() {
                    known.sort_by(|a, b| a.holder.resource.cmp(&b.holder.resource));
                }
            }
            states
        };
        prop_assert_eq!(sorted(&both), sorted(&general));
        if case.states {
            store(&lake, &both).await.unwrap();
        }
    }
    Ok(short)
}

proptest! {
    #![proptest_config(super::cases(20))]

    #[test]
    fn the_short_way_agrees_or_declines(
        all in prop::collection::vec(told(), 1..40),
        case in case(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(compared(&all, &case))?;
    }
}

/// What an agent sends of a day: it goes the short way as a whole.
#[test]
fn the_usual_goes_the_short_way() {
    let usual = |resource: u32, step: i64, kind: u32, state: usize, held: u32| Told {
        resource,
        step,
        micros: 0,
        kind,
        state,
        // Accounts of one class share what was looked up for the first of them.
        owner: 3 + 3 * (resource % 2),
        place: 1,
        labels: 1,
        since: 0,
        window: 1,
        boot: 0,
        held,
        used: 0,
        quantity: 2,
    };
    let mut all = Vec::new();
    for resource in 0..5 {
        all.push(usual(resource, 400, 0, 1, 4));
        all.push(usual(resource, 500, 0, 4, 0));
        all.push(usual(resource, 600, 4, 1, 1));
        all.push(usual(resource, 601, 5, 1, 1));
        all.push(usual(resource, 700, 7, 0, 0));
        all.push(usual(resource, 900, 0, 15, 0));
    }
    let case = Case {
        detail: Detail::Account,
        tiers: true,
        hours: false,
        retracts: false,
        files: 2,
        buckets: 2,
        threads: 2,
        states: false,
        audited: false,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let short = runtime.block_on(compared(&all, &case)).unwrap();
    assert_eq!(short, 2 * all.len() as u64);
}
