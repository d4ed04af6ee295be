//! The simulated provider: one franchisor, three franchised sites and their customers.

use super::names::{FRANCE, ITALY, Identity, JAPAN, Locale};
use super::random::Random;

/// Which systems report at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Nova and Cinder notifications in oslo.messaging envelopes.
    OpenStack,
    /// Agents that send native usage events.
    Agents,
}

/// A franchised data centre.
pub struct Site {
    pub id: &'static str,
    pub name: &'static str,
    pub region: &'static str,
    /// The franchisee's party id, also the namespace of its agents' ids.
    pub party: &'static str,
    pub locale: &'static Locale,
    pub platform: Platform,
    pub currency: &'static str,
    pub time_zone: &'static str,
    /// Hours that office hours are ahead of UTC.
    pub utc_offset: i64,
    /// Customers in a hundred.
    pub share: u64,
}

pub const SITES: [Site; 3] = [
    Site {
        id: "lyon-1",
        name: "Lyon 1",
        region: "eu-west",
        party: "lyon",
        locale: &FRANCE,
        platform: Platform::OpenStack,
        currency: "EUR",
        time_zone: "Europe/Paris",
        utc_offset: 1,
        share: 45,
    },
    Site {
        id: "milano-1",
        name: "Milano 1",
        region: "eu-south",
        party: "milano",
        locale: &ITALY,
        platform: Platform::Agents,
        currency: "EUR",
        time_zone: "Europe/Rome",
        utc_offset: 1,
        share: 33,
    },
    Site {
        id: "osaka-1",
        name: "Osaka 1",
        region: "ap-northeast",
        party: "osaka",
        locale: &JAPAN,
        platform: Platform::OpenStack,
        currency: "JPY",
        time_zone: "Asia/Tokyo",
        utc_offset: 9,
        share: 22,
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Small,
    Medium,
    Large,
}

/// How the price book treats a customer, where it is not the common way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    None,
    /// No currency in the book: rating parks the account.
    Parked,
    /// Changes to the enterprise tariff in the middle of the last whole month.
    Upgrades,
    /// Billed abroad: reverse charge instead of the site's tax.
    Abroad,
    /// The book does not know it at all: its usage is unassigned.
    Unknown,
}

pub struct Project {
    /// The project's id on OpenStack, where projects own resources. Real ones are 32 hexadecimal
    /// digits; these can be told apart on a bill.
    pub tenant: String,
    pub name: &'static str,
}

pub struct Customer {
    /// `lyon-0007`: account id, and owner id for agents.
    pub id: String,
    pub site: usize,
    pub size: Size,
    pub oddity: Oddity,
    pub enterprise: bool,
    pub projects: Vec<Project>,
    pub identity: Identity,
}

impl Project {
    /// What systems of a platform call it.
    pub fn called(&self, platform: Platform) -> &str {
        match platform {
            Platform::OpenStack => &self.tenant,
            Platform::Agents => self.name,
        }
    }
}

impl Customer {
    pub fn site(&self) -> &'static Site {
        &SITES[self.site]
    }
}

const PROJECTS: [&str; 6] = ["shop", "backoffice", "analytics", "staging", "archive", "website"];

/// All customers; the last one is not in the book.
pub fn customers(seed: u64, accounts: u32) -> Vec<Customer> {
    let mut all: Vec<Customer> = (1..=accounts).map(|number| customer(seed, number)).collect();
    if accounts >= 10 {
        // One of each, at places that do not depend on the draws.
        all[3].oddity = Oddity::Upgrades;
        all[5].oddity = Oddity::Abroad;
        all[8].oddity = Oddity::Parked;
    }
    let mut unknown = customer(seed, accounts + 1);
    unknown.oddity = Oddity::Unknown;
    unknown.size = Size::Small;
    all.push(unknown);
    all
}

fn customer(seed: u64, number: u32) -> Customer {
    let mut random = Random::new(seed, &[1, u64::from(number)]);
    // The first three have one site each, so that every demo shows all of them.
    let drawn = random.below(100);
    let site = match number {
        1..=3 => usize::try_from(number).unwrap_or(1) - 1,
        _ if drawn < SITES[0].share => 0,
        _ if drawn < SITES[0].share + SITES[1].share => 1,
        _ => 2,
    };
    let size = match random.below(10) {
        0..=5 => Size::Small,
        6..=8 => Size::Medium,
        _ => Size::Large,
    };
    let projects = 1 + random.index(if size == Size::Small { 2 } else { 3 });
    let first = random.index(PROJECTS.len());
    let id = format!("{}-{number:04}", SITES[site].party);
    let projects = (0..projects)
        .map(|index| {
            let name = PROJECTS[(first + index) % PROJECTS.len()];
            Project { tenant: format!("{id}-{name}"), name }
        })
        .collect();
    Customer {
        id,
        site,
        size,
        oddity: Oddity::None,
        enterprise: size == Size::Large,
        projects,
        identity: SITES[site].locale.identity(number, &mut random),
    }
}
