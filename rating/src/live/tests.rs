//! The live bill beside rating runs, over random arrivals.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Int32Array, Int32Builder, Int64Array,
    Int64Builder, ListBuilder, RecordBatch, StringArray, StringBuilder, StructBuilder,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field};
use turnpike_lake::{AppId, Append, CompactSettings, Lake, LakeSettings, OffsetAdvance};
use turnpike_schemas::arrow::{measurement_fields, usage_events};
use turnpike_schemas::canonical::bucket_of;
use turnpike_schemas::event::KEY_SEPARATOR;

use super::*;
use crate::gather::tests::book;
use crate::run::{rate, store};

const BUCKETS: u32 = 3;
const RESOURCES: u64 = 7;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect(text)
}

/// A sequence of numbers that a seed repeats.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[derive(Debug, Clone)]
struct Told {
    id: String,
    time: Instant,
    resource: String,
    owner: Option<&'static str>,
    /// (meter, quantity, scale, flow).
    measured: Option<(&'static str, i64, i32, &'static str)>,
    state: Option<&'static str>,
    kind: &'static str,
    terminal: bool,
    /// (action, the id it names).
    correction: Option<(&'static str, String)>,
}

fn random(numbers: &mut Numbers, number: u64, earlier: &[Told], now: Instant) -> Told {
    let first = at("2026-08-20T00:00:00Z").floor_seconds();
    let reach = u64::try_from(now.floor_seconds() + 200 - first).expect("forward");
    let seconds = i64::try_from(numbers.below(reach)).expect("seconds");
    let resource = format!("t/instance/i-{}", numbers.below(RESOURCES));
    let owner = [Some("t/p1"), Some("t/p2"), Some("t/nobody"), None][match numbers.below(10) {
        0..=4 => 0,
        5..=7 => 1,
        8 => 2,
        _ => 3,
    }];
    let vcpu =
        Some(("vcpu", 1_000_000 * (1 + i64::try_from(numbers.below(4)).expect("4")), 6, "held"));
    let mut told = Told {
        id: number.to_string(),
        time: Instant::from_micros((first + seconds) * 1_000_000 + 17).expect("in bounds"),
        resource,
        owner,
        measured: vcpu,
        state: Some("active"),
        kind: "transition",
        terminal: false,
        correction: None,
    };
    match numbers.below(12) {
        0 | 1 => {
            (told.kind, told.state) = ("delta", None);
            told.measured = Some(("egress", 1 << 29, 0, "delta"));
        }
        2 => told.state = Some("stopped"),
        3 => (told.state, told.measured, told.terminal) = (Some("deleted"), None, true),
        4 => told.kind = "snapshot",
        5 if !earlier.is_empty() => {
            let of = usize::try_from(numbers.below(earlier.len() as u64)).expect("an index");
            let target = &earlier[of];
            let action = ["amend", "retract"][usize::from(numbers.below(2) == 1)];
            told.resource.clone_from(&target.resource);
            told.correction = Some((action, target.id.clone()));
            if action == "retract" {
                (told.measured, told.state) = (None, None);
            }
        }
        _ => {}
    }
    told
}

fn row(told: &Told) -> RecordBatch {
    let text = |text: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let fields = measurement_fields();
    let element = Field::new("element", DataType::Struct(fields.clone()), true);
    let mut lists = ListBuilder::new(StructBuilder::from_fields(fields, 1)).with_field(element);
    if let Some((meter, quantity, scale, flow)) = told.measured {
        let row = lists.values();
        row.field_builder::<StringBuilder>(0).expect("meter").append_value(meter);
        row.field_builder::<Int64Builder>(1).expect("quantity").append_value(quantity);
        row.field_builder::<Int32Builder>(2).expect("scale").append_value(scale);
        row.field_builder::<StringBuilder>(3).expect("flow").append_value(flow);
        row.append(true);
    }
    lists.append(true);
    let lists: ArrayRef = Arc::new(lists.finish());
    let bucket = i32::try_from(bucket_of(&told.resource, BUCKETS)).expect("bucket");
    let target = told.correction.as_ref().map(|(_, id)| format!("/test{KEY_SEPARATOR}{id}"));
    let schema = usage_events();
    let column = |field: &Arc<Field>| -> ArrayRef {
        match field.name().as_str() {
            "ingest_day" => Arc::new(Date32Array::from(vec![20_778])),
            "position" => Arc::new(Int64Array::from(vec![0])),
            "part" => Arc::new(Int32Array::from(vec![0])),
            "rank" => Arc::new(Int32Array::from(vec![if told.terminal { 2 } else { 0 }])),
            "status" => text(Some("accepted")),
            "system" => text(Some("test")),
            "bucket" => Arc::new(Int32Array::from(vec![bucket])),
            "source" => text(Some("/test")),
            "event_id" => text(Some(&told.id)),
            "content_hash" => Arc::new(Int64Array::from(vec![1])),
            "kind" => text(Some(told.kind)),
            "state" => text(told.state),
            "owner" => text(told.owner),
            "resource_kind" => text(Some("instance")),
            "resource" => text(Some(&told.resource)),
            "attributes" => text(Some("{}")),
            "time" => Arc::new(
                TimestampMicrosecondArray::from(vec![told.time.micros()]).with_timezone("UTC"),
            ),
            "terminal" => Arc::new(BooleanArray::from(vec![told.terminal])),
            "measurements" => Arc::clone(&lists),
            "correction" => text(told.correction.as_ref().map(|(action, _)| *action)),
            "target" => text(target.as_deref()),
            "raw" => Arc::new(BinaryArray::from_iter_values([b"{}"])),
            _ => new_null_array(field.data_type(), 1),
        }
    };
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns).expect("batch")
}

/// Two accounts in two calendars, and every meter priced all the time.
fn network() -> PriceBook {
    let mut book = book();
    book.meters = turnpike_schemas::meter::MeterCatalogue::builtin();
    let rates = book.tariffs[0].versions[0].rates.clone();
    book.tariffs[0].versions[1].rates = rates;
    let mut other = book.accounts[0].clone();
    other.id = AccountId::new("a2").expect("id");
    other.time_zone = chrono_tz::Tz::Europe__Paris;
    other.owners[0].owner = OwnerRef::new("t/p2").expect("owner");
    book.accounts.push(other);
    book
}

/// What each account owes, as text that shows what differs.
type Owed = BTreeMap<AccountId, Vec<String>>;

fn shown(line: &RatedLine) -> String {
    format!(
        "{} {} {} {} s {} x{} {} {}",
        line.line_id,
        line.resource,
        line.quantity,
        line.seconds,
        line.amount,
        line.intervals,
        line.service_period,
        line.estimated
    )
}

async fn run(lake: &Lake, book: &PriceBook, window: Window, as_of: Instant, keep: bool) -> Owed {
    let request = RatingRequest::new(RunId::new("run").expect("id"), window, as_of);
    let snapshot = lake.snapshot().await.expect("snapshot");
    let outcome = rate(&snapshot, book, &request, &|_| {}).await.expect("rates");
    assert_eq!(outcome.parked, vec![]);
    if keep {
        store(lake, &outcome).await.expect("stores");
    }
    let mut owed: Owed = book.accounts.iter().map(|a| (a.id.clone(), Vec::new())).collect();
    for line in &outcome.lines {
        owed.entry(line.account.clone()).or_default().push(shown(line));
    }
    owed
}

fn live(bill: &LiveBill, book: &PriceBook, as_of: Instant) -> Owed {
    let owed = book.accounts.iter().map(|account| {
        let owed = bill.account(&account.id, as_of).expect("a bill").expect("an account");
        assert_eq!(owed.parked, None);
        (account.id.clone(), owed.lines.iter().map(shown).collect())
    });
    owed.collect()
}

async fn random_arrivals(seed: u64) -> Advance {
    let folder = std::env::temp_dir().join(format!("turnpike-live-{}-{seed}", std::process::id()));
    let settings = LakeSettings { buckets: BUCKETS, fsync: false, ..LakeSettings::new(&folder) };
    let lake = Lake::open(settings, at("2026-10-01T00:00:00Z")).await.expect("opens");
    let (book, window) = (network(), Window::parse_month("2026-10").expect("month"));
    let mut numbers = Numbers(seed);
    let mut now = at("2026-10-05T00:00:00Z");
    let mut told: Vec<Told> = Vec::new();
    let mut bill: Option<LiveBill> = None;
    let mut all = Advance::default();
    for step in 0..24_u64 {
        for part in 0..=numbers.below(6) {
            let again = numbers.below(8) == 0 && !told.is_empty();
            let next = match again {
                true => told[usize::try_from(numbers.below(told.len() as u64)).expect("an index")]
                    .clone(),
                false => random(&mut numbers, told.len() as u64, &told, now),
            };
            let app = AppId::new(format!("{step}-{part}"));
            let advance = OffsetAdvance { app, start: None, end: 1 };
            let outcome = lake.append_events(row(&next), &[advance]).await.expect("appends");
            assert!(matches!(outcome, Append::Committed { .. }));
            if !again {
                told.push(next);
            }
        }
        if numbers.below(5) == 0 {
            lake.compact(&CompactSettings::default(), &|_| {}).await.expect("compacts");
        }
        let hours = i64::try_from(numbers.below(40)).expect("hours");
        now = now.plus_seconds(hours * 3_600 + 1).expect("in bounds");
        let snapshot = lake.snapshot().await.expect("snapshot");
        match &mut bill {
            None => {
                let opened = LiveBill::open(&snapshot, Arc::new(book.clone()), window, now).await;
                bill = Some(opened.expect("opens"));
            }
            Some(bill) => {
                let done = bill.advance(&snapshot, now).await.expect("advances");
                all.events += done.events;
                all.folded_again += done.folded_again;
            }
        }
        let as_of = now.plus_seconds(i64::try_from(numbers.below(3)).expect("3") * 120);
        let as_of = as_of.expect("in bounds");
        let keep = numbers.below(4) == 0;
        let expected = run(&lake, &book, window, as_of, keep).await;
        let found = live(bill.as_ref().expect("opened"), &book, as_of);
        assert_eq!(found, expected, "seed {seed}, step {step}");
    }
    let bill = bill.expect("opened");
    assert!(bill.resources() <= usize::try_from(RESOURCES).expect("few"));
    let past = bill.account(&book.accounts[0].id, at("2026-10-01T00:00:00Z"));
    assert!(matches!(past, Err(RatingError::Past { .. })));
    let nobody =
        bill.account(&AccountId::new("nobody").expect("id"), now.plus_seconds(600).expect("later"));
    assert!(nobody.expect("no error").is_none());
    let _ = std::fs::remove_dir_all(folder);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_bill_equals_a_run_whatever_arrives() {
    let mut all = Advance::default();
    for seed in [0x2545_f491_4f6c_dd1d, 0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03] {
        let done = random_arrivals(seed).await;
        all.events += done.events;
        all.folded_again += done.folded_again;
    }
    // Both ways were taken.
    assert!(all.folded_again > 10 && all.events > all.folded_again, "{all:?}");
}
