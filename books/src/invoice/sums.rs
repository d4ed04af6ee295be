//! The arithmetic of an invoice, as checks: on what comes in, and again on what is stored.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::invoice::{InvoiceStatus, TaxLine};
use turnpike_schemas::money::MoneyError;
use turnpike_schemas::{Amount, Charge, Currency, Invoice, Money, Rounding, TaxCategoryId};

/// Parts per million to nano, the scale of a price.
const NANO_PER_PPM: i64 = 1_000;

/// Every sum of an invoice that does not come out: shares to their charge, charges and taxes to the
/// totals. Empty for a sound one. Rated lines are not looked at.
pub fn check_invoice(invoice: &Invoice) -> Vec<String> {
    let mut problems = Vec::new();
    check_status(invoice, &mut problems);
    for (charge, place) in invoice.charges.iter().zip(1_u32..) {
        if charge.line != place {
            problems.push(format!("line {} stands in place {place}", charge.line));
        }
        check_charge(charge, invoice.currency, &mut problems);
        if charge.estimated && !invoice.estimated {
            problems.push(format!("line {} is estimated, the invoice is not", charge.line));
        }
    }
    check_taxes(invoice, &mut problems);
    let nets = invoice.charges.iter().map(|charge| &charge.net);
    compare("net", invoice.net, Money::sum(nets, invoice.currency), &mut problems);
    let taxes = invoice.taxes.iter().map(|line| &line.tax);
    compare("tax", invoice.tax, Money::sum(taxes, invoice.currency), &mut problems);
    compare("gross", invoice.gross, invoice.net.checked_add(&invoice.tax), &mut problems);
    problems
}

fn check_status(invoice: &Invoice, problems: &mut Vec<String>) {
    let finalized = invoice.status == InvoiceStatus::Finalized;
    if finalized != invoice.number.is_some() {
        problems.push("a number goes with a finalized invoice, and with none other".to_owned());
    }
    if finalized != invoice.issue_date.is_some() {
        problems
            .push("an issue date goes with a finalized invoice, and with none other".to_owned());
    }
}

fn check_charge(charge: &Charge, currency: Currency, problems: &mut Vec<String>) {
    let line = charge.line;
    if charge.net.currency() != currency {
        problems.push(format!("line {line} is in {}, not {currency}", charge.net.currency()));
        return;
    }
    match charge.exact.round(charge.rounding) {
        Ok(rounded) if rounded == charge.net => {}
        Ok(rounded) => problems
            .push(format!("line {line} is {}, its exact sum rounds to {rounded}", charge.net)),
        Err(error) => problems.push(format!("line {line}: {error}")),
    }
    // Without an agreement nothing is shared, and the seller need not be written down as the one
    // who keeps it all.
    if charge.shares.is_empty() && charge.agreement.is_none() {
        return;
    }
    let sum = Money::sum(charge.shares.iter().map(|share| &share.money), currency);
    compare(&format!("line {line}, the sum of its shares,"), charge.net, sum, problems);
}

fn check_taxes(invoice: &Invoice, problems: &mut Vec<String>) {
    let mut bases: BTreeMap<&TaxCategoryId, Result<Money, MoneyError>> = BTreeMap::new();
    for charge in &invoice.charges {
        let zero = || Ok(Money::zero(invoice.currency));
        let base = bases.entry(&charge.tax_category).or_insert_with(zero);
        *base = base.clone().and_then(|sum| sum.checked_add(&charge.net));
    }
    let mut seen = BTreeSet::new();
    for line in &invoice.taxes {
        let category = &line.category;
        if !seen.insert(category) {
            problems.push(format!("tax category `{category}` stands twice"));
        }
        match bases.get(category) {
            Some(base) => {
                let what = format!("tax category `{category}`, the sum of its charges,");
                compare(&what, line.base, base.clone(), problems);
            }
            None => problems.push(format!("tax category `{category}` belongs to no charge")),
        }
        match tax_of(line) {
            Ok(tax) if tax == line.tax => {}
            Ok(tax) => problems
                .push(format!("tax category `{category}` is {}, its rate makes {tax}", line.tax)),
            Err(error) => problems.push(format!("tax category `{category}`: {error}")),
        }
    }
    for category in bases.keys().filter(|category| !seen.contains(*category)) {
        problems.push(format!("tax category `{category}` has charges and no tax line"));
    }
}

/// Base times rate, half away from zero (EN 16931 BR-CO-17).
fn tax_of(line: &TaxLine) -> Result<Money, turnpike_schemas::amount::AmountError> {
    let currency = line.base.currency();
    // base_minor x ppm / (minor_per_major x 10^6), in the form of a price.
    let rate_nano = i64::from(line.rate_ppm).saturating_mul(NANO_PER_PPM);
    let divisor = i128::from(currency.minor_per_major());
    Amount::from_price(line.base.minor().into(), rate_nano, divisor, currency)?
        .round(Rounding::HalfAwayFromZero)
}

fn compare(
    what: &str,
    stated: Money,
    computed: Result<Money, MoneyError>,
    problems: &mut Vec<String>,
) {
    match computed {
        Ok(computed) if computed == stated => {}
        Ok(computed) => {
            problems.push(format!("{what} is stated as {stated} and comes to {computed}"))
        }
        Err(error) => problems.push(format!("{what}: {error}")),
    }
}
