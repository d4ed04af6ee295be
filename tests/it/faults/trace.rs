//! What a process asked of the kernel, in which order: the output of strace, read for what was
//! synced before what was told.

use std::collections::HashMap;
use std::path::Path;

use super::wire;
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
        Self::of_text(&std::fs::read_to_string(path).unwrap())
    }

    fn of_text(text: &str) -> Trace {
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

    /// Whenever the group is told an offset, the commit that says so has its name, and its name is on
    /// disk. `commit_of` names the commit of a partition and an offset. How often it was told.
    pub fn check_offset_commits(
        &self,
        topic: &str,
        commit_of: impl Fn(i32, i64) -> String,
    ) -> Result<usize, String> {
        let mut told = 0;
        for call in self.of(&SENDING) {
            for (partition, offset) in wire::told_offsets(&wire::bytes(&call.text), topic) {
                let name = commit_of(partition, offset);
                self.check_durable(&name, call.begun)
                    .map_err(|reason| format!("offset {offset} of {partition}: {reason}"))?;
                told += 1;
            }
        }
        Ok(told)
    }

    /// Whenever an answer of 202 goes out, a commit was made since the one before, and its name is on
    /// disk: of requests that are sent one after the other. How many there were.
    pub fn check_answers(&self) -> Result<usize, String> {
        let (mut answers, mut since) = (0, 0);
        for call in self.of(&SENDING).filter(|call| call.text.contains("\"HTTP/1.1 202")) {
            let made = self.commits().filter(|(_, commit)| commit.begun >= since);
            let before = made.filter(|(_, commit)| commit.begun < call.begun);
            let names: Vec<String> = before.map(|(name, _)| name).collect();
            if names.is_empty() {
                return Err(format!("answer {} came without a commit", answers + 1));
            }
            for name in names {
                self.check_durable(&name, call.begun)
                    .map_err(|reason| format!("answer {}: {reason}", answers + 1))?;
            }
            answers += 1;
            since = call.begun;
        }
        Ok(answers)
    }

    /// The commits in the order in which they got their names.
    fn commits(&self) -> impl Iterator<Item = (String, &Call)> {
        let calls = self.of(&["link", "linkat", "rename", "renameat", "renameat2"]);
        calls.filter_map(|call| {
            let (_, last) = call.text.rsplit_once("usage_events/_delta_log/")?;
            let name = last.get(..25).filter(|name| name.ends_with(".json"))?;
            Some((name.to_owned(), call))
        })
    }

    /// The content of a commit was synced, then it got its name, then its folder was synced, and all
    /// that had ended before this place of the trace.
    fn check_durable(&self, name: &str, at: usize) -> Result<(), String> {
        let mut found = self.commits().filter(|(known, _)| known == name);
        let (_, commit) = found.next().ok_or_else(|| format!("{name} was never published"))?;
        if commit.ended >= at {
            return Err(format!("{name} had no name yet"));
        }
        if !self.synced_before(commit.begun, |text| text.contains(name)) {
            return Err(format!("the content of {name} was not synced before it had a name"));
        }
        let folder = self.of(&["fsync"]).any(|call| {
            call.begun > commit.ended
                && call.ended < at
                && call.text.contains("usage_events/_delta_log>")
        });
        folder.then_some(()).ok_or_else(|| format!("the name of {name} was not synced"))
    }
}

/// How bytes leave a process.
const SENDING: [&str; 4] = ["sendmsg", "sendto", "write", "writev"];

fn commit_name(text: &str) -> Option<String> {
    let (_, last) = text.rsplit_once("_delta_log/")?;
    let name = last.get(..25)?;
    name.ends_with(".json").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "00000000000000000003.json";

    /// A trace of these calls; each is whole.
    fn trace(calls: &[&str]) -> Trace {
        let lines: Vec<String> = calls.iter().map(|call| format!("7 {call} = 0\n")).collect();
        Trace::of_text(&lines.concat())
    }

    /// What a commit does, in its order.
    fn steps() -> Vec<String> {
        let log = "/d/usage_events/_delta_log";
        vec![
            format!("fsync(9<{log}/{COMMIT}#1>)"),
            format!("linkat(AT_FDCWD, \"{log}/{COMMIT}#1\", AT_FDCWD, \"{log}/{COMMIT}\", 0)"),
            format!("fsync(9<{log}>)"),
        ]
    }

    /// All orders of a commit's steps and what is told: only after all of them it may be told.
    fn check(told: &str, verdict: impl Fn(&Trace) -> Result<usize, String>) {
        for at in 0..=3 {
            let mut calls = steps();
            calls.insert(at, told.to_owned());
            // Of an earlier commit, and of creating the table: they prove nothing of this one.
            let before = ["fsync(9</d/usage_events/_delta_log>)"; 3];
            let calls: Vec<&str> =
                before.into_iter().chain(calls.iter().map(String::as_str)).collect();
            let found = verdict(&trace(&calls));
            assert_eq!(found.is_ok(), at == 3, "told after {at} steps: {found:?}");
        }
        let mut calls = steps();
        calls.remove(2);
        calls.push(told.to_owned());
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        assert!(verdict(&trace(&calls)).is_err(), "without its folder");
    }

    #[test]
    fn an_answer_before_its_own_sync_is_found() {
        check(
            "sendto(5<socket:[1]>, \"HTTP/1.1 202 Acc\"..., 99, 0, NULL, 0)",
            Trace::check_answers,
        );
    }

    #[test]
    fn an_offset_before_its_own_sync_is_found() {
        let request: String = wire::tests::request("topic", 1, 16)
            .iter()
            .map(|byte| format!("\\x{byte:02x}"))
            .collect();
        let told = format!("sendmsg(5<socket:[1]>, {{msg_iov=[{{iov_base=\"{request}\"}}]}}, 0)");
        check(&told, |trace| {
            trace.check_offset_commits("topic", |partition, offset| {
                assert_eq!((partition, offset), (1, 16));
                COMMIT.to_owned()
            })
        });
    }
}
