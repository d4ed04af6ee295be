//! The quantity and the price of a charge as its columns show them. A fee and an adjustment have no
//! quantity: their amount stands for itself.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use turnpike_schemas::{Charge, LineKind};

/// The unit of a fee that is due once.
const ONCE: &str = "once";

/// `1 488 vCPU·hours`, and `2 vCPU × 744 h 00 min 00 s` where it divides evenly.
pub fn charge_quantity(charge: &Charge) -> (String, Option<String>) {
    let Charge { quantity, scale, unit, per, per_seconds, .. } = charge;
    match charge.kind {
        LineKind::Fee | LineKind::Adjustment => (String::new(), None),
        LineKind::Usage | LineKind::Metered => (
            super::priced_quantity(*quantity, *scale, unit, *per, *per_seconds),
            super::held(charge.aggregation, *quantity, *scale, unit, charge.seconds),
        ),
    }
}

/// `0.0416 EUR` and `/ vCPU·hour`; of a fee its whole price, `50 EUR` and `/ month`.
pub fn charge_price(charge: &Charge) -> (String, String) {
    let nothing = || (String::new(), String::new());
    match charge.kind {
        LineKind::Adjustment => return nothing(),
        LineKind::Fee if charge.price_nano == 0 => return nothing(),
        LineKind::Metered if charge.price_nano == 0 => {
            return ("changing".to_owned(), String::new());
        }
        _ => {}
    }
    let currency = charge.net.currency();
    let text = super::unit_price(charge.price_nano, currency, &charge.unit, charge.per);
    match text.split_once(" / ") {
        Some((price, ONCE)) if charge.kind == LineKind::Fee => (price.to_owned(), ONCE.to_owned()),
        Some((price, per)) => (price.to_owned(), format!("/ {per}")),
        None => (text, String::new()),
    }
}
