//! Quantities at the scale of the meter that is priced: exact, or a reason why not.

use turnpike_schemas::book::HostClass;
use turnpike_schemas::meter::{Conversion, Factor};
use turnpike_schemas::parse::scaled_to_short_decimal;
use turnpike_schemas::{Aggregation, Instant, Measure, Meter, PriceBook, UsageInterval};

use crate::parked::{ParkCode, ParkReason};
use crate::tariff_lookup::{Feed, Lookup};

/// Decimals of the factors of host classes.
const FACTOR_SCALE: u32 = 6;

/// The meter that was reported, as the book declares it.
pub(super) fn known_meter<'a>(
    lookup: &Lookup<'a>,
    interval: &UsageInterval,
) -> Result<&'a Meter, ParkReason> {
    let meter = lookup.book.meters.get(&interval.meter).ok_or_else(|| {
        let text = format!(
            "meter `{}`, reported for {}, is not in the book",
            interval.meter, interval.holder.resource
        );
        ParkReason::new(ParkCode::UnknownMeter, text)
    })?;
    same_aggregation(meter, interval)?;
    Ok(meter)
}

pub(super) fn same_aggregation(meter: &Meter, interval: &UsageInterval) -> Result<(), ParkReason> {
    if meter.aggregation == interval.aggregation {
        return Ok(());
    }
    let text = format!(
        "meter `{}` of {} is reported as {} but declared as the opposite",
        meter.id,
        interval.holder.resource,
        match interval.aggregation {
            Aggregation::Held => "held",
            Aggregation::Sum => "consumed",
        }
    );
    Err(ParkReason::new(ParkCode::MeterMismatch, text))
}

/// What an interval comes to in smallest parts of the meter it feeds, at an instant. Quantities of
/// meters declared after they were first reported are stored at another scale.
pub(super) fn quantity(
    book: &PriceBook,
    interval: &UsageInterval,
    feed: &Feed<'_>,
    at: Instant,
) -> Result<i128, ParkReason> {
    let mut quantity = i128::from(interval.quantity);
    let mut scale = interval.scale;
    for conversion in &feed.conversions {
        let factor = factor(book, interval, conversion, at)?;
        quantity = quantity.checked_mul(i128::from(factor)).ok_or_else(|| too_large(interval))?;
        scale += FACTOR_SCALE;
    }
    // What only counts events, holdings or values has a scale of its own.
    if matches!(feed.meter.measure, Measure::Count | Measure::Unique { .. }) {
        return Ok(quantity.signum());
    }
    if scale <= feed.meter.scale {
        let factor = 10_i128.checked_pow(feed.meter.scale - scale);
        let exact = factor.and_then(|factor| quantity.checked_mul(factor));
        return exact.ok_or_else(|| too_large(interval));
    }
    let factor = 10_i128.checked_pow(scale - feed.meter.scale);
    let exact = factor.filter(|factor| quantity % factor == 0).map(|factor| quantity / factor);
    exact.ok_or_else(|| {
        let text = format!(
            "{} of meter `{}` for {} has more than the meter's {} decimals",
            scaled_to_short_decimal(quantity, scale),
            feed.meter.id,
            interval.holder.resource,
            feed.meter.scale
        );
        ParkReason::new(ParkCode::QuantityScale, text)
    })
}

/// The classes that a resource may be converted by, and when they change.
pub(super) fn class_cuts(
    book: &PriceBook,
    interval: &UsageInterval,
    feed: &Feed<'_>,
    cuts: &mut Vec<Instant>,
) {
    for conversion in &feed.conversions {
        let Some(class) = interval.holder.attributes.get(&conversion.attribute) else { continue };
        for row in book.host_classes.iter().filter(|row| &row.class == class) {
            cuts.extend(row.valid_from.into_iter().chain(row.valid_to));
        }
    }
}

fn factor(
    book: &PriceBook,
    interval: &UsageInterval,
    conversion: &Conversion,
    at: Instant,
) -> Result<i64, ParkReason> {
    let resource = &interval.holder.resource;
    let refused = |text: String| ParkReason::new(ParkCode::UnpricedMeter, text);
    let class = interval.holder.attributes.get(&conversion.attribute).ok_or_else(|| {
        refused(format!("{resource} names no host class in attribute `{}`", conversion.attribute))
    })?;
    let in_force = |row: &&HostClass| {
        &row.class == class
            && row.valid_from.is_none_or(|from| from <= at)
            && row.valid_to.is_none_or(|to| at < to)
    };
    let mut rows = book.host_classes.iter().filter(in_force);
    let row = rows.next().ok_or_else(|| {
        refused(format!("host class `{class}` of {resource} has no rating in force at {at}"))
    })?;
    if rows.next().is_some() {
        return Err(refused(format!("host class `{class}` has several ratings in force at {at}")));
    }
    let (factor, unit) = match conversion.factor {
        Factor::MipsPerVcpu => (row.mips_per_vcpu_micro, "vCPU"),
        Factor::MipsPerMhz => (row.mips_per_mhz_micro, "MHz"),
    };
    factor.ok_or_else(|| refused(format!("host class `{class}` has no MIPS per {unit} at {at}")))
}

pub(super) fn too_large(interval: &UsageInterval) -> ParkReason {
    let text = format!(
        "the usage of {} for meter `{}` is too large to sum",
        interval.holder.resource, interval.meter
    );
    ParkReason::new(ParkCode::Overflow, text)
}
