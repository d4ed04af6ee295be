//! Price series and host classes: numbers that change with time, beside the tariffs that use them.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use turnpike_schemas::Instant;
use turnpike_schemas::book::HostClass;
use turnpike_schemas::tariff::PriceSeries;

use super::known::Known;
use super::reader::{At, Log, Place, Raw, Table, elements};
use super::span::{self, Dated, Overlap, Span};
use super::{number, value};

/// `[[series]]`: `points = [["2026-10-01T00:00:00Z", "0.01"], ...]`, each from its instant on.
pub(super) fn series(
    root: &mut Table<'_, '_>,
    log: &mut Log,
    known: &mut Known,
) -> Vec<PriceSeries> {
    let mut all = Vec::new();
    for mut table in root.tables(log, "series") {
        let id = table.text(log, "id");
        if let Some(id) = &id {
            known.series.declare(log, id);
        }
        let points = points(&mut table, log);
        table.finish(log);
        if let (Some(id), Some(points)) = (id, points) {
            all.push(PriceSeries { id: id.value, points });
        }
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

fn points(table: &mut Table<'_, '_>, log: &mut Log) -> Option<Vec<(Instant, i64)>> {
    let allowed = "pairs of an instant and a price, such as [\"2026-10-01T00:00:00Z\", \"0.01\"]";
    let Some(raw) = table.raw(log, "points") else {
        return table.missing(log, "points", allowed);
    };
    let mut points: Vec<(Instant, i64)> = Vec::new();
    let rows = elements(log, "points", &raw, allowed)?;
    if rows.is_empty() {
        log.mistake(&raw.place, "`points` holds no price");
        return None;
    }
    for row in rows {
        let place = row.place.clone();
        let Some((from, price)) = point(log, &row, allowed) else { continue };
        if let Some((before, _)) = points.last()
            && from.value <= *before
        {
            let message = format!("{} is not after the point before it, {before}", from.value);
            log.mistake(&place, message);
        }
        points.push((from.value, price));
    }
    Some(points)
}

fn point(log: &mut Log, row: &Raw<'_, '_>, allowed: &str) -> Option<(At<Instant>, i64)> {
    let fields = elements(log, "points", row, allowed)?;
    let Ok([from, price]) = <[Raw<'_, '_>; 2]>::try_from(fields) else {
        log.mistake(&row.place, format!("a point is one of {allowed}"));
        return None;
    };
    let from = value::instant_of(log, "instant", from, Tz::UTC);
    let price = number::of(log, "price", &price, &number::PRICE);
    from.zip(price)
}

/// `[[host_class]]`: what hosts of a class are rated at, from one day to another.
pub(super) fn host_classes(root: &mut Table<'_, '_>, log: &mut Log) -> Vec<HostClass> {
    let mut classes = Vec::new();
    let mut dated: BTreeMap<String, Vec<(Span, Place, bool)>> = BTreeMap::new();
    for mut table in root.tables(log, "host_class") {
        let class = table.text(log, "class");
        let per_vcpu = number::optional(&mut table, log, "mips_per_vcpu", &number::MIPS);
        let per_mhz = number::optional(&mut table, log, "mips_per_mhz", &number::MIPS);
        if !table.has("mips_per_vcpu") && !table.has("mips_per_mhz") {
            log.mistake(&table.place, "a host class has `mips_per_vcpu`, `mips_per_mhz` or both");
        }
        let span = span::read(&mut table, log, Tz::UTC);
        let after_gap = table.flag(log, "gap");
        let place = table.place.clone();
        table.finish(log);
        let Some(class) = class else { continue };
        dated.entry(class.value.clone()).or_default().push((span, place, after_gap));
        classes.push(HostClass {
            class: class.value,
            mips_per_vcpu_micro: per_vcpu,
            mips_per_mhz_micro: per_mhz,
            valid_from: span.from,
            valid_to: span.to,
        });
    }
    for (class, spans) in &dated {
        let of = || {
            let dated = spans.iter().map(|(span, place, after_gap)| Dated {
                name: class,
                span: *span,
                place,
                after_gap: *after_gap,
            });
            dated.collect()
        };
        span::check_overlaps(log, "host class", of(), Overlap::Mistake);
        span::check_gaps(log, &format!("host class `{class}`"), of(), false);
    }
    classes.sort_by(|a, b| (&a.class, a.valid_from).cmp(&(&b.class, b.valid_from)));
    classes
}
