//! What a book has declared so far, for references to it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use turnpike_schemas::{MeterId, PartyId, PartyKind, SiteId, TariffId, TaxCategoryId};

use super::reader::{At, Log, Place, Table, listed, parse_at};

/// Declared ids of one kind, with where each stands. An entry with mistakes counts too: what refers
/// to it is not wrong.
#[derive(Debug)]
pub(super) struct Ids<T> {
    what: &'static str,
    places: BTreeMap<T, Place>,
}

impl<T: Ord + Clone + Display> Ids<T> {
    pub fn new(what: &'static str) -> Self {
        Self { what, places: BTreeMap::new() }
    }

    /// Notes an id; one that stands there already is a mistake.
    pub fn declare(&mut self, log: &mut Log, id: &At<T>) {
        if let Some(first) = self.places.get(&id.value) {
            let message = format!(
                "{} `{}` stands there already, on line {}",
                self.what, id.value, first.line
            );
            log.mistake(&id.place, message);
            return;
        }
        self.places.insert(id.value.clone(), id.place.clone());
    }

    /// Counts as declared without standing in the file.
    pub fn add_builtin(&mut self, id: T) {
        self.places.entry(id).or_insert_with(|| Place { line: 0, path: String::new() });
    }

    pub fn contains(&self, id: &T) -> bool {
        self.places.contains_key(id)
    }

    /// Checks that what is referred to exists.
    pub fn check(&self, log: &mut Log, id: At<T>) -> Option<At<T>> {
        if self.contains(&id.value) {
            return Some(id);
        }
        let known = listed(self.places.keys());
        let message = format!("there is no {} `{}`; the book has {known}", self.what, id.value);
        log.mistake(&id.place, message);
        None
    }
}

impl<T> Ids<T>
where
    T: Ord + Clone + Display + FromStr,
    T::Err: Display,
{
    /// A key that must name something declared.
    pub fn named(
        &self,
        table: &mut Table<'_, '_>,
        log: &mut Log,
        key: &'static str,
    ) -> Option<At<T>> {
        let id = table.parsed::<T>(log, key)?;
        self.check(log, id)
    }

    /// A key that may name something declared.
    pub fn named_opt(
        &self,
        table: &mut Table<'_, '_>,
        log: &mut Log,
        key: &'static str,
    ) -> Option<At<T>> {
        let id = table.parsed_opt::<T>(log, key)?;
        self.check(log, id)
    }

    /// An array whose elements each name something declared.
    pub fn all_named(
        &self,
        table: &mut Table<'_, '_>,
        log: &mut Log,
        key: &'static str,
    ) -> Vec<At<T>> {
        let texts = table.texts(log, key);
        texts
            .into_iter()
            .filter_map(|text| parse_at::<T>(log, text).and_then(|id| self.check(log, id)))
            .collect()
    }
}

/// Everything that later parts of a book may refer to.
pub(super) struct Known {
    pub parties: Ids<PartyId>,
    pub kinds: BTreeMap<PartyId, PartyKind>,
    pub sites: Ids<SiteId>,
    pub taxes: Ids<TaxCategoryId>,
    pub meters: Ids<MeterId>,
    pub tariffs: Ids<TariffId>,
    pub series: Ids<String>,
    /// The tariff of a seller's accounts that name none.
    pub seller_tariffs: BTreeMap<PartyId, At<TariffId>>,
}

impl Known {
    pub fn new() -> Self {
        Self {
            parties: Ids::new("party"),
            kinds: BTreeMap::new(),
            sites: Ids::new("site"),
            taxes: Ids::new("tax category"),
            meters: Ids::new("meter"),
            tariffs: Ids::new("tariff"),
            series: Ids::new("price series"),
            seller_tariffs: BTreeMap::new(),
        }
    }
}
