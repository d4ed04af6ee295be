//! Additions to the text of a book that leave all else of it, comments and order, as it was written.
//!
//! Owns: where new points of a price series and new versions of a tariff stand in the text. Does not
//! own: whether the text is a sound book then; it is read by the same reader as any other.
//! Invariants: only whole entries are added; a form that cannot be extended in place is refused.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use turnpike_schemas::Instant;
use turnpike_schemas::parse::scaled_to_short_decimal;

/// Why a text cannot be extended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EditError(String);

/// Points of price series, each from its instant on, in 10^-9.
pub type Points = BTreeMap<String, Vec<(Instant, i64)>>;

/// The text with points appended to its series.
pub fn with_points(text: &str, points: &Points) -> Result<String, EditError> {
    let root = parsed(text)?;
    let mut added: Vec<(usize, String)> = Vec::new();
    for (id, rows) in points {
        let table = element(root.get_ref(), "series", id)
            .ok_or_else(|| EditError(format!("the book has no price series `{id}`")))?;
        let list = table.get("points");
        let Some((DeValue::Array(rows_before), span)) =
            list.map(|list| (list.get_ref(), list.span()))
        else {
            return Err(EditError(format!("series `{id}` has no list of points to add to")));
        };
        let close = span.end.saturating_sub(1);
        if let Some(last) = rows_before.iter().last().map(|last| last.span().end)
            && !has_comma(text, last..close)
        {
            added.push((last, ",".to_owned()));
        }
        added.push((close, lines_of(text, close, rows)));
    }
    Ok(inserted(text, added))
}

/// The text with a version, written as `[[tariff.version]]` and its tables, behind the last one of a
/// tariff, which ends where it begins.
pub fn with_version(
    text: &str,
    tariff: &str,
    version: &str,
    from: &str,
) -> Result<String, EditError> {
    let root = parsed(text)?;
    let (start, table) = starts(root.get_ref(), "tariff")
        .into_iter()
        .find(|(_, table)| is(table, tariff))
        .ok_or_else(|| EditError(format!("the book has no tariff `{tariff}`")))?;
    if !text[start..].starts_with('[') {
        let message = format!("tariff `{tariff}` does not stand under `[[tariff]]` of its own");
        return Err(EditError(message));
    }
    // The next table that is no part of it begins here.
    let next = root.get_ref().keys().flat_map(|key| starts(root.get_ref(), key.get_ref()));
    let next = next.map(|(at, _)| at).filter(|at| *at > start).min();
    let mut at = next.unwrap_or(text.len());
    // What is commented above the next table stays with it.
    while let Some(line) = text[..at].trim_end_matches('\n').rsplit('\n').next()
        && next.is_some()
        && line.trim_start().starts_with('#')
    {
        at = text[..at].trim_end_matches('\n').len() - line.len();
    }
    let gap = if text[..at].ends_with("\n\n") || at == 0 { "" } else { "\n" };
    let gap = if text[..at].ends_with('\n') { gap.to_owned() } else { format!("\n{gap}") };
    let after = if next.is_some() { "\n" } else { "" };
    let mut added = vec![(at, format!("{gap}{}\n{after}", version.trim_end()))];
    let last = starts(table, "version").pop().map(|(_, last)| last);
    if let Some(begin) = last.filter(|last| last.get("valid_to").is_none())
        && let Some(begin) = begin.get("valid_from").map(|begin| begin.span().end)
    {
        let line = text[begin..].find('\n').map_or(text.len(), |end| begin + end);
        added.push((line, format!("\nvalid_to = {}", toml::Value::String(from.to_owned()))));
    }
    Ok(inserted(text, added))
}

fn parsed(text: &str) -> Result<Spanned<DeTable<'_>>, EditError> {
    DeTable::parse(text).map_err(|error| EditError(format!("not TOML: {}", error.message())))
}

/// The tables of a key of the root, with where each begins.
fn starts<'a, 'i>(root: &'a DeTable<'i>, key: &str) -> Vec<(usize, &'a DeTable<'i>)> {
    let Some(value) = root.get(key) else { return Vec::new() };
    match value.get_ref() {
        DeValue::Table(table) => vec![(value.span().start, table)],
        DeValue::Array(elements) => {
            let tables = elements.iter().filter_map(|element| match element.get_ref() {
                DeValue::Table(table) => Some((element.span().start, table)),
                _ => None,
            });
            tables.collect()
        }
        _ => Vec::new(),
    }
}

fn element<'a, 'i>(root: &'a DeTable<'i>, key: &str, id: &str) -> Option<&'a DeTable<'i>> {
    starts(root, key).into_iter().map(|(_, table)| table).find(|table| is(table, id))
}

fn is(table: &DeTable<'_>, id: &str) -> bool {
    matches!(table.get("id").map(Spanned::get_ref), Some(DeValue::String(text)) if text == id)
}

/// Whether a comma stands in a part of the text, outside of comments.
fn has_comma(text: &str, part: Range<usize>) -> bool {
    let code = |line: &str| line.split('#').next().is_some_and(|code| code.contains(','));
    text.get(part).is_some_and(|part| part.lines().any(code))
}

/// One line for each point, before the bracket that closes the list.
fn lines_of(text: &str, close: usize, rows: &[(Instant, i64)]) -> String {
    let begun = text[..close].rsplit('\n').next().unwrap_or_default();
    // A bracket on a line of its own stays on one.
    let own_line = begun.trim().is_empty();
    let rows: String = rows
        .iter()
        .map(|(from, nano)| {
            let price = scaled_to_short_decimal((*nano).into(), 9);
            format!("    [\"{from}\", \"{price}\"],\n")
        })
        .collect();
    let rows = if own_line { rows.trim_start().to_owned() } else { format!("\n{rows}") };
    if own_line && begun.is_empty() { format!("    {rows}") } else { rows }
}

/// The text with additions at their places.
fn inserted(text: &str, mut added: Vec<(usize, String)>) -> String {
    added.sort_by_key(|(at, _)| *at);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, more) in added {
        out.push_str(&text[from..at]);
        out.push_str(&more);
        from = at;
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect(text)
    }

    fn spot(rows: &[(&str, i64)]) -> Points {
        let rows = rows.iter().map(|(from, nano)| (at(from), *nano)).collect();
        BTreeMap::from([("spot".to_owned(), rows)])
    }

    #[test]
    fn points_are_appended_in_whatever_form_the_list_has() {
        let more = spot(&[("2026-11-01T00:00:00Z", 10_400_000), ("2026-11-01T06:00:00Z", 0)]);
        let first = r#"["2026-10-01T00:00:00Z", "0.01"]"#;
        let own = |points: &str| {
            format!(
                "# prices\n[[series]]\nid = \"other\"\npoints = [[\"2026-01-01\", \"1\"]]\n\n[[series]]\nid = \"spot\" # sold cheap\npoints = {points}\n\n[[site]]\nid = \"x\"\n"
            )
        };
        let appended = |points: &str| with_points(&own(points), &more).expect("appends");
        let rows =
            "    [\"2026-11-01T00:00:00Z\", \"0.0104\"],\n    [\"2026-11-01T06:00:00Z\", \"0\"],\n";
        assert_eq!(appended(&format!("[{first}]")), own(&format!("[{first},\n{rows}]")));
        assert_eq!(appended(&format!("[{first}, ]")), own(&format!("[{first}, \n{rows}]")));
        let long = |tail: &str| format!("[\n    {first}{tail}\n");
        assert_eq!(appended(&(long(",") + "]")), own(&(long(",") + rows + "]")));
        assert_eq!(appended(&(long("") + "]")), own(&(long(",") + rows + "]")));
        // A comma of a comment is none.
        assert_eq!(appended(&(long(" # a, b") + "]")), own(&(long(", # a, b") + rows + "]")));
        let error = with_points("[[site]]\nid = \"x\"\n", &more).expect_err("no series");
        assert_eq!(error.to_string(), "the book has no price series `spot`");
    }

    #[test]
    fn a_version_stands_behind_the_last_one_of_its_tariff() {
        let from = "2026-11-01";
        let version = "[[tariff.version]]\nvalid_from = \"2026-11-01\"\n";
        let own = |end: &str| {
            let head = "[[tariff]]\nid = \"a\"\n\n[[tariff.version]]\n";
            format!("{head}valid_from = \"2026-01-01\" # new\n{end}included = [\"image\"]\n")
        };
        let (open, ended) = (own(""), own("valid_to = \"2026-11-01\"\n"));
        let check = |before: &str, own: &str, after: &str, expect: &str| {
            let text = format!("{before}{own}{after}");
            assert_eq!(with_version(&text, "a", version, from).expect("adds"), expect);
        };
        check("", &open, "", &format!("{ended}\n{version}"));
        // An end that is there already stays.
        check("", &ended, "", &format!("{ended}\n{version}"));
        let site = "[[site]]\nid = \"x\"\n";
        let expect = format!("{site}{ended}\n{version}\n{site}");
        check(site, &open, &format!("\n{site}"), &expect);
        let other = "[[tariff]]\nid = \"b\"\n";
        let commented = format!("\n# of others\n# and more\n{other}");
        let expect = format!("{ended}\n{version}\n# of others\n# and more\n{other}");
        check("", &open, &commented, &expect);
        assert!(with_version(other, "a", version, from).is_err());
        assert!(with_version("tariff = [{ id = \"a\" }]\n", "a", version, from).is_err());
    }
}
