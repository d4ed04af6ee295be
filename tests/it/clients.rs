//! Clients of others, unmodified, into the real broker; each bill was worked out by hand.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;
use turnpike_schemas::Instant;

use crate::pipeline::ingest;
use crate::support::case;
use crate::support::cli::Turnpike;
use crate::support::kafka::{self, Record};
use crate::support::skip;

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

/// What libvirt's own in-memory driver says, by the agent of `docs/systems`; `None` without libvirt.
fn libvirt(arguments: &[&str]) -> Option<Vec<Value>> {
    // Debian's libvirt is for Debian's Python.
    let python = "/usr/bin/python3";
    let has = Command::new(python).args(["-c", "import libvirt"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        let reason = format!("{python} has no libvirt (Debian's python3-libvirt)");
        skip::say("events of libvirt's own driver", &reason);
        return None;
    }
    let agent = case::folder("../docs/systems/libvirt_agent.py");
    let output = Command::new(python)
        .arg(agent)
        .args(["--uri", "test:///default", "--host", "h-1", "--owner", "t-4"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// An installation that has read these lines from a topic; what was counted.
fn read_lines(lines: &[Value]) -> (Turnpike, Value) {
    let topic = kafka::unique_topic("libvirt");
    kafka::create_topic(&topic, 4);
    let records: Vec<Record> = lines.iter().map(|line| Record::new(line.to_string())).collect();
    kafka::produce_with_python(&topic, &records);
    let turnpike = Turnpike::new();
    turnpike.ok(&["book", "import", &case::folder("oracle/book.toml").to_string_lossy()]);
    let read = ingest(&turnpike, &topic);
    (turnpike, read)
}

/// The domain that libvirt's test driver begins with has 2 vCPU and 2 GiB and runs. An hour of it:
/// 2 x 0.0416 + 2 x 0.0052 = 0.0832 + 0.0104 = 0.0936.
#[test]
fn libvirt_s_test_driver_is_billed() {
    let Some(lines) = libvirt(&["--seconds", "1", "--interval", "1"]) else { return };
    let (turnpike, read) = read_lines(&lines);
    assert_eq!((&read["dead"], &read["read"]), (&0.into(), &lines.len().into()), "{read}");
    let first = lines[0]["observed_at"].as_str().unwrap();
    let first: i64 = first.split('.').next().unwrap().parse().unwrap();
    let at = |second: i64| Instant::from_micros(second * 1_000_000).unwrap().to_string();
    let (from, to) = (at(first + 1), at(first + 3_601));
    let run = turnpike.json(&["rate", "--from", &from, "--to", &to, "--as-of", &to, "--strict"]);
    assert_eq!(run["totals"][0]["amount"], "0.0936", "{run}");
}

/// A domain is defined, started, suspended, resumed, shut down, started, destroyed and undefined, and
/// all of it is understood.
#[test]
fn a_life_in_libvirt_s_test_driver_is_read() {
    let Some(lines) = libvirt(&["--seconds", "3", "--exercise"]) else { return };
    let events: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    for event in ["Started", "Suspended", "Resumed", "Stopped", "Undefined"] {
        assert!(events.contains(&event), "no {event} among {events:?}");
    }
    let (turnpike, read) = read_lines(&lines);
    assert_eq!((&read["dead"], &read["conflict"]), (&0.into(), &0.into()), "{read}");
    assert_eq!(read["read"], lines.len(), "{read}");
    turnpike.ok(&["compact"]);
}
