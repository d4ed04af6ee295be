//! Reading of TOML tables that remembers where everything stands and goes on after a mistake.
//!
//! Not serde: a derived reader stops at its first mistake, and a person who writes a book wants all
//! of them at once.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Mistake;

/// Where something stands in a book file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub line: usize,
    pub path: String,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub value: T,
    pub place: Place,
}

/// Collects what is wrong.
pub(super) struct Log {
    line_starts: Vec<usize>,
    pub mistakes: Vec<Mistake>,
    pub warnings: Vec<Mistake>,
}

impl Log {
    pub fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { line_starts, mistakes: Vec::new(), warnings: Vec::new() }
    }

    pub fn mistake(&mut self, place: &Place, message: impl Into<String>) {
        let Place { line, path } = place.clone();
        self.mistakes.push(Mistake { line, path, message: message.into() });
    }

    pub fn warn(&mut self, place: &Place, message: impl Into<String>) {
        let Place { line, path } = place.clone();
        self.warnings.push(Mistake { line, path, message: message.into() });
    }

    /// The line of a byte of the file, from 1.
    pub fn line(&self, byte: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= byte).max(1)
    }
}

/// A value of the file as TOML knows it.
pub(super) type Raw<'a, 'i> = At<&'a DeValue<'i>>;

/// One table, asked for its keys one by one.
pub(super) struct Table<'a, 'i> {
    table: &'a DeTable<'i>,
    pub place: Place,
    asked: Vec<&'static str>,
}

impl<'a, 'i> Table<'a, 'i> {
    pub fn root(document: &'a Spanned<DeTable<'i>>) -> Self {
        let place = Place { line: 1, path: String::new() };
        Self { table: document.get_ref(), place, asked: Vec::new() }
    }

    fn new(table: &'a DeTable<'i>, place: Place) -> Self {
        Self { table, place, asked: Vec::new() }
    }

    pub fn path_of(&self, key: &str) -> String {
        if self.place.path.is_empty() {
            return key.to_owned();
        }
        format!("{}.{key}", self.place.path)
    }

    /// The value of a key, which counts as known from now on.
    pub fn raw(&mut self, log: &Log, key: &'static str) -> Option<Raw<'a, 'i>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let value = self.table.get(key)?;
        let place = Place { line: log.line(value.span().start), path: self.path_of(key) };
        Some(At { value: value.get_ref(), place })
    }

    /// Where a key stands, or its table where it is absent.
    pub fn place_of(&self, log: &Log, key: &str) -> Place {
        let line = match self.table.get(key) {
            Some(value) => log.line(value.span().start),
            None => self.place.line,
        };
        Place { line, path: self.path_of(key) }
    }

    /// Says that a key is missing; always `None`.
    pub fn missing<T>(&self, log: &mut Log, key: &str, allowed: &str) -> Option<T> {
        let place = self.place_of(log, key);
        log.mistake(&place, format!("`{key}` is missing: {allowed}"));
        None
    }

    pub fn text_opt(&mut self, log: &mut Log, key: &'static str) -> Option<At<String>> {
        let raw = self.raw(log, key)?;
        text_of(log, key, raw)
    }

    pub fn text(&mut self, log: &mut Log, key: &'static str) -> Option<At<String>> {
        if !self.table.contains_key(key) {
            self.raw(log, key);
            return self.missing(log, key, "a string");
        }
        self.text_opt(log, key)
    }

    /// A text as a type that reads its own text, such as an id.
    pub fn parsed_opt<T>(&mut self, log: &mut Log, key: &'static str) -> Option<At<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text_opt(log, key)?;
        parse_at(log, text)
    }

    pub fn parsed<T>(&mut self, log: &mut Log, key: &'static str) -> Option<At<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(log, key)?;
        parse_at(log, text)
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub fn is_text(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::String(_)))
    }

    /// Counts keys as known that cannot be read, since what decides about them is wrong itself.
    pub fn pass_over(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// `true` or `false`; an absent key is `false`.
    pub fn flag(&mut self, log: &mut Log, key: &'static str) -> bool {
        let Some(raw) = self.raw(log, key) else { return false };
        match raw.value {
            DeValue::Boolean(value) => *value,
            other => wrong_type(log, &raw.place, key, other, "`true` or `false`").unwrap_or(false),
        }
    }

    /// An array of tables, such as all `[[party]]`; empty where there is none.
    pub fn tables(&mut self, log: &mut Log, key: &'static str) -> Vec<Table<'a, 'i>> {
        let Some(raw) = self.raw(log, key) else { return Vec::new() };
        let elements = elements(log, key, &raw, &format!("tables: [[{key}]]"));
        elements.into_iter().flatten().filter_map(|element| table_of(log, key, element)).collect()
    }

    pub fn table_opt(&mut self, log: &mut Log, key: &'static str) -> Option<Table<'a, 'i>> {
        let raw = self.raw(log, key)?;
        table_of(log, key, raw)
    }

    /// An array of strings.
    pub fn texts(&mut self, log: &mut Log, key: &'static str) -> Vec<At<String>> {
        match self.raw(log, key) {
            Some(raw) => texts_of(log, key, &raw),
            None => Vec::new(),
        }
    }

    /// All entries of a table whose keys are free, in order of key.
    pub fn entries(self, log: &Log) -> Vec<(String, Raw<'a, 'i>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| {
                let path = self.path_of(key.get_ref());
                let place = Place { line: log.line(value.span().start), path };
                (key.get_ref().to_string(), At { value: value.get_ref(), place })
            })
            .collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self, log: &mut Log) {
        for key in self.table.keys() {
            if self.asked.iter().any(|asked| *asked == key.get_ref().as_ref()) {
                continue;
            }
            let path = self.path_of(key.get_ref());
            let place = Place { line: log.line(key.span().start), path };
            let allowed = listed(self.asked.iter());
            log.mistake(&place, format!("unknown key `{}`; allowed are {allowed}", key.get_ref()));
        }
    }
}

/// The elements of an array, each with its place; `wanted` says what else was found.
pub(super) fn elements<'a, 'i>(
    log: &mut Log,
    key: &str,
    raw: &Raw<'a, 'i>,
    wanted: &str,
) -> Option<Vec<Raw<'a, 'i>>> {
    let DeValue::Array(array) = raw.value else {
        return wrong_type(log, &raw.place, key, raw.value, wanted);
    };
    let element = |(index, item): (usize, &'a Spanned<DeValue<'i>>)| {
        let path = format!("{}[{index}]", raw.place.path);
        At { value: item.get_ref(), place: Place { line: log.line(item.span().start), path } }
    };
    Some(array.iter().enumerate().map(element).collect())
}

pub(super) fn table_of<'a, 'i>(
    log: &mut Log,
    key: &str,
    raw: Raw<'a, 'i>,
) -> Option<Table<'a, 'i>> {
    match raw.value {
        DeValue::Table(table) => Some(Table::new(table, raw.place)),
        other => wrong_type(log, &raw.place, key, other, "a table"),
    }
}

pub(super) fn text_of(log: &mut Log, key: &str, raw: Raw<'_, '_>) -> Option<At<String>> {
    match raw.value {
        DeValue::String(text) => checked_text(log, key, text, raw.place),
        other => wrong_type(log, &raw.place, key, other, "a string"),
    }
}

pub(super) fn texts_of(log: &mut Log, key: &str, raw: &Raw<'_, '_>) -> Vec<At<String>> {
    let elements = elements(log, key, raw, "an array of strings");
    elements.into_iter().flatten().filter_map(|element| text_of(log, key, element)).collect()
}

/// Longest name, address line or note: what a line of an invoice can hold, with room.
const TEXT_CHARS_MAX: usize = 500;

fn checked_text(log: &mut Log, key: &str, text: &str, place: Place) -> Option<At<String>> {
    let problem = if text.trim().is_empty() {
        "is empty"
    } else if text.trim() != text {
        "starts or ends with white space"
    } else if text.chars().any(char::is_control) {
        "holds a control character"
    } else if text.chars().count() > TEXT_CHARS_MAX {
        "is longer than 500 characters"
    } else {
        return Some(At { value: text.to_owned(), place });
    };
    log.mistake(&place, format!("`{key}` {problem}"));
    None
}

/// Reads a text as `T`, or says why it cannot be one.
pub(super) fn parse_at<T>(log: &mut Log, text: At<String>) -> Option<At<T>>
where
    T: FromStr,
    T::Err: Display,
{
    match text.value.parse() {
        Ok(value) => Some(At { value, place: text.place }),
        Err(error) => {
            log.mistake(&text.place, error.to_string());
            None
        }
    }
}

/// Says that a value has the wrong type; always `None`.
pub(super) fn wrong_type<T>(
    log: &mut Log,
    place: &Place,
    key: &str,
    found: &DeValue<'_>,
    wanted: &str,
) -> Option<T> {
    log.mistake(place, format!("`{key}` is of type {}; write {wanted}", found.type_str()));
    None
}

/// Names listed in a message at most; a book may have thousands of accounts.
const LISTED_MAX: usize = 12;

/// `a, b, c`, cut with `...`; `none` for an empty list.
pub(super) fn listed<T: Display>(names: impl Iterator<Item = T>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    if names.len() > LISTED_MAX {
        names.truncate(LISTED_MAX);
        names.push("...".to_owned());
    }
    names.join(", ")
}
