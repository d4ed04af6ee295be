//! [`shares`]: a charge among the parties of its agreement.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use turnpike_schemas::agreement::PPM;
use turnpike_schemas::{
    Account, AgreementId, FranchiseAgreement, Money, Party, PartyKind, PriceBook, RatedLine, Share,
    allocate,
};

use crate::InvoiceError;

/// The franchisor's share.
pub(crate) const ROYALTY: &str = "royalty";
/// What is left to the seller.
pub(crate) const PROCEEDS: &str = "proceeds";

/// Divides a charge by largest remainder in a fixed order: the franchisor's royalty, then the
/// franchisee's proceeds. A franchisor that sells for itself keeps the whole.
pub(crate) fn shares(
    book: &PriceBook,
    account: &Account,
    seller: &Party,
    line: &RatedLine,
    net: Money,
    charge: &str,
) -> Result<Vec<Share>, InvoiceError> {
    let Some(id) = &line.agreement else {
        if seller.kind != PartyKind::Franchisor {
            return Err(InvoiceError::NoAgreement {
                line: line.line_id.clone(),
                account: account.id.clone(),
                seller: seller.id.clone(),
            });
        }
        return Ok(vec![Share {
            party: seller.id.clone(),
            role: PROCEEDS.to_owned(),
            weight_ppm: PPM,
            money: net,
        }]);
    };
    let agreement = find(book, seller, line, id)?;
    let weights = agreement.weights(&line.meter, &line.service).map_err(|source| {
        InvoiceError::Agreement {
            agreement: agreement.id.clone(),
            charge: charge.to_owned(),
            source,
        }
    })?;
    let parts = allocate(net, &weights)
        .map_err(|source| InvoiceError::Split { charge: charge.to_owned(), source })?;
    let parties = [(&agreement.franchisor, ROYALTY), (&agreement.franchisee, PROCEEDS)];
    let shares = parties.into_iter().zip(weights).zip(parts);
    Ok(shares
        .map(|(((party, role), weight), money)| Share {
            party: party.clone(),
            role: role.to_owned(),
            weight_ppm: u32::try_from(weight).expect("a weight is at most a million"),
            money,
        })
        .collect())
}

fn find<'a>(
    book: &'a PriceBook,
    seller: &Party,
    line: &RatedLine,
    id: &AgreementId,
) -> Result<&'a FranchiseAgreement, InvoiceError> {
    let agreement =
        book.agreements.iter().find(|agreement| &agreement.id == id).ok_or_else(|| {
            InvoiceError::UnknownAgreement { line: line.line_id.clone(), agreement: id.clone() }
        })?;
    if agreement.franchisee != seller.id {
        return Err(InvoiceError::ForeignAgreement {
            line: line.line_id.clone(),
            agreement: id.clone(),
            franchisee: agreement.franchisee.clone(),
            seller: seller.id.clone(),
        });
    }
    Ok(agreement)
}
