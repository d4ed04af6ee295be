//! Filters of the templates: those of the invoices crate, and counts.

use askama::Values;
pub use turnpike_invoices::filters::money;
use turnpike_invoices::format;

/// `12 345`, with a real minus.
#[askama::filter_fn]
pub fn count(value: impl std::fmt::Display, _: &dyn Values) -> askama::Result<String> {
    Ok(format::grouped(&value.to_string()))
}

/// `1 draft`, `2 drafts`: for words that take an s.
#[askama::filter_fn]
pub fn counted(
    value: impl std::fmt::Display,
    _: &dyn Values,
    word: &str,
) -> askama::Result<String> {
    let count = value.to_string();
    let plural = if count == "1" { "" } else { "s" };
    Ok(format!("{} {word}{plural}", format::grouped(&count)))
}
