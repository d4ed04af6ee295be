//! [`Row`]: a flat report, whether it came as a JSON object, an XML element or a line of a table.
//!
//! What is null, empty or only white space is absent: no system means anything else by it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use roxmltree::Node;
use turnpike_schemas::Instant;

use super::{make, time};
use crate::decode::Reject;
use crate::json::{Json, Value};
use crate::quantity::Written;

/// Names with their texts, and the tags that the holder put on the resource.
#[derive(Debug, Clone, Default)]
pub struct Row<'a> {
    cells: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub tags: Option<BTreeMap<String, String>>,
}

impl<'a> Row<'a> {
    /// The strings, numbers and booleans of an object; `tags` as a list of keys with values.
    pub fn from_json(json: &'a Json<'a>) -> Self {
        let mut row = Row::default();
        for (name, field) in json.entries().unwrap_or_default() {
            let text = match &field.value {
                Value::Text(text) => Cow::Borrowed(text.as_ref()),
                Value::Number(_) | Value::Bool(_) => Cow::Borrowed(field.text),
                Value::List(items) if name == "tags" => {
                    row.tags = Some(items.iter().filter_map(json_tag).collect());
                    continue;
                }
                _ => continue,
            };
            row.cells.push((Cow::Borrowed(name.as_ref()), text));
        }
        row
    }

    /// The texts of the elements in an element; each `tags` holds one key with its value.
    pub fn from_xml(node: Node<'a, '_>) -> Self {
        let mut row = Row::default();
        for child in node.children().filter(Node::is_element) {
            let name = child.tag_name().name();
            if name == "tags" {
                // A tag holds no tags: whoever nests them, however deeply, is not followed.
                let tag = xml_tag(child);
                row.tags.get_or_insert_default().extend(tag);
            } else if let Some(text) = child.text() {
                row.cells.push((Cow::Owned(name.to_owned()), Cow::Owned(text.to_owned())));
            }
        }
        row
    }

    /// The cells of a line under their headings; what stands past the last heading is passed over.
    pub fn from_line(headings: &[Cow<'a, str>], cells: Vec<Cow<'a, str>>) -> Self {
        Row { cells: headings.iter().cloned().zip(cells).collect(), tags: None }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let cell = self.cells.iter().find(|(key, _)| key == name);
        cell.map(|(_, text)| text.trim_ascii()).filter(|text| !text.is_empty())
    }

    pub fn required(&self, name: &str) -> Result<&str, Reject> {
        self.text(name).ok_or_else(|| make::missing(name))
    }

    pub fn time(&self, name: &'static str) -> Result<Option<Instant>, Reject> {
        self.text(name).map(|text| time::parse(name, text)).transpose()
    }

    pub fn required_time(&self, name: &'static str) -> Result<Instant, Reject> {
        self.time(name)?.ok_or_else(|| make::missing(name))
    }

    /// A quantity, unless it is absent.
    pub fn written<'r>(&'r self, name: &'r str) -> Option<Written<'r>> {
        self.text(name).map(|digits| Written { digits, field: name })
    }
}

fn xml_tag(node: Node<'_, '_>) -> Option<(String, String)> {
    let text = |name: &str| {
        let mut named = node.children().filter(|child| child.tag_name().name() == name);
        named.find_map(|child| child.text()).map(str::trim_ascii).filter(|text| !text.is_empty())
    };
    Some((text("key")?.to_owned(), text("value").unwrap_or_default().to_owned()))
}

fn json_tag(item: &Json<'_>) -> Option<(String, String)> {
    Some((item.text_of("key")?.to_owned(), item.text_of("value").unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_xml_and_tables_say_the_same() {
        let text =
            r#"{"a": "x", "b": 1.50, "c": null, "d": " ", "tags": [{"key": "k", "value": "v"}]}"#;
        let json = Json::parse(text).expect("json");
        let text =
            "<r><a>x</a><b>1.50</b><c/><d> </d><tags><key>k</key><value>v</value></tags></r>";
        let xml = roxmltree::Document::parse(text).expect("xml");
        let words = |text: &'static str| text.split(',').map(Cow::from).collect::<Vec<_>>();
        for (row, tagged) in [
            (Row::from_json(&json), true),
            (Row::from_xml(xml.root_element()), true),
            (Row::from_line(&words("a,b,c,d"), words("x,1.50,, ,more")), false),
        ] {
            let shown = ["a", "b", "c", "d", "e"].map(|name| row.text(name));
            assert_eq!(shown, [Some("x"), Some("1.50"), None, None, None]);
            let tag = row.tags.as_ref().map(|tags| tags["k"].as_str());
            assert_eq!(tag, tagged.then_some("v"));
        }
    }
}
