//! [`Money`]: integer minor units with their currency.
//!
//! There is no `From<i64>`, no `Default` and no operator: an amount without a currency and an
//! unchecked sum cannot be written.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Currency;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("{left} and {right} cannot be added: they are different currencies")]
    Currencies { left: Currency, right: Currency },
    #[error("the sum does not fit in 64 bits of minor units of {0}")]
    Overflow(Currency),
    #[error("`{text}` is not an amount of {currency} with at most {decimals} decimals")]
    Text { text: String, currency: Currency, decimals: u8 },
}

/// Minor units of a currency. Serialised as a decimal string, never as a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "MoneyText", into = "MoneyText")]
pub struct Money {
    minor: i64,
    currency: Currency,
}

#[derive(Serialize, Deserialize)]
struct MoneyText {
    amount: String,
    currency: Currency,
}

impl From<Money> for MoneyText {
    fn from(money: Money) -> Self {
        Self { amount: money.to_decimal_text(), currency: money.currency }
    }
}

impl TryFrom<MoneyText> for Money {
    type Error = MoneyError;
    fn try_from(text: MoneyText) -> Result<Self, MoneyError> {
        Money::parse(&text.amount, text.currency)
    }
}

impl Money {
    pub fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Reads `12.34`, with no more decimals than the currency has.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        crate::parse::decimal_to_scaled(text, u32::from(currency.exponent()))
            .map(|minor| Self { minor, currency })
            .map_err(|_| MoneyError::Text {
                text: text.chars().take(40).collect(),
                currency,
                decimals: currency.exponent(),
            })
    }

    pub fn minor(&self) -> i64 {
        self.minor
    }

    pub fn currency(&self) -> Currency {
        self.currency
    }

    pub fn is_zero(&self) -> bool {
        self.minor == 0
    }

    pub fn checked_add(&self, other: &Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies { left: self.currency, right: other.currency });
        }
        let minor =
            self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow(self.currency))?;
        Ok(Self { minor, ..*self })
    }

    pub fn checked_neg(&self) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_neg().ok_or(MoneyError::Overflow(self.currency))?;
        Ok(Self { minor, ..*self })
    }

    pub fn checked_sub(&self, other: &Self) -> Result<Self, MoneyError> {
        self.checked_add(&other.checked_neg()?)
    }

    /// Sums money of one currency; `currency` is the answer's for an empty list.
    pub fn sum<'a>(
        parts: impl IntoIterator<Item = &'a Money>,
        currency: Currency,
    ) -> Result<Self, MoneyError> {
        parts.into_iter().try_fold(Self::zero(currency), |total, part| total.checked_add(part))
    }

    /// `-12.34`, without the currency code and without grouping.
    pub fn to_decimal_text(&self) -> String {
        crate::parse::scaled_to_decimal(self.minor.into(), u32::from(self.currency.exponent()))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal_text(), self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_by_the_currency_exponent() {
        let check = |minor: i64, code: &str, text: &str| {
            let currency = Currency::new(code).expect(code);
            let money = Money::from_minor(minor, currency);
            assert_eq!(money.to_decimal_text(), text);
            assert_eq!(Money::parse(text, currency), Ok(money));
        };
        check(1234, "EUR", "12.34");
        check(-5, "EUR", "-0.05");
        check(1234, "JPY", "1234");
        check(1234, "KWD", "1.234");
        check(i64::MIN, "EUR", "-92233720368547758.08");
        let euro = Currency::new("EUR").expect("EUR");
        assert!(Money::parse("1.234", euro).is_err());
        assert_eq!(Money::parse("1e3", euro), Ok(Money::from_minor(100_000, euro)));
        assert!(Money::parse("12,34", euro).is_err());
    }

    #[test]
    fn currencies_do_not_mix_and_sums_are_checked() {
        let euro = Currency::new("EUR").expect("EUR");
        let yen = Currency::new("JPY").expect("JPY");
        let most = Money::from_minor(i64::MAX, euro);
        assert_eq!(most.checked_add(&Money::from_minor(1, euro)), Err(MoneyError::Overflow(euro)));
        assert!(most.checked_add(&Money::from_minor(1, yen)).is_err());
    }
}
