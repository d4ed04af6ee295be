//! Accounts: whom they are sold to by, their tariffs and the owners billed to them.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use turnpike_schemas::party::TariffAssignment;
use turnpike_schemas::{Account, AccountId, OwnerRef, OwnerRule, Tariff, TariffId};

use super::check_party::{address, email};
use super::known::{Ids, Known};
use super::reader::{At, Log, Place, Table};
use super::span::{self, Dated, Overlap, Span};
use super::value;

/// Every owner rule of the book, to find owners that two accounts claim.
type Claims = BTreeMap<OwnerRef, Vec<(AccountId, Span, Place)>>;

pub(super) fn accounts(
    root: &mut Table<'_, '_>,
    log: &mut Log,
    known: &Known,
    tariffs: &[Tariff],
) -> Vec<Account> {
    let mut ids = Ids::<AccountId>::new("account");
    let mut claims = Claims::new();
    let mut accounts = Vec::new();
    for mut table in root.tables(log, "account") {
        let id = table.parsed::<AccountId>(log, "id");
        if let Some(id) = &id {
            ids.declare(log, id);
        }
        let account = account(&mut table, log, known, id, &mut claims);
        if let Some(account) = &account {
            check_currency(&table, log, account, tariffs);
        }
        table.finish(log);
        accounts.extend(account);
    }
    warn_shared_owners(log, claims);
    accounts.sort_by(|a, b| a.id.cmp(&b.id));
    accounts
}

fn account(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    known: &Known,
    id: Option<At<AccountId>>,
    claims: &mut Claims,
) -> Option<Account> {
    let name = table.text(log, "name");
    let seller = known.parties.named(table, log, "seller");
    let currency = value::currency(table, log, "bills of the account");
    let time_zone = time_zone(table, log);
    // Days are local to the account; where its zone is wrong, UTC serves to read on.
    let zone = time_zone.unwrap_or(Tz::UTC);
    let address = address(table, log, "account");
    let tax_id = table.text_opt(log, "tax_id").map(|at| at.value);
    let email = email(table, log);
    let tax_category = known.taxes.named_opt(table, log, "tax_category").map(|at| at.value);
    let default = seller.as_ref().and_then(|seller| known.seller_tariffs.get(&seller.value));
    let tariffs = assignments(table, log, known, zone, default);
    let owners = owners(table, log, id.as_ref(), zone, claims);
    Some(Account {
        id: id?.value,
        name: name?.value,
        seller: seller?.value,
        currency,
        time_zone: time_zone?,
        address,
        tax_id,
        email,
        owners,
        tariffs,
        tax_category,
    })
}

fn time_zone(table: &mut Table<'_, '_>, log: &mut Log) -> Option<Tz> {
    let text = table.text(log, "time_zone")?;
    let zone = text.value.parse().ok();
    if zone.is_none() {
        let message = format!(
            "`{}` is not a time zone of the IANA database, such as Europe/Paris",
            value::short(&text.value)
        );
        log.mistake(&text.place, message);
    }
    zone
}

fn assignments(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    known: &Known,
    zone: Tz,
    default: Option<&At<TariffId>>,
) -> Vec<TariffAssignment> {
    let one = known.tariffs.named_opt(table, log, "tariff");
    let tables = table.tables(log, "tariff_assignment");
    if table.has("tariff") && !tables.is_empty() {
        let place = table.place_of(log, "tariff");
        log.mistake(&place, "write either `tariff` or [[account.tariff_assignment]], not both");
    }
    let none = !table.has("tariff") && tables.is_empty();
    if none && default.is_none() {
        log.warn(&table.place, "account without a tariff: it will be parked");
    }
    if let Some(tariff) = one.as_ref().or(default.filter(|_| none)) {
        let tariff = tariff.value.clone();
        return vec![TariffAssignment { tariff, valid_from: None, valid_to: None }];
    }
    let mut assigned: Vec<(TariffId, Span, Place, bool)> = Vec::new();
    for mut inner in tables {
        let tariff = known.tariffs.named(&mut inner, log, "tariff");
        let span = span::read(&mut inner, log, zone);
        let after_gap = inner.flag(log, "gap");
        let place = inner.place.clone();
        inner.finish(log);
        if let Some(tariff) = tariff {
            assigned.push((tariff.value, span, place, after_gap));
        }
    }
    let dated = || {
        assigned
            .iter()
            .map(|(tariff, span, place, after_gap)| Dated {
                name: tariff.as_str(),
                span: *span,
                place,
                after_gap: *after_gap,
            })
            .collect::<Vec<_>>()
    };
    span::check_overlaps(log, "the assignment of tariff", dated(), Overlap::Mistake);
    span::check_gaps(log, "account", dated(), false);
    assigned.sort_by(|a, b| (a.1.from, &a.0).cmp(&(b.1.from, &b.0)));
    assigned
        .into_iter()
        .map(|(tariff, span, ..)| TariffAssignment {
            tariff,
            valid_from: span.from,
            valid_to: span.to,
        })
        .collect()
}

fn owners(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    account: Option<&At<AccountId>>,
    zone: Tz,
    claims: &mut Claims,
) -> Vec<OwnerRule> {
    let mut rules = Vec::new();
    for mut inner in table.tables(log, "owner") {
        let owner = inner.parsed::<OwnerRef>(log, "owner");
        let span = span::read(&mut inner, log, zone);
        let place = inner.place.clone();
        inner.finish(log);
        let Some(owner) = owner else { continue };
        if let Some(account) = account {
            let claim = (account.value.clone(), span, place);
            claims.entry(owner.value.clone()).or_default().push(claim);
        }
        rules.push(OwnerRule { owner: owner.value, valid_from: span.from, valid_to: span.to });
    }
    rules.sort_by(|a, b| (&a.owner, a.valid_from).cmp(&(&b.owner, b.valid_from)));
    rules
}

fn warn_shared_owners(log: &mut Log, claims: Claims) {
    for (owner, claims) in claims {
        let dated = claims
            .iter()
            .map(|(account, span, place)| Dated {
                name: account.as_str(),
                span: *span,
                place,
                after_gap: false,
            })
            .collect();
        let what = format!("owner `{owner}`: its usage would be billed twice; account");
        span::check_overlaps(log, &what, dated, Overlap::Warning);
    }
}

fn check_currency(table: &Table<'_, '_>, log: &mut Log, account: &Account, tariffs: &[Tariff]) {
    let Some(currency) = account.currency else { return };
    for assigned in &account.tariffs {
        let tariff = tariffs.iter().find(|tariff| tariff.id == assigned.tariff);
        if let Some(priced) = tariff.and_then(|tariff| tariff.currency)
            && priced != currency
        {
            let message = format!(
                "account `{}` is billed in {currency} and its tariff `{}` is priced in {priced}",
                account.id, assigned.tariff
            );
            log.mistake(&table.place_of(log, "currency"), message);
        }
    }
}
