//! [`Amount`]: an exact fraction of a currency's major unit, and the one place where it is rounded.
//!
//! Invariants: the denominator is positive, the fraction is in lowest terms, every operation is
//! checked. Width: 256-bit signed on both sides of the fraction; overflow is an error, never a
//! wrong number.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::cmp::Ordering;
use std::fmt;

use ethnum::I256;
use serde::{Deserialize, Serialize};

use crate::{Currency, Fraction, Money};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("the amount does not fit in 256 bits")]
    Overflow,
    #[error("an amount with denominator zero")]
    ZeroDenominator,
    #[error("{left} and {right} cannot be added: they are different currencies")]
    Currencies { left: Currency, right: Currency },
    #[error("the rounded amount does not fit in 64 bits of minor units of {0}")]
    MoneyOverflow(Currency),
    #[error("`{0}` is not an integer of at most 77 digits")]
    Text(String),
}

/// How an exact amount becomes minor units.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// 0.5 goes away from zero, so that a reversal cancels exactly. The default.
    #[default]
    HalfAwayFromZero,
    /// 0.5 goes to the even neighbour; a tariff's setting.
    HalfEven,
}

impl Rounding {
    /// The word in books, documents and explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Rounding::HalfAwayFromZero => "half-away-from-zero",
            Rounding::HalfEven => "half-even",
        }
    }
}

/// An exact amount of money, in major units as a fraction, not yet rounded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "AmountText", into = "AmountText")]
pub struct Amount {
    numerator: I256,
    denominator: I256,
    currency: Currency,
}

#[derive(Serialize, Deserialize)]
struct AmountText {
    numerator: String,
    denominator: String,
    currency: Currency,
}

impl From<Amount> for AmountText {
    fn from(amount: Amount) -> Self {
        Self {
            numerator: amount.numerator.to_string(),
            denominator: amount.denominator.to_string(),
            currency: amount.currency,
        }
    }
}

impl TryFrom<AmountText> for Amount {
    type Error = AmountError;
    fn try_from(text: AmountText) -> Result<Self, AmountError> {
        Amount::from_text(&text.numerator, &text.denominator, text.currency)
    }
}

impl Amount {
    pub fn zero(currency: Currency) -> Self {
        Self { numerator: I256::ZERO, denominator: I256::ONE, currency }
    }

    pub fn new(
        numerator: I256,
        denominator: I256,
        currency: Currency,
    ) -> Result<Self, AmountError> {
        if denominator == I256::ZERO {
            return Err(AmountError::ZeroDenominator);
        }
        let value = checked_fraction(Fraction::new(numerator, denominator))?;
        Ok(Self::from_fraction(value, currency))
    }

    pub fn from_text(
        numerator: &str,
        denominator: &str,
        currency: Currency,
    ) -> Result<Self, AmountError> {
        let parse = |text: &str| {
            text.parse::<I256>().map_err(|_| AmountError::Text(text.chars().take(90).collect()))
        };
        Self::new(parse(numerator)?, parse(denominator)?, currency)
    }

    /// A number of major units.
    pub fn from_fraction(value: Fraction, currency: Currency) -> Self {
        Self { numerator: value.numerator(), denominator: value.denominator(), currency }
    }

    /// The amount as a number of major units.
    pub fn fraction(&self) -> Result<Fraction, AmountError> {
        checked_fraction(Fraction::new(self.numerator, self.denominator))
    }

    /// The amount times a number without a unit: a share, a factor, a number of units.
    pub fn checked_mul(&self, factor: &Fraction) -> Result<Self, AmountError> {
        let product = checked_fraction(self.fraction()?.checked_mul(factor))?;
        Ok(Self::from_fraction(product, self.currency))
    }

    /// What rounded money is worth, exactly.
    pub fn from_money(money: Money) -> Result<Self, AmountError> {
        let currency = money.currency();
        Self::new(I256::from(money.minor()), I256::from(currency.minor_per_major()), currency)
    }

    /// `quantity x price_nano / (divisor x 10^9)`: the exact amount of a quantity at a rate, where
    /// `divisor` holds the base units of a price unit, the scale of the quantity and the seconds of
    /// the rate's `per`.
    pub fn from_price(
        quantity: i128,
        price_nano: i64,
        divisor: i128,
        currency: Currency,
    ) -> Result<Self, AmountError> {
        // Nearly every price and quantity stay within 128 bits.
        let small = quantity
            .checked_mul(i128::from(price_nano))
            .zip(divisor.checked_mul(i128::from(NANO_PER_MAJOR)))
            .filter(|(_, denominator)| *denominator != 0);
        if let Some(value) = small.and_then(|(n, d)| Fraction::ratio(n, d)) {
            return Ok(Self::from_fraction(value, currency));
        }
        let numerator = I256::from(quantity)
            .checked_mul(I256::from(price_nano))
            .ok_or(AmountError::Overflow)?;
        let denominator = I256::from(divisor)
            .checked_mul(I256::from(NANO_PER_MAJOR))
            .ok_or(AmountError::Overflow)?;
        Self::new(numerator, denominator, currency)
    }

    pub fn numerator(&self) -> I256 {
        self.numerator
    }

    pub fn denominator(&self) -> I256 {
        self.denominator
    }

    pub fn currency(&self) -> Currency {
        self.currency
    }

    pub fn is_zero(&self) -> bool {
        self.numerator == I256::ZERO
    }

    pub fn checked_add(&self, other: &Self) -> Result<Self, AmountError> {
        if self.currency != other.currency {
            return Err(AmountError::Currencies { left: self.currency, right: other.currency });
        }
        let common = greatest_common_divisor(self.denominator, other.denominator)?;
        let left_factor = checked(other.denominator.checked_div(common))?;
        let right_factor = checked(self.denominator.checked_div(common))?;
        let left = checked(self.numerator.checked_mul(left_factor))?;
        let right = checked(other.numerator.checked_mul(right_factor))?;
        Self::new(
            checked(left.checked_add(right))?,
            checked(self.denominator.checked_mul(left_factor))?,
            self.currency,
        )
    }

    pub fn checked_neg(&self) -> Result<Self, AmountError> {
        Ok(Self { numerator: checked(self.numerator.checked_neg())?, ..*self })
    }

    pub fn checked_sub(&self, other: &Self) -> Result<Self, AmountError> {
        self.checked_add(&other.checked_neg()?)
    }

    /// Sums amounts of one currency; `currency` is the answer's for an empty list.
    pub fn sum<'a>(
        amounts: impl IntoIterator<Item = &'a Amount>,
        currency: Currency,
    ) -> Result<Self, AmountError> {
        amounts
            .into_iter()
            .try_fold(Self::zero(currency), |total, amount| total.checked_add(amount))
    }

    /// The only road from an exact amount to money.
    pub fn round(&self, rounding: Rounding) -> Result<Money, AmountError> {
        let minor_per_major = I256::from(self.currency.minor_per_major());
        let scaled = checked(self.numerator.checked_mul(minor_per_major))?;
        let whole = checked(scaled.checked_div(self.denominator))?;
        let rest = checked(scaled.checked_rem(self.denominator))?;
        let twice = checked(checked(rest.checked_abs())?.checked_mul(I256::from(2_i64)))?;
        let away = match (twice.cmp(&self.denominator), rounding) {
            (Ordering::Less, _) => false,
            (Ordering::Greater, _) | (Ordering::Equal, Rounding::HalfAwayFromZero) => true,
            (Ordering::Equal, Rounding::HalfEven) => {
                checked(whole.checked_rem(I256::from(2_i64)))? != I256::ZERO
            }
        };
        let step = if !away {
            I256::ZERO
        } else if self.numerator.is_negative() {
            I256::MINUS_ONE
        } else {
            I256::ONE
        };
        let minor = checked(whole.checked_add(step))?;
        let minor = i64::try_from(minor).map_err(|_| AmountError::MoneyOverflow(self.currency))?;
        Ok(Money::from_minor(minor, self.currency))
    }

    /// The amount in decimals, for people: exact where it ends within `digits_max` decimals, else
    /// cut there and marked with `…`.
    pub fn to_decimal_text(&self, digits_max: u32) -> String {
        self.decimal_text(digits_max).unwrap_or_else(|| self.to_string())
    }

    fn decimal_text(&self, digits_max: u32) -> Option<String> {
        let ten = I256::from(10_i64);
        let magnitude = self.numerator.checked_abs()?;
        let mut text = String::new();
        if self.numerator.is_negative() {
            text.push('-');
        }
        text.push_str(&magnitude.checked_div(self.denominator)?.to_string());
        let mut rest = magnitude.checked_rem(self.denominator)?;
        let mut decimals = String::new();
        for _ in 0..digits_max {
            if rest == I256::ZERO {
                break;
            }
            let scaled = rest.checked_mul(ten)?;
            decimals.push_str(&scaled.checked_div(self.denominator)?.to_string());
            rest = scaled.checked_rem(self.denominator)?;
        }
        if !decimals.is_empty() {
            text.push('.');
            text.push_str(&decimals);
        }
        if rest != I256::ZERO {
            text.push('…');
        }
        Some(text)
    }
}

/// Nano-currency in one major unit.
pub const NANO_PER_MAJOR: i64 = 1_000_000_000;

fn checked_fraction(value: Option<Fraction>) -> Result<Fraction, AmountError> {
    value.ok_or(AmountError::Overflow)
}

fn checked(value: Option<I256>) -> Result<I256, AmountError> {
    value.ok_or(AmountError::Overflow)
}

pub(crate) fn greatest_common_divisor(left: I256, right: I256) -> Result<I256, AmountError> {
    let mut a = checked(left.checked_abs())?;
    let mut b = checked(right.checked_abs())?;
    while b != I256::ZERO {
        // The operands of nearly every amount soon fit in 128 bits, where division is a hundred
        // times faster than in 256.
        if let (Ok(small_a), Ok(small_b)) = (u128::try_from(a), u128::try_from(b)) {
            return Ok(I256::from(greatest_common_divisor_u128(small_a, small_b)));
        }
        (a, b) = (b, checked(a.checked_rem(b))?);
    }
    Ok(if a == I256::ZERO { I256::ONE } else { a })
}

/// By shifts and differences: a division of 128 bits costs as much as ten of their steps. At least 1.
pub(crate) fn greatest_common_divisor_u128(a: u128, b: u128) -> u128 {
    if a == 0 || b == 0 {
        return a.max(b).max(1);
    }
    let twos = (a | b).trailing_zeros();
    let mut odd = a.wrapping_shr(a.trailing_zeros());
    let mut rest = b.wrapping_shr(b.trailing_zeros());
    while odd != rest {
        if let Some(found) = small_common_divisor(odd.min(rest), odd.max(rest)) {
            return u128::from(found).wrapping_shl(twos);
        }
        let least = odd.min(rest);
        rest = odd.max(rest).wrapping_sub(least);
        rest = rest.wrapping_shr(rest.trailing_zeros());
        odd = least;
    }
    odd.wrapping_shl(twos)
}

/// Of two odd numbers, once the smaller one fits in 64 bits: one division brings the other there.
#[inline]
fn small_common_divisor(least: u128, most: u128) -> Option<u64> {
    let least = u64::try_from(least).ok()?;
    let most = match u64::try_from(most) {
        Ok(most) => most,
        Err(_) => u64::try_from(most.checked_rem(u128::from(least))?).ok()?,
    };
    if most == 0 {
        return Some(least);
    }
    Some(odd_common_divisor(least, most.wrapping_shr(most.trailing_zeros())))
}

/// Of two odd numbers.
fn odd_common_divisor(mut odd: u64, mut rest: u64) -> u64 {
    while odd != rest {
        let least = odd.min(rest);
        rest = odd.max(rest).wrapping_sub(least);
        rest = rest.wrapping_shr(rest.trailing_zeros());
        odd = least;
    }
    odd
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.numerator, self.denominator, self.currency)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur() -> Currency {
        Currency::new("EUR").expect("EUR")
    }

    fn fraction(numerator: i64, denominator: i64) -> Amount {
        Amount::new(I256::from(numerator), I256::from(denominator), eur()).expect("fraction")
    }

    #[test]
    fn the_common_divisor_is_euclids() {
        let mut seed = 7_u128;
        let mut next = |bits: u32| {
            seed = seed.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
            seed >> (128 - bits)
        };
        for round in 0..3_000 {
            let shared = next(1 + round % 40).max(1);
            let a = next(1 + round % 88).wrapping_mul(shared);
            let b = next(1 + round % 61).wrapping_mul(shared);
            let (mut x, mut y) = (a, b);
            while y != 0 {
                (x, y) = (y, x % y);
            }
            assert_eq!(greatest_common_divisor_u128(a, b), x.max(1), "{a} {b}");
        }
        assert_eq!(greatest_common_divisor_u128(1 << 127, 1 << 126), 1 << 126);
        assert_eq!(greatest_common_divisor_u128(u128::MAX, u128::MAX), u128::MAX);
    }

    #[test]
    fn rounds_halves_by_the_named_rule() {
        let check = |numerator: i64, denominator: i64, away: i64, even: i64| {
            let amount = fraction(numerator, denominator);
            let minor = |rule| amount.round(rule).expect("rounds").minor();
            assert_eq!(minor(Rounding::HalfAwayFromZero), away, "{amount}");
            assert_eq!(minor(Rounding::HalfEven), even, "{amount}");
        };
        check(1, 200, 1, 0);
        check(3, 200, 2, 2);
        check(-1, 200, -1, 0);
        check(-3, 200, -2, -2);
        check(1, 3, 33, 33);
        check(2, 3, 67, 67);
        check(1_499_999, 100_000_000, 1, 1);
        check(1_500_001, 100_000_000, 2, 2);
        check(0, 7, 0, 0);
    }

    #[test]
    fn an_hourly_price_per_second_is_exact() {
        // 0.0416 EUR per hour for 1 second of 1 vCPU at scale 6.
        let amount =
            Amount::from_price(1_000_000, 41_600_000, 1_000_000 * 3_600, eur()).expect("price");
        assert_eq!(amount.to_string(), "13/1125000 EUR");
        let hour = (0..3_600).try_fold(Amount::zero(eur()), |sum, _| sum.checked_add(&amount));
        assert_eq!(hour.expect("sum"), fraction(416, 10_000));
    }

    #[test]
    fn overflow_is_an_error() {
        let big = Amount::new(I256::MAX, I256::ONE, eur()).expect("big");
        assert_eq!(big.checked_add(&big), Err(AmountError::Overflow));
        let large = Amount::new(I256::from(i64::MAX), I256::ONE, eur()).expect("large");
        assert_eq!(large.round(Rounding::default()), Err(AmountError::MoneyOverflow(eur())));
        let yen = Amount::zero(Currency::new("JPY").expect("JPY"));
        assert!(matches!(yen.checked_add(&large), Err(AmountError::Currencies { .. })));
    }

    #[test]
    fn decimals_for_people_say_when_they_are_cut() {
        assert_eq!(fraction(1, 3).to_decimal_text(6), "0.333333…");
        assert_eq!(fraction(-5, 4).to_decimal_text(6), "-1.25");
        assert_eq!(fraction(7, 1).to_decimal_text(6), "7");
    }
}
