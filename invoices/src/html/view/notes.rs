//! What the page says in sentences: what to pay, and how the figures came about.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::BTreeSet;

use turnpike_schemas::{Invoice, LineKind, Money, Per, Rounding, TariffVersionId};

use crate::{InvoiceError, format};

pub(super) struct Notes<'a> {
    /// Label and figure of the box at the top.
    pub due_label: &'static str,
    pub due: Money,
    pub estimated_lines: usize,
    /// Hours of a month, where a monthly price is on the invoice.
    pub months: Vec<String>,
    pub rounding: &'static str,
    /// Whether amounts stand for themselves: fees, discounts, true-ups.
    pub plain_amounts: bool,
    pub tariff_versions: BTreeSet<&'a TariffVersionId>,
}

impl<'a> Notes<'a> {
    pub fn new(invoice: &'a Invoice) -> Result<Self, InvoiceError> {
        let charges = &invoice.charges;
        let credit = invoice.gross.minor() < 0;
        let due = if credit {
            invoice.gross.checked_neg().map_err(|source| InvoiceError::Total {
                what: "balance",
                account: invoice.account.id.clone(),
                source,
            })?
        } else {
            invoice.gross
        };
        let months: BTreeSet<i64> = charges
            .iter()
            .filter(|charge| charge.per == Per::Month)
            .map(|charge| charge.per_seconds)
            .collect();
        let rules: BTreeSet<Rounding> = charges.iter().map(|charge| charge.rounding).collect();
        Ok(Self {
            due_label: if credit { "Balance in your favour" } else { "Amount due" },
            due,
            estimated_lines: charges.iter().filter(|charge| charge.estimated).count(),
            months: months.into_iter().map(format::duration).collect(),
            rounding: rounding(&rules),
            plain_amounts: charges.iter().any(|charge| charge.kind != LineKind::Usage),
            tariff_versions: charges.iter().map(|charge| &charge.tariff_version).collect(),
        })
    }

    pub fn credit(&self) -> bool {
        self.due_label != "Amount due"
    }
}

fn rounding(rules: &BTreeSet<Rounding>) -> &'static str {
    let away = rules.contains(&Rounding::HalfAwayFromZero);
    let even = rules.contains(&Rounding::HalfEven);
    match (away, even) {
        (_, false) => "halves away from zero",
        (false, true) => "halves to the even neighbour",
        (true, true) => "halves as its tariff says: away from zero, or to the even neighbour",
    }
}
