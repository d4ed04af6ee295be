//! From a priced part to a rated line.

use std::cmp::Ordering;

use turnpike_schemas::{Account, Period, Rate, RatedLine, RunId, canonical};

use super::line_id;
use crate::convert;
use crate::parked::{ParkCode, ParkReason};
use crate::price::{Part, PricePool};

/// The rated line of a part. `apart` tells it from the other lines of its item.
pub(super) fn line_of(
    run: &RunId,
    account: &Account,
    pool: &PricePool<'_>,
    part: &Part,
    apart: &str,
) -> Result<RatedLine, ParkReason> {
    let item = &pool.items[part.item];
    let (key, sums) = (item.key, item.sums);
    let service_period = Period::new(sums.first, sums.last)
        .map_err(|error| ParkReason::new(ParkCode::Overflow, error.to_string()))?;
    let line = RatedLine {
        line_id: line_id::of_key(key, apart),
        run: run.clone(),
        kind: part.kind,
        account: key.account.clone(),
        seller: account.seller.clone(),
        project: key.project.clone(),
        site: key.site.clone(),
        resource: key.resource.clone(),
        resource_kind: sums.resource_kind.clone(),
        meter: key.meter.clone(),
        service: key.service.clone(),
        detail: detail(pool.rate, &part.detail),
        attributes: key.attributes.clone(),
        tariff: key.tariff.clone(),
        tariff_version: key.tariff_version.clone(),
        agreement: key.agreement.clone(),
        tax_category: key.tax_category.clone(),
        aggregation: pool.meter.aggregation,
        quantity: part.quantity,
        scale: part.scale,
        seconds: sums.seconds,
        price_nano: part.price_nano,
        unit: part.unit.clone(),
        per: part.per,
        per_seconds: part.per_seconds,
        currency: pool.currency,
        amount: part.amount,
        service_period,
        intervals: sums.intervals,
        estimated: key.estimated,
    };
    fitting(line)
}

/// The line, if it can be kept.
pub(super) fn fitting(line: RatedLine) -> Result<RatedLine, ParkReason> {
    if convert::fits(&line) {
        return Ok(line);
    }
    let text = format!("the amount of {} for meter `{}` is too large", line.resource, line.meter);
    Err(ParkReason::new(ParkCode::Overflow, text))
}

/// The name of the rate, where it has one, and what the model says.
pub(crate) fn detail(rate: &Rate, text: &str) -> String {
    match (rate.name.as_str(), text) {
        ("", text) => text.to_owned(),
        (name, "") => name.to_owned(),
        (name, text) => format!("{name}: {text}"),
    }
}

pub(super) fn line_id(parts: &[&str]) -> String {
    let mut id = canonical::sha256_hex(parts.concat());
    id.truncate(line_id::DIGITS);
    id
}

/// The canonical order of an account's lines.
pub(super) fn order(left: &RatedLine, right: &RatedLine) -> Ordering {
    fn key(line: &RatedLine) -> impl Ord + use<'_> {
        (
            &line.service,
            &line.project,
            &line.resource,
            &line.meter,
            line.service_period,
            &line.line_id,
        )
    }
    key(left).cmp(&key(right))
}
