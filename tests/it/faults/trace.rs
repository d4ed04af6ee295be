//! What a process asked of the kernel, in which order: the output of strace, read for what was
//! synced before what was told.

use std::collections::HashMap;
use std::path::Path;

use crate::support::log;

/// A system call that succeeded: where in the trace it began and where it ended.
#[derive(Debug)]
struct Call {
    begun: usize,
    ended: usize,
    name: String,
    text: String,
}

pub struct Trace {
    calls: Vec<Call>,
}

impl Trace {
    /// Reads `strace -f -y -x -o FILE`: a line is `PID name(arguments) = result`, or its beginning
    /// and its end on two lines where another thread came in between.
    pub fn read(path: &Path) -> Trace {
        let text = std::fs::read_to_string(path).unwrap();
        let mut open: HashMap<&str, (usize, String)> = HashMap::new();
        let mut calls = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let Some((pid, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            let (begun, whole) = if let Some(head) = rest.strip_suffix(" <unfinished ...>") {
                open.insert(pid, (at, head.to_owned()));
                continue;
            } else if let Some(tail) = rest.strip_prefix("<... ") {
                let Some((begun, head)) = open.remove(pid) else { continue };
                let tail = tail.split_once("resumed>").map_or("", |(_, tail)| tail);
                (begun, format!("{head}{tail}"))
            } else {
                (at, rest.to_owned())
            };
            let succeeded =
                whole.rsplit_once(" = ").is_some_and(|(_, code)| !code.starts_with('-'));
            if let (Some((name, _)), true) = (whole.split_once('('), succeeded) {
                let (name, text) = (name.to_owned(), whole.clone());
                calls.push(Call { begun, ended: at, name, text });
            }
        }
        Trace { calls }
    }

    fn of<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(|call| names.contains(&call.name.as_str()))
    }

    /// The sync of a path had ended before this place of the trace.
    fn synced_before(&self, at: usize, is_it: impl Fn(&str) -> bool) -> bool {
        self.of(&["fsync", "fdatasync"]).any(|call| call.ended < at && is_it(&call.text))
    }

    /// Before a commit has its name, its content, its data files and their folders are synced. How
    /// many commits there were.
    pub fn check_commits(&self, table: &Path) -> usize {
        let names = ["link", "linkat"];
        let commits = self.of(&names).filter(|call| call.text.contains("usage_events/_delta_log/"));
        let mut count = 0;
        for commit in commits {
            let Some(name) = commit_name(&commit.text) else { continue };
            let at = commit.begun;
            assert!(
                self.synced_before(at, |text| text.contains(&name)),
                "{name} was not synced before it was published"
            );
            for file in log::files_of(table, &name) {
                let base = file.rsplit('/').next().unwrap();
                assert!(
                    self.synced_before(at, |text| text.contains(base)),
                    "{name}: {file} was not synced before"
                );
                let folder = format!("usage_events/{}>", file.rsplit_once('/').unwrap().0);
                assert!(
                    self.synced_before(at, |text| text.contains(&folder)),
                    "{name}: the folder of {file} was not synced before"
                );
            }
            count += 1;
        }
        count
    }

    /// The folder of the log was synced as often as the group was told an offset, each time before.
    /// How often it was told.
    pub fn check_offset_commits(&self) -> usize {
        let told: Vec<usize> = self
            .of(&["sendmsg", "sendto", "write"])
            .filter(|call| is_offset_commit(&call.text))
            .map(|call| call.begun)
            .collect();
        for (count, at) in (1..).zip(&told) {
            let synced = self
                .of(&["fsync"])
                .filter(|call| call.ended < *at && call.text.contains("usage_events/_delta_log>"))
                .count();
            assert!(synced >= count, "offset commit {count} came after {synced} synced commits");
        }
        told.len()
    }
}

/// Kafka's request of API key 8: its length in four bytes, then the key in two.
fn is_offset_commit(text: &str) -> bool {
    let Some((_, data)) = text.split_once("\"\\x") else { return false };
    let bytes: Vec<&str> = data.split("\\x").map(|digits| digits.get(..2).unwrap_or("")).collect();
    bytes.get(4..6) == Some(&["00", "08"]) && text.contains("<socket:")
}

fn commit_name(text: &str) -> Option<String> {
    let (_, last) = text.rsplit_once("_delta_log/")?;
    let name = last.get(..25)?;
    name.ends_with(".json").then(|| name.to_owned())
}
