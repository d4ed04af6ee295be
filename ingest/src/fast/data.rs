//! The `data` of a native event.

use turnpike_schemas::event::{ResourceState, Window};
use turnpike_schemas::{Flow, Instant};

use super::first;
use super::meters::Meters;
use super::scan::{Labels, Scan};
use crate::flat::FlatMeasurement;
use crate::redact::is_sensitive;

/// Measurements of one event; one with more takes the general way.
const MEASUREMENTS_MAX: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Data<'a> {
    pub namespace: Option<&'a str>,
    pub resource_kind: Option<&'a str>,
    pub resource_id: Option<&'a str>,
    pub parent: Option<&'a str>,
    pub owner: Option<&'a str>,
    pub project: Option<&'a str>,
    pub site: Option<&'a str>,
    pub region: Option<&'a str>,
    pub state: Option<ResourceState>,
    pub terminal: bool,
    pub since: Option<Instant>,
    pub window: Option<Window>,
    pub seconds: Option<i64>,
    pub incarnation: Option<&'a str>,
    pub has_held: bool,
    pub has_used: bool,
    pub measured: Measured<'a>,
    pub attributes: Option<Labels<'a>>,
    pub tags: Option<Labels<'a>>,
}

/// A few measurements, in place.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    items: [FlatMeasurement<'a>; MEASUREMENTS_MAX],
    count: usize,
}

impl Default for Measured<'_> {
    fn default() -> Self {
        let none = FlatMeasurement { meter: "", quantity: 0, scale: 0, flow: Flow::Held };
        Self { items: [none; MEASUREMENTS_MAX], count: 0 }
    }
}

impl<'a> Measured<'a> {
    #[inline]
    pub fn as_slice(&self) -> &[FlatMeasurement<'a>] {
        &self.items[..self.count]
    }

    /// `None` where there are too many, or the meter and flow stand in it already.
    fn push(&mut self, item: FlatMeasurement<'a>) -> Option<()> {
        let same =
            |other: &FlatMeasurement<'_>| other.meter == item.meter && other.flow == item.flow;
        if self.as_slice().iter().any(same) {
            return None;
        }
        *self.items.get_mut(self.count)? = item;
        self.count += 1;
        Some(())
    }
}

/// Reads into `data`, which holds nothing yet.
pub(super) fn read<'a>(scan: &mut Scan<'a>, data: &mut Data<'a>, meters: &Meters) -> Option<()> {
    let mut seen = 0_u32;
    let mut more = scan.open(b'{', b'}')?;
    while more {
        let key = scan.key()?;
        let bit = field(scan, key, data, meters)?;
        first(&mut seen, bit)?;
        more = scan.more(b'}')?;
    }
    Some(())
}

/// Reads the field `key`; its number.
#[inline]
fn field<'a>(scan: &mut Scan<'a>, key: &str, data: &mut Data<'a>, meters: &Meters) -> Option<u32> {
    let text = |scan: &mut Scan<'a>, field: &mut Option<&'a str>, bit: u32| {
        *field = Some(scan.string()?);
        Some(bit)
    };
    match key {
        "namespace" => text(scan, &mut data.namespace, 0),
        "owner" => text(scan, &mut data.owner, 1),
        "project" => text(scan, &mut data.project, 2),
        "site" => text(scan, &mut data.site, 3),
        "region" => text(scan, &mut data.region, 4),
        "incarnation" => text(scan, &mut data.incarnation, 5),
        "resource" => resource(scan, data).map(|()| 6),
        "state" => {
            // The word for what an adapter cannot read is none that a producer may send.
            let state = ResourceState::from_word(scan.string()?)?;
            data.state = Some(state).filter(|state| *state != ResourceState::Unknown);
            data.state.map(|_| 7)
        }
        "terminal" => {
            data.terminal = scan.flag()?;
            Some(8)
        }
        "since" => {
            data.since = Some(scan.instant()?);
            Some(9)
        }
        "window" => {
            data.window = Some(window(scan)?);
            Some(10)
        }
        "seconds" => {
            let (seconds, decimals) = scan.number()?;
            data.seconds = Some(i64::try_from(seconds).ok().filter(|_| decimals == 0)?);
            Some(11)
        }
        "held" => {
            // What is held comes first in the row, wherever it stands in the event.
            (!data.has_used).then_some(())?;
            data.has_held = measurements(scan, true, &mut data.measured, meters)?;
            Some(12)
        }
        "used" => {
            data.has_used = measurements(scan, false, &mut data.measured, meters)?;
            Some(13)
        }
        "attributes" => {
            data.attributes = Some(scan.labels(is_sensitive)?);
            Some(14)
        }
        "tags" => {
            data.tags = Some(scan.labels(is_sensitive)?);
            Some(15)
        }
        _ => None,
    }
}

fn resource<'a>(scan: &mut Scan<'a>, data: &mut Data<'a>) -> Option<()> {
    let mut seen = 0_u32;
    let mut more = scan.open(b'{', b'}')?;
    while more {
        let (field, bit) = match scan.key()? {
            "kind" => (&mut data.resource_kind, 0),
            "id" => (&mut data.resource_id, 1),
            "parent" => (&mut data.parent, 2),
            _ => return None,
        };
        *field = Some(scan.string()?);
        first(&mut seen, bit)?;
        more = scan.more(b'}')?;
    }
    Some(())
}

fn window(scan: &mut Scan<'_>) -> Option<Window> {
    let (mut start, mut end) = (None, None);
    let mut more = scan.open(b'{', b'}')?;
    while more {
        let field = match scan.key()? {
            "start" => &mut start,
            "end" => &mut end,
            _ => return None,
        };
        if field.replace(scan.instant()?).is_some() {
            return None;
        }
        more = scan.more(b'}')?;
    }
    Some(Window { start: start?, end: end? })
}

/// Whether there was any.
fn measurements<'a>(
    scan: &mut Scan<'a>,
    held: bool,
    measured: &mut Measured<'a>,
    meters: &Meters,
) -> Option<bool> {
    let mut more = scan.open(b'[', b']')?;
    let any = more;
    while more {
        measured.push(measurement(scan, held, meters)?)?;
        more = scan.more(b']')?;
    }
    Some(any)
}

fn measurement<'a>(
    scan: &mut Scan<'a>,
    held: bool,
    meters: &Meters,
) -> Option<FlatMeasurement<'a>> {
    let (mut meter, mut quantity, mut unit, mut cumulative) = (None, None, None, None);
    let mut more = scan.open(b'{', b'}')?;
    while more {
        let twice = match scan.key()? {
            "meter" => meter.replace(scan.string()?).is_some(),
            "quantity" => quantity.replace(scan.quantity()?).is_some(),
            "unit" => unit.replace(scan.string()?).is_some(),
            "cumulative" => cumulative.replace(scan.flag()?).is_some(),
            _ => return None,
        };
        if twice {
            return None;
        }
        more = scan.more(b'}')?;
    }
    let flow = match (held, cumulative.unwrap_or(false)) {
        (true, false) => Flow::Held,
        (true, true) => return None,
        (false, true) => Flow::Cumulative,
        (false, false) => Flow::Delta,
    };
    let (meter, scale, base_units) = {
        let name: &'a str = meter?;
        let (scale, base_units) = meters.find(name, unit)?;
        (name, scale, base_units)
    };
    Some(FlatMeasurement { meter, quantity: scaled(quantity?, base_units, scale)?, scale, flow })
}

/// The quantity in base units at the meter's scale, where that is exact and fits.
fn scaled((mantissa, decimals): (u64, u32), base_units: i64, scale: u32) -> Option<i64> {
    if decimals == 0 && scale == 0 {
        return i64::try_from(mantissa).ok()?.checked_mul(base_units);
    }
    let units = i128::from(mantissa).checked_mul(i128::from(base_units))?;
    let scaled = if decimals <= scale {
        units.checked_mul(10_i128.checked_pow(scale - decimals)?)?
    } else {
        let divisor = 10_i128.checked_pow(decimals - scale)?;
        (units % divisor == 0).then_some(units / divisor)?
    };
    i64::try_from(scaled).ok()
}
