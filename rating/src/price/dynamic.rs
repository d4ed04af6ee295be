//! Dynamic: the usage event names its own price, in an attribute.
//!
//! The attribute is a decimal number, read exactly: a price of one unit, or the amount of the event
//! as a whole. An event without it, or with a text that is no number, parks the account.
//!
//! An amount of the event as a whole is for what the event says: one of fewer units takes it back,
//! so that a reversal that repeats it cancels. One that is negative already stands as it is. An event
//! of no units that names an amount contradicts itself, and parks the account.

use std::collections::BTreeMap;

use turnpike_schemas::tariff::{Dynamic as Terms, DynamicBasis};
use turnpike_schemas::{Fraction, PriceModel, parse};

use super::{Part, Price, PricePool, metered};
use crate::parked::{ParkCode, ParkReason};

pub struct Dynamic;

impl Price for Dynamic {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::Dynamic(terms) = &pool.rate.model else {
            return Ok(Vec::new());
        };
        let what = match terms.basis {
            DynamicBasis::Unit => "Unit price",
            DynamicBasis::Total => "Amount",
        };
        metered::parts(pool, &format!("{what} from attribute {}", terms.attribute))
    }
}

/// The attribute's number times the multiplier: major units of the currency, for one unit or for
/// the event as a whole.
pub fn price(terms: &Terms, attributes: &BTreeMap<String, String>) -> Result<Fraction, ParkReason> {
    let text = attributes.get(&terms.attribute).ok_or_else(|| {
        let text = format!("an event has no attribute `{}` to name its price", terms.attribute);
        ParkReason::new(ParkCode::UnknownPrice, text)
    })?;
    number(&terms.attribute, text)?
        .checked_mul(&Fraction::nano(terms.multiplier_nano))
        .ok_or_else(|| too_large(terms))
}

/// What units at the event's price are worth, or the event as a whole. For what is held: for one
/// `per` of the rate.
pub fn worth(
    terms: &Terms,
    attributes: &BTreeMap<String, String>,
    units: &Fraction,
) -> Result<Fraction, ParkReason> {
    let price = price(terms, attributes)?;
    match terms.basis {
        DynamicBasis::Unit => price.checked_mul(units).ok_or_else(|| too_large(terms)),
        DynamicBasis::Total if units.is_zero() && !price.is_zero() => {
            let attribute = &terms.attribute;
            let text = format!("an event of no units names an amount in attribute `{attribute}`");
            Err(ParkReason::new(ParkCode::UnknownPrice, text))
        }
        DynamicBasis::Total if units.is_negative() && !price.is_negative() => {
            price.checked_neg().ok_or_else(|| too_large(terms))
        }
        DynamicBasis::Total => Ok(price),
    }
}

fn too_large(terms: &Terms) -> ParkReason {
    let text = format!("the price in attribute `{}` is too large", terms.attribute);
    ParkReason::new(ParkCode::Overflow, text)
}

/// The decimal number that an attribute holds.
pub(super) fn number(attribute: &str, text: &str) -> Result<Fraction, ParkReason> {
    let exact = parse::decimal_parts(text.trim())
        .ok()
        .and_then(|(digits, decimals)| Fraction::ratio(digits, 10_i128.checked_pow(decimals)?));
    exact.ok_or_else(|| {
        let short: String = text.chars().take(48).collect();
        let text = format!("attribute `{attribute}` is `{short}`, which is not a decimal number");
        ParkReason::new(ParkCode::UnknownPrice, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(basis: DynamicBasis, multiplier_nano: i64) -> Terms {
        Terms { attribute: "price".to_owned(), basis, multiplier_nano }
    }

    fn attributes(price: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("price".to_owned(), price.to_owned())])
    }

    fn decimal(text: &str) -> Fraction {
        number("expected", text).expect(text)
    }

    #[test]
    fn an_event_names_a_unit_price_or_its_whole_amount() {
        let check = |basis, multiplier, price: &str, units: i128, expect: &str| {
            let terms = terms(basis, multiplier);
            let worth = worth(&terms, &attributes(price), &Fraction::whole(units));
            assert_eq!(worth, Ok(decimal(expect)), "{price} for {units}");
        };
        check(DynamicBasis::Unit, 1_000_000_000, "0.05", 20, "1");
        // 40.2 cents are 0.402 whatever the units.
        check(DynamicBasis::Total, 10_000_000, "40.2", 20, "0.402");
        check(DynamicBasis::Total, 1_000_000_000, "-3.5", 20, "-3.5");
        // A reversal that repeats the amount, and one that says it with its sign.
        check(DynamicBasis::Total, 10_000_000, "40.2", -20, "-0.402");
        check(DynamicBasis::Total, 10_000_000, "-40.2", -20, "-0.402");
        check(DynamicBasis::Total, 10_000_000, "0", 0, "0");
        // 70 units of cost at a factor of 1.33333.
        check(DynamicBasis::Unit, 1_333_330_000, "1", 70, "93.3331");
        check(DynamicBasis::Unit, 1_000_000_000, "1e-3", 3, "0.003");
        check(DynamicBasis::Unit, 1_000_000_000, "0", 3, "0");
    }

    #[test]
    fn an_amount_for_no_units_is_refused() {
        let refused = worth(&terms(DynamicBasis::Total, 1), &attributes("40.2"), &Fraction::ZERO);
        assert_eq!(refused.map_err(|reason| reason.code), Err(ParkCode::UnknownPrice));
    }

    #[test]
    fn a_missing_or_unreadable_price_is_refused_by_name() {
        let terms = terms(DynamicBasis::Unit, 1_000_000_000);
        let missing = price(&terms, &BTreeMap::new()).expect_err("missing");
        assert_eq!(missing.code, ParkCode::UnknownPrice);
        assert!(missing.text.contains("`price`"), "{missing}");
        for text in ["", "cheap", "1,5", "0x10", "NaN", "1_000", "1 EUR"] {
            let refused = price(&terms, &attributes(text)).expect_err(text);
            assert_eq!(refused.code, ParkCode::UnknownPrice);
            assert!(refused.text.contains("`price`"), "{refused}");
        }
    }
}
