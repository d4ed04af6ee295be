//! Parties, their sites and addresses.

use std::collections::BTreeMap;

use turnpike_schemas::{Address, Party, PartyId, PartyKind, Site};

use super::countries;
use super::known::Known;
use super::reader::{Log, Place, Table};
use super::value;

const KINDS: [(&str, PartyKind); 3] = [
    ("franchisor", PartyKind::Franchisor),
    ("master-franchisee", PartyKind::MasterFranchisee),
    ("franchisee", PartyKind::Franchisee),
];
/// Days from issue to due date where the book does not say.
const PAYMENT_DAYS: u32 = 30;
/// Longest prefix of an invoice number.
const SERIES_CHARS_MAX: usize = 12;

pub(super) fn parties(root: &mut Table<'_, '_>, log: &mut Log, known: &mut Known) -> Vec<Party> {
    let mut parties = Vec::new();
    let mut series: BTreeMap<String, (PartyId, Place)> = BTreeMap::new();
    for mut table in root.tables(log, "party") {
        parties.extend(party(&mut table, log, known, &mut series));
        table.finish(log);
    }
    parties.sort_by(|a, b| a.id.cmp(&b.id));
    parties
}

fn party(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    known: &mut Known,
    all_series: &mut BTreeMap<String, (PartyId, Place)>,
) -> Option<Party> {
    let id = table.parsed::<PartyId>(log, "id");
    if let Some(id) = &id {
        known.parties.declare(log, id);
    }
    let name = table.text(log, "name");
    let kind = value::word_needed(table, log, "kind", &KINDS);
    let series = table.text(log, "series");
    if let (Some(series), Some(id)) = (&series, &id) {
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        if series.value.len() > SERIES_CHARS_MAX || !series.value.chars().all(allowed) {
            let message = format!(
                "`series` is `{}`; write 1 to 12 of A-Z and 0-9",
                value::short(&series.value)
            );
            log.mistake(&series.place, message);
        }
        let entry = (id.value.clone(), series.place.clone());
        if let Some((other, place)) = all_series.insert(series.value.clone(), entry) {
            // Two sellers in one series would give out the same number twice.
            let message = format!(
                "series `{}` is that of party `{other}` already, on line {}",
                series.value, place.line
            );
            log.mistake(&series.place, message);
        }
    }
    let address = address(table, log, "party");
    let tax_id = table.text_opt(log, "tax_id").map(|at| at.value);
    let email = email(table, log);
    let payment_days = value::integer(table, log, "payment_days", 0..=365);
    let payment_note = table.text_opt(log, "payment_note").map(|at| at.value);
    if let (Some(tariff), Some(id)) = (table.parsed_opt(log, "tariff"), &id) {
        known.seller_tariffs.insert(id.value.clone(), tariff);
    }
    if let (Some(id), Some(kind)) = (&id, kind) {
        known.kinds.entry(id.value.clone()).or_insert(kind);
    }
    Some(Party {
        id: id?.value,
        name: name?.value,
        kind: kind?,
        address,
        tax_id,
        email,
        invoice_series: series?.value,
        payment_days: payment_days
            .and_then(|days| u32::try_from(days).ok())
            .unwrap_or(PAYMENT_DAYS),
        payment_note,
    })
}

pub(super) fn sites(root: &mut Table<'_, '_>, log: &mut Log, known: &mut Known) -> Vec<Site> {
    let mut sites = Vec::new();
    for mut table in root.tables(log, "site") {
        let id = table.parsed(log, "id");
        if let Some(id) = &id {
            known.sites.declare(log, id);
        }
        let name = table.text(log, "name");
        let party = known.parties.named(&mut table, log, "party");
        let region = table.text_opt(log, "region").map(|at| at.value);
        table.finish(log);
        if let (Some(id), Some(name), Some(party)) = (id, name, party) {
            sites.push(Site { id: id.value, name: name.value, party: party.value, region });
        }
    }
    sites.sort_by(|a, b| a.id.cmp(&b.id));
    sites
}

/// The address of a party or account. Without one, documents stay incomplete, which is warned of.
pub(super) fn address(table: &mut Table<'_, '_>, log: &mut Log, what: &str) -> Address {
    let Some(mut inner) = table.table_opt(log, "address") else {
        if !table.has("address") {
            log.warn(&table.place, format!("{what} without an address: its invoices lack it too"));
        }
        return Address::default();
    };
    let lines = inner.texts(log, "lines").into_iter().map(|at| at.value).collect();
    let postal_code = inner.text_opt(log, "postal_code");
    let city = inner.text(log, "city");
    let country = inner.text(log, "country");
    if let Some(country) = &country
        && !countries::is_country(&country.value)
    {
        let message = format!(
            "`{}` is not an ISO 3166-1 country code of two capital letters, such as FR",
            value::short(&country.value)
        );
        log.mistake(&country.place, message);
    }
    inner.finish(log);
    Address {
        lines,
        postal_code: postal_code.map(|at| at.value).unwrap_or_default(),
        city: city.map(|at| at.value).unwrap_or_default(),
        country: country.map(|at| at.value).unwrap_or_default(),
    }
}

pub(super) fn email(table: &mut Table<'_, '_>, log: &mut Log) -> Option<String> {
    let email = table.text_opt(log, "email")?;
    let sound = email.value.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !email.value.contains(char::is_whitespace)
    });
    if !sound {
        let message = format!("`email` is `{}`; write an address such as a@b.example", email.value);
        log.mistake(&email.place, message);
    }
    Some(email.value)
}
