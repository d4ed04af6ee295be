//! Real SIGKILL at random instants, in a loop that can be repeated: events go in by Kafka, by files
//! and by HTTP, processes die, and in the end every event was counted and billed exactly once.

use std::time::Duration;

use super::events::{PERIOD, Random, event, poison};
use super::oracle::{self, Journal};
use super::tools;
use crate::http::server::Server;
use crate::pipeline::{ingest, ingest_arguments};
use crate::support::cli::{Running, Turnpike};
use crate::support::kafka::{self, Record};
use crate::support::wait;

/// Events that each cycle sends to Kafka, writes to a file and posts, so many each, some of them twice.
const EVENTS: u64 = 75;
/// A killed command lives at most so long; an undisturbed one needs about as much.
const LIFE_MS_MAX: u64 = 1_200;
/// Requests of a cycle. A server that answers lives at most so long: most of what it does is
/// committing them.
const REQUESTS: usize = 6;
const SERVER_LIFE_MS_MAX: u64 = 250;
/// From a request to its answer, on a machine that compiles beside.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Servers of a cycle that are killed.
const SERVERS: usize = 2;

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
    /// Of the API.
    key: String,
    /// Requests that no server has answered yet.
    unanswered: Vec<Request>,
    requests: usize,
    sent: u64,
    killed: u64,
    /// Requests that were sent again.
    resent: u64,
}

/// A request that is sent until it is taken, under one Idempotency-Key.
struct Request {
    name: String,
    records: Vec<Record>,
    times: u64,
}

impl Request {
    fn body(&self) -> Vec<u8> {
        let items: Vec<&str> = self.records.iter().map(Record::text).collect();
        format!("[{}]", items.join(",")).into_bytes()
    }
}

impl Soak {
    /// The next events, with repeats of old ones and some that nobody can read.
    fn batch(&mut self, with_poison: bool) -> Vec<Record> {
        let mut batch = Vec::new();
        for number in self.sent..self.sent + EVENTS {
            batch.push(Record::new(event(number)));
            match self.random.below(20) {
                // A producer that repeats itself: this event, or one of long ago.
                0..4 => batch.push(Record::new(event(self.random.below(number + 1)))),
                4 if with_poison => batch.push(poison(&mut self.random)),
                _ => {}
            }
        }
        self.sent += EVENTS;
        batch
    }

    fn disturb(&mut self, arguments: &[&str]) {
        self.killed += u64::from(!disturb(&self.turnpike, &mut self.random, arguments));
    }

    /// The next events as requests: some repeat an old event, and some hold what nobody can read.
    fn ask(&mut self) {
        let batch = self.batch(false);
        for part in batch.chunks(batch.len().div_ceil(REQUESTS)) {
            let mut records = part.to_vec();
            if self.random.below(4) == 0 {
                records.push(Record::new("{\"nothing\":1}").dead("unrecognised"));
            }
            self.requests += 1;
            let name = format!("request-{}", self.requests);
            self.unanswered.push(Request { name, records, times: 0 });
        }
    }

    /// Sends what was not taken to a server, one request after another, until all is taken, the
    /// server is gone, or it says to come again.
    fn post(&mut self, server: &Server) {
        while let Some(mut request) = self.unanswered.pop() {
            request.times += 1;
            self.resent += u64::from(request.times > 1);
            let headers =
                [("Idempotency-Key", request.name.as_str()), ("Content-Type", "application/json")];
            let answer = server.post("/v1/events", &self.key, &headers, &request.body());
            match answer.as_ref().map(|answer| answer.status) {
                Some(202) => self.journal.add_http(&request.records),
                // Gone in between, or told to come again: it may be in the table or not.
                None | Some(409 | 503) => {
                    self.journal.add_unheard(&request.records);
                    return self.unanswered.push(request);
                }
                Some(other) => panic!("{}: {other} {answer:?}", request.name),
            }
        }
    }

    /// A server that is killed while requests are sent to it, or a little later.
    fn disturb_server(&mut self) {
        let server = Server::start(&self.turnpike, &[]);
        let life = Duration::from_millis(self.random.below(SERVER_LIFE_MS_MAX));
        let pid = server.id();
        let killer = std::thread::spawn(move || {
            wait::pass(life);
            tools::signal(pid, "KILL");
        });
        self.post(&server);
        killer.join().unwrap();
        assert!(!server.wait().status.success());
        self.killed += 1;
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
        self.ask();
        for _ in 0..SERVERS {
            self.disturb_server();
        }
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
    let turnpike = oracle::install(20);
    let created = turnpike.json(&["key", "create", "soak"]);
    let mut soak = Soak {
        turnpike,
        key: created["key"].as_str().unwrap().to_owned(),
        unanswered: Vec::new(),
        requests: 0,
        resent: 0,
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
    let server = Server::start(&soak.turnpike, &[]);
    wait::until("all requests to be taken", ANSWER_MAX, || {
        soak.post(&server);
        soak.unanswered.is_empty().then_some(())
    });
    assert!(server.stop().status.success());
    soak.turnpike.ok(&["compact"]);
    let report = oracle::check(&soak.turnpike, &soak.journal);
    let finalize = ["invoice", "finalize", "--period", PERIOD];
    soak.disturb(&finalize);
    soak.turnpike.ok(&finalize);
    soak.turnpike.ok(&["verify"]);
    println!(
        "seed {seed}: {cycles} cycles, {} kills, {} requests of which {} were sent again: \
         lost {}, doubled {}, mispriced {}; {}",
        soak.killed,
        soak.requests,
        soak.resent,
        report["lost"],
        report["doubled"],
        report["mispriced"],
        oracle::words(&report)
    );
}
