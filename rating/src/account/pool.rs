//! Which usage is priced together, and at which place in its pool each item stands: after
//! allowances, and with the units rounded as they add up, so that an item's are the difference of
//! two rounded totals and the rounding of the whole is never exceeded.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::{
    Account, Currency, Fraction, Instant, Meter, MeterId, Pool, PriceBook, Rate, TariffId,
    TariffVersion, TariffVersionId,
};

use super::allowance::Free;
use super::overflow;

use crate::gather::{GatherKey, Gathered};
use crate::parked::ParkReason;
use crate::price::{PoolItem, PricePool};

/// Units are counted on within a series: the same rate across the versions of a tariff, in one pool,
/// month and window. An account that moves to another tariff begins anew there.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SeriesKey<'a> {
    assigned: Option<&'a TariffId>,
    meter: &'a MeterId,
    rate: String,
    member: Option<&'a str>,
    month: Option<Instant>,
    window: Option<Instant>,
}

/// An item with what prices it.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub key: &'a GatherKey,
    pub sums: &'a Gathered,
    pub version: &'a TariffVersion,
    pub rate: &'a Rate,
    pub meter: &'a Meter,
}

impl<'a> Found<'a> {
    /// All of these were found when the piece was gathered from the same book.
    pub fn of(book: &'a PriceBook, key: &'a GatherKey, sums: &'a Gathered) -> Self {
        let tariff = book.tariff(&key.tariff).expect("a gathered tariff is in the book");
        let version = tariff.versions.iter().find(|version| version.id == key.tariff_version);
        let version = version.expect("a gathered version is in its tariff");
        let rate = &version.rates[key.rate_index];
        let meter = book.meters.get(&key.meter).expect("a gathered meter is in the book");
        Found { key, sums, version, rate, meter }
    }

    /// The member of the account that it counts for in a pool.
    pub fn member(&self, pool: Pool) -> Option<&'a str> {
        match pool {
            Pool::Account => None,
            Pool::Project => self.key.project.as_deref(),
            Pool::Site => self.key.site.as_deref(),
            Pool::Resource => Some(self.key.resource.as_str()),
        }
    }
}

/// All pools of an account, in canonical order.
pub(super) fn pools<'a>(
    book: &'a PriceBook,
    account: &'a Account,
    currency: Currency,
    gathered: &'a [(GatherKey, Gathered)],
    free: &Free<'a>,
) -> Result<Vec<PricePool<'a>>, ParkReason> {
    let mut series: BTreeMap<SeriesKey<'a>, Vec<Found<'a>>> = BTreeMap::new();
    for (key, sums) in gathered {
        let found = Found::of(book, key, sums);
        series.entry(series_key(account, &found)).or_default().push(found);
    }
    let mut pools = Vec::new();
    for (_, mut items) in series {
        sort_by_use(&mut items);
        add_pools(currency, &items, free, &mut pools)?;
    }
    Ok(pools)
}

/// Versions in the order in which they were used first (of two in one second the older one, then by
/// name), then the items of each: a base version that began long ago may come after one of the
/// tariff's own.
fn sort_by_use(items: &mut [Found<'_>]) {
    let mut begun: BTreeMap<(&TariffId, &TariffVersionId), Instant> = BTreeMap::new();
    for found in &*items {
        let first =
            begun.entry((&found.key.tariff, &found.key.tariff_version)).or_insert(found.sums.first);
        *first = (*first).min(found.sums.first);
    }
    items.sort_by_key(|found| {
        let version = (&found.key.tariff, &found.key.tariff_version);
        let older = (found.version.valid_from, version);
        (begun.get(&version).copied(), older, found.sums.first, found.key)
    });
}

/// The tariff that an account is assigned to, where that tells one use from another.
pub(super) fn assigned(account: &Account, at: Instant) -> Option<&TariffId> {
    let several = account.tariffs.len() > 1;
    let mut found = account.tariffs.iter().filter(|assignment| {
        assignment.valid_from.is_none_or(|from| from <= at)
            && assignment.valid_to.is_none_or(|end| at < end)
    });
    found.next().filter(|_| several).map(|assignment| &assignment.tariff)
}

fn series_key<'a>(account: &'a Account, found: &Found<'a>) -> SeriesKey<'a> {
    let Found { key, rate, sums, .. } = found;
    SeriesKey {
        assigned: assigned(account, sums.first),
        meter: &key.meter,
        rate: series_name(rate),
        member: found.member(rate.pool),
        month: key.month,
        window: key.window,
    }
}

/// The name of the rate; without one, its conditions.
pub(crate) fn series_name(rate: &Rate) -> String {
    if rate.name.is_empty() {
        turnpike_schemas::canonical::to_json(&(&rate.conditions, &rate.place, &rate.times))
    } else {
        rate.name.clone()
    }
}

fn add_pools<'a>(
    currency: Currency,
    items: &[Found<'a>],
    free: &Free<'a>,
    pools: &mut Vec<PricePool<'a>>,
) -> Result<(), ParkReason> {
    let first = pools.len();
    // In price units of the rate in force: what came before counts in the same smallest parts.
    let mut position = Fraction::ZERO;
    for found in items {
        let same = pools[first..].last().is_some_and(|pool| {
            std::ptr::eq(pool.rate, found.rate) && pool.per_seconds == found.key.per_seconds
        });
        if !same {
            let pool = PricePool {
                rate: found.rate,
                meter: found.meter,
                currency,
                per_seconds: found.key.per_seconds,
                items: Vec::new(),
                total: Fraction::ZERO,
                series: Arc::default(),
                place: 0..0,
            };
            if let Some(before) = pools[first..].last() {
                position = converted(&position, before, &pool)?;
            }
            pools.push(pool);
        }
        let Some(pool) = pools.last_mut() else { continue };
        let parts = Fraction::whole(found.sums.quantity);
        let high = parts
            .checked_sub(&free.parts(found.key)?)
            .and_then(|parts| parts.checked_div(&Fraction::whole(pool.divisor().ok()?)))
            .and_then(|units| position.checked_add(&units))
            .ok_or_else(overflow)?;
        let low = round_units(found.rate, &position)?;
        let rounded = round_units(found.rate, &high)?;
        pool.items.push(PoolItem { key: found.key, sums: found.sums, low, high: rounded });
        position = high;
    }
    let Some(last) = pools[first..].last() else { return Ok(()) };
    let totals: Result<Vec<Fraction>, ParkReason> = pools[first..]
        .iter()
        .map(|pool| round_units(pool.rate, &converted(&position, last, pool)?))
        .collect();
    for (pool, total) in pools[first..].iter_mut().zip(totals?) {
        pool.total = total;
    }
    if pools.len() - first > 1 {
        let series: Arc<[&Gathered]> = items.iter().map(|found| found.sums).collect();
        let mut placed = 0;
        for pool in &mut pools[first..] {
            pool.place = placed..placed + pool.items.len();
            pool.series = Arc::clone(&series);
            placed = pool.place.end;
        }
    }
    Ok(())
}

/// What each item comes to as its rate rounds it, in smallest parts of its meter.
pub(super) fn parts<'a>(
    pools: &[PricePool<'a>],
) -> Result<BTreeMap<&'a GatherKey, Fraction>, ParkReason> {
    let mut found = BTreeMap::new();
    for pool in pools {
        let divisor = Fraction::whole(pool.divisor()?);
        for item in &pool.items {
            let units = pool.difference(&item.high, &item.low)?;
            found.insert(item.key, units.checked_mul(&divisor).ok_or_else(overflow)?);
        }
    }
    Ok(found)
}

/// Moves items to their places after allowances have taken of what units were rounded to.
pub(super) fn take_rounded(pools: &mut [PricePool<'_>], free: &Free<'_>) -> Result<(), ParkReason> {
    let same = |one: &PricePool<'_>, next: &PricePool<'_>| {
        !one.series.is_empty() && Arc::ptr_eq(&one.series, &next.series)
    };
    for series in pools.chunk_by_mut(same) {
        let mut taken = Fraction::ZERO;
        for pool in &mut *series {
            let divisor = Fraction::whole(pool.divisor()?);
            let less = |place: &Fraction, taken: &Fraction| {
                taken.checked_div(&divisor).and_then(|units| place.checked_sub(&units))
            };
            for item in &mut pool.items {
                item.low = less(&item.low, &taken).ok_or_else(overflow)?;
                taken = taken.checked_add(&free.rounded_parts(item.key)?).ok_or_else(overflow)?;
                item.high = less(&item.high, &taken).ok_or_else(overflow)?;
            }
        }
        for pool in series {
            let units = taken.checked_div(&Fraction::whole(pool.divisor()?));
            let total = units.and_then(|units| pool.total.checked_sub(&units));
            pool.total = total.ok_or_else(overflow)?;
        }
    }
    Ok(())
}

/// The units of a pool so far, as the rate rounds them.
fn round_units(rate: &Rate, units: &Fraction) -> Result<Fraction, ParkReason> {
    match rate.round_units {
        None => Ok(*units),
        Some(rounding) => units
            .round_to_step(&Fraction::nano(rounding.step_nano), rounding.to)
            .ok_or_else(overflow),
    }
}

/// Units of one pool's rate in those of another: versions may differ in unit and `per`.
fn converted(
    units: &Fraction,
    from: &PricePool<'_>,
    to: &PricePool<'_>,
) -> Result<Fraction, ParkReason> {
    let ratio = Fraction::ratio(from.divisor()?, to.divisor()?);
    ratio.and_then(|ratio| units.checked_mul(&ratio)).ok_or_else(overflow)
}
