//! Lives of resources as sources really tell them: what they send, in order of arrival, through the
//! adapters and the fold, and the intervals that have to come of it.
//!
//! The cases are those of `tests/lifecycle`, and those that lie beside the workspace, where they do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use turnpike_ingest::{DecodeContext, Decoded, IngestSettings, Record, decode};
use turnpike_rating::metering::{Fold, MeteredEvent};
use turnpike_schemas::book::OpenIntervals;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::meter::{GIB, MIB, MeterCatalogue};
use turnpike_schemas::{Aggregation, Instant, UsageEvent, UsageInterval};

use crate::support::case;
use crate::support::skip;

/// Later than everything that happens: what ends here is open.
const UNTIL: &str = "2026-11-20T00:00:00Z";

fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn lives_give_the_intervals_they_should() {
    let own = case::folder("lifecycle/cases.json");
    assert!(check_all(&own) >= 17, "cases are missing from {}", own.display());
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases/lifecycle.json");
    if beside.exists() {
        assert!(check_all(&beside) >= 8, "cases are missing from {}", beside.display());
    } else {
        skip::say("further cases of lifecycles", &format!("{} is not there", beside.display()));
    }
}

fn check_all(path: &Path) -> usize {
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .flat_map(|case| {
            let name = case["id"].as_str().unwrap();
            differences(case).into_iter().map(move |wrong| format!("{name}: {wrong}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    cases.len()
}

/// What a life came to.
struct Life {
    intervals: Vec<UsageInterval>,
    evidence: Option<Instant>,
}

fn differences(case: &Value) -> Vec<String> {
    let life = lived(case["events_in_arrival_order"].as_array().unwrap());
    let expected = case["expected_intervals"].as_array().unwrap();
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: String, found: String| {
        if expected != found {
            wrong.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    let meters: BTreeSet<&str> = expected.iter().flat_map(meters_of).collect();
    let known = meters.iter().copied().chain(["vcpu", "memory"]).collect::<BTreeSet<&str>>();
    for meter in known {
        let wanted = expected.iter().filter_map(|row| shown_row(row, meter)).collect::<Vec<_>>();
        compare(meter, wanted.join(", "), shown(&life.intervals, meter).join(", "));
    }
    for row in expected {
        if let Some(owner) = row["owner"].as_str() {
            let owners = life.intervals.iter().map(|interval| {
                interval.holder.owner.as_ref().map(|owner| owner.as_str().to_owned())
            });
            let found: BTreeSet<_> = owners.collect();
            compare(
                "owner",
                format!("{:?}", [Some(owner)]),
                format!("{:?}", Vec::from_iter(found)),
            );
        }
        if let Some(until) = row["evidence_until"].as_str() {
            let found = life.evidence.map(|at| at.to_string()).unwrap_or_default();
            compare("evidence", instant(until).to_string(), found);
        }
    }
    let end = instant(UNTIL);
    let until = life.evidence.unwrap_or(end);
    let seconds = |until| billable(&life.intervals, "vcpu", until, false).to_string();
    for (field, found) in
        [("billed_seconds", seconds(end)), ("billed_seconds_until_evidence", seconds(until))]
    {
        if let Some(expected) = case[field].as_i64() {
            compare(field, expected.to_string(), found);
        }
    }
    for (field, meter, unit) in [
        ("vcpu_seconds", "vcpu", 1_000_000),
        ("memory_mib_seconds", "memory", MIB),
        ("root_disk_gib_seconds", "root-disk", GIB),
    ] {
        if let Some(expected) = case["default_billable"][field].as_i64() {
            let found = billable(&life.intervals, meter, end, true) / i128::from(unit);
            compare(field, expected.to_string(), found.to_string());
        }
    }
    wrong
}

fn meters_of(row: &Value) -> Vec<&str> {
    match row["meter"].as_str() {
        Some("egress_bytes") => vec!["egress"],
        Some(meter) => vec![meter],
        None => vec![],
    }
}

/// A row of the expected intervals, as an interval of `meter` is shown; `None`: it is of another.
fn shown_row(row: &Value, meter: &str) -> Option<String> {
    let quantity = match (row["meter"].as_str(), meter) {
        (Some(_), _) if !meters_of(row).contains(&meter) => return None,
        (Some(_), _) => row["quantity"].as_i64().or(row["delta"].as_i64())?,
        (None, "vcpu") => row["vcpu"].as_i64()? * 1_000_000,
        (None, "memory") => row["memory_mib"].as_i64()? * MIB,
        (None, _) => return None,
    };
    let start = instant(row["start"].as_str()?);
    let end = row["end"].as_str().map_or_else(|| "open".to_owned(), |end| instant(end).to_string());
    let state = row["state"].as_str().unwrap_or("running").replace('_', "-");
    let state = if state == "running" { "active".to_owned() } else { state };
    Some(format!("{start}..{end} {state} {quantity}"))
}

/// The intervals of a meter that have a length, those of one state and quantity joined.
fn shown(intervals: &[UsageInterval], meter: &str) -> Vec<String> {
    let mut own: Vec<(Instant, Instant, ResourceState, i64, Aggregation)> = intervals
        .iter()
        .filter(|interval| interval.meter.as_str() == meter && interval.start < interval.end)
        // Nothing is held by what is being built.
        .filter(|interval| interval.state != ResourceState::Building)
        .map(|i| (i.start, i.end, i.state, i.quantity, i.aggregation))
        .collect();
    own.sort_by_key(|row| row.0);
    own.dedup_by(|next, row| {
        let joins =
            row.4 == Aggregation::Held && row.1 == next.0 && (row.2, row.3) == (next.2, next.3);
        if joins {
            row.1 = next.1;
        }
        joins
    });
    let end =
        |end: Instant| if end == instant(UNTIL) { "open".to_owned() } else { end.to_string() };
    own.iter()
        .map(|row| format!("{}..{} {} {}", row.0, end(row.1), row.2.as_str(), row.3))
        .collect()
}

/// Seconds in which a meter is billable by default, times its quantity if `weighted`.
fn billable(intervals: &[UsageInterval], meter: &str, until: Instant, weighted: bool) -> i128 {
    let catalogue = MeterCatalogue::builtin();
    let class = catalogue.iter().find(|known| known.id.as_str() == meter).unwrap().hold;
    let own = intervals.iter().filter(|interval| interval.meter.as_str() == meter);
    own.filter(|interval| class.holds(interval.state))
        .map(|interval| {
            let end = interval.end.min(until).floor_seconds();
            let seconds = (end - interval.start.floor_seconds()).max(0);
            i128::from(seconds) * if weighted { i128::from(interval.quantity) } else { 1 }
        })
        .sum()
}

/// Decodes what arrived, passes over what is a duplicate, and folds the rest in the order of time.
fn lived(arrived: &[Value]) -> Life {
    let now = instant(UNTIL);
    let context = DecodeContext::new(&IngestSettings::default(), now);
    let (mut seen, mut forms) = (BTreeSet::new(), BTreeMap::new());
    let mut events = Vec::new();
    for (index, message) in arrived.iter().enumerate() {
        let text = message_text(message, index);
        for decoded in decode(&Record::of(text.as_bytes()), &context) {
            let event = match decoded {
                Decoded::Event(event) => event,
                Decoded::Unmetered(_) => continue,
                Decoded::Dead(reject) => panic!("{}: {}", reject.code, reject.message),
            };
            let other_form = event.twin.as_ref().is_some_and(|twin| {
                forms.entry(twin.key.clone()).or_insert_with(|| twin.form.clone()) != &twin.form
            });
            if seen.insert(event.key()) && !other_form {
                events.push(event);
            }
        }
    }
    events.sort_by_key(|event| (event.time, event.rank(), event.key()));
    let (mut fold, mut intervals) = (Fold::default(), Vec::new());
    for event in events {
        fold.apply(&metered(*event), &mut |interval| intervals.push(interval));
    }
    let evidence = fold.state().map(|state| state.evidence);
    fold.finish(now, OpenIntervals::UntilStop, &mut |interval| intervals.push(interval));
    Life { intervals, evidence }
}

/// A case states what matters; whom and what it concerns is added here.
fn message_text(message: &Value, index: usize) -> String {
    if message["kind"] == "poll" {
        return json!({
            "specversion": "1.0", "id": format!("poll-{index}"), "source": "/agents/hv-1",
            "type": "dev.turnpike.usage.snapshot.v1", "time": message["at"],
            "data": {
                "resource": {"kind": "instance", "id": "i-1"}, "owner": "t-1",
                "incarnation": message["boot"],
                "used": [{"meter": "egress", "quantity": message["tx_bytes"], "cumulative": true}],
            },
        })
        .to_string();
    }
    let mut message = message.clone();
    let event_type = message["event_type"].as_str().unwrap().to_owned();
    let payload = message["payload"].as_object_mut().unwrap();
    if event_type.contains("instance.") && !event_type.starts_with("trove.") {
        payload.entry("uuid").or_insert_with(|| "i-1".into());
    }
    let owner = if event_type.starts_with("image.") { "owner" } else { "tenant_id" };
    payload.entry(owner).or_insert_with(|| "t-1".into());
    message.to_string()
}

fn metered(event: UsageEvent) -> MeteredEvent {
    MeteredEvent {
        key: event.key(),
        resource: event.resource.expect("what meters has a resource"),
        time: event.time,
        kind: event.kind,
        state: event.state,
        terminal: event.terminal,
        window: event.window,
        since: event.since,
        seconds: event.seconds,
        incarnation: event.incarnation,
        resource_kind: event.resource_kind,
        parent: event.parent,
        owner: event.owner,
        project: event.project,
        site: event.site,
        region: event.region,
        source: event.source,
        attributes: event.attributes,
        tags: event.tags,
        measurements: event.measurements,
    }
}
