//! Reads mappings and refuses those that cannot be right, naming the file and the entry.

use std::path::Path as FilePath;

use serde::Deserialize;
use turnpike_schemas::event::{EventKind, Flow};
use turnpike_schemas::meter::MeterCatalogue;

use super::format::{Duration, Form, Id, Mapping, Measure, Recognise, Rule, State, Time};
use super::path::{Path, Template};

/// A mapping of more bytes than this is a mistake in the folder.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads one mapping; `file` names it in problems, of which all are told.
pub fn parse(file: &str, text: &str) -> Result<Mapping, Vec<String>> {
    let one = |problem: String| vec![format!("{file}: {problem}")];
    let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        one(format!("{place}{}", error.message()))
    })?;
    let rules = rules(&mut table).map_err(one)?;
    table.insert("event".to_owned(), toml::Value::Array(Vec::new()));
    let mut mapping = Mapping::deserialize(toml::Value::Table(table))
        .map_err(|error| one(error.message().to_owned()))?;
    mapping.event = rules;
    let problems = problems(&mapping);
    if problems.is_empty() {
        return Ok(mapping);
    }
    Err(problems.into_iter().map(|problem| format!("{file}: {problem}")).collect())
}

/// The mappings of a folder, in the order of their names.
pub fn folder(folder: &FilePath) -> Result<Vec<Mapping>, Vec<String>> {
    let failed = |path: &FilePath, error: std::io::Error| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(folder).map_err(|error| vec![failed(folder, error)])?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    let (mut mappings, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match std::fs::metadata(&path).map(|metadata| metadata.len()) {
            Ok(bytes) if bytes <= FILE_BYTES_MAX => {}
            Ok(bytes) => {
                problems.push(format!("{}: {bytes} bytes are too many", path.display()));
                continue;
            }
            Err(error) => {
                problems.push(failed(&path, error));
                continue;
            }
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => match parse(&path.display().to_string(), &text) {
                Ok(mapping) => mappings.push(mapping),
                Err(more) => problems.extend(more),
            },
            Err(error) => problems.push(failed(&path, error)),
        }
    }
    if problems.is_empty() { Ok(mappings) } else { Err(problems) }
}

/// The rules, each with what `[common]` says where it says nothing itself.
fn rules(table: &mut toml::Table) -> Result<Vec<Rule>, String> {
    let common = match table.remove("common") {
        None => toml::Table::new(),
        Some(toml::Value::Table(common)) => common,
        Some(_) => return Err("`common` is not a table".to_owned()),
    };
    let Some(toml::Value::Array(events)) = table.remove("event") else {
        return Err("has no [[event]]".to_owned());
    };
    let mut rules = Vec::new();
    for (index, event) in events.into_iter().enumerate() {
        let toml::Value::Table(mut event) = event else {
            return Err(format!("event {}: is not a table", index + 1));
        };
        for (key, value) in &common {
            match (event.get_mut(key), value) {
                (None, _) => {
                    event.insert(key.clone(), value.clone());
                }
                (Some(toml::Value::Table(own)), toml::Value::Table(shared))
                    if key == "attributes" =>
                {
                    for (name, template) in shared {
                        own.entry(name.clone()).or_insert_with(|| template.clone());
                    }
                }
                (Some(_), _) => {}
            }
        }
        let name = event.get("name").and_then(toml::Value::as_str).map(str::to_owned);
        let name = name.unwrap_or_else(|| (index + 1).to_string());
        let rule = Rule::deserialize(toml::Value::Table(event))
            .map_err(|error| format!("event `{name}`: {}", error.message()))?;
        rules.push(rule);
    }
    Ok(rules)
}

fn problems(mapping: &Mapping) -> Vec<String> {
    let mut problems = Vec::new();
    let word = |text: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !text.is_empty() && text.len() <= 64 && text.chars().all(plain)
    };
    for (what, text) in [("name", &mapping.name), ("namespace", &mapping.namespace)] {
        if !word(text) {
            problems.push(format!("{what}: `{text}` is not a word of a-z, 0-9 and `-`"));
        }
    }
    if mapping.recognise.is_empty() {
        problems.push("has no [[recognise]]".to_owned());
    }
    for (index, recognise) in mapping.recognise.iter().enumerate() {
        let found = recognition(recognise);
        problems.extend(found.map(|problem| format!("recognise {}: {problem}", index + 1)));
    }
    // A path may start at a named item where at least one way of recognising names it.
    let names: Vec<&str> = mapping
        .recognise
        .iter()
        .flat_map(|recognise| recognise.each.iter().map(|each| each.name.as_str()))
        .collect();
    for rule in &mapping.event {
        let found = of_rule(rule, &names).into_iter();
        problems.extend(found.map(|problem| format!("event `{}`: {problem}", rule.name)));
    }
    problems
}

/// A record must be told from those of other systems by certain marks.
fn recognition(recognise: &Recognise) -> Option<String> {
    let marks =
        recognise.all.len() + recognise.each.iter().map(|each| each.all.len()).sum::<usize>();
    let enough = match recognise.form {
        Form::Json => marks >= 2,
        Form::CloudEvent => !recognise.types.is_empty(),
        Form::Xml => recognise.element.is_some(),
        Form::Table | Form::Csv => recognise.columns.len() >= 3,
    };
    (!enough).then(|| {
        match recognise.form {
            Form::Json => {
                "needs at least two conditions, so that it claims no other system's record"
            }
            Form::CloudEvent => "needs `types`",
            Form::Xml => "needs `element`",
            Form::Table | Form::Csv => "needs at least three `columns`",
        }
        .to_owned()
    })
}

fn of_rule(rule: &Rule, names: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    for path in paths(rule) {
        for name in path.names().filter(|name| !names.contains(name)) {
            problems
                .push(format!("the path `{}` starts at `@{name}`, which nothing names", path.text));
        }
    }
    let windowed = matches!(rule.kind, EventKind::Interval | EventKind::Audit);
    if windowed && rule.window.is_none() {
        problems.push(format!("kind {} needs a window", rule.kind.as_str()));
    }
    if !windowed && rule.kind != EventKind::Delta && rule.time.is_none() {
        problems.push(format!("kind {} needs a time", rule.kind.as_str()));
    }
    if rule.kind == EventKind::Delta && rule.time.is_none() && rule.window.is_none() {
        problems.push("kind delta needs a time or a window".to_owned());
    }
    if rule.accumulates && (rule.kind != EventKind::Interval || rule.since.is_some()) {
        problems.push("accumulates: is for intervals without `since`".to_owned());
    }
    if let Some(window) = &rule.window {
        let given = [window.start.is_some(), window.end.is_some(), !window.duration.is_empty()];
        if given.iter().filter(|given| **given).count() != 2 {
            problems.push("window: needs two of start, end and duration".to_owned());
        }
        for duration in &window.duration {
            if duration.field.is_some() == duration.value.is_some() {
                problems.push("window.duration: needs either a field or a value".to_owned());
            }
        }
    }
    if let Some(State::Map(map)) = &rule.state
        && map.map.is_empty()
        && map.holds.is_empty()
    {
        problems.push("state: needs `map` or `holds`".to_owned());
    }
    if let Id::Hash { hash } = &rule.id
        && hash.is_empty()
    {
        problems.push("id: hashes no field".to_owned());
    }
    let catalogue = MeterCatalogue::builtin();
    for measure in &rule.measure {
        let found = of_measure(rule.kind, measure, &catalogue).into_iter();
        problems.extend(found.map(|problem| format!("meter `{}`: {problem}", measure.meter)));
    }
    problems
}

fn of_measure(kind: EventKind, measure: &Measure, catalogue: &MeterCatalogue) -> Vec<String> {
    let mut problems = Vec::new();
    if measure.field.is_some() == measure.value.is_some() {
        problems.push("needs either a field or a value".to_owned());
    }
    if measure.unit.is_some() && measure.multiplier.is_some() {
        problems.push("has both a unit and a multiplier".to_owned());
    }
    if let (Some(unit), Some(meter)) = (&measure.unit, catalogue.get(&measure.meter))
        && meter.price_unit(unit).is_none()
    {
        let known: Vec<&str> = meter.units.iter().map(|unit| unit.name.as_str()).collect();
        problems.push(format!("`{unit}` is no unit of it; it has {}", known.join(", ")));
    }
    let fits = match (kind, measure.flow) {
        (EventKind::Delta, flow) => flow == Flow::Delta,
        (EventKind::Interval, flow) => flow != Flow::Delta,
        (EventKind::Audit, flow) => flow == Flow::Held,
        (EventKind::Transition | EventKind::Snapshot, _) => true,
    };
    if !fits {
        let (flow, kind) = (measure.flow.as_str(), kind.as_str());
        problems.push(format!("flow {flow} does not go with kind {kind}"));
    }
    problems
}

/// All paths of a rule.
fn paths(rule: &Rule) -> Vec<&Path> {
    let mut paths: Vec<&Path> = Vec::new();
    paths.extend(rule.when.iter().map(|condition| &condition.field));
    paths.extend(rule.expect.iter().map(|expect| &expect.list));
    paths.extend(rule.skip.iter().flat_map(|skip| skip.when.iter().map(|when| &when.field)));
    let templates = [Some(&rule.source), Some(&rule.resource_kind), Some(&rule.resource)];
    let optional = [&rule.owner, &rule.project, &rule.site, &rule.region, &rule.incarnation];
    let templates = templates.into_iter().chain(optional.into_iter().map(Option::as_ref)).flatten();
    let templates = templates.chain(rule.attributes.values());
    let templates = templates.chain(rule.parent.iter().map(|parent| &parent.id));
    paths.extend(templates.flat_map(Template::paths));
    match &rule.id {
        Id::Text(template) => paths.extend(template.paths()),
        Id::Hash { hash } => paths.extend(hash),
    }
    let window = rule.window.iter();
    let times = window.clone().flat_map(|window| [&window.start, &window.end]).flatten();
    let times = times.chain([&rule.time, &rule.since].into_iter().flatten());
    let times = times.chain(rule.settled.iter().map(|settled| &settled.by));
    paths.extend(times.map(|time: &Time| &time.field));
    let durations = window.flat_map(|window| &window.duration);
    paths.extend(durations.filter_map(|duration: &Duration| duration.field.as_ref()));
    if let Some(State::Map(map)) = &rule.state {
        paths.push(&map.field);
    }
    paths.extend(rule.measure.iter().filter_map(|measure| measure.field.as_ref()));
    paths.extend(&rule.tags);
    paths
}
