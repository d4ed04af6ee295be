//! What an invoice was made from is more than its version: also bases, meters, series and host
//! classes, up to the end of what was invoiced.

use super::super::*;
use super::tariffs::EVERYTHING;

fn hash(text: &str, version: &str, until: &str) -> String {
    let book = read_book(text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}")).book;
    let until = Instant::parse(until).expect(until);
    terms::at(&book, (TARIFF_VERSION, version), until).expect(version).hash
}

/// Whether a change of the book leaves the terms of a version as they were, up to an instant.
fn keeps(version: &str, until: &str, from: &str, to: &str) -> bool {
    assert!(EVERYTHING.contains(from), "no {from:?}");
    let changed = EVERYTHING.replacen(from, to, 1);
    hash(&changed, version, until) == hash(EVERYTHING, version, until)
}

const JUNE: &str = "2026-06-01T00:00:00Z";
const AUGUST: &str = "2026-08-01T00:00:00Z";

#[test]
fn later_prices_of_a_series_may_be_added_and_earlier_ones_stay() {
    let last = "[2026-01-01T06:00:01Z, \"0.0052\"],";
    let more = format!("{last}\n    [2026-07-01, \"0.0099\"],");
    assert!(keeps("network.one", JUNE, last, &more));
    assert!(!keeps("network.one", AUGUST, last, &more));
    assert!(!keeps("network.one", JUNE, last, "[2026-01-01T06:00:01Z, \"0.0053\"],"));
}

#[test]
fn host_classes_and_meters_stay_and_names_may_change() {
    let new = "mips_per_vcpu = \"14000\"";
    assert!(keeps("network.one", JUNE, new, "mips_per_vcpu = \"15000\""));
    assert!(!keeps("network.one", AUGUST, new, "mips_per_vcpu = \"15000\""));
    assert!(!keeps("network.one", JUNE, "mips_per_vcpu = \"8000.5\"", "mips_per_vcpu = \"8000\""));
    assert!(keeps("network.one", JUNE, "name = \"Network list\"", "name = \"List\""));
    assert!(keeps("network.one", JUNE, "name = \"Turnover of the market\"", "name = \"Turnover\""));
    assert!(!keeps("network.one", JUNE, "percent = 95", "percent = 90"));
    assert!(!keeps("network.one", JUNE, "amount = \"99\"", "amount = \"98\""));
    assert!(!keeps("network.one", JUNE, "step = \"1m\"", "step = \"2m\""));
}

#[test]
fn a_base_stays_where_it_was_in_force() {
    let start = "id = \"network.one\"\nvalid_from = 2026-01-01";
    let ended = format!("{start}\nvalid_to = 2026-06-15");
    // Then the version built on it says that this is meant, which is nothing to its terms.
    let own = "valid_to = 2026-07-01\ndetail";
    let meant = EVERYTHING.replacen(own, "valid_to = 2026-07-01\ngap = true\ndetail", 1);
    let meant = meant.replacen(start, &ended, 1);
    for (until, kept) in [(JUNE, true), (AUGUST, false)] {
        let [before, after] = [EVERYTHING, &meant].map(|text| hash(text, "lyon.2026-01", until));
        assert_eq!(before == after, kept, "{until}");
    }
    assert!(!keeps("lyon.2026-01", JUNE, "price = \"0.0416\"", "price = \"0.0417\""));
    assert!(!keeps("lyon.2026-01", JUNE, "percent = \"5%\"", "percent = \"6%\""));
    // What a tariff built on it says is nothing to the base.
    assert!(keeps("network.one", JUNE, "price = \"0.0390\"", "price = \"0.0391\""));
}
