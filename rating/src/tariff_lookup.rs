//! Who pays, at which price, under which agreement: the one answer in force at an instant.
//!
//! Everything here returns exactly one answer or a reason to park the account. Overlaps are not
//! resolved by order: two answers are a mistake of the book that a person has to mend.
//!
//! A tariff may inherit from a base, which may have a base itself: the [`Link`]s of the chain are
//! each tariff with its version in force at the instant, the account's own first. Whatever answers
//! by meter (rates, hours of holding, what is included) is asked of the chain in that order.

mod calendar;
pub mod clock;
mod feeds;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use turnpike_schemas::party::TariffAssignment;
use turnpike_schemas::tariff::HoldingTime;
use turnpike_schemas::{
    Account, AccountId, FranchiseAgreement, Instant, MeterId, OwnerRef, PartyKind, Period,
    PriceBook, Tariff, TariffId, TariffVersion, TariffVersionId,
};

pub use calendar::{Calendar, Chain, Position, Stretch, Term, Terms};
pub use feeds::Feed;

use crate::parked::{ParkCode, ParkReason};

/// The price book arranged for look-ups, with the period of each account to rate.
#[derive(Debug)]
pub struct Lookup<'a> {
    pub book: &'a PriceBook,
    pub periods: &'a BTreeMap<AccountId, Period>,
    owners: BTreeMap<&'a OwnerRef, Vec<Claim<'a>>>,
    feeds: BTreeMap<&'a MeterId, Vec<Feed<'a>>>,
    calendars: BTreeMap<&'a AccountId, OnceLock<Result<Calendar<'a>, ParkReason>>>,
    chains: Mutex<BTreeMap<ChainKey<'a>, Arc<Chain<'a>>>>,
    /// Nothing is due at or past this instant.
    until: Instant,
    /// Seconds past a period in which a holding that began in it may fall short of its minimum.
    after_seconds: i64,
}

type ChainKey<'a> = Vec<(&'a TariffId, &'a TariffVersionId)>;

/// One rule that gives an owner to an account.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub account: &'a Account,
    from: Instant,
    to: Instant,
}

/// Who an owner's usage belongs to at an instant.
#[derive(Debug)]
pub enum Ownership<'a> {
    Nobody,
    One(&'a Account),
    Several(Vec<&'a Account>),
}

/// A tariff with its version in force.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    pub tariff: &'a Tariff,
    pub version: &'a TariffVersion,
}

fn in_force(from: Option<Instant>, to: Option<Instant>, at: Instant) -> bool {
    from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to)
}

impl<'a> Lookup<'a> {
    pub fn new(book: &'a PriceBook, periods: &'a BTreeMap<AccountId, Period>) -> Self {
        let mut owners: BTreeMap<&OwnerRef, Vec<Claim<'_>>> = BTreeMap::new();
        for account in &book.accounts {
            for rule in &account.owners {
                owners.entry(&rule.owner).or_default().push(Claim {
                    account,
                    from: rule.valid_from.unwrap_or(Instant::MIN),
                    to: rule.valid_to.unwrap_or(Instant::MAX),
                });
            }
        }
        let versions = book.tariffs.iter().flat_map(|tariff| &tariff.versions);
        let holdings = versions.flat_map(|version| version.holding.values());
        // One second tells whether a holding goes on past the period, where steps matter.
        let after = |holding: &HoldingTime| {
            holding.minimum_seconds.max(i64::from(holding.step_seconds > 1))
        };
        let after_seconds = holdings.map(after).max().unwrap_or(0);
        Self {
            book,
            periods,
            owners,
            feeds: feeds::feeds(book),
            calendars: periods.keys().map(|id| (id, OnceLock::new())).collect(),
            chains: Mutex::default(),
            until: Instant::MAX,
            after_seconds: after_seconds.max(0),
        }
    }

    /// Of fees and of what is adjusted by the month, only what is due before an instant.
    pub fn billed_until(self, until: Instant) -> Self {
        Self { until, ..self }
    }

    pub fn until(&self) -> Instant {
        self.until
    }

    pub fn ownership(&self, owner: Option<&OwnerRef>, at: Instant) -> Ownership<'a> {
        let claims = owner.and_then(|owner| self.owners.get(owner));
        let mut accounts = claims
            .into_iter()
            .flatten()
            .filter(|claim| claim.from <= at && at < claim.to)
            .map(|claim| claim.account);
        let Some(first) = accounts.next() else { return Ownership::Nobody };
        let others: Vec<&Account> = accounts.filter(|other| other.id != first.id).collect();
        if others.is_empty() {
            return Ownership::One(first);
        }
        let mut all = vec![first];
        all.extend(others);
        all.dedup_by_key(|account| &account.id);
        Ownership::Several(all)
    }

    /// Instants at which the owner's account may change.
    pub fn owner_cuts(&self, owner: Option<&OwnerRef>, cuts: &mut Vec<Instant>) {
        let claims = owner.and_then(|owner| self.owners.get(owner));
        for claim in claims.into_iter().flatten() {
            cuts.extend(Some(claim.from).filter(|from| *from != Instant::MIN));
            cuts.extend(Some(claim.to).filter(|to| *to != Instant::MAX));
        }
    }

    /// How far past its period an account's usage is looked at, in seconds.
    pub fn after_seconds(&self) -> i64 {
        self.after_seconds
    }

    /// The meters that usage of a meter feeds: itself first, then those derived of it.
    pub fn feeds(&self, meter: &MeterId) -> &[Feed<'a>] {
        self.feeds.get(meter).map_or(&[], Vec::as_slice)
    }

    /// What may change an account's price over its period, worked out once. `None`: the account is
    /// not rated.
    pub fn calendar(&self, account: &'a Account) -> Option<Result<&Calendar<'a>, &ParkReason>> {
        let cell = self.calendars.get(&account.id)?;
        let period = self.periods.get(&account.id)?;
        Some(cell.get_or_init(|| Calendar::new(self, account, *period)).as_ref())
    }

    /// Whether usage of a meter is simply added up over the stretch of the account's calendar in which
    /// an instant lies ([`Chain::is_plain`]). Where there is no one answer it is not.
    pub fn is_plain(&self, account: &'a Account, meter: &MeterId, at: Instant) -> bool {
        let Some(Ok(calendar)) = self.calendar(account) else { return false };
        let stretch = calendar.stretches(at, at).first();
        let billed = stretch.filter(|stretch| stretch.position == Position::Within);
        let chain = billed.and_then(|stretch| stretch.chain.as_ref());
        let feeds = self.feeds(meter);
        // A holding that begins or ends under another version may have a minimum or a step there.
        chain.is_some_and(|chain| chain.is_plain(feeds))
            && !feeds.iter().any(|feed| calendar.times_holdings(&feed.meter.id))
    }

    /// Instants at which the account's tariff, its version (or that of a tariff it inherits from) or
    /// its split may change. Where rates have hours, series or classes of hosts, more cuts come with
    /// the rate.
    pub fn price_cuts(&self, account: &Account, cuts: &mut Vec<Instant>) {
        for assignment in &account.tariffs {
            cuts.extend(assignment.valid_from.into_iter().chain(assignment.valid_to));
            for version in self.inherited(&assignment.tariff).flat_map(|t| &t.versions) {
                cuts.push(version.valid_from);
                cuts.extend(version.valid_to);
            }
        }
        for agreement in self.agreements_of(account) {
            cuts.push(agreement.valid_from);
            cuts.extend(agreement.valid_to);
        }
    }

    /// A tariff and those it inherits from, as far as the book has them.
    fn inherited(&self, id: &TariffId) -> impl Iterator<Item = &'a Tariff> {
        let book = self.book;
        let base = move |tariff: &&'a Tariff| book.tariff(tariff.base.as_ref()?);
        // A ring of tariffs is refused where its price is asked for; here it only has to end.
        std::iter::successors(book.tariff(id), base).take(book.tariffs.len())
    }

    fn agreements_of(
        &self,
        account: &Account,
    ) -> impl Iterator<Item = &'a FranchiseAgreement> + use<'a> {
        let seller = account.seller.clone();
        self.book.agreements.iter().filter(move |a| a.franchisee == seller)
    }

    /// The account's own tariff with its version in force, then each that it inherits from.
    pub fn chain(&self, account: &'a Account, at: Instant) -> Result<Vec<Link<'a>>, ParkReason> {
        let (tariff, version) = self.tariff_version(account, at)?;
        let mut chain = vec![Link { tariff, version }];
        let mut last = tariff;
        while let Some(id) = &last.base {
            let base = self.book.tariff(id).ok_or_else(|| {
                let text = format!("tariff `{id}`, the base of `{}`, is not in the book", last.id);
                ParkReason::new(ParkCode::UnknownTariff, text)
            })?;
            if chain.iter().any(|link| link.tariff.id == base.id) {
                let text = format!("tariff `{}` inherits from itself", base.id);
                return Err(ParkReason::new(ParkCode::TariffOverlap, text));
            }
            let version = version_of(base, at)?;
            same_currency(account, base)?;
            chain.push(Link { tariff: base, version });
            last = base;
        }
        Ok(chain)
    }

    /// The tariff and version in force for an account at an instant.
    pub fn tariff_version(
        &self,
        account: &'a Account,
        at: Instant,
    ) -> Result<(&'a Tariff, &'a TariffVersion), ParkReason> {
        let assigned: Vec<&TariffAssignment> = account
            .tariffs
            .iter()
            .filter(|assignment| in_force(assignment.valid_from, assignment.valid_to, at))
            .collect();
        let assignment = one_of(&assigned, || {
            (format!("no tariff is assigned at {at}"), "tariffs are assigned".to_owned())
        })?;
        let tariff = self.book.tariff(&assignment.tariff).ok_or_else(|| {
            ParkReason::new(
                ParkCode::UnknownTariff,
                format!("tariff `{}` is not in the book", assignment.tariff),
            )
        })?;
        let version = version_of(tariff, at)?;
        same_currency(account, tariff)?;
        Ok((tariff, version))
    }

    /// The agreement that splits an account's charges at an instant; `None` where the franchisor
    /// sells itself.
    pub fn agreement(
        &self,
        account: &Account,
        at: Instant,
    ) -> Result<Option<&'a FranchiseAgreement>, ParkReason> {
        let seller = self.book.party(&account.seller).ok_or_else(|| {
            ParkReason::new(
                ParkCode::UnknownSeller,
                format!("seller `{}` is not in the book", account.seller),
            )
        })?;
        if seller.kind == PartyKind::Franchisor {
            return Ok(None);
        }
        let found: Vec<_> =
            self.agreements_of(account).filter(|agreement| agreement.in_force(at)).collect();
        match found.as_slice() {
            [one] => Ok(Some(one)),
            [] => Err(ParkReason::new(
                ParkCode::AgreementGap,
                format!("franchisee `{}` has no agreement in force at {at}", seller.id),
            )),
            many => Err(ParkReason::new(
                ParkCode::AgreementOverlap,
                format!("{} agreements of `{}` are in force at {at}", many.len(), seller.id),
            )),
        }
    }
}

/// The version of a tariff in force at an instant.
fn version_of(tariff: &Tariff, at: Instant) -> Result<&TariffVersion, ParkReason> {
    let versions: Vec<&TariffVersion> =
        tariff.versions.iter().filter(|version| version.in_force(at)).collect();
    one_of(&versions, || {
        (
            format!("tariff `{}` has no version in force at {at}", tariff.id),
            format!("versions of tariff `{}` are in force at {at}", tariff.id),
        )
    })
}

fn same_currency(account: &Account, tariff: &Tariff) -> Result<(), ParkReason> {
    let (code, text) = match (account.currency, tariff.currency) {
        (Some(own), Some(currency)) if own == currency => return Ok(()),
        (None, _) => {
            (ParkCode::MissingCurrency, format!("account `{}` has no currency", account.id))
        }
        (_, None) => (ParkCode::MissingCurrency, format!("tariff `{}` has no currency", tariff.id)),
        (Some(_), Some(_)) => {
            let text = format!("tariff `{}` is not in the account's currency", tariff.id);
            (ParkCode::CurrencyMismatch, text)
        }
    };
    Err(ParkReason::new(code, text))
}

fn one_of<T: Copy>(found: &[T], texts: impl Fn() -> (String, String)) -> Result<T, ParkReason> {
    match found {
        [one] => Ok(*one),
        [] => Err(ParkReason::new(ParkCode::TariffGap, texts().0)),
        many => {
            let text = format!("{} {}", many.len(), texts().1);
            Err(ParkReason::new(ParkCode::TariffOverlap, text))
        }
    }
}
