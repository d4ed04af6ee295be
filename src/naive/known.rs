//! Which accounts can be priced again here: those whose prices are of the plain kind.
//!
//! Fees and adjustments have lines of their own, which leave those of usage as they are: usage is
//! compared without them. An allowance is another thing, since it takes units away from the rates.
//!
//! Invariant: what this program does not know is named, never passed over: the usage of an account is
//! metered again in full, or not at all, and lines that are not worked out again are counted.

use turnpike_schemas::tariff::PriceModel;
use turnpike_schemas::{
    Account, AdjustmentKind, LineKind, Meter, Period, PriceBook, Rate, RatedLine, Tariff,
    TariffVersion,
};

/// What a period's price lists of an account ask for that only rating itself can do.
pub fn beyond(book: &PriceBook, account: &Account, period: &Period) -> Option<String> {
    account.tariffs.iter().find_map(|assignment| {
        let tariff = book.tariff(&assignment.tariff)?;
        if tariff.base.is_some() {
            return Some(format!("tariff `{}` has a base", tariff.id));
        }
        let touched = |version: &&TariffVersion| {
            version.valid_from < period.end()
                && version.valid_to.is_none_or(|end| period.start() < end)
        };
        tariff.versions.iter().filter(touched).find_map(|version| in_version(book, tariff, version))
    })
}

fn in_version(book: &PriceBook, tariff: &Tariff, version: &TariffVersion) -> Option<String> {
    let mut kinds = version.adjustments.iter().map(|adjustment| &adjustment.kind);
    let of_version = if kinds.any(|kind| matches!(kind, AdjustmentKind::Allowance { .. })) {
        Some("allowances")
    } else if !version.holding.is_empty() {
        Some("holding times")
    } else {
        None
    };
    if let Some(what) = of_version {
        return Some(format!("tariff `{}` has {what}", tariff.id));
    }
    version.rates.iter().find_map(|rate| {
        let what = in_rate(rate).or_else(|| in_meter(book.meters.get(&rate.meter)?))?;
        Some(format!("tariff `{}` prices meter `{}` by {what}", tariff.id, rate.meter))
    })
}

fn in_rate(rate: &Rate) -> Option<&'static str> {
    if rate.model != PriceModel::PerUnit {
        Some("more than a price per unit")
    } else if rate.round_units.is_some() {
        Some("rounded units")
    } else if !rate.times.is_empty() {
        Some("time of use")
    } else if !rate.place.is_anywhere() {
        Some("place")
    } else {
        None
    }
}

fn in_meter(meter: &Meter) -> Option<&'static str> {
    if meter.derived.is_some() {
        Some("another meter's usage")
    } else if !meter.measure.is_total() {
        Some("another measure than the total")
    } else {
        None
    }
}

/// Whether a line is of usage: others stand beside those, for themselves.
pub fn is_usage(line: &RatedLine) -> bool {
    match line.kind {
        LineKind::Usage | LineKind::Metered => true,
        LineKind::Fee | LineKind::Adjustment => false,
    }
}

/// Whether lines of the account stand for more than one resource.
pub fn is_collapsed(book: &PriceBook, account: &Account) -> bool {
    let tariffs = account.tariffs.iter().filter_map(|assignment| book.tariff(&assignment.tariff));
    let mut versions = tariffs.flat_map(|tariff| &tariff.versions);
    versions.any(|version| version.detail != turnpike_schemas::tariff::Detail::Resource)
}
