//! [`Fraction`]: an exact number without a unit, for quantities in price units, shares and ratios.
//!
//! Invariants: the denominator is positive, the fraction is in lowest terms, every operation is
//! checked; overflow of 256 bits is `None`, never a wrong number.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::cmp::Ordering;
use std::fmt;

use ethnum::I256;

use crate::amount::{greatest_common_divisor, greatest_common_divisor_u128};

/// An exact number: numerator over denominator, in lowest terms.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fraction {
    numerator: I256,
    denominator: I256,
}

/// How a number becomes a multiple of a step.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum RoundTo {
    /// Away from zero: every started step counts.
    Up,
    /// Toward zero: only whole steps count.
    Down,
    HalfAwayFromZero,
    HalfEven,
}

impl Fraction {
    pub const ZERO: Self = Self { numerator: I256::ZERO, denominator: I256::ONE };
    pub const ONE: Self = Self { numerator: I256::ONE, denominator: I256::ONE };

    pub fn new(numerator: I256, denominator: I256) -> Option<Self> {
        if denominator == I256::ZERO {
            return None;
        }
        // Nearly every number fits in 128 bits, where division is many times faster than in 256.
        if let (Ok(small), Ok(small_denominator)) =
            (i128::try_from(numerator), i128::try_from(denominator))
            && let Some(found) = Self::small(small, small_denominator)
        {
            return Some(found);
        }
        let divisor = greatest_common_divisor(numerator, denominator).ok()?;
        let divisor = if denominator.is_negative() { divisor.checked_neg()? } else { divisor };
        Some(Self {
            numerator: numerator.checked_div(divisor)?,
            denominator: denominator.checked_div(divisor)?,
        })
    }

    /// `None` where a part does not fit.
    fn small(numerator: i128, denominator: i128) -> Option<Self> {
        let divisor =
            greatest_common_divisor_u128(numerator.unsigned_abs(), denominator.unsigned_abs());
        let divisor = i128::try_from(divisor).ok()?;
        let divisor = if denominator < 0 { divisor.checked_neg()? } else { divisor };
        if divisor == 1 {
            let (numerator, denominator) = (I256::from(numerator), I256::from(denominator));
            return Some(Self { numerator, denominator });
        }
        Some(Self {
            numerator: I256::from(numerator.checked_div(divisor)?),
            denominator: I256::from(denominator.checked_div(divisor)?),
        })
    }

    pub fn ratio(numerator: i128, denominator: i128) -> Option<Self> {
        Self::new(I256::from(numerator), I256::from(denominator))
    }

    pub fn whole(value: i128) -> Self {
        Self { numerator: I256::from(value), denominator: I256::ONE }
    }

    /// An integer of 10^-9: prices, tier bounds, factors.
    pub fn nano(value: impl Into<i128>) -> Self {
        Self::ratio(value.into(), 1_000_000_000).unwrap_or(Self::ZERO)
    }

    /// An integer of 10^-decimals; `None` from 10^-38 on.
    pub fn decimal(value: i128, decimals: u32) -> Option<Self> {
        Self::ratio(value, 10_i128.checked_pow(decimals)?)
    }

    pub fn numerator(&self) -> I256 {
        self.numerator
    }

    pub fn denominator(&self) -> I256 {
        self.denominator
    }

    pub fn is_zero(&self) -> bool {
        self.numerator == I256::ZERO
    }

    pub fn is_negative(&self) -> bool {
        self.numerator.is_negative()
    }

    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        if self.denominator == other.denominator {
            let sum = self.numerator.checked_add(other.numerator)?;
            if self.denominator == I256::ONE {
                return Some(Self { numerator: sum, denominator: I256::ONE });
            }
            return Self::new(sum, self.denominator);
        }
        let common = greatest_common_divisor(self.denominator, other.denominator).ok()?;
        let left_factor = other.denominator.checked_div(common)?;
        let right_factor = self.denominator.checked_div(common)?;
        let left = self.numerator.checked_mul(left_factor)?;
        let right = other.numerator.checked_mul(right_factor)?;
        Self::new(left.checked_add(right)?, self.denominator.checked_mul(left_factor)?)
    }

    pub fn checked_neg(&self) -> Option<Self> {
        Some(Self { numerator: self.numerator.checked_neg()?, ..*self })
    }

    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        self.checked_add(&other.checked_neg()?)
    }

    pub fn checked_mul(&self, other: &Self) -> Option<Self> {
        // Crosswise in lowest terms first, so that the products stay as small as they can.
        let left = Self::new(self.numerator, other.denominator)?;
        let right = Self::new(other.numerator, self.denominator)?;
        Some(Self {
            numerator: left.numerator.checked_mul(right.numerator)?,
            denominator: left.denominator.checked_mul(right.denominator)?,
        })
    }

    pub fn checked_div(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let inverse = Self::new(other.denominator, other.numerator)?;
        self.checked_mul(&inverse)
    }

    /// The whole number that this rounds to.
    pub fn round(&self, to: RoundTo) -> Option<I256> {
        let whole = self.numerator.checked_div(self.denominator)?;
        let rest = self.numerator.checked_rem(self.denominator)?;
        if rest == I256::ZERO {
            return Some(whole);
        }
        let twice = rest.checked_abs()?.checked_mul(I256::from(2_i64))?;
        let odd = whole.checked_rem(I256::from(2_i64))? != I256::ZERO;
        let away = match (to, twice.cmp(&self.denominator)) {
            (RoundTo::Up, _) => true,
            (RoundTo::Down, _) => false,
            (_, Ordering::Greater) => true,
            (_, Ordering::Less) => false,
            (RoundTo::HalfAwayFromZero, Ordering::Equal) => true,
            (RoundTo::HalfEven, Ordering::Equal) => odd,
        };
        if !away {
            return Some(whole);
        }
        let step = if self.is_negative() { I256::MINUS_ONE } else { I256::ONE };
        whole.checked_add(step)
    }

    /// Rounded to a multiple of `step`, which is positive.
    pub fn round_to_step(&self, step: &Self, to: RoundTo) -> Option<Self> {
        let steps = self.checked_div(step)?.round(to)?;
        step.checked_mul(&Self { numerator: steps, denominator: I256::ONE })
    }

    /// Rounded to a number of decimals.
    pub fn round_decimals(&self, decimals: u32, to: RoundTo) -> Option<Self> {
        let step = Self::ratio(1, 10_i128.checked_pow(decimals)?)?;
        self.round_to_step(&step, to)
    }

    pub fn min(self, other: Self) -> Self {
        if self <= other { self } else { other }
    }

    pub fn max(self, other: Self) -> Self {
        if self >= other { self } else { other }
    }

    /// As an integer of 10^-scale, where the fraction ends within `scale_max` decimals: the least
    /// scale from `scale` on.
    pub fn to_scaled(&self, scale: u32, scale_max: u32) -> Option<(i128, u32)> {
        let scale = scale.max(self.decimals()?);
        if scale > scale_max {
            return None;
        }
        let factor = I256::from(10_i128.checked_pow(scale)?);
        let scaled = self.numerator.checked_mul(factor)?.checked_div(self.denominator)?;
        Some((i128::try_from(scaled).ok()?, scale))
    }

    /// How many decimals it has; `None` where they never end. In lowest terms they end where the
    /// denominator has no prime factors but two and five.
    fn decimals(&self) -> Option<u32> {
        let twos = self.denominator.trailing_zeros();
        let mut rest = self.denominator.checked_shr(twos)?;
        let (five, mut fives) = (I256::from(5), 0_u32);
        while rest.checked_rem(five)? == I256::ZERO {
            rest = rest.checked_div(five)?;
            fives = fives.checked_add(1)?;
        }
        (rest == I256::ONE).then(|| twos.max(fives))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.denominator == other.denominator {
            return self.numerator.cmp(&other.numerator);
        }
        let crossed = || {
            let left = self.numerator.checked_mul(other.denominator)?;
            Some(left.cmp(&other.numerator.checked_mul(self.denominator)?))
        };
        // Where the products do not fit: compare whole parts, then the inverses of what is left.
        crossed().unwrap_or_else(|| compare_by_parts(self, other))
    }
}

fn compare_by_parts(left: &Fraction, right: &Fraction) -> Ordering {
    let parts = |fraction: &Fraction| {
        let whole = fraction.numerator.div_euclid(fraction.denominator);
        (whole, fraction.numerator.rem_euclid(fraction.denominator))
    };
    let ((left_whole, left_rest), (right_whole, right_rest)) = (parts(left), parts(right));
    left_whole.cmp(&right_whole).then_with(|| {
        match (left_rest == I256::ZERO, right_rest == I256::ZERO) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                let inverse = |denominator, numerator| Fraction {
                    numerator: denominator,
                    denominator: numerator,
                };
                inverse(right.denominator, right_rest).cmp(&inverse(left.denominator, left_rest))
            }
        }
    })
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == I256::ONE {
            return write!(f, "{}", self.numerator);
        }
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

impl fmt::Debug for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(numerator: i128, denominator: i128) -> Fraction {
        Fraction::ratio(numerator, denominator).expect("fraction")
    }

    #[test]
    fn rounding_follows_its_word_on_both_sides_of_zero() {
        let check = |n: i128, d: i128, up: i64, down: i64, away: i64, even: i64| {
            let value = fraction(n, d);
            let round = |to| value.round(to).expect("rounds");
            assert_eq!(round(RoundTo::Up), I256::from(up), "{value} up");
            assert_eq!(round(RoundTo::Down), I256::from(down), "{value} down");
            assert_eq!(round(RoundTo::HalfAwayFromZero), I256::from(away), "{value} away");
            assert_eq!(round(RoundTo::HalfEven), I256::from(even), "{value} even");
        };
        check(5, 2, 3, 2, 3, 2);
        check(7, 2, 4, 3, 4, 4);
        check(-5, 2, -3, -2, -3, -2);
        check(4, 2, 2, 2, 2, 2);
        check(1, 3, 1, 0, 0, 0);
        check(-2, 3, -1, 0, -1, -1);
    }

    #[test]
    fn arithmetic_is_exact_and_ordered() {
        let third = fraction(1, 3);
        let sum = third.checked_add(&fraction(1, 6)).expect("sum");
        assert_eq!(sum, fraction(1, 2));
        assert_eq!(sum.checked_div(&third), Some(fraction(3, 2)));
        assert_eq!(third.checked_sub(&third), Some(Fraction::ZERO));
        assert!(fraction(-1, 2) < Fraction::ZERO && third < sum);
        assert!(sum.checked_div(&Fraction::ZERO).is_none());
        assert_eq!(
            fraction(14, 10).round_to_step(&Fraction::ONE, RoundTo::Up),
            Some(fraction(2, 1))
        );
    }

    #[test]
    fn wide_fractions_still_compare() {
        let large = Fraction::new(I256::MAX, I256::from(3_i64)).expect("fraction");
        let larger = Fraction::new(I256::MAX, I256::from(2_i64)).expect("fraction");
        assert_eq!(compare_by_parts(&large, &larger), Ordering::Less);
        assert_eq!(compare_by_parts(&fraction(1, 3), &fraction(2, 6)), Ordering::Equal);
        assert_eq!(compare_by_parts(&fraction(-1, 3), &fraction(1, 3)), Ordering::Less);
        assert_eq!(compare_by_parts(&fraction(3, 7), &fraction(2, 5)), Ordering::Greater);
    }

    #[test]
    fn scaled_integers_are_found_where_the_fraction_ends() {
        assert_eq!(fraction(1, 4).to_scaled(0, 9), Some((25, 2)));
        assert_eq!(fraction(3, 1).to_scaled(2, 9), Some((300, 2)));
        assert_eq!(fraction(1, 3).to_scaled(0, 9), None);
    }
}
