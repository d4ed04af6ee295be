use turnpike_schemas::tariff::{HashMapKind, HashMapRule};
use turnpike_schemas::{PriceModel, Tariff};

use super::super::*;
use super::*;

const NESTED: &str = r#"{"services": {
  "compute": {
    "mappings": [
      {"cost": "1.337", "type": "flat", "group": "base", "start": "2014-01-01T00:00:00"},
      {"cost": 1.420, "type": "flat"}
    ],
    "thresholds": [{"cost": "0.95", "type": "rate", "level": 4, "group": "base"}],
    "fields": {
      "flavor_name": {
        "mappings": [{"cost": "0.50", "type": "flat", "value": "m1.\"tiny\"", "tenant": "p-1"}],
        "thresholds": []
      },
      "memory": {"thresholds": [{"cost": "-0.2", "type": "flat", "level": "128.5"}]}
    }
  },
  "network.bw.out": {"mappings": [{"cost": "0.000000001", "type": "flat"}]}
}}"#;

const LISTS: &str = r#"{
  "services": [
    {"service_id": "s-1", "name": "compute"}, {"service_id": "s-2", "name": "network.bw.out"}
  ],
  "fields": [
    {"field_id": "f-1", "service_id": "s-1", "name": "flavor_name"},
    {"field_id": "f-2", "service_id": "s-1", "name": "memory"}
  ],
  "groups": [{"group_id": "g-1", "name": "base"}],
  "mappings": [
    {"mapping_id": "m-1", "cost": "1.33700000", "type": "flat", "group_id": "g-1", "value": null,
     "service_id": "s-1", "field_id": null, "tenant_id": null, "start": "2014-01-01T00:00:00",
     "end": null, "deleted": null},
    {"mapping_id": "m-2", "cost": "1.42", "type": "flat", "service_id": "s-1"},
    {"mapping_id": "m-3", "cost": "9", "type": "flat", "service_id": "s-1", "group_id": "g-1",
     "deleted": "2026-01-01T00:00:00"},
    {"mapping_id": "m-4", "cost": "1E-9", "type": "flat", "service_id": "s-2"},
    {"mapping_id": "m-5", "cost": "0.5", "type": "flat", "value": "m1.\"tiny\"", "field_id": "f-1",
     "tenant_id": "p-1"}
  ],
  "thresholds": [
    {"threshold_id": "t-1", "cost": "0.95", "type": "rate", "level": "4.0", "group_id": "g-1",
     "service_id": "s-1"},
    {"threshold_id": "t-2", "cost": "-0.20", "type": "flat", "level": "128.50", "field_id": "f-2"}
  ]
}"#;

fn import() -> CloudKittyImport {
    CloudKittyImport {
        tariff: TariffId::new("ck").expect("id"),
        name: "Of CloudKitty".to_owned(),
        currency: "EUR".parse().expect("EUR"),
        tax: TaxCategoryId::new("standard").expect("id"),
        valid_from: "2026-01-01".to_owned(),
        period_seconds: 3_600,
        services: BTreeMap::new(),
        fields: BTreeMap::from([("flavor_name".to_owned(), "flavor".to_owned())]),
    }
}

fn tariff(json: &str, import: &CloudKittyImport) -> Tariff {
    let text = tariff_of(json, import, &MeterCatalogue::builtin()).expect("is a tariff").text();
    let head = "[[tax_category]]\nid = \"standard\"\ncode = \"S\"\nrate = \"20%\"\n\n";
    let parsed = read_book(&format!("{head}{text}"));
    let parsed = parsed.unwrap_or_else(|mistakes| panic!("{mistakes:#?}\n{text}"));
    assert_eq!(parsed.warnings, [], "{text}");
    parsed.book.tariffs[0].clone()
}

#[test]
fn a_hashmap_becomes_a_tariff_of_the_book() {
    let tariff = tariff(NESTED, &import());
    let rates = &tariff.versions[0].rates;
    let facts: Vec<(&str, &str, i64, Per)> = rates
        .iter()
        .map(|rate| (rate.name.as_str(), rate.meter.as_str(), rate.unit.base_units, rate.per))
        .collect();
    let traffic = ("network.bw.out", "egress", 1_000_000, Per::Unit);
    assert_eq!(facts, [("compute", "instance", 1, Per::Hour), traffic]);
    let PriceModel::HashMap { groups } = &rates[0].model else { panic!() };
    let base = &groups["base"].costs;
    assert_eq!((base[0].nano, base[0].cost), (1_337_000_000, HashMapKind::Flat));
    let from = base[0].valid_from.map(|at| at.to_string());
    assert_eq!(from.as_deref(), Some("2014-01-01T00:00:00Z"));
    assert_eq!((base[1].nano, base[1].cost), (950_000_000, HashMapKind::Rate));
    assert_eq!(base[1].rule, HashMapRule::AtLeast { level_nano: 4_000_000_000 });
    let [always, tiny, memory] = groups[""].costs.as_slice() else { panic!() };
    assert_eq!((always.nano, &always.rule), (1_420_000_000, &HashMapRule::Always));
    assert_eq!(tiny.rule, HashMapRule::Equals { value: "m1.\"tiny\"".to_owned() });
    assert_eq!((tiny.field.as_deref(), tiny.project.as_deref()), (Some("flavor"), Some("p-1")));
    assert_eq!((memory.nano, memory.field.as_deref()), (-200_000_000, Some("memory")));
    assert_eq!(memory.rule, HashMapRule::AtLeast { level_nano: 128_500_000_000 });
    let PriceModel::HashMap { groups } = &rates[1].model else { panic!() };
    assert_eq!(groups[""].costs[0].nano, 1);
}

#[test]
fn the_lists_of_the_api_say_the_same_as_the_nested_shape() {
    let [nested, lists] = [NESTED, LISTS].map(|json| tariff(json, &import()));
    assert_eq!(nested.versions[0].rates.len(), lists.versions[0].rates.len());
    for (nested, lists) in nested.versions[0].rates.iter().zip(&lists.versions[0].rates) {
        let costs = |rate: &turnpike_schemas::Rate| {
            let PriceModel::HashMap { groups } = &rate.model else { panic!() };
            let mut costs: Vec<String> = groups
                .iter()
                .flat_map(|(name, group)| group.costs.iter().map(move |c| format!("{name} {c:?}")))
                .collect();
            costs.sort();
            costs
        };
        assert_eq!(costs(nested), costs(lists));
    }
}

/// The API answers with `NUMERIC(30, 28)`; a service may have several mappings in one group, of which
/// the last listed counts, flat or not.
#[test]
fn what_the_api_answers_is_kept_to_the_last_digit() {
    let json = r#"{"services": [{"service_id": "s-1", "name": "compute"}], "mappings": [
      {"cost": "16.0000000000000000000000000000", "type": "flat", "service_id": "s-1"},
      {"cost": "1.2000000000000000000000000000", "type": "rate", "service_id": "s-1"},
      {"cost": "0.1234567890123456789012345678", "type": "flat", "service_id": "s-1"},
      {"cost": "2", "type": "flat", "service_id": "s-1", "start": "2026-02-01T00:00:00",
       "end": "2026-03-01T00:00:00"},
      {"cost": "16.0000000000000000000000000000", "type": "flat", "service_id": "s-1",
       "group_id": "g-1"}
    ], "thresholds": [
      {"cost": "0.9500000000000000000000000001", "type": "rate", "level":
       "4.0000000000000000000000000000", "service_id": "s-1", "group_id": "g-1"},
      {"cost": "0.9", "type": "rate", "level": 4, "service_id": "s-1", "group_id": "g-1"}
    ], "groups": [{"group_id": "g-1", "name": "g"}]}"#;
    let tariff = tariff(json, &import());
    let PriceModel::HashMap { groups } = &tariff.versions[0].rates[0].model else { panic!() };
    let shown = |group: &str| -> Vec<(HashMapKind, String, String)> {
        let number = |cost: &turnpike_schemas::tariff::HashMapCost| match cost.wide {
            Some(wide) => scaled_to_short_decimal(wide.value, wide.decimals),
            None => scaled_to_short_decimal(cost.nano.into(), 9),
        };
        let day = |at: Option<turnpike_schemas::Instant>| {
            at.map_or_else(String::new, |at| at.to_string()[..10].to_owned())
        };
        let costs = groups[group].costs.iter();
        let dates = |cost: &turnpike_schemas::tariff::HashMapCost| {
            format!("{}/{}", day(cost.valid_from), day(cost.valid_to))
        };
        costs.map(|cost| (cost.cost, number(cost), dates(cost))).collect()
    };
    let row = |kind, number: &str, dates: &str| (kind, number.to_owned(), dates.to_owned());
    let fine = "0.1234567890123456789012345678";
    assert_eq!(
        shown(""),
        [
            row(HashMapKind::Flat, fine, "/2026-02-01"),
            row(HashMapKind::Flat, fine, "2026-03-01/"),
            row(HashMapKind::Flat, "2", "2026-02-01/2026-03-01"),
        ]
    );
    assert_eq!(shown("g"), [row(HashMapKind::Flat, "16", "/"), row(HashMapKind::Rate, "0.9", "/")]);
    // Stored and read again, no digit is lost.
    let text = turnpike_schemas::canonical::to_json(&tariff);
    assert_eq!(serde_json::from_str::<Tariff>(&text).expect("reads back"), tariff);
}

#[test]
fn costs_of_another_period_become_exact_prices() {
    let json = r#"{"services": {"volume.size": {"mappings": [{"cost": "0.3", "type": "flat"}],
        "thresholds": [{"cost": "0.5", "type": "rate", "level": 10}]}}}"#;
    let check = |period_seconds: i64, expect: Option<(i64, Per)>| {
        let import = CloudKittyImport { period_seconds, ..import() };
        let found = tariff_of(json, &import, &MeterCatalogue::builtin()).ok().map(|_| {
            let tariff = tariff(json, &import);
            let rate = &tariff.versions[0].rates[0];
            let PriceModel::HashMap { groups } = &rate.model else { panic!() };
            // A factor is the same for every period.
            assert_eq!(groups[""].costs[1].nano, 500_000_000);
            (groups[""].costs[0].nano, rate.per)
        });
        assert_eq!(found, expect, "{period_seconds} s");
    };
    check(3_600, Some((300_000_000, Per::Hour)));
    check(86_400, Some((300_000_000, Per::Day)));
    check(1, Some((300_000_000, Per::Second)));
    check(1_800, Some((600_000_000, Per::Hour)));
    check(7_200, Some((150_000_000, Per::Hour)));
    check(7_000, None);
    check(0, None);
}

#[test]
fn what_cannot_be_carried_over_is_refused_by_name() {
    let check = |json: &str, message: &str| {
        let error = tariff_of(json, &import(), &MeterCatalogue::builtin()).expect_err(json);
        assert!(error.to_string().contains(message), "{message:?} is not in {error}");
    };
    let one = |service: &str, row: &str| {
        format!("{{\"services\": {{\"{service}\": {{\"mappings\": [{row}]}}}}}}")
    };
    check("{", "no HashMap");
    check("{\"services\": {}}", "no mapping and no threshold");
    check(&one("desk", "{\"cost\": \"1\"}"), "--service desk=METER:UNIT");
    let finer = format!("{{\"cost\": \"0.{}1\"}}", "0".repeat(28));
    check(&one("compute", &finer), "more than 28 decimals");
    check(&one("compute", "{\"cost\": null}"), "a cost is null");
    check(&one("compute", "{\"cost\": \"1\", \"type\": \"tier\"}"), "type `tier`");
    check(&one("compute", "{\"cost\": \"1\", \"value\": \"a\"}"), "a mapping has a value");
    let level = "{\"services\": {\"compute\": {\"thresholds\": [{\"cost\": \"1\"}]}}}";
    check(level, "has no level");
    let both = "{\"services\": {\"compute\": {\"mappings\": [{\"cost\": \"1\"}]}, \"instance\": \
                {\"mappings\": [{\"cost\": \"1\"}]}}}";
    check(both, "`compute` and `instance` are both meter `instance`");
    let lost = "{\"services\": [], \"mappings\": [{\"cost\": \"1\", \"service_id\": \"s-1\"}]}";
    check(lost, "service_id `s-1` is not among the services");
}

#[test]
fn services_may_be_given_another_meter() {
    let meter = |id: &str| MeterId::new(id).expect(id);
    let mut import = import();
    import.services.insert("compute".to_owned(), (meter("memory"), Some("GiB".to_owned())));
    let found = tariff(NESTED, &import);
    assert_eq!(found.versions[0].rates[0].unit.name, "GiB");
    import.services.insert("compute".to_owned(), (meter("memory"), Some("core".to_owned())));
    let error = tariff_of(NESTED, &import, &MeterCatalogue::builtin()).expect_err("no unit");
    assert!(error.to_string().contains("has no unit `core`"), "{error}");
}
