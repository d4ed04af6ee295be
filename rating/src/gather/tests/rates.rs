//! Which rate prices usage: inheritance, conditions, place and hours.

use serde_json::json;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::tariff::Detail;
use turnpike_schemas::{PriceBook, ResourceId, Tariff, TariffId};

use super::{at, attribute, book, gathered, interval, of, rate, with_rates};

const DAY: (&str, &str) = ("2026-10-06T00:00:00Z", "2026-10-07T00:00:00Z");

/// `standard` prices vCPU alone; its base `network` prices volume, egress and vCPU differently.
fn inherited(change: impl FnOnce(&mut PriceBook)) -> PriceBook {
    let mut book = with_rates(json!([
        rate("vcpu", "hour", json!({"conditions": {"flavor": "m1"}, "price_nano": 1})),
        rate("vcpu", "hour", json!({"conditions": {"flavor": "m2"}, "price_nano": 2})),
    ]));
    book.tariffs[0].versions[0].included.clear();
    let base: Tariff = serde_json::from_value(json!({
        "id": "network", "name": "Network", "currency": "EUR", "rounding": "half-away-from-zero",
        "versions": [
            {"id": "network.1", "valid_from": "2026-01-01T00:00:00Z",
             "valid_to": "2026-10-06T12:00:00Z", "included": ["instance"],
             "hold": {"volume": ["active"]},
             "rates": [rate("vcpu", "hour", json!({})), rate("volume", "hour", json!({}))]},
            {"id": "network.2", "valid_from": "2026-10-06T12:00:00Z", "valid_to": null,
             "included": [], "hold": {"volume": ["active", "stopped"]},
             "rates": [rate("volume", "hour", json!({})), rate("vcpu", "hour", json!({}))]}
        ]
    }))
    .expect("tariff");
    book.tariffs.push(base);
    book.tariffs[0].base = TariffId::new("network").ok();
    change(&mut book);
    book
}

#[test]
fn the_first_rate_of_the_chain_that_applies_is_taken() {
    let vcpu = |flavor| attribute(interval("vcpu", DAY.0, DAY.1, 1), "flavor", flavor);
    let check = |usage, expect: &[&str]| assert_eq!(gathered(&inherited(|_| {}), &[usage]), expect);
    check(vcpu("m2"), &["vcpu standard.1/1 86400 86400 2"]);
    check(vcpu("m3"), &["vcpu network.1/0 43200 43200 1", "vcpu network.2/1 43200 43200 1"]);
    check(
        interval("volume", DAY.0, DAY.1, 1),
        &["volume network.1/1 43200 43200 1", "volume network.2/0 43200 43200 1"],
    );
    // Included until the base's second version no longer says so.
    check(
        interval("instance", DAY.0, DAY.1, 1),
        &[
            "unpriced_meter: tariff version `standard.1` neither prices meter `instance` with these \
           attributes nor lists it as included",
        ],
    );
    check(interval("instance", DAY.0, "2026-10-06T12:00:00Z", 1), &[]);
}

#[test]
fn what_a_tariff_includes_its_base_does_not_price() {
    let book = inherited(|book| {
        let volume = turnpike_schemas::MeterId::new("volume").expect("id");
        book.tariffs[0].versions[0].included.insert(volume);
    });
    let usage = interval("volume", DAY.0, DAY.1, 1);
    assert_eq!(gathered(&book, &[usage]), Vec::<String>::new());
}

#[test]
fn hold_is_inherited_by_meter() {
    let mut usage = interval("volume", DAY.0, DAY.1, 1);
    usage.state = ResourceState::Stopped;
    let second = ["volume network.2/0 43200 43200 1"];
    assert_eq!(gathered(&inherited(|_| {}), std::slice::from_ref(&usage)), second);
    let own = inherited(|book| {
        let hold = &mut book.tariffs[0].versions[0].hold;
        hold.insert(usage.meter.clone(), [ResourceState::Paused].into());
    });
    assert_eq!(gathered(&own, &[usage]), Vec::<String>::new());
}

#[test]
fn a_chain_without_one_answer_parks_by_name() {
    let check = |change: &dyn Fn(&mut PriceBook), expect: &str| {
        let usage = attribute(interval("vcpu", DAY.0, DAY.1, 1), "flavor", "m1");
        assert_eq!(gathered(&inherited(change), &[usage]), [expect]);
    };
    check(
        &|b| b.tariffs[0].base = TariffId::new("gone").ok(),
        "unknown_tariff: tariff `gone`, the base of `standard`, is not in the book",
    );
    check(&|b| b.tariffs[1].currency = None, "missing_currency: tariff `network` has no currency");
    check(
        &|b| b.tariffs[1].currency = "USD".parse().ok(),
        "currency_mismatch: tariff `network` is not in the account's currency",
    );
    check(
        &|b| b.tariffs[1].base = Some(b.tariffs[0].id.clone()),
        "tariff_overlap: tariff `standard` inherits from itself",
    );
    let mut gap = inherited(|b| b.tariffs[1].versions[1].valid_from = at("2026-10-06T12:00:01Z"));
    let usage = attribute(interval("vcpu", DAY.0, DAY.1, 1), "flavor", "m1");
    let found = gathered(&gap, std::slice::from_ref(&usage));
    let expect = "tariff_gap: tariff `network` has no version in force at 2026-10-06T12:00:00Z";
    assert_eq!(found.last().map(String::as_str), Some(expect));
    gap.tariffs[1].versions[1].valid_from = at("2026-10-06T11:59:59Z");
    let found = gathered(&gap, &[usage]);
    let expect =
        "tariff_overlap: 2 versions of tariff `network` are in force at 2026-10-06T11:59:59Z";
    assert_eq!(found.last().map(String::as_str), Some(expect));
}

#[test]
fn a_run_goes_on_for_other_accounts() {
    let mut book = book();
    let mut other = book.accounts[0].clone();
    other.id = turnpike_schemas::AccountId::new("a2").expect("id");
    other.owners[0].owner = turnpike_schemas::OwnerRef::new("t/p2").expect("owner");
    other.tariffs.clear();
    book.accounts.push(other);
    let good = interval("vcpu", "2026-10-02T00:00:00Z", "2026-10-02T00:00:01Z", 1);
    let bad = of(good.clone(), |holder| {
        holder.owner = turnpike_schemas::OwnerRef::new("t/p2").ok();
    });
    let found = gathered(&book, &[good, bad]);
    let expect =
        ["vcpu standard.1/0 1 1 1", "tariff_gap: no tariff is assigned at 2026-10-02T00:00:00Z"];
    assert_eq!(found, expect);
}

#[test]
fn a_place_is_a_condition() {
    let book = with_rates(json!([
        rate("vcpu", "hour", json!({"place": {"site": "lyo", "resource_kind": "instance"}})),
        rate("vcpu", "hour", json!({"place": {"region": "eu"}})),
        rate("vcpu", "hour", json!({"place": {"resource_kind": "node"}})),
    ]));
    let check = |site: Option<&str>, region: Option<&str>, kind: &str, expect: &str| {
        let usage = of(interval("vcpu", DAY.0, DAY.1, 1), |holder| {
            holder.site = site.map(str::to_owned);
            holder.region = region.map(str::to_owned);
            kind.clone_into(&mut holder.resource_kind);
        });
        assert_eq!(gathered(&book, &[usage]), [expect]);
    };
    check(Some("lyo"), Some("eu"), "instance", "vcpu standard.1/0 86400 86400 1");
    check(Some("par"), Some("eu"), "instance", "vcpu standard.1/1 86400 86400 1");
    check(None, None, "node", "vcpu standard.1/2 86400 86400 1");
    let gap = "unpriced_meter: tariff version `standard.1` neither prices meter `vcpu` with these \
               attributes nor lists it as included";
    check(None, None, "instance", gap);
}

#[test]
fn hours_choose_the_rate_of_each_second() {
    // Monday to Friday 09:00 to 12:00 in Paris; else the second rate.
    let office = json!({"times": [{"days": 31, "from": 9 * 3_600, "to": 12 * 3_600}]});
    let mut book = with_rates(json!([
        rate("vcpu", "hour", office.clone()),
        rate("vcpu", "hour", json!({})),
        rate("egress", "unit", office.clone()),
        rate("memory", "hour", office),
    ]));
    book.accounts[0].time_zone = "Europe/Paris".parse().expect("zone");
    let check = |meter: &str, start: &str, end: &str, expect: &[&str]| {
        assert_eq!(gathered(&book, &[interval(meter, start, end, 1)]), expect, "{start} {end}");
    };
    // Four days, of which Saturday and Sunday have no hours: one interval per line.
    check(
        "vcpu",
        "2026-10-02T00:00:00Z",
        "2026-10-06T00:00:00Z",
        &["vcpu standard.1/0 21600 21600 1", "vcpu standard.1/1 324000 324000 1"],
    );
    check(
        "vcpu",
        "2026-10-06T06:59:59Z",
        "2026-10-06T07:00:01Z",
        &["vcpu standard.1/0 1 1 1", "vcpu standard.1/1 1 1 1"],
    );
    check(
        "vcpu",
        "2026-10-06T09:59:59.5Z",
        "2026-10-06T10:00:01.5Z",
        &["vcpu standard.1/0 1 1 1", "vcpu standard.1/1 1 1 1"],
    );
    // Consumed at the last microsecond before the end.
    check("egress", "2026-10-06T08:00:00Z", "2026-10-06T10:00:00Z", &["egress standard.1/2 1 0 1"]);
    let gap = |at: &str| {
        format!(
            "unpriced_meter: tariff version `standard.1` has no hours of meter `egress` that hold \
             at {at}"
        )
    };
    let at = gap("2026-10-06T10:00:00Z");
    check("egress", "2026-10-06T08:00:00Z", "2026-10-06T10:00:00.000001Z", &[&at]);
    let memory = gathered(&book, &[interval("memory", DAY.0, DAY.1, 1)]);
    assert!(memory.last().is_some_and(|text| text.contains("`memory` that hold at")), "{memory:?}");
}

#[test]
fn hours_follow_the_clock_over_a_day_of_25_hours() {
    let night = json!({"times": [{"days": 127, "from": 22 * 3_600, "to": 6 * 3_600}]});
    let mut book =
        with_rates(json!([rate("vcpu", "hour", night), rate("vcpu", "hour", json!({})),]));
    book.accounts[0].time_zone = "Europe/Paris".parse().expect("zone");
    // From noon to noon: ten hours of night are eight, and one of them twice.
    let usage = interval("vcpu", "2026-10-24T10:00:00Z", "2026-10-25T11:00:00Z", 1);
    assert_eq!(
        gathered(&book, &[usage]),
        ["vcpu standard.1/0 32400 32400 1", "vcpu standard.1/1 57600 57600 1"]
    );
}

#[test]
fn windows_stand_in_the_key() {
    let book = with_rates(json!([
        rate("vcpu", "hour", json!({"window_seconds": 3_600})),
        rate("egress", "unit", json!({"window_seconds": 43_200})),
    ]));
    let check = |meter: &str, start: &str, end: &str, expect: &[&str]| {
        assert_eq!(gathered(&book, &[interval(meter, start, end, 1)]), expect, "{start} {end}");
    };
    check(
        "vcpu",
        "2026-10-02T09:59:59Z",
        "2026-10-02T11:00:01Z",
        &[
            "vcpu standard.1/0 2026-10-02T09:00:00Z 1 1 1",
            "vcpu standard.1/0 2026-10-02T10:00:00Z 3600 3600 1",
            "vcpu standard.1/0 2026-10-02T11:00:00Z 1 1 1",
        ],
    );
    let noon = "2026-10-02T12:00:00Z";
    let midnight = "2026-10-02T00:00:00Z";
    check("egress", midnight, noon, &["egress standard.1/1 2026-10-02T00:00:00Z 1 0 1"]);
    check("egress", noon, noon, &["egress standard.1/1 2026-10-02T12:00:00Z 1 0 1"]);
}

#[test]
fn months_stand_in_the_key_where_a_base_adjusts() {
    let adjusted = |is: bool| {
        inherited(|book| {
            book.accounts[0].time_zone = "Asia/Tokyo".parse().expect("zone");
            for version in book.tariffs[1].versions.iter_mut().filter(|_| is) {
                let discount = json!([{"name": "d", "adjust": "discount", "rate_nano": 1}]);
                version.adjustments = serde_json::from_value(discount).expect("adjustments");
            }
        })
    };
    // Tokyo's month begins nine hours before that of UTC, so the span has two.
    let usage = interval("volume", "2026-10-31T14:00:00Z", "2026-10-31T16:00:00Z", 1);
    let lines = |is| gathered(&adjusted(is), std::slice::from_ref(&usage)).len();
    // Each month has its own discount.
    assert_eq!((lines(false), lines(true)), (1, 2));
}

#[test]
fn usage_priced_by_a_base_is_adjusted_by_the_account_s_own_version() {
    // Three versions of the account's own tariff; the base prices all of it under one version.
    let book = |discounts: [i64; 3]| {
        inherited(|book| {
            let starts = ["2026-01-01T00:00:00Z", "2026-10-05T00:00:00Z", "2026-10-05T06:00:00Z"];
            let first = book.tariffs[0].versions[0].clone();
            let versions =
                starts.iter().zip(discounts).enumerate().map(|(number, (start, rate))| {
                    let mut version = first.clone();
                    version.id = format!("standard.{number}").parse().expect("id");
                    version.valid_from = at(start);
                    version.valid_to = starts.get(number + 1).map(|end| at(end));
                    let discount = json!([{"name": "d", "adjust": "discount", "rate_nano": rate}]);
                    if rate > 0 {
                        version.adjustments =
                            serde_json::from_value(discount).expect("adjustments");
                    }
                    version
                });
            book.tariffs[0].versions = versions.collect();
        })
    };
    let usage = interval("volume", "2026-10-04T23:00:00Z", "2026-10-05T07:00:00Z", 1);
    let amounts = |discounts: [i64; 3]| -> Vec<String> {
        let lines = super::rated(&book(discounts), std::slice::from_ref(&usage));
        lines.iter().map(|line| line.rsplit(' ').nth(1).expect("amount").to_owned()).collect()
    };
    // An hour at 1 under each but the second version, and six under that.
    let (tenth, half) = (100_000_000, 500_000_000);
    assert_eq!(amounts([0, 0, 0]), ["8/1"]);
    let mut found = amounts([tenth, half, 0]);
    found.sort();
    assert_eq!(found, ["-1/10", "-3/1", "1/1", "1/1", "6/1"]);
    // Also where only the one in the middle has a discount: what came before stands before it.
    let mut found = amounts([0, half, 0]);
    found.sort();
    assert_eq!(found, ["-3/1", "1/1", "1/1", "6/1"]);
}

#[test]
fn usage_priced_by_a_base_counts_anew_where_the_account_moves() {
    let book = |moves: bool| {
        inherited(|book| {
            let mut other = book.tariffs[0].clone();
            other.id = TariffId::new("other").expect("id");
            other.versions[0].id = "other.1".parse().expect("id");
            book.tariffs.push(other);
            let assigned = &mut book.accounts[0].tariffs;
            let mut later = assigned[0].clone();
            if moves {
                later.tariff = TariffId::new("other").expect("id");
            }
            assigned[0].valid_to = Some(at("2026-10-05T06:00:00Z"));
            later.valid_from = assigned[0].valid_to;
            assigned.push(later);
        })
    };
    let usage = [interval("volume", "2026-10-05T00:00:00Z", "2026-10-05T08:00:00Z", 1)];
    assert_eq!(gathered(&book(false), &usage), ["volume network.1/1 28800 28800 2"]);
    assert_eq!(
        gathered(&book(true), &usage),
        ["volume network.1/1 7200 7200 1", "volume network.1/1 21600 21600 1"]
    );
}

#[test]
fn usage_that_is_simply_added_up_is_known_beforehand() {
    let check = |meter: &str, change: &dyn Fn(&mut PriceBook), expect: bool| {
        let book = inherited(change);
        let (_, periods) = super::october(&book);
        let lookup = super::Lookup::new(&book, &periods);
        let id = turnpike_schemas::MeterId::new(meter).expect("id");
        let plain = |instant| lookup.is_plain(&book.accounts[0], &id, at(instant));
        assert_eq!(plain("2026-10-06T11:59:59Z"), expect, "{meter}");
        assert_eq!(plain("2026-10-31T23:59:59Z"), expect, "{meter}");
        assert!(!plain("2026-11-01T00:00:00Z"), "{meter}, past the period");
    };
    let holding = turnpike_schemas::tariff::HoldingTime { minimum_seconds: 60, step_seconds: 0 };
    let of_vcpu = |more: serde_json::Value| {
        move |book: &mut PriceBook| {
            let more = serde_json::from_value(rate("vcpu", "hour", more.clone())).expect("rate");
            book.tariffs[0].versions[0].rates.push(more);
        }
    };
    check("vcpu", &|_| {}, true);
    check("volume", &|_| {}, true);
    check("egress", &|_| {}, true);
    check("unheard-of", &|_| {}, false);
    // Whatever rate it is that has hours: another one may hold at another time.
    check("vcpu", &of_vcpu(json!({"times": [{"days": 127, "from": 0, "to": 9}]})), false);
    check("vcpu", &of_vcpu(json!({"window_seconds": 3_600})), false);
    check("vcpu", &of_vcpu(json!({"model": {"kind": "series", "series": "s"}})), false);
    check("vcpu", &of_vcpu(json!({"model": {"kind": "percentage", "rate_nano": 1}})), true);
    // A holding time of the account's own tariff bears on what its base prices.
    let id = turnpike_schemas::MeterId::new("volume").expect("id");
    let held = |book: &mut PriceBook| {
        book.tariffs[0].versions[0].holding.insert(id.clone(), holding);
    };
    check("volume", &held, false);
    check("vcpu", &held, true);
    // A meter derived of it is priced, too.
    let mips = |book: &mut PriceBook| {
        let more = serde_json::from_value(rate("mips", "hour", json!({}))).expect("rate");
        book.tariffs[1].versions.iter_mut().for_each(|version| {
            version.rates.push(turnpike_schemas::Rate::clone(&more));
        });
    };
    check("vcpu", &mips, false);
    check("cpu-mhz", &mips, true);
}

#[test]
fn lines_are_summed_over_no_more_than_the_rate_counts_units_over() {
    let check = |pool: &str, model: &str, expect: usize| {
        let tiers = json!({"kind": model, "tiers": [{"up_to_nano": null, "price_nano": 1}]});
        let mut book =
            with_rates(json!([rate("egress", "unit", json!({"pool": pool, "model": tiers})),]));
        book.tariffs[0].versions[0].detail = Detail::Account;
        let usage = interval("egress", DAY.0, DAY.1, 5);
        let other = of(usage.clone(), |holder| {
            holder.resource = ResourceId::new("t/instance/i-2").expect("id");
        });
        assert_eq!(gathered(&book, &[usage, other]).len(), expect, "{pool} {model}");
    };
    check("resource", "graduated", 2);
    check("account", "graduated", 1);
    check("site", "graduated", 1);
    // A linear price is the same for every pool.
    check("resource", "per-unit", 1);
}
