//! [`statement`]: an invoice laid out for reading, its charges under their services.

use turnpike_schemas::money::MoneyError;
use turnpike_schemas::{Charge, Invoice, Money, PartyId};

/// The charges of one service.
#[derive(Debug, Clone)]
pub struct Section {
    pub service: String,
    pub net: Money,
    pub charges: Vec<Charge>,
}

/// What sums there are besides those on the invoice.
#[derive(Debug, Clone)]
pub struct Statement {
    pub sections: Vec<Section>,
    /// What each party receives, by role; empty where no split may be seen.
    pub split: Vec<(PartyId, String, Money)>,
    /// Net per project; the second of the pair counts its charges.
    pub projects: Vec<(Option<String>, usize, Money)>,
}

pub fn statement(invoice: &Invoice) -> Result<Statement, MoneyError> {
    let zero = Money::zero(invoice.currency);
    let mut statement = Statement { sections: vec![], split: vec![], projects: vec![] };
    for charge in &invoice.charges {
        let known = statement.sections.iter().position(|known| known.service == charge.service);
        let index = known.unwrap_or_else(|| {
            let service = charge.service.clone();
            statement.sections.push(Section { service, net: zero, charges: vec![] });
            statement.sections.len().saturating_sub(1)
        });
        let section = &mut statement.sections[index];
        section.net = section.net.checked_add(&charge.net)?;
        section.charges.push(charge.clone());
        for share in &charge.shares {
            let same = |known: &&mut (PartyId, String, Money)| {
                known.0 == share.party && known.1 == share.role
            };
            match statement.split.iter_mut().find(same) {
                Some(known) => known.2 = known.2.checked_add(&share.money)?,
                None => {
                    statement.split.push((share.party.clone(), share.role.clone(), share.money))
                }
            }
        }
        match statement.projects.iter_mut().find(|known| known.0 == charge.project) {
            Some(known) => {
                known.1 = known.1.saturating_add(1);
                known.2 = known.2.checked_add(&charge.net)?;
            }
            None => statement.projects.push((charge.project.clone(), 1, charge.net)),
        }
    }
    statement.projects.sort_by_key(|project| std::cmp::Reverse(project.2.minor()));
    Ok(statement)
}
