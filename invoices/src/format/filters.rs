//! The formatting functions as askama filters: `use turnpike_invoices::filters;` beside a template
//! makes `{{ invoice.gross|money }}` work in it. Escaping stays on; none of them emits markup.

use askama::Values;
use chrono::NaiveDate;
use turnpike_schemas::Money;

/// A value behind any number of references: askama hands over fields by reference, loop variables
/// by two, and results of calls as they are.
pub trait Refers<T> {
    fn referred(&self) -> &T;
}

impl<T, R: Refers<T>> Refers<T> for &R {
    fn referred(&self) -> &T {
        R::referred(self)
    }
}

macro_rules! refers_to_itself {
    ($($type:ty),*) => {
        $(impl Refers<$type> for $type {
            fn referred(&self) -> &$type {
                self
            }
        })*
    };
}

refers_to_itself!(Money, NaiveDate, u32, i64);

/// `1 234.56 EUR`.
#[askama::filter_fn]
pub fn money(value: impl Refers<Money>, _: &dyn Values) -> askama::Result<String> {
    Ok(super::money(value.referred()))
}

/// `1 234.56`, where the heading names the currency.
#[askama::filter_fn]
pub fn money_number(value: impl Refers<Money>, _: &dyn Values) -> askama::Result<String> {
    Ok(super::money_number(value.referred()))
}

/// `33.333 %`, from parts per million.
#[askama::filter_fn]
pub fn percent(value: impl Refers<u32>, _: &dyn Values) -> askama::Result<String> {
    Ok(super::percent(*value.referred()))
}

/// `1 Oct 2026`.
#[askama::filter_fn]
pub fn day(value: impl Refers<NaiveDate>, _: &dyn Values) -> askama::Result<String> {
    Ok(super::day(*value.referred()))
}

/// `744 h 00 min 00 s`, from seconds.
#[askama::filter_fn]
pub fn duration(value: impl Refers<i64>, _: &dyn Values) -> askama::Result<String> {
    Ok(super::duration(*value.referred()))
}

/// `12 345`: a count or a decimal text with its thousands set off.
#[askama::filter_fn]
pub fn grouped(value: impl std::fmt::Display, _: &dyn Values) -> askama::Result<String> {
    Ok(super::grouped(&value.to_string()))
}
