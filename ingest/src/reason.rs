//! Why a record is a dead letter: stable codes that operators filter, count and alert on.

/// One reason, with what an operator should know about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    pub code: &'static str,
    pub meaning: &'static str,
}

macro_rules! reasons {
    ($($name:ident = $code:literal : $meaning:literal;)+) => {
        $(#[doc = $meaning] pub const $name: &str = $code;)+

        /// Every reason for a dead letter.
        pub const ALL: &[Reason] = &[$(Reason { code: $code, meaning: $meaning }),+];
    };
}

reasons! {
    TOO_LARGE = "too_large": "The record is longer than the limit; its start, length and SHA-256 are kept.";
    EMPTY = "empty": "The record has no value (a Kafka tombstone) or only white space.";
    GAP = "gap": "Offsets that retention removed before they were read; one row declares a whole range.";
    NOT_UTF8 = "not_utf8": "The value is not UTF-8.";
    CONTENT_TYPE = "content_type": "The CloudEvent is in a format other than JSON.";
    JSON_INVALID = "json_invalid": "The value, or JSON that it carries as text, cannot be parsed.";
    JSON_TOO_DEEP = "json_too_deep": "The JSON is nested more deeply than any known format.";
    NOT_AN_OBJECT = "not_an_object": "The value is JSON, but no object.";
    UNRECOGNISED = "unrecognised": "A well-formed object that no adapter knows.";
    MISSING_FIELD = "missing_field": "A field that the format requires is absent or null.";
    INVALID_FIELD = "invalid_field": "A field is unknown, of the wrong type, or contradicts another.";
    INVALID_ID = "invalid_id": "An id is empty, too long or holds control characters.";
    BAD_TIME = "bad_time": "A time is in none of the accepted forms.";
    TIME_RANGE = "time_range": "A time lies outside the years 1970 to 2999.";
    FUTURE_TIME = "future_time": "A time lies more than five minutes in the future.";
    BAD_WINDOW = "bad_window": "A window ends before it starts, holds less seconds than claimed, or touches too many months.";
    UNKNOWN_STATE = "unknown_state": "A state that this version does not know.";
    UNKNOWN_UNIT = "unknown_unit": "A unit that the meter does not have.";
    QUANTITY_INVALID = "quantity_invalid": "A quantity is not a decimal number.";
    QUANTITY_RANGE = "quantity_range": "A quantity does not fit in 64 bits at its meter's scale.";
    QUANTITY_PRECISION = "quantity_precision": "A quantity would have to be rounded to its meter's scale.";
    QUANTITY_NEGATIVE = "quantity_negative": "A quantity is negative.";
    DUPLICATE_METER = "duplicate_meter": "An event states one meter twice.";
    LABELS_TOO_LARGE = "labels_too_large": "Attributes or tags exceed their limits.";
}

/// Not a dead letter: an accepted event that meters nothing.
pub const UNMETERED: &str = "unmetered";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_words() {
        let codes: std::collections::BTreeSet<&str> =
            ALL.iter().map(|reason| reason.code).collect();
        assert_eq!(codes.len(), ALL.len());
        for code in codes {
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
        }
    }
}
