//! The two shapes in which a HashMap is read: nested by service and field, and the lists that
//! CloudKitty's API answers with their ids. Both become the same entries.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A mapping or threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub service: String,
    pub field: Option<String>,
    /// Of a mapping of a field.
    pub value: Option<String>,
    /// Of a threshold.
    pub level: Option<String>,
    /// `flat` or `rate`.
    pub kind: String,
    pub cost: String,
    pub group: Option<String>,
    pub project: Option<String>,
    pub start: Option<String>,
    pub end: Option<String>,
}

#[derive(Deserialize)]
struct File {
    services: Box<RawValue>,
    #[serde(default)]
    fields: Vec<FieldRow>,
    #[serde(default)]
    groups: Vec<GroupRow>,
    #[serde(default)]
    mappings: Vec<Row>,
    #[serde(default)]
    thresholds: Vec<Row>,
}

#[derive(Deserialize)]
struct ServiceRow {
    service_id: String,
    name: String,
}

#[derive(Deserialize)]
struct FieldRow {
    field_id: String,
    service_id: String,
    name: String,
}

#[derive(Deserialize)]
struct GroupRow {
    group_id: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Service {
    mappings: Vec<Row>,
    thresholds: Vec<Row>,
    fields: BTreeMap<String, Field>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Field {
    mappings: Vec<Row>,
    thresholds: Vec<Row>,
}

/// A mapping or threshold as either shape writes it.
#[derive(Deserialize)]
struct Row {
    /// A string or a number, of which no digit is lost.
    cost: Box<RawValue>,
    #[serde(rename = "type", alias = "map_type", default = "flat")]
    kind: String,
    #[serde(default)]
    value: Option<Box<RawValue>>,
    #[serde(default)]
    level: Option<Box<RawValue>>,
    #[serde(default)]
    group: Option<String>,
    #[serde(default, alias = "tenant_id")]
    tenant: Option<String>,
    #[serde(default)]
    start: Option<String>,
    #[serde(default)]
    end: Option<String>,
    #[serde(default)]
    deleted: Option<Box<RawValue>>,
    #[serde(default)]
    service_id: Option<String>,
    #[serde(default)]
    field_id: Option<String>,
    #[serde(default)]
    group_id: Option<String>,
}

fn flat() -> String {
    "flat".to_owned()
}

/// All entries, or what is wrong with the file.
pub(super) fn entries(json: &str) -> Result<Vec<Entry>, String> {
    let not = |error: serde_json::Error| format!("the file is no HashMap: {error}");
    let file: File = serde_json::from_str(json).map_err(not)?;
    if file.services.get().starts_with('[') {
        let services: Vec<ServiceRow> = serde_json::from_str(file.services.get()).map_err(not)?;
        return of_lists(&file, &services);
    }
    let services: BTreeMap<String, Service> =
        serde_json::from_str(file.services.get()).map_err(not)?;
    let mut entries = Vec::new();
    for (name, service) in &services {
        let mut add = |field: Option<&str>, rows: &[Row], thresholds: bool| {
            for row in rows.iter().filter(|row| !row.is_deleted()) {
                let place = (name.as_str(), field, row.group.as_deref());
                entries.push(entry(row, place, thresholds)?);
            }
            Ok::<(), String>(())
        };
        add(None, &service.mappings, false)?;
        add(None, &service.thresholds, true)?;
        for (field, inner) in &service.fields {
            add(Some(field), &inner.mappings, false)?;
            add(Some(field), &inner.thresholds, true)?;
        }
    }
    Ok(entries)
}

fn of_lists(file: &File, services: &[ServiceRow]) -> Result<Vec<Entry>, String> {
    let service = |id: &str| {
        let row = services.iter().find(|row| row.service_id == id);
        row.ok_or_else(|| format!("service_id `{id}` is not among the services"))
    };
    let mut entries = Vec::new();
    let mappings = file.mappings.iter().map(|row| (row, false));
    let all = mappings.chain(file.thresholds.iter().map(|row| (row, true)));
    for (row, threshold) in all.filter(|(row, _)| !row.is_deleted()) {
        let field = match &row.field_id {
            Some(id) => {
                let found = file.fields.iter().find(|field| &field.field_id == id);
                Some(found.ok_or_else(|| format!("field_id `{id}` is not among the fields"))?)
            }
            None => None,
        };
        let of = field.map(|field| &field.service_id).or(row.service_id.as_ref());
        let of = of.ok_or("a mapping or threshold has neither a service_id nor a field_id")?;
        let group = match &row.group_id {
            Some(id) => {
                let found = file.groups.iter().find(|group| &group.group_id == id);
                Some(found.ok_or_else(|| format!("group_id `{id}` is not among the groups"))?)
            }
            None => None,
        };
        let field = field.map(|field| field.name.as_str());
        let group = group.map(|group| group.name.as_str()).or(row.group.as_deref());
        entries.push(entry(row, (&service(of)?.name, field, group), threshold)?);
    }
    Ok(entries)
}

impl Row {
    fn is_deleted(&self) -> bool {
        self.deleted.as_ref().is_some_and(|value| !["null", "\"\"", "false"].contains(&value.get()))
    }
}

fn entry(
    row: &Row,
    (service, field, group): (&str, Option<&str>, Option<&str>),
    threshold: bool,
) -> Result<Entry, String> {
    let value = row.value.as_deref().and_then(text).filter(|value| !value.is_empty());
    let level = row.level.as_deref().and_then(text);
    if threshold && level.is_none() {
        return Err(format!("service `{service}`: a threshold has no level"));
    }
    if !threshold && value.is_some() != field.is_some() {
        let problem = if field.is_some() { "a field's mapping has no" } else { "a mapping has a" };
        return Err(format!("service `{service}`: {problem} value"));
    }
    let cost = text(&row.cost).ok_or_else(|| format!("service `{service}`: a cost is null"))?;
    Ok(Entry {
        service: service.to_owned(),
        field: field.map(str::to_owned),
        value: value.filter(|_| !threshold),
        level: level.filter(|_| threshold),
        kind: row.kind.clone(),
        cost,
        group: group.map(str::to_owned),
        project: row.tenant.clone().filter(|tenant| !tenant.is_empty()),
        start: row.start.as_deref().map(in_utc),
        end: row.end.as_deref().map(in_utc),
    })
}

/// A string's text, or a number's digits as they stand.
fn text(raw: &RawValue) -> Option<String> {
    match raw.get() {
        "null" => None,
        string if string.starts_with('"') => serde_json::from_str(string).ok(),
        number => Some(number.to_owned()),
    }
}

/// CloudKitty's times are UTC without saying so, and may end in zeros of a second.
fn in_utc(time: &str) -> String {
    let bare = time.trim_end_matches('Z').trim_end_matches("+00:00");
    let whole = match bare.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => bare,
    };
    if whole.contains(['T', ' ']) {
        format!("{}Z", whole.replace(' ', "T"))
    } else {
        whole.to_owned()
    }
}
