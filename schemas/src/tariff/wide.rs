//! Integers of 10^-9 that may be larger than 64 bits hold: a bound of 20,000,000,000 requests, an
//! amount in rupiah. Stored as the number they always were where that fits, else as a string, since
//! JSON numbers end at 2^53 for many readers.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

pub fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    match i64::try_from(*value) {
        Ok(small) => serializer.serialize_i64(small),
        Err(_) => serializer.collect_str(value),
    }
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
    optional::deserialize(deserializer)?.ok_or_else(|| D::Error::custom("a number is missing"))
}

/// The same where it may be absent.
pub mod optional {
    use super::{Deserializer, Number, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands the field over so")]
    pub fn serialize<S: Serializer>(
        value: &Option<i128>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i128>, D::Error> {
        deserializer.deserialize_any(Number)
    }
}

struct Number;

impl<'de> Visitor<'de> for Number {
    type Value = Option<i128>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or one in a string")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        value.parse().map(Some).map_err(E::custom)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use crate::tariff::{AdjustmentKind, FeeAmount, PercentTier, PriceModel, Tier, Tiers};

    #[test]
    fn large_numbers_are_stored_and_small_ones_as_before() {
        let tier = |up_to_nano| Tier { up_to_nano, price_nano: 1, flat_nano: 0 };
        let large = 20_000_000_000_000_000_000_i128;
        let tiers = [tier(Some(5)), tier(Some(large)), tier(None)];
        let model = PriceModel::Graduated(Tiers {
            tiers: tiers.to_vec(),
            basis: Default::default(),
            zero_usage: Default::default(),
        });
        let json = serde_json::to_value(&model).expect("is stored");
        let bounds: Vec<String> =
            (0..3).map(|at| json["tiers"][at]["up_to_nano"].to_string()).collect();
        assert_eq!(bounds, ["5", "\"20000000000000000000\"", "null"]);
        assert_eq!(serde_json::from_value::<PriceModel>(json).expect("reads back"), model);
        let fee = FeeAmount::Flat { amount_nano: -large };
        let text = serde_json::to_string(&fee).expect("is stored");
        assert_eq!(serde_json::from_str::<FeeAmount>(&text).expect("reads back"), fee);
        let credit = AdjustmentKind::Credit { amount_nano: large };
        let text = serde_json::to_string(&credit).expect("is stored");
        assert_eq!(serde_json::from_str::<AdjustmentKind>(&text).expect("reads back"), credit);
        let percent = r#"{"rate_nano": 1}"#;
        let percent: PercentTier = serde_json::from_str(percent).expect("an absent bound is none");
        assert_eq!(percent.up_to_nano, None);
        let bad = r#"{"up_to_nano": "1.5", "price_nano": 1}"#;
        assert!(serde_json::from_str::<Tier>(bad).is_err());
    }
}
