//! The formatting functions as askama filters: `use turnpike_invoices::filters;` beside a template.

use askama::Values;
use turnpike_schemas::Money;

#[askama::filter_fn]
pub fn money(value: &Money, _: &dyn Values) -> askama::Result<String> {
    Ok(super::money(value))
}
