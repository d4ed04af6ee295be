//! The flat fee of the first tier where a rate says that it is due without usage: once for each
//! series of units without usage in a month, under the version in force first. A base that does not
//! price the meter any more, since the lists above it include or price all of it, is due nothing.

use std::collections::BTreeSet;

use turnpike_schemas::{Fraction, Instant, LineKind, MeterId, Period, Rate, TariffId};

use super::Stage;
use super::entry::Entry;
use super::own::{OwnLine, Subject};
use super::pool::{assigned, series_name};
use super::scope::Origin;
use super::shadow::Shadow;
use super::terms::first_flat;
use crate::parked::{ParkCode, ParkReason};
use crate::price::{PricePool, flat_of_nothing_text};

/// Adds the flat fees of rates in force whose units of a month are none.
pub(super) fn add<'a>(
    stage: &Stage<'_, '_, 'a>,
    pools: &[PricePool<'a>],
    entries: &mut Vec<Entry<'a>>,
) -> Result<(), ParkReason> {
    let mut known = used(stage, pools);
    for (place, stretch) in stage.terms.stretches.iter().enumerate() {
        let Some(month) = stage.terms.month_of(stretch.start).filter(|_| stretch.inside) else {
            continue;
        };
        // A tariff's own rate stands before the same one of its base.
        let (mut above, mut here) = (Shadow::default(), BTreeSet::new());
        for link in stretch.links.iter().rev() {
            for rate in link.version.rates.iter().filter(|rate| !above.holds(&rate.meter)) {
                let assigned = assigned(stage.terms.account, stretch.start).cloned();
                let series = (month.start(), assigned, rate.meter.clone(), series_name(rate));
                // One that owes nothing here leaves the series to those in force later.
                let (true, Some(flat)) = (here.insert(series.clone()), first_flat(rate)) else {
                    continue;
                };
                if !known.insert(series.clone()) {
                    continue;
                }
                let Some(meter) = stage.lookup.book.meters.get(&rate.meter) else {
                    let text = format!("meter `{}` is not in the book", rate.meter);
                    return Err(ParkReason::new(ParkCode::UnknownMeter, text));
                };
                let end = stage.terms.period.end().min(month.end());
                let own = OwnLine {
                    kind: LineKind::Fee,
                    link: *link,
                    subject: Subject::account(stage)?,
                    meter: rate.meter.clone(),
                    service: meter.service.clone(),
                    detail: detail(rate),
                    attributes: rate.conditions.clone(),
                    tax_category: rate.tax_category.clone(),
                    price: (flat, "month"),
                    amount: Fraction::nano(flat),
                    period: (stretch.start, end),
                    estimated: false,
                    apart: format!("without usage {} {}", series.2, series.3),
                };
                entries.push(Entry {
                    line: own.line(stage)?,
                    net: Fraction::nano(flat),
                    stretch: Some(place),
                    month: month.start(),
                    window: None,
                    origin: Origin::Usage {
                        meter: rate.meter.clone(),
                        service: meter.service.clone(),
                        rate: &rate.name,
                    },
                    of_account: true,
                });
            }
            above.add(link.version);
        }
    }
    Ok(())
}

fn detail(rate: &Rate) -> String {
    let text = format!("{} without usage", flat_of_nothing_text(rate));
    if rate.name.is_empty() { text } else { format!("{}: {text}", rate.name) }
}

/// A series: its month, the tariff where an account moves, the meter and the rate.
type Used = (Instant, Option<TariffId>, MeterId, String);

/// The series that have usage, by month. Usage that comes to nothing is the price model's.
fn used(stage: &Stage<'_, '_, '_>, pools: &[PricePool<'_>]) -> BTreeSet<Used> {
    let mut used = BTreeSet::new();
    for pool in pools {
        for item in &pool.items {
            let at = item.key.month.unwrap_or(item.sums.first);
            let month = stage.terms.month_of(at).map_or(at, Period::start);
            let assigned = assigned(stage.terms.account, item.sums.first).cloned();
            used.insert((month, assigned, item.key.meter.clone(), series_name(pool.rate)));
        }
    }
    used
}
