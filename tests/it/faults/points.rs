//! Processes that die at the named points of ingest, and what must be true when they come back: no
//! event lost, none counted twice, the same invoices.

use serde_json::Value;
use turnpike_ingest::kill::POINTS;

use crate::pipeline::{ingest_arguments, records};
use crate::support::case::{self, Case};
use crate::support::cli::{COMMAND_MAX, Running, Turnpike};
use crate::support::{counts, kafka};

/// Where a process ends as in a power cut: the variable of the binary's kill points.
pub const KILL_AT: &str = "TURNPIKE_KILL_AT";
const SIGABRT: i32 = 6;

/// The pipeline's case, so few rows to a commit that a run passes every point several times.
fn install(case: &Case) -> Turnpike {
    case.install().with("TURNPIKE__INGEST__FLUSH_ROWS", "8")
}

/// Runs a command that a kill point has to end.
#[track_caller]
fn dies(turnpike: &Turnpike, at: &str, arguments: &[&str]) {
    use std::os::unix::process::ExitStatusExt;
    let mut command = turnpike.command(arguments.iter().copied());
    command.env(KILL_AT, at);
    let mut running = Running::start(command);
    let ran = running.wait(COMMAND_MAX).expect("it ends");
    assert_eq!(ran.status.signal(), Some(SIGABRT), "{at} was not reached: {ran}");
}

/// Runs a command with a kill point that it may be too short to pass so often.
fn may_die(turnpike: &Turnpike, at: &str, arguments: &[&str]) {
    let mut command = turnpike.command(arguments.iter().copied());
    command.env(KILL_AT, at);
    Running::start(command).wait(COMMAND_MAX).expect("it ends");
}

/// What must be the same whatever happened on the way.
fn outcome(case: &Case, turnpike: &Turnpike) -> (Value, Value) {
    let run = turnpike.json(&["rate", "--period", &case.period]);
    (counts::of(turnpike), run["hash"].clone())
}

fn bill(case: &Case, turnpike: &Turnpike, when: &str) {
    let billed = case.bill(turnpike);
    let mut wrong = case.count_differences(&counts::of(turnpike));
    wrong.extend(case.differences(&billed));
    assert!(wrong.is_empty(), "{when}:\n{}", wrong.join("\n"));
    turnpike.ok(&["verify"]);
}

#[test]
fn a_kill_at_any_step_of_kafka_ingest_changes_nothing() {
    let case = Case::read(case::folder("pipeline"));
    let topic = kafka::unique_topic("faults");
    kafka::create_topic(&topic, 4);
    kafka::produce_with_python(&topic, &records(&case));
    // What was read stands in the tables alone: each process has a group of its own, which knows
    // nothing and waits for nobody who died.
    let groups: Vec<String> = (0..16).map(|_| kafka::unique_topic("group")).collect();
    let mut groups = groups.iter();
    let mut arguments = || ingest_arguments(&topic, groups.next().unwrap());

    let undisturbed = install(&case);
    undisturbed.ok(&arguments());
    let expected = outcome(&case, &undisturbed);
    bill(&case, &undisturbed, "undisturbed");
    for point in POINTS {
        let turnpike = install(&case);
        // The first pass, and the second after a restart: once into empty tables, once into tables
        // that know where to go on.
        dies(&turnpike, point, &arguments());
        may_die(&turnpike, &format!("{point}:2"), &arguments());
        turnpike.ok(&arguments());
        assert_eq!(outcome(&case, &turnpike), expected, "killed at {point}");
        bill(&case, &turnpike, point);
    }
}

#[test]
fn a_kill_at_any_step_of_file_ingest_changes_nothing() {
    let case = Case::read(case::folder("golden/11-delete-arrives-before-create"));
    let source = format!("file:{}", case.path("events.jsonl"));
    let arguments = ["ingest", "--from", &source];
    // One row to a commit: seven commits.
    let install = || case.install().with("TURNPIKE__INGEST__FLUSH_ROWS", "1");

    let undisturbed = install();
    undisturbed.ok(&arguments);
    let expected = outcome(&case, &undisturbed);
    for point in FILE_POINTS {
        let turnpike = install();
        for pass in 1..=3 {
            dies(&turnpike, &format!("{point}:{pass}"), &arguments);
        }
        turnpike.ok(&arguments);
        assert_eq!(outcome(&case, &turnpike), expected, "killed at {point}");
        bill(&case, &turnpike, point);
    }
}

/// A file has no group to tell offsets to.
const FILE_POINTS: [&str; 3] = ["after_decode", "before_parquet", "after_commit"];
