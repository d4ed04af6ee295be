//! What a line contributes to the hash of its run: every field but the run's id, each with its length.

use turnpike_schemas::{Aggregation, RatedLine};

fn text(value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    out.extend_from_slice(value.as_bytes());
}

fn optional(value: Option<&str>, out: &mut Vec<u8>) {
    out.push(u8::from(value.is_some()));
    text(value.unwrap_or_default(), out);
}

/// Appends a line. Two lines append the same bytes where they differ in nothing but their run.
pub(crate) fn put(line: &RatedLine, out: &mut Vec<u8>) {
    // Named one by one, so that a field that is added has to be thought of.
    let RatedLine {
        line_id,
        run: _,
        kind,
        account,
        seller,
        project,
        site,
        resource,
        resource_kind,
        meter,
        service,
        detail,
        attributes,
        tariff,
        tariff_version,
        agreement,
        tax_category,
        aggregation,
        quantity,
        scale,
        seconds,
        price_nano,
        unit,
        per,
        per_seconds,
        currency,
        amount,
        service_period,
        intervals,
        estimated,
    } = line;
    for value in [
        line_id,
        kind.as_str(),
        account.as_str(),
        seller.as_str(),
        resource.as_str(),
        resource_kind,
        meter.as_str(),
        service,
        detail,
        tariff.as_str(),
        tariff_version.as_str(),
        tax_category.as_str(),
        &unit.name,
        per.as_str(),
        currency.code(),
    ] {
        text(value, out);
    }
    optional(project.as_deref(), out);
    optional(site.as_deref(), out);
    optional(agreement.as_ref().map(|agreement| agreement.as_str()), out);
    out.extend_from_slice(&(attributes.len() as u64).to_le_bytes());
    for (key, value) in attributes {
        text(key, out);
        text(value, out);
    }
    out.push(u8::from(*aggregation == Aggregation::Sum));
    out.extend_from_slice(&quantity.to_le_bytes());
    out.extend_from_slice(&scale.to_le_bytes());
    out.extend_from_slice(&amount.numerator().to_le_bytes());
    out.extend_from_slice(&amount.denominator().to_le_bytes());
    let (start, end) = (service_period.start().micros(), service_period.end().micros());
    for value in [*seconds, *price_nano, unit.base_units, *per_seconds, *intervals, start, end] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.push(u8::from(*estimated));
}
