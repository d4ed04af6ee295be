//! Row F25: a consumer whose heartbeats go on while nobody polls.

use std::time::Duration;

use serde_json::Value;

use super::events::events;
use super::kafka::{install, wait_for_records};
use super::oracle::{self, Journal};
use super::row::{Proof, row, scaled};
use super::tools::signal;
use crate::pipeline::ingest_arguments;
use crate::support::cli::{Ran, Running, Turnpike};
use crate::support::{kafka, log, wait};

/// Where a thread stands still: the variable of the binary's points.
pub const STALL_AT: &str = "TURNPIKE_STALL_AT";
/// How librdkafka words that nobody polled, and that a session ended for want of heartbeats.
const NOT_POLLED: &str = "Application maximum poll interval";
const SESSION_ENDED: &str = "session timed out";
const RECOVERY_MAX: Duration = Duration::from_secs(120);
/// Records that the consumer holds, uncommitted, when it stops polling.
const IN_HAND: u64 = 100;

#[test]
fn f25_a_consumer_that_does_not_poll() {
    row("F25", "no poll within max.poll.interval: fenced, dropped, joined again", || {
        // librdkafka takes no shorter interval than the session's timeout, so both are the same: it
        // is the heartbeats, which go on, that keep the session alive.
        let seconds = scaled(45, 6);
        let millis = (seconds * 1_000).to_string();
        let turnpike = install()
            .with("TURNPIKE__KAFKA__OPTIONS__SESSION_TIMEOUT_MS", &millis)
            .with("TURNPIKE__KAFKA__OPTIONS__MAX_POLL_INTERVAL_MS", &millis);
        let topic = kafka::unique_topic("unpolled");
        kafka::create_topic(&topic, 4);
        let group = kafka::unique_topic("group");
        let mut journal = Journal::default();
        let stalled = turnpike.folder().join("stalled");
        // Its batch is due long before it polls again, and not before it stops.
        let first = start(&turnpike, &topic, &group, "4000", |command| {
            command.env(STALL_AT, format!("after_poll:{IN_HAND}:{}", stalled.display()));
        });
        log::wait_for_member(&group);
        journal.produce(&topic, &events(0..500));
        wait::until("a consumer that does not poll", RECOVERY_MAX, || {
            stalled.exists().then_some(())
        });
        let second = start(&turnpike, &topic, &group, "200", |_| ());
        journal.produce(&topic, &events(500..1_000));
        // The second has all partitions, and reads again what the first has in its hands.
        wait_for_records(&turnpike, 1_000);
        std::fs::remove_file(&stalled).unwrap();
        // What librdkafka has to say comes with the next poll.
        first.wait_for_stderr(NOT_POLLED, RECOVERY_MAX);
        journal.produce(&topic, &events(1_000..1_300));
        log::wait_for_members(kafka::bootstrap(), &group, 2);
        journal.produce(&topic, &events(1_300..1_500));
        wait_for_records(&turnpike, 1_500);
        let of_second = ended(second);
        journal.produce(&topic, &events(1_500..1_700));
        wait_for_records(&turnpike, 1_700);
        let of_first = ended(first);
        assert!(!of_first.stderr.contains(SESSION_ENDED), "{of_first}");
        // Nothing of what it had in its hands was committed by it: the table had all of it before it
        // went on, and each record was committed once.
        let (by_first, by_second) = (read(&of_first), read(&of_second));
        assert_eq!(by_first + by_second, 1_700, "{of_first}\n{of_second}");
        assert!(by_second >= 1_000 && by_first >= 200, "{by_first} and {by_second} records");
        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(format!("{seconds} s, {IN_HAND} records dropped; {}", oracle::words(&report)))
    });
}

fn start(
    turnpike: &Turnpike,
    topic: &str,
    group: &str,
    flush_ms: &str,
    more: impl FnOnce(&mut std::process::Command),
) -> Running {
    let mut arguments = ingest_arguments(topic, group).to_vec();
    assert_eq!(arguments.pop(), Some("--until-end"));
    arguments.extend(["--format", "json"]);
    let mut command = turnpike.command(arguments);
    command
        .env("TURNPIKE__INGEST__FLUSH_MS", flush_ms)
        .env("TURNPIKE__INGEST__FLUSH_ROWS", "100000")
        .env("TURNPIKE__LOG__LEVEL", "warn");
    more(&mut command);
    Running::start(command)
}

fn ended(mut running: Running) -> Ran {
    signal(running.id(), "TERM");
    let ran = running.wait(RECOVERY_MAX).expect("it ends");
    assert!(ran.status.success(), "{ran}");
    ran
}

/// What it committed.
fn read(ran: &Ran) -> u64 {
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    report["read"].as_u64().unwrap()
}
