//! The short way from the sums of an account to its lines, for what is usual: usage by its price alone.
//!
//! Owns: what the lines of one price have in common, written once for all accounts ([`form`]), and the
//! order of the steps of [`crate::account`] as far as they are needed here ([`account`]).
//!
//! Does not own any rule. Units are priced by [`crate::price::Whole`], which agrees with the price
//! models or declines; an id is that of [`crate::account::line_id`].
//!
//! Invariants:
//! - It may only agree with [`crate::account::price_account`] or decline, account by account: it
//!   declines fees, adjustments, flat parts of tiers, rounded units, levels, corrections, accounts that
//!   move between tariffs, and whatever is too large. What declines is priced, or parked, there.
//! - Nothing is kept of an account: its lines are seen one by one, in canonical order.

mod account;
mod form;
#[cfg(test)]
mod tests;

pub(crate) use account::{ShortLines, ShortWay};
