//! Ids as distinct types, so that an account can never be passed for a party.
//!
//! Names given by people (accounts, tariffs, sites) are slugs; ids of resources keep whatever the
//! source system calls them, within bounds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest slug. Fits a column and a page; OpenStack project ids (36) fit with room.
pub const SLUG_BYTES_MAX: usize = 64;
/// Longest resource or owner reference: S3 keys end at 1024 and are not resources.
pub const REFERENCE_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("{what} is empty")]
    Empty { what: &'static str },
    #[error("{what} `{text}` is longer than {max} bytes")]
    TooLong { what: &'static str, text: String, max: usize },
    #[error("{what} `{text}` holds {found:?}; allowed are a-z, 0-9, `.`, `_` and `-`")]
    Character { what: &'static str, text: String, found: char },
    #[error("{what} `{text}` holds a control character")]
    Control { what: &'static str, text: String },
}

fn check_slug(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.len() > SLUG_BYTES_MAX {
        return Err(IdError::TooLong { what, text: text.to_owned(), max: SLUG_BYTES_MAX });
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    match text.chars().find(|c| !allowed(*c)) {
        Some(found) => Err(IdError::Character { what, text: text.to_owned(), found }),
        None => Ok(()),
    }
}

fn check_reference(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.len() > REFERENCE_BYTES_MAX {
        // The text is cut in the error: a hostile id must not fill the dead-letter table.
        let cut: String = text.chars().take(80).collect();
        return Err(IdError::TooLong { what, text: cut, max: REFERENCE_BYTES_MAX });
    }
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !plain && text.chars().any(char::is_control) {
        return Err(IdError::Control { what, text: text.escape_default().to_string() });
    }
    Ok(())
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                $check($what, &text)?;
                Ok(Self(text))
            }

            /// Whether [`Self::new`] takes it.
            pub fn is_valid(text: &str) -> bool {
                $check($what, text).is_ok()
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id_type!(/// The party billed.
    AccountId, "account id", check_slug);
id_type!(/// Franchisor, master franchisee or franchisee.
    PartyId, "party id", check_slug);
id_type!(/// A data centre, owned by a party.
    SiteId, "site id", check_slug);
id_type!(/// What is counted: `vcpu`, `memory`, `volume`.
    MeterId, "meter id", check_slug);
id_type!(/// A price list.
    TariffId, "tariff id", check_slug);
id_type!(/// One dated edition of a tariff: `standard.2026-01`.
    TariffVersionId, "tariff version id", check_slug);
id_type!(/// A franchise agreement.
    AgreementId, "agreement id", check_slug);
id_type!(/// A tax category of the book.
    TaxCategoryId, "tax category id", check_slug);
id_type!(/// A rating run: `run_` and a time-ordered UUID in hex.
    RunId, "run id", check_slug);
id_type!(/// An invoice before and after it has a number: `inv_` and a time-ordered UUID in hex.
    InvoiceId, "invoice id", check_slug);
id_type!(/// A resource as its source system knows it: `namespace/kind/id`.
    ResourceId, "resource id", check_reference);
id_type!(/// Who holds a resource, as the source system spells it: `namespace/id`.
    OwnerRef, "owner", check_reference);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_parsed_strictly() {
        let check = |text: &str, ok: bool| assert_eq!(AccountId::new(text).is_ok(), ok, "{text}");
        check("acme-1.eu_west", true);
        check("", false);
        check("Acme", false);
        check("a b", false);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
    }

    #[test]
    fn references_refuse_control_characters_and_length() {
        assert!(ResourceId::new("openstack/instance/0a-ß").is_ok());
        assert!(ResourceId::new("a\u{1f}b").is_err());
        assert!(ResourceId::new("x".repeat(513)).is_err());
    }
}
