//! Texts and labels as small integers, so that whether two events say the same is one comparison.

use std::collections::{BTreeMap, HashMap};

use turnpike_schemas::canonical;

/// The number of a missing text.
pub(super) const NONE: u32 = 0;
/// The number of labels that are empty.
pub(super) const EMPTY: u32 = 0;

pub(super) type LabelMap = BTreeMap<String, String>;

/// Texts by number; 0 is none.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Names {
    pub(super) fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Some(*number);
        }
        self.texts.push(text.into());
        let number = u32::try_from(self.texts.len()).ok()?;
        self.numbers.insert(text.into(), number);
        Some(number)
    }

    pub(super) fn text(&self, number: u32) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.texts.get(index).map(AsRef::as_ref)
    }
}

/// Maps of labels by number; 0 is the empty one. Texts that mean the same map have one number.
pub(super) struct Labels {
    texts: HashMap<Box<str>, u32>,
    numbers: HashMap<LabelMap, u32>,
    maps: Vec<LabelMap>,
    merged: HashMap<(u32, u32), u32>,
}

impl Default for Labels {
    fn default() -> Self {
        let empty = LabelMap::new();
        Self {
            texts: HashMap::new(),
            numbers: HashMap::from([(empty.clone(), EMPTY)]),
            maps: vec![empty],
            merged: HashMap::new(),
        }
    }
}

impl Labels {
    /// Of the text of a column; `None` where it is no map of labels.
    pub(super) fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(number) = self.texts.get(text) {
            return Some(*number);
        }
        let number = self.of_map(&canonical::labels_from_json(text)?)?;
        self.texts.insert(text.into(), number);
        Some(number)
    }

    pub(super) fn of_map(&mut self, map: &LabelMap) -> Option<u32> {
        if let Some(number) = self.numbers.get(map) {
            return Some(*number);
        }
        let number = u32::try_from(self.maps.len()).ok()?;
        self.maps.push(map.clone());
        self.numbers.insert(map.clone(), number);
        Some(number)
    }

    pub(super) fn map(&self, number: u32) -> &LabelMap {
        &self.maps[number as usize]
    }

    /// What is known after labels were given: given ones replace those known by key.
    pub(super) fn merge(&mut self, known: u32, given: u32) -> u32 {
        if known == given || given == EMPTY {
            return known;
        }
        if let Some(merged) = self.merged.get(&(known, given)) {
            return *merged;
        }
        let mut map = self.map(known).clone();
        map.extend(self.map(given).clone());
        // There are fewer maps than rows, and rows are counted in 32 bits.
        let merged = self.of_map(&map).unwrap_or(known);
        self.merged.insert((known, given), merged);
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_merge_by_key() {
        let mut labels = Labels::default();
        let mut number = |text: &str| labels.number(text).expect(text);
        let (a, b, both) =
            (number(r#"{"a":"1"}"#), number(r#"{"b":"2"}"#), number(r#"{"b":"2","a":"1"}"#));
        assert_eq!(number("{}"), EMPTY);
        assert_eq!(number(r#"{ "a": "1" }"#), a);
        assert_eq!(labels.merge(a, b), both);
        assert_eq!(labels.merge(both, a), both);
        assert_eq!(labels.merge(EMPTY, a), a);
        assert_eq!(labels.merge(a, EMPTY), a);
        assert!(labels.number("[]").is_none());
    }
}
