//! The oracle of `tests/oracle`: what a producer wrote down, against what tables and invoices say.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::events::{self, PERIOD};
use crate::support::case;
use crate::support::cli::Turnpike;
use crate::support::kafka::{self, Record};

/// The records that were produced, each with the place it was given.
#[derive(Debug, Default, Clone)]
pub struct Journal {
    pub records: Vec<Value>,
}

impl Journal {
    /// Sends records to the shared broker and writes down where they went.
    pub fn produce(&mut self, topic: &str, records: &[Record]) {
        self.records.extend(kafka::journal(kafka::bootstrap(), topic, records));
    }

    /// Writes records into a file of an installation, one on a line.
    pub fn file(&mut self, turnpike: &Turnpike, name: &str, records: &[Record]) -> PathBuf {
        let text = events::lines(records);
        let path = turnpike.file(name, &text);
        self.add_file(text.as_bytes(), records);
        path
    }

    /// Writes down records that a file of this content holds, one on a line.
    pub fn add_file(&mut self, content: &[u8], records: &[Record]) {
        let sha = hex::encode(Sha256::digest(content));
        for (line, record) in (1..).zip(records) {
            let mut entry = record.to_line();
            entry["file"] = json!(sha);
            entry["line"] = json!(line);
            self.records.push(entry);
        }
    }

    /// Writes down records that a server answered to have.
    pub fn add_http(&mut self, records: &[Record]) {
        for record in records {
            let mut entry = record.to_line();
            entry["http"] = json!(true);
            self.records.push(entry);
        }
    }

    /// Writes down records that were sent to a server which died before it answered: whether they
    /// are in the table nobody knows.
    pub fn add_unheard(&mut self, records: &[Record]) {
        for record in records {
            let mut entry = record.to_line();
            entry["http"] = json!("unheard");
            self.records.push(entry);
        }
    }
}

pub fn book() -> PathBuf {
    case::folder("oracle/book.toml")
}

/// An installation with the book that the oracle prices by, and few rows to a commit.
pub fn install(flush_rows: u32) -> Turnpike {
    let turnpike = Turnpike::new().with("TURNPIKE__INGEST__FLUSH_ROWS", &flush_rows.to_string());
    turnpike.ok(&["book", "import", &book().to_string_lossy()]);
    turnpike
}

/// What else the oracle has to know.
#[derive(Debug, Default)]
pub struct Known<'a> {
    /// TOPIC:PARTITION:FROM:TO, declared lost.
    pub gaps: &'a [String],
    /// Nothing is billed, on purpose.
    pub refused: bool,
}

/// Rates, drafts, and asks the oracle whether all of it is true; what it counted.
#[track_caller]
pub fn check(turnpike: &Turnpike, journal: &Journal) -> Value {
    check_knowing(turnpike, journal, &Known::default())
}

#[track_caller]
pub fn check_knowing(turnpike: &Turnpike, journal: &Journal, known: &Known<'_>) -> Value {
    let folder = turnpike.folder().join("oracle");
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let lines: String = journal.records.iter().map(|record| format!("{record}\n")).collect();
    std::fs::write(path("journal.jsonl"), lines).unwrap();
    let mut arguments: Vec<String> =
        ["--data", &turnpike.data().to_string_lossy(), "--journal"].map(str::to_owned).into();
    arguments.push(path("journal.jsonl"));
    arguments.extend(["--book".to_owned(), book().to_string_lossy().into_owned()]);
    arguments.extend(["--period", PERIOD].map(str::to_owned));
    for gap in known.gaps {
        arguments.extend(["--gap".to_owned(), gap.clone()]);
    }
    if known.refused {
        arguments.push("--refused".to_owned());
    } else {
        let (run, invoices) = bill(turnpike);
        std::fs::write(path("run.json"), run.to_string()).unwrap();
        std::fs::write(path("invoices.json"), invoices.to_string()).unwrap();
        for (option, name) in [("--run", "run.json"), ("--invoices", "invoices.json")] {
            arguments.extend([option.to_owned(), path(name)]);
        }
    }
    ask(&arguments)
}

fn bill(turnpike: &Turnpike) -> (Value, Value) {
    let run = turnpike.json(&["rate", "--period", PERIOD]);
    turnpike.ok(&["invoice", "draft", "--period", PERIOD]);
    let listed = turnpike.json(&["invoice", "list", "--period", PERIOD]);
    let show = |row: &Value| turnpike.json(&["invoice", "show", row["id"].as_str().unwrap()]);
    (run, listed.as_array().unwrap().iter().map(show).collect())
}

#[track_caller]
fn ask(arguments: &[String]) -> Value {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/oracle.py");
    let output = Command::new(kafka::python()).arg(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let counted = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the oracle: {}\n{counted}\n{said}", output.status);
    serde_json::from_str(&counted).unwrap_or_else(|error| panic!("the oracle: {error}: {counted}"))
}

/// What a row says that the oracle found to be right.
pub fn words(report: &Value) -> String {
    let word = |name: &str| report["final"][name].to_string();
    format!(
        "{} produced = {} accepted + {} duplicate + {} conflict + {} dead",
        report["produced"],
        word("accepted"),
        word("duplicate"),
        word("conflict"),
        word("dead"),
    )
}
