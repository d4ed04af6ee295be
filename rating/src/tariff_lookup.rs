//! Who pays, at which price, under which agreement: the one answer in force at an instant.
//!
//! Everything here returns exactly one answer or a reason to park the account. Overlaps are not
//! resolved by order: two answers are a mistake of the book that a person has to mend.

use std::collections::BTreeMap;

use turnpike_schemas::party::TariffAssignment;
use turnpike_schemas::{
    Account, AccountId, FranchiseAgreement, Instant, MeterId, OwnerRef, PartyKind, Period,
    PriceBook, Rate, Tariff, TariffVersion, UsageInterval,
};

use crate::parked::{ParkCode, ParkReason};

/// The price book arranged for look-ups, with the period of each account to rate.
#[derive(Debug)]
pub struct Lookup<'a> {
    pub book: &'a PriceBook,
    pub periods: &'a BTreeMap<AccountId, Period>,
    owners: BTreeMap<&'a OwnerRef, Vec<Claim<'a>>>,
}

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
        Self { book, periods, owners }
    }

    pub fn ownership(&self, owner: Option<&OwnerRef>, at: Instant) -> Ownership<'a> {
        let claims = owner.and_then(|owner| self.owners.get(owner));
        let mut accounts: Vec<&Account> = claims
            .into_iter()
            .flatten()
            .filter(|claim| claim.from <= at && at < claim.to)
            .map(|claim| claim.account)
            .collect();
        accounts.dedup_by_key(|account| &account.id);
        match accounts.as_slice() {
            [] => Ownership::Nobody,
            [one] => Ownership::One(one),
            _ => Ownership::Several(accounts),
        }
    }

    /// Instants inside `(start, end)` at which the owner's account may change.
    pub fn owner_cuts(&self, owner: Option<&OwnerRef>, cuts: &mut Vec<Instant>) {
        let claims = owner.and_then(|owner| self.owners.get(owner));
        for claim in claims.into_iter().flatten() {
            cuts.extend([claim.from, claim.to]);
        }
    }

    /// Instants at which the account's price or split may change.
    pub fn price_cuts(&self, account: &Account, cuts: &mut Vec<Instant>) {
        for assignment in &account.tariffs {
            cuts.extend(assignment.valid_from.into_iter().chain(assignment.valid_to));
            for version in
                self.book.tariff(&assignment.tariff).into_iter().flat_map(|t| &t.versions)
            {
                cuts.push(version.valid_from);
                cuts.extend(version.valid_to);
            }
        }
        for agreement in self.agreements_of(account) {
            cuts.push(agreement.valid_from);
            cuts.extend(agreement.valid_to);
        }
    }

    fn agreements_of(
        &self,
        account: &'a Account,
    ) -> impl Iterator<Item = &'a FranchiseAgreement> + use<'a> {
        self.book.agreements.iter().filter(move |a| a.franchisee == account.seller)
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
        let versions: Vec<&TariffVersion> =
            tariff.versions.iter().filter(|version| version.in_force(at)).collect();
        let version = one_of(&versions, || {
            (
                format!("tariff `{}` has no version in force at {at}", tariff.id),
                format!("versions of tariff `{}` are in force", tariff.id),
            )
        })?;
        let same_currency = match (account.currency, tariff.currency) {
            (Some(account_currency), Some(currency)) => account_currency == currency,
            (None, _) => {
                let text = format!("account `{}` has no currency", account.id);
                return Err(ParkReason::new(ParkCode::MissingCurrency, text));
            }
            (_, None) => {
                let text = format!("tariff `{}` has no currency", tariff.id);
                return Err(ParkReason::new(ParkCode::MissingCurrency, text));
            }
        };
        if !same_currency {
            let text = format!("tariff `{}` is not in the account's currency", tariff.id);
            return Err(ParkReason::new(ParkCode::CurrencyMismatch, text));
        }
        return Ok((tariff, version));

        fn one_of<T: Copy>(
            found: &[T],
            texts: impl Fn() -> (String, String),
        ) -> Result<T, ParkReason> {
            match found {
                [one] => Ok(*one),
                [] => Err(ParkReason::new(ParkCode::TariffGap, texts().0)),
                many => {
                    let text = format!("{} {}", many.len(), texts().1);
                    Err(ParkReason::new(ParkCode::TariffOverlap, text))
                }
            }
        }
    }

    /// The rate for a meter, or `None` where the version declares it included.
    pub fn rate(
        &self,
        version: &'a TariffVersion,
        interval: &UsageInterval,
    ) -> Result<Option<(usize, &'a Rate)>, ParkReason> {
        let found = version
            .rates
            .iter()
            .enumerate()
            .find(|(_, rate)| rate.applies(&interval.meter, &interval.holder.attributes));
        match found {
            Some(found) => Ok(Some(found)),
            None if version.included.contains(&interval.meter) => Ok(None),
            None => Err(unpriced(version, &interval.meter)),
        }
    }

    /// The agreement that splits an account's charges at an instant; `None` where the franchisor
    /// sells itself.
    pub fn agreement(
        &self,
        account: &'a Account,
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

fn unpriced(version: &TariffVersion, meter: &MeterId) -> ParkReason {
    ParkReason::new(
        ParkCode::UnpricedMeter,
        format!(
            "tariff version `{}` neither prices meter `{meter}` with these attributes nor lists it \
             as included",
            version.id
        ),
    )
}
