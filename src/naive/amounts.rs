//! Prices a time line: cut at every second where anything may change, look up, multiply, add.

use std::collections::BTreeSet;

use turnpike_schemas::{
    Account, Aggregation, Amount, Instant, Meter, MeterId, OwnerRef, Per, Period, PriceBook,
    Tariff, TariffVersion,
};

use super::Sums;
use super::timeline::{Now, Timeline, Used};

const SECOND: i64 = 1_000_000;

/// Whose usage is priced, and when.
pub struct Prices<'a> {
    pub book: &'a PriceBook,
    pub account: &'a Account,
    pub period: Period,
    pub months: Vec<Period>,
    /// Microseconds; nothing counts at or past it.
    pub until: i64,
}

/// A quantity at an instant, weighed by seconds where it is held.
struct Piece<'a> {
    now: &'a Now,
    at: i64,
    meter: &'a str,
    quantity: i64,
    scale: u32,
    seconds: Option<i64>,
}

fn instant(micros: i64) -> Result<Instant, String> {
    Instant::from_micros(micros).map_err(|error| error.to_string())
}

impl Prices<'_> {
    /// Adds what a resource costs this account.
    pub fn add(&self, resource: &str, line: &Timeline, sums: &mut Sums) -> Result<(), String> {
        let changes = line.points.iter().map(|(at, _)| at.div_euclid(SECOND));
        for (from, to) in self.stretches(changes) {
            let at = from * SECOND + SECOND - 1;
            let Some(now) = line.at(at).filter(|now| now.state.is_some()) else { continue };
            for (meter, (quantity, scale)) in &now.held {
                let seconds = Some(to - from);
                let (quantity, scale) = (*quantity, *scale);
                self.price(resource, &Piece { now, at, meter, quantity, scale, seconds }, sums)?;
            }
        }
        for report in &line.reported {
            let (start, end) = (report.start.div_euclid(SECOND), report.end.div_euclid(SECOND));
            for (from, to) in self.stretches([start, end]) {
                if from < start || end <= from {
                    continue;
                }
                let piece = Piece {
                    now: &report.now,
                    at: from * SECOND + SECOND - 1,
                    meter: &report.meter,
                    quantity: report.quantity,
                    scale: report.scale,
                    seconds: Some(to - from),
                };
                self.price(resource, &piece, sums)?;
            }
        }
        for Used { at, now, meter, quantity, scale, seconds } in &line.used {
            let (at, quantity, scale, seconds) = (*at, *quantity, *scale, *seconds);
            if at < self.until && self.period.contains(instant(at)?) {
                self.price(resource, &Piece { now, at, meter, quantity, scale, seconds }, sums)?;
            }
        }
        Ok(())
    }

    /// The period's seconds, cut wherever the resource, its owner's account, the tariff or the
    /// month changes.
    fn stretches(&self, changes: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
        let start = self.period.start().floor_seconds();
        let end = self.period.end().floor_seconds().min(self.until.div_euclid(SECOND));
        let mut cuts: BTreeSet<i64> = changes.into_iter().collect();
        let mut add = |instant: Option<Instant>| {
            cuts.extend(instant.map(|instant| instant.floor_seconds()));
        };
        for account in &self.book.accounts {
            for rule in &account.owners {
                add(rule.valid_from);
                add(rule.valid_to);
            }
        }
        for assignment in &self.account.tariffs {
            add(assignment.valid_from);
            add(assignment.valid_to);
            for version in self.book.tariff(&assignment.tariff).iter().flat_map(|t| &t.versions) {
                add(Some(version.valid_from));
                add(version.valid_to);
            }
        }
        for month in &self.months {
            add(Some(month.start()));
            add(Some(month.end()));
        }
        let mut edges: Vec<i64> =
            cuts.into_iter().filter(|cut| start < *cut && *cut < end).collect();
        edges.insert(0, start);
        edges.push(end);
        edges.windows(2).filter(|pair| pair[0] < pair[1]).map(|pair| (pair[0], pair[1])).collect()
    }

    fn is_ours(&self, owner: Option<&str>, at: Instant) -> Result<bool, String> {
        let Some(owner) = owner else { return Ok(false) };
        let owner = OwnerRef::new(owner).map_err(|error| error.to_string())?;
        let claims = |account: &&Account| {
            account.owners.iter().any(|rule| {
                rule.owner == owner
                    && rule.valid_from.is_none_or(|from| from <= at)
                    && rule.valid_to.is_none_or(|to| at < to)
            })
        };
        let accounts: Vec<&Account> = self.book.accounts.iter().filter(claims).collect();
        match accounts.as_slice() {
            [one] => Ok(one.id == self.account.id),
            [] => Ok(false),
            many if many.iter().any(|account| account.id == self.account.id) => {
                Err(format!("owner `{owner}` belongs to {} accounts", many.len()))
            }
            _ => Ok(false),
        }
    }

    fn price(&self, resource: &str, piece: &Piece<'_>, sums: &mut Sums) -> Result<(), String> {
        let at = instant(piece.at)?;
        if piece.quantity == 0 || piece.seconds == Some(0) {
            return Ok(());
        }
        if !self.is_ours(piece.now.owner.as_deref(), at)? {
            return Ok(());
        }
        let id = MeterId::new(piece.meter).map_err(|error| error.to_string())?;
        let (tariff, version) = self.version(at)?;
        let meter =
            self.book.meters.get(&id).ok_or_else(|| format!("the meter `{id}` is unknown"))?;
        let held = piece.seconds.is_some();
        if held != (meter.aggregation == Aggregation::Held) {
            return Err(format!("the meter `{id}` is not reported as it is declared"));
        }
        let state = piece.now.state;
        if held && !state.is_some_and(|state| version.holds(&id, meter.hold, state)) {
            return Ok(());
        }
        let rate = version.rates.iter().find(|rate| rate.applies(&id, &piece.now.attributes));
        let Some(rate) = rate else {
            return match version.included.contains(&id) {
                true => Ok(()),
                false => Err(format!("the meter `{id}` has no price")),
            };
        };
        let per_seconds = match rate.per {
            Per::Month => {
                let month = self.months.iter().find(|month| month.contains(at));
                month.map(Period::seconds).ok_or("no month")?
            }
            fixed => fixed.seconds().unwrap_or(1),
        };
        let quantity = rescaled(piece, meter)?
            .checked_mul(i128::from(piece.seconds.unwrap_or(1)))
            .ok_or("too large")?;
        let divisor = 10_i128
            .checked_pow(meter.scale)
            .and_then(|scale| scale.checked_mul(i128::from(rate.unit.base_units)))
            .and_then(|divisor| divisor.checked_mul(i128::from(per_seconds)))
            .ok_or("too large")?;
        let currency = tariff.currency.ok_or("the tariff has no currency")?;
        if self.account.currency != Some(currency) {
            return Err("the account and its tariff differ in currency".to_owned());
        }
        let amount = Amount::from_price(quantity, rate.price_nano, divisor, currency)
            .map_err(|error| error.to_string())?;
        let key = (resource.to_owned(), piece.meter.to_owned());
        let sum = sums.entry(key).or_insert_with(|| Amount::zero(currency));
        *sum = sum.checked_add(&amount).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn version(&self, at: Instant) -> Result<(&Tariff, &TariffVersion), String> {
        let assigned = self.account.tariffs.iter().filter(|assignment| {
            assignment.valid_from.is_none_or(|from| from <= at)
                && assignment.valid_to.is_none_or(|to| at < to)
        });
        let found: Vec<(&Tariff, &TariffVersion)> = assigned
            .filter_map(|assignment| self.book.tariff(&assignment.tariff))
            .flat_map(|tariff| tariff.versions.iter().map(move |version| (tariff, version)))
            .filter(|(_, version)| version.in_force(at))
            .collect();
        match found.as_slice() {
            [one] => Ok(*one),
            many => Err(format!("{} tariff versions are in force at {at}", many.len())),
        }
    }
}

/// The quantity at the meter's own scale.
fn rescaled(piece: &Piece<'_>, meter: &Meter) -> Result<i128, String> {
    let quantity = i128::from(piece.quantity);
    if piece.scale <= meter.scale {
        let factor = 10_i128.checked_pow(meter.scale - piece.scale).ok_or("too large")?;
        return quantity.checked_mul(factor).ok_or_else(|| "too large".to_owned());
    }
    let divisor = 10_i128.checked_pow(piece.scale - meter.scale).ok_or("too large")?;
    if quantity % divisor != 0 {
        return Err(format!("more decimals than the meter `{}` has", meter.id));
    }
    Ok(quantity / divisor)
}
