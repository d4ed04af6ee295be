//! The HashMap points of other installations, to the last digit.

use std::collections::BTreeMap;

use serde_json::Value;
use turnpike_schemas::tariff::{HashMapCost, HashMapGroup, HashMapKind, HashMapRule};
use turnpike_schemas::{Fraction, Instant};

use super::{cases_beside, decimal, nano};
use crate::price::hashmap;

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn instant(value: &Value) -> Instant {
    let text = format!("{}Z", value.as_str().expect("an instant"));
    Instant::parse(&text).expect("an instant")
}

fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn costs_of(of: &Value, field: Option<&str>) -> Vec<(String, HashMapCost)> {
    let read = |entry: &Value, rule: HashMapRule| {
        let group = entry.get("group").and_then(Value::as_str).unwrap_or("_DEFAULT_");
        let cost = HashMapCost {
            field: field.map(str::to_owned),
            rule,
            cost: match entry["type"].as_str() {
                Some("rate") => HashMapKind::Rate,
                _ => HashMapKind::Flat,
            },
            nano: nano(&text(&entry["cost"])),
            wide: None,
            project: entry.get("tenant").map(text),
            valid_from: entry.get("start").map(instant),
            valid_to: entry.get("end").map(instant),
        };
        (group.to_owned(), cost)
    };
    let mappings = list(of, "mappings").map(|entry| {
        let rule = match entry.get("value") {
            Some(value) => HashMapRule::Equals { value: text(value) },
            None => HashMapRule::Always,
        };
        read(entry, rule)
    });
    let thresholds = list(of, "thresholds").map(|entry| {
        read(entry, HashMapRule::AtLeast { level_nano: nano(&text(&entry["level"])) })
    });
    mappings.chain(thresholds).collect()
}

fn groups(service: &Value) -> BTreeMap<String, HashMapGroup> {
    let mut all = costs_of(service, None);
    for (field, costs) in service["fields"].as_object().into_iter().flatten() {
        all.extend(costs_of(costs, Some(field)));
    }
    let mut groups: BTreeMap<String, HashMapGroup> = BTreeMap::new();
    for (group, cost) in all {
        groups.entry(group).or_default().costs.push(cost);
    }
    groups
}

fn check(case: &Value) {
    let id = case["id"].as_str().expect("id");
    let project = case["tenant"].as_str();
    let at = instant(&case["input"]["period"]["begin"]);
    let mut total = Fraction::ZERO;
    for (index, point) in list(&case["input"], "points").enumerate() {
        let service = point["service"].as_str().expect("service");
        let groups = groups(&case["config"]["services"][service]);
        let attributes: BTreeMap<String, String> = point["desc"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), text(value)))
            .collect();
        let quantity = decimal(&text(&point["qty"]));
        let worth = hashmap::worth(&groups, &attributes, project, at, &quantity).expect(id);
        let expected = &case["expected"]["prices_exact"][index];
        assert_eq!(worth, decimal(&text(expected)), "{id}, point {index}");
        total = total.checked_add(&worth).expect("total");
    }
    assert_eq!(total, decimal(&text(&case["expected"]["total_exact"])), "{id}, total");
}

#[test]
fn hashmap_points_cost_what_they_cost_elsewhere() {
    let Some(cases) = cases_beside("cloudkitty.json") else { return };
    let points: Vec<&Value> = cases.iter().filter(|case| case["kind"] == "hashmap").collect();
    println!("{} of {} cases are HashMaps", points.len(), cases.len());
    assert!(points.len() >= 9, "only {} cases", points.len());
    for case in points {
        check(case);
    }
}
