//! The walk back: from a resource and meter to the intervals behind a rated line, and the events
//! that began and ended each; and what a line of a price series costs at each of its prices.

use std::collections::BTreeMap;

use serde::Serialize;
use turnpike_lake::LakeSnapshot;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{
    AccountId, Aggregation, Fraction, Instant, MeterId, OwnerRef, Period, PriceBook, ResourceId,
    UsageInterval, canonical,
};

use crate::error::RatingError;
use crate::gather::{GatherKey, Harvest};
use crate::metering::{EventReader, Fold, MeteredEvent};
use crate::request::Window;
use crate::tariff_lookup::Lookup;

/// An interval with the keys of the events that bear on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedInterval {
    pub start: Instant,
    pub end: Instant,
    pub aggregation: Aggregation,
    pub quantity: i64,
    pub scale: u32,
    pub state: ResourceState,
    pub owner: Option<OwnerRef>,
    pub estimated: bool,
    /// The event that began it, as far as the period's rows tell.
    pub began_with: Option<String>,
    /// The event that ended it; `None` where it is open at the period's end.
    pub ended_with: Option<String>,
    /// As it was metered.
    #[serde(skip)]
    pub usage: UsageInterval,
}

/// What a line of a series costs while one of its prices is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesPart {
    pub from: Instant,
    /// The next price, or the end of the line.
    pub to: Instant,
    pub price_nano: i64,
    /// Quantity x seconds of what is held, at the meter's scale.
    pub quantity: i128,
    pub seconds: i64,
    pub amount: Fraction,
}

/// A line of a price series, price by price. Gathers the intervals up to each point of the series, as
/// a run that stops there does: a part is the difference, so the parts come to the line. `None`: too
/// large, or what is priced so is not what the intervals say.
pub fn series_parts(
    book: &PriceBook,
    (account, period): (&AccountId, Period),
    same: impl Fn(&GatherKey) -> bool,
    prices: &[(Instant, i64)],
    intervals: &[ExplainedInterval],
) -> Option<Vec<SeriesPart>> {
    let periods = BTreeMap::from([(account.clone(), period)]);
    let lookup = Lookup::new(book, &periods);
    let until = |end: Instant| {
        let mut harvest = Harvest::default();
        for interval in intervals {
            match interval.ended_with {
                Some(_) => harvest.add(&lookup, &interval.usage, &period, end),
                None => harvest.add_open(&lookup, &interval.usage, &period, end),
            }
        }
        harvest.resolve();
        let mut sums = (0_i128, 0_i64, Fraction::ZERO);
        for (_, found) in harvest.gathered.iter().filter(|(key, _)| same(key)) {
            sums.0 = sums.0.checked_add(found.quantity)?;
            sums.1 = sums.1.checked_add(found.seconds)?;
            sums.2 = sums.2.checked_add(&found.worth?)?;
        }
        Some(sums)
    };
    let mut parts = Vec::with_capacity(prices.len());
    let mut before = (0_i128, 0_i64, Fraction::ZERO);
    for (number, (from, price_nano)) in prices.iter().enumerate() {
        let to = prices.get(number + 1).map_or(period.end(), |(next, _)| *next);
        let after = until(to)?;
        parts.push(SeriesPart {
            from: *from,
            to,
            price_nano: *price_nano,
            quantity: after.0.checked_sub(before.0)?,
            seconds: after.1.checked_sub(before.1)?,
            amount: after.2.checked_sub(&before.2)?,
        });
        before = after;
    }
    Some(parts)
}

/// Meters one resource again, from all its rows, and returns the intervals of a meter that touch the
/// period. `window` is that of the run which made the line: it decides how far rows are read.
pub async fn explain(
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    resource: &ResourceId,
    meter: &MeterId,
    window: &Window,
    period: Period,
    as_of: Instant,
) -> Result<Vec<ExplainedInterval>, RatingError> {
    let bucket = canonical::bucket_of(resource.as_str(), snapshot.buckets());
    let first = snapshot.months().first().copied().unwrap_or_default();
    let last = window.last_month();
    let mut events: Vec<MeteredEvent> = Vec::new();
    let mut reader = EventReader::default();
    for batch in snapshot.scan(bucket, first, last).await? {
        reader.read(&batch, |event| {
            if &event.resource == resource {
                events.push(event);
            }
            Ok(())
        })?;
    }
    events.extend(reader.finish().filter(|event| &event.resource == resource));
    let until = period.end().min(as_of);
    let mut found = Vec::new();
    let mut fold = Fold::default();
    let mut began: Option<String> = None;
    for event in &events {
        fold.apply(event, &mut |interval| {
            let own = interval.aggregation == Aggregation::Sum;
            let begin = if own { Some(event.key.clone()) } else { began.clone() };
            keep(&mut found, &interval, meter, begin, Some(event.key.clone()));
        });
        if fold_starts(&fold, meter, event, &events) {
            began = Some(event.key.clone());
        }
    }
    if let Some(known) = fold.state() {
        let policy = book.open_intervals(&known.holder.source);
        fold.finish(until, policy, &mut |interval| {
            keep(&mut found, &interval, meter, began.clone(), None);
        });
    }
    // What ends where the period starts belongs to the period before; only a report without a window
    // stands at one instant, and counts there.
    found.retain(|interval| {
        let at_once = interval.start == interval.end;
        interval.start < until
            && (period.start() < interval.end || at_once && period.start() <= interval.start)
    });
    Ok(found)
}

/// Whether the meter's open interval starts with this event.
fn fold_starts(
    fold: &Fold,
    meter: &MeterId,
    event: &MeteredEvent,
    events: &[MeteredEvent],
) -> bool {
    let Some(held) = fold.state().and_then(|known| known.held.get(meter)) else {
        return false;
    };
    let since = event.since.unwrap_or(event.time).min(event.time);
    // An audit may begin an interval at an instant that is nobody's own time.
    let nobody = !events.iter().any(|other| other.time == held.from);
    held.from == event.time || (since <= held.from && nobody && held.from <= event.time)
}

fn keep(
    found: &mut Vec<ExplainedInterval>,
    interval: &UsageInterval,
    meter: &MeterId,
    began_with: Option<String>,
    ended_with: Option<String>,
) {
    if &interval.meter != meter {
        return;
    }
    found.push(ExplainedInterval {
        start: interval.start,
        end: interval.end,
        aggregation: interval.aggregation,
        quantity: interval.quantity,
        scale: interval.scale,
        state: interval.state,
        owner: interval.holder.owner.clone(),
        estimated: interval.estimated,
        began_with,
        ended_with,
        usage: interval.clone(),
    });
}
