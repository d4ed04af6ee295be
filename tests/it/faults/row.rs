//! A row of the fault matrix: run, timed, and written down for the table of `make faults`.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use crate::support::skip;

/// Set to `all` by `make faults`: rows of minutes run too.
const WHICH: &str = "TURNPIKE_FAULTS";
/// A file that gets a line per row: id, result, seconds, what, detail; tabs between.
const REPORT: &str = "TURNPIKE_FAULTS_REPORT";

/// How a row ended that did not fail.
pub enum Proof {
    /// What was measured.
    Pass(String),
    /// What this machine lacks.
    Skip(String),
}

/// Whether everything runs, however long it takes.
pub fn all() -> bool {
    std::env::var(WHICH).is_ok_and(|which| which == "all")
}

/// The first where everything runs, else the second: repetitions, seconds.
pub fn scaled(full: u64, quick: u64) -> u64 {
    if all() { full } else { quick }
}

/// Runs a row.
pub fn row(id: &str, what: &str, proof: impl FnOnce() -> Proof) {
    let mut line = Line { id, what, began: Instant::now(), result: "FAIL", detail: String::new() };
    match proof() {
        Proof::Pass(detail) => (line.result, line.detail) = ("PASS", detail),
        Proof::Skip(reason) => {
            skip::say(&format!("{id} {what}"), &reason);
            (line.result, line.detail) = ("SKIP", reason);
            return;
        }
    }
    println!("PASS {id} {what}: {}", line.detail);
}

struct Line<'a> {
    id: &'a str,
    what: &'a str,
    began: Instant,
    result: &'a str,
    detail: String,
}

/// Written when it goes out of scope, so that a row that panics has its line too.
impl Drop for Line<'_> {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os(REPORT) else { return };
        let seconds = self.began.elapsed().as_secs();
        let Line { id, what, result, detail, .. } = self;
        let text = format!("{id}\t{result}\t{seconds}\t{what}\t{detail}\n");
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            eprintln!("{id}: no line in the report: {error}");
        }
    }
}
