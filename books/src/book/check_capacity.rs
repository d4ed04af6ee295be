//! Meters of capacity fees: each is counted, or the fee would be that of its lowest tier whatever is
//! used.

use std::collections::BTreeMap;

use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::tariff::FeeAmount;
use turnpike_schemas::{
    Aggregation, MeterId, Per, Rate, Tariff, TariffId, TariffVersion, TaxCategoryId,
};

use super::check_scope::chain;
use super::reader::{At, Log};

/// A meter that neither has a rate nor is included is not gathered: usage of it would park the
/// account anyway.
pub(super) fn check(log: &mut Log, versions: &[&TariffVersion], meter: &At<MeterId>) {
    let is_known = |version: &&TariffVersion| {
        version.included.contains(&meter.value)
            || version.rates.iter().any(|rate| rate.meter == meter.value)
    };
    if !versions.iter().any(is_known) {
        let message = format!(
            "no rate prices meter `{}` and it is not `included`, so that it is not counted",
            meter.value
        );
        log.mistake(&meter.place, message);
    }
}

/// What is included and named by a capacity fee is counted: it becomes a rate at price 0 for all of
/// it that no other rate takes. Of what is held a month counts, as the limits of a monthly fee do.
pub(super) fn count_included(tariffs: &mut [Tariff], meters: &MeterCatalogue) {
    // By tariff, since the fee of a tariff may stand above or below the list that includes the meter.
    let mut named: BTreeMap<TariffId, BTreeMap<MeterId, TaxCategoryId>> = BTreeMap::new();
    for tariff in tariffs.iter() {
        let chain = chain(tariffs, &tariff.id);
        for fee in chain.iter().flat_map(|link| &link.versions).flat_map(|version| &version.fees) {
            let FeeAmount::Capacity { tiers, .. } = &fee.amount else { continue };
            for limit in tiers.iter().flat_map(|tier| &tier.up_to) {
                for link in &chain {
                    let of_link = named.entry(link.id.clone()).or_default();
                    of_link.entry(limit.meter.clone()).or_insert_with(|| fee.tax_category.clone());
                }
            }
        }
    }
    for tariff in tariffs.iter_mut() {
        let Some(named) = named.get(&tariff.id) else { continue };
        for version in &mut tariff.versions {
            for (meter, tax) in named {
                let Some(unit) = meters.get(meter).and_then(|meter| meter.units.first()) else {
                    continue;
                };
                if version.included.remove(meter) {
                    let per = per(meters, meter);
                    let rate = Rate::linear(meter.clone(), 0, unit.clone(), per, tax.clone());
                    version.rates.push(rate);
                }
            }
        }
    }
}

fn per(meters: &MeterCatalogue, meter: &MeterId) -> Per {
    let held = meters
        .get(meter)
        .is_some_and(|meter| meter.aggregation == Aggregation::Held && meter.measure.is_total());
    if held { Per::Month } else { Per::Unit }
}
