//! Random tariffs and usages, rated by the real binary and by `tests/oracle/rating`, which shares nothing
//! with it: every account's amount is the same, as a fraction.
//!
//! `make oracle` runs 10,000 of them; `make test` a few hundred. `TURNPIKE_ORACLE_SEED` makes up others.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use turnpike_lake::{Lake, LakeSettings};
use turnpike_rating::convert;
use turnpike_schemas::{Instant, RatedLine, RunId};

use crate::golden::{printed, python};
use crate::support::case;
use crate::support::cli::{BUCKETS, Turnpike};

/// Cases of `make test`, and of one book.
const CASES: usize = 250;
const CASES_OF_A_BOOK: usize = 250;

fn number(variable: &str, otherwise: usize) -> usize {
    let given = std::env::var(variable);
    given.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: {text}")))
}

#[test]
fn random_tariffs_and_usages_are_rated_as_an_independent_program_does() {
    if python().is_none() {
        return;
    }
    let cases = number("TURNPIKE_ORACLE_CASES", CASES);
    let first = number("TURNPIKE_ORACLE_SEED", 1);
    let books = cases.div_ceil(CASES_OF_A_BOOK);
    let mut wrong = Vec::new();
    for seed in first..first + books {
        let accounts = cases.div_ceil(books);
        let said = one_book(&seed.to_string(), &accounts.to_string());
        println!("{}", said.trim_end());
        if !said.contains(": all agree") {
            wrong.push(said);
        }
    }
    assert!(wrong.is_empty(), "{} of {books} books differ:\n{}", wrong.len(), wrong.concat());
}

/// Makes a book up, has it rated by both, and says what the comparison says.
fn one_book(seed: &str, accounts: &str) -> String {
    let folder = TempDir::new().unwrap();
    let program = case::folder("oracle/rating/rating.py");
    let run = |arguments: &[&str]| {
        printed(Command::new("python3").arg(&program).args(arguments).arg(folder.path()))
    };
    run(&["make", seed, accounts]);
    rate_to_file(folder.path());
    run(&["compare", seed, accounts])
}

/// Rates what a folder holds, and writes what was found beside it.
fn rate_to_file(folder: &Path) {
    let text = std::fs::read_to_string(folder.join("case.toml")).unwrap();
    let settings: toml::Table = text.parse().unwrap();
    let setting = |name: &str| settings[name].as_str().unwrap();
    let turnpike = Turnpike::new().at(Some(setting("now")));
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    turnpike.ok(&["book", "import", &path("book.toml")]);
    turnpike.ok(&["ingest", "--from", &format!("file:{}", path("events.jsonl"))]);
    let period = ["rate", "--period", setting("period"), "--as-of", setting("as_of")];
    let run = turnpike.json(&period);
    let id = RunId::new(run["run"].as_str().unwrap()).unwrap();
    let lines = lines(&turnpike, &id, Instant::parse(setting("now")).unwrap());
    let rows = lines.iter().map(|line| {
        json!({
            "account": line.account.as_str(),
            "kind": line.kind.as_str(),
            "resource": line.resource.as_str(),
            "meter": line.meter.as_str(),
            "detail": line.detail,
            "numerator": line.amount.numerator().to_string(),
            "denominator": line.amount.denominator().to_string(),
        })
    });
    let text: String = rows.map(|row| format!("{row}\n")).collect();
    std::fs::write(folder.join("lines.jsonl"), text).unwrap();
    std::fs::write(folder.join("parked.json"), run["parked"].to_string()).unwrap();
}

pub fn lines(turnpike: &Turnpike, run: &RunId, now: Instant) -> Vec<RatedLine> {
    let settings =
        LakeSettings { buckets: BUCKETS, ..LakeSettings::new(turnpike.data().join("lake")) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let batches = runtime.block_on(async {
        let lake = Lake::open(settings, now).await.unwrap();
        lake.rated_lines(run).await.unwrap()
    });
    convert::lines_from_batches(&batches).unwrap()
}
