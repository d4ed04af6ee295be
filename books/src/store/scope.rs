//! The predicate of a [`Scope`], as two keys that queries compare: empty means any.

use turnpike_schemas::Scope;

/// Queries say `($n = '' OR seller = $n) AND ($m = '' OR account = $m)`. Ids are never empty, so an
/// empty key cannot be somebody's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScopeKeys<'a> {
    pub seller: &'a str,
    pub account: &'a str,
}

impl<'a> ScopeKeys<'a> {
    pub(crate) fn of(scope: &'a Scope) -> Self {
        match scope {
            Scope::Provider => Self { seller: "", account: "" },
            Scope::Franchisee(party) => Self { seller: party.as_str(), account: "" },
            Scope::Customer(account) => Self { seller: "", account: account.as_str() },
        }
    }
}
