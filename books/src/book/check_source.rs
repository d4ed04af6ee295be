//! Tax categories and source policies.

use turnpike_schemas::book::{OpenIntervals, SourcePolicy, TaxCategory};

use super::known::Known;
use super::reader::{Log, Table};
use super::value;

/// UNTDID 5305 as EN 16931 restricts it, with whether anything is charged.
const TAX_CODES: [(&str, bool); 9] = [
    ("S", true),
    ("Z", false),
    ("E", false),
    ("AE", false),
    ("K", false),
    ("G", false),
    ("O", false),
    ("L", true),
    ("M", true),
];
/// Categories whose invoices must say why nothing is charged (EN 16931 BR-E-10, BR-AE-10, BR-IC-10,
/// BR-G-10, BR-O-10).
const CODES_WITH_REASON: [&str; 5] = ["E", "AE", "K", "G", "O"];

pub(super) fn tax_categories(
    root: &mut Table<'_, '_>,
    log: &mut Log,
    known: &mut Known,
) -> Vec<TaxCategory> {
    let mut categories = Vec::new();
    for mut table in root.tables(log, "tax_category") {
        let id = table.parsed(log, "id");
        if let Some(id) = &id {
            known.taxes.declare(log, id);
        }
        let words = TAX_CODES.map(|(code, charged)| (code, (code, charged)));
        let code = value::word_needed(&mut table, log, "code", &words);
        let rate_ppm = value::percent(&mut table, log, "rate");
        let note = table.text_opt(log, "note").map(|at| at.value);
        if let (Some((code, false)), Some(1..)) = (code, rate_ppm) {
            let place = table.place_of(log, "rate");
            log.mistake(&place, format!("a category of code `{code}` has a rate of 0%"));
        }
        if let Some((code, _)) = code
            && CODES_WITH_REASON.contains(&code)
            && note.is_none()
        {
            let message = format!("a category of code `{code}` needs a `note` that says why");
            log.warn(&table.place, message);
        }
        table.finish(log);
        if let (Some(id), Some((code, _)), Some(rate_ppm)) = (id, code, rate_ppm) {
            categories.push(TaxCategory { id: id.value, code: code.to_owned(), rate_ppm, note });
        }
    }
    categories.sort_by(|a, b| a.id.cmp(&b.id));
    categories
}

/// In the order of the file, since the first whose prefix matches is taken.
pub(super) fn sources(root: &mut Table<'_, '_>, log: &mut Log) -> Vec<SourcePolicy> {
    let mut policies: Vec<SourcePolicy> = Vec::new();
    for mut table in root.tables(log, "source") {
        let prefix = table.text(log, "prefix");
        let audited = value::word_needed(
            &mut table,
            log,
            "open",
            &[("until-stop", false), ("audited", true)],
        );
        let open = match audited {
            Some(true) => {
                let every_seconds = value::duration(&mut table, log, "every");
                let missed = value::integer(&mut table, log, "missed", 1..=1_000);
                if !table.has("missed") {
                    table.missing::<()>(log, "missed", "how many reports may fail to come");
                }
                every_seconds
                    .zip(missed)
                    .map(|(every_seconds, missed)| OpenIntervals::Audited { every_seconds, missed })
            }
            Some(false) => Some(OpenIntervals::UntilStop),
            None => None,
        };
        if let Some(prefix) = &prefix
            && let Some(earlier) =
                policies.iter().find(|policy| prefix.value.starts_with(&policy.prefix))
        {
            let message = format!(
                "`{}` is never reached: `{}` before it matches first",
                prefix.value, earlier.prefix
            );
            log.mistake(&prefix.place, message);
        }
        table.finish(log);
        if let (Some(prefix), Some(open)) = (prefix, open) {
            policies.push(SourcePolicy { prefix: prefix.value, open });
        }
    }
    policies
}
