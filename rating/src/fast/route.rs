//! Where the usage of a holder and meter is summed, over time.
//!
//! Nothing of the book is decided here. Between two instants at which anything may change, one probe
//! goes through [`Harvest::add`], the general way, and what comes out of it is the slot for all usage
//! of that stretch. Whatever comes out otherwise than as one plain sum is declined.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::interval::Holder as FullHolder;
use turnpike_schemas::{
    Account, Aggregation, Instant, MeterId, OwnerRef, Period, ResourceId, UsageInterval,
};

use super::block::Numbers;
use super::head::Holder;
use super::held::UNKNOWN;
use super::names::NONE;
use super::tally::{Slot, Subject};
use crate::gather::{GatherKey, Gathered, Harvest};
use crate::tariff_lookup::Lookup;

/// The resource of a probe. A slot whose key names it has a sum for each resource.
const PROBE: &str = "fast/probe/-";

/// What becomes of a piece of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Slot(u32),
    /// Nothing is billed.
    Nothing,
    /// The general way has to look.
    Declined,
}

/// The stretch of time in which usage has a target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) target: Target,
    pub(super) start: i64,
    pub(super) end: i64,
}

/// What a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RouteKey {
    class: u32,
    /// The holder without its owner, parent, source and tags.
    spot: u32,
    meter: u32,
    held: bool,
    scale: u32,
    estimated: bool,
}

const RECENT: usize = 64;

impl RouteKey {
    /// Of no place.
    const NONE: Self = Self {
        class: UNKNOWN,
        spot: UNKNOWN,
        meter: NONE,
        held: false,
        scale: 0,
        estimated: false,
    };
}

/// A stretch of time within which nothing that matters to a price changes.
#[derive(Debug)]
struct Segment {
    start: i64,
    end: i64,
    /// By state, once it is known.
    targets: [Option<Target>; ResourceState::ALL.len()],
}

struct Route {
    key: RouteKey,
    /// An account and holder for whom this was first asked.
    account: u32,
    holder: Holder,
    segments: Vec<Segment>,
}

/// Who a holder's usage is billed to, and what of the holder prices may depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// [`UNKNOWN`]: nobody, several, or another one over time.
    account: u32,
    class: u32,
    /// [`UNKNOWN`]: it was not looked at yet.
    spot: u32,
}

impl Place {
    pub(super) const UNKNOWN: Self = Self { account: UNKNOWN, class: 0, spot: UNKNOWN };

    pub(super) fn is_known(&self) -> bool {
        self.spot != UNKNOWN
    }

    pub(super) fn account(&self) -> Option<u32> {
        (self.account != UNKNOWN).then_some(self.account)
    }
}

/// All routes that a worker knows.
pub(super) struct Routes {
    span: Period,
    owners: HashMap<Box<str>, Option<u32>>,
    /// By account: what accounts have to share in order to share routes.
    classes: Vec<u32>,
    /// By the number of an owner's name: account and class, once they were asked for.
    owner_accounts: Vec<Option<(u32, u32)>>,
    last_spot: (Holder, u32),
    /// The route asked for last at spots of the same remainder: it is nearly always the same.
    recent: Vec<(RouteKey, u32)>,
    spots: HashMap<Holder, u32>,
    routes: HashMap<RouteKey, u32>,
    route_list: Vec<Route>,
    slots: HashMap<(u32, GatherKey, String), u32>,
    /// How many slots each class has.
    class_slots: HashMap<u32, u32>,
    /// Whether what is not known yet stays unknown.
    pub(super) is_frozen: bool,
}

impl Routes {
    pub(super) fn new(lookup: &Lookup<'_>, span: Period) -> Self {
        let accounts = &lookup.book.accounts;
        let mut owners: HashMap<Box<str>, Option<u32>> = HashMap::new();
        let mut names: HashMap<String, u32> = HashMap::new();
        let mut classes = Vec::with_capacity(accounts.len());
        for (number, account) in (0_u32..).zip(accounts) {
            for rule in &account.owners {
                let always = rule.valid_from.is_none() && rule.valid_to.is_none();
                owners
                    .entry(rule.owner.as_str().into())
                    .and_modify(|known| *known = None)
                    .or_insert(always.then_some(number));
            }
            let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
            classes.push(*names.entry(class_name(account, lookup)).or_insert(next));
        }
        Self {
            span,
            owners,
            classes,
            owner_accounts: Vec::new(),
            last_spot: (Holder::default(), UNKNOWN),
            recent: vec![(RouteKey::NONE, UNKNOWN); RECENT],
            spots: HashMap::new(),
            routes: HashMap::new(),
            route_list: Vec::new(),
            slots: HashMap::new(),
            class_slots: HashMap::new(),
            is_frozen: false,
        }
    }

    /// The place of a holder.
    pub(super) fn place(&mut self, holder: &Holder, numbers: &Numbers) -> Place {
        let (account, class) = self.account(holder.owner, numbers);
        let own = Holder { owner: NONE, parent: NONE, source: NONE, tags: 0, ..*holder };
        let (last, known) = self.last_spot;
        if known == UNKNOWN || last != own {
            let next = u32::try_from(self.spots.len()).unwrap_or(UNKNOWN);
            self.last_spot = (own, *self.spots.entry(own).or_insert(next));
        }
        Place { account, class, spot: self.last_spot.1 }
    }

    /// The account that an owner's usage is billed to.
    pub(super) fn owned_by(&mut self, owner: u32, numbers: &Numbers) -> Option<u32> {
        let (account, _) = self.account(owner, numbers);
        (account != UNKNOWN).then_some(account)
    }

    /// The account of an owner, and its class.
    fn account(&mut self, owner: u32, numbers: &Numbers) -> (u32, u32) {
        let at = owner as usize;
        if self.owner_accounts.len() <= at {
            self.owner_accounts.resize(at + 1, None);
        }
        if let Some(known) = self.owner_accounts[at] {
            return known;
        }
        let account = numbers.names.text(owner).and_then(|owner| *self.owners.get(owner)?);
        let found =
            account.map_or((UNKNOWN, 0), |account| (account, self.classes[account as usize]));
        self.owner_accounts[at] = Some(found);
        found
    }

    /// The route of a place and meter, if it is known.
    #[inline]
    pub(super) fn known(
        &mut self,
        place: Place,
        (meter, scale): (u32, u32),
        (held, estimated): (bool, bool),
    ) -> Option<u32> {
        let Place { class, spot, .. } = place;
        let key = RouteKey { class, spot, meter, held, scale, estimated };
        let recent = &mut self.recent[spot as usize % RECENT];
        if recent.0 != key {
            *recent = (key, *self.routes.get(&key)?);
        }
        Some(recent.1)
    }

    /// A new route of a holder and meter; its place has an account.
    pub(super) fn route(
        &mut self,
        lookup: &Lookup<'_>,
        place: Place,
        holder: &Holder,
        (meter, scale): (u32, u32),
        (held, estimated): (bool, bool),
    ) -> Option<u32> {
        let Place { class, spot, .. } = place;
        let key = RouteKey { class, spot, meter, held, scale, estimated };
        let account = place.account().filter(|_| !self.is_frozen)?;
        let segments = self.segments(lookup, &lookup.book.accounts[account as usize])?;
        let route = u32::try_from(self.route_list.len()).ok()?;
        self.route_list.push(Route { key, account, holder: *holder, segments });
        self.routes.insert(key, route);
        Some(route)
    }

    /// The stretches of the span, cut wherever anything may change for the account.
    fn segments(&self, lookup: &Lookup<'_>, account: &Account) -> Option<Vec<Segment>> {
        let mut cuts = vec![self.span.start(), self.span.end()];
        if let Some(period) = lookup.periods.get(&account.id) {
            cuts.extend([period.start(), period.end()]);
            for month in period.local_months(account.time_zone).ok()? {
                cuts.extend([month.start(), month.end()]);
            }
        }
        lookup.price_cuts(account, &mut cuts);
        cuts.retain(|cut| self.span.start() <= *cut && *cut <= self.span.end());
        cuts.sort_unstable();
        cuts.dedup();
        let segment = |pair: &[Instant]| Segment {
            start: pair[0].micros(),
            end: pair[1].micros(),
            targets: [None; ResourceState::ALL.len()],
        };
        Some(cuts.windows(2).map(segment).collect())
    }

    /// The next stretch that overlaps `[start, end)`; `at` is the one to look at next.
    pub(super) fn piece(
        &mut self,
        lookup: &Lookup<'_>,
        (route, state): (u32, ResourceState),
        (start, end): (i64, i64),
        at: &mut usize,
        numbers: &Numbers,
        slots: &mut Vec<Slot>,
    ) -> Option<Piece> {
        loop {
            let segment = self.route_list[route as usize].segments.get(*at)?;
            if segment.start >= end {
                return None;
            }
            let this = *at;
            *at += 1;
            if segment.end <= start {
                continue;
            }
            let (start, end) = (segment.start, segment.end);
            let target = match segment.targets[state as usize] {
                Some(target) => target,
                None if self.is_frozen => Target::Declined,
                None => {
                    let asked = (route, this, state);
                    let found = self.probe(lookup, asked, numbers, slots);
                    let segment = &mut self.route_list[route as usize].segments[this];
                    segment.targets[state as usize] = Some(found);
                    found
                }
            };
            return Some(Piece { target, start, end });
        }
    }

    /// What the general way makes of usage in a stretch.
    fn probe(
        &mut self,
        lookup: &Lookup<'_>,
        (route, at, state): (u32, usize, ResourceState),
        numbers: &Numbers,
        slots: &mut Vec<Slot>,
    ) -> Target {
        let Route { key, account, holder, segments } = &self.route_list[route as usize];
        let (key, account, segment) = (*key, *account, &segments[at]);
        let Some(interval) = probe_interval(&key, holder, segment, state, numbers) else {
            return Target::Declined;
        };
        let account = &lookup.book.accounts[account as usize];
        if !lookup.periods.get(&account.id).is_some_and(|own| own.contains(interval.start)) {
            return Target::Nothing;
        }
        if !lookup.is_plain(account, &interval.meter, interval.start) {
            return Target::Declined;
        }
        let mut harvest = Harvest::default();
        harvest.add(lookup, &interval, &self.span, Instant::MAX);
        harvest.resolve();
        if !harvest.parked.is_empty() || !harvest.unassigned.is_empty() {
            return Target::Declined;
        }
        let mut found = harvest.gathered.into_iter();
        let (found, sums) = match (found.next(), found.next()) {
            (None, _) => return Target::Nothing,
            (Some(one), None) => one,
            _ => return Target::Declined,
        };
        if found.account != account.id || !is_of_all(&interval, &sums) {
            return Target::Declined;
        }
        let subject = if found.resource.as_str() == PROBE {
            Subject::Resource
        } else if found.resource.as_str() == format!("account:{}", account.id) {
            Subject::Account
        } else {
            Subject::Named
        };
        let next = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        let mut template = found;
        // The same for all accounts of the class.
        template.account = turnpike_schemas::AccountId::new("-").expect("a dash is a slug");
        if subject != Subject::Named {
            template.resource = ResourceId::new("-").expect("a dash is a reference");
        }
        let name = (key.class, template.clone(), sums.resource_kind.clone());
        let slot = *self.slots.entry(name).or_insert_with(|| {
            let count = self.class_slots.entry(key.class).or_insert(0);
            let resource_kind = sums.resource_kind;
            slots.push(Slot { template, resource_kind, subject, of_account: *count });
            *count += 1;
            next
        });
        Target::Slot(slot)
    }
}

/// What decides where an account's usage is summed, but for its name.
fn class_name(account: &Account, lookup: &Lookup<'_>) -> String {
    turnpike_schemas::canonical::to_json(&(
        &account.tariffs,
        &account.seller,
        account.currency,
        account.time_zone.name(),
        &account.tax_category,
        lookup.periods.get(&account.id),
    ))
}

/// Usage of one smallest part over a whole stretch.
fn probe_interval(
    key: &RouteKey,
    holder: &Holder,
    segment: &Segment,
    state: ResourceState,
    numbers: &Numbers,
) -> Option<UsageInterval> {
    let name = |number: u32| numbers.names.text(number);
    let text = |number: u32| name(number).map(str::to_owned);
    let owner = match name(holder.owner) {
        Some(owner) => Some(OwnerRef::new(owner).ok()?),
        None => None,
    };
    let start = Instant::from_micros(segment.start).ok()?;
    Some(UsageInterval {
        holder: Arc::new(FullHolder {
            resource: ResourceId::new(PROBE).ok()?,
            resource_kind: text(holder.kind).unwrap_or_default(),
            parent: None,
            owner,
            project: text(holder.project),
            site: text(holder.site),
            region: text(holder.region),
            source: text(holder.source).unwrap_or_default(),
            attributes: numbers.labels.map(holder.attributes).clone(),
            tags: numbers.labels.map(holder.tags).clone(),
        }),
        meter: MeterId::new(name(key.meter)?).ok()?,
        aggregation: if key.held { Aggregation::Held } else { Aggregation::Sum },
        state,
        start,
        end: if key.held { Instant::from_micros(segment.end).ok()? } else { start },
        quantity: 1,
        scale: key.scale,
        seconds: None,
        estimated: key.estimated,
    })
}

/// Whether the sums are those of the whole probe in one piece.
fn is_of_all(interval: &UsageInterval, sums: &Gathered) -> bool {
    let seconds = interval.end.floor_seconds() - interval.start.floor_seconds();
    let (quantity, seconds) = match interval.aggregation {
        Aggregation::Held => (i128::from(seconds), seconds),
        Aggregation::Sum => (1, 0),
    };
    sums.intervals == 1
        && sums.quantity == quantity
        && sums.seconds == seconds
        && sums.first == interval.start.floored()
        && sums.worth.is_none()
        && sums.steps.is_empty()
        && sums.events.is_none()
}
