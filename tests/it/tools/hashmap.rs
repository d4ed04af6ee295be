//! A HashMap of CloudKitty end to end: `turnpike book import --from cloudkitty` makes a tariff of it,
//! and `turnpike quote` says what each point of a collect period costs under that.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::cli::Turnpike;

/// A sound book without a tariff.
const HEAD: &str = r#"[[party]]
id = "acme"
name = "Acme"
kind = "franchisor"
series = "ACM"
address = { city = "Lyon", country = "FR" }

[[tax_category]]
id = "tax"
code = "S"
rate = "20%"

[[meter]]
id = "of-cloudkitty"
name = "Of CloudKitty"
service = "Compute"
unit = "unit"
scale = 9
aggregation = "held"
hold = "running"
"#;

/// The same kinds as those beside the project, worked out by hand; the configuration as the API
/// answers it, with its 28 decimals.
fn own_cases() -> Vec<Value> {
    let case = |id: &str, service: Value, points: &[(&str, Value, &str)]| {
        let prices: Vec<&str> = points.iter().map(|(_, _, price)| *price).collect();
        let points: Vec<Value> = points
            .iter()
            .map(|(qty, desc, _)| json!({"service": "compute", "qty": qty, "desc": desc}))
            .collect();
        json!({
            "id": id, "kind": "hashmap", "tenant": "p-1", "config": {"services": {"compute": service}},
            "input": {"period": {"begin": "2026-10-01T00:00:00"}, "points": points},
            "expected": {"prices_exact": prices},
        })
    };
    let cost = |cost: &str, kind: &str| json!({"cost": cost, "type": kind});
    let zeros = |number: &str| format!("{number}.{}", "0".repeat(28));
    let fine = "0.1234567890123456789012345678";
    vec![
        // Of flat and rate for the service the last counts: 3 x 0.1234...
        case(
            "flat-after-rate",
            json!({"mappings": [cost(&zeros("16"), "flat"), cost(&zeros("2"), "rate"), cost(fine, "flat")]}),
            &[("3", json!({}), "0.3703703670370370367037037034")],
        ),
        // The rate is the last: nothing is flat, so that it multiplies nothing.
        case(
            "rate-after-flat",
            json!({"mappings": [cost(&zeros("16"), "flat"), cost(&zeros("2"), "rate")]}),
            &[("3", json!({}), "0")],
        ),
        // Groups add up: 2 x 16 + 2 x 0.5 for the flavor; from 10 on a quarter off the service's own
        // group: 10 x 16 x 0.75 + 10 x 0.5.
        case(
            "field-and-threshold",
            json!({
                "mappings": [cost(&zeros("16"), "flat")],
                "thresholds": [{"cost": "0.75", "type": "rate", "level": zeros("10")}],
                "fields": {"flavor": {"mappings": [
                    {"cost": "0.5000000000000000000000000000", "type": "flat", "value": "small", "group": "g"}
                ]}},
            }),
            &[
                ("2", json!({"flavor": "small"}), "33"),
                ("2", json!({"flavor": "large"}), "32"),
                ("10", json!({"flavor": "small"}), "125"),
            ],
        ),
        // The project's own cost takes the place of the common one; the last digit of a cost counts.
        case(
            "project-and-last-digit",
            json!({"mappings": [
                cost(&zeros("16"), "flat"),
                {"cost": "0.0000000000000000000000000001", "type": "flat", "tenant": "p-1"},
                {"cost": "5", "type": "flat", "tenant": "p-2"}
            ]}),
            &[("7", json!({}), "0.0000000000000000000000000007")],
        ),
    ]
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn check(turnpike: &Turnpike, case: &Value) {
    let id = text(&case["id"]);
    turnpike.file("book.toml", HEAD);
    turnpike.ok(&["book", "import", "book.toml"]);
    turnpike.file("hashmap.json", case["config"].to_string());
    let services: Vec<String> = case["config"]["services"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| format!("{name}=of-cloudkitty:unit"))
        .collect();
    let mut arguments = vec![
        "book",
        "import",
        "--from",
        "cloudkitty",
        "hashmap.json",
        "--currency",
        "EUR",
        "--tax",
        "tax",
        "--valid-from",
        "2000-01-01",
    ];
    services.iter().for_each(|service| arguments.extend(["--service", service]));
    turnpike.ok(&arguments);
    let begin = format!("{}Z", text(&case["input"]["period"]["begin"]));
    let points = case["input"]["points"].as_array().unwrap();
    let prices = case["expected"]["prices_exact"].as_array().unwrap();
    assert_eq!(points.len(), prices.len(), "{id}");
    for (number, (point, price)) in points.iter().zip(prices).enumerate() {
        let attributes: serde_json::Map<String, Value> = point["desc"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_object())
            .map(|(key, value)| (key.clone(), json!(text(value))))
            .collect();
        let usage = json!({
            "meter": "of-cloudkitty", "quantity": text(&point["qty"]), "from": begin, "for": "1h",
            "project": case["tenant"], "attributes": attributes,
        });
        turnpike.file("usage.jsonl", format!("{usage}\n"));
        let month = &begin[..7];
        let quote =
            ["quote", "--tariff", "cloudkitty", "--period", month, "--usage-file", "usage.jsonl"];
        let quote = turnpike.json(&quote);
        let found = quote["total"]["amount"].as_str().unwrap_or("0").to_owned();
        let plain = |text: &str| match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text.to_owned(),
        };
        assert_eq!(plain(&found), plain(&text(price)), "{id}, point {number}: {quote}");
    }
}

#[test]
fn hashmaps_of_our_own_are_imported_and_quoted_to_the_last_digit() {
    for case in own_cases() {
        check(&Turnpike::new(), &case);
    }
}

#[test]
fn hashmaps_of_cloudkitty_are_imported_and_quoted_to_the_last_digit() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/cases/cloudkitty.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: cloudkitty.json does not lie beside the project");
        return;
    };
    let cases: Vec<Value> = serde_json::from_str(&text).expect("cloudkitty.json");
    let cases: Vec<&Value> = cases.iter().filter(|case| case["kind"] == "hashmap").collect();
    assert!(cases.len() >= 9, "only {}", cases.len());
    for case in cases {
        check(&Turnpike::new(), case);
    }
}
