//! Price models against cases of other systems and worked examples of our own.

pub(crate) mod cases;
mod cloudkitty;
mod counted;
mod events;
mod hashmap;
mod held;
mod properties;
mod support;
mod tiers;

use std::path::PathBuf;

use serde_json::Value;
use turnpike_schemas::{Fraction, parse};

/// Cases that lie beside the project. A checkout alone has none.
pub(crate) fn cases_beside(name: &str) -> Option<Vec<Value>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {name} does not lie beside the project");
        return None;
    };
    let cases: Vec<Value> = serde_json::from_str(&text).expect(name);
    assert!(!cases.is_empty(), "{name} has no cases");
    Some(cases)
}

/// Cases of the same kinds, worked out by hand, and those beside the project.
pub(crate) fn all_cases() -> Vec<Value> {
    let own = include_str!("../../../fixtures/price-cases.json");
    let mut cases: Vec<Value> = serde_json::from_str(own).expect("price-cases.json");
    cases.extend(cases_beside("peers.json").into_iter().flatten());
    cases
}

/// `12.5` as an exact number.
fn decimal(text: &str) -> Fraction {
    let (digits, decimals) = parse::decimal_parts(text).expect(text);
    Fraction::ratio(digits, 10_i128.pow(decimals)).expect(text)
}

/// `12.5` as an integer of 10^-9.
fn nano(text: &str) -> i64 {
    parse::decimal_to_scaled(text, 9).expect(text)
}

/// `12.5` as a quantity of the meter that [`support`] makes.
fn quantity(text: &str) -> i128 {
    nano(text).into()
}
