//! Inventories: files of rows that say what resources there are, who holds them and how big they
//! are. Each row becomes a record that the adapter `inventory` reads, and goes the way of all
//! records: one writer, the same rows, the same reasons for dead letters.

use std::path::Path;

use turnpike_schemas::Instant;
use turnpike_schemas::event::KEY_SEPARATOR;

use crate::adapters::inventory::resource_of;
use crate::adapters::mapped;
use crate::file::raw_records;
use crate::json::Json;
use crate::{IngestError, IngestSettings};

/// The mark and the version of a record that carries a row.
pub const MARK: &str = "turnpike.v1";

/// What the rows of one file are said to be.
#[derive(Debug, Clone, Copy)]
pub struct Import<'a> {
    /// The namespace of rows that name none.
    pub system: Option<&'a str>,
    /// When the rows were true.
    pub observed: Instant,
}

/// The key of the event that the first import of a resource made.
pub fn created_key(resource: &str) -> String {
    let namespace = resource.split('/').next().unwrap_or_default();
    format!("/inventory/{namespace}{KEY_SEPARATOR}{resource}@created")
}

/// The rows of a file (CSV, JSON lines, a JSON list) as records, one a line. `is_known` says of a
/// resource whether an earlier import told of it.
pub fn records(
    path: &Path,
    import: Import<'_>,
    settings: &IngestSettings,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<String, IngestError> {
    let mut text = String::new();
    raw_records(path, settings, &mut |raw| {
        text.push_str(&record(raw, import, is_known));
        text.push('\n');
    })?;
    Ok(text)
}

fn record(raw: &[u8], import: Import<'_>, is_known: &dyn Fn(&str) -> bool) -> String {
    let raw = String::from_utf8_lossy(raw);
    let row = row(&raw);
    let resource = Json::parse(&row).ok().and_then(|row| resource_of(&row, import.system));
    let first = resource.is_none_or(|resource| !is_known(&resource));
    let system = import.system.map(|system| format!("\"system\":{},", mapped::quoted(system)));
    format!(
        "{{\"inventory\":\"{MARK}\",\"observed\":\"{}\",\"first\":{first},{}\"row\":{row}}}",
        import.observed,
        system.unwrap_or_default()
    )
}

/// A row as one line of JSON: an object by the columns, or the text as it is where it is no row.
fn row(raw: &str) -> String {
    let raw = raw.strip_prefix('\u{feff}').unwrap_or(raw).trim();
    if let Ok(json) = Json::parse(raw) {
        // The text of JSON may go over several lines; none of its strings does.
        return json.text.replace(['\n', '\r'], " ");
    }
    mapped::csv_row(raw).unwrap_or_else(|| mapped::quoted(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_records() {
        let observed = Instant::parse("2026-10-01T00:00:00Z").expect("instant");
        let import = Import { system: Some("cloudstack"), observed };
        let check = |raw: &str, first: bool, expect: &str| {
            let known = |resource: &str| resource == "cloudstack/instance/old";
            let expect = format!(
                "{{\"inventory\":\"turnpike.v1\",\"observed\":\"2026-10-01T00:00:00Z\",\
                 \"first\":{first},\"system\":\"cloudstack\",\"row\":{expect}}}"
            );
            assert_eq!(record(raw.as_bytes(), import, &known), expect);
        };
        check("kind,id\ninstance,a", true, r#"{"kind":"instance","id":"a"}"#);
        check("kind,id\ninstance,old", false, r#"{"kind":"instance","id":"old"}"#);
        check("{\"kind\":\n\"volume\",\"id\":7}", true, r#"{"kind": "volume","id":7}"#);
        check("nothing", true, "\"nothing\"");
        check("a,b\n1", true, "\"a,b\\n1\"");
    }
}
