//! Records of any form as JSON text, so that one engine reads them all.
//!
//! An XML element becomes an object of its child elements: text where it holds none, a list where
//! one name stands more than once; attributes are not read. A table becomes an object of its row by
//! the names of its heading, and `time` where a line above the heading is one.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use roxmltree::{Document, Node};

use super::format::{Form, Recognise};
use crate::adapters::Message;
use crate::json::{DEPTH_MAX, Json};

/// The message as JSON text, if it has the form that is asked for. What follows from `None` is only
/// that another adapter is asked.
pub fn json_of<'m>(recognise: &Recognise, message: &Message<'m>) -> Option<Cow<'m, str>> {
    match (recognise.form, message) {
        (Form::Json, Message::Object(json)) => Some(Cow::Borrowed(json.text)),
        (Form::CloudEvent, Message::CloudEvent(event)) => {
            let known = recognise.types.iter().any(|known| match known.strip_suffix('*') {
                Some(prefix) => event.event_type.starts_with(prefix),
                None => event.event_type == known.as_str(),
            });
            known.then(|| Cow::Owned(cloud_event(event)))
        }
        (Form::Xml, Message::Text(text)) => {
            let element = recognise.element.as_deref()?;
            xml(text, element).map(Cow::Owned)
        }
        (Form::Table, Message::Text(text)) => table(text, recognise).map(Cow::Owned),
        (Form::Csv, Message::Text(text)) => csv(text, recognise).map(Cow::Owned),
        _ => None,
    }
}

fn cloud_event(event: &crate::cloudevents::CloudEvent<'_>) -> String {
    let mut fields = vec![
        ("id", Some(event.id.as_ref())),
        ("source", Some(event.source.as_ref())),
        ("type", Some(event.event_type.as_ref())),
        ("time", event.time.as_deref()),
        ("subject", event.subject.as_deref()),
    ];
    fields.retain(|(_, value)| value.is_some());
    let mut text = String::from("{");
    for (name, value) in fields {
        text.push_str(&quoted(name));
        text.push(':');
        text.push_str(&quoted(value.unwrap_or_default()));
        text.push(',');
    }
    text.push_str("\"data\":");
    text.push_str(event.data.map_or("null", |data| data.text));
    text.push('}');
    text
}

fn xml(text: &str, element: &str) -> Option<String> {
    let text = text.trim();
    // Most texts are no XML: look before parsing.
    if !text.starts_with('<') || !text.contains(element) {
        return None;
    }
    // Without a document type, which the parser refuses, no entity can grow.
    let document = Document::parse(text).ok()?;
    let root = document.root_element();
    if root.tag_name().name() != element {
        return None;
    }
    let mut json = String::with_capacity(text.len());
    element_json(root, 0, &mut json)?;
    Some(json)
}

/// `None`: nested more deeply than JSON may be.
fn element_json(node: Node<'_, '_>, depth: usize, json: &mut String) -> Option<()> {
    if depth >= DEPTH_MAX {
        return None;
    }
    let children: Vec<Node<'_, '_>> = node.children().filter(Node::is_element).collect();
    if children.is_empty() && depth > 0 {
        let text: String = node.children().filter_map(|child| child.text()).collect();
        json.push_str(&quoted(text.trim()));
        return Some(());
    }
    // By name, in the order in which the names first stand.
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<(&str, Vec<Node<'_, '_>>)> = Vec::new();
    for child in children {
        let name = child.tag_name().name();
        let place = *places.entry(name).or_insert(groups.len());
        if place == groups.len() {
            groups.push((name, Vec::new()));
        }
        groups[place].1.push(child);
    }
    json.push('{');
    for (index, (name, same)) in groups.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push_str(&quoted(name));
        json.push(':');
        if let [only] = same[..] {
            element_json(only, depth + 1, json)?;
            continue;
        }
        json.push('[');
        for (index, child) in same.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            element_json(*child, depth + 2, json)?;
        }
        json.push(']');
    }
    json.push('}');
    Some(())
}

fn table(text: &str, recognise: &Recognise) -> Option<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let (time, heading, row) = match lines[..] {
        [heading, row] => (None, heading, row),
        [time, heading, row] => (Some(time.trim()), heading, row),
        _ => return None,
    };
    let columns: Vec<&str> = heading.split_whitespace().collect();
    if !recognise.columns.iter().all(|column| columns.contains(&column.as_str())) {
        return None;
    }
    // Words such as `no limit` are one value.
    let mut row = row.to_owned();
    for word in recognise.absent.iter().filter(|word| word.contains(' ')) {
        row = row.replace(word.as_str(), &word.replace(' ', "\u{a0}"));
    }
    let mut values: Vec<String> =
        row.split_ascii_whitespace().map(|value| value.replace('\u{a0}', " ")).collect();
    // A name may hold spaces; it is the first column.
    let more = values.len().checked_sub(columns.len())?;
    let name = values.drain(..=more).collect::<Vec<_>>().join(" ");
    values.insert(0, name);
    let values = values.iter().map(String::as_str);
    Some(object(time, columns.into_iter().zip(values), &recognise.absent))
}

fn csv(text: &str, recognise: &Recognise) -> Option<String> {
    let (heading, row) = heading_and_row(text)?;
    if !recognise.columns.iter().all(|column| heading.iter().any(|given| given == column)) {
        return None;
    }
    let pairs = heading.iter().map(String::as_str).zip(row.iter().map(String::as_str));
    Some(object(None, pairs, &recognise.absent))
}

/// A heading and one row in CSV as a JSON object; cells that are empty are left out.
pub fn csv_row(text: &str) -> Option<String> {
    let (heading, row) = heading_and_row(text)?;
    let pairs = heading.iter().map(String::as_str).zip(row.iter().map(String::as_str));
    Some(object(None, pairs.filter(|(_, cell)| !cell.is_empty()), &[]))
}

fn heading_and_row(text: &str) -> Option<(Vec<String>, Vec<String>)> {
    let mut rows = records(text);
    let (heading, row) = (rows.next()?, rows.next()?);
    (rows.next().is_none() && heading.len() == row.len()).then_some((heading, row))
}

/// The records of a text in the form of RFC 4180, trimmed.
fn records(text: &str) -> impl Iterator<Item = Vec<String>> + '_ {
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    reader
        .into_records()
        .map_while(Result::ok)
        .map(|record| record.iter().map(str::to_owned).collect())
}

fn object<'v>(
    time: Option<&str>,
    values: impl Iterator<Item = (&'v str, &'v str)>,
    absent: &[String],
) -> String {
    let mut json = String::from("{");
    let mut seen: HashSet<&str> = HashSet::new();
    for (name, value) in values {
        let is_absent = absent.iter().any(|word| word == value);
        if !is_absent && seen.insert(name) {
            json.push_str(&format!("{}:{},", quoted(name), quoted(value)));
        }
    }
    if let Some(time) = time.filter(|_| !seen.contains("time")) {
        json.push_str(&format!("\"time\":{},", quoted(time)));
    }
    if json.ends_with(',') {
        json.pop();
    }
    json.push('}');
    json
}

pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// Reads text that this module wrote, or that was read before.
pub fn parse(text: &str) -> Option<Json<'_>> {
    Json::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognise(form: &str) -> Recognise {
        toml::from_str(form).expect("recognise")
    }

    #[test]
    fn elements_become_objects() {
        let form = recognise("form = \"xml\"\nelement = \"A\"");
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(json_of(&form, &Message::Text(text)).as_deref(), expect, "{text}");
        };
        check("<A><B>1</B><C> x &amp; y </C></A>", Some(r#"{"B":"1","C":"x & y"}"#));
        check("<A><B>1</B><B><C/></B></A>", Some(r#"{"B":["1",{"C":""}]}"#));
        check("<A><![CDATA[<x>]]></A>", Some("{}"));
        check("<A/>", Some("{}"));
        check("<B>A</B>", None);
        check("<A><B></A>", None);
        check("A", None);
        check("<!DOCTYPE A [<!ENTITY e \"e\">]><A><B>&e;</B></A>", None);
        let deep = format!("<A>{}{}</A>", "<b>".repeat(100), "</b>".repeat(100));
        check(&deep, None);
    }

    #[test]
    fn rows_become_objects_by_their_heading() {
        let form = recognise(
            "form = \"table\"\ncolumns = [\"NAME\", \"MEM(k)\"]\nabsent = [\"no limit\", \"n/a\"]",
        );
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(json_of(&form, &Message::Text(text)).as_deref(), expect, "{text}");
        };
        check("NAME MEM(k) MAX\n a 5 no limit", Some(r#"{"NAME":"a","MEM(k)":"5"}"#));
        check("NAME MEM(k)\n my vm 5", Some(r#"{"NAME":"my vm","MEM(k)":"5"}"#));
        check(
            "2026-10-01T00:00:00Z\nNAME MEM(k)\n a n/a\n",
            Some(r#"{"NAME":"a","time":"2026-10-01T00:00:00Z"}"#),
        );
        check("NAME MEM(k)\n a", None);
        check("NAME CPU\n a 1", None);
        check("NAME MEM(k)", None);
    }

    #[test]
    fn csv_rows_are_unquoted() {
        let form = recognise("form = \"csv\"\ncolumns = [\"a\", \"b\", \"c\"]");
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(json_of(&form, &Message::Text(text)).as_deref(), expect, "{text}");
        };
        check("a, b,c\n\"x, \"\"y\"\"\",2,3", Some(r#"{"a":"x, \"y\"","b":"2","c":"3"}"#));
        check("a,b,c\n1,2", None);
        check("a,b\n1,2", None);
        check("a,b,c\n1,2,3\n4,5,6", None);
    }
}
