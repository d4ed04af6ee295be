//! The split, for the provider's copy only: totals per party, and per service.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::BTreeMap;

use turnpike_schemas::{Charge, Invoice, Money, PartyId};

use super::sum;
use crate::InvoiceError;

/// One column: what a party receives in a role.
type Receiver<'a> = (&'a PartyId, &'a str);

pub(super) struct Split<'a> {
    /// Royalties first, as shares stand on a charge.
    pub receivers: Vec<Receiver<'a>>,
    pub services: Vec<SplitRow<'a>>,
    pub totals: Vec<Money>,
}

pub(super) struct SplitRow<'a> {
    pub name: &'a str,
    pub net: Money,
    pub moneys: Vec<Money>,
}

impl<'a> Split<'a> {
    pub fn new(invoice: &'a Invoice) -> Result<Self, InvoiceError> {
        let mut first_seen: BTreeMap<Receiver<'a>, usize> = BTreeMap::new();
        for charge in &invoice.charges {
            for (place, share) in charge.shares.iter().enumerate() {
                first_seen.entry((&share.party, &share.role)).or_insert(place);
            }
        }
        let mut receivers: Vec<Receiver<'a>> = first_seen.keys().copied().collect();
        receivers.sort_by_key(|receiver| first_seen.get(receiver));
        let services = invoice
            .charges
            .chunk_by(|a, b| a.service == b.service)
            .map(|charges| {
                Ok(SplitRow {
                    name: charges.first().map_or("", |charge| &charge.service),
                    net: super::net(invoice, charges)?,
                    moneys: received(invoice, charges, &receivers)?,
                })
            })
            .collect::<Result<_, InvoiceError>>()?;
        let totals = received(invoice, &invoice.charges, &receivers)?;
        Ok(Self { receivers, services, totals })
    }
}

fn received(
    invoice: &Invoice,
    charges: &[Charge],
    receivers: &[Receiver<'_>],
) -> Result<Vec<Money>, InvoiceError> {
    receivers
        .iter()
        .map(|receiver| {
            let shares = charges
                .iter()
                .flat_map(|charge| &charge.shares)
                .filter(|share| (&share.party, share.role.as_str()) == *receiver);
            sum(invoice, "share", shares.map(|share| &share.money))
        })
        .collect()
}
