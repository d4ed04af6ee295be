//! From a piece to what it adds: its rates, its key, its quantity.

use std::collections::BTreeSet;

use turnpike_schemas::tariff::{HoldingTime, Percentage};
use turnpike_schemas::{Instant, Measure, Meter, Per, Period, PriceModel};

use super::holding::HoldingKey;
use super::key::{GatherKey, Gathered, Step};
use super::measure;
use super::member::Member;
use super::piece::Piece;
use super::subject::{Subject, detail_of};
use super::{Harvest, quantity, worth};
use crate::parked::{ParkCode, ParkReason};
use crate::price::events;
use crate::tariff_lookup::clock::Clock;
use crate::tariff_lookup::{Calendar, Chain, Feed, Lookup, Position, Stretch, Term, Terms};

/// What is in force where a piece lies.
#[derive(Clone, Copy)]
pub(super) struct Context<'a, 'b> {
    pub lookup: &'b Lookup<'a>,
    pub calendar: &'b Calendar<'a>,
    pub stretch: &'b Stretch<'a>,
    /// Nothing is billed at or past this instant.
    pub until: Instant,
    /// The piece ends where what is known does.
    pub open: bool,
}

impl Context<'_, '_> {
    fn is_billed(&self) -> bool {
        self.stretch.position == Position::Within
    }

    /// Whether an event of no units is one: to what a meter measures, or to the price of a rate.
    fn counts_nothing(&self, feeds: &[Feed<'_>]) -> bool {
        let chain = self.stretch.chain.as_deref();
        feeds.iter().any(|feed| {
            let terms = || chain.and_then(|chain| chain.terms(&feed.meter.id));
            let priced =
                |terms: &Terms<'_>| terms.rates.iter().any(|t| t.rate.model.prices_nothing());
            measure::counts_nothing(&feed.meter.measure) || terms().is_some_and(priced)
        })
    }
}

/// A part with all that names its price.
pub(super) struct Priced<'a, 'b> {
    pub context: &'b Context<'a, 'b>,
    pub chain: &'b Chain<'b>,
    pub member: &'b Member<'b, 'b>,
    pub term: &'b Term<'b>,
    pub part: Piece<'b>,
    /// At the meter's scale; not weighed by time.
    pub quantity: i128,
    /// The window that is priced alone.
    pub window: Option<Period>,
}

/// Parts of one piece that a line sums are one interval of it: member, rate and window. A piece that
/// is not cut needs none of it.
type Counted = BTreeSet<(usize, usize, Option<Instant>)>;

impl Harvest {
    /// Adds what a piece of one stretch comes to, for each meter that it counts for.
    pub(super) fn price(
        &mut self,
        context: &Context<'_, '_>,
        piece: &Piece<'_>,
    ) -> Result<(), ParkReason> {
        let interval = piece.interval;
        let feeds = context.lookup.feeds(&interval.meter);
        if piece.is_held() {
            let unseen = !context.is_billed() && piece.is_instant();
            if interval.quantity == 0 || piece.is_held_never() || unseen {
                return Ok(());
            }
        } else {
            let nothing = interval.quantity == 0 && !context.counts_nothing(feeds);
            if !context.is_billed() || nothing {
                return Ok(());
            }
        }
        let added = self.price_feeds(context, piece);
        // What lies around the period is not billed, and so parks nobody.
        if context.is_billed() { added } else { Ok(()) }
    }

    fn price_feeds(
        &mut self,
        context: &Context<'_, '_>,
        piece: &Piece<'_>,
    ) -> Result<(), ParkReason> {
        let Some(chain) = context.stretch.chain.as_deref() else {
            // There is no one answer, and asking again says why.
            return context.lookup.chain(context.calendar.account, piece.start).map(|_| ());
        };
        let own = quantity::known_meter(context.lookup, piece.interval)?;
        let mut members = Vec::with_capacity(2);
        for feed in context.lookup.feeds(&own.id) {
            let member = Member::of(chain, feed, piece);
            if members.is_empty() || member.is_priced() {
                members.push(member);
            }
        }
        let clock = match members.iter().any(Member::needs_clock) {
            true => Some(context.calendar.clock()?),
            false => None,
        };
        let mut cuts = Vec::new();
        if !piece.is_instant() {
            for member in &members {
                member.cuts(context.lookup.book, clock, piece, &mut cuts);
            }
        }
        let mut counted = (!cuts.is_empty()).then(Counted::new);
        let stop = piece.end;
        piece.cut(&mut cuts, |part| {
            let open = context.open && part.end == stop;
            let context = Context { open, ..*context };
            self.price_part(&context, chain, &members, clock, part, &mut counted)
        })
    }

    fn price_part(
        &mut self,
        context: &Context<'_, '_>,
        chain: &Chain<'_>,
        members: &[Member<'_, '_>],
        clock: Option<&Clock>,
        part: Piece<'_>,
        counted: &mut Option<Counted>,
    ) -> Result<(), ParkReason> {
        if part.is_held_never() {
            return Ok(());
        }
        let mut is_priced = false;
        for (index, member) in members.iter().enumerate() {
            let Some(term) = member.rate_at(clock, part.start) else { continue };
            is_priced = true;
            if !member.takes(&part) || !member.is_billable(&part) {
                continue;
            }
            member.check(&part)?;
            let quantity =
                quantity::quantity(context.lookup.book, part.interval, member.feed, part.start)?;
            let window = window_of(term, clock, part.start)?;
            let mark = (index, std::ptr::from_ref(term.rate).addr(), window.map(|w| w.start()));
            let is_new = counted.as_mut().is_none_or(|counted| counted.insert(mark));
            let priced = Priced { context, chain, member, term, part, quantity, window };
            self.add_part(&priced, is_new)?;
        }
        match members.first() {
            Some(own)
                if !is_priced
                    && own.takes(&part)
                    && own.is_billable(&part)
                    && !own.is_included() =>
            {
                // Nothing consumed is no gap, whatever it would have cost.
                if part.interval.quantity == 0 { Ok(()) } else { Err(unpriced(chain, own, &part)) }
            }
            _ => Ok(()),
        }
    }

    fn add_part(&mut self, priced: &Priced<'_, '_>, is_new: bool) -> Result<(), ParkReason> {
        let Priced { context, member, part, quantity, .. } = priced;
        let measure = &member.feed.meter.measure;
        let counts = measure::counts_nothing(measure)
            || !part.is_held() && priced.term.rate.model.prices_nothing();
        if *quantity == 0 && !counts {
            return Ok(());
        }
        let is_watched = priced.is_watched();
        if !context.is_billed() {
            if is_watched {
                self.look(priced, context.stretch.position);
            }
            return Ok(());
        }
        let (key, mut sums) = keyed(priced, is_new)?;
        match measure {
            Measure::Total => sums.weigh(priced, *quantity, key.per_seconds)?,
            Measure::Count if part.is_held() => {
                if priced.is_watched() && self.watch(priced, &key)? {
                    sums.weigh(priced, priced.one(), key.per_seconds)?;
                } else if !self.gathered.contains_key(&key) {
                    return Ok(());
                }
                self.sum(key, sums);
                return Ok(());
            }
            // A reversal takes back the event that it names.
            Measure::Count if *quantity < 0 => {
                sums.weigh(priced, -priced.one(), key.per_seconds)?;
            }
            Measure::Count => sums.weigh(priced, priced.one(), key.per_seconds)?,
            _ => return self.measure(priced, key, sums),
        }
        if is_watched {
            self.watch(priced, &key)?;
        }
        self.sum(key, sums);
        Ok(())
    }
}

impl Priced<'_, '_> {
    pub fn meter(&self) -> &Meter {
        self.member.feed.meter
    }

    /// One of what a count counts, at the meter's scale.
    pub fn one(&self) -> i128 {
        10_i128.pow(self.meter().scale)
    }

    /// Whether it matters where the holding that the part is of begins and ends. Where any tariff
    /// version of the period has a holding time: one may begin under a version without one.
    fn is_watched(&self) -> bool {
        let meter = self.meter();
        self.part.is_held()
            && !self.part.is_instant()
            && self.quantity > 0
            && (meter.measure == Measure::Count
                || meter.measure.is_total() && self.context.calendar.times_holdings(&meter.id))
    }

    /// The terms of an event that no other one bears on: neither free ones before it, nor an allowance
    /// or a rounding, which change what all of them are worth.
    fn events_alone(&self) -> Option<&Percentage> {
        let (rate, calendar) = (self.term.rate, self.context.calendar);
        let PriceModel::Percentage(terms) = &rate.model else { return None };
        let alone = terms.is_by_event()
            && !self.part.is_held()
            && rate.round_units.is_none()
            && calendar.prices_events_alone(&rate.meter);
        alone.then_some(terms)
    }

    pub fn holding(&self) -> HoldingTime {
        self.member.terms.map(|terms| terms.holding).unwrap_or_default()
    }

    pub fn holding_key(&self) -> HoldingKey {
        (
            self.context.calendar.account.id.clone(),
            self.part.interval.holder.resource.clone(),
            self.meter().id.clone(),
        )
    }

    /// What months, holdings and the windows of measures are counted over.
    pub fn counted_period(&self) -> Period {
        self.context.calendar.counted_period(self.context.stretch)
    }
}

impl Gathered {
    /// Takes a quantity, weighed by the part's time where that is how the meter is summed.
    fn weigh(
        &mut self,
        priced: &Priced<'_, '_>,
        quantity: i128,
        per_seconds: i64,
    ) -> Result<(), ParkReason> {
        let part = &priced.part;
        let weighed = part.is_held() && priced.meter().measure.is_total();
        let weight = if weighed { i128::from(part.seconds()) } else { 1 };
        let total = quantity.checked_mul(weight);
        self.quantity = total.ok_or_else(|| quantity::too_large(part.interval))?;
        self.worth = worth::of(priced, quantity, per_seconds)?;
        if let Some(terms) = priced.events_alone() {
            let events = divisor(priced, per_seconds)
                .and_then(|divisor| events::alone(terms, divisor, quantity))
                .ok_or_else(|| quantity::too_large(part.interval))?;
            self.events = Some(events);
        } else if priced.term.rate.model.wants_steps() {
            let held = weighed && !part.is_instant();
            self.steps = vec![Step {
                start: if held { part.start.floored() } else { part.start },
                end: if held { part.end.floored() } else { part.start },
                quantity,
            }];
        }
        Ok(())
    }
}

/// Smallest parts of the meter in one unit.
fn divisor(priced: &Priced<'_, '_>, per_seconds: i64) -> Option<i128> {
    let unit = i128::from(priced.term.rate.unit.base_units);
    priced.one().checked_mul(unit)?.checked_mul(per_seconds.into())
}

/// The key of a part, and sums without a quantity yet.
fn keyed(priced: &Priced<'_, '_>, is_new: bool) -> Result<(GatherKey, Gathered), ParkReason> {
    let Priced { context, chain, member, term, part, .. } = priced;
    let (account, meter, holder) =
        (context.calendar.account, member.feed.meter, &part.interval.holder);
    let agreement = match context.stretch.agreement {
        Some(agreement) => agreement,
        None => context.lookup.agreement(account, part.start)?,
    };
    let tax_category = account.tax_category.as_ref().unwrap_or(&term.rate.tax_category);
    if context.lookup.book.tax_category(tax_category).is_none() {
        let text = format!("tax category `{tax_category}` is not in the book");
        return Err(ParkReason::new(ParkCode::UnknownTaxCategory, text));
    }
    let subject =
        Subject::of(detail_of(chain.detail(), term.rate, meter), account, term.rate, holder)?;
    let is_sum = matches!(meter.measure, Measure::Total | Measure::Count);
    let counted = term.rate.counts_units() || context.calendar.is_adjusted || !is_sum;
    let per_seconds = match term.rate.per {
        Per::Month if meter.measure.is_total() => context.stretch.month.seconds(),
        fixed if meter.measure.is_total() => fixed.seconds().unwrap_or(1),
        _ => 1,
    };
    let key = GatherKey {
        account: account.id.clone(),
        project: subject.project,
        service: meter.service.clone(),
        resource: subject.resource,
        meter: meter.id.clone(),
        site: holder.site.clone(),
        attributes: subject.attributes,
        tariff: term.link.tariff.id.clone(),
        tariff_version: term.link.version.id.clone(),
        rate_index: term.index,
        chain: if context.calendar.tells_chains { chain.versions() } else { Vec::new() },
        per_seconds,
        month: if counted { context.calendar.counted_month(context.stretch) } else { None },
        window: priced.window.map(|window| window.start()),
        agreement: agreement.map(|agreement| agreement.id.clone()),
        tax_category: tax_category.clone(),
        estimated: part.interval.estimated,
    };
    let sums = Gathered {
        resource_kind: subject.resource_kind,
        quantity: 0,
        seconds: if part.is_held() { part.seconds() } else { 0 },
        first: part.start.floored(),
        last: part.last_second(),
        intervals: i64::from(is_new),
        worth: None,
        steps: Vec::new(),
        events: None,
    };
    Ok((key, sums))
}

fn window_of(
    term: &Term<'_>,
    clock: Option<&Clock>,
    at: Instant,
) -> Result<Option<Period>, ParkReason> {
    let (Some(seconds), Some(clock)) = (term.rate.window_seconds, clock) else {
        return Ok(None);
    };
    let window = clock.window(at, seconds).ok_or_else(|| {
        let text = format!("no window of {seconds} s holds {at} for meter `{}`", term.rate.meter);
        ParkReason::new(ParkCode::Overflow, text)
    })?;
    Ok(Some(window))
}

fn unpriced(chain: &Chain<'_>, own: &Member<'_, '_>, part: &Piece<'_>) -> ParkReason {
    let version = chain.links.first().map_or("-", |link| link.version.id.as_str());
    let meter = &own.feed.meter.id;
    let text = if own.is_priced() {
        let at = part.start;
        format!("tariff version `{version}` has no hours of meter `{meter}` that hold at {at}")
    } else {
        format!(
            "tariff version `{version}` neither prices meter `{meter}` with these attributes nor \
             lists it as included"
        )
    };
    ParkReason::new(ParkCode::UnpricedMeter, text)
}
