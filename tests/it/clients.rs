//! Clients of others, unmodified, into the real broker; each bill was worked out by hand.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::pipeline::ingest;
use crate::support::case;
use crate::support::cli::Turnpike;
use crate::support::kafka;

const PERIOD: &str = "2025-10";

/// What a program of `tests/clients` sent, billed.
struct Sent {
    read: Value,
    /// Account and net amount.
    nets: BTreeMap<String, String>,
    /// Meter and net amount of every charge, sorted.
    charges: Vec<(String, String)>,
}

/// Runs a client against a new topic and bills what arrived at `read_from`.
fn send(program: &str, suffix: &str) -> Sent {
    let topic = kafka::unique_topic("client");
    let read_from = format!("{topic}{suffix}");
    kafka::create_topic(&read_from, 4);
    let output = Command::new(kafka::python())
        .arg(case::folder("clients").join(program))
        .args([kafka::bootstrap(), &topic])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    bill(|turnpike| ingest(turnpike, &read_from))
}

fn bill(read: impl FnOnce(&Turnpike) -> Value) -> Sent {
    let turnpike = Turnpike::new();
    turnpike.ok(&["book", "import", &case::folder("oracle/book.toml").to_string_lossy()]);
    let read = read(&turnpike);
    let run = turnpike.json(&["rate", "--period", PERIOD, "--strict"]);
    assert_eq!((&run["unassigned"], &run["parked"]), (&0.into(), &Value::Array(vec![])), "{run}");
    turnpike.ok(&["invoice", "draft", "--period", PERIOD]);
    let invoices = case::invoices(&turnpike, PERIOD);
    let mut charges: Vec<(String, String)> = invoices
        .values()
        .flat_map(|invoice| &invoice.charges)
        .map(|charge| (charge.meter.to_string(), charge.net.to_decimal_text()))
        .collect();
    charges.sort();
    let nets = invoices
        .into_iter()
        .map(|(account, invoice)| (account, invoice.net.to_decimal_text()))
        .collect();
    Sent { read, nets, charges }
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(meter, net)| (meter.to_owned(), net.to_owned())).into()
}

fn one(account: &str, net: &str) -> BTreeMap<String, String> {
    [(account.to_owned(), net.to_owned())].into()
}

fn counts(sent: &Sent) -> [&Value; 4] {
    ["read", "accepted", "duplicate", "dead"].map(|name| &sent.read[name])
}

/// A server of 2 vCPU and 4 GiB from 08:00:12 to 20:00:12: 12 hours.
/// vcpu: 2 x 12 x 0.0416 = 0.9984 -> 1.00. memory: 4 x 12 x 0.0052 = 0.2496 -> 0.25.
/// A volume of 10 GiB for a day: 10 x 24 x 0.0003 = 0.072 -> 0.07. Together 1.32.
#[test]
fn oslo_messaging_is_billed() {
    let sent = send("oslo_notify.py", ".info");
    assert_eq!(counts(&sent), [4, 4, 0, 0], "{}", sent.read);
    assert_eq!(sent.charges, pairs([("memory", "0.25"), ("vcpu", "1.00"), ("volume", "0.07")]));
    assert_eq!(sent.nets, one("a4", "1.32"));
}

/// 4 vCPU for 6 hours, then 8 for 4: 56 vCPU hours x 0.0416 = 2.3296 -> 2.33.
/// Two events in binary mode, one structured, and the first one again.
#[test]
fn cloudevents_of_the_kafka_binding_are_billed() {
    let sent = send("cloudevents_core.py", "");
    assert_eq!(counts(&sent), [4, 3, 1, 0], "{}", sent.read);
    assert_eq!(sent.charges, pairs([("vcpu", "2.33")]));
    assert_eq!(sent.nets, one("a1", "2.33"));
}

/// 100 events of 0.5 GB over four instances: 12.5 GB x 0.05 = 0.625 -> 0.63 each, 2.52 in all.
#[test]
fn confluent_kafka_is_billed() {
    let sent = send("confluent.py", "");
    assert_eq!(counts(&sent), [100, 100, 0, 0], "{}", sent.read);
    assert_eq!(sent.charges, pairs([("egress", "0.63"); 4]));
    assert_eq!(sent.nets, one("a2", "2.52"));
}

/// A counter: 10 is where it begins, +2, +5, then a reboot: 1, +3. 11 GB x 0.05 = 0.55.
#[test]
fn kafka_python_is_billed() {
    let sent = send("kafka_python.py", "");
    assert_eq!(counts(&sent), [5, 5, 0, 0], "{}", sent.read);
    assert_eq!(sent.charges, pairs([("egress", "0.55")]));
    assert_eq!(sent.nets, one("a3", "0.55"));
}
