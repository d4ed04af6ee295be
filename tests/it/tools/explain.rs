//! `turnpike explain` to the last integer: what it lists of a line comes to the line.

use serde_json::Value;
use turnpike_schemas::{Charge, Fraction, Invoice};

use crate::support::case;
use crate::support::cli::Turnpike;

/// A golden case, billed with its book changed; the installation and the invoice of `a1`.
fn billed(name: &str, change: impl Fn(String) -> String) -> (Turnpike, Invoice) {
    let folder = case::folder("golden").join(name);
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let settings: toml::Table = text("case.toml").parse().unwrap();
    let setting = |name: &str| settings.get(name).map(|value| value.as_str().unwrap());
    let turnpike = Turnpike::new().at(setting("now"));
    let book = turnpike.file("book.toml", change(text("book.toml")));
    turnpike.ok(&["book", "import", &book.to_string_lossy()]);
    let events = turnpike.file("events.jsonl", text("events.jsonl"));
    turnpike.ok(&["ingest", "--from", &format!("file:{}", events.display())]);
    let period = setting("period").unwrap();
    turnpike.ok(&["rate", "--period", period]);
    turnpike.ok(&["invoice", "draft", "--period", period]);
    turnpike.ok(&["invoice", "finalize", "--period", period]);
    let invoice = case::invoices(&turnpike, period).remove("a1").unwrap();
    (turnpike, invoice)
}

fn explained(turnpike: &Turnpike, invoice: &Invoice, charge: &Charge, more: &[&str]) -> Value {
    let (number, line) = (invoice.number.as_deref().unwrap(), charge.line.to_string());
    turnpike.json(&[&["explain", number, &line], more].concat())
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn fraction(value: &Value) -> Fraction {
    let part = |key| text(value, key).parse::<i128>().unwrap();
    Fraction::ratio(part("numerator"), part("denominator")).unwrap()
}

fn sum(all: impl Iterator<Item = Fraction>) -> Fraction {
    all.fold(Fraction::ZERO, |sum, each| sum.checked_add(&each).unwrap())
}

fn exact(charge: &Charge) -> Fraction {
    charge.exact.fraction().unwrap()
}

/// Numerator, denominator and residue: the exact amount and the residue are what was rounded to.
fn residue_holds(explained: &Value, charge: &Charge) {
    let residue = fraction(&explained["rounding_residue"]);
    let net = turnpike_schemas::Amount::from_money(charge.net).unwrap().fraction().unwrap();
    assert_eq!(exact(charge).checked_add(&residue), Some(net), "{}", charge.description);
    let lines = explained["rated_lines"].as_array().unwrap();
    assert_eq!(sum(lines.iter().map(|line| fraction(&line["amount"]))), exact(charge));
}

#[test]
fn tiers_say_which_units_fall_into_them() {
    let (turnpike, invoice) = billed("70-graduated-tiers", |book| book);
    let web: Vec<&Charge> = invoice
        .charges
        .iter()
        .filter(|charge| charge.resource.as_str().ends_with("/web"))
        .collect();
    assert!(web.len() > 2, "{} lines", web.len());
    assert_eq!(sum(web.iter().map(|charge| exact(charge))), Fraction::nano(9_080_000_000_i64));
    for charge in &web {
        let told = explained(&turnpike, &invoice, charge, &[]);
        residue_holds(&told, charge);
        let detail = text(&told["rated_lines"][0], "detail");
        assert!(detail.contains("Tier "), "{detail}");
        if charge.kind == turnpike_schemas::LineKind::Usage {
            // It stands before the traffic of the other resource: 104 of 112.
            let place = &told["places"][0];
            let place = ["low", "high", "of"].map(|key| text(place, key));
            assert_eq!(place, ["0", "104", "112"]);
        }
    }
    let shown = turnpike.ok(&["explain", invoice.number.as_deref().unwrap(), "1"]);
    assert!(shown.contains("Place among the units that are priced together"), "{shown}");
    assert!(shown.contains("rounded once (half-away-from-zero)"), "{shown}");
    assert!(shown.contains("residue"), "{shown}");
}

#[test]
fn a_fee_says_for_how_much_of_the_month_it_is_due() {
    let (turnpike, invoice) = billed("84-fees-of-a-part-of-a-month", |book| book);
    let fees: Vec<&Charge> = invoice
        .charges
        .iter()
        .filter(|charge| charge.kind == turnpike_schemas::LineKind::Fee)
        .collect();
    assert_eq!(fees.len(), 2);
    for charge in fees {
        let told = explained(&turnpike, &invoice, charge, &[]);
        residue_holds(&told, charge);
        let detail = text(&told["rated_lines"][0], "detail");
        assert_eq!(text(&told["rated_lines"][0], "kind"), "fee");
        let line = charge.line.to_string();
        let shown = turnpike.ok(&["explain", invoice.number.as_deref().unwrap(), &line]);
        assert!(shown.contains(&format!("fee: {detail}")), "{shown}");
    }
}

#[test]
fn a_series_says_what_is_due_at_each_price() {
    let (turnpike, invoice) = billed("76-spot-series", |book| book);
    let charge = &invoice.charges[0];
    let told = explained(&turnpike, &invoice, charge, &[]);
    residue_holds(&told, charge);
    let parts = told["prices"].as_array().unwrap();
    let used: Vec<[&str; 3]> = parts
        .iter()
        .filter(|part| part["seconds"] != 0)
        .map(|part| ["price", "quantity", "numerator"].map(|key| text(part, key)))
        .collect();
    // 10 vCPU for 3597, 4203 and 3000 s: 11.99/120, 0.4203 and 0.06.
    assert_eq!(
        used,
        [["0.01", "35970", "1199"], ["0.036", "42030", "4203"], ["0.0072", "30000", "3"]]
    );
    assert_eq!(sum(parts.iter().map(fraction)), exact(charge));
    let seconds: i64 = parts.iter().map(|part| part["seconds"].as_i64().unwrap()).sum();
    assert_eq!(seconds, 10_800);
    let shown = turnpike.ok(&["explain", invoice.number.as_deref().unwrap(), "1"]);
    for part in ["Prices in force, and what is due at each", "0.4203", "4203", "10000"] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn a_line_of_the_account_lists_its_resources() {
    let first = "valid_from = \"2026-01-01T00:00:00Z\"\n";
    let (turnpike, invoice) = billed("70-graduated-tiers", |book| {
        book.replacen(first, &format!("{first}detail = \"account\"\n"), 1)
    });
    let charge = invoice.charges.iter().find(|charge| !charge.exact.is_zero()).unwrap();
    assert_eq!(charge.resource.as_str(), "account:a1");
    let told = explained(&turnpike, &invoice, charge, &[]);
    residue_holds(&told, charge);
    let resources: Vec<[&str; 2]> = told["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| ["resource", "quantity"].map(|key| text(row, key)))
        .collect();
    let names: Vec<&str> = resources.iter().map(|[name, _]| *name).collect();
    assert!(names.len() == 2 && names[0].ends_with("/mail") && names[1].ends_with("/web"));
    let quantities = resources.iter().map(|[_, quantity]| quantity.parse::<i64>().unwrap());
    assert_eq!(quantities.sum::<i64>(), 112_000_000_000);
    assert!(told["intervals"].as_array().unwrap().is_empty());
    // One of them, down to its events.
    let web = explained(&turnpike, &invoice, charge, &["--resource", names[1]]);
    assert!(!web["intervals"].as_array().unwrap().is_empty());
    assert!(!web["events"].as_array().unwrap().is_empty());
    let (number, line) = (invoice.number.as_deref().unwrap(), charge.line.to_string());
    let other = ["explain", number, &line, "--resource", "native/bucket/other"];
    assert!(turnpike.fails(4, &other).stderr.contains("has no part in this line"));
    let shown = turnpike.ok(&["explain", number, &line]);
    assert!(shown.contains("--resource ID") && shown.contains(names[0]), "{shown}");
}
