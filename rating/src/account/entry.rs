//! [`Entry`]: a line on its way through fees and adjustments.

use turnpike_schemas::{Fraction, Instant, Pool, RatedLine};

use super::scope::Origin;
use super::terms::Terms;
use super::{Priced, overflow};
use crate::parked::ParkReason;

/// A line, and what the adjustments so far have left of its amount.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub line: RatedLine,
    /// Major units.
    pub net: Fraction,
    /// The stretch whose adjustments bear on it.
    pub stretch: Option<usize>,
    /// The start of its local month.
    pub month: Instant,
    pub window: Option<Instant>,
    pub origin: Origin<'a>,
    /// Of the account as a whole: in no project's pool, nor a site's.
    pub of_account: bool,
}

impl Entry<'_> {
    /// Whose pool it is in; `None` where it is in none.
    pub fn member(&self, pool: Pool) -> Option<Option<String>> {
        match pool {
            Pool::Account => Some(None),
            _ if self.of_account => None,
            Pool::Project => Some(self.line.project.clone()),
            Pool::Site => Some(self.line.site.clone()),
            Pool::Resource => Some(Some(self.line.resource.to_string())),
        }
    }
}

/// The lines of usage, in rating order: that in which caps and commitments are placed.
pub(super) fn of_usage<'a>(
    terms: &Terms<'a>,
    priced: Vec<Priced<'a>>,
) -> Result<Vec<Entry<'a>>, ParkReason> {
    let mut placed = Vec::with_capacity(priced.len());
    for (place, priced) in priced.into_iter().enumerate() {
        let Priced { key, sums, rate, line } = priced;
        let at = key.month.unwrap_or(sums.first);
        let month = terms.month_of(at).map_or(at, turnpike_schemas::Period::start);
        let stretch = terms.stretch_of(key, sums);
        let net = line.amount.fraction().map_err(|_| overflow())?;
        let origin = Origin::Usage {
            meter: key.meter.clone(),
            service: key.service.clone(),
            rate: rate.name.as_str(),
        };
        let entry =
            Entry { line, net, stretch, month, window: key.window, origin, of_account: false };
        placed.push(((month, stretch, sums.first, key, place), entry));
    }
    placed.sort_by_key(|(place, _)| *place);
    Ok(placed.into_iter().map(|(_, entry)| entry).collect())
}
