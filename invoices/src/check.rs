//! [`check`]: proves an invoice against itself and against its rated lines, by recomputing it.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod lines;

use std::collections::BTreeMap;

use turnpike_schemas::agreement::PPM;
use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{Charge, Invoice, Money, RatedLine, TaxCategoryId, allocate};

use crate::tax;

/// Every violated invariant as a sentence that names the line and the figures; empty where the
/// invoice is right. `lines` may hold those of other accounts and runs: they are passed over.
pub fn check(invoice: &Invoice, lines: &[RatedLine]) -> Vec<String> {
    let mut findings = check_sums(invoice);
    lines::check_lines(invoice, lines, &mut findings);
    findings
}

/// What can be said without the rated lines.
pub(crate) fn check_sums(invoice: &Invoice) -> Vec<String> {
    let mut findings = Vec::new();
    check_status(invoice, &mut findings);
    for (place, charge) in (1_u32..).zip(&invoice.charges) {
        check_charge(invoice, place, charge, &mut findings);
    }
    check_taxes(invoice, &mut findings);
    check_totals(invoice, &mut findings);
    findings
}

fn check_status(invoice: &Invoice, findings: &mut Vec<String>) {
    let has = [
        ("number", invoice.number.is_some()),
        ("issue date", invoice.issue_date.is_some()),
        ("due date", invoice.due_date.is_some()),
    ];
    let finalized = invoice.status == InvoiceStatus::Finalized;
    for (what, present) in has {
        match (finalized, present) {
            (true, false) => findings.push(format!("The finalized invoice has no {what}.")),
            (false, true) => findings.push(format!("The draft has a {what} already.")),
            _ => {}
        }
    }
    let estimated = invoice.charges.iter().any(|charge| charge.estimated);
    if estimated != invoice.estimated {
        findings.push(format!(
            "The invoice says estimated = {}, its charges say {estimated}.",
            invoice.estimated
        ));
    }
}

fn check_charge(invoice: &Invoice, place: u32, charge: &Charge, findings: &mut Vec<String>) {
    let line = charge.line;
    if line != place {
        findings.push(format!("The charge at place {place} is numbered {line}."));
    }
    let currencies = [charge.net.currency(), charge.exact.currency()];
    let shares = charge.shares.iter().map(|share| share.money.currency());
    if let Some(found) =
        currencies.into_iter().chain(shares).find(|found| *found != invoice.currency)
    {
        findings
            .push(format!("Line {line} holds {found}, the invoice is in {}.", invoice.currency));
        return;
    }
    match charge.exact.round(charge.rounding) {
        Ok(rounded) if rounded == charge.net => {}
        Ok(rounded) => findings.push(format!(
            "Line {line} is {}, but its exact amount {} rounds to {rounded}.",
            charge.net,
            charge.exact.to_decimal_text(12)
        )),
        Err(error) => findings.push(format!("Line {line} cannot be rounded: {error}.")),
    }
    check_shares(charge, findings);
}

fn check_shares(charge: &Charge, findings: &mut Vec<String>) {
    let line = charge.line;
    let moneys = charge.shares.iter().map(|share| &share.money);
    match Money::sum(moneys, charge.net.currency()) {
        Ok(sum) if sum == charge.net => {}
        Ok(sum) => findings
            .push(format!("The shares of line {line} sum to {sum}, the line is {}.", charge.net)),
        Err(error) => {
            findings.push(format!("The shares of line {line} cannot be summed: {error}."))
        }
    }
    let weights: Vec<u128> =
        charge.shares.iter().map(|share| u128::from(share.weight_ppm)).collect();
    if weights.iter().try_fold(0_u128, |sum, weight| sum.checked_add(*weight)) != Some(PPM.into()) {
        findings.push(format!("The weights of line {line} do not sum to {PPM} ppm: {weights:?}."));
        return;
    }
    match allocate(charge.net, &weights) {
        Ok(parts) => {
            for (share, part) in charge.shares.iter().zip(parts) {
                if share.money != part {
                    findings.push(format!(
                        "On line {line}, {} receives {} as {}, but {} ppm of {} is {part}.",
                        share.party, share.money, share.role, share.weight_ppm, charge.net
                    ));
                }
            }
        }
        Err(error) => findings.push(format!("Line {line} cannot be split: {error}.")),
    }
}

fn check_taxes(invoice: &Invoice, findings: &mut Vec<String>) {
    let mut bases: BTreeMap<&TaxCategoryId, Vec<&Money>> = BTreeMap::new();
    for charge in &invoice.charges {
        bases.entry(&charge.tax_category).or_default().push(&charge.net);
    }
    for line in &invoice.taxes {
        let category = &line.category;
        let Some(nets) = bases.remove(category) else {
            findings.push(format!("Tax category {category} is listed twice or has no charges."));
            continue;
        };
        match Money::sum(nets, invoice.currency) {
            Ok(base) if base == line.base => {}
            Ok(base) => findings.push(format!(
                "Tax category {category} has a base of {}, its charges sum to {base}.",
                line.base
            )),
            Err(error) => findings
                .push(format!("The charges of tax category {category} cannot be summed: {error}.")),
        }
        match tax::tax(line.base, line.rate_ppm) {
            Ok(tax) if tax == line.tax => {}
            Ok(tax) => findings.push(format!(
                "Tax category {category} charges {}, but {} ppm of {} is {tax}.",
                line.tax, line.rate_ppm, line.base
            )),
            Err(error) => findings
                .push(format!("The tax of category {category} cannot be computed: {error}.")),
        }
    }
    for category in bases.keys() {
        findings.push(format!("Tax category {category} has charges but no tax line."));
    }
}

fn check_totals(invoice: &Invoice, findings: &mut Vec<String>) {
    let mut total =
        |what: &str, stated: Money, parts: &mut dyn Iterator<Item = &Money>| match Money::sum(
            parts,
            invoice.currency,
        ) {
            Ok(sum) if sum == stated => {}
            Ok(sum) => findings.push(format!("The {what} is {stated}, its parts sum to {sum}.")),
            Err(error) => findings.push(format!("The {what} cannot be summed: {error}.")),
        };
    total("net total", invoice.net, &mut invoice.charges.iter().map(|charge| &charge.net));
    total("tax total", invoice.tax, &mut invoice.taxes.iter().map(|line| &line.tax));
    total("gross total", invoice.gross, &mut [invoice.net, invoice.tax].iter());
}
