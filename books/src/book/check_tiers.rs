//! Tiers: ascending bounds without a gap, and only the last of them open.

use turnpike_schemas::tariff::{PercentTier, Tier, TierBasis, Tiers};
use turnpike_schemas::{Aggregation, Meter};

use super::check_model::{BASES, zero_usage};
use super::reader::{Log, Place, Table};
use super::{number, value};

/// `tiers = [{ up_to = "10", price = "2", flat = "5" }, { price = "1" }]`, with `by` and
/// `zero_usage`.
pub(super) fn tiers(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    meter: Option<&Meter>,
) -> Option<Tiers> {
    let basis = value::word(table, log, "by", &BASES).unwrap_or_default();
    if basis == TierBasis::Held
        && let Some(meter) = meter
        && (meter.aggregation == Aggregation::Sum || !meter.measure.is_total())
    {
        let place = table.place_of(log, "by");
        let message = format!("meter `{}` has no quantity that is held at an instant", meter.id);
        log.mistake(&place, message);
    }
    let zero_usage = zero_usage(table, log);
    let mut tiers = Vec::new();
    let mut bounds = Bounds::default();
    let tables = tables(table, log)?;
    let count = tables.len();
    for mut inner in tables {
        let up_to_nano = bounds.next(&mut inner, log);
        let price_nano = number::needed(&mut inner, log, "price", &number::PRICE);
        let flat = number::optional(&mut inner, log, "flat", &number::PRICE);
        inner.finish(log);
        let flat_nano = flat.unwrap_or(0);
        tiers.extend(price_nano.map(|price_nano| Tier { up_to_nano, price_nano, flat_nano }));
    }
    bounds.finish(log);
    (tiers.len() == count).then_some(Tiers { tiers, basis, zero_usage })
}

/// `tiers = [{ up_to = "100", percent = "2%", flat = "5" }, { percent = "1%" }]`.
pub(super) fn percent_tiers(table: &mut Table<'_, '_>, log: &mut Log) -> Option<Vec<PercentTier>> {
    let mut tiers = Vec::new();
    let mut bounds = Bounds::default();
    let tables = tables(table, log)?;
    let count = tables.len();
    for mut inner in tables {
        let up_to_nano = bounds.next(&mut inner, log);
        let rate_nano = number::percent(&mut inner, log, "percent", None);
        let flat = number::optional(&mut inner, log, "flat", &number::PRICE);
        inner.finish(log);
        let flat_nano = flat.unwrap_or(0);
        tiers.extend(rate_nano.map(|rate_nano| PercentTier { up_to_nano, rate_nano, flat_nano }));
    }
    bounds.finish(log);
    (tiers.len() == count).then_some(tiers)
}

/// The tables of `tiers`: at least one.
pub(super) fn tables<'a, 'i>(
    table: &mut Table<'a, 'i>,
    log: &mut Log,
) -> Option<Vec<Table<'a, 'i>>> {
    let tables = table.tables(log, "tiers");
    if !table.has("tiers") {
        return table.missing(log, "tiers", "an array of tables, the lowest tier first");
    }
    if tables.is_empty() {
        let place = table.place_of(log, "tiers");
        log.mistake(&place, "`tiers` holds no tier");
        return None;
    }
    Some(tables)
}

/// Follows the bounds of tiers from the lowest up.
#[derive(Default)]
struct Bounds {
    last: Option<(Option<i128>, Place)>,
}

impl Bounds {
    fn next(&mut self, table: &mut Table<'_, '_>, log: &mut Log) -> Option<i128> {
        let up_to = number::large_optional(table, log, "up_to", &number::SIZE);
        let bad = up_to.is_none() && table.has("up_to");
        match &self.last {
            Some((None, before)) => {
                let message = format!(
                    "never reached: the tier before it, on line {}, has no `up_to`",
                    before.line
                );
                log.mistake(&table.place, message);
            }
            Some((Some(before), _)) if up_to.is_some_and(|up_to| up_to <= *before) => {
                let place = table.place_of(log, "up_to");
                let message = "never reached: `up_to` is not above that of the tier before it";
                log.mistake(&place, message);
            }
            _ => {}
        }
        // A bound that could not be read is no open end.
        let known = if bad { Some(i128::MIN) } else { up_to };
        self.last = Some((known, table.place.clone()));
        up_to
    }

    fn finish(self, log: &mut Log) {
        if let Some((Some(_), place)) = self.last {
            let message = "a gap: units above the last `up_to` have no price; end with a tier \
                           without `up_to`";
            log.mistake(&place, message);
        }
    }
}
