//! The records of an XML document: the elements that reports repeat, or the document as a whole.

use roxmltree::Document;

use crate::adapters::xml::outermost;

/// Elements that are one record each.
const RECORDS: [&str; 2] = ["usagerecord", "HISTORY"];

/// The source text of each record; of a text that is no XML, the text.
pub fn items(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let whole = || vec![text.to_owned()];
    // A document type is refused, so no entity grows.
    let Ok(document) = Document::parse(text) else { return whole() };
    if RECORDS.contains(&document.root_element().tag_name().name()) {
        return whole();
    }
    let elements = outermost(&document, |node| RECORDS.contains(&node.tag_name().name()));
    let items: Vec<String> = elements.map(|element| text[element.range()].to_owned()).collect();
    // An element that needs a name space declared above it cannot stand alone.
    let alone = items.iter().all(|item| Document::parse(item).is_ok());
    if items.is_empty() || !alone { whole() } else { items }
}
