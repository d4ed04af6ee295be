//! Rows F12 (a), F13, F15, F18 and F19: disks that fill up, turn read-only, fail to sync or lose
//! power.

use std::path::PathBuf;
use std::time::Duration;

use super::events::events;
use super::oracle::{self, Journal};
use super::row::{Proof, row, scaled};
use super::tools::{self, SmallDisk};
use super::trace::Trace;
use crate::pipeline::{ingest, ingest_arguments};
use crate::support::cli::{Running, Turnpike};
use crate::support::{kafka, log, wait};

const FLUSH_ROWS: u32 = 16;
/// From the moment a fault is gone; pauses between attempts grow to half of it.
const RECOVERY_MAX: Duration = Duration::from_secs(60);

fn table(turnpike: &Turnpike) -> PathBuf {
    turnpike.data().join("lake/usage_events")
}

#[test]
fn f12_synced_before_anybody_is_told() {
    row("F12", "power loss: all is synced before the group's offset moves", || {
        if let Some(reason) = tools::lacks_strace() {
            return Proof::Skip(reason);
        }
        let topic = kafka::unique_topic("sync");
        kafka::create_topic(&topic, 2);
        let turnpike = oracle::install(FLUSH_ROWS);
        // The tables are made before anybody looks: what is traced are commits of events alone.
        turnpike.ok(&["compact"]);
        let mut journal = Journal::default();
        journal.produce(&topic, &events(0..200));
        let group = kafka::unique_topic("group");
        let mut arguments = ingest_arguments(&topic, &group).to_vec();
        arguments.pop();
        let path = turnpike.folder().join("trace");
        let command = turnpike.command(arguments);
        let mut running = Running::start(tools::traced(&path, &command));
        wait::until("all records in the table", RECOVERY_MAX, || {
            (log::records_read(&table(&turnpike)) == 200).then_some(())
        });
        tools::signal(tools::child_of(running.id()), "TERM");
        let ran = running.wait(RECOVERY_MAX).expect("it ends");
        assert!(ran.status.success(), "{ran}");
        let trace = Trace::read(&path);
        let commits = trace.check_commits(&table(&turnpike));
        let told = trace.check_offset_commits(&topic, |partition, offset| {
            log::commit_of(&table(&turnpike), &format!(":{topic}:0:{partition}"), offset)
        });
        let told = told.unwrap_or_else(|reason| panic!("the group was told too early: {reason}"));
        assert!(commits >= 3 && told >= 2, "{commits} commits, {told} offsets told");
        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(format!(
            "{commits} commits synced, {told} offsets told after theirs; {}",
            oracle::words(&report)
        ))
    });
}

#[test]
fn f13_a_torn_newest_commit() {
    row("F13", "the newest commit is empty or cut in half", || {
        let topic = kafka::unique_topic("torn");
        kafka::create_topic(&topic, 2);
        let turnpike = oracle::install(FLUSH_ROWS);
        let mut journal = Journal::default();
        let mut moved = 0;
        for (round, keep) in (0..).zip([0, 2, 3]) {
            journal.produce(&topic, &events(round * 100..round * 100 + 100));
            ingest(&turnpike, &topic);
            let newest = newest_commit(&turnpike);
            let bytes = std::fs::read(&newest).unwrap();
            // Nothing of it, half of it, and all but its last byte.
            let kept = if keep == 3 { bytes.len() - 1 } else { bytes.len() * keep / 4 };
            std::fs::write(&newest, &bytes[..kept]).unwrap();
            let read = ingest(&turnpike, &topic)["read"].as_i64().unwrap();
            // A line feed that is missing takes nothing away.
            assert!(read > 0 || keep == 3, "nothing was read again after a cut at {kept}");
            moved += i64::from(read > 0);
        }
        let quarantined = log::walk(&table(&turnpike).join("_quarantine")).len();
        assert!(quarantined >= 2, "{quarantined} files in quarantine");
        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(format!("{moved} commits read again; {}", oracle::words(&report)))
    });
}

fn newest_commit(turnpike: &Turnpike) -> PathBuf {
    let folder = table(turnpike).join("_delta_log");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    names.sort();
    names.pop().unwrap()
}

/// An installation whose tables lie on a small disk, with a consumer that reads on.
struct OnSmallDisk {
    turnpike: Turnpike,
    disk: SmallDisk,
    topic: String,
    running: Running,
    journal: Journal,
    sent: u64,
}

impl OnSmallDisk {
    fn start() -> Result<OnSmallDisk, String> {
        let turnpike = Turnpike::new()
            .with("TURNPIKE__INGEST__FLUSH_ROWS", "64")
            .with("TURNPIKE__INGEST__FLUSH_MS", "100");
        turnpike.ok(&["book", "import", &oracle::book().to_string_lossy()]);
        let disk = SmallDisk::at(&turnpike.data().join("lake"), 8)?;
        let topic = kafka::unique_topic("disk");
        kafka::create_topic(&topic, 2);
        let group = kafka::unique_topic("group");
        let mut arguments = ingest_arguments(&topic, &group).to_vec();
        arguments.pop();
        let command = disk.inside(&turnpike.command(arguments));
        let running = Running::start(command);
        Ok(OnSmallDisk { turnpike, disk, topic, running, journal: Journal::default(), sent: 0 })
    }

    fn produce(&mut self, count: u64) {
        self.journal.produce(&self.topic, &events(self.sent..self.sent + count));
        self.sent += count;
    }

    fn read(&self) -> i64 {
        log::records_read(&self.disk.folder().join("usage_events"))
    }

    fn wait_for_all(&self, when: &str) {
        wait::until(&format!("all records read {when}"), RECOVERY_MAX, || {
            (self.read() == i64::try_from(self.sent).unwrap()).then_some(())
        });
    }

    /// It is alive, it has not moved, and it said so.
    fn is_paused(&mut self, before: i64) {
        self.running.wait_for_stderr("cannot commit events", RECOVERY_MAX);
        assert!(self.running.wait(Duration::ZERO).is_none(), "the consumer ended");
        assert_eq!(self.read(), before);
    }

    fn finish(mut self) -> Proof {
        tools::signal(self.running.id(), "TERM");
        let ran = self.running.wait(RECOVERY_MAX).expect("it ends");
        assert!(ran.status.success(), "{ran}");
        self.disk.copy_out();
        let report = oracle::check(&self.turnpike, &self.journal);
        Proof::Pass(oracle::words(&report))
    }
}

fn paused_and_resumed(break_it: impl Fn(&SmallDisk), mend_it: impl Fn(&SmallDisk)) -> Proof {
    let mut consumer = match OnSmallDisk::start() {
        Ok(consumer) => consumer,
        Err(reason) => return Proof::Skip(reason),
    };
    consumer.produce(300);
    consumer.wait_for_all("before");
    for _ in 0..scaled(3, 1) {
        break_it(&consumer.disk);
        let before = consumer.read();
        consumer.produce(300);
        consumer.is_paused(before);
        mend_it(&consumer.disk);
        consumer.wait_for_all("after");
    }
    consumer.finish()
}

#[test]
fn f15_a_full_disk() {
    row("F15", "the table's disk is full, and later is not", || {
        paused_and_resumed(SmallDisk::fill, SmallDisk::free)
    });
}

#[test]
fn f18_a_disk_that_turns_read_only() {
    row("F18", "the table turns read-only, and back", || {
        paused_and_resumed(|disk| disk.forbid("usage_events"), |disk| disk.allow("usage_events"))
    });
}

#[test]
fn f19_a_sync_that_fails() {
    row("F19", "fsync says EIO once: nothing counts that was not synced", || {
        if let Some(reason) = tools::lacks_strace() {
            return Proof::Skip(reason);
        }
        let turnpike = oracle::install(FLUSH_ROWS);
        let mut journal = Journal::default();
        // The tables are made: what follows is the syncing of rows and commits.
        let first = journal.file(&turnpike, "first.jsonl", &events(0..10));
        turnpike.ok(&["ingest", "--from", &format!("file:{}", first.display())]);
        let mut failed = 0;
        for number in 1..=scaled(24, 8) {
            let name = format!("f{number}.jsonl");
            let path = journal.file(&turnpike, &name, &events(number * 100..number * 100 + 48));
            let source = format!("file:{}", path.display());
            let arguments = ["ingest", "--from", &source];
            let inject = format!("inject=fsync:error=EIO:when={number}");
            let options = ["-e", "trace=fsync", "-e", &inject];
            let output = tools::strace(&turnpike, &options, &arguments).output().unwrap();
            let hit = !output.status.success();
            failed += u64::from(hit);
            turnpike.ok(&arguments);
            if !hit {
                break;
            }
        }
        let report = oracle::check(&turnpike, &journal);
        assert!(failed >= 4, "only {failed} runs noticed that their fsync failed");
        Proof::Pass(format!("{failed} runs ended; {}", oracle::words(&report)))
    });
}
