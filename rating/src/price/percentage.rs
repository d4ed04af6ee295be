//! Percentage: a share of an amount of money that the meter measures.
//!
//! The share alone, above so many free units, is counted over the pool. With a fixed part, free
//! events, a least or a greatest amount each event is priced alone ([`super::events`]).

use turnpike_schemas::tariff::Percentage as Terms;
use turnpike_schemas::{Fraction, PriceModel, parse};

use super::tiers::units_text;
use super::{Part, Price, PricePool, events};
use crate::parked::ParkReason;

pub struct Percentage;

impl Price for Percentage {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::Percentage(terms) = &pool.rate.model else {
            return Ok(Vec::new());
        };
        if terms.is_by_event() { events::price(pool, terms) } else { share(pool, terms) }
    }
}

fn share(pool: &PricePool<'_>, terms: &Terms) -> Result<Vec<Part>, ParkReason> {
    let free = Fraction::nano(terms.free_nano.unwrap_or(0));
    let mut parts = Vec::with_capacity(pool.items.len());
    for (index, item) in pool.items.iter().enumerate() {
        let paid = |units: &Fraction| paid(units, &free).ok_or_else(|| pool.too_large("amount"));
        let units = pool.difference(&paid(&item.high)?, &paid(&item.low)?)?;
        let all = pool.difference(&item.high, &item.low)?;
        let unpaid = pool.difference(&all, &units)?;
        let detail = percent_of(pool, terms.rate_nano, &units, &unpaid);
        parts.push(Part::units(pool, index, &units, terms.rate_nano, detail)?);
    }
    Ok(parts)
}

/// The first `units` less the free ones; below zero the same with the sign.
fn paid(units: &Fraction, free: &Fraction) -> Option<Fraction> {
    if units.is_negative() {
        return paid(&units.checked_neg()?, free)?.checked_neg();
    }
    Some(units.checked_sub(free)?.max(Fraction::ZERO))
}

/// `1.3 % (of 550, 250 free)`.
pub(super) fn percent_of(
    pool: &PricePool<'_>,
    rate_nano: i64,
    units: &Fraction,
    free: &Fraction,
) -> String {
    let free = if free.is_zero() { String::new() } else { format!(", {} free", units_text(free)) };
    pool.detail(percent(rate_nano), &format!("of {}{free}", units_text(units)))
}

/// `1.3 %`.
pub(super) fn percent(rate_nano: i64) -> String {
    format!("{} %", parse::scaled_to_short_decimal(i128::from(rate_nano), 7))
}
