//! From OpenStack notifications on a real Apache Kafka to invoices, to the cent.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::http::server::{get, post};
use crate::support::case::{self, Case};
use crate::support::cli::{COMMAND_MAX, Running, Turnpike};
use crate::support::counts;
use crate::support::kafka::{self, Record};
use crate::support::{skip, wait};

/// The records of a case, as `tests/kafka/client.py` sends them.
pub fn records(case: &Case) -> Vec<Record> {
    let text = std::fs::read_to_string(case.path("records.jsonl")).unwrap();
    text.lines().map(|line| record(&serde_json::from_str(line).unwrap())).collect()
}

fn record(line: &Value) -> Record {
    let record = line["value"].as_str().map_or_else(Record::tombstone, Record::new);
    record.partition(line["partition"].as_i64().unwrap().try_into().unwrap())
}

/// Reads topics from their start to the end that they have now; what was counted.
pub fn ingest(turnpike: &Turnpike, topics: &str) -> Value {
    turnpike.json(&ingest_arguments(topics, &kafka::unique_topic("group")))
}

pub fn ingest_arguments<'a>(topics: &'a str, group: &'a str) -> [&'a str; 12] {
    let brokers = kafka::bootstrap();
    [
        "ingest",
        "--from",
        "kafka",
        "--brokers",
        brokers,
        "--topics",
        topics,
        "--group",
        group,
        "--start",
        "earliest",
        "--until-end",
    ]
}

#[test]
fn notifications_become_the_invoices_of_the_readme() {
    let case = Case::read(case::folder("pipeline"));
    let topic = kafka::unique_topic("pipeline");
    kafka::create_topic(&topic, 4);
    kafka::produce_with_python(&topic, &records(&case));

    let turnpike = case.install();
    ingest(&turnpike, &topic);
    let billed = case.bill(&turnpike);
    case.check(&turnpike, &billed);

    // The totals of the README, so that they stand here too.
    let gross = |account: &str| billed.invoices[account].gross.to_string();
    assert_eq!(gross("atelier"), "273.18 EUR");
    assert_eq!(gross("beacon"), "9.85 EUR");
    let html = |account: &str, reader: &str| {
        let id = billed.invoices[account].id.as_str();
        turnpike.ok(&["invoice", "show", id, "--format", "html", "--as", reader])
    };
    assert!(html("atelier", "customer").contains("273.18"));
    assert!(!html("atelier", "customer").contains("106.47"), "a customer sees the split");
    assert!(html("atelier", "provider").contains("106.47"));
    turnpike.ok(&["verify"]);

    // Nothing is read twice, and nothing that is sent again is billed again.
    assert_eq!(ingest(&turnpike, &topic)["read"], 0);
    let sent_again: Vec<Record> = records(&case).into_iter().rev().collect();
    kafka::produce_with_python(&topic, &sent_again);
    assert_eq!(ingest(&turnpike, &topic)["read"], 29);
    let counts = counts::of(&turnpike);
    let found = ["read", "accepted", "duplicate", "dead"].map(|name| &counts[name]);
    assert_eq!(found, [58, 22, 32, 4], "{counts}");
    let again = case.bill(&turnpike);
    assert_eq!(again.run["hash"], billed.run["hash"]);
    assert_eq!(again.invoices, billed.invoices);
    turnpike.ok(&["verify"]);
}

#[test]
fn a_consumer_without_pages_answers_for_its_health() {
    let topic = kafka::unique_topic("health");
    kafka::create_topic(&topic, 1);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let turnpike = Turnpike::new().with("TURNPIKE__INGEST__LISTEN", &format!("127.0.0.1:{port}"));
    let group = kafka::unique_topic("group");
    let mut arguments = ingest_arguments(&topic, &group).to_vec();
    assert_eq!(arguments.pop(), Some("--until-end"));
    let mut running = Running::start(turnpike.command(arguments));
    wait::until("a consumer that is ready", COMMAND_MAX, || {
        get(port, "/readyz").filter(|answer| answer.status == 200)
    });
    kafka::produce_with_python(&topic, &[Record::new("{}"), Record::new("{}")]);
    let counted = "turnpike_source_records_total{source=\"kafka\"} 2";
    wait::until("its records to be counted", COMMAND_MAX, || {
        get(port, "/metrics").filter(|answer| answer.body.contains(counted))
    });
    assert_eq!(get(port, "/healthz").unwrap().status, 200);
    // There is nothing else: no pages, and nothing to send events to.
    assert_eq!(get(port, "/").unwrap().status, 404);
    assert_eq!(post(port, "/v1/events", "none", &[], b"{}").unwrap().status, 404);
    let ended = Command::new("kill").args(["-TERM", &running.id().to_string()]).status();
    assert!(ended.unwrap().success());
    let ran = running.wait(COMMAND_MAX).expect("it ends");
    assert!(ran.status.success(), "{ran}");
}

#[test]
fn what_oslo_messaging_wrote_itself_is_read() {
    let captured = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/samples/wire-captures/oslo_kafka_wire.jsonl");
    let Ok(text) = std::fs::read_to_string(&captured) else {
        skip::say("captures of oslo.messaging", &format!("{} is not there", captured.display()));
        return;
    };
    let prefix = kafka::unique_topic("captured");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut topics: Vec<&str> = lines.iter().map(|line| line["topic"].as_str().unwrap()).collect();
    topics.sort_unstable();
    topics.dedup();
    for topic in &topics {
        let name = format!("{prefix}.{topic}");
        kafka::create_topic(&name, 4);
        let of_topic = lines.iter().filter(|line| line["topic"] == **topic);
        kafka::produce_with_python(&name, &of_topic.map(record).collect::<Vec<_>>());
    }

    let turnpike = Turnpike::new();
    let book = turnpike.file("book.toml", CAPTURED_BOOK);
    turnpike.ok(&["book", "import", &book.to_string_lossy()]);
    let names: Vec<String> = topics.iter().map(|topic| format!("{prefix}.{topic}")).collect();
    let report = ingest(&turnpike, &names.join(","));
    assert_eq!(report["read"], 10, "{report}");
    assert_eq!(report["accepted"], 10, "{report}");
    // The sample and the audit are of no service.
    assert_eq!(report["unmetered"], 2, "{report}");

    // A volume of 1 GiB was created in 2016, another (of whose creation nothing is known but
    // `launched_at`) was deleted in November 2026: in October both were held all month.
    turnpike.ok(&["rate", "--period", "2026-10"]);
    turnpike.ok(&["invoice", "draft", "--period", "2026-10"]);
    let invoices = case::invoices(&turnpike, "2026-10");
    let nets: Vec<String> =
        invoices["demo"].charges.iter().map(|charge| charge.net.to_string()).collect();
    assert_eq!(nets, ["0.08 EUR", "0.08 EUR"]);
}

const CAPTURED_BOOK: &str = r#"
[[party]]
id = "acme"
name = "Acme Cloud Network"
kind = "franchisor"
series = "ACM"
payment_days = 30
address = { lines = ["1 place du Marché"], postal_code = "75001", city = "Paris", country = "FR" }

[[tax_category]]
id = "standard"
code = "S"
rate = "20%"

[[tariff]]
id = "standard"
name = "Standard"
currency = "EUR"

[[tariff.version]]
valid_from = "2010-01-01T00:00:00Z"

[[tariff.version.rate]]
meter = "volume"
price = "0.08"
per = "month"
unit = "GiB"
tax = "standard"

[[account]]
id = "demo"
name = "Demo SARL"
seller = "acme"
currency = "EUR"
time_zone = "UTC"
tariff = "standard"
address = { lines = ["10 quai Nord"], postal_code = "69001", city = "Lyon", country = "FR" }

[[account.owner]]
owner = "openstack/1816a16093df465dbc609cf638422a05"
"#;
