//! Case folders: a book, events, and the figures expected of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use turnpike_schemas::Invoice;

use super::cli::Turnpike;
use super::{counts, figures};

/// Endings of the files of a case's events: `events.jsonl`, `events-2.log`.
const ENDINGS: [&str; 6] = ["jsonl", "json", "log", "csv", "xml", "txt"];

/// A folder under `tests/` with `case.toml`, `book.toml`, `expected.json` and its events.
pub struct Case {
    pub folder: PathBuf,
    pub period: String,
    pub now: Option<String>,
    as_of: Option<String>,
    expected: Value,
}

/// What a rating run printed, and the invoices made from it.
pub struct Billed {
    pub run: Value,
    pub warnings: String,
    pub invoices: BTreeMap<String, Invoice>,
}

impl Case {
    pub fn read(folder: PathBuf) -> Case {
        let text = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let settings: toml::Table = text("case.toml").parse().unwrap();
        let setting = |name: &str| Some(settings.get(name)?.as_str().unwrap().to_owned());
        let mut expected: Value = serde_json::from_str(&text("expected.json")).unwrap();
        for account in expected["accounts"].as_object_mut().unwrap().values_mut() {
            figures::sort_charges(account["charges"].as_array_mut().unwrap());
        }
        Case {
            period: setting("period").unwrap(),
            now: setting("now"),
            as_of: setting("as_of"),
            expected,
            folder,
        }
    }

    pub fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// A fresh installation with the book of this case.
    pub fn install(&self) -> Turnpike {
        let turnpike = Turnpike::new().at(self.now.as_deref());
        turnpike.ok(&["book", "import", &self.path("book.toml")]);
        turnpike
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// The files of its events, in the order of their names.
    pub fn events(&self) -> Vec<PathBuf> {
        let is_events = |path: &PathBuf| {
            let text = |part: Option<&std::ffi::OsStr>| {
                part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
            };
            text(path.file_name()).starts_with("events")
                && ENDINGS.contains(&text(path.extension()).as_str())
        };
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let mut found: Vec<PathBuf> =
            entries.map(|entry| entry.unwrap().path()).filter(is_events).collect();
        found.sort();
        assert!(!found.is_empty(), "{} has no events", self.name());
        found
    }

    /// Records that the case expects to be conflicts.
    pub fn conflicts(&self) -> u64 {
        self.expected["counts"]["conflict"].as_u64().unwrap()
    }

    /// Rates the period; what was printed, and what was warned of.
    pub fn rate(&self, turnpike: &Turnpike) -> (Value, String) {
        let mut arguments = vec!["rate", "--period", &self.period, "--format", "json"];
        if let Some(as_of) = &self.as_of {
            arguments.extend(["--as-of", as_of]);
        }
        let ran = turnpike.run(&arguments);
        assert!(ran.status.success(), "rate: {ran}");
        (serde_json::from_str(&ran.stdout).unwrap(), ran.stderr)
    }

    /// Rates the period and finalizes its invoices.
    pub fn bill(&self, turnpike: &Turnpike) -> Billed {
        let (run, warnings) = self.rate(turnpike);
        turnpike.ok(&["invoice", "draft", "--period", &self.period]);
        turnpike.ok(&["invoice", "finalize", "--period", &self.period]);
        Billed { run, warnings, invoices: invoices(turnpike, &self.period) }
    }

    /// Fails where anything but what the case expects was counted or billed.
    pub fn check(&self, turnpike: &Turnpike, billed: &Billed) {
        let mut wrong = self.count_differences(&counts::of(turnpike));
        wrong.extend(self.differences(billed));
        assert!(wrong.is_empty(), "{}:\n{}", self.name(), wrong.join("\n"));
    }

    /// Where records ended otherwise than expected.
    pub fn count_differences(&self, found: &Value) -> Vec<String> {
        let expected = self.expected["counts"].as_object().unwrap();
        expected
            .iter()
            .filter(|(name, count)| &found[name] != *count)
            .map(|(name, count)| format!("{name}: expected {count}, found {}", found[name]))
            .collect()
    }

    /// Where the bill is not the expected one.
    pub fn differences(&self, billed: &Billed) -> Vec<String> {
        let mut wrong = Vec::new();
        let found: serde_json::Map<String, Value> = billed
            .invoices
            .iter()
            .map(|(account, invoice)| (account.clone(), figures::of(invoice)))
            .collect();
        wrong.extend(figures::differences(&self.expected["accounts"], &Value::Object(found)));
        let parked: serde_json::Map<String, Value> = billed.run["parked"]
            .as_array()
            .unwrap()
            .iter()
            .map(|parked| {
                let account = parked["account"].as_str().unwrap().to_owned();
                (account, Value::Array(vec![parked["code"].clone()]))
            })
            .collect();
        wrong.extend(figures::differences(&self.expected["parked"], &Value::Object(parked)));
        wrong.extend(self.unassigned_differences(billed));
        wrong
    }

    fn unassigned_differences(&self, billed: &Billed) -> Vec<String> {
        let expected = self.expected["unassigned"].as_array().unwrap();
        let mut wrong = Vec::new();
        if billed.run["unassigned"] != expected.len() {
            wrong.push(format!(
                "unassigned: expected {}, found {}",
                expected.len(),
                billed.run["unassigned"]
            ));
        }
        for row in expected {
            let resource = row[1].as_str().unwrap();
            if !billed.warnings.contains(resource) {
                wrong.push(format!("unassigned: no warning names {resource}"));
            }
        }
        wrong
    }
}

/// All invoices of a period by account, with what `show` prints of each.
pub fn invoices(turnpike: &Turnpike, period: &str) -> BTreeMap<String, Invoice> {
    let listed = turnpike.json(&["invoice", "list", "--period", period]);
    listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let printed = turnpike.json(&["invoice", "show", row["id"].as_str().unwrap()]);
            (row["account"].as_str().unwrap().to_owned(), figures::invoice_of(&printed))
        })
        .collect()
}

/// A folder under `tests/`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}
