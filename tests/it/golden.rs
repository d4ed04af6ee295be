//! The cases of `tests/golden`, each through the real binary from a file of events to invoices.
//!
//! What they expect was worked out by hand in their READMEs, and by `oracle.py`, which shares
//! nothing with this program.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;
use turnpike_schemas::invoice::InvoiceStatus;

use crate::support::case::{self, Case};

/// Cases at the same time. Other tests run beside these.
const THREADS: usize = 2;

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(case::folder("golden"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("case.toml").exists())
        .collect();
    folders.sort();
    folders
}

#[test]
fn every_case_is_billed_as_worked_out() {
    let folders = folders();
    assert!(folders.len() >= 28, "only {} cases were found", folders.len());
    let (left, failed) = (Mutex::new(folders), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(folder) = { left.lock().unwrap().pop() } {
                    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
                    // Let the others go on: all that is wrong is to be seen at once.
                    if catch_unwind(AssertUnwindSafe(|| run(folder))).is_err() {
                        failed.lock().unwrap().push(name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} cases failed: {}", failed.len(), failed.join(", "));
}

fn run(folder: PathBuf) {
    let case = Case::read(folder);
    let turnpike = case.install();
    let source = format!("file:{}", case.path("events.jsonl"));
    turnpike.ok(&["ingest", "--from", &source]);
    let billed = case.bill(&turnpike);
    case.check(&turnpike, &billed);
    for invoice in billed.invoices.values() {
        assert_eq!(invoice.status, InvoiceStatus::Finalized);
        assert!(invoice.number.is_some());
    }
    turnpike.ok(&["verify"]);

    // The same once more, from compacted tables: the file is known, the period is invoiced, and
    // nothing changes.
    let again = turnpike.json(&["ingest", "--from", &source]);
    assert_eq!(again["read"], 0, "{}", case.name());
    turnpike.ok(&["compact"]);
    let again = case.bill(&turnpike);
    case.check(&turnpike, &again);
    assert_eq!(again.run["hash"], billed.run["hash"], "{}", case.name());
    assert_eq!(again.invoices, billed.invoices, "{}", case.name());
    turnpike.ok(&["verify"]);
    if case.conflicts() == 0 {
        assert_eq!(hash_backwards(&case), billed.run["hash"], "{} backwards", case.name());
    }
}

/// The run's hash where all events arrive in the opposite order. (Of two that conflict the first
/// wins, so there the order shows.)
fn hash_backwards(case: &Case) -> Value {
    let turnpike = case.install();
    let text = std::fs::read_to_string(case.path("events.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().rev().collect();
    turnpike.file("backwards.jsonl", lines.join("\n"));
    turnpike.ok(&["ingest", "--from", "file:backwards.jsonl"]);
    case.rate(&turnpike).0["hash"].clone()
}

#[test]
fn an_independent_program_agrees_with_every_case() {
    let modern = "import sys, tomllib, zoneinfo; zoneinfo.ZoneInfo('Europe/Paris')";
    let python = Command::new("python3").args(["-c", modern]).output();
    if !python.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no python3 of at least 3.11 with time zones is installed");
        return;
    }
    let output = Command::new("python3")
        .arg(case::folder("golden/oracle.py"))
        .arg("--check")
        .args(folders())
        .arg(case::folder("pipeline"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
    assert_eq!(said.matches(": agrees").count(), folders().len() + 1, "{said}");
}
