//! [`ToldUsage`]: usage that somebody tells, and the intervals it stands for.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::interval::Holder;
use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::{
    Aggregation, Instant, Meter, MeterId, OwnerRef, Period, ResourceId, UsageInterval, parse,
};

use super::{QuoteError, resource_of};

/// More events than this in one line are a file of events.
pub const EVENTS_MAX: u32 = 1_000_000;

/// Usage of one meter. Of a held meter: held from `start` (the period's) to `end` (the period's). Of
/// a sum: consumed by `events` (one), at `start`, or when the report of `[start, end)` is complete;
/// without either at the beginning of the period, in the order in which it is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToldUsage {
    pub meter: String,
    /// A decimal number of `unit`, read exactly.
    pub quantity: String,
    /// The meter's base unit where absent.
    pub unit: Option<String>,
    pub start: Option<Instant>,
    pub end: Option<Instant>,
    /// Held for so long from `start`, in place of `end`.
    pub seconds: Option<i64>,
    /// Events over which a sum is spread as evenly as its smallest part allows.
    pub events: Option<u32>,
    pub attributes: BTreeMap<String, String>,
    pub project: Option<String>,
    pub site: Option<String>,
    pub region: Option<String>,
    pub resource: Option<String>,
    pub resource_kind: Option<String>,
    /// In service where absent.
    pub state: Option<ResourceState>,
}

/// What was told before: sums without a time follow each other, and held quantities of one meter are
/// resources of their own.
#[derive(Debug, Default)]
pub(super) struct Place {
    micros: i64,
    held: BTreeMap<MeterId, usize>,
}

impl ToldUsage {
    pub(super) fn intervals(
        &self,
        meters: &MeterCatalogue,
        period: &Period,
        owner: &OwnerRef,
        place: &mut Place,
    ) -> Result<Vec<UsageInterval>, QuoteError> {
        let meter = MeterId::new(self.meter.as_str())
            .ok()
            .and_then(|id| meters.get(&id))
            .ok_or_else(|| QuoteError::UnknownMeter(self.meter.clone()))?;
        let quantity = self.base_quantity(meter)?;
        let resource = match (&self.resource, meter.aggregation) {
            (Some(id), _) => ResourceId::new(id.as_str())?,
            (None, Aggregation::Sum) => resource_of(meter.id.as_str())?,
            (None, Aggregation::Held) => {
                let count = place.held.entry(meter.id.clone()).or_default();
                *count += 1;
                match *count {
                    1 => resource_of(meter.id.as_str())?,
                    more => resource_of(&format!("{}-{more}", meter.id))?,
                }
            }
        };
        let whole = UsageInterval {
            holder: Arc::new(self.holder(resource, owner)),
            meter: meter.id.clone(),
            aggregation: meter.aggregation,
            state: self.state.unwrap_or(ResourceState::Active),
            start: period.start(),
            end: period.end(),
            quantity,
            scale: meter.scale,
            seconds: None,
            estimated: false,
        };
        match meter.aggregation {
            Aggregation::Held => Ok(vec![self.held(whole, period)?]),
            Aggregation::Sum => self.consumed(&whole, period, place),
        }
    }

    fn holder(&self, resource: ResourceId, owner: &OwnerRef) -> Holder {
        Holder {
            resource,
            resource_kind: self.resource_kind.clone().unwrap_or_else(|| "usage".to_owned()),
            parent: None,
            owner: Some(owner.clone()),
            project: self.project.clone(),
            site: self.site.clone(),
            region: self.region.clone(),
            source: "quote".to_owned(),
            attributes: self.attributes.clone(),
            tags: BTreeMap::new(),
        }
    }

    fn held(&self, whole: UsageInterval, period: &Period) -> Result<UsageInterval, QuoteError> {
        if self.events.is_some() {
            return Err(self.problem("a quantity that is held has no events"));
        }
        let start = self.start.unwrap_or(period.start());
        let end = match (self.end, self.seconds) {
            (Some(_), Some(_)) => {
                return Err(self.problem("it ends at an instant or lasts, not both"));
            }
            (Some(end), None) => end,
            (None, None) => period.end(),
            (None, Some(seconds)) => {
                let end = start.plus_seconds(seconds);
                end.ok_or_else(|| self.problem("it lasts beyond the year 2999"))?
            }
        };
        if end <= start {
            let text = format!("it ends at {end}, not after it starts at {start}");
            return Err(self.problem(&text));
        }
        Ok(UsageInterval { start, end, ..whole })
    }

    fn consumed(
        &self,
        whole: &UsageInterval,
        period: &Period,
        place: &mut Place,
    ) -> Result<Vec<UsageInterval>, QuoteError> {
        if self.seconds.is_some() {
            return Err(self.problem("what is consumed does not last"));
        }
        let events = i64::from(self.events.unwrap_or(1));
        if !(1..=i64::from(EVENTS_MAX)).contains(&events) {
            return Err(self.problem(&format!("it has 1 to {EVENTS_MAX} events")));
        }
        let (each, rest) = (whole.quantity.div_euclid(events), whole.quantity.rem_euclid(events));
        let mut intervals = Vec::new();
        for event in 0..events {
            let (start, end) = match (self.start, self.end) {
                (Some(start), Some(end)) if end < start => {
                    return Err(self.problem(&format!("it ends at {end}, before {start}")));
                }
                (Some(start), Some(end)) => (start, end),
                (Some(at), None) => (at, at),
                (None, Some(end)) => (period.start().min(end), end),
                (None, None) => {
                    let at = Instant::from_micros(period.start().micros() + place.micros);
                    place.micros += 1;
                    let at = at.map_err(|error| self.problem(&error.to_string()))?;
                    (at, at)
                }
            };
            let quantity = each + i64::from(event < rest);
            intervals.push(UsageInterval { start, end, quantity, ..whole.clone() });
        }
        Ok(intervals)
    }

    /// The quantity in smallest parts of the meter: exactly, or not at all.
    fn base_quantity(&self, meter: &Meter) -> Result<i64, QuoteError> {
        let id = || self.meter.clone();
        let base_units = match &self.unit {
            None => 1,
            Some(name) => meter.price_unit(name).map(|unit| unit.base_units).ok_or_else(|| {
                let known: Vec<&str> = meter.units.iter().map(|unit| unit.name.as_str()).collect();
                let known = known.join(", ");
                QuoteError::UnknownUnit { meter: id(), unit: name.clone(), known }
            })?,
        };
        let (value, decimals) = parse::decimal_parts(&self.quantity)
            .map_err(|source| QuoteError::Quantity { meter: id(), source })?;
        let text = || match &self.unit {
            Some(unit) => format!("{} {unit}", self.quantity),
            None => self.quantity.clone(),
        };
        let too_large = || QuoteError::TooLarge { meter: id(), text: text() };
        let factor = 10_i128.checked_pow(meter.scale);
        let parts = factor
            .and_then(|factor| value.checked_mul(factor))
            .and_then(|parts| parts.checked_mul(i128::from(base_units)))
            .ok_or_else(too_large)?;
        let divisor = 10_i128.checked_pow(decimals).ok_or_else(too_large)?;
        if parts % divisor != 0 {
            let (scale, unit) = (meter.scale, meter.unit.clone());
            return Err(QuoteError::TooFine { meter: id(), text: text(), scale, unit });
        }
        i64::try_from(parts / divisor).map_err(|_| too_large())
    }

    fn problem(&self, problem: &str) -> QuoteError {
        QuoteError::Usage { meter: self.meter.clone(), problem: problem.to_owned() }
    }
}
