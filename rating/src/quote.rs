//! A quote: usage that was told, or that a file of events comes to, priced as a run prices it.
//!
//! Owns: what told usage means in intervals, and the book in which all of it is one account's.
//! Does not own: a price. Intervals go through [`Harvest`] and the account stage of a run.
//! Invariants: what a quote says of some usage is what a run says of the same usage under the same
//! tariff; usage that cannot be priced gives the reason, never zero.

mod told;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use turnpike_lake::LakeSnapshot;
use turnpike_schemas::interval::Holder;
use turnpike_schemas::parse::DecimalError;
use turnpike_schemas::party::TariffAssignment;
use turnpike_schemas::{
    Account, AccountId, Address, Instant, OwnerRef, OwnerRule, Party, PartyId, PartyKind, Period,
    PeriodError, PriceBook, RatedLine, ResourceId, RunId, TariffId, UsageInterval,
};

pub use told::{EVENTS_MAX, ToldUsage};

use crate::error::RatingError;
use crate::gather::Harvest;
use crate::metering::{EventReader, Fold, MeteredEvent};
use crate::parked::ParkReason;
use crate::request::Window;
use crate::run::priced;
use crate::tariff_lookup::Lookup;

/// Who holds what a quote is about.
const OWNER: &str = "quote/usage";
/// The account and, where the book has none, the franchisor of a quote that names no account.
const STAND_IN: &str = "quote";

#[derive(Debug, thiserror::Error)]
pub enum QuoteError {
    #[error("there is no account `{0}` in the book")]
    UnknownAccount(AccountId),
    #[error("there is no tariff `{0}` in the book")]
    UnknownTariff(TariffId),
    #[error("a quote is for a tariff or for an account")]
    Nobody,
    #[error("there is no meter `{0}` in the book")]
    UnknownMeter(String),
    #[error("meter `{meter}` has no unit `{unit}`; it has {known}")]
    UnknownUnit { meter: String, unit: String, known: String },
    #[error("the quantity of meter `{meter}`")]
    Quantity {
        meter: String,
        #[source]
        source: DecimalError,
    },
    #[error(
        "{text} of meter `{meter}` is finer than its smallest part, {scale} decimals of a {unit}"
    )]
    TooFine { meter: String, text: String, scale: u32, unit: String },
    #[error("{text} of meter `{meter}` does not fit in 64 bits of its smallest part")]
    TooLarge { meter: String, text: String },
    #[error("usage of meter `{meter}`: {problem}")]
    Usage { meter: String, problem: String },
    #[error("the period of the quote")]
    Period(#[from] PeriodError),
    #[error(transparent)]
    Rating(#[from] RatingError),
    #[error(transparent)]
    Id(#[from] turnpike_schemas::IdError),
}

/// Whom a quote is for.
#[derive(Debug, Clone, Default)]
pub struct QuoteFor {
    /// With its calendar, seller and terms; a stand-in that the franchisor sells to, where absent.
    pub account: Option<AccountId>,
    /// In place of the tariffs of the account.
    pub tariff: Option<TariffId>,
    /// In place of the account's calendar.
    pub time_zone: Option<Tz>,
}

/// A book in which all usage of a quote is one account's.
#[derive(Debug)]
pub struct QuoteBook {
    pub book: PriceBook,
    pub account: AccountId,
    pub window: Window,
    pub period: Period,
    owner: OwnerRef,
}

/// What some usage comes to.
#[derive(Debug)]
pub struct Quote {
    /// In canonical order; none where it is parked.
    pub lines: Vec<RatedLine>,
    pub parked: Option<ParkReason>,
    /// Intervals within the period.
    pub intervals: u64,
    /// Told usages that lie outside of it as a whole or in part.
    pub outside: u64,
}

impl QuoteBook {
    pub fn new(book: &PriceBook, whom: &QuoteFor, window: Window) -> Result<Self, QuoteError> {
        let mut book = book.clone();
        let mut account = match &whom.account {
            Some(id) => book.account(id).cloned().ok_or_else(|| unknown_account(id))?,
            None => stand_in(&mut book)?,
        };
        match &whom.tariff {
            Some(id) => {
                let tariff =
                    book.tariff(id).ok_or_else(|| QuoteError::UnknownTariff(id.clone()))?;
                if whom.account.is_none() {
                    account.currency = tariff.currency;
                }
                let tariff = id.clone();
                account.tariffs =
                    vec![TariffAssignment { tariff, valid_from: None, valid_to: None }];
            }
            None if whom.account.is_none() => return Err(QuoteError::Nobody),
            None => {}
        }
        if let Some(zone) = whom.time_zone {
            account.time_zone = zone;
        }
        let owner = OwnerRef::new(OWNER)?;
        account.owners = vec![OwnerRule { owner: owner.clone(), valid_from: None, valid_to: None }];
        let period = window.period(&account)?;
        let id = account.id.clone();
        book.accounts = vec![account];
        Ok(Self { book, account: id, window, period, owner })
    }

    pub fn account(&self) -> &Account {
        self.book.account(&self.account).expect("the account was put into the book")
    }

    /// Prices usage as it was told.
    pub fn of_usage(&self, run: &RunId, told: &[ToldUsage]) -> Result<Quote, QuoteError> {
        let mut intervals = Vec::new();
        let mut place = told::Place::default();
        for usage in told {
            intervals.extend(usage.intervals(
                &self.book.meters,
                &self.period,
                &self.owner,
                &mut place,
            )?);
        }
        let mut teller = Teller::new(self);
        let periods = self.periods();
        let lookup = Lookup::new(&self.book, &periods);
        for interval in &intervals {
            teller.take(&lookup, interval);
        }
        Ok(teller.quote(&lookup, run))
    }

    /// Prices what all events of a lake come to, whoever their owner is.
    pub async fn of_events(
        &self,
        run: &RunId,
        snapshot: &LakeSnapshot,
        as_of: Instant,
    ) -> Result<Quote, QuoteError> {
        let mut teller = Teller::new(self);
        let periods = self.periods();
        let lookup = Lookup::new(&self.book, &periods);
        let months = snapshot.months();
        let first = months.first().copied().unwrap_or_default();
        let until = self.period.end().min(as_of);
        for bucket in 0..snapshot.buckets() {
            let mut events = Vec::new();
            let mut reader = EventReader::default();
            let last = self.window.last_month();
            for batch in snapshot.scan(bucket, first, last).await.map_err(RatingError::from)? {
                reader.read(&batch, |event| {
                    events.push(event);
                    Ok(())
                })?;
            }
            events.extend(reader.finish());
            for resource in events.chunk_by(|a, b| a.resource == b.resource) {
                let beyond = until.plus_seconds(lookup.after_seconds()).unwrap_or(Instant::MAX);
                self.fold(resource, beyond, &mut |interval, open| {
                    teller.add(&lookup, &interval, open);
                });
                teller.harvest.close_resource();
            }
        }
        Ok(teller.quote(&lookup, run))
    }

    /// The intervals of one resource's events, as if they were all the account's, each with whether
    /// nothing has ended it.
    fn fold(
        &self,
        events: &[MeteredEvent],
        beyond: Instant,
        take: &mut impl FnMut(UsageInterval, bool),
    ) {
        let mut emit = |interval: UsageInterval, open: bool| {
            let holder = Holder { owner: Some(self.owner.clone()), ..(*interval.holder).clone() };
            take(UsageInterval { holder: Arc::new(holder), ..interval }, open);
        };
        let mut fold = Fold::default();
        for event in events {
            fold.apply(event, &mut |interval| emit(interval, false));
        }
        let Some(known) = fold.state() else { return };
        let policy = self.book.open_intervals(&known.holder.source);
        fold.finish(beyond, policy, &mut |interval| emit(interval, true));
    }

    fn periods(&self) -> BTreeMap<AccountId, Period> {
        BTreeMap::from([(self.account.clone(), self.period)])
    }
}

/// Puts intervals into the harvest of the quote.
struct Teller<'a> {
    of: &'a QuoteBook,
    harvest: Harvest,
    outside: u64,
}

impl<'a> Teller<'a> {
    fn new(of: &'a QuoteBook) -> Self {
        Self { of, harvest: Harvest::default(), outside: 0 }
    }

    /// Adds told usage, and counts what of it is not priced.
    fn take(&mut self, lookup: &Lookup<'_>, interval: &UsageInterval) {
        let period = &self.of.period;
        if interval.start < period.start() || period.end() < interval.end {
            self.outside += 1;
        }
        self.add(lookup, interval, false);
    }

    fn add(&mut self, lookup: &Lookup<'_>, interval: &UsageInterval, open: bool) {
        let period = &self.of.period;
        match open {
            true => self.harvest.add_open(lookup, interval, period, period.end()),
            false => self.harvest.add(lookup, interval, period, period.end()),
        }
    }

    fn quote(mut self, lookup: &Lookup<'_>, run: &RunId) -> Quote {
        let lines = priced(lookup, run, &mut self.harvest);
        let parked = self.harvest.parked.remove(&self.of.account);
        Quote { lines, parked, intervals: self.harvest.intervals, outside: self.outside }
    }
}

fn unknown_account(id: &AccountId) -> QuoteError {
    QuoteError::UnknownAccount(id.clone())
}

/// An account that the franchisor sells to, so that no agreement bears on it.
fn stand_in(book: &mut PriceBook) -> Result<Account, QuoteError> {
    let franchisor = book.parties.iter().find(|party| party.kind == PartyKind::Franchisor);
    let seller = match franchisor {
        Some(party) => party.id.clone(),
        None => {
            let id = PartyId::new(STAND_IN)?;
            book.parties.push(Party {
                id: id.clone(),
                name: STAND_IN.to_owned(),
                kind: PartyKind::Franchisor,
                address: Address::default(),
                tax_id: None,
                email: None,
                invoice_series: STAND_IN.to_uppercase(),
                payment_days: 0,
                payment_note: None,
            });
            id
        }
    };
    Ok(Account {
        id: AccountId::new(STAND_IN)?,
        name: STAND_IN.to_owned(),
        seller,
        currency: None,
        time_zone: Tz::UTC,
        address: Address::default(),
        tax_id: None,
        email: None,
        owners: Vec::new(),
        tariffs: Vec::new(),
        tax_category: None,
    })
}

/// The resource of told usage that names none.
fn resource_of(name: &str) -> Result<ResourceId, QuoteError> {
    Ok(ResourceId::new(format!("{STAND_IN}/usage/{name}"))?)
}

#[cfg(test)]
mod tests;
