//! Fees: what is due without usage, by the local month or once.
//!
//! A monthly fee is due for the part of each month in which its tariff is in force for the account,
//! per version. One that is not prorated is due whole, under the version in force first, by the run
//! whose period holds that instant. A fee that is due once belongs to the instant at which its
//! tariff first comes into force for the account: an account that has been on the tariff since
//! before owes nothing.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::period::local_midnight;
use turnpike_schemas::tariff::{FeeAmount, FeeEvery, ZeroUsage};
use turnpike_schemas::{Fee, Fraction, Instant, LineKind, Period, TariffVersion};

use super::entry::Entry;
use super::own::{OwnLine, Subject, no_meter};
use super::proration::{Portion, Proration, portions};
use super::scope::Origin;
use super::terms::Series;
use super::{Stage, capacity, overflow};
use crate::parked::ParkReason;
use crate::tariff_lookup::Link;

/// The meter of lines of fees.
const FEE: &str = "fee";

/// Adds the fees of the run's period.
pub(super) fn add<'a>(
    stage: &Stage<'_, '_, 'a>,
    entries: &mut Vec<Entry<'a>>,
) -> Result<(), ParkReason> {
    let list = |version: &'a TariffVersion| version.fees.as_slice();
    let name = |fee: &'a Fee| match fee.every {
        FeeEvery::Month => (fee.name.as_str(), "month"),
        FeeEvery::Once => (fee.name.as_str(), "once"),
    };
    for month in &stage.terms.months {
        for series in stage.terms.series(month, list, name) {
            if series.id.word == "month" {
                add_monthly(stage, month, &series, entries)?;
            }
        }
    }
    add_once(stage, entries)
}

fn add_monthly<'a>(
    stage: &Stage<'_, '_, 'a>,
    month: &Period,
    series: &Series<'a, Fee>,
    entries: &mut Vec<Entry<'a>>,
) -> Result<(), ParkReason> {
    let zone = stage.terms.account.time_zone;
    let parts = portions(&series.spells, |fee| fee.proration, month, zone)?;
    let begins_before = series.spells.first().is_some_and(|spell| !spell.inside);
    for (spell, portion) in series.spells.iter().zip(parts) {
        let whole = spell.item.proration == Proration::None;
        if portion.ratio.is_zero() || whole && begins_before {
            continue;
        }
        let due = Due {
            link: spell.link,
            fee: spell.item,
            nth: series.id.nth,
            portion,
            period: (spell.start, spell.end),
            stretch: spell.stretch,
        };
        due.put(stage, month, entries)?;
    }
    Ok(())
}

fn add_once<'a>(stage: &Stage<'_, '_, 'a>, entries: &mut Vec<Entry<'a>>) -> Result<(), ParkReason> {
    let mut known = BTreeSet::new();
    for (place, stretch) in stage.terms.stretches.iter().enumerate() {
        for link in &stretch.links {
            if !known.insert(&link.tariff.id) || !stretch.inside {
                continue;
            }
            let Some(month) = stage.terms.month_of(stretch.start) else { continue };
            let end = end_of_day(stage, stretch.start)?.min(stage.terms.period.end());
            let fees = link.version.fees.iter().enumerate();
            for (nth, fee) in fees.filter(|(_, fee)| fee.every == FeeEvery::Once) {
                let due = Due {
                    link: *link,
                    fee,
                    nth,
                    portion: Portion { ratio: Fraction::ONE, text: String::new() },
                    period: (stretch.start, end),
                    stretch: place,
                };
                due.put(stage, month, entries)?;
            }
        }
    }
    Ok(())
}

/// The end of the local day of an instant: a fee that is due once stands on that day.
fn end_of_day(stage: &Stage<'_, '_, '_>, at: Instant) -> Result<Instant, ParkReason> {
    let zone = stage.terms.account.time_zone;
    let mut day = at.to_chrono().with_timezone(&zone).date_naive();
    loop {
        day = day.succ_opt().ok_or_else(overflow)?;
        let start = local_midnight(day, zone).map_err(|_| overflow())?;
        if start > at {
            return Ok(start);
        }
    }
}

/// A fee for a stretch of time.
struct Due<'a> {
    link: Link<'a>,
    fee: &'a Fee,
    nth: usize,
    portion: Portion,
    period: (Instant, Instant),
    stretch: usize,
}

impl<'a> Due<'a> {
    fn put(
        self,
        stage: &Stage<'_, '_, 'a>,
        month: &Period,
        entries: &mut Vec<Entry<'a>>,
    ) -> Result<(), ParkReason> {
        let fee = self.fee;
        let price_nano = match &fee.amount {
            FeeAmount::Flat { amount_nano } => *amount_nano,
            FeeAmount::Capacity { tiers, zero_usage } => {
                let is_free = *zero_usage == ZeroUsage::Free;
                if is_free && capacity::is_unused(stage, month, tiers)? {
                    0
                } else {
                    capacity::price(stage, month, &fee.name, tiers)?
                }
            }
        };
        let net = Fraction::nano(price_nano).checked_mul(&self.portion.ratio);
        let net = net.ok_or_else(overflow)?;
        if net.is_zero() {
            return Ok(());
        }
        let detail = match self.portion.text.as_str() {
            "" => fee.name.clone(),
            days => format!("{}, {days}", fee.name),
        };
        let for_what = match fee.every {
            FeeEvery::Month => "month",
            FeeEvery::Once => "once",
        };
        let own = OwnLine {
            kind: LineKind::Fee,
            link: self.link,
            subject: Subject::account(stage)?,
            meter: no_meter(FEE),
            service: fee.service.clone(),
            detail,
            attributes: BTreeMap::new(),
            tax_category: fee.tax_category.clone(),
            // A price that 64 bits do not hold stands in the amount alone, as a fee's may.
            price: (i64::try_from(price_nano).unwrap_or(0), for_what),
            amount: net,
            period: self.period,
            estimated: false,
            apart: format!("{} {} {}", for_what, self.nth, fee.name),
        };
        entries.push(Entry {
            line: own.line(stage)?,
            net,
            stretch: Some(self.stretch),
            month: month.start(),
            window: None,
            origin: Origin::Fee { service: &fee.service },
            of_account: true,
        });
        Ok(())
    }
}
