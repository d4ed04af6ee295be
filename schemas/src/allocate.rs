//! Largest remainder: the one way a rounded total is divided.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use ethnum::I256;

use crate::Money;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocateError {
    #[error("a total cannot be divided among no weights")]
    NoWeights,
    #[error("all weights are zero")]
    ZeroWeights,
    #[error("weight {index} is negative")]
    NegativeWeight { index: usize },
    #[error("the weights are too large")]
    Overflow,
}

/// Divides `total` in proportion to `weights` by largest remainder on the absolute amount; ties go
/// to the earlier weight. The parts sum to the total for every sign and currency, and dividing the
/// negated total gives the negated parts.
pub fn allocate(total: Money, weights: &[u128]) -> Result<Vec<Money>, AllocateError> {
    let signed: Vec<i128> = weights
        .iter()
        .map(|weight| i128::try_from(*weight).map_err(|_| AllocateError::Overflow))
        .collect::<Result<_, _>>()?;
    allocate_signed(total, &signed)
}

fn allocate_signed(total: Money, weights: &[i128]) -> Result<Vec<Money>, AllocateError> {
    if weights.is_empty() {
        return Err(AllocateError::NoWeights);
    }
    if let Some(index) = weights.iter().position(|weight| *weight < 0) {
        return Err(AllocateError::NegativeWeight { index });
    }
    let overflow = || AllocateError::Overflow;
    let weight_sum = weights
        .iter()
        .try_fold(0_i128, |sum, weight| sum.checked_add(*weight))
        .ok_or_else(overflow)?;
    if weight_sum == 0 {
        return Err(AllocateError::ZeroWeights);
    }
    let magnitude = i128::from(total.minor()).checked_abs().ok_or_else(overflow)?;
    let divisor = I256::from(weight_sum);
    let mut parts = Vec::with_capacity(weights.len());
    let mut given = 0_i128;
    for (index, weight) in weights.iter().enumerate() {
        let product =
            I256::from(magnitude).checked_mul(I256::from(*weight)).ok_or_else(overflow)?;
        let whole = product.checked_div(divisor).ok_or_else(overflow)?;
        let whole = i128::try_from(whole).map_err(|_| AllocateError::Overflow)?;
        let rest = product.checked_rem(divisor).ok_or_else(overflow)?;
        given = given.checked_add(whole).ok_or_else(overflow)?;
        parts.push((index, whole, rest));
    }
    let mut left = magnitude.checked_sub(given).ok_or_else(overflow)?;
    // Fewer units are left than there are parts with a remainder, so each gets at most one.
    parts.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
    for part in &mut parts {
        if left == 0 {
            break;
        }
        part.1 = part.1.checked_add(1).ok_or_else(overflow)?;
        left = left.checked_sub(1).ok_or_else(overflow)?;
    }
    parts.sort_by_key(|part| part.0);
    parts
        .into_iter()
        .map(|(_, whole, _)| {
            let signed = if total.minor() < 0 { whole.checked_neg() } else { Some(whole) };
            signed
                .and_then(|minor| i64::try_from(minor).ok())
                .map(|minor| Money::from_minor(minor, total.currency()))
                .ok_or(AllocateError::Overflow)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Currency;

    #[test]
    fn parts_sum_to_the_total() {
        let euro = Currency::new("EUR").expect("EUR");
        let check = |total: i64, weights: &[u128], expect: &[i64]| {
            let parts = allocate(Money::from_minor(total, euro), weights).expect("allocates");
            let minor: Vec<i64> = parts.iter().map(Money::minor).collect();
            assert_eq!(minor, expect);
            assert_eq!(minor.iter().sum::<i64>(), total);
        };
        check(100, &[1, 1, 1], &[34, 33, 33]);
        check(-100, &[1, 1, 1], &[-34, -33, -33]);
        check(10_000, &[333_330, 666_670], &[3_333, 6_667]);
        check(1, &[333_330, 666_670], &[0, 1]);
        check(5, &[0, 1], &[0, 5]);
        check(i64::MIN, &[1, 1], &[i64::MIN / 2, i64::MIN / 2]);
        let one = Money::from_minor(1, euro);
        assert_eq!(allocate(one, &[]), Err(AllocateError::NoWeights));
        assert_eq!(allocate(one, &[0, 0]), Err(AllocateError::ZeroWeights));
    }
}
