//! [`parties`]: names of the parties of the newest book.

use std::collections::BTreeMap;

use turnpike_books::BooksError;
use turnpike_schemas::PartyId;

use crate::error::WebError;
use crate::state::WebState;

/// Names by id. An invoice may name a party that has left the book: its id is shown then.
#[derive(Debug, Clone, Default)]
pub struct Parties(BTreeMap<PartyId, String>);

impl Parties {
    pub fn name<'a>(&'a self, id: &'a PartyId) -> &'a str {
        self.0.get(id).map_or(id.as_str(), String::as_str)
    }
}

/// `None` before the first book.
pub async fn parties(state: &WebState) -> Result<Option<Parties>, WebError> {
    match state.books.price_book().await {
        Ok(book) => {
            let names = book.parties.into_iter().map(|party| (party.id, party.name));
            Ok(Some(Parties(names.collect())))
        }
        Err(BooksError::NoBook) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
