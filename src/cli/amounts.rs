//! Exact amounts and quantities as text that can be read back: a decimal where it ends, else the
//! fraction.

use serde_json::{Value, json};
use turnpike_schemas::parse::scaled_to_short_decimal;
use turnpike_schemas::total::CUT_DECIMALS;
use turnpike_schemas::{Amount, Fraction, LineKind, Per, RatedLine, Total};

use crate::output::Cell;

/// More decimals than any price with a finite per-second amount has.
const DECIMALS_MAX: u32 = 36;

/// `12.5`, or `40/31` where no decimal ends.
pub fn fraction_text(value: &Fraction) -> String {
    match value.to_scaled(0, DECIMALS_MAX) {
        Some((scaled, scale)) => scaled_to_short_decimal(scaled, scale),
        None => format!("{}/{}", value.numerator(), value.denominator()),
    }
}

pub fn amount_text(amount: &Amount) -> String {
    amount.fraction().map_or_else(|_| amount.to_string(), |value| fraction_text(&value))
}

/// To the last integer.
pub fn amount_json(amount: &Amount) -> Value {
    json!({
        "amount": amount_text(amount),
        "numerator": amount.numerator().to_string(),
        "denominator": amount.denominator().to_string(),
        "currency": amount.currency().code(),
    })
}

/// A sum: as an amount, or where it is cut, its decimals and the mark.
pub fn total_text(total: &Total) -> String {
    if total.is_exact { amount_text(&total.amount) } else { total.to_decimal_text(CUT_DECIMALS) }
}

/// [`amount_json`] of a sum. One that is cut says so.
pub fn total_json(total: &Total) -> Value {
    let mut object = amount_json(&total.amount);
    mark_cut(total, &mut object);
    object
}

/// Says of a sum that is cut how it is.
pub fn mark_cut(total: &Total, object: &mut Value) {
    if !total.is_exact {
        object["exact"] = json!(false);
        object["note"] = json!(format!(
            "not summable exactly; to {CUT_DECIMALS} decimals, rounded towards zero"
        ));
    }
}

/// What the unit price is multiplied by: units, times their `per` where they are held.
pub fn units(line: &RatedLine) -> Option<Fraction> {
    let divisor = 10_i128
        .checked_pow(line.scale)?
        .checked_mul(line.unit.base_units.into())?
        .checked_mul(line.per_seconds.into())?;
    Fraction::ratio(line.quantity, divisor)
}

/// The units of a line, where they say something.
pub fn units_cell(line: &RatedLine) -> Cell {
    match line.kind {
        LineKind::Usage | LineKind::Metered => {
            units(line).map_or(Cell::None, |units| Cell::Decimal(fraction_text(&units)))
        }
        LineKind::Fee | LineKind::Adjustment => Cell::None,
    }
}

/// `GiB·month`, `1000 requests`.
pub fn unit_text(line: &RatedLine) -> String {
    match (line.kind, line.per) {
        (LineKind::Fee | LineKind::Adjustment, _) => String::new(),
        (_, Per::Unit) => line.unit.name.clone(),
        (_, held) => format!("{}·{}", line.unit.name, held.as_str()),
    }
}

/// The unit price, where the amount follows from it.
pub fn price_cell(line: &RatedLine) -> Cell {
    match line.kind {
        LineKind::Usage => Cell::Decimal(scaled_to_short_decimal(line.price_nano.into(), 9)),
        LineKind::Metered | LineKind::Fee | LineKind::Adjustment => Cell::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_or_stay_fractions() {
        let text = |numerator, denominator| {
            fraction_text(&Fraction::ratio(numerator, denominator).expect("a fraction"))
        };
        assert_eq!(text(5, 4), "1.25");
        assert_eq!(text(-3, 1), "-3");
        assert_eq!(text(40, 31), "40/31");
        assert_eq!(text(-1, 3), "-1/3");
        assert_eq!(text(13, 1_125_000), "13/1125000");
    }
}
