//! How long what is open counts as held, by source.

use foldhash::HashMap;
use turnpike_schemas::PriceBook;
use turnpike_schemas::book::OpenIntervals;

use super::block::Numbers;

/// What the book says of sources that were asked for.
#[derive(Default)]
pub(super) struct Policies(HashMap<u32, OpenIntervals>);

impl Policies {
    pub(super) fn of(&mut self, source: u32, numbers: &Numbers, book: &PriceBook) -> OpenIntervals {
        *self
            .0
            .entry(source)
            .or_insert_with(|| book.open_intervals(numbers.names.text(source).unwrap_or_default()))
    }
}
