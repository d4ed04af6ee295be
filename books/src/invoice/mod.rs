//! Invoices: drafts that are replaced at will, finalized ones that never change again.

mod draft;
mod entity;
mod finalize;
pub(crate) mod flat;
pub(crate) mod postings;
mod read;
mod sums;

pub(crate) use finalize::number;
#[cfg(test)]
pub(crate) use read::pattern;

pub use entity::*;
pub use sums::check_invoice;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
