//! Rows F01 to F05 and F10: a process that ends, at any step and in any way.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::events::{Random, events, poison};
use super::oracle::{self, Journal};
use super::points::KILL_AT;
use super::poll::STALL_AT;
use super::row::{Proof, row, scaled};
use super::tools::{self, KillPoint};
use crate::pipeline::{ingest, ingest_arguments};
use crate::support::cli::{COMMAND_MAX, Running, Turnpike};
use crate::support::{kafka, log, wait};

const SEED: u64 = 7;
/// Rows to a commit: a run of some hundred events makes dozens of them.
const FLUSH_ROWS: u32 = 16;
/// Past `lake.vacuum_retention_hours`.
const VACUUM_AGE: Duration = Duration::from_secs(200 * 3_600);

/// Reads a topic again and again, each time to be killed at one of the points, then to its end.
fn killed_at_points(points: &[&str], poisoned: bool) -> Proof {
    let cycles = scaled(60, 6);
    let mut random = Random(SEED);
    let topic = kafka::unique_topic("crash");
    kafka::create_topic(&topic, 4);
    let turnpike = oracle::install(FLUSH_ROWS);
    let mut journal = Journal::default();
    let (mut sent, mut killed) = (0, 0);
    for _ in 0..cycles {
        let mut records = events(sent..sent + 100);
        sent += 100;
        if poisoned {
            (0..11).for_each(|_| records.push(poison(&mut random)));
            random.shuffle(&mut records);
        }
        journal.produce(&topic, &records);
        let point = points[usize::try_from(random.below(points.len() as u64)).unwrap()];
        // A record passes the first point; the others are passed by a batch, of which a run makes few.
        let passes = if point == "after_poll" { 90 } else { 2 };
        let at = format!("{point}:{}", 1 + random.below(passes));
        killed += u64::from(killed_at_point(&turnpike, &at, &topic));
    }
    ingest(&turnpike, &topic);
    let report = oracle::check(&turnpike, &journal);
    assert!(killed * 2 >= cycles, "{killed} of {cycles} runs were killed");
    Proof::Pass(format!("{killed} kills; {}", oracle::words(&report)))
}

/// Whether the run was killed; one that was faster has to have succeeded.
fn killed_at_point(turnpike: &Turnpike, at: &str, topic: &str) -> bool {
    let group = kafka::unique_topic("group");
    let mut command = turnpike.command(ingest_arguments(topic, &group));
    command.env(KILL_AT, at);
    let ran = Running::start(command).wait(COMMAND_MAX).expect("it ends");
    let killed = ran.status.signal().is_some();
    assert!(killed || ran.status.success(), "{at}: {ran}");
    killed
}

#[test]
fn f01_killed_after_the_poll() {
    row("F01", "kill -9 after the poll, before any write", || {
        killed_at_points(&["after_poll", "after_decode"], false)
    });
}

#[test]
fn f02_killed_while_a_data_file_is_written() {
    row("F02", "kill -9 within the write of a data file", || {
        killed_at_calls(&["linkat", "write"], false, scaled(40, 4))
    });
}

#[test]
fn f03_killed_before_the_commit_has_its_name() {
    row("F03", "kill -9 with the data file closed, before the commit", || {
        killed_at_calls(&["fsync"], true, scaled(20, 4))
    });
}

/// Each time another file is read, and killed at a later system call (of the folder of data files
/// only, which is synced when a file in it is whole); then all are read to the end.
fn killed_at_calls(calls: &[&str], of_folder: bool, numbers: u64) -> Proof {
    if let Some(reason) = tools::lacks_strace() {
        return Proof::Skip(reason);
    }
    let mut random = Random(SEED);
    // Dozens of commits to a file, since strace counts the calls of each thread by themselves.
    let turnpike = oracle::install(4);
    let mut journal = Journal::default();
    let (mut killed, mut sent, mut sources) = (0, 0, Vec::new());
    let first = journal.file(&turnpike, "first.jsonl", &events(900_000..900_004));
    turnpike.ok(&["ingest", "--from", &format!("file:{}", first.display())]);
    let folder = of_folder.then(|| day_folder(&turnpike));
    for call in calls {
        // Some calls are made hundreds of times: the first one by one, those after with gaps.
        let mut number = 0;
        for attempt in 0..numbers {
            number += 1 + if attempt < 4 { 0 } else { random.below(4) };
            let name = format!("{call}-{number}.jsonl");
            let path = journal.file(&turnpike, &name, &events(sent..sent + 96));
            sent += 96;
            let source = format!("file:{}", path.display());
            let arguments = ["ingest", "--from", &source];
            let point = KillPoint { call, path: folder.as_deref(), number };
            let hit = tools::killed_at(&turnpike, &point, &arguments);
            killed += u64::from(hit);
            sources.push(source);
            if !hit && attempt > 2 {
                break;
            }
        }
    }
    let before = orphans(&turnpike);
    for source in &sources {
        turnpike.ok(&["ingest", "--from", source]);
    }
    let deleted = vacuumed(&turnpike);
    let report = oracle::check(&turnpike, &journal);
    assert!(killed >= 2 && before >= 2, "{killed} kills left {before} files");
    Proof::Pass(format!(
        "{killed} kills, {before} files left over that nothing names, {deleted} vacuumed; {}",
        oracle::words(&report)
    ))
}

/// What the kills left is deleted when it is old enough, and nothing else is. How much it was.
fn vacuumed(turnpike: &Turnpike) -> usize {
    let table = turnpike.data().join("lake/usage_events");
    let named = log::files(&table);
    let left = orphans(turnpike);
    let rated = turnpike.json(&["rate", "--period", super::events::PERIOD]);
    turnpike.ok(&["compact", "--vacuum"]);
    assert_eq!(orphans(turnpike), left, "they are young");
    age(&table);
    turnpike.ok(&["compact", "--vacuum"]);
    assert_eq!(orphans(turnpike), 0, "of {left}");
    assert_eq!(log::files(&table), named);
    assert!(named.iter().all(|path| table.join(path).exists()), "a file that is named");
    let again = turnpike.json(&["rate", "--period", super::events::PERIOD]);
    assert_eq!(rated["hash"], again["hash"]);
    left
}

/// Makes all data files of a table older than any retention.
pub fn age(table: &Path) {
    for path in log::walk(table).into_iter().filter(|path| path.contains(".parquet")) {
        let file = File::options().append(true).open(table.join(path)).unwrap();
        let then = file.metadata().unwrap().modified().unwrap() - VACUUM_AGE;
        file.set_modified(then).unwrap();
    }
}

/// The folder that data files are written to today.
fn day_folder(turnpike: &Turnpike) -> PathBuf {
    let table = turnpike.data().join("lake/usage_events");
    let newest = log::files(&table).into_iter().next_back().unwrap();
    table.join(newest).parent().unwrap().to_owned()
}

/// Data files and unfinished ones that no commit names.
fn orphans(turnpike: &Turnpike) -> usize {
    let table = turnpike.data().join("lake/usage_events");
    let named = log::files(&table);
    log::walk(&table)
        .into_iter()
        // The log's own are checkpoints.
        .filter(|path| path.contains(".parquet") && !path.starts_with("_delta_log/"))
        .filter(|path| !named.contains(path))
        .count()
}

#[test]
fn f04_killed_between_the_commit_and_the_offset() {
    row("F04", "kill -9 after the commit, before the group's offset", || {
        killed_at_points(&["after_commit", "before_offset_commit"], false)
    });
}

#[test]
fn f05_killed_with_dead_letters_in_the_batch() {
    row("F05", "kill -9 around a commit that holds dead letters", || {
        killed_at_points(&["after_decode", "before_parquet", "after_commit"], true)
    });
}

/// The longest that a process may take to end when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(30);
/// The same of one that is asked twice: far less than what it would wait for.
const STOP_AT_ONCE_MAX: Duration = Duration::from_secs(3);

#[test]
fn f10_asked_to_end() {
    row("F10", "SIGTERM: commit what is read, leave, exit 0", || {
        let topic = kafka::unique_topic("term");
        kafka::create_topic(&topic, 4);
        // A batch that is not due for a long while: only the end can commit it.
        let turnpike = oracle::install(100_000).with("TURNPIKE__INGEST__FLUSH_MS", "600000");
        let mut journal = Journal::default();
        journal.produce(&topic, &events(0..500));
        let group = kafka::unique_topic("group");
        let mut arguments = ingest_arguments(&topic, &group).to_vec();
        assert_eq!(arguments.pop(), Some("--until-end"));
        let mut slowest = Duration::ZERO;
        for round in 0..scaled(5, 2) {
            let mut running = Running::start(turnpike.command(arguments.iter().copied()));
            log::wait_for_member(&group);
            journal.produce(&topic, &events(500 + round * 100..600 + round * 100));
            tools::signal(running.id(), "TERM");
            let asked = Instant::now();
            let ran = running.wait(STOP_MAX).expect("it ends within 30 s");
            assert!(ran.status.success(), "{ran}");
            slowest = slowest.max(asked.elapsed());
        }
        // The second signal waits for nothing, whatever the first one waits for: here for a commit
        // that does not end.
        let stalled = turnpike.folder().join("stalled");
        let mut command = turnpike.command(arguments.iter().copied());
        command
            .env(STALL_AT, format!("before_parquet:1:{}", stalled.display()))
            .env("TURNPIKE__INGEST__FLUSH_MS", "200");
        let mut running = Running::start(command);
        log::wait_for_member(&group);
        journal.produce(&topic, &events(10_000..10_100));
        wait::until("a commit that does not end", STOP_MAX, || stalled.exists().then_some(()));
        tools::signal(running.id(), "TERM");
        running.wait_for_stderr("stopping", STOP_MAX);
        assert!(running.wait(Duration::ZERO).is_none(), "it did not wait for its commit");
        tools::signal(running.id(), "TERM");
        let asked = Instant::now();
        let ran = running.wait(STOP_AT_ONCE_MAX).expect("the second signal ends it at once");
        let at_once = asked.elapsed();
        assert_eq!(ran.status.code(), Some(130), "{ran}");
        ingest(&turnpike, &topic);
        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(format!(
            "ended within {} ms, at the second signal within {} ms; {}",
            slowest.as_millis(),
            at_once.as_millis(),
            oracle::words(&report)
        ))
    });
}
