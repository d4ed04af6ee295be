//! The elements of an XML document that are records.

use roxmltree::{Document, Node};

/// The elements that are records and lie in no other record, in their order. A record within a
/// record is a part of it: to take both would take the inner one as often as it is nested.
pub(crate) fn outermost<'d, 'i>(
    document: &'d Document<'i>,
    is_record: impl Fn(&Node<'d, 'i>) -> bool,
) -> impl Iterator<Item = Node<'d, 'i>> {
    // Elements come in the order in which they begin.
    let mut end = 0;
    document.descendants().filter(move |node| {
        let range = node.range();
        let is_outer = range.start >= end && node.is_element() && is_record(node);
        if is_outer {
            end = range.end;
        }
        is_outer
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_within_a_record_is_a_part_of_it() {
        let text = "<l><r>1<x><r>2</r></x></r><o><r>3</r></o><r/></l>";
        let document = Document::parse(text).expect("XML");
        let found = outermost(&document, |node| node.has_tag_name("r"));
        let found: Vec<&str> = found.map(|node| &text[node.range()]).collect();
        assert_eq!(found, ["<r>1<x><r>2</r></x></r>", "<r>3</r>", "<r/>"]);
    }
}
