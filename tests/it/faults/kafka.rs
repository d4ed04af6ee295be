//! Rows F22, F23, F26 and F29: a broker that dies or freezes, a consumer that freezes, offsets that
//! others changed, everything sent again.

use std::time::Duration;

use super::brokers::OwnBroker;
use super::events::{Random, event, events};
use super::oracle::{self, Journal};
use super::row::{Proof, all, row, scaled};
use super::tools::signal;
use crate::pipeline::{ingest, ingest_arguments};
use crate::support::cli::{Running, Turnpike};
use crate::support::kafka::{self, Producing, Record};
use crate::support::{log, wait};

const FLUSH_ROWS: u32 = 64;
/// A group needs a session's timeout to notice who died, and the broker's clients their back-off.
pub const RECOVERY_MAX: Duration = Duration::from_secs(120);

/// A consumer of a group that reads on until it is told to end.
pub fn consumer(turnpike: &Turnpike, bootstrap: &str, topic: &str, group: &str) -> Running {
    Running::start(turnpike.command([
        "ingest",
        "--from",
        "kafka",
        "--brokers",
        bootstrap,
        "--topics",
        topic,
        "--group",
        group,
        "--start",
        "earliest",
    ]))
}

/// An installation whose consumers notice soon that one of them is gone.
pub fn install() -> Turnpike {
    oracle::install(FLUSH_ROWS)
        .with("TURNPIKE__INGEST__FLUSH_MS", "200")
        .with("TURNPIKE__KAFKA__OPTIONS__SESSION_TIMEOUT_MS", "6000")
        .with("TURNPIKE__KAFKA__OPTIONS__HEARTBEAT_INTERVAL_MS", "500")
}

pub fn records_read(turnpike: &Turnpike) -> i64 {
    log::records_read(&turnpike.data().join("lake/usage_events"))
}

pub fn wait_for_records(turnpike: &Turnpike, count: usize) {
    wait::until(&format!("{count} records in the table"), RECOVERY_MAX, || {
        (records_read(turnpike) >= i64::try_from(count).unwrap()).then_some(())
    });
}

pub fn end(mut running: Running) {
    signal(running.id(), "TERM");
    let ran = running.wait(RECOVERY_MAX).expect("it ends");
    assert!(ran.status.success(), "{ran}");
}

/// The broker is taken away for a while, within a stream of records.
fn broker_away(away: impl Fn(&OwnBroker), back: impl Fn(&OwnBroker), seconds: u64) -> Proof {
    let broker = OwnBroker::start();
    let topic = kafka::unique_topic("away");
    kafka::create_topic_at(&broker.bootstrap, &topic, 4);
    let turnpike = install();
    let running = consumer(&turnpike, &broker.bootstrap, &topic, "away");
    let records = events(0..2_000);
    let producing = Producing::start(&broker.bootstrap, &topic, &records, 200);
    wait_for_records(&turnpike, 200);
    away(&broker);
    wait::pass(Duration::from_secs(seconds));
    back(&broker);
    let journal = Journal { records: producing.finish(records.len()) };
    wait_for_records(&turnpike, records.len());
    end(running);
    Proof::Pass(oracle::words(&oracle::check(&turnpike, &journal)))
}

/// `make test` takes the broker away for as long as ends within a minute.
fn away_seconds(full: u64) -> u64 {
    if all() { full } else { 8 }
}

#[test]
fn f22_a_broker_that_is_killed() {
    row("F22", "the broker is killed and comes back with its data", || {
        broker_away(OwnBroker::kill, OwnBroker::restart, away_seconds(60))
    });
}

#[test]
fn f23_a_broker_and_a_consumer_that_freeze() {
    row("F23", "broker or consumer frozen past the session's timeout", || {
        let proof = broker_away(OwnBroker::freeze, OwnBroker::thaw, away_seconds(90));
        let Proof::Pass(of_broker) = proof else { return proof };
        let of_zombie = zombie(8);
        Proof::Pass(format!("broker: {of_broker}; zombie: {of_zombie}"))
    });
}

/// A consumer is frozen with a batch in its hands while another takes its partitions over, and then
/// goes on. What the oracle counted.
fn zombie(seconds: u64) -> String {
    let topic = kafka::unique_topic("zombie");
    kafka::create_topic(&topic, 4);
    let group = kafka::unique_topic("group");
    // The zombie's batch is due only after it wakes up.
    let first = install()
        .with("TURNPIKE__INGEST__FLUSH_MS", "4000")
        .with("TURNPIKE__INGEST__FLUSH_ROWS", "100000");
    let frozen = consumer(&first, kafka::bootstrap(), &topic, &group);
    log::wait_for_member(&group);
    let mut journal = Journal::default();
    journal.produce(&topic, &events(0..500));
    // It has read something by now, and committed nothing yet: it is asked for nothing else.
    wait::pass(Duration::from_secs(1));
    signal(frozen.id(), "STOP");
    let second = Running::start(second_of(&first, &topic, &group));
    wait::pass(Duration::from_secs(seconds));
    journal.produce(&topic, &events(500..1_000));
    wait_for_records(&first, 1_000);
    signal(frozen.id(), "CONT");
    journal.produce(&topic, &events(1_000..1_300));
    log::wait_for_members(kafka::bootstrap(), &group, 2);
    journal.produce(&topic, &events(1_300..1_500));
    wait_for_records(&first, 1_500);
    end(second);
    journal.produce(&topic, &events(1_500..1_700));
    wait_for_records(&first, 1_700);
    end(frozen);
    oracle::words(&oracle::check(&first, &journal))
}

/// Another process on the same data, which commits as soon as it can.
fn second_of(turnpike: &Turnpike, topic: &str, group: &str) -> std::process::Command {
    let mut arguments = ingest_arguments(topic, group).to_vec();
    arguments.pop();
    let mut command = turnpike.command(arguments);
    command.env("TURNPIKE__INGEST__FLUSH_MS", "200");
    command
}

#[test]
fn f26_offsets_of_the_group_mean_nothing() {
    row("F26", "the group's offsets are reset, the group is deleted", || {
        let topic = kafka::unique_topic("reset");
        kafka::create_topic(&topic, 4);
        let group = kafka::unique_topic("group");
        let turnpike = install();
        let mut journal = Journal::default();
        journal.produce(&topic, &events(0..400));
        let first = consumer(&turnpike, kafka::bootstrap(), &topic, &group);
        wait_for_records(&turnpike, 400);
        end(first);
        // Back to the start, then beyond the end, then nothing known at all.
        for (round, change) in (1..).zip(["0", "1000000", "forget"]) {
            let at = kafka::bootstrap();
            match change {
                "forget" => kafka::admin(&["forget", at, &group]),
                offset => kafka::admin(&["reset", at, &group, &topic, offset]),
            };
            journal.produce(&topic, &events(round * 400..round * 400 + 50));
            let again = consumer(&turnpike, at, &topic, &group);
            wait_for_records(&turnpike, journal.records.len());
            end(again);
        }
        Proof::Pass(oracle::words(&oracle::check(&turnpike, &journal)))
    });
}

#[test]
fn f29_everything_is_sent_again() {
    row("F29", "all events are sent a second and third time, shuffled", || {
        let count = scaled(50_000, 1_500);
        let topic = kafka::unique_topic("again");
        kafka::create_topic(&topic, 4);
        // A filter that forgets most of them: what finally counts is decided by the tables.
        let turnpike = oracle::install(if count > 10_000 { 8_192 } else { FLUSH_ROWS })
            .with("TURNPIKE__INGEST__FILTER_EVENTS_MAX", "100");
        let mut journal = Journal::default();
        let mut random = Random(29);
        for round in 0..3 {
            let mut records = events(0..count);
            if round > 0 {
                random.shuffle(&mut records);
            }
            journal.produce(&topic, &records);
            ingest(&turnpike, &topic);
        }
        // The same identity with other content: a conflict, which changes no bill.
        let others: Vec<Record> = (0..20).map(|number| other_content(number * 10 + 2)).collect();
        journal.produce(&topic, &others);
        ingest(&turnpike, &topic);
        turnpike.ok(&["compact"]);
        let report = oracle::check(&turnpike, &journal);
        assert_eq!(report["final"]["conflict"], 20, "{report}");
        Proof::Pass(oracle::words(&report))
    });
}

fn other_content(number: u64) -> Record {
    let text = event(number);
    let other = text.replace("\"quantity\":\"", "\"quantity\":\"7");
    assert_ne!(text, other);
    Record::new(other)
}
