//! [`Actor`]: one resource and what happens to it between two reports.
//!
//! A life is drawn from a random stream of its own, so that counting the events of a life and
//! writing them go through the same steps.

use super::provider::{Customer, Platform, Size};
use super::random::Random;
use super::stamp::{DAY, HOUR, MINUTE, SECOND};

/// Name, vCPUs, MiB of memory, GiB of root disk.
pub const FLAVORS: [(&str, u32, u32, u32); 5] = [
    ("s1.small", 1, 2_048, 20),
    ("s1.medium", 2, 4_096, 40),
    ("s1.large", 4, 8_192, 80),
    ("m1.large", 4, 16_384, 80),
    ("c1.xlarge", 8, 16_384, 160),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// Runs for weeks.
    Server,
    /// Stopped in the evening, started in the morning.
    Office,
    /// Lives for minutes or hours, one after another.
    Batch,
    Volume,
    Bucket,
    Database,
    Balancer,
    Address,
}

/// A step of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Create,
    Stop,
    Start,
    Resize,
    Transfer,
    Delete,
    /// A stop or delete whose notification never arrives; audits heal it.
    StopLost,
    DeleteLost,
    /// The audit that still tells of a deletion.
    Tombstone,
    End,
}

impl Life {
    /// Whether it is written.
    pub fn is_told(self) -> bool {
        !matches!(self, Life::StopLost | Life::DeleteLost | Life::End)
    }
}

/// From when to when the provider is simulated, in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub start: i64,
    pub end: i64,
}

#[derive(Debug, Clone)]
pub struct Actor {
    pub index: u32,
    pub thing: Thing,
    pub site: usize,
    /// Index of the customer that holds it.
    pub customer: usize,
    pub project: usize,
    life: Random,
    /// For what does not change the course of events: ids, delays, traffic.
    pub noise: Random,
    pub id: String,
    /// Which life of this actor it is.
    pub serial: u32,
    pub born: i64,
    /// Nova's `launched_at`: reset by a resize.
    pub launched: i64,
    pub died: i64,
    pub alive: bool,
    pub running: bool,
    /// Index of a flavor, or GiB.
    pub size: u32,
    pub reported: i64,
    pub traffic_reported: i64,
    /// A counter that grows from one boot to the next.
    pub counter: i64,
    pub boots: u32,
    /// The bytes in a bucket or database.
    pub stored: i64,
    planned: Life,
    at: i64,
    audited: bool,
}

impl Actor {
    pub fn new(
        seed: u64,
        index: u32,
        thing: Thing,
        customer: usize,
        of: &Customer,
        span: &Span,
    ) -> Self {
        let mut life = Random::new(seed, &[2, u64::from(index)]);
        // Most things were there before the first month; the rest come over time.
        let first = if life.chance(3, 4) { DAY } else { span.end - span.start };
        let at = span.start + life.between(0, first);
        let project = life.index(of.projects.len());
        let servers = matches!(thing, Thing::Server | Thing::Office | Thing::Batch | Thing::Volume);
        Self {
            index,
            thing,
            site: of.site,
            customer,
            project,
            noise: Random::new(seed, &[3, u64::from(index)]),
            life,
            id: String::new(),
            serial: 0,
            born: 0,
            launched: 0,
            died: 0,
            alive: false,
            running: false,
            size: 0,
            reported: 0,
            traffic_reported: 0,
            counter: 0,
            boots: 0,
            stored: 0,
            planned: Life::Create,
            at,
            audited: servers && of.site().platform == Platform::OpenStack,
        }
    }

    /// Whether it is one of Nova's or Cinder's.
    pub fn is_audited(&self) -> bool {
        self.audited
    }

    pub fn is_server(&self) -> bool {
        matches!(self.thing, Thing::Server | Thing::Office | Thing::Batch)
    }

    /// When the next step is due, if any is within the span.
    pub fn due(&self, span: &Span) -> Option<i64> {
        (self.planned != Life::End && self.at < span.end).then_some(self.at)
    }

    /// Takes the step that is due and plans the next one. `others` are customers that a volume may
    /// go to.
    pub fn step(&mut self, others: &[usize]) -> Life {
        let (step, now) = (self.planned, self.at);
        match step {
            Life::Create => self.create(now),
            Life::Stop | Life::StopLost => self.running = false,
            Life::Start => {
                self.running = true;
                self.boots += 1;
                self.counter = 0;
            }
            Life::Resize => {
                self.launched = now;
                self.size = match self.thing {
                    Thing::Volume => self.size + 10 * (1 + self.size / 100),
                    _ => (self.size + 1) % u32::try_from(FLAVORS.len()).unwrap_or(1),
                };
            }
            Life::Transfer => self.customer = *self.life.pick(others),
            Life::Delete | Life::DeleteLost => {
                self.alive = false;
                self.running = false;
                self.died = now;
            }
            Life::Tombstone | Life::End => {}
        }
        self.plan(step, now);
        step
    }

    fn create(&mut self, now: i64) {
        self.serial += 1;
        self.alive = true;
        self.running = true;
        (self.born, self.launched, self.reported, self.traffic_reported) = (now, now, now, now);
        (self.counter, self.boots) = (0, 1);
        let sizes = [20, 50, 50, 100, 200, 500];
        self.size = match self.thing {
            Thing::Server | Thing::Office => u32::try_from(self.life.index(5)).unwrap_or(0),
            Thing::Batch => u32::try_from(2 + self.life.index(3)).unwrap_or(2),
            Thing::Database => u32::try_from(self.life.index(3)).unwrap_or(0),
            _ => *self.life.pick(&sizes),
        };
        self.stored = self.life.between(1 << 30, 400 << 30);
        self.id = self.noise.uuid();
    }

    fn plan(&mut self, done: Life, now: i64) {
        let lost = self.audited && self.life.chance(1, 60);
        let (next, after) = match (self.thing, done) {
            (Thing::Batch, Life::Create) => (Life::Delete, self.life.wait(3 * HOUR)),
            (Thing::Batch, Life::Delete | Life::Tombstone) => {
                (Life::Create, self.life.wait(5 * HOUR))
            }
            (_, Life::DeleteLost) => (Life::Tombstone, HOUR),
            (_, Life::Delete | Life::Tombstone | Life::End) => (Life::End, 0),
            (Thing::Office, _) => self.plan_office(now),
            (Thing::Server, Life::Stop | Life::StopLost) => (Life::Start, self.life.wait(3 * HOUR)),
            (Thing::Server, _) => {
                let wait = self.life.wait(11 * DAY);
                (
                    *self.life.pick(&[
                        Life::Stop,
                        Life::Stop,
                        Life::Resize,
                        Life::Resize,
                        Life::Delete,
                    ]),
                    wait,
                )
            }
            (Thing::Volume, _) => {
                let wait = self.life.wait(18 * DAY);
                let step = match self.life.below(40) {
                    0..=2 => Life::Transfer,
                    3..=9 => Life::Delete,
                    _ => Life::Resize,
                };
                (step, wait)
            }
            (_, _) => (Life::Delete, self.life.wait(200 * DAY)),
        };
        self.planned = match next {
            Life::Stop if lost => Life::StopLost,
            Life::Delete if lost => Life::DeleteLost,
            other => other,
        };
        self.at = now + after;
    }

    /// The next morning or evening of a working day.
    fn plan_office(&mut self, now: i64) -> (Life, i64) {
        let offset = super::provider::SITES[self.site].utc_offset * HOUR;
        let (next, hour) =
            if self.running { (Life::Stop, 18 * HOUR) } else { (Life::Start, 7 * HOUR) };
        let mut day = (now + offset).div_euclid(DAY);
        loop {
            let at = day * DAY + hour - offset;
            // 1970-01-01 was a Thursday.
            if at > now + MINUTE && (day + 3).rem_euclid(7) < 5 {
                return (next, at - now + self.life.between(0, 90 * MINUTE) / SECOND * SECOND);
            }
            day += 1;
        }
    }
}

/// What a customer of a size runs. `level` 0 is the least, 2 the usual, above that multiples.
pub fn things(size: Size, level: u32, random: &mut Random) -> Vec<Thing> {
    use Thing::{Address, Balancer, Batch, Bucket, Database, Office, Server, Volume};
    if level == 0 {
        return vec![Server, Volume];
    }
    let mut all = match size {
        Size::Small => vec![Server, Volume, Address],
        Size::Medium => vec![Server, Server, Volume, Volume, Bucket, Database, Address],
        Size::Large => vec![
            Server, Server, Server, Server, Volume, Volume, Volume, Volume, Bucket, Bucket,
            Database, Database, Address, Address, Balancer,
        ],
    };
    let optional: &[Thing] = match size {
        Size::Small => &[Bucket, Server],
        Size::Medium => &[Balancer, Server, Server],
        Size::Large => &[Balancer, Server, Server, Bucket],
    };
    all.extend(optional.iter().filter(|_| random.chance(1, 2)));
    if level >= 2 {
        match size {
            Size::Small => {}
            Size::Medium => all.push(Office),
            Size::Large => all.extend([Office, Office, Batch]),
        }
    }
    let copies = 1_usize << level.saturating_sub(2).min(16);
    all.iter().cycle().take(all.len() * copies).copied().collect()
}
