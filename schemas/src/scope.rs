//! [`Scope`]: whose data a reader may see. Every repository function takes one.

use crate::{AccountId, PartyId};

/// Built once per request from who asks. One installation is one network: there is no tenant id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The provider that runs this installation: everything.
    Provider,
    /// A franchisee: the accounts it sells to and its own settlements.
    Franchisee(PartyId),
    /// A customer: its own account.
    Customer(AccountId),
}

impl Scope {
    /// Whether an account that `seller` sells to may be seen.
    pub fn sees_account(&self, account: &AccountId, seller: &PartyId) -> bool {
        match self {
            Scope::Provider => true,
            Scope::Franchisee(party) => party == seller,
            Scope::Customer(own) => own == account,
        }
    }

    /// Whether the split between the parties may be seen: never by a customer.
    pub fn sees_split(&self) -> bool {
        !matches!(self, Scope::Customer(_))
    }
}
