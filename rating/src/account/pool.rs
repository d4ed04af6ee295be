//! Which usage is priced together, and at which place in its pool each item stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::{
    Fraction, Instant, Meter, MeterId, Pool, PriceBook, Rate, Tariff, TariffVersion,
};

use crate::gather::{GatherKey, Gathered};
use crate::parked::{ParkCode, ParkReason};
use crate::price::{PoolItem, PricePool};

/// Units are counted on within a series: the same rate across tariff versions, in one pool, month
/// and window.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SeriesKey<'a> {
    meter: &'a MeterId,
    rate: String,
    member: Option<&'a str>,
    month: Option<Instant>,
    window: Option<Instant>,
}

/// An item with what prices it.
struct Found<'a> {
    key: &'a GatherKey,
    sums: &'a Gathered,
    tariff: &'a Tariff,
    version: &'a TariffVersion,
    rate: &'a Rate,
    meter: &'a Meter,
}

/// All pools of an account, in canonical order.
pub(super) fn pools<'a>(
    book: &'a PriceBook,
    gathered: &'a [(GatherKey, Gathered)],
) -> Result<Vec<PricePool<'a>>, ParkReason> {
    let mut series: BTreeMap<SeriesKey<'a>, Vec<Found<'a>>> = BTreeMap::new();
    for (key, sums) in gathered {
        let found = find(book, key, sums);
        series.entry(series_key(&found)).or_default().push(found);
    }
    let mut pools = Vec::new();
    for (_, mut items) in series {
        items.sort_by_key(|found| (found.version.valid_from, found.sums.first, found.key));
        add_pools(&items, &mut pools)?;
    }
    Ok(pools)
}

/// All of these were found when the piece was gathered from the same book.
fn find<'a>(book: &'a PriceBook, key: &'a GatherKey, sums: &'a Gathered) -> Found<'a> {
    let tariff = book.tariff(&key.tariff).expect("a gathered tariff is in the book");
    let version = tariff.versions.iter().find(|version| version.id == key.tariff_version);
    let version = version.expect("a gathered version is in its tariff");
    let rate = &version.rates[key.rate_index];
    let meter = book.meters.get(&key.meter).expect("a gathered meter is in the book");
    Found { key, sums, tariff, version, rate, meter }
}

fn series_key<'a>(found: &Found<'a>) -> SeriesKey<'a> {
    let Found { key, rate, .. } = found;
    let member = match rate.pool {
        Pool::Account => None,
        Pool::Project => key.project.as_deref(),
        Pool::Site => key.site.as_deref(),
        Pool::Resource => Some(key.resource.as_str()),
    };
    SeriesKey {
        meter: &key.meter,
        rate: series_name(rate),
        member,
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

fn add_pools<'a>(items: &[Found<'a>], pools: &mut Vec<PricePool<'a>>) -> Result<(), ParkReason> {
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
                currency: found.tariff.currency.expect("a gathered tariff has a currency"),
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
        let units = Fraction::ratio(found.sums.quantity, pool.divisor()?);
        let high = units.and_then(|units| position.checked_add(&units)).ok_or_else(overflow)?;
        pool.items.push(PoolItem { key: found.key, sums: found.sums, low: position, high });
        position = high;
    }
    let totals: Result<Vec<Fraction>, ParkReason> = match pools[first..].last() {
        Some(last) => pools[first..].iter().map(|pool| converted(&position, last, pool)).collect(),
        None => Ok(Vec::new()),
    };
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

/// Units of one pool's rate in those of another: versions may differ in unit and `per`.
fn converted(
    units: &Fraction,
    from: &PricePool<'_>,
    to: &PricePool<'_>,
) -> Result<Fraction, ParkReason> {
    let ratio = Fraction::ratio(from.divisor()?, to.divisor()?);
    ratio.and_then(|ratio| units.checked_mul(&ratio)).ok_or_else(overflow)
}

fn overflow() -> ParkReason {
    ParkReason::new(ParkCode::Overflow, "the units of a pool are too many to count")
}
