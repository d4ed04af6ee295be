//! How many resources and how many reports make the events that were asked for.
//!
//! Lives come first: their events are counted by living them once without writing anything. What is
//! left goes to periodic reports, on the coarsest grid that has enough places for them.

use std::fmt;

use super::actor::{Actor, Life, Span, things};
use super::provider::{Customer, Oddity, customers};
use super::random::Random;
use super::stamp::SECOND;
use super::{BROKEN, SimulateSettings, span};

/// Settings that no plan fits.
#[derive(Debug)]
pub enum PlanError {
    TooFew { accounts: u32, events: u64, least: u64 },
    TooMany { accounts: u32, events: u64 },
    Span,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::TooFew { accounts, events, least } => {
                write!(f, "{accounts} accounts need at least {least} events, not {events}")
            }
            PlanError::TooMany { accounts, events } => write!(
                f,
                "{accounts} accounts cannot send {events} events in that time: ask for more \
                 accounts"
            ),
            PlanError::Span => {
                f.write_str("the simulated months must lie within the years 1970 to 2999")
            }
        }
    }
}

impl std::error::Error for PlanError {}

/// Seconds between periodic reports.
const GRIDS: [i64; 12] =
    [86_400, 43_200, 28_800, 21_600, 14_400, 10_800, 7_200, 3_600, 1_800, 900, 300, 60];

/// One of fifty messages is delivered twice.
pub const DOUBLED_EVERY: u64 = 50;

/// Everything that is decided before the first event is written.
pub struct Plan {
    pub span: Span,
    pub customers: Vec<Customer>,
    /// Per customer: those at its site, itself included, that a volume may be handed to.
    pub neighbours: Vec<Vec<usize>>,
    pub actors: Vec<Actor>,
    /// Events that are not deliveries of an earlier one.
    pub originals: u64,
    /// Places for periodic reports, and how many of them are taken.
    pub places: u64,
    pub reports: u64,
    /// Microseconds between the places of one actor.
    pub grid: i64,
}

/// Decides how much runs and how often it reports.
pub fn plan(settings: &SimulateSettings) -> Result<Plan, PlanError> {
    let span = span(settings).ok_or(PlanError::Span)?;
    let all = customers(settings.seed, settings.accounts);
    let neighbours = neighbours(&all);
    let broken = BROKEN.len() as u64;
    // events = originals + originals / DOUBLED_EVERY + broken lines
    let rest = settings.events.saturating_sub(broken);
    let originals = rest - rest / (DOUBLED_EVERY + 1);
    let mut level = 2;
    let (mut lowered, mut raised) = (false, false);
    loop {
        let actors = actors(settings, &all, &span, level);
        let counts = count(&actors, &neighbours, &span);
        let reports = originals.saturating_sub(counts.lives);
        let room = counts.lives <= originals - originals * 3 / 10 || level == 0;
        if (!room || counts.lives > originals) && level > 0 && !raised {
            (level, lowered) = (level - 1, true);
            continue;
        }
        if counts.lives > originals || originals < broken {
            let least = counts.lives.max(broken);
            let least = least + least / DOUBLED_EVERY + broken + 1;
            let (accounts, events) = (settings.accounts, settings.events);
            return Err(PlanError::TooFew { accounts, events, least });
        }
        let Some(chosen) = (0..GRIDS.len()).find(|index| counts.places[*index] >= reports) else {
            if lowered || level >= 16 {
                let (accounts, events) = (settings.accounts, settings.events);
                return Err(PlanError::TooMany { accounts, events });
            }
            (level, raised) = (level + 1, true);
            continue;
        };
        return Ok(Plan {
            span,
            customers: all,
            neighbours,
            actors,
            originals,
            places: counts.places[chosen],
            reports,
            grid: GRIDS[chosen] * SECOND,
        });
    }
}

fn neighbours(all: &[Customer]) -> Vec<Vec<usize>> {
    let known = |other: &Customer| other.oddity != Oddity::Unknown;
    all.iter()
        .map(|customer| {
            let same = |other: &Customer| other.site == customer.site && known(other);
            (0..all.len()).filter(|index| same(&all[*index])).collect::<Vec<usize>>()
        })
        .enumerate()
        .map(|(own, list)| if list.is_empty() { vec![own] } else { list })
        .collect()
}

fn actors(settings: &SimulateSettings, all: &[Customer], span: &Span, level: u32) -> Vec<Actor> {
    let mut actors = Vec::new();
    for (index, customer) in all.iter().enumerate() {
        let mut random = Random::new(settings.seed, &[4, index as u64]);
        for thing in things(customer.size, level, &mut random) {
            let number = u32::try_from(actors.len()).unwrap_or(u32::MAX);
            actors.push(Actor::new(settings.seed, number, thing, index, customer, span));
        }
    }
    actors
}

struct Counts {
    lives: u64,
    places: [u64; GRIDS.len()],
}

fn count(actors: &[Actor], neighbours: &[Vec<usize>], span: &Span) -> Counts {
    let mut counts = Counts { lives: 0, places: [0; GRIDS.len()] };
    for actor in actors {
        let mut actor = actor.clone();
        while actor.due(span).is_some() {
            let step = actor.step(&neighbours[actor.customer]);
            counts.lives += u64::from(step.is_told());
            if matches!(step, Life::Delete | Life::DeleteLost) {
                add_places(&mut counts, &actor, actor.died);
            }
        }
        if actor.alive {
            add_places(&mut counts, &actor, span.end);
        }
    }
    counts
}

fn add_places(counts: &mut Counts, actor: &Actor, end: i64) {
    for (places, grid) in counts.places.iter_mut().zip(GRIDS) {
        let first = first_place(actor, grid * SECOND);
        if first < end {
            *places += u64::try_from((end - 1 - first) / (grid * SECOND) + 1).unwrap_or(0);
        }
    }
}

/// The first report after a birth: the start of a grid cell after it, and some seconds more.
pub fn first_place(actor: &Actor, grid: i64) -> i64 {
    let offset = (i64::from(actor.index) * 7_919 % 50 + 5) * SECOND;
    (actor.born.div_euclid(grid) + 1) * grid + offset
}
