//! Who asks: operators, customers, and everybody else.

use turnpike_schemas::{AccountId, Instant};

use crate::WebSettings;

/// The path of an account's portal link, to put behind the address of the pages:
/// `/portal/link/ACCOUNT/EXPIRY-MAC`. Whoever has it sees this account's invoices until it expires.
pub fn portal_link(_settings: &WebSettings, _account: &AccountId, _now: Instant) -> String {
    unimplemented!()
}
