//! What applies to an account when: the stretches of time between changes of its price lists, and
//! the fees and adjustments that go on from one to the next.
//!
//! Stretches are whole seconds, ascending, never across a local month or an end of the run's
//! period. They reach back before the period, because a fee that is due once needs to know when its
//! tariff first came into force. Time without a tariff has no stretch: only usage makes that a gap.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::{
    Account, AdjustmentKind, Currency, Instant, Period, PriceBook, Rate, Tariff, TariffId,
    TariffVersion,
};

use crate::gather::{GatherKey, Gathered};
use crate::parked::{ParkCode, ParkReason};
use crate::price::flat_of_nothing_nano;
use crate::tariff_lookup::{Link, Lookup};

/// Time in which the same price lists apply.
#[derive(Debug)]
pub(super) struct Stretch<'a> {
    pub start: Instant,
    pub end: Instant,
    /// The most general price list first.
    pub links: Vec<Link<'a>>,
    /// Within the run's period.
    pub inside: bool,
}

/// The terms of an account.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub account: &'a Account,
    pub currency: Currency,
    /// The run's, as far as it bills.
    pub period: Period,
    /// The local months that the period touches, whole.
    pub months: Vec<Period>,
    pub stretches: Vec<Stretch<'a>>,
}

/// Makes a fee or an adjustment the same one in a later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesId<'a> {
    pub tariff: &'a TariffId,
    pub name: &'a str,
    pub word: &'static str,
    /// Several of a version may have one name.
    pub nth: usize,
}

/// A fee or an adjustment over a local month.
#[derive(Debug)]
pub(super) struct Series<'a, T> {
    pub id: SeriesId<'a>,
    pub spells: Vec<Spell<'a, T>>,
    /// What it says in each stretch.
    pub by_stretch: BTreeMap<usize, &'a T>,
}

/// Time in which one version of it is in force.
#[derive(Debug)]
pub(super) struct Spell<'a, T> {
    pub start: Instant,
    pub end: Instant,
    pub inside: bool,
    pub link: Link<'a>,
    pub item: &'a T,
    /// The stretch in which it begins.
    pub stretch: usize,
}

impl<'a> Terms<'a> {
    /// `None` where no price list of the account has fees, adjustments or a fee without usage.
    pub fn of(lookup: &Lookup<'a>, account: &'a Account) -> Result<Option<Self>, ParkReason> {
        let Some(whole) = lookup.periods.get(&account.id) else { return Ok(None) };
        let end = whole.end().min(lookup.until().floored());
        let Ok(period) = Period::new(whole.start(), end) else { return Ok(None) };
        let related = related(lookup.book, account);
        if !related.iter().flat_map(|tariff| &tariff.versions).any(asks_for_more) {
            return Ok(None);
        }
        let months = period
            .local_months(account.time_zone)
            .map_err(|error| ParkReason::new(ParkCode::Overflow, error.to_string()))?;
        let mut cuts = BTreeSet::from([Instant::MIN, period.start(), period.end()]);
        cuts.extend(months.iter().flat_map(|month| [month.start(), month.end()]));
        for assignment in &account.tariffs {
            cuts.extend(assignment.valid_from.into_iter().chain(assignment.valid_to));
        }
        for version in related.iter().flat_map(|tariff| &tariff.versions) {
            cuts.insert(version.valid_from);
            cuts.extend(version.valid_to);
        }
        let end = months.last().map_or(period.end(), Period::end);
        let cuts: Vec<Instant> = cuts.into_iter().filter(|cut| *cut <= end).collect();
        let mut stretches = Vec::new();
        for pair in cuts.windows(2) {
            let (start, end) = (pair[0].floored(), pair[1].floored());
            let inside = period.contains(start);
            match lookup.chain(account, pair[0]) {
                Ok(mut links) if start < end => {
                    links.reverse();
                    stretches.push(Stretch { start, end, links, inside });
                }
                Ok(_) => {}
                Err(reason) if reason.code == ParkCode::TariffGap || !inside => {}
                Err(reason) => return Err(reason),
            }
        }
        let Some(currency) = account.currency.filter(|_| !stretches.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Self { account, currency, period, months, stretches }))
    }

    /// The stretch that usage belongs to: the first in which it was used and its price was in force.
    pub fn stretch_of(&self, key: &GatherKey, sums: &Gathered) -> Option<usize> {
        let priced = |stretch: &Stretch<'_>| {
            let versions = stretch.links.iter().rev().map(|link| &link.version.id);
            let of_rate = stretch
                .links
                .iter()
                .any(|link| link.tariff.id == key.tariff && link.version.id == key.tariff_version);
            of_rate && (key.chain.is_empty() || versions.eq(&key.chain))
        };
        let meets = |stretch: &&(usize, &Stretch<'a>)| {
            stretch.1.start < sums.last && sums.first < stretch.1.end
        };
        let inside: Vec<(usize, &Stretch<'a>)> =
            self.stretches.iter().enumerate().filter(|(_, stretch)| stretch.inside).collect();
        let found = inside.iter().filter(meets).find(|(_, stretch)| priced(stretch));
        found.or_else(|| inside.iter().find(meets)).map(|(place, _)| *place)
    }

    /// Whether any allowance takes units as they are rounded.
    pub fn takes_rounded_units(&self) -> bool {
        let links = self.stretches.iter().flat_map(|stretch| &stretch.links);
        let mut kinds = links.flat_map(|link| &link.version.adjustments).map(|found| &found.kind);
        kinds.any(|kind| matches!(kind, AdjustmentKind::Allowance { after_rounding: true, .. }))
    }

    pub fn month_of(&self, at: Instant) -> Option<&Period> {
        self.months.iter().find(|month| month.contains(at))
    }

    /// The fees or adjustments in force in a month, each once, in the order of the lists. A later
    /// list can put new ones between those before; it does not change the order of those.
    pub fn series<T>(
        &self,
        month: &Period,
        list: impl Fn(&'a TariffVersion) -> &'a [T],
        name: impl Fn(&'a T) -> (&'a str, &'static str),
    ) -> Vec<Series<'a, T>> {
        let mut found: Vec<Series<'a, T>> = Vec::new();
        let of_month = |(_, stretch): &(usize, &Stretch<'a>)| month.contains(stretch.start);
        for (place, stretch) in self.stretches.iter().enumerate().filter(of_month) {
            let mut cursor = 0;
            let mut same: BTreeMap<SeriesId<'a>, usize> = BTreeMap::new();
            let items = stretch
                .links
                .iter()
                .flat_map(|link| list(link.version).iter().map(move |item| (*link, item)));
            for (link, item) in items {
                let (name, word) = name(item);
                let id = SeriesId { tariff: &link.tariff.id, name, word, nth: 0 };
                let nth = same.entry(id).or_insert(0);
                let id = SeriesId { nth: *nth, ..id };
                *nth += 1;
                let at = found.iter().position(|series| series.id == id).unwrap_or_else(|| {
                    found.insert(
                        cursor,
                        Series { id, spells: Vec::new(), by_stretch: BTreeMap::new() },
                    );
                    cursor
                });
                cursor = cursor.max(at + 1);
                found[at].go_on(place, stretch, link, item);
            }
        }
        found
    }
}

impl<'a, T> Series<'a, T> {
    fn go_on(&mut self, place: usize, stretch: &Stretch<'a>, link: Link<'a>, item: &'a T) {
        self.by_stretch.insert(place, item);
        if let Some(last) = self.spells.last_mut()
            && last.end == stretch.start
            && last.inside == stretch.inside
            && std::ptr::eq(last.item, item)
        {
            last.end = stretch.end;
            return;
        }
        self.spells.push(Spell {
            start: stretch.start,
            end: stretch.end,
            inside: stretch.inside,
            link,
            item,
            stretch: place,
        });
    }
}

/// Every tariff that ever prices the account, and those they are based on.
fn related<'a>(book: &'a PriceBook, account: &'a Account) -> Vec<&'a Tariff> {
    let mut found: Vec<&Tariff> = Vec::new();
    for assignment in &account.tariffs {
        let mut next = book.tariff(&assignment.tariff);
        while let Some(tariff) = next {
            if found.iter().any(|known| known.id == tariff.id) {
                break;
            }
            found.push(tariff);
            next = tariff.base.as_ref().and_then(|base| book.tariff(base));
        }
    }
    found
}

/// Whether more than usage times price can be due.
fn asks_for_more(version: &TariffVersion) -> bool {
    !version.fees.is_empty()
        || !version.adjustments.is_empty()
        || version.rates.iter().any(|rate| first_flat(rate).is_some())
}

/// The flat fee that is due without usage, where there is one. Nobody knows the members of a
/// smaller pool than the account before they use anything.
pub(super) fn first_flat(rate: &Rate) -> Option<i64> {
    let alone = rate.pool == turnpike_schemas::Pool::Account && rate.window_seconds.is_none();
    flat_of_nothing_nano(rate).filter(|_| alone)
}
