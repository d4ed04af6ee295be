//! HashMap costs worked out by hand.

use std::collections::BTreeMap;

use turnpike_schemas::tariff::{HashMapCost, HashMapGroup, HashMapKind, HashMapRule};
use turnpike_schemas::{Fraction, Instant};

use super::{decimal, nano};
use crate::parked::ParkCode;
use crate::price::hashmap::worth;

/// `(group, field, rule, kind, cost)`; a rule is empty, `=text` or `>=level`.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

fn cost(row: &Row) -> HashMapCost {
    let rule = match row.2.strip_prefix(">=") {
        Some(level) => HashMapRule::AtLeast { level_nano: nano(level) },
        None => match row.2.strip_prefix('=') {
            Some(value) => HashMapRule::Equals { value: value.to_owned() },
            None => HashMapRule::Always,
        },
    };
    HashMapCost {
        field: (!row.1.is_empty()).then(|| row.1.to_owned()),
        rule,
        cost: if row.3 == "rate" { HashMapKind::Rate } else { HashMapKind::Flat },
        nano: nano(row.4),
        wide: None,
        project: None,
        valid_from: None,
        valid_to: None,
    }
}

fn groups(rows: &[Row]) -> BTreeMap<String, HashMapGroup> {
    let mut groups: BTreeMap<String, HashMapGroup> = BTreeMap::new();
    for row in rows {
        groups.entry(row.0.to_owned()).or_default().costs.push(cost(row));
    }
    groups
}

fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn now() -> Instant {
    Instant::parse("2026-10-15T00:00:00Z").expect("instant")
}

fn check(rows: &[Row], pairs: &[(&str, &str)], quantity: &str, expect: &str) {
    let quantity = decimal(quantity);
    let groups = groups(rows);
    let of = |quantity: &Fraction| worth(&groups, &attributes(pairs), None, now(), quantity);
    assert_eq!(of(&quantity), Ok(decimal(expect)), "{rows:?} {pairs:?}");
    let negative = quantity.checked_neg().expect("negative");
    let reversed = decimal(expect).checked_neg().expect("negative");
    assert_eq!(of(&negative), Ok(reversed), "a reversal cancels: {rows:?}");
}

#[test]
fn groups_add_and_the_highest_flat_of_a_group_counts() {
    // 3 x (max(2, 5, 1) + 10).
    let rows: &[Row] = &[
        ("a", "", "", "flat", "2"),
        ("a", "flavor", "=m1", "flat", "5"),
        ("a", "image", "=x", "flat", "1"),
        ("b", "", "", "flat", "10"),
    ];
    check(rows, &[("flavor", "m1"), ("image", "x")], "3", "45");
    // Without the flavor: 3 x (2 + 10).
    check(rows, &[("flavor", "M1")], "3", "36");
    // A flat below zero never counts; a rate without a flat has nothing to multiply.
    check(&[("a", "", "", "flat", "-2")], &[], "3", "0");
    check(&[("a", "", "", "rate", "2")], &[], "3", "0");
    check(&[], &[], "3", "0");
}

#[test]
fn rates_multiply_within_their_group_only() {
    let rows: &[Row] = &[
        ("a", "", "", "flat", "0.01"),
        ("a", "os", "=windows", "rate", "1.5"),
        ("a", "", ">=10", "rate", "0.9"),
        ("b", "", "", "flat", "1"),
    ];
    // 10 x (0.01 x 1.5 x 0.9 + 1).
    check(rows, &[("os", "windows")], "10", "10.135");
    // One below the level: 9.999 x (0.015 + 1).
    check(rows, &[("os", "windows")], "9.999", "10.148985");
    check(rows, &[], "1", "1.01");
}

#[test]
fn the_highest_threshold_reached_counts() {
    let rows: &[Row] = &[
        ("a", "", "", "flat", "1"),
        ("a", "memory", ">=64", "flat", "0.5"),
        ("a", "memory", ">=128.5", "flat", "0.25"),
    ];
    check(rows, &[("memory", "63.999")], "2", "2");
    check(rows, &[("memory", "64")], "2", "3");
    check(rows, &[("memory", "128.4")], "2", "3");
    check(rows, &[("memory", "128.5")], "2", "2.5");
    check(rows, &[("memory", "1e4")], "2", "2.5");
    // A lump of the service, once: 2 x 3 + 5; a field's threshold of a lower level gives way to it.
    let lump: &[Row] = &[
        ("a", "", "", "flat", "2"),
        ("a", "", ">=3", "flat", "5"),
        ("a", "memory", ">=2", "flat", "100"),
    ];
    check(lump, &[("memory", "2")], "3", "11");
    check(lump, &[("memory", "2")], "2.5", "255");
    // At the same level the service's threshold comes first, wherever it is listed.
    let tied: &[Row] = &[("a", "memory", ">=3", "flat", "100"), ("a", "", ">=3", "flat", "5")];
    check(tied, &[("memory", "3")], "3", "5");
    // A lump counts even where nothing is charged by the unit.
    check(&[("a", "", ">=1", "flat", "7")], &[], "4", "7");
}

#[test]
fn a_project_has_its_own_cost_for_the_same_value() {
    let mut all = groups(&[
        ("a", "", "", "flat", "10"),
        ("a", "", ">=50", "rate", "0.98"),
        ("a", "", ">=200", "rate", "0.95"),
    ]);
    let own =
        HashMapCost { project: Some("p1".to_owned()), ..cost(&("a", "", ">=50", "rate", "0.97")) };
    // Listed before or after, the project's cost takes the place of the general one.
    all.entry("a".to_owned()).or_default().costs.insert(0, own);
    let of = |project: Option<&str>, quantity: &str| {
        worth(&all, &BTreeMap::new(), project, now(), &decimal(quantity)).expect("worth")
    };
    assert_eq!(of(Some("p1"), "50"), decimal("485"));
    assert_eq!(of(Some("p1"), "200"), decimal("1900"));
    assert_eq!(of(Some("p2"), "50"), decimal("490"));
    assert_eq!(of(None, "50"), decimal("490"));
}

#[test]
fn a_cost_counts_while_it_is_in_force() {
    let at = |text: &str| Instant::parse(text).expect(text);
    let mut all = groups(&[("a", "", "", "flat", "3")]);
    for cost in &mut all.entry("a".to_owned()).or_default().costs {
        cost.valid_from = Some(at("2026-10-01T00:00:00Z"));
        cost.valid_to = Some(at("2026-11-01T00:00:00Z"));
    }
    let of = |text: &str| worth(&all, &BTreeMap::new(), None, at(text), &Fraction::ONE);
    assert_eq!(of("2026-09-30T23:59:59Z"), Ok(Fraction::ZERO));
    assert_eq!(of("2026-10-01T00:00:00Z"), Ok(decimal("3")));
    assert_eq!(of("2026-10-31T23:59:59Z"), Ok(decimal("3")));
    assert_eq!(of("2026-11-01T00:00:00Z"), Ok(Fraction::ZERO));
}

#[test]
fn a_field_that_is_no_number_has_no_level() {
    let groups = groups(&[("a", "memory", ">=64", "flat", "1")]);
    let pairs = attributes(&[("memory", "lots")]);
    let refused = worth(&groups, &pairs, None, now(), &Fraction::ONE).expect_err("no number");
    assert_eq!(refused.code, ParkCode::UnknownPrice);
    assert!(refused.text.contains("`memory`") && refused.text.contains("`lots`"), "{refused}");
}
