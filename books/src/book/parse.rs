//! A book file to a [`PriceBook`]: syntax first, then every part in the order in which parts refer
//! to each other.

use std::collections::BTreeMap;

use toml::de::DeTable;
use turnpike_schemas::PriceBook;

use super::known::Known;
use super::reader::{Log, Table};
use super::{
    Mistake, ParsedBook, check_account, check_agreement, check_meter, check_party, check_series,
    check_source, check_tariff,
};

/// A network of 10,000 accounts with 20 owners each takes 12 MB; more is somebody's mistake.
const BOOK_BYTES_MAX: usize = 64 << 20;

/// Reads a book file. Every mistake of the file is reported at once, in order of line.
pub fn parse_book(text: &str) -> Result<PriceBook, Vec<Mistake>> {
    read_book(text).map(|parsed| parsed.book)
}

/// [`parse_book`], with the warnings.
pub fn read_book(text: &str) -> Result<ParsedBook, Vec<Mistake>> {
    if text.len() > BOOK_BYTES_MAX {
        let message =
            format!("the file has {} bytes; at most {BOOK_BYTES_MAX} are read", text.len());
        return Err(vec![Mistake { line: 1, path: String::new(), message }]);
    }
    let mut log = Log::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What the syntax left of the file would bring mistakes that are none.
        for error in &errors {
            let line = error.span().map_or(1, |span| log.line(span.start));
            let message = format!("not TOML: {}", error.message());
            log.mistakes.push(Mistake { line, path: String::new(), message });
        }
        return Err(sorted(log.mistakes));
    }
    let mut root = Table::root(&document);
    let mut places = BTreeMap::new();
    let book = book(&mut root, &mut log, &mut places);
    root.finish(&mut log);
    if !log.mistakes.is_empty() {
        return Err(sorted(log.mistakes));
    }
    Ok(ParsedBook { book, warnings: sorted(log.warnings), places })
}

fn book(root: &mut Table<'_, '_>, log: &mut Log, places: &mut super::Places) -> PriceBook {
    let mut known = Known::new();
    let parties = check_party::parties(root, log, &mut known);
    let sites = check_party::sites(root, log, &mut known);
    let tax_categories = check_source::tax_categories(root, log, &mut known);
    let meters = check_meter::meters(root, log, &mut known);
    let sources = check_source::sources(root, log);
    let series = check_series::series(root, log, &mut known);
    let host_classes = check_series::host_classes(root, log);
    let tariffs = check_tariff::tariffs(root, log, &mut known, &meters, places);
    for tariff in known.seller_tariffs.values() {
        known.tariffs.check(log, tariff.clone());
    }
    let accounts = check_account::accounts(root, log, &known, &tariffs);
    let agreements = check_agreement::agreements(root, log, &known, &meters, places);
    check_agreement::warn_without(log, &root.place, &known, &accounts, &agreements);
    PriceBook {
        parties,
        sites,
        accounts,
        meters,
        tariffs,
        agreements,
        tax_categories,
        sources,
        series,
        host_classes,
    }
}

fn sorted(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort();
    mistakes.dedup();
    mistakes
}
