//! [`Meters`]: what the catalogue says of a meter and its units, found without an allocation.

use turnpike_schemas::meter::MeterCatalogue;

/// Places of the index: several times the built-in meters, so that few share one.
const PLACES: usize = 256;

#[derive(Debug)]
pub(crate) struct Meters {
    all: Vec<Known>,
    /// One more than the number of the meter at this place; 0: none.
    places: [u16; PLACES],
}

#[derive(Debug)]
struct Known {
    name: String,
    scale: u32,
    units: Vec<(String, i64)>,
}

impl Meters {
    pub fn new(catalogue: &MeterCatalogue) -> Self {
        let known = catalogue.iter().map(|meter| Known {
            name: meter.id.as_str().to_owned(),
            scale: meter.scale,
            units: meter.units.iter().map(|unit| (unit.name.clone(), unit.base_units)).collect(),
        });
        let all: Vec<Known> = known.collect();
        let mut places = [0; PLACES];
        for (number, known) in (1..=u16::MAX).zip(&all) {
            places[place(&known.name)] = number;
        }
        Self { all, places }
    }

    /// The scale of a meter and the base units of one of its units; `None`: not known.
    pub fn find(&self, meter: &str, unit: Option<&str>) -> Option<(u32, i64)> {
        let number = self.places[place(meter)].checked_sub(1)?;
        let there = &self.all[usize::from(number)];
        let known = if there.name == meter {
            there
        } else {
            self.all.iter().find(|known| known.name == meter)?
        };
        let Some(unit) = unit else { return Some((known.scale, 1)) };
        let (_, base_units) = known.units.iter().find(|(name, _)| name == unit)?;
        Some((known.scale, *base_units))
    }
}

fn place(name: &str) -> usize {
    let bytes = name.as_bytes();
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| usize::from(*byte));
    (byte(0) * 7
        + byte(bytes.len() / 2) * 31
        + byte(bytes.len().wrapping_sub(1))
        + bytes.len() * 53)
        % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meter_and_unit_is_found() {
        let catalogue = MeterCatalogue::builtin();
        let meters = Meters::new(&catalogue);
        for meter in catalogue.iter() {
            let name = meter.id.as_str();
            assert_eq!(meters.find(name, None), Some((meter.scale, 1)), "{name}");
            for unit in &meter.units {
                let expect = Some((meter.scale, unit.base_units));
                assert_eq!(meters.find(name, Some(&unit.name)), expect, "{name} {}", unit.name);
            }
            assert_eq!(meters.find(name, Some("furlong")), None);
        }
        assert_eq!(meters.find("no-such-meter", None), None);
        assert_eq!(meters.find("", None), None);
    }
}
