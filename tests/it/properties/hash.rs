//! The hash of a run does not depend on how the events came in or on how they are worked on.

use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;
use turnpike_ingest::{IngestSettings, file};
use turnpike_lake::{CompactSettings, Lake, LakeSettings};
use turnpike_rating::{RatingOutcome, RatingRequest, Window, rate, store};
use turnpike_schemas::{Instant, PriceBook, RunId};

use crate::support::case;

/// An event as a producer sends it: resource, hour and minute of October and November, what.
#[derive(Debug, Clone)]
struct Sent {
    resource: u32,
    minutes: i64,
    what: u32,
    quantity: u32,
}

fn sent() -> impl Strategy<Value = Sent> {
    // From September 25th to November 15th.
    (0..6_u32, 0..51 * 1_440_i64, 0..6_u32, 1..40_u32)
        .prop_map(|(resource, minutes, what, quantity)| Sent { resource, minutes, what, quantity })
}

const START: i64 = 1_790_294_400;

fn line(number: usize, sent: &Sent) -> String {
    // A second of its own per event, so that no two of them tell different states of one instant.
    let second = START + sent.minutes * 60 + i64::try_from(number % 60).unwrap();
    let time = Instant::from_seconds(second).unwrap();
    let Sent { resource, quantity, .. } = sent;
    let held = format!(r#""held":[{{"meter":"vcpu","quantity":{quantity}}}]"#);
    let used = format!(r#""used":[{{"meter":"egress","quantity":"{quantity}.5","unit":"GB"}}]"#);
    let (kind, data) = match sent.what {
        0 | 1 => ("transition", format!(r#""state":"active",{held}"#)),
        2 => ("transition", r#""state":"stopped""#.to_owned()),
        3 => ("transition", r#""terminal":true"#.to_owned()),
        4 => {
            let start = Instant::from_seconds(second - 3_600).unwrap();
            let window = format!(r#""window":{{"start":"{start}","end":"{time}"}}"#);
            ("audit", format!(r#""state":"active",{window},{held}"#))
        }
        _ => ("delta", used),
    };
    format!(
        r#"{{"specversion":"1.0","id":"e-{number}","source":"/s-{}","type":"dev.turnpike.usage.{kind}.v1","time":"{time}","data":{{"resource":{{"kind":"instance","id":"i-{resource}"}},"owner":"t-{}",{data}}}}}"#,
        resource % 2,
        resource % 3,
    )
}

/// How events come in and are worked on.
struct Way {
    buckets: u32,
    /// Files that the events come in, one after the other.
    files: Vec<Vec<String>>,
    flush_rows: usize,
    /// Compacts after each file, or never.
    compacts: bool,
    /// Rates and stores states after each file.
    rates_between: bool,
    threads: usize,
    batch_rows: usize,
}

impl Way {
    fn plain(lines: &[String]) -> Way {
        Way {
            buckets: 4,
            files: vec![lines.to_vec()],
            flush_rows: IngestSettings::FLUSH_ROWS,
            compacts: false,
            rates_between: false,
            threads: 1,
            batch_rows: 8_192,
        }
    }
}

fn now() -> Instant {
    Instant::parse("2026-12-01T00:00:00Z").unwrap()
}

fn book() -> PriceBook {
    let path = case::folder("properties/book.toml");
    turnpike_books::parse_book(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// The hashes of October and November.
async fn hashes(way: &Way) -> [String; 2] {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("lake");
    let settings = LakeSettings { buckets: way.buckets, ..LakeSettings::new(root) };
    let lake = Lake::open(settings, now()).await.unwrap();
    let book = book();
    let ingest = IngestSettings { flush_rows: way.flush_rows, ..IngestSettings::default() };
    for (number, lines) in way.files.iter().enumerate() {
        let path = folder.path().join(format!("{number}.jsonl"));
        std::fs::write(&path, lines.join("\n")).unwrap();
        read(&lake, &path, &ingest).await;
        if way.compacts {
            lake.compact(&CompactSettings::default(), &|_| {}).await.unwrap();
        }
        if way.rates_between {
            let outcome = run(&lake, &book, way, number, 10).await;
            store(&lake, &outcome).await.unwrap();
        }
    }
    let october = run(&lake, &book, way, 100, 10).await;
    let november = run(&lake, &book, way, 101, 11).await;
    [october.hash, november.hash]
}

async fn read(lake: &Lake, path: &Path, settings: &IngestSettings) {
    let report = file::ingest(lake, path, settings, now(), &|_| {}).await.unwrap();
    assert_eq!((report.dead, report.conflict), (0, 0), "{report:?}");
}

async fn run(lake: &Lake, book: &PriceBook, way: &Way, number: usize, month: u32) -> RatingOutcome {
    let run = RunId::new(format!("run-{number}")).unwrap();
    let request = RatingRequest {
        threads: way.threads,
        batch_rows: way.batch_rows,
        ..RatingRequest::new(run, Window::Month { year: 2026, month }, now())
    };
    rate(&lake.snapshot().await.unwrap(), book, &request, &|_| {}).await.unwrap()
}

/// Each line once or more, in any order, cut into files.
fn arrival(lines: Vec<String>) -> impl Strategy<Value = Vec<Vec<String>>> {
    let count = lines.len();
    let again = prop::collection::vec(0..count, 0..8);
    again
        .prop_flat_map(move |again| {
            let repeated = again.iter().map(|number| lines[*number].clone());
            Just(lines.iter().cloned().chain(repeated).collect::<Vec<_>>()).prop_shuffle()
        })
        .prop_flat_map(|lines| {
            let cuts = prop::collection::vec(0..=lines.len(), 0..3);
            (Just(lines), cuts)
        })
        .prop_map(|(lines, mut cuts)| {
            cuts.sort_unstable();
            let mut files = Vec::new();
            let mut from = 0;
            for to in cuts.into_iter().chain([lines.len()]) {
                files.push(lines[from..to].to_vec());
                from = to;
            }
            files.retain(|file: &Vec<String>| !file.is_empty());
            files
        })
}

fn sendings() -> impl Strategy<Value = (Vec<String>, Vec<Vec<String>>)> {
    prop::collection::vec(sent(), 1..30).prop_flat_map(|all| {
        let lines: Vec<String> =
            all.iter().enumerate().map(|(number, sent)| line(number, sent)).collect();
        (Just(lines.clone()), arrival(lines))
    })
}

/// Takes back what a line told.
fn retracted(number: usize) -> impl Fn(&String) -> String {
    move |line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        serde_json::json!({
            "specversion": "1.0", "id": format!("x-{number}-{}", event["id"].as_str().unwrap()),
            "source": event["source"], "type": "dev.turnpike.usage.correction.v1",
            "time": event["time"],
            "data": {"correction": {"action": "retract",
                "target": {"source": event["source"], "id": event["id"]}}},
        })
        .to_string()
    }
}

proptest! {
    // Each case writes tables to the disk and waits until it holds them.
    #![proptest_config(super::cases(6))]

    #[test]
    fn arrival_batches_and_threads_do_not_show(
        (lines, files) in sendings(),
        flush_rows in 1..7_usize,
        batch_rows in 1..5_usize,
        buckets in 1..6_u32,
        compacts in any::<bool>(),
        threads in prop::sample::select(vec![2, 3, 8_usize]),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let plain = runtime.block_on(hashes(&Way::plain(&lines)));
        let other = Way {
            buckets,
            files: files.clone(),
            flush_rows,
            compacts,
            rates_between: false,
            threads,
            batch_rows,
        };
        prop_assert_eq!(runtime.block_on(hashes(&other)), plain.clone(), "other way");
        // Late events after a run that stored what it knew at each month's start.
        let late = Way { rates_between: true, ..other };
        prop_assert_eq!(runtime.block_on(hashes(&late)), plain, "rated in between");
    }
    #[test]
    fn what_is_taken_back_leaves_nothing((lines, _) in sendings(), compacts in any::<bool>()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let nothing = runtime.block_on(hashes(&Way::plain(&[])));
        let back: Vec<String> = lines.iter().map(retracted(1)).collect();
        let way = Way { files: vec![lines.clone(), back], compacts, ..Way::plain(&[]) };
        prop_assert_eq!(runtime.block_on(hashes(&way)), nothing);
    }
}

/// Rates October with so much memory for the engine: the hash, and how often rows were spilled.
async fn rated_within(lake: &Lake, memory_bytes: usize) -> (String, u64) {
    let run = RunId::new("run").unwrap();
    let request = RatingRequest {
        memory_bytes,
        general_only: true,
        ..RatingRequest::new(run, Window::Month { year: 2026, month: 10 }, now())
    };
    let outcome = rate(&lake.snapshot().await.unwrap(), &book(), &request, &|_| {}).await.unwrap();
    assert!(outcome.lines.len() > 10, "{} lines", outcome.lines.len());
    (outcome.hash, outcome.spills)
}

#[test]
fn spilled_and_unspilled_runs_have_the_same_hash() {
    // Every resource changes all the time; parts of each month are compacted, the rest is not.
    let lines: Vec<String> = (0..24_000_usize)
        .map(|number| {
            let spread = i64::try_from(number).unwrap() * 7_919 % (51 * 1_440);
            let what = [0, 1, 2, 4, 5, 5][number % 6];
            let part = u32::try_from(number % 97).unwrap();
            line(number, &Sent { resource: part, minutes: spread, what, quantity: 1 + part % 40 })
        })
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = TempDir::new().unwrap();
    let [plenty, little] = runtime.block_on(async {
        let settings = LakeSettings { buckets: 1, ..LakeSettings::new(folder.path().join("lake")) };
        let lake = Lake::open(settings, now()).await.unwrap();
        let (most, rest) = lines.split_at(18_000);
        for (name, part, compacts) in [("a.jsonl", most, true), ("b.jsonl", rest, false)] {
            let path = folder.path().join(name);
            std::fs::write(&path, part.join("\n")).unwrap();
            read(&lake, &path, &IngestSettings::default()).await;
            if compacts {
                lake.compact(&CompactSettings::default(), &|_| {}).await.unwrap();
            }
        }
        [rated_within(&lake, 512 << 20).await, rated_within(&lake, 2 << 20).await]
    });
    assert_eq!(plenty.1, 0, "with plenty of memory nothing is spilled");
    assert!(little.1 > 0, "with little memory nothing was spilled");
    assert_eq!(plenty.0, little.0);
}
