//! The Grafana dashboard and the page about metrics name what `/metrics` prints, and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fixture::{Site, Wishes};
use super::{api_key, event, get, submit};

const DASHBOARD: &str = include_str!("../../../docs/operations/grafana-dashboard.json");
const PAGE: &str = include_str!("../../../docs/operations/metrics.md");

/// Names as queries write them: a counter ends in `_total`, a histogram in `_bucket`.
fn printed(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names = types.flat_map(|(name, kind)| match kind {
        "counter" => vec![format!("{name}_total")],
        "histogram" => ["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")).to_vec(),
        _ => vec![name.to_owned()],
    });
    names.collect()
}

/// Words of a text that are names of ours.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("turnpike_")).map(str::to_owned).collect()
}

fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| queries(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_names_a_metric_that_is_printed() {
    let site = Site::start(Wishes::default()).await;
    let key = api_key(&site, |_| {}).await;
    let body = format!("{}\n{{broken", event("a"));
    let lines = [("Content-Type", "application/x-ndjson")];
    assert_eq!(submit(&site, "/v1/events", &key, &lines, body).await.status, 202);
    site.counted.set_lag("usage", 0, 42);
    let text = get(&site, "/metrics", "").await.body;
    let printed = printed(&text);
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("the dashboard is JSON");
    let mut all = Vec::new();
    queries(&dashboard, &mut all);
    assert!(all.len() > 20, "{} queries", all.len());
    for query in &all {
        let names = named(query);
        assert!(!names.is_empty(), "`{query}` asks for nothing of ours");
        for name in names {
            assert!(printed.contains(&name), "`{query}`: {name} is not printed:\n{text}");
        }
    }
    let told = named(PAGE);
    let missing: Vec<_> = printed.iter().filter(|name| !told.contains(*name)).collect();
    // Of a histogram the page names the classes.
    let missing: Vec<_> =
        missing.into_iter().filter(|n| !n.ends_with("_sum") && !n.ends_with("_count")).collect();
    assert!(missing.is_empty(), "docs/operations/metrics.md tells nothing of {missing:?}");
    let unknown: Vec<_> = told.difference(&printed).collect();
    assert!(unknown.is_empty(), "docs/operations/metrics.md tells of {unknown:?}");
    for line in [
        r#"turnpike_source_rows_total{source="http",system="native",status="accepted",reason=""} 1"#,
        r#"turnpike_source_rows_total{source="http",system="unknown",status="dead",reason="json_invalid"} 1"#,
        r#"turnpike_kafka_lag{topic="usage",partition="0"} 42"#,
        r#"turnpike_source_commit_duration_seconds_count{source="http"} 1"#,
        r#"turnpike_source_queue_depth{source="http"} 0"#,
        "turnpike_lake_dead_letters 1",
        "turnpike_lake_uncompacted_rows 2",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
    }
    site.stop().await;
}
