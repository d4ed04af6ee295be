//! Meters: what is counted, in which units, and what a period's usage amounts to.
//!
//! A meter `of` another one is derived: its usage is that of the other, measured or converted. What
//! it does not say itself (unit, scale, hold) it has from the other.

use turnpike_schemas::meter::{Conversion, Derived, Factor, MeterCatalogue, SCALE_MAX};
use turnpike_schemas::{Aggregation, HoldClass, Measure, Meter, MeterId, Pool};

use super::check_rate::POOLS;
use super::known::Known;
use super::reader::{At, Log, Table};
use super::value;

const AGGREGATIONS: [(&str, Aggregation); 2] =
    [("held", Aggregation::Held), ("sum", Aggregation::Sum)];
const HOLDS: [(&str, HoldClass); 3] = [
    ("running", HoldClass::Running),
    ("allocated", HoldClass::Allocated),
    ("existing", HoldClass::Existing),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Total,
    Max,
    Latest,
    Count,
    Unique,
    Peak,
    Percentile,
}

const KINDS: [(&str, Kind); 7] = [
    ("total", Kind::Total),
    ("max", Kind::Max),
    ("latest", Kind::Latest),
    ("count", Kind::Count),
    ("unique", Kind::Unique),
    ("peak", Kind::Peak),
    ("percentile", Kind::Percentile),
];

/// The built-in meters and those of the file; one of the file replaces a built-in one.
pub(super) fn meters(root: &mut Table<'_, '_>, log: &mut Log, known: &mut Known) -> MeterCatalogue {
    let builtin = MeterCatalogue::builtin();
    let mut catalogue = builtin.clone();
    let mut derived = Vec::new();
    for mut table in root.tables(log, "meter") {
        let id = table.parsed::<MeterId>(log, "id");
        if let Some(id) = &id {
            known.meters.declare(log, id);
            if builtin.get(&id.value).is_some() {
                let message = format!("meter `{}` replaces the built-in one", id.value);
                log.warn(&id.place, message);
            }
        }
        // What a meter is derived of may stand after it.
        if table.has("of") {
            derived.push((table, id));
            continue;
        }
        table.pass_over(&["of"]);
        if table.has("convert") {
            let place = table.place_of(log, "convert");
            log.mistake(&place, "a conversion is that of a meter `of` another one");
        }
        table.pass_over(&["convert"]);
        let meter = meter(&mut table, log, id, None);
        table.finish(log);
        meter.into_iter().for_each(|meter| catalogue.insert(meter));
    }
    builtin.iter().for_each(|meter| known.meters.add_builtin(meter.id.clone()));
    let sources = catalogue.clone();
    let ids: Vec<MeterId> =
        derived.iter().filter_map(|(_, id)| id.as_ref().map(|id| id.value.clone())).collect();
    for (mut table, id) in derived {
        let of = known.meters.named(&mut table, log, "of");
        if let Some(of) = &of
            && (ids.contains(&of.value)
                || sources.get(&of.value).is_some_and(|source| source.derived.is_some()))
        {
            let message =
                format!("meter `{}` is derived itself: name the one it is `of`", of.value);
            log.mistake(&of.place, message);
        }
        let convert = convert(&mut table, log);
        let source = of.as_ref().and_then(|of| sources.get(&of.value));
        let meter = meter(&mut table, log, id, source);
        table.finish(log);
        if let (Some(meter), Some(of)) = (meter, of) {
            let derived = Some(Derived { of: of.value, convert });
            catalogue.insert(Meter { derived, ..meter });
        }
    }
    catalogue
}

/// `source` is what the meter is derived of.
fn meter(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    id: Option<At<MeterId>>,
    source: Option<&Meter>,
) -> Option<Meter> {
    let derived = table.has("of");
    let name = table.text(log, "name");
    let service = if derived { table.text_opt(log, "service") } else { table.text(log, "service") };
    let measured = measure(table, log);
    let own_unit = measured.as_ref().is_some_and(|(_, own_unit)| *own_unit);
    let over = over(table, log, measured.as_ref().map(|(measure, _)| measure));
    // Events counted are no bytes, and what is converted is in another unit.
    let own_unit = own_unit || table.has("convert");
    let unit =
        if derived && !own_unit { table.text_opt(log, "unit") } else { table.text(log, "unit") };
    let scale = value::integer(table, log, "scale", 0..=i64::from(SCALE_MAX));
    let aggregation = aggregation(table, log, derived, source);
    let hold = value::word(table, log, "hold", &HOLDS);
    let multiples = units(table, log, unit.as_ref());
    if aggregation == Some(Aggregation::Held) && !derived && !table.has("hold") {
        return table.missing(log, "hold", "one of `running`, `allocated`, `existing`");
    }
    let (id, name, measure) = (id?, name?.value, measured?.0);
    let service = service.map(|service| service.value);
    let service = service.or_else(|| source.map(|source| source.service.clone()))?;
    let aggregation = aggregation.or(source.map(|source| source.aggregation))?;
    let hold = hold.or(source.map(|source| source.hold)).unwrap_or(HoldClass::Existing);
    let scale = match scale {
        Some(scale) => u32::try_from(scale).ok()?,
        None => source.filter(|_| !own_unit).map_or(0, |source| source.scale),
    };
    // The smallest first, so that the order does not depend on how the file was read.
    let multiples: Vec<(&str, i64)> =
        multiples.iter().map(|(name, base_units)| (name.as_str(), *base_units)).collect();
    let meter = match (unit, source) {
        (Some(unit), _) => {
            let unit = unit.value;
            Meter::new(id.value, &name, &service, &unit, scale, aggregation, hold, &multiples)
        }
        (None, Some(source)) => Ok(Meter {
            id: id.value,
            name,
            service,
            scale,
            hold,
            measure: Measure::Total,
            over: None,
            derived: None,
            ..source.clone()
        }),
        (None, None) => return None,
    };
    match meter {
        Ok(meter) => Some(Meter { measure, over, ..meter }),
        Err(error) => {
            log.mistake(&id.place, error.to_string());
            None
        }
    }
}

fn over(table: &mut Table<'_, '_>, log: &mut Log, measure: Option<&Measure>) -> Option<Pool> {
    let over = value::word(table, log, "over", &POOLS);
    if table.has("over") && measure.is_some_and(Measure::is_total) {
        let place = table.place_of(log, "over");
        let message = "`over` says over what a `measure` is taken; a total is taken over all";
        log.mistake(&place, message);
    }
    over
}

/// That of a derived meter is its source's.
fn aggregation(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    derived: bool,
    source: Option<&Meter>,
) -> Option<Aggregation> {
    if !derived {
        return value::word_needed(table, log, "aggregation", &AGGREGATIONS);
    }
    let own = value::word(table, log, "aggregation", &AGGREGATIONS);
    if let (Some(source), Some(own)) = (source, own)
        && own != source.aggregation
    {
        let place = table.place_of(log, "aggregation");
        let message = format!("meter `{}`, which it is `of`, is aggregated otherwise", source.id);
        log.mistake(&place, message);
    }
    own
}

/// The measure, and whether it counts something else than the meter's unit.
fn measure(table: &mut Table<'_, '_>, log: &mut Log) -> Option<(Measure, bool)> {
    let kind = if table.has("measure") {
        let kind = value::word(table, log, "measure", &KINDS);
        if kind.is_none() {
            table.pass_over(&["attribute", "window", "percent"]);
        }
        kind?
    } else {
        table.pass_over(&["measure"]);
        Kind::Total
    };
    let windowed = |table: &mut Table<'_, '_>, log: &mut Log| {
        if !table.has("window") {
            table.pass_over(&["window"]);
            return table.missing(log, "window", "a duration such as \"5m\" that divides a day");
        }
        value::window(table, log, "window")
    };
    let measure = match kind {
        Kind::Total => Measure::Total,
        Kind::Max => Measure::Max,
        Kind::Latest => Measure::Latest,
        Kind::Count => Measure::Count,
        Kind::Unique => {
            let attribute = table.text_opt(log, "attribute").map(|attribute| attribute.value);
            Measure::Unique { attribute }
        }
        Kind::Peak => Measure::Peak { window_seconds: windowed(table, log)? },
        Kind::Percentile => {
            let window_seconds = windowed(table, log);
            let percent = value::integer(table, log, "percent", 1..=100);
            if !table.has("percent") {
                table.missing::<()>(log, "percent", "a whole number from 1 to 100");
            }
            let percent = u32::try_from(percent?).ok()?;
            Measure::Percentile { window_seconds: window_seconds?, percent }
        }
    };
    Some((measure, matches!(kind, Kind::Count | Kind::Unique)))
}

/// `convert = { attribute = "host_class", factor = "mips-per-vcpu" }`.
fn convert(table: &mut Table<'_, '_>, log: &mut Log) -> Option<Conversion> {
    let mut inner = table.table_opt(log, "convert")?;
    let factors = [("mips-per-vcpu", Factor::MipsPerVcpu), ("mips-per-mhz", Factor::MipsPerMhz)];
    let attribute = inner.text(log, "attribute");
    let factor = value::word_needed(&mut inner, log, "factor", &factors);
    inner.finish(log);
    Some(Conversion { attribute: attribute?.value, factor: factor? })
}

/// `units = { "pair" = 2 }`: names of exact multiples of the base unit, smallest first.
fn units(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    base: Option<&At<String>>,
) -> Vec<(String, i64)> {
    let Some(inner) = table.table_opt(log, "units") else { return Vec::new() };
    let mut units = Vec::new();
    for (name, raw) in inner.entries(log) {
        if base.is_some_and(|base| base.value == name) {
            log.mistake(&raw.place, format!("unit `{name}` is the base unit already"));
        }
        if name.trim() != name || name.is_empty() {
            log.mistake(&raw.place, format!("`{name}` is not the name of a unit"));
        }
        if let Some(base_units) = value::integer_of(log, &name, &raw, 1..=i64::MAX) {
            units.push((name, base_units));
        }
    }
    units.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    units
}
