//! [`WideSum`]: an exact sum of fractions that cannot overflow, and [`Total`], what is shown of it.
//!
//! One amount has 256 bits for each of its parts. Sums over many accounts can need more: amounts
//! that were scaled by a share have denominators with nothing in common, and their common one grows
//! with each of them. What does not fit is kept apart, by denominator, in integers without a bound.
//!
//! Invariants: adding never fails and never loses anything; what comes out as exact is the sum to
//! the last integer, and what does not fit is the sum to [`CUT_DECIMALS`] decimals, rounded towards
//! zero and marked, never a wrong number.

use std::collections::BTreeMap;
use std::fmt;

use ethnum::I256;
use num_bigint::{BigInt, Sign};

use crate::{Amount, Currency, Fraction};

/// Decimals of a sum that is not shown exactly. Far below what any rounding of money looks at.
pub const CUT_DECIMALS: u32 = 30;
/// Bits of a common denominator up to which a sum is worked out as one fraction. Above, it would
/// have to cancel down to 256 for the sum to be shown exactly; with a million denominators the
/// common one could have a hundred million.
const COMMON_BITS_MAX: u64 = 16_384;
/// Decimals to which parts are worked out where there is no common denominator: each is off by less
/// than one of the last, so that a sum of 10^19 parts is right far beyond [`CUT_DECIMALS`].
const PART_DECIMALS: [u32; 3] = [80, 160, 320];

/// A sum of fractions.
#[derive(Clone)]
pub struct WideSum {
    /// As long as it fits.
    near: Fraction,
    /// Sums of numerators by denominator.
    rest: Option<BTreeMap<I256, BigInt>>,
}

/// A sum as it is shown: the amount itself, or where that does not fit, cut and marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    pub amount: Amount,
    /// `false`: rounded towards zero at [`CUT_DECIMALS`] decimals.
    pub is_exact: bool,
}

impl Default for WideSum {
    fn default() -> Self {
        Self { near: Fraction::ZERO, rest: None }
    }
}

impl WideSum {
    pub fn of<'a>(amounts: impl IntoIterator<Item = &'a Amount>) -> Self {
        let mut sum = Self::default();
        for amount in amounts {
            sum.add_amount(amount);
        }
        sum
    }

    pub fn add(&mut self, value: &Fraction) {
        match self.near.checked_add(value) {
            Some(near) => self.near = near,
            None => self.add_apart(value.denominator(), wide(value.numerator())),
        }
    }

    /// Adds an amount of the sum's currency, which the caller knows.
    pub fn add_amount(&mut self, amount: &Amount) {
        self.add_parts(amount.numerator(), amount.denominator());
    }

    /// Adds a fraction in any terms. Its denominator is above zero.
    pub fn add_parts(&mut self, numerator: I256, denominator: I256) {
        match Fraction::new(numerator, denominator) {
            Some(value) => self.add(&value),
            None => self.add_apart(denominator, wide(numerator)),
        }
    }

    pub fn add_sum(&mut self, other: &Self) {
        self.add(&other.near);
        for (denominator, numerator) in other.rest.iter().flat_map(|rest| rest.iter()) {
            self.add_apart(*denominator, numerator.clone());
        }
    }

    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        match other.near.checked_neg() {
            Some(near) => sum.add(&near),
            None => sum.add_apart(other.near.denominator(), -wide(other.near.numerator())),
        }
        for (denominator, numerator) in other.rest.iter().flat_map(|rest| rest.iter()) {
            sum.add_apart(*denominator, -numerator.clone());
        }
        sum
    }

    fn add_apart(&mut self, denominator: I256, numerator: BigInt) {
        *self.rest.get_or_insert_default().entry(denominator).or_default() += numerator;
    }

    /// The sum as a number, and whether it is exact.
    pub fn value(&self) -> (Fraction, bool) {
        let Some(rest) = &self.rest else { return (self.near, true) };
        let near = (self.near.denominator(), wide(self.near.numerator()));
        let parts = || {
            let rest = rest.iter().map(|(denominator, numerator)| (*denominator, numerator));
            std::iter::once((near.0, &near.1)).chain(rest)
        };
        let Some((numerator, denominator)) = common(parts()) else {
            return (cut_parts(parts()), false);
        };
        let divisor = greatest_common_divisor(&numerator, &denominator);
        let (numerator, denominator) = (numerator / &divisor, denominator / &divisor);
        let fits = narrow(&numerator).zip(narrow(&denominator));
        match fits.and_then(|(numerator, denominator)| Fraction::new(numerator, denominator)) {
            Some(value) => (value, true),
            None => (shown(|decimals| numerator.clone() * ten_to(decimals) / &denominator), false),
        }
    }

    pub fn total(&self, currency: Currency) -> Total {
        let (value, is_exact) = self.value();
        Total { amount: Amount::from_fraction(value, currency), is_exact }
    }
}

/// The same number, however it was added up; a sum that is cut equals none.
impl PartialEq for WideSum {
    fn eq(&self, other: &Self) -> bool {
        self.less(other).value() == (Fraction::ZERO, true)
    }
}

impl fmt::Debug for WideSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, is_exact) = self.value();
        write!(f, "{value:?}{}", if is_exact { "" } else { "…" })
    }
}

impl Total {
    pub fn zero(currency: Currency) -> Self {
        Self { amount: Amount::zero(currency), is_exact: true }
    }

    pub fn currency(&self) -> Currency {
        self.amount.currency()
    }

    /// [`Amount::to_decimal_text`], marked with `…` where the sum is cut.
    pub fn to_decimal_text(&self, digits_max: u32) -> String {
        let text = self.amount.to_decimal_text(digits_max);
        if self.is_exact || text.ends_with('…') { text } else { format!("{text}…") }
    }
}

impl From<Amount> for Total {
    fn from(amount: Amount) -> Self {
        Self { amount, is_exact: true }
    }
}

type Part<'a> = (I256, &'a BigInt);

/// The sum over its least common denominator, where that stays within bounds.
fn common<'a>(parts: impl Iterator<Item = Part<'a>>) -> Option<(BigInt, BigInt)> {
    let (mut numerator, mut denominator) = (BigInt::ZERO, BigInt::from(1));
    for (other, part) in parts {
        let other = wide(other);
        let divisor = greatest_common_divisor(&denominator, &other);
        let factor = &other / &divisor;
        numerator = numerator * &factor + part * (&denominator / &divisor);
        denominator *= factor;
        if denominator.bits() > COMMON_BITS_MAX {
            return None;
        }
    }
    Some((numerator, denominator))
}

/// The sum cut at [`CUT_DECIMALS`] decimals, from parts that are each cut far beyond them.
fn cut_parts<'a>(parts: impl Iterator<Item = Part<'a>> + Clone) -> Fraction {
    let at = |more: u32, decimals: u32| {
        let scale = ten_to(more);
        let (mut low, mut count) = (BigInt::ZERO, BigInt::ZERO);
        for (denominator, numerator) in parts.clone() {
            low += floor(numerator * &scale, &wide(denominator));
            count += 1;
        }
        // The sum lies from `low` on, less than `count` above it.
        let step = ten_to(more - decimals.min(more));
        (&low / &step, (low + count) / &step)
    };
    shown(|decimals| {
        let mut found = BigInt::ZERO;
        for more in PART_DECIMALS {
            let (low, high) = at(more, decimals);
            found = low;
            if found == high {
                break;
            }
        }
        found
    })
}

/// A number of which `cut(n)` is the integer of 10^-n, rounded towards zero: with as many decimals
/// as fit. Where not even the whole units fit, the largest number there is.
fn shown(cut: impl Fn(u32) -> BigInt) -> Fraction {
    for decimals in [CUT_DECIMALS, 9, 0] {
        let denominator = narrow(&ten_to(decimals));
        let found = narrow(&cut(decimals))
            .zip(denominator)
            .and_then(|(numerator, denominator)| Fraction::new(numerator, denominator));
        if let Some(found) = found {
            return found;
        }
    }
    let most = if cut(0).sign() == Sign::Minus { -I256::MAX } else { I256::MAX };
    Fraction::new(most, I256::ONE).unwrap_or(Fraction::ZERO)
}

fn ten_to(power: u32) -> BigInt {
    BigInt::from(10).pow(power)
}

/// Rounded down, below zero too; of a positive denominator.
fn floor(numerator: BigInt, denominator: &BigInt) -> BigInt {
    let whole = &numerator / denominator;
    if numerator.sign() == Sign::Minus && &whole * denominator != numerator {
        whole - 1
    } else {
        whole
    }
}

fn greatest_common_divisor(left: &BigInt, right: &BigInt) -> BigInt {
    let (mut a, mut b) = (left.clone(), right.clone());
    while b != BigInt::ZERO {
        let rest = a % &b;
        a = std::mem::replace(&mut b, rest);
    }
    if a == BigInt::ZERO { BigInt::from(1) } else { BigInt::from(a.magnitude().clone()) }
}

fn wide(value: I256) -> BigInt {
    BigInt::from_signed_bytes_le(&value.to_le_bytes())
}

fn narrow(value: &BigInt) -> Option<I256> {
    let bytes = value.to_signed_bytes_le();
    let sign = if value.sign() == Sign::Minus { u8::MAX } else { 0 };
    let mut filled = [sign; 32];
    filled.get_mut(..bytes.len())?.copy_from_slice(&bytes);
    Some(I256::from_le_bytes(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(numerator: I256, denominator: I256) -> Fraction {
        Fraction::new(numerator, denominator).expect("a fraction")
    }

    fn prime(index: usize) -> I256 {
        // Primes below 2^127, so that three of them have no common denominator in 256 bits.
        const BELOW: [u128; 4] = [1, 25, 39, 295];
        I256::from((1_u128 << 127) - BELOW[index])
    }

    #[test]
    fn small_sums_are_those_of_fractions() {
        let mut sum = WideSum::default();
        for (numerator, denominator) in [(1, 3), (1, 6), (-5, 4)] {
            sum.add(&Fraction::ratio(numerator, denominator).expect("a fraction"));
        }
        assert_eq!(sum.value(), (Fraction::ratio(-3, 4).expect("a fraction"), true));
        assert!(sum.rest.is_none());
    }

    #[test]
    fn what_does_not_fit_is_kept_and_comes_back() {
        let parts: Vec<Fraction> = (0..4).map(|at| fraction(I256::ONE, prime(at))).collect();
        let mut sum = WideSum::default();
        parts.iter().for_each(|part| sum.add(part));
        let (value, is_exact) = sum.value();
        assert!(!is_exact);
        // Four times about 2^-127, which is 5.877e-39: nothing in 30 decimals.
        assert_eq!(value, Fraction::ZERO);
        // All but one taken away again: exact, in whatever order.
        for part in &parts[1..] {
            sum.add(&part.checked_neg().expect("a fraction"));
        }
        assert_eq!(sum.value(), (parts[0], true));
        let mut other = WideSum::default();
        parts.iter().rev().for_each(|part| other.add(part));
        let mut first = WideSum::default();
        first.add(&parts[0]);
        let rest = other.less(&first);
        let mut whole = rest.clone();
        whole.add_sum(&first);
        assert_eq!(whole.less(&rest).value(), (parts[0], true));
        assert_eq!(first, whole.less(&rest));
    }

    #[test]
    fn cut_sums_are_rounded_towards_zero_and_marked() {
        // 1/3 and three parts of about 10^-39: 0.333... to 30 decimals, either sign.
        let eur = Currency::new("EUR").expect("EUR");
        for sign in [I256::ONE, I256::MINUS_ONE] {
            let mut sum = WideSum::default();
            sum.add(&fraction(sign, I256::from(3)));
            (0..4).for_each(|at| sum.add(&fraction(sign, prime(at))));
            let total = sum.total(eur);
            let sign = if sign == I256::ONE { "" } else { "-" };
            assert!(!total.is_exact);
            assert_eq!(total.to_decimal_text(40), format!("{sign}0.{}…", "3".repeat(30)));
            assert_eq!(total.to_decimal_text(4), format!("{sign}0.3333…"));
        }
    }

    #[test]
    fn many_denominators_are_summed_in_bounded_time() {
        // 2,000 denominators of 127 bits without a common divisor would make one of 250,000 bits.
        // Each part lies between 2^-126 and 2^-127 above 1/1000, so that the sum is 2.000 and a little.
        let mut sum = WideSum::default();
        let mut seed = 1_u128;
        for _ in 0..2_000 {
            seed = seed.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(99);
            let denominator = I256::from(seed >> 1 | 1 << 126 | 1);
            sum.add(&Fraction::ratio(1, 1_000).expect("a fraction"));
            sum.add(&fraction(I256::ONE, denominator));
        }
        assert_eq!(sum.value(), (Fraction::whole(2), false));
        assert_eq!(WideSum::default().less(&sum).value(), (Fraction::whole(-2), false));
    }

    #[test]
    fn numbers_beyond_256_bits_are_as_large_as_they_can_be() {
        let most = fraction(I256::MAX, I256::ONE);
        let mut sum = WideSum::default();
        sum.add(&most);
        sum.add(&most);
        assert_eq!(sum.value(), (most, false));
        let back = sum.less(&{
            let mut one = WideSum::default();
            one.add(&most);
            one
        });
        assert_eq!(back.value(), (most, true));
        let least = fraction(-I256::MAX, I256::ONE);
        let mut below = WideSum::default();
        below.add(&least);
        below.add(&Fraction::whole(-2));
        assert_eq!(below.value(), (fraction(-I256::MAX, I256::ONE), false));
        for value in [I256::MIN, I256::MAX, I256::ZERO, I256::MINUS_ONE] {
            assert_eq!(narrow(&wide(value)), Some(value));
        }
    }
}
