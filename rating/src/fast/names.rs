//! Texts and labels as small integers, so that whether two events say the same is one comparison.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt as _};
use turnpike_schemas::{MeterId, OwnerRef, ResourceId, canonical};

/// The number of a missing text.
pub(super) const NONE: u32 = 0;
/// The number of labels that are empty.
pub(super) const EMPTY: u32 = 0;

pub(super) type LabelMap = BTreeMap<String, String>;

/// What a text has to be in order to stand in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Any,
    Resource,
    Owner,
    Meter,
}

impl Form {
    fn bit(self) -> u8 {
        match self {
            Form::Any => 0,
            Form::Resource => 1,
            Form::Owner => 2,
            Form::Meter => 4,
        }
    }

    fn fits(self, text: &str) -> bool {
        match self {
            Form::Any => true,
            Form::Resource => ResourceId::is_valid(text),
            Form::Owner => OwnerRef::is_valid(text),
            Form::Meter => MeterId::is_valid(text),
        }
    }
}

/// Texts by number; 0 is none.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
    /// Which forms each text is known to have.
    forms: Vec<u8>,
}

impl Names {
    pub(super) fn number(&mut self, text: &str) -> Option<u32> {
        self.number_of(text, Form::Any)
    }

    /// `None` where the text has not that form.
    pub(super) fn number_of(&mut self, text: &str, form: Form) -> Option<u32> {
        let known = self.numbers.get(text).copied();
        if let Some(number) = known
            && self.forms[number as usize - 1] & form.bit() == form.bit()
        {
            return Some(number);
        }
        if !form.fits(text) {
            return None;
        }
        if let Some(number) = known {
            self.forms[number as usize - 1] |= form.bit();
            return Some(number);
        }
        self.texts.push(text.into());
        self.forms.push(form.bit());
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
            numbers: std::iter::once((empty.clone(), EMPTY)).collect(),
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
    fn a_form_is_asked_of_a_text_that_is_known_too() {
        let mut names = Names::default();
        let number = names.number("Not a slug").expect("any text");
        assert_eq!(names.number_of("Not a slug", Form::Meter), None);
        assert_eq!(names.number_of("Not a slug", Form::Owner), Some(number));
        assert_eq!(names.number_of("\u{7}", Form::Resource), None);
        assert_eq!(names.number_of("\u{7}", Form::Any), Some(number + 1));
        assert_eq!(names.number_of("\u{7}", Form::Owner), None);
        assert_eq!(names.text(number), Some("Not a slug"));
    }

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
