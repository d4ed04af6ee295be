//! Real SIGKILL at random instants, in a loop that can be repeated: events go in, processes die,
//! and in the end every event was counted and billed exactly once.

use std::time::Duration;

use crate::pipeline::{ingest, ingest_arguments};
use crate::support::case;
use crate::support::cli::{Running, Turnpike};
use crate::support::counts;
use crate::support::kafka::{self, Record};

/// Events that each cycle sends, some of them twice.
const EVENTS: u64 = 150;
/// A killed command lives at most so long; an undisturbed one needs about as much.
const LIFE_MS_MAX: u64 = 1_200;

/// SplitMix64: small, seeded, the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect(name))
}

/// Event `number`: a GB of traffic of one of ten instances, at a time of its own in October.
fn event(number: u64) -> String {
    let (day, minute, second) = (1 + number % 28, number / 28 % 60, number / 1680 % 60);
    format!(
        r#"{{"specversion":"1.0","id":"e-{number}","source":"/soak","type":"dev.turnpike.usage.delta.v1","time":"2026-10-{day:02}T12:{minute:02}:{second:02}Z","data":{{"resource":{{"kind":"instance","id":"i-{}"}},"owner":"t-1","used":[{{"meter":"egress","quantity":"1","unit":"GB"}}]}}}}"#,
        number % 10
    )
}

/// Starts a command and kills it after a random while; whether it was faster.
fn disturb(turnpike: &Turnpike, random: &mut Random, arguments: &[&str]) -> bool {
    let mut running = Running::start(turnpike.command(arguments.iter().copied()));
    let life = Duration::from_millis(random.below(LIFE_MS_MAX));
    match running.wait(life) {
        None => {
            running.kill();
            false
        }
        Some(ran) => {
            assert!(ran.status.success(), "turnpike {}: {ran}", arguments.join(" "));
            true
        }
    }
}

/// `TURNPIKE_SOAK_CYCLES` cycles from `TURNPIKE_SOAK_SEED`.
pub fn run() {
    let cycles = setting("TURNPIKE_SOAK_CYCLES", 3);
    let seed = setting("TURNPIKE_SOAK_SEED", 1);
    let mut random = Random(seed);
    let topic = kafka::unique_topic("soak");
    kafka::create_topic(&topic, 4);
    let turnpike = Turnpike::new().with("TURNPIKE__INGEST__FLUSH_ROWS", "20");
    let book = case::folder("golden/16-counter-reset/book.toml");
    turnpike.ok(&["book", "import", &book.to_string_lossy()]);

    let (mut sent, mut records, mut killed) = (0, 0, 0);
    for _ in 0..cycles {
        let mut batch: Vec<Record> = Vec::new();
        for number in sent..sent + EVENTS {
            batch.push(Record::new(event(number)));
            if random.below(5) == 0 {
                // A producer that repeats itself: this event, or one of long ago.
                batch.push(Record::new(event(random.below(number + 1))));
            }
        }
        records += batch.len();
        sent += EVENTS;
        kafka::produce_with_python(&topic, &batch);
        for _ in 0..3 {
            let group = kafka::unique_topic("group");
            let arguments = ingest_arguments(&topic, &group);
            killed += u64::from(!disturb(&turnpike, &mut random, &arguments));
        }
        killed += u64::from(!disturb(&turnpike, &mut random, &["compact"]));
        killed += u64::from(!disturb(&turnpike, &mut random, &["rate", "--period", "2026-10"]));
        let draft = ["invoice", "draft", "--period", "2026-10"];
        if turnpike.run(&["rate", "--period", "2026-10"]).status.success() {
            killed += u64::from(!disturb(&turnpike, &mut random, &draft));
        }
    }
    ingest(&turnpike, &topic);
    turnpike.ok(&["compact"]);
    turnpike.ok(&["rate", "--period", "2026-10"]);
    turnpike.ok(&["invoice", "draft", "--period", "2026-10"]);
    let finalize = ["invoice", "finalize", "--period", "2026-10"];
    killed += u64::from(!disturb(&turnpike, &mut random, &finalize));
    turnpike.ok(&finalize);
    turnpike.ok(&["verify"]);

    let counts = counts::of(&turnpike);
    let accepted = counts["accepted"].as_u64().unwrap();
    let billed: i128 = case::invoices(&turnpike, "2026-10")["a1"]
        .charges
        .iter()
        .map(|charge| charge.quantity)
        .sum();
    let gigabytes = u64::try_from(billed / 1_000_000_000).unwrap();
    let report = format!(
        "seed {seed}: {cycles} cycles, {killed} kills, {records} records of {sent} events; lost {}, \
         doubled {}, mispriced {}; {counts}",
        sent.saturating_sub(accepted),
        accepted.saturating_sub(sent),
        sent.abs_diff(gigabytes),
    );
    eprintln!("{report}");
    assert_eq!(counts["read"], records, "{report}");
    assert_eq!((accepted, gigabytes), (sent, sent), "{report}");
    assert_eq!(counts["duplicate"], records as u64 - sent, "{report}");
    assert!(billed % 1_000_000_000 == 0, "{report}");
}
