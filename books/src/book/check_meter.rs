//! Tax categories, meters and source policies.

use turnpike_schemas::book::{OpenIntervals, SourcePolicy, TaxCategory};
use turnpike_schemas::meter::{MeterCatalogue, SCALE_MAX};
use turnpike_schemas::{Aggregation, HoldClass, Meter, MeterId};

use super::known::Known;
use super::reader::{At, Log, Table};
use super::value;

/// UNTDID 5305 as EN 16931 restricts it, with whether anything is charged.
const TAX_CODES: [(&str, bool); 9] = [
    ("S", true),
    ("Z", false),
    ("E", false),
    ("AE", false),
    ("K", false),
    ("G", false),
    ("O", false),
    ("L", true),
    ("M", true),
];
/// Categories whose invoices must say why nothing is charged (EN 16931 BR-E-10, BR-AE-10, BR-IC-10,
/// BR-G-10, BR-O-10).
const CODES_WITH_REASON: [&str; 5] = ["E", "AE", "K", "G", "O"];

const AGGREGATIONS: [(&str, Aggregation); 2] =
    [("held", Aggregation::Held), ("sum", Aggregation::Sum)];
const HOLDS: [(&str, HoldClass); 3] = [
    ("running", HoldClass::Running),
    ("allocated", HoldClass::Allocated),
    ("existing", HoldClass::Existing),
];

pub(super) fn tax_categories(
    root: &mut Table<'_, '_>,
    log: &mut Log,
    known: &mut Known,
) -> Vec<TaxCategory> {
    let mut categories = Vec::new();
    for mut table in root.tables(log, "tax_category") {
        let id = table.parsed(log, "id");
        if let Some(id) = &id {
            known.taxes.declare(log, id);
        }
        let words = TAX_CODES.map(|(code, charged)| (code, (code, charged)));
        let code = value::word_needed(&mut table, log, "code", &words);
        let rate_ppm = value::percent(&mut table, log, "rate");
        let note = table.text_opt(log, "note").map(|at| at.value);
        if let (Some((code, false)), Some(1..)) = (code, rate_ppm) {
            let place = table.place_of(log, "rate");
            log.mistake(&place, format!("a category of code `{code}` has a rate of 0%"));
        }
        if let Some((code, _)) = code
            && CODES_WITH_REASON.contains(&code)
            && note.is_none()
        {
            let message = format!("a category of code `{code}` needs a `note` that says why");
            log.warn(&table.place, message);
        }
        table.finish(log);
        if let (Some(id), Some((code, _)), Some(rate_ppm)) = (id, code, rate_ppm) {
            categories.push(TaxCategory { id: id.value, code: code.to_owned(), rate_ppm, note });
        }
    }
    categories.sort_by(|a, b| a.id.cmp(&b.id));
    categories
}

/// The built-in meters and those of the file; one of the file replaces a built-in one.
pub(super) fn meters(root: &mut Table<'_, '_>, log: &mut Log, known: &mut Known) -> MeterCatalogue {
    let mut catalogue = MeterCatalogue::builtin();
    for mut table in root.tables(log, "meter") {
        let id = table.parsed::<MeterId>(log, "id");
        if let Some(id) = &id {
            known.meters.declare(log, id);
            if MeterCatalogue::builtin().get(&id.value).is_some() {
                let message = format!("meter `{}` replaces the built-in one", id.value);
                log.warn(&id.place, message);
            }
        }
        let meter = meter(&mut table, log, id);
        table.finish(log);
        if let Some(meter) = meter {
            catalogue.insert(meter);
        }
    }
    let builtin = MeterCatalogue::builtin();
    builtin.iter().for_each(|meter| known.meters.add_builtin(meter.id.clone()));
    catalogue
}

fn meter(table: &mut Table<'_, '_>, log: &mut Log, id: Option<At<MeterId>>) -> Option<Meter> {
    let name = table.text(log, "name");
    let service = table.text(log, "service");
    let unit = table.text(log, "unit");
    let scale = value::integer(table, log, "scale", 0..=i64::from(SCALE_MAX)).unwrap_or(0);
    let aggregation = value::word_needed(table, log, "aggregation", &AGGREGATIONS);
    let hold = value::word(table, log, "hold", &HOLDS);
    let multiples = units(table, log, unit.as_ref());
    if aggregation == Some(Aggregation::Held) && !table.has("hold") {
        return table.missing(log, "hold", "one of `running`, `allocated`, `existing`");
    }
    // The smallest first, so that the order does not depend on how the file was read.
    let multiples: Vec<(&str, i64)> =
        multiples.iter().map(|(name, base_units)| (name.as_str(), *base_units)).collect();
    let (id, name, service, unit) = (id?, name?.value, service?.value, unit?.value);
    let hold = hold.unwrap_or(HoldClass::Existing);
    let scale = u32::try_from(scale).ok()?;
    match Meter::new(id.value, &name, &service, &unit, scale, aggregation?, hold, &multiples) {
        Ok(meter) => Some(meter),
        Err(error) => {
            log.mistake(&id.place, error.to_string());
            None
        }
    }
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

/// In the order of the file, since the first whose prefix matches is taken.
pub(super) fn sources(root: &mut Table<'_, '_>, log: &mut Log) -> Vec<SourcePolicy> {
    let mut policies: Vec<SourcePolicy> = Vec::new();
    for mut table in root.tables(log, "source") {
        let prefix = table.text(log, "prefix");
        let audited = value::word_needed(
            &mut table,
            log,
            "open",
            &[("until-stop", false), ("audited", true)],
        );
        let open = match audited {
            Some(true) => {
                let every_seconds = value::duration(&mut table, log, "every");
                let missed = value::integer(&mut table, log, "missed", 1..=1_000);
                if !table.has("missed") {
                    table.missing::<()>(log, "missed", "how many reports may fail to come");
                }
                every_seconds
                    .zip(missed)
                    .map(|(every_seconds, missed)| OpenIntervals::Audited { every_seconds, missed })
            }
            Some(false) => Some(OpenIntervals::UntilStop),
            None => None,
        };
        if let Some(prefix) = &prefix
            && let Some(earlier) =
                policies.iter().find(|policy| prefix.value.starts_with(&policy.prefix))
        {
            let message = format!(
                "`{}` is never reached: `{}` before it matches first",
                prefix.value, earlier.prefix
            );
            log.mistake(&prefix.place, message);
        }
        table.finish(log);
        if let (Some(prefix), Some(open)) = (prefix, open) {
            policies.push(SourcePolicy { prefix: prefix.value, open });
        }
    }
    policies
}
