//! Layers of settings: defaults, then the file, then the environment, then flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::keys::{self, KAFKA_OPTIONS, KEYS};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "{name}"),
            Origin::Flag(name) => write!(f, "{name}"),
        }
    }
}

/// One value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    pub origin: Origin,
}

/// All values, by key, and everything that is wrong with their layers.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    pub values: BTreeMap<String, Value>,
    pub problems: Vec<String>,
}

/// Variables of the environment that are settings: `TURNPIKE__SECTION__KEY`.
pub const ENVIRONMENT_PREFIX: &str = "TURNPIKE__";

impl Layers {
    pub fn defaults() -> Self {
        let value = |text: &str| Value { text: text.to_owned(), origin: Origin::Default };
        let values = KEYS.iter().map(|key| (key.name.to_owned(), value(key.default))).collect();
        Self { values, problems: Vec::new() }
    }

    /// Adds the text of a `turnpike.toml`.
    pub fn add_file(&mut self, path: &Path, text: &str) {
        match text.parse::<toml::Table>() {
            Ok(table) => self.add_table(path, "", &table),
            Err(error) => {
                let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
                let place = line.map(|line| format!(":{line}")).unwrap_or_default();
                self.problems.push(format!("{}{place}: {}", path.display(), error.message()));
            }
        }
    }

    fn add_table(&mut self, path: &Path, prefix: &str, table: &toml::Table) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            let origin = Origin::File(path.to_owned());
            match value {
                toml::Value::Table(inner) => self.add_table(path, &format!("{key}."), inner),
                toml::Value::Array(items) => {
                    match items.iter().map(scalar).collect::<Option<Vec<_>>>() {
                        Some(items) => self.set(&key, items.join(","), origin),
                        None => {
                            self.problems.push(format!("{origin}: `{key}` is a list of values"))
                        }
                    }
                }
                other => match scalar(other) {
                    Some(text) => self.set(&key, text, origin),
                    None => self.problems.push(format!("{origin}: `{key}` cannot be read")),
                },
            }
        }
    }

    /// Adds the variables of an environment; others than `TURNPIKE__...` are passed over.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let key = rest.to_lowercase().replace("__", ".");
            // Names of librdkafka options have dots, which variables cannot have.
            let key = match key.strip_prefix(KAFKA_OPTIONS) {
                Some(option) => format!("{KAFKA_OPTIONS}{}", option.replace('_', ".")),
                None => key,
            };
            self.set(&key, text, Origin::Environment(name));
        }
    }

    /// Adds flags as (key, flag, value).
    pub fn add_flags<'a>(&mut self, flags: impl IntoIterator<Item = (&'a str, &'a str, String)>) {
        for (key, flag, text) in flags {
            self.set(key, text, Origin::Flag(flag.to_owned()));
        }
    }

    fn set(&mut self, key: &str, text: String, origin: Origin) {
        let option = key.strip_prefix(KAFKA_OPTIONS).is_some_and(|option| !option.is_empty());
        if keys::find(key).is_none() && !option {
            let advice = keys::nearest(key).map(|near| format!("; did you mean `{near}`?"));
            let advice = advice.unwrap_or_default();
            self.problems.push(format!("{origin}: there is no setting `{key}`{advice}"));
            return;
        }
        self.values.insert(key.to_owned(), Value { text, origin });
    }
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}
