//! Real SIGKILL at random instants, in a loop that can be repeated: events go in, processes die,
//! and in the end every event was counted and billed exactly once.

use std::time::Duration;

use super::events::{PERIOD, Random, event, poison};
use super::oracle::{self, Journal};
use crate::pipeline::{ingest, ingest_arguments};
use crate::support::cli::{Running, Turnpike};
use crate::support::kafka::{self, Record};

/// Events that each cycle sends to Kafka and writes to a file, some of them twice.
const EVENTS: u64 = 150;
/// A killed command lives at most so long; an undisturbed one needs about as much.
const LIFE_MS_MAX: u64 = 1_200;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect(name))
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

struct Soak {
    turnpike: Turnpike,
    topic: String,
    random: Random,
    journal: Journal,
    files: Vec<String>,
    sent: u64,
    killed: u64,
}

impl Soak {
    /// The next events, with repeats of old ones and some that nobody can read.
    fn batch(&mut self, with_poison: bool) -> Vec<Record> {
        let mut batch = Vec::new();
        for number in self.sent..self.sent + EVENTS / 2 {
            batch.push(Record::new(event(number)));
            match self.random.below(20) {
                // A producer that repeats itself: this event, or one of long ago.
                0..4 => batch.push(Record::new(event(self.random.below(number + 1)))),
                4 if with_poison => batch.push(poison(&mut self.random)),
                _ => {}
            }
        }
        self.sent += EVENTS / 2;
        batch
    }

    fn disturb(&mut self, arguments: &[&str]) {
        self.killed += u64::from(!disturb(&self.turnpike, &mut self.random, arguments));
    }

    fn cycle(&mut self, number: u64) {
        let batch = self.batch(true);
        self.journal.produce(&self.topic, &batch);
        let batch = self.batch(false);
        let path = self.journal.file(&self.turnpike, &format!("{number}.jsonl"), &batch);
        let source = format!("file:{}", path.display());
        for _ in 0..2 {
            let (topic, group) = (self.topic.clone(), kafka::unique_topic("group"));
            self.disturb(&ingest_arguments(&topic, &group));
            self.disturb(&["ingest", "--from", &source]);
        }
        self.files.push(source);
        self.disturb(&["compact"]);
        self.disturb(&["rate", "--period", PERIOD]);
        if self.turnpike.run(&["rate", "--period", PERIOD]).status.success() {
            self.disturb(&["invoice", "draft", "--period", PERIOD]);
        }
    }
}

/// `TURNPIKE_SOAK_CYCLES` cycles from `TURNPIKE_SOAK_SEED`.
pub fn run() {
    let cycles = setting("TURNPIKE_SOAK_CYCLES", 2);
    let seed = setting("TURNPIKE_SOAK_SEED", 1);
    let topic = kafka::unique_topic("soak");
    kafka::create_topic(&topic, 4);
    let mut soak = Soak {
        turnpike: oracle::install(20),
        topic: topic.clone(),
        random: Random(seed),
        journal: Journal::default(),
        files: Vec::new(),
        sent: 0,
        killed: 0,
    };
    for number in 0..cycles {
        soak.cycle(number);
        if (number + 1) % 10 == 0 {
            eprintln!("seed {seed}: {} of {cycles} cycles, {} kills", number + 1, soak.killed);
        }
    }
    ingest(&soak.turnpike, &topic);
    for source in &soak.files {
        soak.turnpike.ok(&["ingest", "--from", source]);
    }
    soak.turnpike.ok(&["compact"]);
    let report = oracle::check(&soak.turnpike, &soak.journal);
    let finalize = ["invoice", "finalize", "--period", PERIOD];
    soak.disturb(&finalize);
    soak.turnpike.ok(&finalize);
    soak.turnpike.ok(&["verify"]);
    println!(
        "seed {seed}: {cycles} cycles, {} kills: lost {}, doubled {}, mispriced {}; {}",
        soak.killed,
        report["lost"],
        report["doubled"],
        report["mispriced"],
        oracle::words(&report)
    );
}
