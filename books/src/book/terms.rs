//! What finalized invoices were made from stays as it was.
//!
//! The rule, for every tariff version and agreement that stands in a finalized invoice:
//! - every later book has it, under the same id;
//! - its terms are the same: for a tariff version the tariff, its currency and rounding, the start,
//!   the rates in their order, what is included and what is held; for an agreement the parties, the
//!   start, the royalty and its exceptions in their order;
//! - only its end may move, and never to before the end of the last service period invoiced with it.
//!
//! A new price is a new version that starts where the old one is ended. Corrections of what was
//! invoiced are documents of their own. There is no way to force it.

use std::collections::BTreeMap;

use turnpike_schemas::{Instant, PriceBook, canonical};

use super::{AGREEMENT, Mistake, ParsedBook, TARIFF_VERSION};
use crate::store::{RowExt, Tx};

/// Kind and id of a tariff version or agreement.
pub(crate) type TermsKey = (&'static str, String);

/// The terms a book states under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub hash: String,
    pub valid_to: Option<Instant>,
}

/// The terms that invoices were made from, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsedTerms {
    pub kind: String,
    pub id: String,
    pub hash: String,
    /// End of the last service period invoiced with them.
    pub used_to: Instant,
    /// One of the invoices.
    pub number: String,
}

/// The terms of a whole book.
pub(crate) fn of(book: &PriceBook) -> BTreeMap<TermsKey, Terms> {
    let mut all = BTreeMap::new();
    for tariff in &book.tariffs {
        for version in &tariff.versions {
            let text = canonical::to_json(&(
                &tariff.id,
                &tariff.currency,
                tariff.rounding,
                version.valid_from,
                &version.rates,
                &version.included,
                &version.hold,
                (&version.holding, &version.fees, &version.adjustments, version.detail),
                &tariff.base,
            ));
            let terms = Terms { hash: canonical::sha256_hex(text), valid_to: version.valid_to };
            all.insert((TARIFF_VERSION, version.id.to_string()), terms);
        }
    }
    for agreement in &book.agreements {
        let text = canonical::to_json(&(
            &agreement.franchisor,
            &agreement.franchisee,
            agreement.valid_from,
            agreement.royalty_ppm,
            &agreement.terms,
        ));
        let terms = Terms { hash: canonical::sha256_hex(text), valid_to: agreement.valid_to };
        all.insert((AGREEMENT, agreement.id.to_string()), terms);
    }
    all
}

/// The terms an invoice was made from, each with the end of its last service period.
pub(crate) fn of_invoice(invoice: &turnpike_schemas::Invoice) -> BTreeMap<TermsKey, Instant> {
    let mut used: BTreeMap<TermsKey, Instant> = BTreeMap::new();
    for charge in &invoice.charges {
        let end = charge.service_period.end();
        let version = (TARIFF_VERSION, charge.tariff_version.to_string());
        let agreement = charge.agreement.as_ref().map(|id| (AGREEMENT, id.to_string()));
        for key in std::iter::once(version).chain(agreement) {
            let last = used.entry(key).or_insert(end);
            *last = end.max(*last);
        }
    }
    used
}

/// All terms in use, in order of kind and id.
pub(crate) async fn used(tx: &mut Tx) -> Result<Vec<UsedTerms>, sqlx::Error> {
    sqlx::query(
        "SELECT terms.kind, terms.id, terms.hash, MAX(terms.used_to) AS used_to, \
         MIN(invoice.number) AS number \
         FROM invoice_terms AS terms JOIN invoice ON invoice.id = terms.invoice \
         GROUP BY terms.kind, terms.id, terms.hash ORDER BY terms.kind, terms.id, terms.hash",
    )
    .fetch_all(&mut **tx)
    .await?
    .iter()
    .map(|row| {
        Ok(UsedTerms {
            kind: row.text("kind")?,
            id: row.text("id")?,
            hash: row.text("hash")?,
            used_to: row.instant("used_to")?,
            number: row.text("number")?,
        })
    })
    .collect()
}

/// Every term in use that a new book drops, changes or ends too early.
pub(crate) fn check_kept(parsed: &ParsedBook, used: &[UsedTerms]) -> Vec<Mistake> {
    let stated = of(&parsed.book);
    let mut mistakes = Vec::new();
    for UsedTerms { kind, id, hash, used_to, number } in used {
        let entry = stated.iter().find(|((a, b), _)| a == kind && b == id);
        let place = entry.and_then(|(key, _)| parsed.places.get(key)).cloned();
        let (line, path) = place.unwrap_or((1, String::new()));
        let message = match entry.map(|(_, terms)| terms) {
            None => format!("{kind} `{id}` stands in invoice {number} and must stay in the book"),
            Some(terms) if &terms.hash != hash => format!(
                "{kind} `{id}` stands in invoice {number}, so its terms are final: end it with \
                 `valid_to` and add a new one"
            ),
            Some(Terms { valid_to: Some(end), .. }) if end < used_to => format!(
                "{kind} `{id}` was invoiced up to {used_to}, so it cannot end on {end} already"
            ),
            Some(_) => continue,
        };
        mistakes.push(Mistake { line, path, message });
    }
    mistakes.sort();
    mistakes
}
