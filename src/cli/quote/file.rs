//! Files of usage: JSON objects, or CSV with a header row.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::value::RawValue;
use turnpike_rating::ToldUsage;

use super::parse;
use crate::fault::{Blame as _, Kind, fault};

/// More usage than this is a file of events.
const BYTES_MAX: u64 = 64 << 20;

/// One object of a usage file. Numbers stay the digits that were written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    meter: String,
    quantity: Box<RawValue>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default, alias = "from", alias = "at")]
    start: Option<String>,
    #[serde(default, alias = "to")]
    end: Option<String>,
    #[serde(default, rename = "for")]
    lasts: Option<String>,
    #[serde(default)]
    events: Option<u32>,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    site: Option<String>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    resource: Option<String>,
    #[serde(default, alias = "kind")]
    resource_kind: Option<String>,
    #[serde(default)]
    state: Option<String>,
}

impl Row {
    fn told(self, zone: Tz) -> Result<ToldUsage, String> {
        let mut told = ToldUsage {
            meter: self.meter,
            quantity: self.quantity.get().trim_matches('"').to_owned(),
            unit: self.unit,
            attributes: self.attributes,
            events: self.events,
            ..ToldUsage::default()
        };
        let fields = [
            ("start", self.start),
            ("end", self.end),
            ("for", self.lasts),
            ("project", self.project),
            ("site", self.site),
            ("region", self.region),
            ("resource", self.resource),
            ("resource_kind", self.resource_kind),
            ("state", self.state),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                parse::field(&mut told, name, &value, zone)?;
            }
        }
        Ok(told)
    }
}

/// Reads a file of usage; `-` is standard input.
pub fn read(path: &Path, zone: Tz) -> anyhow::Result<Vec<ToldUsage>> {
    let name = path.display().to_string();
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(BYTES_MAX + 1).read_to_string(&mut text),
        false => std::fs::File::open(path)
            .and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text)),
    };
    let bytes = read.blame(Kind::Data, format!("the usage file {name} could not be read"))?;
    if u64::try_from(bytes).unwrap_or(u64::MAX) > BYTES_MAX {
        let text = format!("{name} has more than {BYTES_MAX} bytes: give --events instead");
        return Err(fault(Kind::Data, text));
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    let told = match text.as_bytes().first() {
        None => Ok(Vec::new()),
        Some(b'{' | b'[') => json(text, zone),
        Some(_) => csv(text, zone),
    };
    told.blame(Kind::Data, format!("the usage file {name} cannot be read"))
}

fn json(text: &str, zone: Tz) -> anyhow::Result<Vec<ToldUsage>> {
    let rows: Vec<Row> = match text.starts_with('[') {
        true => serde_json::from_str(text)?,
        false => {
            let stream = serde_json::Deserializer::from_str(text).into_iter();
            stream.collect::<Result<_, _>>()?
        }
    };
    let told = |(number, row): (usize, Row)| {
        let told = row.told(zone).map_err(|problem| fault(Kind::Data, problem));
        told.with_context(|| format!("usage {number}"))
    };
    (1..).zip(rows).map(told).collect()
}

fn csv(text: &str, zone: Tz) -> anyhow::Result<Vec<ToldUsage>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let mut found = Vec::new();
    for row in reader.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let mut told = ToldUsage::default();
        for (name, value) in names.iter().zip(&row).filter(|(_, value)| !value.is_empty()) {
            column(&mut told, name, value, zone)
                .map_err(|problem| fault(Kind::Data, problem))
                .with_context(|| format!("line {line}"))?;
        }
        found.push(told);
    }
    Ok(found)
}

fn column(told: &mut ToldUsage, name: &str, value: &str, zone: Tz) -> Result<(), String> {
    match name {
        "meter" => value.clone_into(&mut told.meter),
        "quantity" => value.clone_into(&mut told.quantity),
        "unit" => told.unit = Some(value.to_owned()),
        _ => match name.strip_prefix('@') {
            Some(attribute) => {
                told.attributes.insert(attribute.to_owned(), value.to_owned());
            }
            None if parse::field(told, name, value, zone)? => {}
            None => return Err(format!("there is no column `{name}`; attributes are @{name}")),
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let lines = "{\"meter\":\"volume\",\"quantity\":1.50,\"unit\":\"GiB\",\
                     \"attributes\":{\"type\":\"ssd\"},\"start\":\"2026-10-02\"}\n\
                     {\"meter\":\"egress\",\"quantity\":\"12345678901234567.5\",\"events\":2}";
        let from_json = json(lines, Tz::UTC).expect("json");
        let rows = "meter,quantity,unit,@type,start,events\n\
                    volume,1.50,GiB,ssd,2026-10-02,\negress,12345678901234567.5,,,,2\n";
        assert_eq!(from_json, csv(rows, Tz::UTC).expect("csv"));
        assert_eq!(from_json[0].quantity, "1.50");
        assert_eq!(from_json[1].quantity, "12345678901234567.5");
        let list = format!("[{}]", lines.replace('\n', ","));
        assert_eq!(json(&list, Tz::UTC).expect("list"), from_json);
    }

    #[test]
    fn mistakes_are_placed() {
        let error = csv("meter,quantity,colour\nvcpu,1,red\n", Tz::UTC).expect_err("a column");
        assert!(format!("{error:#}").contains("line 2: there is no column `colour`"));
        let error = json("{\"meter\":\"a\",\"quantity\":1,\"state\":\"x\"}", Tz::UTC);
        assert!(format!("{:#}", error.expect_err("a state")).contains("usage 1: `x` is no state"));
    }
}
