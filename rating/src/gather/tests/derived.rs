//! Derived meters: usage of one meter priced as another, by the class of the host.

use serde_json::json;
use turnpike_schemas::book::HostClass;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::meter::{Derived, Meter};
use turnpike_schemas::{MeterId, PriceBook, UsageInterval};

use super::{at, attribute, gathered, interval, rate, with_rates};

fn class(name: &str, vcpu: Option<i64>, from: Option<&str>, to: Option<&str>) -> HostClass {
    HostClass {
        class: name.to_owned(),
        mips_per_vcpu_micro: vcpu,
        mips_per_mhz_micro: Some(1_500_000),
        valid_from: from.map(at),
        valid_to: to.map(at),
    }
}

fn book(rates: serde_json::Value) -> PriceBook {
    let mut book = with_rates(rates);
    book.host_classes = vec![
        class("epyc", Some(2_500_500_000), None, Some("2026-10-02T00:00:01Z")),
        class("epyc", Some(3_000_000_000), Some("2026-10-02T00:00:01Z"), None),
        class("old", None, None, None),
    ];
    book
}

/// One and a half vCPU for three seconds.
fn usage(host_class: &str) -> UsageInterval {
    let usage = interval("vcpu", "2026-10-02T00:00:00Z", "2026-10-02T00:00:03Z", 1_500_000);
    attribute(usage, "host_class", host_class)
}

#[test]
fn a_quantity_is_multiplied_by_the_rating_in_force() {
    let book = book(json!([rate("mips", "hour", json!({}))]));
    // 1.5 x 2500.5 for one second and 1.5 x 3000 for two, at six decimals.
    let expect = 3_750_750_000_i64 + 2 * 4_500_000_000;
    let line = format!("mips standard.1/0 {expect} 3 1");
    assert_eq!(gathered(&book, &[usage("epyc")]), [line]);
}

#[test]
fn usage_counts_for_every_meter_that_the_chain_prices() {
    let both = book(json!([rate("mips", "hour", json!({})), rate("vcpu", "hour", json!({}))]));
    assert_eq!(
        gathered(&both, &[usage("epyc")]),
        ["mips standard.1/0 12750750000 3 1", "vcpu standard.1/1 4500000 3 1"]
    );
    // The clock of what is reported in MHz.
    let clock = book(json!([rate("mips-clock", "hour", json!({}))]));
    let mhz = interval("cpu-mhz", "2026-10-02T00:00:00Z", "2026-10-02T00:00:01Z", 2_000_000_000);
    assert_eq!(
        gathered(&clock, &[attribute(mhz, "host_class", "old")]),
        ["mips-clock standard.1/0 3000000000 1 1"]
    );
}

#[test]
fn what_is_derived_prices_what_it_is_derived_of() {
    let hours = json!({"times": [{"days": 127, "from": 0, "to": 2}]});
    let timed = book(json!([rate("mips", "hour", hours)]));
    let found = gathered(&timed, &[usage("epyc")]);
    let gap = "unpriced_meter: tariff version `standard.1` neither prices meter `vcpu` with these \
               attributes nor lists it as included";
    assert_eq!(found, ["mips standard.1/0 8250750000 2 1", gap]);
    let mut included = timed;
    let vcpu = MeterId::new("vcpu").expect("id");
    included.tariffs[0].versions[0].included.insert(vcpu);
    assert_eq!(gathered(&included, &[usage("epyc")]), ["mips standard.1/0 8250750000 2 1"]);
}

#[test]
fn a_class_that_cannot_be_found_parks_by_name() {
    let priced = book(json!([rate("mips", "hour", json!({}))]));
    let check = |book: &PriceBook, usage: UsageInterval, expect: &str| {
        assert_eq!(gathered(book, &[usage]), [expect]);
    };
    let unnamed = interval("vcpu", "2026-10-02T00:00:00Z", "2026-10-02T00:00:03Z", 1_500_000);
    check(
        &priced,
        unnamed,
        "unpriced_meter: t/instance/i-1 names no host class in attribute `host_class`",
    );
    check(
        &priced,
        usage("vax"),
        "unpriced_meter: host class `vax` of t/instance/i-1 has no rating in force at \
         2026-10-02T00:00:00Z",
    );
    check(
        &priced,
        usage("old"),
        "unpriced_meter: host class `old` has no MIPS per vCPU at 2026-10-02T00:00:00Z",
    );
    let mut twice = priced.clone();
    twice.host_classes.push(class("old", Some(1), None, None));
    check(
        &twice,
        usage("old"),
        "unpriced_meter: host class `old` has several ratings in force at 2026-10-02T00:00:00Z",
    );
    let mut fine = priced;
    fine.host_classes[0].mips_per_vcpu_micro = Some(1);
    check(
        &fine,
        attribute(
            interval("vcpu", "2026-10-02T00:00:00Z", "2026-10-02T00:00:01Z", 1_500_000),
            "host_class",
            "epyc",
        ),
        "quantity_scale: 0.0000015 of meter `mips` for t/instance/i-1 has more than the meter's 6 \
         decimals",
    );
}

#[test]
fn a_derived_meter_has_its_own_states_and_may_be_derived_further() {
    let mut book =
        book(json!([rate("vcpu-kept", "hour", json!({})), rate("vcpu-again", "hour", json!({})),]));
    let of = |id: &str, of: &str, like: &Meter| Meter {
        id: MeterId::new(id).expect("id"),
        derived: Some(Derived { of: MeterId::new(of).expect("id"), convert: None }),
        hold: turnpike_schemas::HoldClass::Existing,
        ..like.clone()
    };
    let vcpu = book.meters.get(&MeterId::new("vcpu").expect("id")).expect("vcpu").clone();
    book.meters.insert(of("vcpu-kept", "vcpu", &vcpu));
    book.meters.insert(of("vcpu-again", "vcpu-kept", &vcpu));
    let mut stopped = usage("epyc");
    stopped.state = ResourceState::Stopped;
    assert_eq!(
        gathered(&book, &[stopped]),
        ["vcpu-again standard.1/1 4500000 3 1", "vcpu-kept standard.1/0 4500000 3 1"]
    );
    // Reported as held, declared as consumed.
    let mut mended = book.meters.get(&MeterId::new("vcpu-kept").expect("id")).expect("m").clone();
    mended.aggregation = turnpike_schemas::Aggregation::Sum;
    book.meters.insert(mended);
    let found = gathered(&book, &[usage("epyc")]);
    let expect = "meter_mismatch: meter `vcpu-kept` of t/instance/i-1 is reported as held but \
                  declared as the opposite";
    assert_eq!(found.last().map(String::as_str), Some(expect));
}
