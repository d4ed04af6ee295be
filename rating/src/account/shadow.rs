//! Which meters the price lists above one leave nothing of: what is asked of a chain is asked of the
//! tariff itself first, and what that includes or prices whole never reaches its base.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::tariff::{TimeOfUse, WEEK_SECONDS};
use turnpike_schemas::{MeterId, Rate, TariffVersion};

/// What the versions added so far take.
#[derive(Debug, Default)]
pub(super) struct Shadow<'a> {
    whole: BTreeSet<&'a MeterId>,
    /// Hours of the week that are priced whatever the usage is.
    hours: BTreeMap<&'a MeterId, Vec<&'a TimeOfUse>>,
}

impl<'a> Shadow<'a> {
    /// Whether nothing of the meter reaches the next version.
    pub fn holds(&self, meter: &MeterId) -> bool {
        self.whole.contains(meter)
            || self.hours.get(meter).is_some_and(|hours| is_every_hour(hours))
    }

    pub fn add(&mut self, version: &'a TariffVersion) {
        self.whole.extend(&version.included);
        for rate in version.rates.iter().filter(|rate| takes_any_usage(rate)) {
            if rate.times.is_empty() {
                self.whole.insert(&rate.meter);
            } else {
                self.hours.entry(&rate.meter).or_default().extend(&rate.times);
            }
        }
    }
}

fn takes_any_usage(rate: &Rate) -> bool {
    rate.conditions.is_empty() && rate.place.is_anywhere()
}

fn is_every_hour(times: &[&TimeOfUse]) -> bool {
    let mut spans: Vec<(i64, i64)> = times.iter().flat_map(|time| time.of_week()).collect();
    spans.sort_unstable();
    let covered = spans
        .into_iter()
        .fold(0, |covered, (from, to)| if from <= covered { covered.max(to) } else { covered });
    covered >= WEEK_SECONDS
}

#[cfg(test)]
mod tests {
    use turnpike_schemas::tariff::{EVERY_DAY, WEEKEND, WORKING_DAYS};

    use super::*;

    #[test]
    fn hours_make_a_week_or_they_do_not() {
        let time =
            |days, from: u32, to: u32| TimeOfUse { days, from: from * 3_600, to: to * 3_600 };
        let check = |times: &[TimeOfUse], expect: bool| {
            assert_eq!(is_every_hour(&times.iter().collect::<Vec<_>>()), expect, "{times:?}");
        };
        check(&[time(EVERY_DAY, 0, 24)], true);
        check(&[time(EVERY_DAY, 22, 6), time(EVERY_DAY, 6, 22)], true);
        check(&[time(EVERY_DAY, 22, 6), time(EVERY_DAY, 7, 22)], false);
        check(&[time(WORKING_DAYS, 0, 24), time(WEEKEND, 0, 24)], true);
        check(&[time(WORKING_DAYS, 0, 24)], false);
        check(&[time(WEEKEND, 0, 24)], false);
        check(&[], false);
    }
}
