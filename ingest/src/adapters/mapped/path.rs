//! [`Path`] and [`Template`]: where a mapping finds a value in a record, and texts made of values.
//!
//! A path is keys with dots between them: `VM.TEMPLATE.MEMORY`. A key that holds a dot stands in
//! double quotes. `DISK[]` is each item of a list (a lone value is a list of one, since XML cannot
//! tell), `REPORT[Direction=Outbound]` those whose field says so, `usage.*` each value of an object.
//! `$.` starts at the record, `@name.` at a list item that the mapping has named. `a|b` is the first
//! that is present, `a+b` the values of both. Null and `""` are absent.

use std::borrow::Cow;

use serde::Deserialize;

use crate::json::{Json, Value};

/// Where paths start: the record, the named items above, and the item itself.
#[derive(Debug, Clone)]
pub struct Scope<'j> {
    pub record: &'j Json<'j>,
    pub named: Vec<(&'j str, &'j Json<'j>)>,
    pub here: &'j Json<'j>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Path {
    pub text: String,
    /// Alternatives, each of one path or of several that belong together.
    ways: Vec<Vec<Way>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    from: Start,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    Here,
    Record,
    Named(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Values,
    Items,
    ItemsWith(String, String),
}

impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let together = |text: &str| text.split('+').map(way).collect::<Result<Vec<_>, _>>();
        let ways = text.split('|').map(together).collect::<Result<Vec<_>, _>>();
        match ways {
            Ok(ways) => Ok(Self { text, ways }),
            Err(problem) => Err(format!("the path `{text}` {problem}")),
        }
    }
}

impl Path {
    /// The values there, of the first way that has any.
    pub fn find<'j>(&self, scope: &Scope<'j>) -> Vec<&'j Json<'j>> {
        let all = |ways: &Vec<Way>| -> Vec<&'j Json<'j>> {
            ways.iter().flat_map(|way| way.find(scope)).collect()
        };
        let found = self.ways.iter().map(all).find(|found| !found.is_empty());
        found.unwrap_or_default()
    }

    /// The one value there; the first where there are several.
    pub fn first<'j>(&self, scope: &Scope<'j>) -> Option<&'j Json<'j>> {
        self.find(scope).into_iter().next()
    }

    /// The one value there, if it is text, a number or a truth value.
    pub fn scalar<'j>(&self, scope: &Scope<'j>) -> Option<&'j str> {
        scalar(self.first(scope)?)
    }

    /// Names of items that the path starts at.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.ways.iter().flatten().filter_map(|way| match &way.from {
            Start::Named(name) => Some(name.as_str()),
            Start::Here | Start::Record => None,
        })
    }
}

/// Text, the digits of a number, `true` or `false`.
pub fn scalar<'j>(json: &'j Json<'j>) -> Option<&'j str> {
    match &json.value {
        Value::Text(text) => Some(text.as_ref()),
        Value::Number(digits) => Some(digits),
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

fn is_present(json: &Json<'_>) -> bool {
    match &json.value {
        Value::Null => false,
        Value::Text(text) => !text.is_empty(),
        _ => true,
    }
}

impl Way {
    fn find<'j>(&self, scope: &Scope<'j>) -> Vec<&'j Json<'j>> {
        let start = match &self.from {
            Start::Here => Some(scope.here),
            Start::Record => Some(scope.record),
            Start::Named(name) => {
                scope.named.iter().find(|(given, _)| given == name).map(|(_, json)| *json)
            }
        };
        let mut found: Vec<&Json<'_>> = start.into_iter().collect();
        for step in &self.steps {
            found = found.into_iter().flat_map(|json| step.take(json)).collect();
        }
        found.retain(|json| is_present(json));
        found
    }
}

impl Step {
    fn take<'j>(&self, json: &'j Json<'j>) -> Vec<&'j Json<'j>> {
        match self {
            Step::Key(key) => json.get(key).into_iter().collect(),
            Step::Values => {
                json.entries().unwrap_or_default().iter().map(|(_, value)| value).collect()
            }
            Step::Items => items(json),
            Step::ItemsWith(key, expect) => items(json)
                .into_iter()
                .filter(|item| item.get(key).and_then(scalar) == Some(expect.as_str()))
                .collect(),
        }
    }
}

fn items<'j>(json: &'j Json<'j>) -> Vec<&'j Json<'j>> {
    match &json.value {
        Value::List(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        _ => vec![json],
    }
}

fn way(text: &str) -> Result<Way, String> {
    let mut keys = keys(text)?.into_iter();
    let mut steps = Vec::new();
    let mut from = Start::Here;
    let first = keys.next().ok_or("is empty")?;
    match (first.quoted, first.text.strip_prefix('@')) {
        (false, _) if first.text == "$" => from = Start::Record,
        (false, Some(name)) if !name.is_empty() => from = Start::Named(name.to_owned()),
        _ => steps.extend(first.steps()?),
    }
    for key in keys {
        steps.extend(key.steps()?);
    }
    Ok(Way { from, steps })
}

/// A key of a path, without its quotes.
struct Key {
    text: String,
    quoted: bool,
}

impl Key {
    fn steps(self) -> Result<Vec<Step>, String> {
        if self.quoted {
            return Ok(vec![Step::Key(self.text)]);
        }
        if self.text == "*" {
            return Ok(vec![Step::Values]);
        }
        let Some((key, rest)) = self.text.split_once('[') else {
            return if self.text.is_empty() {
                Err("has an empty key".to_owned())
            } else {
                Ok(vec![Step::Key(self.text)])
            };
        };
        let inside = rest.strip_suffix(']').ok_or("has a `[` without its `]`")?;
        let mut steps = Vec::new();
        if !key.is_empty() {
            steps.push(Step::Key(key.to_owned()));
        }
        steps.push(match inside.split_once('=') {
            None if inside.is_empty() => Step::Items,
            Some((field, value)) => Step::ItemsWith(field.to_owned(), value.to_owned()),
            None => return Err(format!("has `[{inside}]`; it is [] or [field=value]")),
        });
        Ok(steps)
    }
}

fn keys(text: &str) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"').ok_or("has a quote that does not close")?;
            keys.push(Key { text: key.to_owned(), quoted: true });
            match after.strip_prefix('.') {
                Some(more) => rest = more,
                None if after.is_empty() => return Ok(keys),
                None => return Err("goes on after a quote without a dot".to_owned()),
            }
            continue;
        }
        // A dot within brackets is part of the value that is looked for.
        let mut depth = 0_usize;
        let dot = rest.char_indices().find(|(_, c)| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            *c == '.' && depth == 0
        });
        let (key, more) = match dot {
            Some((at, _)) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        keys.push(Key { text: key.to_owned(), quoted: false });
        match more {
            Some(more) => rest = more,
            None => return Ok(keys),
        }
    }
}

/// Text with paths in braces: `{OID}/{SEQ:06}`. `{tenant?/}` is the value and a slash, or nothing;
/// `{SEQ:06}` is padded with zeros to six digits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field { path: Path, width: usize, optional: Option<String> },
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((literal, after)) = rest.split_once('{') {
            let (field, more) = after
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has a brace that does not close"))?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(part(field)?);
            rest = more;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

fn part(field: &str) -> Result<Part, String> {
    if let Some((path, suffix)) = field.split_once('?') {
        let optional = Some(suffix.to_owned());
        return Ok(Part::Field { path: path.to_owned().try_into()?, width: 0, optional });
    }
    let width = field.rsplit_once(':').and_then(|(path, width)| Some((path, width.parse().ok()?)));
    let (path, width) = width.unwrap_or((field, 0));
    Ok(Part::Field { path: path.to_owned().try_into()?, width, optional: None })
}

impl Template {
    /// The text; `Err` names the path that has no value.
    pub fn fill<'j>(&self, scope: &Scope<'j>) -> Result<Cow<'j, str>, &Path> {
        if let [Part::Field { path, width: 0, optional: None }] = &self.0[..] {
            return path.scalar(scope).map(Cow::Borrowed).ok_or(path);
        }
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field { path, width, optional } => {
                    match (path.scalar(scope), optional) {
                        (Some(value), Some(suffix)) => {
                            text.push_str(value);
                            text.push_str(suffix);
                        }
                        (Some(value), None) => {
                            let width = *width;
                            text.push_str(&format!("{value:0>width$}"));
                        }
                        (None, Some(_)) => {}
                        (None, None) => return Err(path),
                    };
                }
            }
        }
        Ok(Cow::Owned(text))
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|part| match part {
            Part::Field { path, .. } => Some(path),
            Part::Literal(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"a":{"b.c":"x","list":[{"k":"in","n":1},{"k":"out","n":2}]},
        "one":{"n":3},"empty":"","no":null,"use":{"p":{"n":4},"q":{"n":5}},"seq":"7","up":true}"#;

    fn path(text: &str) -> Path {
        text.to_owned().try_into().expect("a path")
    }

    #[test]
    fn paths_find_what_they_name() {
        let json = Json::parse(RECORD).expect("json");
        let list = json.get("a").and_then(|a| a.get("list")).expect("list");
        let scope = Scope { record: &json, named: vec![("item", list)], here: &json };
        let check = |text: &str, expect: &[&str]| {
            let found: Vec<&str> = path(text).find(&scope).iter().map(|json| json.text).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("a.\"b.c\"", &["\"x\""]);
        check("a.list[].n", &["1", "2"]);
        check("a.list[k=out].n", &["2"]);
        check("one[].n", &["3"]);
        check("use.*.n", &["4", "5"]);
        check("empty", &[]);
        check("no|empty|seq", &["\"7\""]);
        check("no|seq+one.n", &["\"7\"", "3"]);
        check("$.one.n", &["3"]);
        check("@other.n", &[]);
        check("@item.[].n", &["1", "2"]);
        check("a.missing.n", &[]);
    }

    #[test]
    fn broken_paths_and_templates_are_refused() {
        let check = |text: &str| assert!(Path::try_from(text.to_owned()).is_err(), "{text}");
        for text in ["", "a..b", "a[", "a[x]", "\"a", "\"a\"b", "a|"] {
            check(text);
        }
        assert!(Template::try_from("{a".to_owned()).is_err());
        assert!(Template::try_from("{}".to_owned()).is_err());
    }

    #[test]
    fn templates_are_filled() {
        let json = Json::parse(RECORD).expect("json");
        let scope = Scope { record: &json, named: Vec::new(), here: &json };
        let check = |text: &str, expect: Result<&str, &str>| {
            let template: Template = text.to_owned().try_into().expect("a template");
            let got = template.fill(&scope).map(Cow::into_owned);
            assert_eq!(got.as_deref().map_err(|path| path.text.as_str()), expect, "{text}");
        };
        check("x", Ok("x"));
        check("{seq}", Ok("7"));
        check("v{seq:03}/{one.n}{up}", Ok("v007/3true"));
        check("{no?/}{seq?/}", Ok("7/"));
        check("{seq}/{no}", Err("no"));
    }
}
