//! [`draft`]: rated lines to an invoice.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::BTreeSet;

use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{
    Account, AccountId, Charge, Currency, Invoice, InvoiceId, Money, Party, Period, PriceBook,
    RatedLine, RunId,
};

use crate::InvoiceError;
use crate::group::{self, Group};
use crate::{describe, split, tax};

/// Makes the draft invoice of one account and period from its rated lines of one run.
///
/// Pure: the same lines in any order give the same invoice. All lines must be of this account, its
/// seller, this run and one currency, which becomes the invoice's.
pub fn draft(
    book: &PriceBook,
    run: &RunId,
    account: &AccountId,
    period: Period,
    label: &str,
    lines: &[RatedLine],
    id: InvoiceId,
) -> Result<Invoice, InvoiceError> {
    let account =
        book.account(account).ok_or_else(|| InvoiceError::UnknownAccount(account.clone()))?;
    let seller = book.party(&account.seller).ok_or_else(|| InvoiceError::UnknownSeller {
        account: account.id.clone(),
        party: account.seller.clone(),
    })?;
    let currency = one_currency(account, label, lines)?;
    check_lines(run, account, lines)?;

    let groups = group::group(account, lines)?;
    let charges = (1_u32..)
        .zip(&groups)
        .map(|(line, group)| charge(book, account, seller, line, group))
        .collect::<Result<Vec<Charge>, InvoiceError>>()?;
    let taxes = tax::tax_lines(book, account, &charges, currency)?;
    let total = |what, parts: &mut dyn Iterator<Item = &Money>| {
        Money::sum(parts, currency).map_err(|source| InvoiceError::Total {
            what,
            account: account.id.clone(),
            source,
        })
    };
    let net = total("net total", &mut charges.iter().map(|charge| &charge.net))?;
    let tax = total("tax total", &mut taxes.iter().map(|line| &line.tax))?;
    let gross = total("gross total", &mut [net, tax].iter())?;
    Ok(Invoice {
        id,
        status: InvoiceStatus::Draft,
        number: None,
        seller: seller.clone(),
        account: account.clone(),
        currency,
        period,
        period_label: label.to_owned(),
        issue_date: None,
        due_date: None,
        run: run.clone(),
        estimated: charges.iter().any(|charge| charge.estimated),
        charges,
        taxes,
        net,
        tax,
        gross,
    })
}

fn one_currency(
    account: &Account,
    label: &str,
    lines: &[RatedLine],
) -> Result<Currency, InvoiceError> {
    let first = lines.first().ok_or_else(|| InvoiceError::NoLines {
        account: account.id.clone(),
        label: label.to_owned(),
    })?;
    let currency = first.currency;
    for line in lines {
        // The line's own column and its amount must agree too.
        for found in [line.currency, line.amount.currency()] {
            if found != currency {
                return Err(InvoiceError::MixedCurrencies {
                    line: line.line_id.clone(),
                    account: account.id.clone(),
                    currency,
                    found,
                });
            }
        }
    }
    Ok(currency)
}

fn check_lines(run: &RunId, account: &Account, lines: &[RatedLine]) -> Result<(), InvoiceError> {
    let mut seen = BTreeSet::new();
    for line in lines {
        let id = || line.line_id.clone();
        if line.account != account.id {
            return Err(InvoiceError::ForeignLine {
                line: id(),
                account: account.id.clone(),
                found: line.account.clone(),
            });
        }
        if line.seller != account.seller {
            return Err(InvoiceError::ForeignSeller {
                line: id(),
                account: account.id.clone(),
                seller: account.seller.clone(),
                found: line.seller.clone(),
            });
        }
        if &line.run != run {
            return Err(InvoiceError::ForeignRun {
                line: id(),
                run: run.clone(),
                found: line.run.clone(),
            });
        }
        if !seen.insert(line.line_id.as_str()) {
            return Err(InvoiceError::DuplicateLine(id()));
        }
    }
    Ok(())
}

fn charge(
    book: &PriceBook,
    account: &Account,
    seller: &Party,
    line: u32,
    group: &Group<'_>,
) -> Result<Charge, InvoiceError> {
    let first = group.first;
    let tariff = book.tariff(&first.tariff).ok_or_else(|| InvoiceError::UnknownTariff {
        line: first.line_id.clone(),
        tariff: first.tariff.clone(),
    })?;
    let description = describe::describe(book, tariff, first);
    let amount_error = |source| InvoiceError::Amount { charge: description.clone(), source };
    let exact = group.exact().map_err(amount_error)?;
    let net = exact.round(tariff.rounding).map_err(amount_error)?;
    let shares = split::shares(book, account, seller, first, net, &description)?;
    Ok(Charge {
        line,
        kind: first.kind,
        service: first.service.clone(),
        description,
        resource: first.resource.clone(),
        resource_kind: first.resource_kind.clone(),
        project: first.project.clone(),
        site: first.site.clone(),
        meter: first.meter.clone(),
        attributes: first.attributes.clone(),
        tariff: first.tariff.clone(),
        tariff_version: first.tariff_version.clone(),
        agreement: first.agreement.clone(),
        tax_category: tax::effective_category(account, &first.tax_category).clone(),
        aggregation: first.aggregation,
        quantity: group.quantity,
        scale: first.scale,
        seconds: group.seconds,
        price_nano: first.price_nano,
        unit: first.unit.clone(),
        per: first.per,
        per_seconds: first.per_seconds,
        service_period: group.service_period,
        exact,
        rounding: tariff.rounding,
        net,
        shares,
        rated_lines: group.line_ids(),
        estimated: group.lines.iter().any(|line| line.estimated),
    })
}
