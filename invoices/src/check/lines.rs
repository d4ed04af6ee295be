//! An invoice against its rated lines: each is on exactly one charge, and the sums are exact.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::BTreeMap;

use turnpike_schemas::{Amount, Charge, Invoice, LineKind, RatedLine};

use crate::tax;

/// What stands for a sum that fits no integer.
const OVERFLOW: &str = "more than fits";

pub(super) fn check_lines(invoice: &Invoice, lines: &[RatedLine], findings: &mut Vec<String>) {
    let mut left: BTreeMap<&str, &RatedLine> = lines
        .iter()
        .filter(|line| {
            line.account == invoice.account.id
                && line.run == invoice.run
                && line.currency == invoice.currency
        })
        .map(|line| (line.line_id.as_str(), line))
        .collect();
    for line in left.values() {
        check_price(line, findings);
    }
    for charge in &invoice.charges {
        let mut found = Vec::with_capacity(charge.rated_lines.len());
        for id in &charge.rated_lines {
            match left.remove(id.as_str()) {
                Some(line) => found.push(line),
                None => findings.push(format!(
                    "Line {} names rated line {id}, which is not among those of run {} or stands \
                     on another line too.",
                    charge.line, invoice.run
                )),
            }
        }
        // A line that is missing makes every sum differ; one sentence says enough.
        if found.len() == charge.rated_lines.len() {
            check_terms(invoice, charge, &found, findings);
            check_sums(charge, &found, findings);
        }
    }
    for (id, line) in left {
        findings.push(format!(
            "Rated line {id} ({} of {}, {}) is on no line of the invoice.",
            line.meter,
            line.resource,
            line.amount.to_decimal_text(12)
        ));
    }
}

/// The amount of a rated line follows from its quantity and price, exactly.
fn check_price(line: &RatedLine, findings: &mut Vec<String>) {
    // Fees, adjustments and prices that change within the line have amounts that stand for
    // themselves.
    if line.kind != LineKind::Usage {
        return;
    }
    // 1 for sums; of a mean over a window, the window's.
    let seconds = line.per_seconds;
    let amount = 10_i128
        .checked_pow(line.scale)
        .and_then(|scale| scale.checked_mul(line.unit.base_units.into()))
        .and_then(|base| base.checked_mul(seconds.into()))
        .and_then(|divisor| {
            Amount::from_price(line.quantity, line.price_nano, divisor, line.currency).ok()
        });
    if amount != Some(line.amount) {
        let computed = amount.map_or_else(|| "nothing".to_owned(), |a| a.to_decimal_text(12));
        findings.push(format!(
            "Rated line {} is {}, its quantity and price give {computed}.",
            line.line_id,
            line.amount.to_decimal_text(12)
        ));
    }
}

/// Everything that a charge states about its lines is true of each of them.
fn check_terms(
    invoice: &Invoice,
    charge: &Charge,
    lines: &[&RatedLine],
    findings: &mut Vec<String>,
) {
    for line in lines {
        let category = tax::effective_category(&invoice.account, &line.tax_category);
        let terms = [
            ("seller", line.seller == invoice.seller.id),
            ("service", line.service == charge.service),
            ("project", line.project == charge.project),
            ("site", line.site == charge.site),
            ("resource", line.resource == charge.resource),
            ("meter", line.meter == charge.meter),
            ("kind", line.kind == charge.kind),
            ("attributes", line.attributes == charge.attributes),
            ("tariff version", line.tariff_version == charge.tariff_version),
            ("agreement", line.agreement == charge.agreement),
            ("tax category", category == &charge.tax_category),
            ("scale", line.scale == charge.scale),
            ("price", line.price_nano == charge.price_nano),
            ("unit", line.unit == charge.unit),
            ("per", (line.per, line.per_seconds) == (charge.per, charge.per_seconds)),
        ];
        for (what, _) in terms.iter().filter(|(_, same)| !same) {
            findings.push(format!(
                "Line {} and its rated line {} differ in {what}.",
                charge.line, line.line_id
            ));
        }
    }
}

fn check_sums(charge: &Charge, lines: &[&RatedLine], findings: &mut Vec<String>) {
    let line = charge.line;
    match Amount::sum(lines.iter().map(|line| &line.amount), charge.exact.currency()) {
        Ok(sum) if sum == charge.exact => {}
        Ok(sum) => findings.push(format!(
            "Line {line} states the exact amount {}, its rated lines sum to {}.",
            charge.exact.to_decimal_text(12),
            sum.to_decimal_text(12)
        )),
        Err(error) => {
            findings.push(format!("The rated lines of line {line} cannot be summed: {error}."))
        }
    }
    let quantity = lines.iter().try_fold(0_i128, |sum, line| sum.checked_add(line.quantity));
    if quantity != Some(charge.quantity) {
        findings.push(format!(
            "Line {line} states a quantity of {}, its rated lines sum to {}.",
            charge.quantity,
            quantity.map_or_else(|| OVERFLOW.to_owned(), |sum| sum.to_string())
        ));
    }
    let seconds = lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.seconds));
    if seconds != Some(charge.seconds) {
        findings.push(format!(
            "Line {line} states {} s, its rated lines sum to {}.",
            charge.seconds,
            seconds.map_or_else(|| OVERFLOW.to_owned(), |sum| sum.to_string())
        ));
    }
    let estimated = lines.iter().any(|line| line.estimated);
    if estimated != charge.estimated {
        findings.push(format!(
            "Line {line} says estimated = {}, its rated lines say {estimated}.",
            charge.estimated
        ));
    }
}
