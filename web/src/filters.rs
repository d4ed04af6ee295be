//! Filters of the templates: those of the invoices crate, and counts.

use askama::Values;
pub use turnpike_invoices::filters::money;
use turnpike_invoices::format;

/// `12 345`, with a real minus.
#[askama::filter_fn]
pub fn count(value: impl std::fmt::Display, _: &dyn Values) -> askama::Result<String> {
    Ok(format::grouped(&value.to_string()))
}
