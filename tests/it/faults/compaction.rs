//! Row F09: compaction, checkpoints and vacuum that die at any step.

use serde_json::json;

use super::crash::age;
use super::events::{PERIOD, events};
use super::oracle::{self, Journal};
use super::row::{Proof, row, scaled};
use super::tools::{self, KillPoint};
use crate::support::cli::Turnpike;
use crate::support::log;

const FLUSH_ROWS: u32 = 16;

#[test]
fn f09_killed_while_compacting() {
    row("F09", "kill -9 during compaction, checkpoint and vacuum", || {
        if let Some(reason) = tools::lacks_strace() {
            return Proof::Skip(reason);
        }
        // A checkpoint is due after every other commit, so that each compaction writes some.
        let turnpike = oracle::install(FLUSH_ROWS).with("TURNPIKE__LAKE__CHECKPOINT_COMMITS", "2");
        let mut journal = Journal::default();
        let mut compacting = Compacting { sent: 0, sources: Vec::new() };
        let mut killed = [0; 2];
        for (at, command) in [&["compact"][..], &["compact", "--vacuum"]].into_iter().enumerate() {
            for call in ["linkat", "rename", "write", "fsync", "unlink"] {
                for number in 1..=scaled(10, 2) {
                    compacting.add_file(&turnpike, &mut journal);
                    if at == 1 {
                        // What earlier kills left over is there to be deleted.
                        age(&turnpike.data().join("lake/usage"));
                        age(&turnpike.data().join("lake/usage_events"));
                    }
                    let point = KillPoint { call, path: None, number };
                    killed[at] += compacting.killed(&turnpike, &point, command);
                }
            }
        }
        let checkpoints = checkpoints(&turnpike);
        let progress = log::offsets(&turnpike.data().join("lake/usage_events"));
        turnpike.ok(&["compact", "--vacuum"]);
        assert_eq!(progress, log::offsets(&turnpike.data().join("lake/usage_events")));
        // What the checkpoints say of the sources is what a start takes for granted.
        for source in &compacting.sources {
            let again = turnpike.json(&["ingest", "--from", source]);
            assert_eq!((&again["read"], &again["skipped_files"]), (&json!(0), &json!(1)));
        }
        let report = oracle::check(&turnpike, &journal);
        assert!(killed[0] >= 4 && killed[1] >= 4, "only {killed:?} kills");
        assert!(checkpoints >= 4, "only {checkpoints} checkpoints");
        Proof::Pass(format!(
            "{} kills of compact, {} with vacuum, {checkpoints} checkpoints; {}",
            killed[0],
            killed[1],
            oracle::words(&report)
        ))
    });
}

struct Compacting {
    sent: u64,
    sources: Vec<String>,
}

impl Compacting {
    /// Reads a file of new events, and of some of the last file again: duplicates that only
    /// compaction can tell.
    fn add_file(&mut self, turnpike: &Turnpike, journal: &mut Journal) {
        let mut records = events(self.sent..self.sent + 40);
        records.extend(events(self.sent.saturating_sub(10)..self.sent));
        self.sent += 40;
        let path = journal.file(turnpike, &format!("{}.jsonl", self.sent), &records);
        let source = format!("file:{}", path.display());
        turnpike.ok(&["ingest", "--from", &source]);
        self.sources.push(source);
    }

    /// 1 where the command was killed. Whatever became of it, the bill is the same.
    fn killed(&self, turnpike: &Turnpike, point: &KillPoint<'_>, command: &[&str]) -> u64 {
        let rated = || turnpike.json(&["rate", "--period", PERIOD]);
        let before = rated();
        let killed = tools::killed_at(turnpike, point, command);
        assert_eq!(before["hash"], rated()["hash"], "{} {}", point.call, point.number);
        u64::from(killed)
    }
}

fn checkpoints(turnpike: &Turnpike) -> usize {
    let files = log::walk(&turnpike.data().join("lake"));
    files.iter().filter(|path| path.ends_with(".checkpoint.parquet")).count()
}
