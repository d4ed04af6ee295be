//! What can be checked once all tariffs are read: the chain of base tariffs, and what adjustments
//! name among the rates and fees of a tariff and its bases.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::tariff::AdjustmentScope;
use turnpike_schemas::{
    Instant, MeterId, Per, PriceModel, PriceUnit, Rate, Tariff, TariffId, TariffVersion,
    TariffVersionId,
};

use super::check_capacity;
use super::reader::{At, Log, Place, listed};

/// The rates that a name stands for: those of this name, or all of a matrix.
pub(super) fn of_name<'a>(rates: &[&'a Rate], name: &str) -> Vec<&'a Rate> {
    let exact: Vec<&Rate> = rates.iter().copied().filter(|rate| rate.name == name).collect();
    if !exact.is_empty() {
        return exact;
    }
    let matrix = format!("{name}: ");
    rates.iter().copied().filter(|rate| rate.name.starts_with(&matrix)).collect()
}

/// A check that waits for all tariffs.
#[derive(Debug, Clone)]
pub(super) enum Later {
    /// A rate of this name has to be there.
    Rate(At<String>),
    /// A meter or a fee has to belong to this service.
    Service(At<String>),
    /// Each meter has to be priced in this unit, and all by the same `per`: also in other versions
    /// of the tariff, where the allowance of the same name goes on.
    Allowance {
        name: String,
        meters: BTreeSet<MeterId>,
        rates: BTreeSet<String>,
        unit: PriceUnit,
        place: Place,
    },
    /// Of a capacity fee: the meter has to be counted.
    Capacity(At<MeterId>),
    /// One of the rates has to have a window.
    Windows { scope: AdjustmentScope, place: Place },
}

/// What waits, by tariff and version.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub bases: BTreeMap<TariffId, At<TariffId>>,
    /// Tariffs of which some rate could not be read: nothing can be said to be missing of them.
    pub incomplete: BTreeSet<TariffId>,
    /// Versions that say that nothing may be in force before them, or in their base.
    pub after_gap: BTreeSet<TariffVersionId>,
    pub later: Vec<(TariffId, TariffVersionId, Vec<Later>)>,
}

/// A tariff and its bases, nearest first; what is circular is cut.
pub(super) fn chain<'a>(tariffs: &'a [Tariff], id: &TariffId) -> Vec<&'a Tariff> {
    let find = |id: &TariffId| tariffs.iter().find(|tariff| &tariff.id == id);
    let mut chain: Vec<&Tariff> = Vec::new();
    let mut next = find(id);
    while let Some(tariff) = next {
        if chain.iter().any(|seen| seen.id == tariff.id) {
            break;
        }
        chain.push(tariff);
        next = tariff.base.as_ref().and_then(find);
    }
    chain
}

pub(super) fn check(
    log: &mut Log,
    tariffs: &[Tariff],
    meters: &MeterCatalogue,
    known: &super::known::Ids<TariffId>,
    waiting: &Waiting,
) {
    for (id, base) in &waiting.bases {
        if known.check(log, base.clone()).is_some() {
            check_base(log, tariffs, id, base, waiting);
        }
    }
    let mut allowed: BTreeMap<(&TariffId, &str), Per> = BTreeMap::new();
    for (id, version, later) in &waiting.later {
        let chain = chain(tariffs, id);
        if chain.last().is_some_and(|tariff| tariff.base.is_some())
            || chain.iter().any(|tariff| waiting.incomplete.contains(&tariff.id))
        {
            // What could not be read, or an unknown base, may hold what is looked for.
            continue;
        }
        // The rates of this version, and of every version of its bases.
        let own = chain.first().map(|tariff| tariff.versions.iter());
        let own = own.and_then(|mut own| own.find(|own| &own.id == version));
        let inherited = chain.iter().skip(1).flat_map(|tariff| &tariff.versions);
        let versions: Vec<_> = own.into_iter().chain(inherited).collect();
        let rates: Vec<&Rate> = versions.iter().flat_map(|version| &version.rates).collect();
        for check in later {
            match check {
                Later::Rate(name) => check_rate(log, &rates, name),
                Later::Service(service) => {
                    let fees = versions.iter().flat_map(|version| &version.fees);
                    let of_meters = meters.iter().map(|meter| meter.service.as_str());
                    let services: BTreeSet<&str> =
                        of_meters.chain(fees.map(|fee| fee.service.as_str())).collect();
                    check_service(log, &services, service);
                }
                Later::Allowance { name, meters, rates: named, unit, place } => {
                    let rates = narrowed(&rates, named);
                    meters.iter().for_each(|meter| check_unit(log, &rates, meter, unit, place));
                    let mut rates = rates.iter().filter(|rate| meters.contains(&rate.meter));
                    let first = rates.next().map_or(Per::Unit, |rate| rate.per);
                    let known = *allowed.entry((id, name)).or_insert(first);
                    let other = std::iter::once(first).chain(rates.map(|rate| rate.per));
                    check_per(log, known, other, place);
                }
                Later::Capacity(meter) => {
                    // The fee of a base may be about what those on top of it price.
                    let family = tariffs.iter().filter(|tariff| {
                        self::chain(tariffs, &tariff.id).iter().any(|link| &link.id == id)
                    });
                    let above = family.flat_map(|tariff| &tariff.versions);
                    let versions: Vec<_> = versions.iter().copied().chain(above).collect();
                    check_capacity::check(log, &versions, meter);
                }
                Later::Windows { scope, place } => check_windows(log, &rates, meters, scope, place),
            }
        }
    }
}

fn check_base(
    log: &mut Log,
    tariffs: &[Tariff],
    id: &TariffId,
    base: &At<TariffId>,
    waiting: &Waiting,
) {
    let chain = chain(tariffs, id);
    let last = chain.last().and_then(|tariff| tariff.base.as_ref());
    if last == Some(id) {
        let mut names: Vec<&str> = chain.iter().map(|tariff| tariff.id.as_str()).collect();
        names.push(id.as_str());
        log.mistake(&base.place, format!("the base is circular: {}", names.join(" on ")));
        return;
    }
    let (Some(tariff), Some(under)) = (chain.first(), chain.get(1)) else { return };
    if let (Some(own), Some(other)) = (tariff.currency, under.currency)
        && own != other
    {
        let message = format!("tariff `{}` is priced in {other}, and this one in {own}", under.id);
        log.mistake(&base.place, message);
    }
    if waiting.incomplete.contains(&under.id) {
        // A version that could not be read may be the one that is missing.
        return;
    }
    for version in &tariff.versions {
        if waiting.after_gap.contains(&version.id) {
            continue;
        }
        if let Some(gap) = gap_below(version, under) {
            let message = format!(
                "no version of the base is in force from {gap} on, in the time of `{}`; write \
                 `gap = true` in that version where usage then is to park the account",
                version.id
            );
            log.mistake(&base.place, message);
        }
    }
}

/// The first instant of a version at which its base says nothing.
fn gap_below(version: &TariffVersion, under: &Tariff) -> Option<Instant> {
    // In order of `valid_from`; overlaps are reported already.
    let mut at = version.valid_from;
    for below in &under.versions {
        if below.valid_from > at {
            break;
        }
        at = match below.valid_to {
            None => return None,
            Some(end) => at.max(end),
        };
    }
    version.valid_to.is_none_or(|end| at < end).then_some(at)
}

/// Those among the names; without names, all.
fn narrowed<'a>(rates: &[&'a Rate], names: &BTreeSet<String>) -> Vec<&'a Rate> {
    if names.is_empty() {
        return rates.to_vec();
    }
    names.iter().flat_map(|name| of_name(rates, name)).collect()
}

fn check_rate(log: &mut Log, rates: &[&Rate], name: &At<String>) {
    if of_name(rates, &name.value).is_empty() {
        let names: BTreeSet<&str> =
            rates.iter().map(|rate| rate.name.as_str()).filter(|name| !name.is_empty()).collect();
        let message =
            format!("no rate is named `{}`; there are {}", name.value, listed(names.iter()));
        log.mistake(&name.place, message);
    }
}

fn check_service(log: &mut Log, services: &BTreeSet<&str>, service: &At<String>) {
    if !services.contains(service.value.as_str()) {
        let message = format!(
            "no meter or fee belongs to a service `{}`; there are {}",
            super::value::short(&service.value),
            listed(services.iter())
        );
        log.mistake(&service.place, message);
    }
}

/// An allowance takes units of the rates that price by its unit. Where each piece of usage has a
/// price of its own, no units are counted.
fn check_unit(log: &mut Log, rates: &[&Rate], meter: &MeterId, unit: &PriceUnit, place: &Place) {
    let counts = |rate: &&&Rate| {
        &rate.meter == meter
            && !matches!(
                rate.model,
                PriceModel::Series { .. } | PriceModel::Dynamic(_) | PriceModel::HashMap { .. }
            )
    };
    let units: BTreeSet<&str> =
        rates.iter().filter(counts).map(|rate| rate.unit.name.as_str()).collect();
    if !units.contains(unit.name.as_str()) {
        let message = format!(
            "no rate counts meter `{meter}` in `{}`; its rates count in {}",
            unit.name,
            listed(units.iter())
        );
        log.mistake(place, message);
    }
}

/// Units of a month and of an hour do not add up.
fn check_per(log: &mut Log, known: Per, mut others: impl Iterator<Item = Per>, place: &Place) {
    if let Some(other) = others.find(|other| *other != known) {
        let message = format!(
            "its units are counted per {} and per {}, which do not add up: give the rates that it \
             bears on the same `per`, in all versions, or write an allowance for each",
            known.as_str(),
            other.as_str()
        );
        log.mistake(place, message);
    }
}

fn check_windows(
    log: &mut Log,
    rates: &[&Rate],
    meters: &MeterCatalogue,
    scope: &AdjustmentScope,
    place: &Place,
) {
    let in_scope = |rate: &&Rate| {
        let service = meters.get(&rate.meter).map(|meter| meter.service.as_str());
        (scope.meters.is_empty() || scope.meters.contains(&rate.meter))
            && (scope.services.is_empty() || service.is_some_and(|s| scope.services.contains(s)))
    };
    let rates = narrowed(rates, &scope.rates);
    if rates.is_empty() {
        // A name that is none is told already.
        return;
    }
    if !rates
        .iter()
        .copied()
        .filter(|rate| in_scope(rate))
        .any(|rate| rate.window_seconds.is_some())
    {
        log.mistake(place, "none of its rates has a `window`, by which it would be counted");
    }
}

/// Puts the names of a matrix's rates in the place of its own.
pub(super) fn expand(tariffs: &mut [Tariff]) {
    let mut expanded: Vec<(usize, usize, usize, BTreeSet<String>)> = Vec::new();
    for (t, tariff) in tariffs.iter().enumerate() {
        let chain = chain(tariffs, &tariff.id);
        for (v, version) in tariff.versions.iter().enumerate() {
            let inherited = chain.iter().skip(1).flat_map(|tariff| &tariff.versions);
            let rates: Vec<&Rate> =
                std::iter::once(version).chain(inherited).flat_map(|v| &v.rates).collect();
            for (a, adjustment) in version.adjustments.iter().enumerate() {
                let names = adjustment.scope.rates.iter();
                let names = names.flat_map(|name| of_name(&rates, name));
                expanded.push((t, v, a, names.map(|rate| rate.name.clone()).collect()));
            }
        }
    }
    for (t, v, a, names) in expanded {
        tariffs[t].versions[v].adjustments[a].scope.rates = names;
    }
}
