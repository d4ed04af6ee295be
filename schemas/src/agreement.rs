//! [`FranchiseAgreement`]: what share of a franchisee's charges the franchisor receives, and when.

use serde::{Deserialize, Serialize};

use crate::{AgreementId, Instant, MeterId, PartyId};

/// Parts per million in a whole.
pub const PPM: u32 = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    #[error("a royalty of {0} ppm is more than the whole")]
    Royalty(u32),
}

/// A royalty for some of the services, where it differs from the agreement's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoyaltyTerm {
    /// A meter, or a service family such as `Storage`.
    pub meter: Option<MeterId>,
    pub service: Option<String>,
    pub royalty_ppm: u32,
}

/// An effective-dated agreement between the franchisor and one franchisee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FranchiseAgreement {
    pub id: AgreementId,
    pub franchisor: PartyId,
    pub franchisee: PartyId,
    pub valid_from: Instant,
    pub valid_to: Option<Instant>,
    /// Share of the net charge that goes to the franchisor, in parts per million.
    pub royalty_ppm: u32,
    /// Exceptions; the first that matches is taken.
    pub terms: Vec<RoyaltyTerm>,
}

impl FranchiseAgreement {
    pub fn in_force(&self, instant: Instant) -> bool {
        self.valid_from <= instant && self.valid_to.is_none_or(|end| instant < end)
    }

    pub fn royalty_ppm_for(&self, meter: &MeterId, service: &str) -> u32 {
        self.terms
            .iter()
            .find(|term| {
                term.meter.as_ref().is_none_or(|named| named == meter)
                    && term.service.as_deref().is_none_or(|named| named == service)
            })
            .map_or(self.royalty_ppm, |term| term.royalty_ppm)
    }

    /// The two shares of a charge, as weights for [`crate::allocate`] in their fixed order:
    /// the franchisor's, then the franchisee's.
    pub fn weights(&self, meter: &MeterId, service: &str) -> Result<[u128; 2], AgreementError> {
        let royalty = self.royalty_ppm_for(meter, service);
        let rest = PPM.checked_sub(royalty).ok_or(AgreementError::Royalty(royalty))?;
        Ok([u128::from(royalty), u128::from(rest)])
    }
}
