//! Tariffs and their dated versions.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Timelike};
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::tariff::{Detail, HoldingTime};
use turnpike_schemas::{
    Adjustment, Aggregation, Instant, MeterId, Pool, Rate, Rounding, Tariff, TariffId,
    TariffVersion, TariffVersionId,
};

use super::check_scope::{self, Waiting};
use super::known::{Ids, Known};
use super::reader::{At, Log, Place, Table, listed, parse_at, table_of, texts_of};
use super::span::{self, Dated, Overlap, Span};
use super::{Places, check_adjustment, check_capacity, check_fee, check_rate, check_reach, value};

const ROUNDINGS: [(&str, Rounding); 2] =
    [("half-away-from-zero", Rounding::HalfAwayFromZero), ("half-even", Rounding::HalfEven)];
const DETAILS: [(&str, Detail); 3] =
    [("resource", Detail::Resource), ("project", Detail::Project), ("account", Detail::Account)];

/// What the parts of a tariff are checked against.
pub(super) struct Context<'a> {
    pub known: &'a Known,
    pub meters: &'a MeterCatalogue,
    /// Whether another tariff prices what this one does not.
    pub has_base: bool,
}

pub(super) fn tariffs(
    root: &mut Table<'_, '_>,
    log: &mut Log,
    known: &mut Known,
    meters: &MeterCatalogue,
    places: &mut Places,
) -> Vec<Tariff> {
    let mut tariffs = Vec::new();
    let mut version_ids = Ids::new("tariff version");
    let mut waiting = Waiting::default();
    for mut table in root.tables(log, "tariff") {
        let id = table.parsed::<TariffId>(log, "id");
        if let Some(id) = &id {
            known.tariffs.declare(log, id);
        }
        let name = table.text(log, "name");
        let currency = value::currency(&mut table, log, "accounts on the tariff");
        let rounding = value::word(&mut table, log, "rounding", &ROUNDINGS).unwrap_or_default();
        let base = table.parsed_opt::<TariffId>(log, "base");
        let context = Context { known, meters, has_base: base.is_some() };
        let state = (&mut version_ids, &mut waiting);
        let versions = versions(&mut table, log, &context, id.as_ref(), state, places);
        table.finish(log);
        if let (Some(id), Some(base)) = (&id, &base) {
            waiting.bases.insert(id.value.clone(), base.clone());
        }
        if let (Some(id), Some(name)) = (id, name) {
            let base = base.map(|base| base.value);
            let (id, name) = (id.value, name.value);
            tariffs.push(Tariff { id, name, currency, rounding, base, versions });
        }
    }
    tariffs.sort_by(|a, b| a.id.cmp(&b.id));
    check_scope::check(log, &tariffs, meters, &known.tariffs, &waiting);
    check_scope::expand(&mut tariffs);
    check_capacity::count_included(&mut tariffs, meters);
    tariffs
}

fn versions(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    tariff: Option<&At<TariffId>>,
    (ids, waiting): (&mut Ids<TariffVersionId>, &mut Waiting),
    places: &mut Places,
) -> Vec<TariffVersion> {
    let mut versions: Vec<(TariffVersion, Place, bool)> = Vec::new();
    let tables = table.tables(log, "version");
    if tables.is_empty() {
        log.warn(&table.place, "tariff without a version: it prices nothing");
    }
    for mut inner in tables {
        let place = inner.place.clone();
        let after_gap = inner.flag(log, "gap");
        let version = version(&mut inner, log, context, tariff, waiting);
        inner.finish(log);
        let Some(version) = version else { continue };
        ids.declare(log, &At { value: version.id.clone(), place: place.clone() });
        places.insert(
            (super::TARIFF_VERSION, version.id.to_string()),
            (place.line, place.path.clone()),
        );
        if after_gap {
            waiting.after_gap.insert(version.id.clone());
        }
        versions.push((version, place, after_gap));
    }
    let dated = || {
        versions
            .iter()
            .map(|(version, place, after_gap)| Dated {
                name: version.id.as_str(),
                span: Span { from: Some(version.valid_from), to: version.valid_to },
                place,
                after_gap: *after_gap,
            })
            .collect::<Vec<_>>()
    };
    span::check_overlaps(log, "tariff version", dated(), Overlap::Mistake);
    // With a base, it may mean one of that.
    span::check_gaps(log, "tariff", dated(), context.has_base);
    versions.sort_by_key(|(version, ..)| version.valid_from);
    versions.into_iter().map(|(version, ..)| version).collect()
}

fn version(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    tariff: Option<&At<TariffId>>,
    waiting: &mut Waiting,
) -> Option<TariffVersion> {
    let given = table.parsed_opt::<TariffVersionId>(log, "id");
    let id_is_given = table.has("id");
    let dated = span::read_dated(table, log);
    let rates = check_rate::rates(table, log, context);
    let included = included(table, log, context, &rates.all);
    if !context.has_base && !rates.incomplete {
        check_reach::check_hours(log, &rates.all, &included);
    }
    let hold = hold(table, log, context);
    let holding = holding(table, log, context);
    let mut later = Vec::new();
    let fees = check_fee::fees(table, log, context, &mut later);
    let adjustments = check_adjustment::adjustments(table, log, context, &rates, &mut later);
    let detail = value::word(table, log, "detail", &DETAILS).unwrap_or_default();
    check_detail(log, detail, &rates.all, &adjustments);
    let tariff = tariff?;
    if rates.incomplete || dated.is_none() {
        waiting.incomplete.insert(tariff.value.clone());
    }
    let (valid_from, span) = dated?;
    let id = if id_is_given { given?.value } else { version_id(log, table, tariff, valid_from)? };
    waiting.later.push((tariff.value.clone(), id.clone(), later));
    Some(TariffVersion {
        id,
        valid_from,
        valid_to: span.to,
        rates: rates.all.into_iter().map(|(rate, _)| rate).collect(),
        included,
        hold,
        holding,
        fees,
        adjustments: adjustments.into_iter().map(|(adjustment, _)| adjustment).collect(),
        detail,
    })
}

/// What lines are summed over cannot be wider than what units are counted over: the parts would no
/// longer be told apart.
fn check_detail(
    log: &mut Log,
    detail: Detail,
    rates: &[(Rate, Place)],
    adjustments: &[(Adjustment, Place)],
) {
    let rates = rates.iter().map(|(rate, place)| (rate.pool, place));
    let adjustments = adjustments.iter().map(|(adjustment, place)| (adjustment.pool, place));
    for (pool, place) in rates.chain(adjustments) {
        let lost = match pool {
            Pool::Resource => detail != Detail::Resource,
            Pool::Project => detail == Detail::Account,
            Pool::Account | Pool::Site => false,
        };
        if lost {
            let message = "its `pool` is narrower than the version's `detail`, which sums lines \
                           over more";
            log.mistake(place, message);
        }
    }
}

/// The id of a version that gives none: the tariff's id and the start, as short as it is exact.
/// `standard.2026-01`, `standard.2026-01-15`, `standard.2026-01-15t103000z`.
fn version_id(
    log: &mut Log,
    table: &Table<'_, '_>,
    tariff: &At<TariffId>,
    from: Instant,
) -> Option<TariffVersionId> {
    let time = from.to_chrono();
    let midnight = time.num_seconds_from_midnight() == 0;
    let form = match (midnight, time.day()) {
        (true, 1) => "%Y-%m",
        (true, _) => "%Y-%m-%d",
        (false, _) => "%Y-%m-%dt%H%M%Sz",
    };
    match TariffVersionId::new(format!("{}.{}", tariff.value, time.format(form))) {
        Ok(id) => Some(id),
        Err(error) => {
            log.mistake(&table.place, format!("{error}: give the version an `id` of its own"));
            None
        }
    }
}

fn included(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    rates: &[(Rate, Place)],
) -> BTreeSet<MeterId> {
    let mut included = BTreeSet::new();
    for meter in context.known.meters.all_named(table, log, "included") {
        let priced = rates.iter().any(|(rate, _)| {
            rate.meter == meter.value
                && rate.conditions.is_empty()
                && rate.place.is_anywhere()
                && rate.times.is_empty()
        });
        if priced {
            let message = format!("meter `{}` is included, and priced by a rate too", meter.value);
            log.mistake(&meter.place, message);
        }
        included.insert(meter.value);
    }
    included
}

/// `[tariff.version.hold]`: the states in which a held meter is billable, by meter.
fn hold(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
) -> BTreeMap<MeterId, BTreeSet<ResourceState>> {
    let mut hold = BTreeMap::new();
    let Some(inner) = table.table_opt(log, "hold") else { return hold };
    for (key, raw) in inner.entries(log) {
        let name = At { value: key.clone(), place: raw.place.clone() };
        let Some(meter) =
            parse_at::<MeterId>(log, name).and_then(|id| context.known.meters.check(log, id))
        else {
            continue;
        };
        let aggregation = context.meters.get(&meter.value).map(|meter| meter.aggregation);
        if aggregation == Some(Aggregation::Sum) {
            log.mistake(&raw.place, format!("meter `{key}` is a sum: nothing of it is held"));
        }
        let texts = texts_of(log, &key, &raw);
        if texts.is_empty() {
            let message = format!("`{key}` names no state; to charge nothing use `included`");
            log.mistake(&raw.place, message);
        }
        let states = texts.into_iter().filter_map(|text| state(log, text)).collect();
        hold.insert(meter.value, states);
    }
    hold
}

/// `[tariff.version.holding]`: `vcpu = { minimum = "60s", step = "1h" }`.
fn holding(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
) -> BTreeMap<MeterId, HoldingTime> {
    let mut holding = BTreeMap::new();
    let Some(inner) = table.table_opt(log, "holding") else { return holding };
    for (key, raw) in inner.entries(log) {
        let place = raw.place.clone();
        let name = At { value: key.clone(), place: place.clone() };
        let id = parse_at::<MeterId>(log, name).and_then(|id| context.known.meters.check(log, id));
        let Some(mut times) = table_of(log, &key, raw) else { continue };
        let minimum = value::duration_opt(&mut times, log, "minimum");
        let step = value::duration_opt(&mut times, log, "step");
        if !times.has("minimum") && !times.has("step") {
            log.mistake(&place, "write a `minimum`, a `step` or both");
        }
        times.finish(log);
        let Some(id) = id else { continue };
        let aggregation = context.meters.get(&id.value).map(|meter| meter.aggregation);
        if aggregation == Some(Aggregation::Sum) {
            log.mistake(&place, format!("meter `{key}` is a sum: nothing of it is held"));
        }
        let (minimum_seconds, step_seconds) = (minimum.unwrap_or(0), step.unwrap_or(0));
        holding.insert(id.value, HoldingTime { minimum_seconds, step_seconds });
    }
    holding
}

fn state(log: &mut Log, text: At<String>) -> Option<ResourceState> {
    // What is gone, or not known to be there, is never billable.
    let billable =
        |state: &ResourceState| !matches!(state, ResourceState::Deleted | ResourceState::Unknown);
    let state = ResourceState::from_word(&text.value).filter(billable);
    if state.is_none() {
        let words = ResourceState::ALL.iter().filter(|state| billable(state));
        let allowed = listed(words.map(|state| state.as_str()));
        let message = format!(
            "`{}` is not a billable state; allowed are {allowed}",
            value::short(&text.value)
        );
        log.mistake(&text.place, message);
    }
    state
}
