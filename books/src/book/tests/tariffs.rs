//! One book with everything that a tariff may say, and every mistake in it on its line.

use turnpike_schemas::tariff::{
    BlockPolicy, CapacityTier, DayCount, Detail, DynamicBasis, FeeAmount, FeeEvery, HashMapKind,
    HashMapRule, HoldingTime, Tier, TierBasis, TimeOfUse, UnitRounding, WEEKEND, WORKING_DAYS,
    ZeroUsage,
};
use turnpike_schemas::{
    AdjustmentKind, Aggregation, Fee, Measure, Meter, MeterId, Per, Pool, PriceModel, Rate,
    RoundTo, TariffVersion,
};

use super::super::*;

pub(super) const EVERYTHING: &str = include_str!("../../../../tests/tariffs/book.toml");

fn everything() -> PriceBook {
    let parsed = read_book(EVERYTHING).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    assert_eq!(parsed.warnings, []);
    parsed.book
}

fn network(book: &PriceBook) -> &TariffVersion {
    &book.tariffs.iter().find(|tariff| tariff.id.as_str() == "network").expect("network").versions
        [0]
}

fn rate<'a>(version: &'a TariffVersion, name: &str) -> &'a Rate {
    version.rates.iter().find(|rate| rate.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn every_model_is_read() {
    let book = everything();
    let version = network(&book);
    let PriceModel::Graduated(traffic) = &rate(version, "Traffic").model else { panic!() };
    let tier = |up_to_nano, price_nano, flat_nano| Tier { up_to_nano, price_nano, flat_nano };
    assert_eq!(
        traffic.tiers,
        [
            tier(Some(100_000_000_000), 90_000_000, 1_000_000_000),
            tier(Some(1_000_500_000_000), 70_000_000, 0),
            tier(None, 50_000_000, 0),
        ]
    );
    assert_eq!((traffic.basis, traffic.zero_usage), (TierBasis::Total, ZeroUsage::FirstFlat));
    let traffic = rate(version, "Traffic");
    assert_eq!((traffic.per, traffic.unit.base_units), (Per::Unit, 1_000_000_000));
    let rounding = UnitRounding { step_nano: 1_000_000, to: RoundTo::Up };
    assert_eq!(traffic.round_units, Some(rounding));
    let volumes = rate(version, "Volumes");
    let PriceModel::Volume(tiers) = &volumes.model else { panic!() };
    assert_eq!(
        (tiers.basis, volumes.pool, volumes.per),
        (TierBasis::Held, Pool::Project, Per::Month)
    );
    let requests = rate(version, "Requests");
    let PriceModel::Package(package) = requests.model else { panic!() };
    assert_eq!((package.size_nano, package.rounding), (1_000_000_000_000_000, RoundTo::Up));
    assert_eq!((package.free_nano, requests.price_nano), (2_000_000_000_000_000, 400_000_000));
    let PriceModel::Percentage(market) = rate(version, "Market").model else { panic!() };
    assert_eq!((market.rate_nano, market.fixed_nano), (13_000_000, 250_000_000));
    assert_eq!((market.free_events, market.free_nano), (Some(3), Some(250_000_000_000)));
    let bounds = (market.minimum_nano, market.maximum_nano);
    assert_eq!(bounds, (Some(500_000_000), Some(12_000_000_000)));
    let PriceModel::GraduatedPercentage { tiers, zero_usage } =
        &rate(version, "Market, at large").model
    else {
        panic!()
    };
    assert_eq!((tiers[0].rate_nano, tiers[0].flat_nano), (20_000_000, 5_000_000_000));
    assert_eq!((tiers[1].up_to_nano, *zero_usage), (None, ZeroUsage::Free));
    let PriceModel::Blocks { policy, tiers } = &rate(version, "Disk operations").model else {
        panic!()
    };
    assert_eq!((*policy, tiers[0].blocks_max), (BlockPolicy::AllTiers, Some(10)));
    assert_eq!((tiers[1].size_nano, tiers[1].price_nano), (100_000_000_000, 9_000_000_000));
    let spare = &rate(version, "Spare capacity").model;
    assert_eq!(*spare, PriceModel::Series { series: "spot".to_owned() });
    let PriceModel::Dynamic(dynamic) = &rate(version, "Disk traffic").model else { panic!() };
    assert_eq!((dynamic.basis, dynamic.multiplier_nano), (DynamicBasis::Unit, 10_000_000));
    assert_eq!(rate(version, "Committed bandwidth").per, Per::Unit);
    assert_eq!(rate(version, "Public addresses").window_seconds, Some(3_600));
}

#[test]
fn a_matrix_is_one_rate_for_each_row() {
    let book = everything();
    let version = network(&book);
    let machines: Vec<(&str, Option<&str>, Option<&str>, i64)> = version
        .rates
        .iter()
        .filter(|rate| rate.meter.as_str() == "instance")
        .map(|rate| {
            let flavor = rate.conditions.get("flavor").map(String::as_str);
            (rate.name.as_str(), flavor, rate.place.site.as_deref(), rate.price_nano)
        })
        .collect();
    let small = Some("m1.small");
    assert_eq!(
        machines,
        [
            ("Machine: m1.small, fra", small, Some("fra"), 12_000_000),
            ("Machine: m1.small", small, None, 10_000_000),
            ("Machine: m1.large", Some("m1.large"), None, 44_000_000),
        ]
    );
    // An adjustment that names the matrix bears on all of its rates, also on those of a base.
    let names = |adjustment: &turnpike_schemas::Adjustment| {
        adjustment.scope.rates.iter().cloned().collect::<Vec<_>>()
    };
    let rows = ["Machine: m1.large", "Machine: m1.small", "Machine: m1.small, fra"];
    assert_eq!(names(&version.adjustments[4]), rows);
    let lyon = book.tariffs.iter().find(|tariff| tariff.id.as_str() == "lyon").expect("lyon");
    assert_eq!(lyon.base.as_ref().map(|base| base.as_str()), Some("network"));
    assert_eq!(names(&lyon.versions[0].adjustments[0]), rows);
}

#[test]
fn a_hashmap_is_read_into_groups() {
    let book = everything();
    let PriceModel::HashMap { groups } = &rate(network(&book), "Memory").model else { panic!() };
    let counts: Vec<(&str, usize)> =
        groups.iter().map(|(name, group)| (name.as_str(), group.costs.len())).collect();
    assert_eq!(counts, [("", 1), ("flavors", 2), ("large", 2)]);
    let factor = &groups["flavors"].costs[1];
    assert_eq!((factor.cost, factor.nano), (HashMapKind::Rate, 900_000_000));
    assert_eq!(factor.rule, HashMapRule::Equals { value: "m1.large".to_owned() });
    assert_eq!(factor.project.as_deref(), Some("p-1"));
    assert_eq!(factor.valid_to.map(|at| at.to_string()).as_deref(), Some("2026-03-01T00:00:00Z"));
    let service = &groups["large"].costs[1];
    let level_nano = 64_000_000_000;
    assert_eq!((&service.field, &service.rule), (&None, &HashMapRule::AtLeast { level_nano }));
    assert_eq!(groups[""].costs[0].rule, HashMapRule::Always);
}

#[test]
fn places_times_fees_and_holding_are_read() {
    let book = everything();
    let version = network(&book);
    let place = &rate(version, "vCPU in Frankfurt").place;
    assert_eq!(
        (place.site.as_deref(), place.resource_kind.as_deref()),
        (Some("fra"), Some("server"))
    );
    assert_eq!(place.region.as_deref(), Some("eu-central"));
    let times = &rate(version, "vCPU by night").times;
    let night = TimeOfUse { days: WORKING_DAYS, from: 79_200, to: 21_600 };
    assert_eq!(times[..2], [night, TimeOfUse { days: WEEKEND, from: 0, to: 86_400 }]);
    let vcpu = MeterId::new("vcpu").expect("vcpu");
    let holding = HoldingTime { minimum_seconds: 60, step_seconds: 60 };
    assert_eq!((version.holding.get(&vcpu), version.detail), (Some(&holding), Detail::Project));
    assert_eq!(version.hold[&vcpu].len(), 3);
    let [base, once, capacity] = version.fees.as_slice() else { panic!() };
    let ratio = Some((9, RoundTo::HalfEven));
    let thirty = turnpike_schemas::tariff::Proration::Day { count: DayCount::Thirty, ratio };
    assert_eq!((base.proration, base.every), (thirty, FeeEvery::Month));
    assert_eq!(base.amount, FeeAmount::Flat { amount_nano: 50_000_000_000 });
    assert_eq!(once.every, FeeEvery::Once);
    let Fee { amount: FeeAmount::Capacity { tiers, .. }, .. } = capacity else { panic!() };
    let limits = |tier: &CapacityTier| {
        let limit = |l: &turnpike_schemas::tariff::CapacityLimit| {
            (l.meter.to_string(), l.quantity_nano / 1_000_000_000, l.unit.name.clone())
        };
        tier.up_to.iter().map(limit).collect::<Vec<_>>()
    };
    let expected = [("memory", 64, "GiB"), ("vcpu", 10, "vCPU")];
    let expected = expected.map(|(meter, size, unit)| (meter.to_owned(), size, unit.to_owned()));
    assert_eq!(limits(&tiers[0]), expected);
    assert_eq!(limits(&tiers[2]), []);
}

#[test]
fn adjustments_keep_their_order() {
    let book = everything();
    let list = &network(&book).adjustments;
    let names: Vec<&str> = list.iter().map(|adjustment| adjustment.name.as_str()).collect();
    assert_eq!(names[..4], ["Free traffic", "Volume discount", "Welcome", "Hours reserved"]);
    let AdjustmentKind::Allowance { quantity_nano, unit, .. } = &list[0].kind else { panic!() };
    assert_eq!((*quantity_nano, unit.base_units), (100_000_000_000, 1_000_000_000));
    assert_eq!(list[0].pool, Pool::Project);
    assert_eq!(list[1].kind, AdjustmentKind::Discount { rate_nano: 125_000_000 });
    assert!(list[1].scope.fees && list[1].scope.services.len() == 2);
    assert_eq!(list[2].kind, AdjustmentKind::Credit { amount_nano: 10_000_000_000 });
    let AdjustmentKind::Commitment { overage_nano, true_up, prepaid, .. } = list[3].kind else {
        panic!()
    };
    assert_eq!((overage_nano, true_up, prepaid), (1_500_000_000, true, false));
    assert!(list[3].windows);
    assert!(matches!(list[4].kind, AdjustmentKind::Maximum { amount_nano: 500_000_000_000, .. }));
    assert!(matches!(list[5].kind, AdjustmentKind::Minimum { .. }));
    let AdjustmentKind::Commitment { overage_nano, prepaid, .. } = list[6].kind else { panic!() };
    assert_eq!((overage_nano, prepaid), (1_000_000_000, true));
}

#[test]
fn windows_are_those_with_usage_or_all() {
    let read = |from: &str, to: &str| {
        let text = EVERYTHING.replacen(from, to, 1);
        assert_ne!(text, EVERYTHING, "no {from:?}");
        let read = read_book(&text).expect(to);
        network(&read.book).adjustments.clone()
    };
    let check = |windows: &str, expect: (bool, bool)| {
        let found = &read("windows = true\namount", &format!("windows = {windows}\namount"))[3];
        assert_eq!((found.windows, found.unused_windows), expect, "{windows}");
    };
    check("\"used\"", (true, false));
    check("\"all\"", (true, true));
    check("false", (false, false));
    let found = &read("quantity = \"100\"", "after_rounding = true\nquantity = \"100\"")[0];
    assert!(matches!(found.kind, AdjustmentKind::Allowance { after_rounding: true, .. }));
}

#[test]
fn meters_series_and_host_classes_are_read() {
    let book = everything();
    let meter = |id: &str| -> Meter {
        book.meters.get(&MeterId::new(id).expect(id)).unwrap_or_else(|| panic!("no {id}")).clone()
    };
    let percentile = meter("bandwidth-95");
    assert_eq!(percentile.measure, Measure::Percentile { window_seconds: 300, percent: 95 });
    assert_eq!((percentile.unit.as_str(), percentile.scale), ("byte", 0));
    assert_eq!(percentile.aggregation, Aggregation::Sum);
    assert_eq!(percentile.service, "Network");
    assert_eq!(meter("bandwidth-peak").measure, Measure::Peak { window_seconds: 3_600 });
    assert_eq!(meter("memory-max").over, Some(Pool::Resource));
    assert_eq!(meter("volume-last").measure, Measure::Latest);
    assert_eq!((meter("machines").unit.as_str(), meter("machines").units.len()), ("machine", 1));
    let attribute = Some("user".to_owned());
    assert_eq!(meter("users").measure, Measure::Unique { attribute });
    let mips = meter("compute-mips");
    assert_eq!(mips.derived.as_ref().map(|derived| derived.of.as_str()), Some("vcpu"));
    assert_eq!((mips.scale, mips.units.len()), (6, 2));
    let rated: Vec<(&str, Option<i64>)> = book
        .host_classes
        .iter()
        .map(|class| (class.class.as_str(), class.mips_per_vcpu_micro))
        .collect();
    let (old, new) = (Some(12_500_000_000), Some(14_000_000_000));
    assert_eq!(rated, [("gold", old), ("gold", new), ("silver", Some(8_000_500_000))]);
    let prices: Vec<i64> = book.series[0].points.iter().map(|(_, price)| *price).collect();
    assert_eq!(prices, [10_400_000, 31_000_000, 5_200_000]);
    // An account without a tariff of its own has its seller's.
    let tariffs: Vec<&str> =
        book.accounts.iter().map(|account| account.tariffs[0].tariff.as_str()).collect();
    assert_eq!(tariffs, ["network", "lyon"]);
}

#[test]
fn what_is_stored_reads_back_as_the_same_book() {
    let book = everything();
    let text = turnpike_schemas::canonical::to_json(&book);
    let back: PriceBook = serde_json::from_str(&text).expect("reads back");
    assert_eq!(back, book);
    assert_eq!(back.hash(), book.hash());
}

#[test]
fn no_cut_of_the_book_makes_the_reader_panic() {
    let lines: Vec<&str> = EVERYTHING.lines().collect();
    for left_out in 0..lines.len() {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out);
        drop(read_book(&kept.map(|(_, line)| format!("{line}\n")).collect::<String>()));
    }
}

#[test]
fn the_examples_of_the_guide_make_one_sound_book() {
    let guide = include_str!("../../../../docs/tariffs.md");
    let mut book =
        "[[party]]\nid = \"acme\"\nname = \"Acme\"\nkind = \"franchisor\"\nseries = \"A\"\n\
                    address = { city = \"Lyon\", country = \"FR\" }\n[[tax_category]]\n\
                    id = \"standard\"\ncode = \"S\"\nrate = \"20%\"\n"
            .to_owned();
    for site in ["fra", "lyon-1"] {
        book.push_str(&format!("[[site]]\nid = \"{site}\"\nname = \"S\"\nparty = \"acme\"\n"));
    }
    let examples = guide.split("```toml\n").skip(1).filter_map(|part| part.split_once("```"));
    let count = examples.clone().count();
    examples.for_each(|(example, _)| book.push_str(example));
    let parsed = read_book(&book).unwrap_or_else(|mistakes| panic!("{mistakes:#?}\n{book}"));
    assert_eq!(parsed.warnings, []);
    let version = &parsed.book.tariffs[0].versions[0];
    assert!(count > 15 && version.rates.len() > 10 && version.adjustments.len() == 3);
}
