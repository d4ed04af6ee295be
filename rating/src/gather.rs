//! Gathering: usage intervals, cut where who pays or the price changes, summed exactly per price.
//!
//! Held quantities are summed as quantity x seconds in checked `i128`, where seconds are the
//! difference of two floored instants: pieces of an interval add up to the whole, exactly.

mod key;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;

use turnpike_schemas::tariff::Detail;
use turnpike_schemas::{
    Account, AccountId, Aggregation, Instant, Meter, Per, Period, Rate, ResourceId, UsageInterval,
};

pub use key::{GatherKey, Gathered, Step};

use crate::parked::{ParkCode, ParkReason, Parked, Unassigned};
use crate::tariff_lookup::{Lookup, Ownership};

/// What gathering makes of the intervals of one or more buckets.
#[derive(Debug, Default)]
pub struct Harvest {
    pub gathered: BTreeMap<GatherKey, Gathered>,
    /// The first reason (in canonical order) for each account that cannot be priced.
    pub parked: BTreeMap<AccountId, ParkReason>,
    pub unassigned: BTreeMap<(Option<String>, String, String), Unassigned>,
    pub intervals: u64,
}

/// A piece of an interval within which nothing that matters to its price changes.
struct Piece<'a> {
    interval: &'a UsageInterval,
    start: Instant,
    end: Instant,
}

impl Harvest {
    /// Adds an interval, clipped to `[span.start, until)`.
    pub fn add(
        &mut self,
        lookup: &Lookup<'_>,
        interval: &UsageInterval,
        span: &Period,
        until: Instant,
    ) {
        if interval.end < span.start() || interval.start >= until {
            return;
        }
        self.intervals += 1;
        let owner = interval.holder.owner.as_ref();
        let mut cuts = vec![span.start()];
        lookup.owner_cuts(owner, &mut cuts);
        for piece in pieces(interval, until, &cuts) {
            if piece.start < span.start() {
                continue;
            }
            match lookup.ownership(owner, piece.start) {
                Ownership::Nobody => self.unassigned(&piece),
                Ownership::One(account) => self.add_for_account(lookup, account, &piece),
                Ownership::Several(accounts) => {
                    let names: Vec<&str> = accounts.iter().map(|a| a.id.as_str()).collect();
                    let owner = owner.map(ToString::to_string).unwrap_or_default();
                    let text = format!("owner `{owner}` belongs to {}", names.join(" and "));
                    for account in accounts {
                        if lookup.periods.get(&account.id).is_some_and(|p| overlaps(p, &piece)) {
                            self.park(account, ParkReason::new(ParkCode::OwnerOverlap, &*text));
                        }
                    }
                }
            }
        }
    }

    /// Adds what another bucket gathered.
    pub fn merge(&mut self, other: Harvest) {
        self.intervals += other.intervals;
        for (key, gathered) in other.gathered {
            match self.gathered.get_mut(&key) {
                Some(sum) => {
                    if sum.add(&gathered).is_none() {
                        self.park_id(key.account.clone(), overflow(&key));
                    }
                }
                None => {
                    self.gathered.insert(key, gathered);
                }
            }
        }
        for (account, reason) in other.parked {
            self.park_id(account, reason);
        }
        // A resource lives in one bucket, so these keys never meet.
        self.unassigned.extend(other.unassigned);
    }

    pub fn parked(&self) -> Vec<Parked> {
        let parked = self.parked.iter();
        parked
            .map(|(account, reason)| Parked { account: account.clone(), reason: reason.clone() })
            .collect()
    }

    pub fn park_id(&mut self, account: AccountId, reason: ParkReason) {
        let kept = self.parked.entry(account).or_insert_with(|| reason.clone());
        // The least reason is kept, so that the order of buckets does not show.
        if reason < *kept {
            *kept = reason;
        }
    }

    fn park(&mut self, account: &Account, reason: ParkReason) {
        self.park_id(account.id.clone(), reason);
    }

    fn unassigned(&mut self, piece: &Piece<'_>) {
        let holder = &piece.interval.holder;
        let key = (
            holder.owner.as_ref().map(ToString::to_string),
            holder.resource.to_string(),
            piece.interval.meter.to_string(),
        );
        let seconds = match piece.interval.aggregation {
            Aggregation::Held => billed_seconds(piece),
            Aggregation::Sum => 0,
        };
        let entry = self.unassigned.entry(key).or_insert_with(|| Unassigned {
            owner: holder.owner.clone(),
            resource: holder.resource.clone(),
            meter: piece.interval.meter.clone(),
            first: piece.start,
            seconds: 0,
        });
        entry.first = entry.first.min(piece.start);
        entry.seconds = entry.seconds.saturating_add(seconds);
    }

    fn add_for_account(&mut self, lookup: &Lookup<'_>, account: &Account, piece: &Piece<'_>) {
        let Some(period) = lookup.periods.get(&account.id) else {
            return;
        };
        let mut cuts = vec![period.start(), period.end()];
        lookup.price_cuts(account, &mut cuts);
        let months = match period.local_months(account.time_zone) {
            Ok(months) => months,
            Err(error) => {
                return self.park(account, ParkReason::new(ParkCode::Overflow, error.to_string()));
            }
        };
        cuts.extend(months.iter().flat_map(|month| [month.start(), month.end()]));
        let within = UsageInterval { start: piece.start, end: piece.end, ..piece.interval.clone() };
        for part in pieces(&within, Instant::MAX, &cuts) {
            if !period.contains(part.start) {
                continue;
            }
            if let Err(reason) = self.price_piece(lookup, account, &months, &part) {
                self.park(account, reason);
            }
        }
    }

    fn price_piece(
        &mut self,
        lookup: &Lookup<'_>,
        account: &Account,
        months: &[Period],
        piece: &Piece<'_>,
    ) -> Result<(), ParkReason> {
        let interval = piece.interval;
        let seconds = billed_seconds(piece);
        if interval.quantity == 0 || (seconds == 0 && interval.aggregation == Aggregation::Held) {
            return Ok(());
        }
        let (tariff, version) = lookup.tariff_version(account, piece.start)?;
        let meter = known_meter(lookup, interval)?;
        let held = interval.aggregation == Aggregation::Held;
        if held && !version.holds(&meter.id, meter.hold, interval.state) {
            return Ok(());
        }
        let Some((rate_index, rate)) = lookup.rate(version, interval)? else {
            return Ok(());
        };
        let agreement = lookup.agreement(account, piece.start)?;
        let tax_category = account.tax_category.as_ref().unwrap_or(&rate.tax_category);
        if lookup.book.tax_category(tax_category).is_none() {
            let text = format!("tax category `{tax_category}` is not in the book");
            return Err(ParkReason::new(ParkCode::UnknownTaxCategory, text));
        }
        let quantity = scaled(interval, meter)?;
        let weight = if held { i128::from(seconds) } else { 1 };
        let total = quantity.checked_mul(weight).ok_or_else(|| too_large(interval))?;
        let subject = Subject::of(version.detail, account, rate, interval)?;
        let counted = rate.counts_units() || !version.adjustments.is_empty();
        let key = GatherKey {
            account: account.id.clone(),
            project: subject.project,
            service: meter.service.clone(),
            resource: subject.resource,
            meter: meter.id.clone(),
            site: interval.holder.site.clone(),
            attributes: subject.attributes,
            tariff: tariff.id.clone(),
            tariff_version: version.id.clone(),
            rate_index,
            per_seconds: per_seconds(rate.per, months, piece.start)?,
            month: if counted { counted_month(months, piece.start) } else { None },
            window: None,
            agreement: agreement.map(|agreement| agreement.id.clone()),
            tax_category: tax_category.clone(),
            estimated: interval.estimated,
        };
        let next = Gathered {
            resource_kind: subject.resource_kind,
            quantity: total,
            seconds: if held { seconds } else { 0 },
            first: piece.start.floored(),
            last: last_second(piece),
            intervals: 1,
            worth: None,
            steps: Vec::new(),
        };
        match self.gathered.get_mut(&key) {
            Some(sum) => sum.add(&next).ok_or_else(|| overflow(&key)),
            None => {
                self.gathered.insert(key, next);
                Ok(())
            }
        }
    }
}

fn overlaps(period: &Period, piece: &Piece<'_>) -> bool {
    period.contains(piece.start) || piece.start < period.end() && period.start() < piece.end
}

pub(crate) fn overflow(key: &GatherKey) -> ParkReason {
    let text =
        format!("the usage of {} for meter `{}` is too large to sum", key.resource, key.meter);
    ParkReason::new(ParkCode::Overflow, text)
}

fn too_large(interval: &UsageInterval) -> ParkReason {
    let text = format!(
        "the usage of {} for meter `{}` is too large to sum",
        interval.holder.resource, interval.meter
    );
    ParkReason::new(ParkCode::Overflow, text)
}

fn known_meter<'a>(lookup: &Lookup<'a>, interval: &UsageInterval) -> Result<&'a Meter, ParkReason> {
    let meter = lookup.book.meters.get(&interval.meter).ok_or_else(|| {
        let text = format!(
            "meter `{}`, reported for {}, is not in the book",
            interval.meter, interval.holder.resource
        );
        ParkReason::new(ParkCode::UnknownMeter, text)
    })?;
    if meter.aggregation != interval.aggregation {
        let text = format!(
            "meter `{}` of {} is reported as {} but declared as the opposite",
            meter.id,
            interval.holder.resource,
            match interval.aggregation {
                Aggregation::Held => "held",
                Aggregation::Sum => "consumed",
            }
        );
        return Err(ParkReason::new(ParkCode::MeterMismatch, text));
    }
    Ok(meter)
}

/// The quantity at the meter's scale. Quantities of meters declared after they were first reported
/// are stored at another one.
fn scaled(interval: &UsageInterval, meter: &Meter) -> Result<i128, ParkReason> {
    let quantity = i128::from(interval.quantity);
    let exact = if interval.scale <= meter.scale {
        10_i128.checked_pow(meter.scale - interval.scale).and_then(|f| quantity.checked_mul(f))
    } else {
        let factor = 10_i128.checked_pow(interval.scale - meter.scale);
        factor.filter(|factor| quantity % factor == 0).map(|factor| quantity / factor)
    };
    exact.ok_or_else(|| {
        let text = format!(
            "{} of meter `{}` for {} has more than the meter's {} decimals",
            turnpike_schemas::parse::scaled_to_short_decimal(quantity, interval.scale),
            meter.id,
            interval.holder.resource,
            meter.scale
        );
        ParkReason::new(ParkCode::QuantityScale, text)
    })
}

fn per_seconds(per: Per, months: &[Period], at: Instant) -> Result<i64, ParkReason> {
    match per {
        Per::Unit => Ok(1),
        Per::Month => months
            .iter()
            .find(|month| month.contains(at))
            .map(Period::seconds)
            .ok_or_else(|| ParkReason::new(ParkCode::Overflow, format!("no month holds {at}"))),
        fixed => Ok(fixed.seconds().unwrap_or(1)),
    }
}

/// What a line is about: a resource, or all of a project or account, as the tariff says.
struct Subject {
    resource: ResourceId,
    resource_kind: String,
    project: Option<String>,
    attributes: BTreeMap<String, String>,
}

impl Subject {
    fn of(
        detail: Detail,
        account: &Account,
        rate: &Rate,
        interval: &UsageInterval,
    ) -> Result<Self, ParkReason> {
        let holder = &interval.holder;
        // Of several resources only what the price depends on is the same.
        let common = || {
            let named = |key: &String| holder.attributes.get(key).map(|v| (key.clone(), v.clone()));
            rate.conditions.keys().filter_map(named).collect()
        };
        let all = |kind: &str, name: &str| {
            ResourceId::new(format!("{kind}:{name}"))
                .map_err(|error| ParkReason::new(ParkCode::Overflow, error.to_string()))
        };
        match (detail, holder.project.as_deref()) {
            (Detail::Resource, _) => Ok(Self {
                resource: holder.resource.clone(),
                resource_kind: holder.resource_kind.clone(),
                project: holder.project.clone(),
                attributes: holder.attributes.clone(),
            }),
            (Detail::Project, Some(project)) => Ok(Self {
                resource: all("project", project)?,
                resource_kind: "project".to_owned(),
                project: Some(project.to_owned()),
                attributes: common(),
            }),
            (Detail::Project, None) | (Detail::Account, _) => Ok(Self {
                resource: all("account", account.id.as_str())?,
                resource_kind: "account".to_owned(),
                project: None,
                attributes: common(),
            }),
        }
    }
}

/// The month in which units are counted, where there are several.
fn counted_month(months: &[Period], at: Instant) -> Option<Instant> {
    if months.len() < 2 {
        return None;
    }
    months.iter().find(|month| month.contains(at)).map(Period::start)
}

/// Seconds that a piece is billed for: the difference of its floored ends, or what a pre-aggregated
/// report says.
fn billed_seconds(piece: &Piece<'_>) -> i64 {
    match piece.interval.seconds {
        Some(seconds) => seconds,
        None => piece.end.floor_seconds() - piece.start.floor_seconds(),
    }
}

/// The end of the last second that a piece touches.
fn last_second(piece: &Piece<'_>) -> Instant {
    let floored = piece.end.floored();
    if floored > piece.start.floored() {
        return floored;
    }
    floored.plus_seconds(1).unwrap_or(Instant::MAX)
}

/// Cuts an interval at the given instants. What counts at one instant (sums, pre-aggregated
/// reports) is never cut: it is placed whole at the last microsecond before its end.
fn pieces<'a>(interval: &'a UsageInterval, until: Instant, cuts: &[Instant]) -> Vec<Piece<'a>> {
    if interval.aggregation == Aggregation::Sum || interval.seconds.is_some() {
        let before_end = Instant::from_micros(interval.end.micros() - 1).unwrap_or(interval.end);
        let at = before_end.max(interval.start);
        let counted =
            if at < until { vec![Piece { interval, start: at, end: at }] } else { vec![] };
        return counted;
    }
    let end = interval.end.min(until);
    let mut edges: Vec<Instant> =
        cuts.iter().copied().filter(|cut| interval.start < *cut && *cut < end).collect();
    edges.push(interval.start);
    edges.push(end);
    edges.sort_unstable();
    edges.dedup();
    edges
        .windows(2)
        .filter(|pair| pair[0] < pair[1])
        .map(|pair| Piece { interval, start: pair[0], end: pair[1] })
        .collect()
}
