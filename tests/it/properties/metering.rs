//! Metering and pricing in pieces equals metering and pricing at once, exactly, before rounding.

use std::collections::BTreeMap;

use proptest::prelude::*;
use turnpike_rating::account::price_account;
use turnpike_rating::gather::{GatherKey, Gathered, Harvest};
use turnpike_rating::metering::{Fold, Metered, MeteredEvent};
use turnpike_rating::tariff_lookup::Lookup;
use turnpike_schemas::book::OpenIntervals;
use turnpike_schemas::event::{EventKind, Flow, Measurement, ResourceState, Window};
use turnpike_schemas::{
    AccountId, Amount, Instant, MeterId, OwnerRef, Period, PriceBook, ResourceId, RunId,
    UsageInterval,
};

use crate::support::case;

/// 2026-09-20T00:00:00Z, and the span of all that happens: past two ends of months.
const START: i64 = 1_789_862_400;
const SECONDS: i64 = 50 * 86_400;

fn book() -> PriceBook {
    let path = case::folder("properties/book.toml");
    turnpike_books::parse_book(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn at(micros: i64) -> Instant {
    Instant::from_micros(START * 1_000_000 + micros).unwrap()
}

/// One thing that is reported, before it has an id and a resource.
#[derive(Debug, Clone)]
struct Report {
    micros: i64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Becomes { state: ResourceState, vcpu: Option<i64>, volume: Option<i64>, since: Option<i64> },
    MovesTo { owner: usize },
    Exists { state: ResourceState, seconds: i64, since: Option<i64> },
    Ends,
    Consumed { bytes: i64, seconds: Option<i64> },
    Reading { bytes: i64, boot: u8 },
}

fn state() -> impl Strategy<Value = ResourceState> {
    use ResourceState as S;
    prop::sample::select(vec![S::Active, S::Paused, S::Stopped, S::ShelvedOffloaded, S::Building])
}

fn report() -> impl Strategy<Value = Report> {
    let seconds = || prop::option::of(0..5 * 86_400_i64);
    let what = prop_oneof![
        4 => (state(), prop::option::of(0..9_i64), prop::option::of(0..1_i64 << 40), seconds())
            .prop_map(|(state, vcpu, volume, since)| What::Becomes { state, vcpu, volume, since }),
        1 => (0..3_usize).prop_map(|owner| What::MovesTo { owner }),
        2 => (state(), 1..90_000_i64, seconds())
            .prop_map(|(state, seconds, since)| What::Exists { state, seconds, since }),
        1 => Just(What::Ends),
        2 => (0..1_i64 << 42, prop::option::of(1..90_000_i64))
            .prop_map(|(bytes, seconds)| What::Consumed { bytes, seconds }),
        2 => (0..1_i64 << 42, 0..3_u8).prop_map(|(bytes, boot)| What::Reading { bytes, boot }),
    ];
    (0..SECONDS * 1_000_000, what).prop_map(|(micros, what)| Report { micros, what })
}

fn measured(meter: &str, quantity: i64, scale: u32, flow: Flow) -> Measurement {
    Measurement { meter: MeterId::new(meter).unwrap(), quantity, scale, flow }
}

fn event(number: usize, report: &Report) -> MeteredEvent {
    let time = at(report.micros);
    let before = |seconds: i64| time.plus_seconds(-seconds).unwrap();
    let mut event = MeteredEvent {
        resource: ResourceId::new("native/instance/i-1").unwrap(),
        time,
        key: format!("/test\u{1f}{number:03}"),
        kind: EventKind::Transition,
        state: None,
        terminal: false,
        window: None,
        since: None,
        seconds: None,
        incarnation: None,
        resource_kind: "instance".to_owned(),
        parent: None,
        owner: Some(OwnerRef::new("native/t-0").unwrap()),
        project: None,
        site: None,
        region: None,
        source: "/test".to_owned(),
        attributes: BTreeMap::new(),
        tags: None,
        measurements: Vec::new(),
    };
    match &report.what {
        What::Becomes { state, vcpu, volume, since } => {
            event.state = Some(*state);
            event.since = since.map(before);
            event.owner = None;
            let vcpu = vcpu.map(|count| measured("vcpu", count * 1_000_000, 6, Flow::Held));
            let volume = volume.map(|bytes| measured("volume", bytes, 0, Flow::Held));
            event.measurements.extend(vcpu.into_iter().chain(volume));
        }
        What::MovesTo { owner } => {
            event.owner = Some(OwnerRef::new(format!("native/t-{owner}")).unwrap());
        }
        What::Exists { state, seconds, since } => {
            event.kind = EventKind::Audit;
            event.state = Some(*state);
            event.since = since.map(before);
            event.window = Some(Window { start: before(*seconds), end: time });
            event.measurements.push(measured("vcpu", 2_000_000, 6, Flow::Held));
        }
        What::Ends => event.terminal = true,
        What::Consumed { bytes, seconds } => {
            event.kind = EventKind::Delta;
            event.window = seconds.map(|seconds| Window { start: before(seconds), end: time });
            event.measurements.push(measured("egress", *bytes, 0, Flow::Delta));
        }
        What::Reading { bytes, boot } => {
            event.kind = EventKind::Snapshot;
            event.incarnation = Some(boot.to_string());
            event.measurements.push(measured("egress", *bytes, 0, Flow::Cumulative));
        }
    }
    event
}

fn rank(event: &MeteredEvent) -> i32 {
    match (event.terminal, event.kind) {
        (true, _) => 2,
        (false, EventKind::Audit) => 1,
        (false, _) => 0,
    }
}

fn events(reports: &[Report]) -> Vec<MeteredEvent> {
    let mut events: Vec<MeteredEvent> =
        reports.iter().enumerate().map(|(number, report)| event(number, report)).collect();
    events.sort_by_key(|event| (event.time, rank(event), event.key.clone()));
    events
}

/// What is held and consumed, with the fold stopped and taken up again at each of `stops` (numbers
/// of events): through the state's stored form, as `usage_state` keeps it.
fn intervals(events: &[MeteredEvent], stops: &[usize]) -> Vec<UsageInterval> {
    let mut found = Vec::new();
    let mut fold = Fold::open(None);
    for (number, event) in events.iter().enumerate() {
        if stops.contains(&number) {
            let stored = fold.state().map(|state| serde_json::to_string(state).unwrap());
            let state: Option<Metered> = stored.map(|text| serde_json::from_str(&text).unwrap());
            fold = Fold::open(state);
        }
        fold.apply(event, &mut |interval| found.push(interval));
    }
    fold.finish(at(SECONDS * 1_000_000), OpenIntervals::UntilStop, &mut |i| found.push(i));
    found
}

type Sums = BTreeMap<GatherKey, (i128, i64, Amount)>;

/// Exact quantities, seconds and amounts of a span.
fn rated(book: &PriceBook, intervals: &[UsageInterval], span: Period) -> Sums {
    let periods: BTreeMap<AccountId, Period> =
        book.accounts.iter().map(|account| (account.id.clone(), span)).collect();
    let lookup = Lookup::new(book, &periods);
    let mut harvest = Harvest::default();
    for interval in intervals {
        harvest.add(&lookup, interval, &span, span.end());
    }
    harvest.resolve();
    assert!(harvest.parked.is_empty(), "parked: {:?}", harvest.parked);
    let mut gathered: BTreeMap<AccountId, Vec<(GatherKey, Gathered)>> = BTreeMap::new();
    for (key, sums) in harvest.gathered {
        gathered.entry(key.account.clone()).or_default().push((key, sums));
    }
    let run = RunId::new("run-1").unwrap();
    let mut priced = Sums::new();
    for (id, items) in gathered {
        let account = book.account(&id).unwrap();
        for (key, sums) in items {
            let alone = [(key.clone(), sums.clone())];
            let lines = price_account(&lookup, &run, account, &alone).unwrap();
            let currency = account.currency.unwrap();
            let amount = Amount::sum(lines.iter().map(|line| &line.amount), currency).unwrap();
            priced.insert(key, (sums.quantity, sums.seconds, amount));
        }
    }
    priced
}

fn added(mut sums: Sums, more: Sums) -> Sums {
    for (key, (quantity, seconds, amount)) in more {
        let currency = amount.currency();
        let sum = sums.entry(key).or_insert_with(|| (0, 0, Amount::zero(currency)));
        *sum = (sum.0 + quantity, sum.1 + seconds, sum.2.checked_add(&amount).unwrap());
    }
    sums
}

fn span(from: i64, to: i64) -> Period {
    Period::new(at(from * 1_000_000), at(to * 1_000_000)).unwrap()
}

proptest! {
    #![proptest_config(super::cases(300))]

    #[test]
    fn two_spans_next_to_each_other_equal_the_whole(
        reports in prop::collection::vec(report(), 1..14),
        cuts in prop::array::uniform3(0..SECONDS),
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let [a, b, c] = cuts;
        prop_assume!(a < b && b < c);
        let book = book();
        let intervals = intervals(&events(&reports), &[]);
        let first = rated(&book, &intervals, span(a, b));
        let second = rated(&book, &intervals, span(b, c));
        prop_assert_eq!(added(first, second), rated(&book, &intervals, span(a, c)));
    }

    #[test]
    fn metering_from_a_stored_state_equals_metering_from_the_first_event(
        reports in prop::collection::vec(report(), 1..14),
        stops in prop::collection::vec(0..14_usize, 0..4),
    ) {
        let events = events(&reports);
        let at_once = intervals(&events, &[]);
        prop_assert_eq!(intervals(&events, &stops), at_once);
    }

    #[test]
    fn nothing_is_held_twice_at_a_time(reports in prop::collection::vec(report(), 1..14)) {
        let mut held: BTreeMap<MeterId, Vec<(Instant, Instant)>> = BTreeMap::new();
        for interval in intervals(&events(&reports), &[]) {
            prop_assert!(interval.start <= interval.end, "{:?}", interval);
            if interval.aggregation == turnpike_schemas::Aggregation::Held {
                held.entry(interval.meter).or_default().push((interval.start, interval.end));
            }
        }
        for (meter, mut spans) in held {
            spans.sort_unstable();
            let apart = spans.windows(2).all(|pair| pair[0].1 <= pair[1].0);
            prop_assert!(apart, "{meter}: {spans:?}");
        }
    }
}
