//! Franchise agreements.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::agreement::RoyaltyTerm;
use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::{Account, AgreementId, FranchiseAgreement, PartyId, PartyKind};

use super::known::{Ids, Known};
use super::reader::{At, Log, Place, Table, listed};
use super::span::{self, Dated, Overlap, Span, place_of};
use super::{Places, value};

/// When which agreement of a franchisee is in force, whatever else is wrong with it.
type OfFranchisee = BTreeMap<PartyId, Vec<(AgreementId, Span, Place)>>;

pub(super) fn agreements(
    root: &mut Table<'_, '_>,
    log: &mut Log,
    known: &Known,
    meters: &MeterCatalogue,
    places: &mut Places,
) -> Vec<FranchiseAgreement> {
    let mut ids = Ids::<AgreementId>::new("agreement");
    let mut agreements = Vec::new();
    let mut of_franchisee = OfFranchisee::new();
    for mut table in root.tables(log, "agreement") {
        let id = table.parsed::<AgreementId>(log, "id");
        if let Some(id) = &id {
            ids.declare(log, id);
            let Place { line, path } = table.place.clone();
            places.insert((super::AGREEMENT, id.value.to_string()), (line, path));
        }
        agreements.extend(agreement(&mut table, log, known, meters, id, &mut of_franchisee));
        table.finish(log);
    }
    for agreements in of_franchisee.into_values() {
        let dated = agreements
            .iter()
            .map(|(id, span, place)| Dated {
                name: id.as_str(),
                span: *span,
                place,
                after_gap: false,
            })
            .collect();
        span::check_overlaps(log, "agreement", dated, Overlap::Mistake);
    }
    agreements.sort_by(|a, b| a.id.cmp(&b.id));
    agreements
}

fn agreement(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    known: &Known,
    meters: &MeterCatalogue,
    id: Option<At<AgreementId>>,
    of_franchisee: &mut OfFranchisee,
) -> Option<FranchiseAgreement> {
    let franchisor = known.parties.named(table, log, "franchisor");
    let franchisee = known.parties.named(table, log, "franchisee");
    let kind = |party: &Option<At<PartyId>>| {
        party.as_ref().and_then(|party| known.kinds.get(&party.value)).copied()
    };
    if kind(&franchisor) == Some(PartyKind::Franchisee)
        && let Some(franchisor) = &franchisor
    {
        let message = format!("party `{}` is a franchisee, not a franchisor", franchisor.value);
        log.mistake(&place_of(franchisor), message);
    }
    if kind(&franchisee) == Some(PartyKind::Franchisor)
        && let Some(franchisee) = &franchisee
    {
        let message = format!("party `{}` is the franchisor, not a franchisee", franchisee.value);
        log.mistake(&place_of(franchisee), message);
    }
    let dated = span::read_dated(table, log);
    if let (Some(id), Some(franchisee), Some((_, span))) = (&id, &franchisee, dated) {
        let entry = (id.value.clone(), span, table.place.clone());
        of_franchisee.entry(franchisee.value.clone()).or_default().push(entry);
    }
    let royalty_ppm = value::percent(table, log, "royalty");
    let terms = terms(table, log, known, meters);
    let (valid_from, span) = dated?;
    Some(FranchiseAgreement {
        id: id?.value,
        franchisor: franchisor?.value,
        franchisee: franchisee?.value,
        valid_from,
        valid_to: span.to,
        royalty_ppm: royalty_ppm?,
        terms,
    })
}

/// In the order of the file, since the first term that matches is taken.
fn terms(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    known: &Known,
    meters: &MeterCatalogue,
) -> Vec<RoyaltyTerm> {
    let services: BTreeSet<&str> = meters.iter().map(|meter| meter.service.as_str()).collect();
    let mut terms: Vec<(RoyaltyTerm, Place)> = Vec::new();
    for mut inner in table.tables(log, "term") {
        let meter = known.meters.named_opt(&mut inner, log, "meter").map(|at| at.value);
        let service = inner.text_opt(log, "service");
        if let Some(service) = &service
            && !services.contains(service.value.as_str())
        {
            let message = format!(
                "no meter belongs to a service `{}`; there are {}",
                value::short(&service.value),
                listed(services.iter())
            );
            log.mistake(&service.place, message);
        }
        if !inner.has("meter") && !inner.has("service") {
            log.mistake(&inner.place, "a term names a `meter` or a `service`");
        }
        let royalty_ppm = value::percent(&mut inner, log, "royalty");
        let place = inner.place.clone();
        inner.finish(log);
        let Some(royalty_ppm) = royalty_ppm else { continue };
        let term = RoyaltyTerm { meter, service: service.map(|at| at.value), royalty_ppm };
        check_reached(log, &term, &place, &terms);
        terms.push((term, place));
    }
    terms.into_iter().map(|(term, _)| term).collect()
}

fn check_reached(
    log: &mut Log,
    term: &RoyaltyTerm,
    place: &Place,
    earlier: &[(RoyaltyTerm, Place)],
) {
    let shadow = earlier.iter().find(|(other, _)| {
        (other.meter.is_none() || other.meter == term.meter)
            && (other.service.is_none() || other.service == term.service)
    });
    if let Some((_, first)) = shadow {
        let message = format!("this term is never reached: line {} applies first", first.line);
        log.mistake(place, message);
    }
}

/// Sellers that are franchisees but have no agreement: nothing of their charges is shared.
pub(super) fn warn_without(
    log: &mut Log,
    root: &Place,
    known: &Known,
    accounts: &[Account],
    agreements: &[FranchiseAgreement],
) {
    let sellers: BTreeSet<&PartyId> = accounts.iter().map(|account| &account.seller).collect();
    for seller in sellers {
        let franchisor = known.kinds.get(seller) == Some(&PartyKind::Franchisor);
        if !franchisor && !agreements.iter().any(|agreement| &agreement.franchisee == seller) {
            let message = format!("party `{seller}` sells without an agreement: it keeps it all");
            log.warn(root, message);
        }
    }
}
