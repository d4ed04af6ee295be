//! The cases of `tests/golden`, each through the real binary from a file of events to invoices.
//!
//! What they expect was worked out by hand in their READMEs, and by `oracle.py`, which shares
//! nothing with this program.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;
use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{Amount, Fraction, Instant, LineKind, RunId, parse};

use crate::exact;
use crate::support::case::{self, Case};
use crate::support::cli::Turnpike;
use crate::support::skip;

/// Cases at the same time. Other tests run beside these.
const THREADS: usize = 2;

fn folders() -> Vec<PathBuf> {
    with("expected.json")
}

/// The cases that hold such a file.
fn with(name: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(case::folder("golden"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join(name).exists())
        .collect();
    folders.sort();
    folders
}

#[test]
fn every_case_is_billed_as_worked_out() {
    let folders = folders();
    assert!(folders.len() >= 43, "only {} cases were found", folders.len());
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
    let sources: Vec<String> =
        case.events().iter().map(|path| format!("file:{}", path.display())).collect();
    for source in &sources {
        turnpike.ok(&["ingest", "--from", source]);
    }
    let billed = case.bill(&turnpike);
    case.check(&turnpike, &billed);
    for invoice in billed.invoices.values() {
        assert_eq!(invoice.status, InvoiceStatus::Finalized);
        assert!(invoice.number.is_some());
    }
    turnpike.ok(&["verify"]);

    // The same once more, from compacted tables: the files are known, the period is invoiced, and
    // nothing changes.
    for source in &sources {
        let again = turnpike.json(&["ingest", "--from", source]);
        assert_eq!(again["read"], 0, "{}", case.name());
    }
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
    for path in case.events().iter().rev() {
        let mut text = std::fs::read_to_string(path).unwrap();
        let ending = path.extension().unwrap().to_string_lossy();
        // Other forms are one record, or have a heading.
        if ["jsonl", "log"].contains(&ending.as_ref()) {
            text = text.lines().rev().collect::<Vec<&str>>().join("\n");
        }
        let name = format!("backwards.{ending}");
        turnpike.file(&name, text);
        turnpike.ok(&["ingest", "--from", &format!("file:{name}")]);
    }
    case.rate(&turnpike).0["hash"].clone()
}

/// Of each account what `rated.json` says: the exact total, and what the usage of a resource costs.
type Rated = BTreeMap<String, (String, BTreeMap<String, String>)>;

#[test]
fn every_price_is_as_worked_out() {
    let (left, failed) = (Mutex::new(with("rated.json")), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(folder) = { left.lock().unwrap().pop() } {
                    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
                    if catch_unwind(AssertUnwindSafe(|| check_price(&folder))).is_err() {
                        failed.lock().unwrap().push(name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} cases failed: {}", failed.len(), failed.join(", "));
}

/// Rates a case in two orders of arrival and from compacted tables: the same amounts, the same hash.
fn check_price(folder: &Path) {
    let text = std::fs::read_to_string(folder.join("rated.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let events = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let backwards: Vec<&str> = events.lines().rev().collect();
    let mut hashes = BTreeSet::new();
    for text in [events.clone(), backwards.join("\n")] {
        let turnpike = Turnpike::new();
        let book = folder.join("book.toml");
        turnpike.ok(&["book", "import", &book.to_string_lossy()]);
        turnpike.file("events.jsonl", text);
        turnpike.ok(&["ingest", "--from", "file:events.jsonl"]);
        for _ in 0..2 {
            let (hash, rated) = rate(&turnpike);
            hashes.insert(hash);
            compare(&expected, &rated);
            turnpike.ok(&["compact"]);
        }
        turnpike.ok(&["invoice", "draft", "--period", "2026-10"]);
        turnpike.ok(&["invoice", "finalize", "--period", "2026-10"]);
        turnpike.ok(&["verify"]);
    }
    assert_eq!(hashes.len(), 1, "{hashes:?}");
}

fn compare(expected: &BTreeMap<String, Value>, rated: &Rated) {
    for (account, wanted) in expected {
        let (total, resources) = rated.get(account).cloned().unwrap_or_default();
        let total = if total.is_empty() { "0" } else { &total };
        assert_eq!(total, wanted["total"], "{account}: {rated:#?}");
        for (resource, amount) in wanted["resources"].as_object().into_iter().flatten() {
            let found = resources.get(resource).map_or("0", String::as_str);
            assert_eq!(found, amount, "{account}, {resource}: {rated:#?}");
        }
    }
    let strangers: Vec<&String> = rated.keys().filter(|key| !expected.contains_key(*key)).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

/// Of an account the amounts of all lines, and those of each resource.
type OfAccount = (Vec<Amount>, BTreeMap<String, Vec<Amount>>);

/// The hash of October's run, and what was found of each account.
fn rate(turnpike: &Turnpike) -> (String, Rated) {
    let run = turnpike.json(&["rate", "--period", "2026-10"]);
    assert_eq!(run["parked"].as_array().map(Vec::len), Some(0), "{run}");
    let id = RunId::new(run["run"].as_str().unwrap()).unwrap();
    let now = Instant::parse("2026-11-01T00:00:00Z").unwrap();
    let mut sums: BTreeMap<String, OfAccount> = BTreeMap::new();
    for line in exact::lines(turnpike, &id, now) {
        let (all, resources) = sums.entry(line.account.to_string()).or_default();
        if line.kind != LineKind::Adjustment {
            resources.entry(line.resource.to_string()).or_default().push(line.amount);
        }
        all.push(line.amount);
    }
    let texts = sums.into_iter().map(|(account, (all, resources))| {
        let resources = resources.iter().map(|(name, parts)| (name.clone(), sum(parts))).collect();
        (account, (sum(&all), resources))
    });
    (run["hash"].to_string(), texts.collect())
}

/// The decimals of a sum where they end, else a fraction.
fn sum(parts: &[Amount]) -> String {
    let sum = Amount::sum(parts, parts[0].currency()).unwrap();
    let value = Fraction::new(sum.numerator(), sum.denominator()).unwrap();
    match value.to_scaled(0, 29) {
        Some((scaled, scale)) => parse::scaled_to_short_decimal(scaled, scale),
        None => value.to_string(),
    }
}

/// Python of at least 3.11 with time zones, for the programs beside the cases.
pub fn python() -> Option<Command> {
    let modern = "import sys, tomllib, zoneinfo; zoneinfo.ZoneInfo('Europe/Paris')";
    let found = Command::new("python3").args(["-c", modern]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        let reason = "no python3 of at least 3.11 with time zones is installed";
        skip::say("the programs beside the golden cases", reason);
        return None;
    }
    Some(Command::new("python3"))
}

/// What a program printed, which has to succeed.
pub fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
    said
}

#[test]
fn an_independent_program_agrees_with_every_case() {
    let Some(mut python) = python() else { return };
    let oracle = python.arg(case::folder("golden/oracle.py")).arg("--check");
    let said = printed(oracle.args(folders()).arg(case::folder("pipeline")));
    assert_eq!(said.matches(": agrees").count(), folders().len() + 1, "{said}");
}

#[test]
fn an_independent_program_agrees_with_every_price() {
    let Some(mut python) = python() else { return };
    let folders = with("rated.json");
    assert!(folders.len() >= 20, "only {} cases were found", folders.len());
    let oracle = python.arg(case::folder("oracle/rating/rating.py")).arg("check");
    let said = printed(oracle.args(&folders));
    assert_eq!(said.matches(": agrees").count(), folders.len(), "{said}");
}

/// Resources whose lives are made up. `TURNPIKE_LIVES_SEED` makes up others.
const LIVES: &str = "150";

#[test]
fn an_independent_program_agrees_on_random_lives() {
    let Some(mut python) = python() else { return };
    let seed = std::env::var("TURNPIKE_LIVES_SEED").unwrap_or_else(|_| "1".to_owned());
    let lives = printed(python.arg(case::folder("golden/lives.py")).args([&seed, LIVES]));
    let folder = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("events.jsonl", &lives);
    write("book.toml", &std::fs::read_to_string(case::folder("properties/book.toml")).unwrap());
    let as_of = "2026-11-20T00:00:00Z";
    write(
        "case.toml",
        &format!("period = \"2026-10\"\naccounts = [\"a0\", \"a1\"]\nas_of = \"{as_of}\"\n"),
    );
    let mut oracle = Command::new("python3");
    printed(oracle.arg(case::folder("golden/oracle.py")).arg("--accept").arg(folder.path()));

    // In three parts, with runs and compactions in between: what comes late changes what was known.
    let case = Case::read(folder.path().to_owned());
    let turnpike = case.install();
    let lines: Vec<&str> = lives.lines().collect();
    for (number, part) in lines.chunks(lines.len() / 3 + 1).enumerate() {
        let name = format!("{number}.jsonl");
        turnpike.file(&name, part.join("\n"));
        turnpike.ok(&["ingest", "--from", &format!("file:{name}")]);
        for period in ["2026-09", "2026-10", "2026-11"] {
            turnpike.ok(&["rate", "--period", period, "--as-of", as_of]);
        }
        if number != 1 {
            turnpike.ok(&["compact"]);
        }
    }
    let billed = case.bill(&turnpike);
    eprintln!("seed {seed}: {} events of {LIVES} resources", lines.len());
    case.check(&turnpike, &billed);
    turnpike.ok(&["verify"]);
}
