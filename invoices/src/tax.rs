//! [`tax_lines`]: tax per category, computed on the category's total and never per line
//! (EN 16931, BR-CO-17).
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::BTreeMap;

use turnpike_schemas::amount::AmountError;
use turnpike_schemas::invoice::TaxLine;
use turnpike_schemas::{
    Account, Amount, Charge, Currency, Money, PriceBook, Rounding, TaxCategoryId,
};

use crate::InvoiceError;

/// The category a charge is taxed in: the account's own, such as a reverse charge, replaces that
/// of the tariff.
pub(crate) fn effective_category<'a>(
    account: &'a Account,
    of_rate: &'a TaxCategoryId,
) -> &'a TaxCategoryId {
    account.tax_category.as_ref().unwrap_or(of_rate)
}

/// Tax on a base: exact, then rounded half away from zero, so that a credit cancels its invoice.
pub(crate) fn tax(base: Money, rate_ppm: u32) -> Result<Money, AmountError> {
    // The tax on one major unit, in nano-currency.
    let per_major_nano =
        i64::from(rate_ppm).checked_mul(NANO_PER_PPM).ok_or(AmountError::Overflow)?;
    let minor_per_major = i128::from(base.currency().minor_per_major());
    Amount::from_price(base.minor().into(), per_major_nano, minor_per_major, base.currency())?
        .round(Rounding::HalfAwayFromZero)
}

const NANO_PER_PPM: i64 = 1_000;

/// One line per category that has charges, in order of category id.
pub(crate) fn tax_lines(
    book: &PriceBook,
    account: &Account,
    charges: &[Charge],
    currency: Currency,
) -> Result<Vec<TaxLine>, InvoiceError> {
    let mut by_category: BTreeMap<&TaxCategoryId, Vec<&Money>> = BTreeMap::new();
    for charge in charges {
        by_category.entry(&charge.tax_category).or_default().push(&charge.net);
    }
    by_category
        .into_iter()
        .map(|(id, nets)| {
            let category =
                book.tax_category(id).ok_or_else(|| InvoiceError::UnknownTaxCategory {
                    account: account.id.clone(),
                    category: id.clone(),
                })?;
            let base = Money::sum(nets, currency).map_err(|source| InvoiceError::Total {
                what: "tax base",
                account: account.id.clone(),
                source,
            })?;
            let tax = tax(base, category.rate_ppm)
                .map_err(|source| InvoiceError::Tax { category: id.clone(), source })?;
            Ok(TaxLine {
                category: id.clone(),
                code: category.code.clone(),
                rate_ppm: category.rate_ppm,
                note: category.note.clone(),
                base,
                tax,
            })
        })
        .collect()
}
